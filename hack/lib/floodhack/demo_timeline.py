"""What was seen during a demo, and what follows from it: rates, steps, times. Pure: no clock, no I/O.

`demo_sampler` fills it; `demo_view`, `demo_chart`, `demo_svg` and `demo_summary` show it.
Times are seconds since the epoch; a value that could not be read is None, never 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

RATE_WINDOW_SECONDS = 3.0


@dataclass(frozen=True)
class Sample:
    """One look at the broker, the Deployment and the BacklogPolicy."""

    at: float
    # The broker, read by the demo itself: messages that came and that were done with, over all partitions.
    produced: int | None = None
    committed: int | None = None
    # Members of the consumer group, and how many of them have a partition or a queue to read.
    members: int | None = None
    owners: int | None = None
    # The Deployment: `.spec.replicas` and `.status.readyReplicas`.
    replicas: int | None = None
    ready: int | None = None
    # What the policy's status says: lag in seconds, wanted replicas, state in a word; below, lag in messages.
    seconds: float | None = None
    desired: int | None = None
    state: str = ""
    messages: int | None = None
    # Messages in a queue, where the broker says that sooner than what came and went.
    waiting: int | None = None

    @property
    def lag(self) -> int | None:
        """Messages that wait, or whose processing is not done."""
        if self.waiting is not None:
            return self.waiting
        if self.produced is None or self.committed is None:
            return None
        return max(0, self.produced - self.committed)


@dataclass(frozen=True)
class Said:
    """One Event of Floodwarden about one of its resources."""

    at: float
    reason: str
    message: str
    about: str
    warning: bool


@dataclass(frozen=True)
class Step:
    """One change of the Deployment's `.spec.replicas`."""

    at: float
    before: int
    after: int


@dataclass
class Timeline:
    """A demo's samples and Events in order of time, and the spike's start and end."""

    limit: int
    # What waits, in words, and the seconds over which rates are taken.
    lag_of: str = "lag of the consumer group"
    rate_window: float = RATE_WINDOW_SECONDS
    samples: list[Sample] = field(default_factory=list)
    said: list[Said] = field(default_factory=list)
    spike_at: float | None = None
    spike_end: float | None = None

    @property
    def last(self) -> Sample | None:
        """The newest sample."""
        return self.samples[-1] if self.samples else None

    def since(self, at: float) -> list[Sample]:
        """The samples taken at or after a time."""
        return [sample for sample in self.samples if sample.at >= at]


def rate(samples: Sequence[Sample], index: int, what: str, window: float = RATE_WINDOW_SECONDS) -> float | None:
    """Messages a second by which `produced` or `committed` grew over the window that ends with a sample."""
    end: int | None = getattr(samples[index], what)
    first: tuple[float, int] | None = None
    for earlier in reversed(samples[:index]):
        value: int | None = getattr(earlier, what)
        if value is None:
            continue
        first = (earlier.at, value)
        if samples[index].at - earlier.at >= window:
            break
    if end is None or first is None:
        return None
    return max(0.0, (end - first[1]) / (samples[index].at - first[0]))


def steps(samples: Sequence[Sample]) -> list[Step]:
    """Every change of the Deployment's replicas."""
    known = [(sample.at, sample.replicas) for sample in samples if sample.replicas is not None]
    return [Step(at, before, after) for (_, before), (at, after) in pairwise(known) if before != after]


@dataclass(frozen=True)
class Times:
    """When what happened first; None for what did not. `spike` is the beginning that all others count from."""

    spike: float
    over_limit: float | None
    decided: float | None
    pods_ready: float | None
    owners_ready: float | None
    drained: float | None
    lowered: float | None


def times(timeline: Timeline, calm_seconds: float = 0.0) -> Times:
    """The acts of a demo. Each is looked for only after the one it follows from.

    drained: the lag came back to the limit, and stayed for `calm_seconds`.
    """
    if timeline.spike_at is None:
        raise ValueError("the spike has not begun")
    seen = timeline.since(timeline.spike_at)
    raised = next((step for step in steps(seen) if step.after > step.before), None)
    over = next((sample.at for sample in seen if (sample.lag or 0) > timeline.limit), None)
    ready = owners = drained = lowered = None
    if raised is not None:
        later = timeline.since(raised.at)
        ready = next((s.at for s in later if s.ready is not None and s.replicas is not None and s.ready >= s.replicas), None)
        owners = next((s.at for s in later if s.owners is not None and s.replicas is not None and s.owners >= s.replicas), None)
        lowered = next((step.at for step in steps(later) if step.after < step.before), None)
    if over is not None:
        drained = _calm_since([s for s in seen if s.at >= over], timeline.limit, calm_seconds)
    return Times(timeline.spike_at, over, raised.at if raised else None, ready, owners, drained, lowered)


def peak(samples: Sequence[Sample]) -> tuple[float, int] | None:
    """When the lag was highest, and how high."""
    known = [(sample.at, sample.lag) for sample in samples if sample.lag is not None]
    return max(known, key=lambda one: one[1], default=None)


def _calm_since(samples: Sequence[Sample], limit: int, calm: float) -> float | None:
    began: float | None = None
    for sample in samples:
        if sample.lag is None:
            continue
        if sample.lag > limit:
            began = None
        elif began is None:
            began = sample.at
        if began is not None and sample.at - began >= calm:
            return began
    return None
