"""Waiting on a condition with a deadline: the only way the scripts of hack/ let time pass."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

from floodhack.errors import HackError


def until(
    condition: Callable[[], bool],
    *,
    seconds: float,
    what: str,
    every: float = 0.1,
    dead: Callable[[], str | None] = lambda: None,
) -> None:
    """Return once `condition()` holds.

    HackError when it does not within `seconds`, or as soon as `dead()` gives a reason why it never will.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        reason = dead()
        if reason is not None:
            raise HackError(f"{what}: {reason}")
        if time.monotonic() > deadline:
            raise HackError(f"{what}: not within {seconds:.0f} s")
        time.sleep(every)


def listening(port: int, host: str = "127.0.0.1") -> bool:
    """Whether something accepts TCP connections on the port."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((host, port)) == 0
