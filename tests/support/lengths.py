"""How long the long experiments last: a short form in ``make test``, the whole one in ``make soak``."""

from __future__ import annotations

import os

SOAK = os.environ.get("FLOODWARDEN_SOAK") == "1"


def short_or_soak(short: float, soak: float) -> float:
    """The length for this run."""
    return soak if SOAK else short
