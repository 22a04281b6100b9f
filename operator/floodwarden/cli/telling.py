"""What a command is doing, told to whoever waits at a terminal; pipes and files hear nothing."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import typer

from floodwarden.core.text import plain

PATIENCE: Final = 1.0  # seconds that need no explanation
LINE_BYTES: Final = 500


@contextmanager
def telling(doing: str) -> Iterator[None]:
    """Say on stderr what is being done where it takes longer than a moment."""
    if not sys.stderr.isatty():
        yield
        return
    timer = threading.Timer(PATIENCE, typer.echo, [plain(f"floodwarden: {doing} …", LINE_BYTES)], {"err": True})
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
