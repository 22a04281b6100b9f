"""A model of what Floodwarden watches: partitions that fill, consumers that drain them, pods and rebalances that take time.

Deterministic: no clock, no I/O, and randomness only from the source it is given. Whoever scales it (``warden``, ``keda``) sees it
only through ``reading`` and ``target``, as the real adapters would tell it.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from math import exp

from floodwarden.core.assess import Gap
from floodwarden.core.observation import Group, GroupPhase, Member, Offsets, Partition, Reading, Unknown, UnknownReason
from floodwarden.core.target import Target

TOPIC = "orders"
FEW = 10.0  # messages at once up to which their number is drawn exactly
Traffic = Callable[[float, int], float]  # (seconds since the beginning, partition) → messages per second


@dataclass
class World:
    """Messages per second everywhere. ``arrivals`` gives the rate of a partition at a time; ``capacity`` is a replica's.

    ``downstream`` bounds what all replicas do together. ``poisoned`` partitions do not move. Each pod takes ``start_delay``
    seconds to become ready and joins then; every change of the members stops consumption for ``rebalance`` seconds (the
    eager protocol's way). With ``noise`` arrivals vary as those of a Poisson process do. Offsets are committed every
    ``commit_every`` seconds, or at once. ``unreadable``, ``hidden`` and ``caution`` are what fails about the brokers: the
    whole reading, the leader of the last partition, or a node that does not matter to the reading.
    """

    arrivals: Traffic
    partitions: int = 24
    capacity: float = 50.0
    downstream: float = float("inf")
    replicas: int = 2
    start_delay: float = 4.0
    rebalance: float = 3.0
    poisoned: frozenset[int] = frozenset()
    noise: random.Random | None = None
    now: float = 1000.0
    unreadable: Callable[[float], Unknown | None] = lambda _: None
    hidden: Callable[[float], bool] = lambda _: False
    caution: Callable[[float], Gap | None] = lambda _: None
    commit_every: float = 0.0

    def __post_init__(self) -> None:
        self.ends = [0.0] * self.partitions
        self.commits = [0.0] * self.partitions  # what is done; ``_committed`` is what of it the brokers know
        self._committed, self._committed_at = list(self.commits), float("-inf")
        self._names = [Partition(TOPIC, number) for number in range(self.partitions)]
        self._pods = [self.now] * self.replicas  # when each is ready, oldest first
        self.members = min(self.replicas, self.partitions)
        self.rebalances = 0
        self._stable_at = self.now
        self.began = self.now

    @property
    def elapsed(self) -> float:
        """Seconds since the beginning."""
        return self.now - self.began

    @property
    def lag(self) -> float:
        """Messages that are not done yet."""
        return sum(self.ends) - sum(self.commits)

    @property
    def ready(self) -> int:
        """Pods that run."""
        return sum(1 for at in self._pods if at <= self.now)

    def scale(self, replicas: int) -> None:
        """Somebody asks for so many replicas: new pods start, each in its own time; the youngest are ended at once."""
        self._pods += [self.now + self.start_delay] * (replicas - len(self._pods))
        del self._pods[replicas:]
        self.replicas = replicas

    def move(self, seconds: float) -> None:
        """Let so many seconds pass: messages arrive, pods start, the group rebalances or consumes."""
        self.now += seconds
        wanted = min(self.ready, self.partitions)
        if self.members != wanted:
            self.members = wanted
            self.rebalances += 1
            self._stable_at = self.now + self.rebalance
        for number in range(self.partitions):
            self.ends[number] += self._arriving(number, seconds)
        if self.members and self.now >= self._stable_at:
            self._consume(seconds)
        if self.now - self._committed_at >= self.commit_every:
            self._committed, self._committed_at = list(self.commits), self.now

    def reading(self, *, members: bool) -> Reading | Unknown:
        """What the brokers answer now; ``members`` asks for the group too."""
        failure = self.unreadable(self.elapsed)
        if failure is not None:
            return failure
        partitions: dict[Partition, Offsets | Unknown] = {
            name: Offsets(0, int(end), int(done)) for name, end, done in zip(self._names, self.ends, self._committed, strict=True)
        }
        if self.hidden(self.elapsed):
            partitions[self._names[-1]] = Unknown(UnknownReason.NO_LEADER, "no leader")
        return Reading(partitions, {TOPIC: "1"}, group=self._group() if members else None)

    def target(self, *, pods: bool) -> Target:
        """What the API server answers now; ``pods`` asks for the ready ones too."""
        return Target("uid", self.replicas, "app=consumers", "1", self.ready if pods else None)

    def _arriving(self, number: int, seconds: float) -> float:
        mean = self.arrivals(self.elapsed, number) * seconds
        if self.noise is None or mean <= 0:
            return mean
        return float(_poisson(mean, self.noise))

    def _consume(self, seconds: float) -> None:
        """Each member shares its time out evenly among those of its partitions that have something to read."""
        each = min(self.capacity, self.downstream / self.members) * seconds
        for member in range(self.members):
            left = each
            own = [number for number in self._assigned(member) if number not in self.poisoned]
            for index, number in enumerate(sorted(own, key=lambda n: self.ends[n] - self.commits[n])):
                taken = min(self.ends[number] - self.commits[number], left / (len(own) - index))
                self.commits[number] += taken
                left -= taken

    def _assigned(self, member: int) -> range:
        """Partitions dealt out in turn: the most even spread there is."""
        return range(member, self.partitions, self.members)

    def _group(self) -> Group:
        if not self.members:
            return Group(GroupPhase.EMPTY)
        if self.now < self._stable_at:
            return Group(GroupPhase.REBALANCING)
        return Group(
            GroupPhase.STABLE,
            tuple(
                Member(f"m{m}", f"c{m}", "host", frozenset(self._names[n] for n in self._assigned(m)))
                for m in range(self.members)
            ),
        )


def _poisson(mean: float, noise: random.Random) -> int:
    """A random count of that mean: exact where it is small, from the normal distribution where that is as good."""
    if mean >= FEW:
        return max(0, round(noise.gauss(mean, mean**0.5)))
    left, count = exp(-mean), -1
    product = 1.0
    while product > left:
        product *= noise.random()
        count += 1
    return count
