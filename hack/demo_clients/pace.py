"""How many messages are due: a producer's schedule, at the rate that it was told last.

Shared by `producer.py`, `queue_producer.py` and `rocketmq_producer.py`.
"""

from __future__ import annotations

import time

from .rate import current
from .settings import Settings, log

TICK_SECONDS = 0.02
LOOK_SECONDS = 0.2
# A pause of the machine is not made good by a burst: at most this much of the schedule is caught up.
CATCH_UP_SECONDS = 1.0


class Pace:
    """`owed` messages are due now; whoever sends one takes it off. Times are those of one monotonic clock, in seconds."""

    def __init__(self, settings: Settings, now: float) -> None:
        self.settings = settings
        self.rate = settings.base_rate
        self.owed = 0.0
        self._last = self._next_look = now

    def tick(self, now: float) -> None:
        """Add what has become due since the last time, and look now and then whether another rate is wished for."""
        if now >= self._next_look:
            self._next_look = now + LOOK_SECONDS
            wanted = current(self.settings.control, time.time(), self.settings.base_rate)
            if wanted != self.rate:
                log(f"rate changes from {self.rate:.0f}/s to {wanted:.0f}/s")
                self.rate = wanted
        self.owed = min(self.owed + self.rate * (now - self._last), self.rate * CATCH_UP_SECONDS)
        self._last = now
