"""The model itself: pods in their own time, rebalances that stop all, the same arrivals whoever scales."""

from __future__ import annotations

import random

import pytest

from floodwarden.core.observation import GroupPhase, Offsets, Reading
from floodwarden.sim.run import Ages
from floodwarden.sim.world import World


def quiet(**given: float) -> World:
    """Ten messages a second in each of four partitions, and one replica that can do ten times that."""
    return World(lambda _, __: 10.0, partitions=4, capacity=400.0, replicas=1, **given)  # type: ignore[arg-type]


def phase(world: World) -> GroupPhase:
    reading = world.reading(members=True)
    assert isinstance(reading, Reading)
    assert reading.group is not None
    return reading.group.phase  # type: ignore[union-attr]


def test_every_pod_takes_its_own_time() -> None:
    """A second step does not hold up the pods of the first."""
    world = quiet(start_delay=4.0)
    world.scale(2)
    world.move(3.0)
    world.scale(4)
    world.move(1.0)
    assert (world.replicas, world.ready) == (4, 2)
    world.move(3.0)
    assert world.ready == 4


def test_the_youngest_pods_go_first_and_at_once() -> None:
    """What is scaled away again has never run."""
    world = quiet(start_delay=4.0)
    world.scale(3)
    world.scale(1)
    world.move(10.0)
    assert (world.ready, world.rebalances) == (1, 0)


def test_nothing_is_consumed_during_a_rebalance() -> None:
    """Every change of the members stops the whole group for a while."""
    world = quiet(start_delay=1.0, rebalance=3.0)
    world.move(1.0)
    world.scale(2)
    lags = []
    for _ in range(5):
        world.move(1.0)
        lags.append((round(world.lag), phase(world)))
    rebalancing, stable = GroupPhase.REBALANCING, GroupPhase.STABLE
    assert lags == [(40, rebalancing), (80, rebalancing), (120, rebalancing), (0, stable), (0, stable)]


def test_the_brokers_know_only_what_is_committed() -> None:
    """Between two commits the lag that can be read rises, although nothing waits."""
    world = quiet(commit_every=5.0)
    read = []
    for _ in range(6):
        world.move(1.0)
        reading = world.reading(members=False)
        assert isinstance(reading, Reading)
        read.append(sum(one.end - (one.committed or 0) for one in reading.partitions.values() if isinstance(one, Offsets)))
    assert read == [0, 40, 80, 120, 160, 0]
    assert world.lag == 0


def test_arrivals_do_not_depend_on_who_scales() -> None:
    """The same seed gives the same messages, so that two scalers can be compared."""
    worlds = [World(lambda _, __: 10.0, noise=random.Random(7)) for _ in range(2)]
    for index in range(50):
        worlds[1].scale(index)
        for world in worlds:
            world.move(1.0)
    assert worlds[0].ends == worlds[1].ends


@pytest.mark.parametrize("rate", [0.05, 3.0, 40.0])
def test_noise_keeps_the_mean_and_spreads_like_poisson(rate: float) -> None:
    """Also where less than one message comes in a second; the variance of a Poisson count is its mean."""
    world = World(lambda _, __: rate, partitions=200, noise=random.Random(3))
    counts = []
    for _ in range(50):
        before = list(world.ends)
        world.move(1.0)
        counts += [end - start for end, start in zip(world.ends, before, strict=True)]
    mean = sum(counts) / len(counts)
    assert mean == pytest.approx(rate, rel=0.1)
    assert sum((count - mean) ** 2 for count in counts) / len(counts) == pytest.approx(rate, rel=0.1)


def test_the_oldest_message_is_known() -> None:
    """A partition that stands still ages by a second each second; one that is worked off does not."""
    world = World(lambda _, number: 1.0, partitions=3, replicas=1, poisoned=frozenset({2}))
    ages = Ages(3)
    oldest = []
    for _ in range(4):
        world.move(1.0)
        oldest.append(ages.oldest(world))
    assert oldest == [0.0, 1.0, 2.0, 3.0]
    world.poisoned = frozenset()
    world.move(1.0)
    assert ages.oldest(world) == 0.0
