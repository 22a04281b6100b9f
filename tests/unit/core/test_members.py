"""Members that work off one partition after the other: their rate, and whose turn a partition awaits."""

from __future__ import annotations

import pytest

from floodwarden.core.history import Track
from floodwarden.core.members import awaits_turn, member_load
from floodwarden.core.observation import Offsets

RATE = 15.0


def in_turn(backlog: int, partitions: int, until: int, *, skipped: int | None = None, commit_every: int = 1) -> list[Track]:
    """Tracks of a member that began at 0 s to work at RATE on one partition after the other, but never on ``skipped``."""
    tracks = [Track() for _ in range(partitions)]
    served = [number for number in range(partitions) if number != skipped]
    for second in range(until + 1):
        done = int(RATE * (second - second % commit_every))
        for number, track in enumerate(tracks):
            committed = min(backlog, max(0, done - served.index(number) * backlog)) if number in served else 0
            track.record(float(second), Offsets(0, backlog, committed))
    return tracks


@pytest.mark.parametrize("commit_every", [1, 3])
@pytest.mark.parametrize("now", [12, 13, 14, 20, 26])
def test_the_rate_is_that_of_the_member(now: int, commit_every: int) -> None:
    """Partitions that were served within one window are not added up as if they were served at once."""
    tracks = in_turn(100, 6, now, commit_every=commit_every)
    assert member_load(tracks, float(now)).consumed == pytest.approx(RATE, rel=0.1)


def test_idle() -> None:
    """Who has committed nothing consumes nothing, and nothing waits for him that moves."""
    load = member_load(in_turn(0, 2, 20), 20.0)
    assert (load.consumed, load.waiting) == (0, 0)


def test_a_partition_awaits_its_turn() -> None:
    """The last of four partitions does not move for 60 s because the member is busy with the others."""
    tracks = in_turn(300, 4, 59)
    assert awaits_turn(tracks[3], tracks[:3], 59.0, 30.0)


def test_a_partition_that_is_passed_over() -> None:
    """Once everything that waited beside it is done and newer messages too, it is not its turn that it awaits."""
    tracks = in_turn(150, 4, 45, skipped=3)
    assert awaits_turn(tracks[3], tracks[:3], 35.0, 30.0)  # it may be its turn just now
    assert not awaits_turn(tracks[3], tracks[:3], 45.0, 30.0)


def test_a_member_that_stands() -> None:
    """Where nothing of the member moves, no turn will come."""
    tracks = in_turn(0, 1, 60)
    tracks += in_turn(300, 1, 60, skipped=0)
    assert not awaits_turn(tracks[1], tracks[:1], 60.0, 30.0)


def test_a_busy_member_whose_queue_is_not_in_order() -> None:
    """What came later to a partition may be fetched with what was there, and is worked off first: that is not passing over."""
    tracks = [Track(), Track()]
    for second in range(61):
        end = 100 if second < 5 else 1300
        tracks[0].record(float(second), Offsets(0, end, int(RATE * second)))
        tracks[1].record(float(second), Offsets(0, 100, 0))
    assert awaits_turn(tracks[1], tracks[:1], 60.0, 30.0)


def test_passed_over_by_a_busy_member() -> None:
    """A member that serves its other partitions in turn, and never this one, passes it over however much waits."""
    tracks = [Track(), Track(), Track()]
    for second in range(61):
        for number in range(2):
            turns = (second + 1 - number) // 2
            tracks[number].record(float(second), Offsets(0, 20 + 100 * second, int(RATE * turns)))
        tracks[2].record(float(second), Offsets(0, 100, 0))
    assert not awaits_turn(tracks[2], tracks[:2], 60.0, 30.0)
