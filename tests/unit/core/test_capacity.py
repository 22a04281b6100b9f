"""What one replica can do: measured only while it is busy, else bounded from below, and aged."""

from __future__ import annotations

import pytest

from floodwarden.core.capacity import MEASURED_FOR, learn
from floodwarden.core.memory import Basis, Capacity, Memory
from tests.support.world import World, policy, step_shaped
from tests.unit.core.test_decide import MEASURED


def learnt(world: World) -> Capacity:
    capacity = world.memory.capacity
    assert capacity is not None
    return capacity


def test_keeping_up_shows_only_a_lower_bound() -> None:
    """Two replicas that read 60/s of 60/s can do 30/s each, perhaps more."""
    capacity = learnt(World(policy(), step_shaped(60, 60, 0, 0)).run(60))
    assert capacity.basis is Basis.AT_LEAST
    assert capacity.per_replica == pytest.approx(30, rel=0.05)


def test_a_bound_is_known_within_seconds() -> None:
    """A dozen seconds of steady traffic are enough for the first step to be one, and no guess."""
    world = World(policy(), step_shaped(60, 700, 15, 10_000)).run(60)
    assert [(start, goal) for _, start, goal in world.steps] == [(2, 24)]


def test_a_backlog_shows_what_a_replica_does() -> None:
    """Saturated replicas are measured, also where only some of them are."""
    for per_partition in (lambda _, __: 20.0, lambda _, n: 200.0 if n % 2 else 0.0):
        capacity = learnt(World(policy(max_replicas=2), per_partition).run(60))
        assert capacity.basis is Basis.MEASURED
        assert capacity.per_replica == pytest.approx(50, rel=0.1)


def test_a_poisoned_partition_does_not_make_a_replica_look_busy() -> None:
    """Its backlog waits for nobody: what the replica reads besides is all that came, not all it could."""
    world = World(policy(), step_shaped(60, 60, 0, 0), poisoned=frozenset({3})).run(200)
    assert learnt(world).basis is Basis.AT_LEAST


def test_slower_consumers_are_learnt_anew() -> None:
    """A measured capacity follows what is seen under load, downward too."""
    world = World(policy(max_replicas=4), step_shaped(400, 400, 0, 0)).run(60)
    world.capacity = 20.0
    world.run(120)
    assert learnt(world).per_replica == pytest.approx(20, rel=0.15)


def test_offsets_set_forward_by_hand_were_not_consumed() -> None:
    """A jump over a backlog raises no capacity."""
    world = World(policy(), step_shaped(60, 60, 0, 0)).run(60)
    world.ends = [end + 100_000 for end in world.ends]
    world.commits = list(world.ends)
    world.run(30)
    assert learnt(world).per_replica == pytest.approx(30, rel=0.2)


def test_age_turns_a_measurement_into_a_bound() -> None:
    """Consumers change: after a day a measurement is only a bound."""
    world = World(policy(), step_shaped(60, 60, 0, 0)).run(60)
    assert world.seen is not None
    old = Capacity(50.0, world.now - MEASURED_FOR - 1, Basis.MEASURED)
    aged = learn(old, world.seen, 2, Memory(), world.now)
    assert aged is not None
    assert aged.basis is Basis.AT_LEAST


def test_a_bound_is_not_lost_by_having_less_to_do() -> None:
    """Replicas that are too many do little each. Were that the new bound, all of them would be found needed for ever."""
    bound = Capacity(50.0, -10_000.0, Basis.AT_LEAST)
    world = World(policy(), step_shaped(60, 60, 0, 0), replicas=24, memory=Memory(capacity=bound)).run(130)
    assert world.steps[-1][1:] == (24, 2)


def test_replicas_taken_away_leave_what_was_measured() -> None:
    """Somebody leaves four of 24: what all consumed until then is no measure of the four; the way back is one step."""
    world = World(policy(), step_shaped(1100, 1100, 0, 0), replicas=24, memory=Memory(capacity=MEASURED)).run(100)
    world.replicas = 4
    world.run(120)
    assert [(start, goal) for _, start, goal in world.steps] == [(4, 24)]
    assert learnt(world).per_replica == pytest.approx(50, rel=0.05)


def test_nothing_is_learnt_from_a_partial_reading_or_without_replicas() -> None:
    """A lower bound of the lag is no measure."""
    world = World(policy(), step_shaped(60, 60, 0, 0)).run(60)
    assert world.seen is not None
    assert learn(None, world.seen, 0, world.memory, world.now) is None
