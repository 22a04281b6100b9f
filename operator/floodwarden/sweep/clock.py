"""Two clocks in step: monotonic seconds for deciding, wall time for people; the only module here that reads either."""

from __future__ import annotations

import time
from datetime import UTC, datetime

DRIFT = 2.0  # seconds by which the clocks may part before their distance is taken anew

_distance = time.time() - time.monotonic()


def now() -> float:
    """Seconds of a clock that never jumps; of use only inside this process."""
    return time.monotonic()


def wall(at: float | None = None) -> datetime:
    """The wall time of a moment of ``now()``'s clock, by default this one. The same moment gives the same time, unless
    the wall clock was set meanwhile."""
    return datetime.fromtimestamp(_offset() + (now() if at is None else at), UTC)


def monotonic(at: datetime) -> float:
    """The moment of ``now()``'s clock at a wall time from status; never later than now, should the wall clock have jumped."""
    return min(now(), at.timestamp() - _offset())


def until(at: datetime) -> float:
    """Seconds until a wall time from status; 0 where it has passed."""
    return max(0.0, at.timestamp() - _offset() - now())


def _offset() -> float:
    global _distance
    distance = time.time() - time.monotonic()
    if abs(distance - _distance) > DRIFT:
        _distance = distance
    return _distance
