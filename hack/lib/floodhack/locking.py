"""One script at a time: an advisory lock on a file, held while a cache entry is made or an instance is changed."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from floodhack.progress import say


@contextmanager
def lock(path: Path, what: str) -> Iterator[None]:
    """Hold the lock on `path`, waiting (and saying so) while another script has it; it ends with the process."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another script that works on {what} (lock: {path})")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
