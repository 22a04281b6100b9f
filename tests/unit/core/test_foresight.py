"""What is foreseen: a replica that cannot keep up, consumers that fall behind, and what only looks like that."""

from __future__ import annotations

from floodwarden.core.memory import Memory
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
