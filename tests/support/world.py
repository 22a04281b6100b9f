"""A small world to decide in: partitions that fill, consumers that drain them, pods and rebalances that take time.

The decision code runs unchanged against it; only what it sees is made here. One tick is one sweep.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from floodwarden.core.assess import Assessment, Gap, assess
from floodwarden.core.decide import Decision, applied, decide
from floodwarden.core.history import History
from floodwarden.core.memory import Memory
from floodwarden.core.observation import (
    Group,
    GroupPhase,
    Member,
    Offsets,
    Partition,
    Reading,
    Subscription,
    Unknown,
    UnknownReason,
)
from floodwarden.core.policy import Policy
from floodwarden.core.target import Target

POLICY = Policy(
    subscription=Subscription("billing", ("orders",)),
    max_messages=1000,
    max_seconds=None,
    catch_up=60.0,
    min_replicas=2,
    max_replicas=None,
    stabilization=60.0,
    sweep_interval=1.0,
)


def policy(**changes: object) -> Policy:
    """The usual policy with some fields changed."""
    return replace(POLICY, **changes)  # type: ignore[arg-type]


@dataclass
class World:
    """Messages per second everywhere. ``arrivals`` gives the rate of a partition at a time; ``capacity`` is a replica's.

    ``downstream`` bounds what all replicas do together. ``poisoned`` partitions never move. Pods take ``start_delay`` seconds,
    and every change of the members stops consumption for ``rebalance`` seconds.
    """

    policy: Policy
    arrivals: Callable[[float, int], float]
    partitions: int = 24
    capacity: float = 50.0
    downstream: float = float("inf")
    replicas: int = 2
    start_delay: float = 4.0
    rebalance: float = 3.0
    poisoned: frozenset[int] = frozenset()
    noise: random.Random | None = None
    now: float = 1000.0
    memory: Memory = field(default_factory=Memory)
    history: History = field(default_factory=History)
    unreadable: Callable[[float], Unknown | None] = lambda _: None
    hidden: Callable[[float], bool] = lambda _: False  # when the last partition has no leader
    caution: Callable[[float], Gap | None] = lambda _: None  # what is amiss with the brokers although they answer
    commit_every: float = 0.0  # seconds between commits; 0 commits at once
    decisions: list[tuple[float, Decision]] = field(default_factory=list)
    steps: list[tuple[float, int, int]] = field(default_factory=list)
    seen: Assessment | None = None

    def __post_init__(self) -> None:
        self.ends = [0.0] * self.partitions
        self.commits = [0.0] * self.partitions
        self.committed, self.committed_at = list(self.commits), float("-inf")
        self.ready = self.replicas
        self.members = self.replicas
        self.ready_at = self.stable_at = self.now
        self.attend = True
        self.began = self.now

    @property
    def elapsed(self) -> float:
        return self.now - self.began

    @property
    def lag(self) -> float:
        return sum(self.ends) - sum(self.commits)

    def run(self, seconds: float) -> World:
        """Let the world and its warden go on."""
        for _ in range(round(seconds / self.policy.sweep_interval)):
            self.tick()
        return self

    def tick(self) -> None:
        self._move(self.policy.sweep_interval)
        reading = self.unreadable(self.elapsed) or self._reading()
        if isinstance(reading, Unknown):
            self.history.lost()
        else:
            self.history.record(self.now, reading)
        self.seen = assess(reading, self.history, self.now, self.caution(self.elapsed))
        target = Target("uid", self.replicas, "app=billing", "1", self.ready if self.attend else None)
        decision, self.memory = decide(self.policy, self.seen, target, None, self.memory, self.now)
        self.decisions.append((self.elapsed, decision))
        self.attend = decision.attend or decision.replicas is not None
        if decision.replicas is not None and not self.policy.dry_run:
            self.memory = applied(self.memory, decision, self.replicas, self.seen, self.now)
            self.steps.append((self.elapsed, self.replicas, decision.replicas))
            self.scale(decision.replicas)

    def scale(self, replicas: int) -> None:
        """Somebody asks for so many replicas: pods end at once and start after a while."""
        self.replicas = replicas
        self.ready = min(self.ready, replicas)
        self.ready_at = self.now + self.start_delay

    def _move(self, seconds: float) -> None:
        self.now += seconds
        if self.now >= self.ready_at:
            self.ready = self.replicas
        wanted = min(self.ready, self.partitions)
        if self.members != wanted:
            self.members = wanted
            self.stable_at = self.now + self.rebalance
        for number in range(self.partitions):
            self.ends[number] += self._arriving(number, seconds)
        if self.members and self.now >= self.stable_at:
            self._consume(seconds)

    def _arriving(self, number: int, seconds: float) -> float:
        mean = self.arrivals(self.elapsed, number) * seconds
        if self.noise is None:
            return mean
        return max(0.0, round(self.noise.gauss(mean, mean**0.5)))

    def _consume(self, seconds: float) -> None:
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

    def _reading(self) -> Reading:
        if self.now - self.committed_at >= self.commit_every:
            self.committed, self.committed_at = list(self.commits), self.now
        partitions: dict[Partition, Offsets | Unknown] = {
            Partition("orders", n): Offsets(0, int(self.ends[n]), int(self.committed[n])) for n in range(self.partitions)
        }
        if self.hidden(self.elapsed):
            partitions[Partition("orders", self.partitions - 1)] = Unknown(UnknownReason.NO_LEADER, "no leader")
        return Reading(partitions, {"orders": "1"}, group=self._group() if self.attend else None)

    def _group(self) -> Group:
        if not self.members:
            return Group(GroupPhase.EMPTY)
        if self.now < self.stable_at:
            return Group(GroupPhase.REBALANCING)
        return Group(
            GroupPhase.STABLE,
            tuple(
                Member(f"m{m}", f"c{m}", "host", frozenset(Partition("orders", n) for n in self._assigned(m)))
                for m in range(self.members)
            ),
        )


def step_shaped(low: float, high: float, begin: float, end: float, partitions: int = 24) -> Callable[[float, int], float]:
    """Total arrivals of ``low``, and of ``high`` between two times, spread evenly over the partitions."""
    return lambda at, _: (high if begin <= at < end else low) / partitions
