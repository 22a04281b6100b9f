"""What happens to a world with consumers, some time after all was well: each is given as what is done before each tick."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from floodwarden.core.observation import Offsets, Reading, Unknown, UnknownReason
from floodwarden.core.target import Pod, PodTrouble
from tests.support.diagnosed import MEASURED, PodWorld
from tests.support.world import policy, step_shaped

GONE = Unknown(UnknownReason.BROKER_UNREACHABLE, "nobody answers")
STEADY = step_shaped(60, 60, 0, 0, 8)
TROUBLE_AT, ENDS = 150.0, 300  # seconds


def within(at: float) -> bool:
    return at >= TROUBLE_AT


def well(arrivals: Callable[[float, int], float] = STEADY, **given: Any) -> PodWorld:
    """Two replicas that do a hundred messages a second together, of which sixty come, watched for long enough to know them."""
    limits = {"max_messages": 500, "max_replicas": 2, **given.pop("limits", {})}
    noise = random.Random(7)
    return PodWorld(policy(**limits), arrivals, memory=MEASURED, noise=noise, **{"partitions": 8, **given})


def crashing(*names: str) -> tuple[Pod, ...]:
    return tuple(Pod(name, "", False, PodTrouble.CRASHING, "container main: Error, exit code 1") for name in names)


def unschedulable(*names: str) -> tuple[Pod, ...]:
    return tuple(Pod(name, "", False, PodTrouble.UNSCHEDULABLE, "0/3 nodes: Insufficient cpu") for name in names)


def production_rises(world: PodWorld) -> Callable[[float], None]:
    world.arrivals = step_shaped(60, 400, TROUBLE_AT, 10_000, 8)
    return lambda _: None


def consumers_slow_down(world: PodWorld) -> Callable[[float], None]:
    def before(at: float) -> None:
        world.capacity = 10.0 if within(at) else 50.0

    return before


def pods_crash(world: PodWorld) -> Callable[[float], None]:
    world.troubled = lambda at: crashing("a", "b") if within(at) else ()
    return consumers_slow_down(world)


def a_pod_crashes(world: PodWorld) -> Callable[[float], None]:
    world.policy = policy(max_messages=500, max_replicas=6, min_replicas=6)
    world.scale(6)
    world.troubled = lambda at: crashing("a", "b") if within(at) else ()
    return consumers_slow_down(world)


def pods_find_no_node(world: PodWorld) -> Callable[[float], None]:
    world.troubled = lambda at: unschedulable("a") if within(at) else ()
    return consumers_slow_down(world)


def members_vanish(world: PodWorld) -> Callable[[float], None]:
    def before(at: float) -> None:
        if within(at):
            world._pods = [at + 1e9] * world.replicas

    return before


def target_goes_to_zero(world: PodWorld) -> Callable[[float], None]:
    def before(at: float) -> None:
        if within(at) and world.replicas:
            world.scale(0)

    return before


def scaled_by_hand(world: PodWorld) -> Callable[[float], None]:
    world.policy = policy(max_messages=500, min_replicas=1, max_replicas=1)
    world.memory = MEASURED

    def before(at: float) -> None:
        world.capacity = 100.0 if at < TROUBLE_AT else 20.0

    return before


def rebalances(world: PodWorld) -> Callable[[float], None]:
    def before(at: float) -> None:
        if within(at):
            world._stable_at = world.now + 10.0

    return before


def rebalances_again_and_again(world: PodWorld) -> Callable[[float], None]:
    """Twenty seconds of each twenty-five."""

    def before(at: float) -> None:
        if within(at) and at % 25 < 20:
            world._stable_at = world.now + 1.5

    return before


def all_stand_still(world: PodWorld) -> Callable[[float], None]:
    def before(at: float) -> None:
        world.poisoned = frozenset(range(8)) if within(at) else frozenset()

    return before


def one_stands_still(world: PodWorld) -> Callable[[float], None]:
    def before(at: float) -> None:
        world.poisoned = frozenset({3}) if within(at) else frozenset()

    return before


def one_key_takes_all(world: PodWorld) -> Callable[[float], None]:
    world.arrivals = lambda at, number: 80.0 if number == 3 and within(at) else 7.5
    return lambda _: None


def a_replay(world: PodWorld) -> Callable[[float], None]:
    done: list[float] = []

    def before(at: float) -> None:
        if within(at) and not done:
            done.append(at)
            world.commits = [max(0.0, commit - 1000) for commit in world.commits]

    return before


def a_transaction_stays_open(world: PodWorld) -> Callable[[float], None]:
    """Of partition 3 nothing is handed out beyond where it began."""
    reading = world.reading

    def with_stable(*, members: bool) -> Reading | Unknown:
        found = reading(members=members)
        assert isinstance(found, Reading)
        partitions = dict(found.partitions)
        for name, offsets in found.partitions.items():
            assert isinstance(offsets, Offsets)
            held = name.number == 3 and within(world.elapsed)
            partitions[name] = offsets._replace(stable=offsets.committed if held else offsets.end)
        return replace(found, partitions=partitions)

    world.reading = with_stable  # type: ignore[method-assign]
    return one_stands_still(world)


def brokers_go(world: PodWorld) -> Callable[[float], None]:
    world.unreadable = lambda at: GONE if within(at) else None
    return lambda _: None


def nothing(world: PodWorld) -> Callable[[float], None]:
    return lambda _: None
