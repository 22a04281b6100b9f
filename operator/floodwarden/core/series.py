"""A bounded series of (time, counter) with flat stretches folded: what rates and time lag are computed from.

Each run is (since, until, value): the counter was first seen at ``value`` at ``since`` and last seen there at ``until``.
Idle partitions therefore cost one run. When full, the older half is thinned, so the past is kept ever more coarsely
instead of being cut off: time lag stays known for long backlogs in bounded memory.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

MAX_RUNS = 64


class Series:
    """Readings of a counter that normally only grows; times in seconds of any one clock, ascending."""

    __slots__ = ("_since", "_until", "_value")

    def __init__(self) -> None:
        self._since = array("d")
        self._until = array("d")
        self._value = array("q")

    def __len__(self) -> int:
        return len(self._value)

    def add(self, at: float, value: int) -> None:
        """Append a reading. A value below the last one means the counter was reset: what was before is forgotten."""
        if self._value:
            last = self._value[-1]
            if value == last:
                self._until[-1] = at
                return
            if value < last:
                self.clear()
        self._since.append(at)
        self._until.append(at)
        self._value.append(value)
        if len(self._value) > MAX_RUNS:
            self._thin()

    def stay(self, at: float) -> None:
        """Append a reading with the value of the last one, if there is any."""
        if self._until:
            self._until[-1] = at

    def clear(self) -> None:
        del self._since[:], self._until[:], self._value[:]

    def _thin(self) -> None:
        """Drop every second run of the older half, never the first."""
        half = MAX_RUNS // 2
        self._since[:half] = self._since[:half:2]
        self._until[:half] = self._until[:half:2]
        self._value[:half] = self._value[:half:2]

    @property
    def first_at(self) -> float | None:
        return self._since[0] if self._since else None

    @property
    def last_at(self) -> float | None:
        """When the newest reading was taken."""
        return self._until[-1] if self._until else None

    @property
    def last(self) -> int | None:
        return self._value[-1] if self._value else None

    @property
    def flat_since(self) -> float | None:
        """Since when the counter has had its present value."""
        return self._since[-1] if self._since else None

    def changes(self, start: float) -> Sequence[float]:
        """When the counter changed since ``start``, ascending; its first reading counts as a change."""
        return self._since[bisect_left(self._since, start) :]

    def at(self, when: float) -> float | None:
        """The counter at a time, interpolated between readings; None before the first one."""
        index = bisect_right(self._since, when) - 1
        if index < 0:
            return None
        if when <= self._until[index] or index + 1 == len(self._value):
            return float(self._value[index])
        start, end = self._until[index], self._since[index + 1]
        low, high = self._value[index], self._value[index + 1]
        return low + (high - low) * (when - start) / (end - start)

    def rate(self, start: float, end: float) -> float | None:
        """Growth per second between two times, or what is known of that span; None with less than two readings in it."""
        if self.first_at is None or self.last_at is None:
            return None
        if self._since[-1] <= start:  # flat all the while, as most partitions are
            return 0.0 if min(end, self._until[-1]) > start else None
        start, end = max(start, self.first_at), min(end, self.last_at)
        low, high = self.at(start), self.at(end)
        if end <= start or low is None or high is None:
            return None
        return (high - low) / (end - start)

    def stepped_rate(self, start: float, now: float) -> float | None:
        """Growth per second of a counter that moves in steps (commits), measured from step to step.

        A plain window would count one commit too many or too few. Where the last step is long ago by the measure of the
        steps before it, the pause counts too.
        """
        first = bisect_left(self._since, start)
        steps = len(self._since) - first
        if steps < 2:
            return self.rate(start, now)
        begin, last = self._since[first], self._since[-1]
        gap = (last - begin) / (steps - 1)
        end = last if now - last <= 2 * gap else now
        return (self._value[-1] - self._value[first]) / (end - begin)

    def step_gap(self, start: float) -> float | None:
        """The mean time between changes since ``start``, in seconds; None with less than two of them."""
        first = bisect_left(self._since, start)
        steps = len(self._since) - first
        return (self._since[-1] - self._since[first]) / (steps - 1) if steps >= 2 else None

    def passed(self, value: int) -> float | None:
        """When the counter grew past ``value``, interpolated; None if that was before the first reading or never."""
        index = bisect_right(self._value, value)
        if index == 0 or index == len(self._value):
            return None
        start, end = self._until[index - 1], self._since[index]
        low, high = self._value[index - 1], self._value[index]
        return start + (value - low) / (high - low) * (end - start)
