"""The simulator's world with Floodwarden in it, sweep by sweep: what most tests of deciding run in."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Self

from floodwarden.core.assess import Assessment
from floodwarden.core.decide import Decision
from floodwarden.core.memory import Memory
from floodwarden.core.observation import Subscription
from floodwarden.core.policy import Policy
from floodwarden.sim import world as model
from floodwarden.sim.warden import Warden

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


class World(model.World):
    """A world and its warden. One tick is one sweep. Whatever ``model.World`` takes may be given by name."""

    def __init__(self, policy: Policy, arrivals: model.Traffic, *, memory: Memory | None = None, **given: Any) -> None:
        super().__init__(arrivals, **given)
        self.warden = Warden(policy, memory or Memory())

    def run(self, seconds: float) -> Self:
        """Let the world and its warden go on."""
        for _ in range(round(seconds / self.policy.sweep_interval)):
            self.tick()
        return self

    def tick(self) -> None:
        self.move(self.policy.sweep_interval)
        self.warden.look(self)

    @property
    def policy(self) -> Policy:
        return self.warden.policy

    @policy.setter
    def policy(self, policy: Policy) -> None:
        self.warden.policy = policy

    @property
    def memory(self) -> Memory:
        return self.warden.memory

    @memory.setter
    def memory(self, memory: Memory) -> None:
        self.warden.memory = memory

    @property
    def seen(self) -> Assessment | None:
        return self.warden.seen

    @property
    def decisions(self) -> list[tuple[float, Decision]]:
        return self.warden.decisions

    @property
    def steps(self) -> list[tuple[float, int, int]]:
        return self.warden.steps


def step_shaped(low: float, high: float, begin: float, end: float, partitions: int = 24) -> model.Traffic:
    """Total arrivals of ``low``, and of ``high`` between two times, spread evenly over the partitions."""
    return lambda at, _: (high if begin <= at < end else low) / partitions
