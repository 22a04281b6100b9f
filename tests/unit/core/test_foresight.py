"""What is foreseen: a replica that cannot keep up, consumers that fall behind, and what only looks like that."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from floodwarden.core.memory import Basis, Capacity, Memory
from floodwarden.sim.warden import Warden
from tests.support.world import World, policy, step_shaped
from tests.unit.core.test_decide import MEASURED


def test_a_replica_that_cannot_keep_up_is_foreseen() -> None:
    """All together would do, the one with the busiest partition not: one step gives it room, before its messages are too old."""
    world = World(
        policy(max_messages=None, max_seconds=30.0),
        lambda at, n: 40.0 if n == 5 and at >= 100 else 2.5,
        memory=Memory(capacity=MEASURED),
    ).run(400)
    assert [(start, goal) for _, start, goal in world.steps] == [(2, 8)]
    assert not any(decision.over for _, decision in world.decisions)


def test_headroom_makes_no_partition_hot() -> None:
    """A partition that nearly fills a replica keeps it for itself, though with a fifth more no replica could carry it."""
    world = World(
        policy(stabilization=20.0),
        lambda _, n: 46.0 if n == 5 else 10.0,
        partitions=6,
        replicas=6,
        memory=Memory(capacity=MEASURED),
    )
    assert world.run(300).steps == []


def test_a_stalled_partition_is_not_taken_for_a_slow_replica() -> None:
    """However old its messages get, room on its replica would not move them."""
    world = World(
        policy(max_messages=None, max_seconds=30.0), lambda _, n: 30.0 if n == 3 else 1.0, memory=Memory(capacity=MEASURED)
    )
    world.poisoned = frozenset({3})
    assert world.run(300).steps == []


def test_consumers_that_fall_behind_are_helped_before_the_limit() -> None:
    """What a replica can do was never measured; that more waits than is merely not committed tells enough."""
    world = World(policy(max_messages=5000), step_shaped(60, 700, 100, 10_000), commit_every=5.0).run(140)
    assert [(start, goal) for _, start, goal in world.steps] == [(2, 24)]
    assert next(decision.over for at, decision in world.decisions if at == world.steps[0][0]) is False


def test_seldom_commits_alone_are_no_falling_behind() -> None:
    """Consumers that keep up with a surge are left alone, though their lag rises between two commits."""
    world = World(policy(max_messages=2000), step_shaped(60, 300, 100, 10_000), capacity=500.0, commit_every=5.0).run(300)
    assert world.steps == []


@pytest.mark.parametrize("commit_every", [1.0, 5.0])
def test_a_restart_under_steady_traffic_makes_no_step(commit_every: float) -> None:
    """The first readings see a lag of seldom commits and no commit yet, or one: no rate, and no falling behind."""
    bound = Memory(capacity=Capacity(5.0, 1000.0, Basis.AT_LEAST))
    world = World(policy(max_seconds=10.0), step_shaped(96, 96, 0, 0), commit_every=commit_every).run(97)
    world.warden = Warden(world.policy, bound)
    assert world.run(120).steps == []


@pytest.mark.parametrize("limit", [10.0, 30.0])
def test_no_step_before_a_partition_is_known_to_stand_still(limit: float) -> None:
    """While others of the same consumer move, its backlog is not yet named, but no sign of slow consumers either."""
    for capacity in (None, Capacity(5.0, 1000.0, Basis.AT_LEAST), MEASURED):
        world = World(
            policy(max_messages=None, max_seconds=limit),
            lambda _, __: 3.0,
            commit_every=5.0,
            memory=Memory(capacity=capacity),
        ).run(100)
        world.poisoned = frozenset({3})
        assert world.run(200).steps == []


@pytest.mark.parametrize(("rate", "changes"), [(46.0, 0), (50.0, 10), (52.0, 10), (60.0, 1)])
def test_chance_makes_no_partition_hot_again_and_again(rate: float, changes: int) -> None:
    """Random arrivals near what a replica carries tell it a few times in a quarter of an hour, not a hundred."""
    world = World(
        policy(),
        lambda _, n: rate if n == 1 else 0.5,
        partitions=6,
        noise=random.Random(0),
        memory=Memory(capacity=MEASURED),
    ).run(900)
    hot = [bool(decision.hot) for _, decision in world.decisions]
    assert sum(was is not now for was, now in pairwise(hot)) <= changes


def test_one_of_two_partitions_can_be_hot() -> None:
    """It is compared with the others, and not with a mean of which it is half."""
    world = World(policy(), lambda _, n: 80.0 if n else 0.5, partitions=2, memory=Memory(capacity=MEASURED)).run(120)
    assert [str(partition) for partition in world.decisions[-1][1].hot] == ["orders-1"]


def test_a_backlog_that_hardly_shrinks_is_at_the_ceiling() -> None:
    """A little more arrives than all can do: that chance makes it look as if it shrank for a moment is no way out."""
    world = World(
        policy(), step_shaped(1210, 1210, 0, 0), replicas=24, noise=random.Random(1), memory=Memory(capacity=MEASURED)
    ).run(500)
    reasons = [decision.reason for at, decision in world.decisions if at > 200 and decision.over]
    assert sum(was is not now for was, now in pairwise(reasons)) <= 10
