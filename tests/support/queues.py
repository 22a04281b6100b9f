"""The world of ``world`` with queues for partitions: consumers share them, and numbers are as old as the last statistics."""

from __future__ import annotations

from typing import Any

from floodwarden.core.memory import Memory
from floodwarden.core.observation import Group, GroupPhase, Member, Offsets, Partition, Reading, Unknown
from floodwarden.core.policy import Policy
from floodwarden.sim import world as model
from tests.support.world import World


class Queues(World):
    """So many queues, by default one. The broker takes its numbers every ``statistics`` seconds."""

    def __init__(
        self, policy: Policy, arrivals: model.Traffic, *, statistics: float = 5.0, memory: Memory | None = None, **given: Any
    ) -> None:
        super().__init__(policy, arrivals, memory=memory, **{"partitions": 1, "rebalance": 0.0, **given})
        self._queues = [Partition(f"orders-{number}", 0) for number in range(self.partitions)]
        self.members = self.replicas
        self._statistics = statistics
        self._taken = float("-inf")
        self._shown: dict[Partition, Offsets | Unknown] = {}

    def move(self, seconds: float) -> None:
        self.now += seconds
        self.members = self.ready
        for number in range(self.partitions):
            self.ends[number] += self._arriving(number, seconds)
        left = min(self.capacity * self.members, self.downstream) * seconds
        waiting = self.lag
        for number in range(self.partitions):
            if number not in self.poisoned and waiting > 0:
                lag = self.ends[number] - self.commits[number]
                self.commits[number] += min(lag, left * lag / waiting)
        if self.now - self._taken >= self._statistics:
            self._taken = self.now
            pairs = zip(self._queues, self.ends, self.commits, strict=True)
            self._shown = {name: Offsets(int(done), int(end), int(done)) for name, end, done in pairs}

    def reading(self, *, members: bool) -> Reading | Unknown:
        failure = self.unreadable(self.elapsed)
        if failure is not None:
            return failure
        incarnations = {name.topic: "1" for name in self._queues}
        group = self._consumers() if members else None
        return Reading(self._shown, incarnations, group=group, competing=True, taken=self._taken)

    def _consumers(self) -> Group:
        read = frozenset(self._queues)
        found = tuple(Member(f"c{number}", "", "host", read) for number in range(self.members))
        return Group(GroupPhase.STABLE if found else GroupPhase.EMPTY, found)
