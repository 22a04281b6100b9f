"""What stands for a program around the brokers' clients: the work on each message, and the pace of its retries."""

from __future__ import annotations

import time

RETRY_SECONDS = 1.0


class Work:
    """A slot of 1/capacity seconds for each message. What is idle meanwhile is not saved up."""

    def __init__(self, capacity: float) -> None:
        self._slot = 1.0 / capacity
        self._free_at = 0.0

    def do(self) -> None:
        """Return once a message is worked off."""
        self._free_at = max(self._free_at, time.monotonic()) + self._slot
        time.sleep(max(0.0, self._free_at - time.monotonic()))  # it is the work


def back_off() -> None:
    """Let pass what a client waits that was refused: it asks again in any case, so there is no condition to wait for."""
    time.sleep(RETRY_SECONDS)
