"""What each member of a group does: how fast it works, whether work waits for it, and whether a partition awaits its turn.

A member may work off one partition after the other: librdkafka hands over what it fetched in that order. So the rates of its
partitions, each taken while it moved, do not add up to the member's; and a partition that does not move may only be waiting
for the others. ``assess`` asks, ``capacity`` learns from the answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from floodwarden.core.history import SMOOTH_WINDOW, Track

WINDOW_COMMITS = 3  # commits over which the consumption of a member is measured
HAND_OVER = 2.0  # seconds for which two partitions may both move although one is served after the other


@dataclass(frozen=True, slots=True)
class MemberLoad:
    """One member over its last window.

    ``consumed`` in messages per second; ``waiting``: messages that waited for it at the window's begin and at its end,
    whichever is less, in those of its partitions that moved; ``window`` in seconds: long enough for some commits.
    """

    consumed: float
    waiting: int
    window: float


def member_load(tracks: Sequence[Track], now: float) -> MemberLoad:
    """What the member did that owns the partitions of these tracks."""
    window = _commit_window(tracks, now)
    moved = [track for track in tracks if _done_since(track, now - window) > 0]
    return MemberLoad(
        consumed=_stepped_rate(moved, now - window, now),
        waiting=min(sum(_lag_at(track, when) for track in moved) for when in (now - window, now)),
        window=window,
    )


def awaits_turn(track: Track, others: Iterable[Track], now: float, bound: float) -> bool:
    """Whether a partition that does not move may only be waiting until its member has worked off its others.

    It may while they move (one did within ``bound`` seconds), unless all is done that waited in them when it moved last (a
    smoothing window ago: its own first commit takes a moment too), and either they were served in turn meanwhile or little
    waits in them. What was fetched later from one of them may still come first.
    """
    since = track.committed.flat_since
    others = list(others)
    if since is None or not any(_done_since(other, now - bound) > 0 for other in others):
        return False
    lately = max(since, now - SMOOTH_WINDOW)
    ahead = sum(_lag_at(other, since) for other in others)
    if sum(_committed_at(other, lately) - _committed_at(other, since) for other in others) < ahead:
        return True
    little = sum(_lag_at(other, now) for other in others) <= sum(_done_since(other, now - SMOOTH_WINDOW) for other in others)
    return not (little or _came_round(others, since))


def _came_round(tracks: Iterable[Track], since: float) -> bool:
    """Whether two of these were served in turn, and not one after the other."""
    served = sorted((steps[0], steps[-1]) for track in tracks if (steps := track.committed.changes(since)[1:]))
    latest = float("-inf")
    for first, last in served:
        if first + HAND_OVER < latest:
            return True
        latest = max(latest, last)
    return False


def _commit_window(tracks: Sequence[Track], now: float) -> float:
    """The shortest window that holds a few commits of the member. It commits as often as the busiest of its partitions."""
    gaps = [track.committed.step_gap(now - WINDOW_COMMITS * SMOOTH_WINDOW) for track in tracks]
    gap = min((gap for gap in gaps if gap is not None), default=0.0)
    return min(max(SMOOTH_WINDOW / 2, WINDOW_COMMITS * gap), WINDOW_COMMITS * SMOOTH_WINDOW)


def _stepped_rate(tracks: Sequence[Track], start: float, now: float) -> float:
    """``Series.stepped_rate`` of all these partitions together, which change when one of them does."""
    steps = sorted({change for track in tracks for change in track.committed.changes(start)})
    if len(steps) < 2:
        return sum(_done_since(track, start) for track in tracks) / (now - start)
    gap = (steps[-1] - steps[0]) / (len(steps) - 1)
    end = steps[-1] if now - steps[-1] <= 2 * gap else now
    return sum(_done_since(track, steps[0]) for track in tracks) / (end - steps[0])


def _committed_at(track: Track, when: float) -> float:
    """The position at a time, or the first one known."""
    first = track.committed.first_at
    if first is None:
        return 0.0
    return track.committed.at(max(when, first)) or 0.0


def _done_since(track: Track, when: float) -> float:
    return (track.committed.last or 0) - _committed_at(track, when)


def _lag_at(track: Track, when: float) -> int:
    """The lag at a time; 0 where it is not known."""
    end, committed = track.end.at(when), track.committed.at(when)
    return 0 if end is None or committed is None else max(0, int(end - committed))
