"""A world whose every sweep is diagnosed and told, as ``sweep.watch`` does it: what tests of causes run in."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Self

from floodwarden.core.conditions import Condition, Notice, Type, conditions, told
from floodwarden.core.diagnosis.cause import Cause, Finding
from floodwarden.core.diagnosis.follow import follow_cause
from floodwarden.core.memory import Basis, Capacity, Memory
from floodwarden.core.target import Pod, Target
from floodwarden.sim.scenario import Setting
from floodwarden.sim.shapes import Shape, scenario, usual_rates
from tests.support.world import World, policy

MEASURED = Memory(capacity=Capacity(50.0, 1000.0, Basis.MEASURED))


class PodWorld(World):
    """A world whose pods may be in trouble: ``troubled`` gives those that are not as they should be, at a time."""

    troubled: Callable[[float], tuple[Pod, ...]] = staticmethod(lambda _: ())

    def target(self, *, pods: bool) -> Target:
        target = super().target(pods=pods)
        troubled = self.troubled(self.elapsed)
        if not pods:
            return target
        well = tuple(Pod(f"pod-{number}", "", True) for number in range(max(0, (target.ready or 0) - len(troubled))))
        return replace(target, pods=(*well, *troubled), ready=len(well))


@dataclass
class Diagnosed:
    """``causes`` holds (time, finding) of every sweep as it is told, ``events`` (time, notice) of the changes."""

    world: World
    before: Callable[[float], None] = lambda _: None
    shown: dict[Type, Condition] = field(default_factory=dict)
    causes: list[tuple[float, Finding]] = field(default_factory=list)
    events: list[tuple[float, Notice]] = field(default_factory=list)

    def run(self, seconds: int) -> Self:
        for _ in range(seconds):
            self.before(self.world.elapsed + self.world.policy.sweep_interval)
            self.world.tick()
            world, decision = self.world, self.world.decisions[-1][1]
            assert world.seen is not None
            self.shown = conditions(world.policy, world.seen, decision, None, world.memory, self.shown, world.now)
            world.memory = told(world.memory, self.shown, world.seen)
            target = world.target(pods=world.warden.attend)
            history = world.warden.history
            world.memory, notice = follow_cause(
                world.policy, world.seen, history, target, decision, self.shown, world.memory, world.now
            )
            if notice is not None:
                self.events.append((world.elapsed, notice))
            verdict = world.memory.verdict
            self.causes.append((world.elapsed, verdict.told if verdict is not None else Finding(Cause.NONE)))
        return self

    @property
    def cause(self) -> Cause:
        """What is told now."""
        return self.causes[-1][1].cause

    @property
    def message(self) -> str:
        return self.causes[-1][1].message

    @property
    def story(self) -> list[Cause]:
        """The causes told, one after the other, without repetitions."""
        story: list[Cause] = []
        for _, finding in self.causes:
            if not story or story[-1] is not finding.cause:
                story.append(finding.cause)
        return story


def diagnosed_shape(shape: Shape, seconds: float = 1200.0, **changes: Any) -> Diagnosed:
    """One of the simulator's shapes of trouble, with its usual rates, under the usual policy."""
    setting = Setting()
    wanted = policy(**{"max_messages": 1000, **changes})
    low, high = usual_rates(setting, wanted.min_replicas, wanted.ceiling(setting.partitions))
    played = scenario(shape, setting, low, high, seconds)
    world = World(
        wanted,
        played.arrivals,
        partitions=setting.partitions,
        capacity=setting.capacity,
        replicas=max(2, round(1.2 * played.total(0.0, setting.partitions) / setting.capacity)),
        start_delay=setting.start_delay,
        rebalance=setting.rebalance,
        commit_every=setting.commit_every,
        noise=random.Random(setting.seed),
    )

    def before(at: float) -> None:
        world.capacity = setting.capacity * played.speed(at)
        world.poisoned = played.poisoned(at)

    return Diagnosed(world, before)
