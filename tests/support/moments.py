"""Moments at which something is done to a process: where any one is as good as another, there is no condition to wait for."""

from __future__ import annotations

import time


def let_pass(seconds: float) -> None:
    """Let a random moment come. Everywhere else tests wait on conditions (``floodhack.waiting``)."""
    time.sleep(seconds)
