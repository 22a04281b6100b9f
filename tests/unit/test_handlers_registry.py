"""How kopf is set up: what it tries again, and for how long."""

from __future__ import annotations

from collections.abc import Iterable, Sized
from itertools import islice

from floodwarden.handlers.registry import LONGEST_BACKOFF, settings


def test_requests_are_tried_for_ever_and_never_far_apart() -> None:
    """An API server that is away or refuses for an hour ends no watch, and is seen within seconds of its return, each time."""
    pauses = settings().networking.error_backoffs
    assert isinstance(pauses, Iterable)
    assert not isinstance(pauses, Sized), "kopf gives up at the end of a sequence"
    for _ in range(2):
        first = list(islice(pauses, 1000))
        assert len(first) == 1000
        assert 0 < max(first) <= LONGEST_BACKOFF
