"""Waiting in asynchronous tests: on a condition, with a deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def eventually(look: Callable[[], Awaitable[T]], holds: Callable[[T], bool], *, within: float = 20.0) -> T:
    """What ``look`` gives as soon as ``holds`` is true of it; AssertionError with the last of it after ``within`` seconds."""
    deadline = asyncio.get_running_loop().time() + within
    while True:
        seen = await look()
        if holds(seen):
            return seen
        assert asyncio.get_running_loop().time() < deadline, f"not within {within:g} s; last seen: {seen}"
        await asyncio.sleep(0.05)
