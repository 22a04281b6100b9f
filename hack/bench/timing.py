"""How time passes while something is measured. Elsewhere in hack/ it passes on a condition only (``floodhack.waiting``)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from floodhack.waiting import until


def window(seconds: float) -> None:
    """Let a window of measurement pass: what happens in just this time is counted, so there is no condition to wait for."""
    time.sleep(max(0.0, seconds))


def looks(seconds: float, every: float) -> Iterator[float]:
    """One look after the other until so many seconds have passed; the seconds since the first."""
    began = time.monotonic()
    while (passed := time.monotonic() - began) < seconds:
        yield passed
        window(every)


def settled(count: Callable[[], int], *, quiet: float, seconds: float, what: str) -> None:
    """Return once a count has not grown for ``quiet`` seconds; HackError when it still grows after ``seconds``."""
    last, since = count(), time.monotonic()

    def still() -> bool:
        nonlocal last, since
        now = count()
        if now != last:
            last, since = now, time.monotonic()
        return time.monotonic() - since >= quiet

    until(still, seconds=seconds, what=what, every=0.5)
