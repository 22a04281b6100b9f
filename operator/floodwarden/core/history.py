"""What has been seen of one subscription over time: a bounded series for each partition, and running totals.

``sweep`` records every reading here; ``core.assess`` reads it. It is the only mutable thing in ``core``, it is never
shared between subscriptions, and it may be lost: what must survive a restart is in ``core.memory``.
"""

from __future__ import annotations

from collections.abc import Mapping

from floodwarden.core.observation import Offsets, Partition, Reading, Unknown
from floodwarden.core.series import Series

SMOOTH_WINDOW = 10.0  # seconds over which a steady rate is taken


class Track:
    """Positions of one partition over time.

    ``old``: up to here messages were read before, or were there before the group read any; None before a commit was seen.
    """

    __slots__ = ("committed", "end", "old")

    def __init__(self) -> None:
        self.end = Series()
        self.committed = Series()
        self.old: int | None = None

    def record(self, at: float, offsets: Offsets) -> None:
        before = self.end.last
        self.end.add(at, offsets.end)
        committed = offsets.committed
        if committed is None:
            self.committed.clear()
            return
        if self.old is None:
            # With the first reading nothing is old; later it is the group's first commit, and all before was there already.
            self.old = committed if before is None else max(committed, before)
        elif committed > self.old or offsets.end < self.old:
            self.old = committed
        self.committed.add(at, committed)

    @property
    def again(self) -> int:
        """Messages that are read once more, or late: the group was set back, or has just begun. Nobody produces them."""
        if self.old is None or self.committed.last is None:
            return 0
        return max(0, self.old - self.committed.last)


class History:
    """The tracks of one subscription's partitions, and the totals produced and consumed since watching began.

    The totals add up growth between neighbouring sweeps only, always of the same partitions. Growth across a gap, or of a
    partition that is read again, would look like a surge: then they start anew.
    """

    def __init__(self) -> None:
        self.tracks: dict[Partition, Track] = {}
        self.produced = Series()
        self.consumed = Series()
        self.sweeps: tuple[float, ...] = ()  # the times of the last three sweeps that were read, ascending
        self.recreated_at: float | None = None
        self.added: int = 0  # partitions that the last reading had and the one before had not
        self._risen_at: float | None = None  # when the last confirmed surge began
        self._counted: int | None = None  # partitions whose growth the totals hold; None before the first growth
        self._partitions: frozenset[Partition] = frozenset()
        self._read: Mapping[Partition, Offsets | Unknown] = {}  # the last reading
        self._incarnations: Mapping[str, str] = {}
        self._taken: float | None = None  # by the broker's clock, of the last reading that says so

    def record(self, at: float, reading: Reading) -> None:
        """Add one reading taken at ``at`` (seconds, ascending). Unknown partitions keep what is known of their past.

        Numbers that the broker has not taken anew since the last reading are no new reading: rates would fall to nothing and
        jump again.
        """
        self._forget_recreated(at, reading)
        if reading.taken is not None and reading.taken == self._taken:
            return
        self._taken = reading.taken
        if self._sweep_without_change(at, reading):
            return
        self._read = reading.partitions
        self.added = len(reading.partitions.keys() - self._partitions) if self._partitions else 0
        self._partitions = frozenset(reading.partitions)
        for gone in self.tracks.keys() - reading.partitions.keys():
            del self.tracks[gone]
        last_sweep = self.sweeps[-1] if self.sweeps else None
        produced = consumed = counted = 0
        for partition, offsets in reading.partitions.items():
            if isinstance(offsets, Unknown):
                continue
            track = self.tracks.get(partition)
            if track is None:
                track = self.tracks[partition] = Track()
            elif track.end.last_at == last_sweep:
                counted += 1
                produced += max(0, offsets.end - (track.end.last or 0))
                if offsets.committed is not None and track.committed.last is not None:
                    consumed += max(0, offsets.committed - track.committed.last)
            track.record(at, offsets)
        if self._counted is not None and counted != self._counted:
            # Totals over other partitions than before are not to be compared: they start with this sweep.
            self.lost()
        self._counted = None if last_sweep is None else counted
        self.produced.add(at, (self.produced.last or 0) + produced)
        self.consumed.add(at, (self.consumed.last or 0) + consumed)
        self.sweeps = (*self.sweeps[-2:], at)
        self._note_rise(at)

    def _sweep_without_change(self, at: float, reading: Reading) -> bool:
        """Whether nothing at all has moved since the last sweep: then what is known lasts longer, and that is all."""
        whole = self._counted == len(reading.partitions) == len(self.tracks)
        same = reading.partitions is self._read or reading.partitions == self._read
        if not whole or not self.sweeps or not same:
            return False
        for track in self.tracks.values():
            track.end.stay(at)
            track.committed.stay(at)
        self.produced.stay(at)
        self.consumed.stay(at)
        self.added = 0
        self.sweeps = (*self.sweeps[-2:], at)
        return True

    def lost(self) -> None:
        """Start rates anew with the next two readings, as after a sweep that could not read this subscription."""
        self.produced.clear()
        self.consumed.clear()
        self.sweeps = ()
        self._counted = None
        self._risen_at = None
        self._taken = None

    def _forget_recreated(self, at: float, reading: Reading) -> None:
        """A topic under the same name with another id is another topic: nothing seen of the old one applies."""
        for topic, incarnation in reading.incarnations.items():
            if self._incarnations.get(topic, incarnation) != incarnation:
                self.recreated_at = at
                for partition in [known for known in self.tracks if known.topic == topic]:
                    del self.tracks[partition]
        # A topic missing from this reading keeps its id, so that its return under another id is noticed.
        self._incarnations = {**self._incarnations, **reading.incarnations}

    def produced_rate(self, now: float, *, window: float = SMOOTH_WINDOW) -> float | None:
        """Messages per second that arrived over the window, or over what is known of it; since a surge began, not before it."""
        start = now - window if self._risen_at is None else max(now - window, self._risen_at)
        return self.produced.rate(start, now)

    def consumed_rate(self, now: float, *, window: float = SMOOTH_WINDOW) -> float | None:
        """Messages per second that were committed over the window, measured from commit to commit."""
        return self.consumed.stepped_rate(now - window, now)

    def _note_rise(self, at: float) -> None:
        """A confirmed surge began before the last two intervals, unless it is one that was noted already."""
        surge, rate = self.surge(), self.produced_rate(at)
        if surge is None or not surge[1] or rate is None:
            return
        noted = self._risen_at is not None and at - self._risen_at <= SMOOTH_WINDOW
        if not noted or _stands_out(surge[0], rate, at - self.sweeps[1]):
            self._risen_at = self.sweeps[0]

    def surge(self) -> tuple[float, bool] | None:
        """The production rate of the last interval if it stands out of what was usual, and whether that is confirmed.

        Messages come at random, so a rise counts from three standard deviations of a Poisson count and a fifth upward. The
        interval in which a rise began holds only a part of it: it is confirmed when the interval before rose as well.
        """
        if len(self.sweeps) < 3:
            return None
        before, previous, now = self.sweeps
        last = self.produced.rate(previous, now)
        if not last:
            return None
        earlier = self.produced.rate(before, previous)
        usual = self.produced.rate(previous - SMOOTH_WINDOW, before)
        if earlier is None or usual is None:
            return None
        if not _stands_out(last, usual, now - previous):
            return None
        return last, _stands_out(earlier, usual, previous - before)


def _stands_out(rate: float, usual: float, seconds: float) -> bool:
    noise = 3 * float((max(usual * seconds, 1.0)) ** 0.5) / seconds
    return rate > usual * 1.2 and rate > usual + noise
