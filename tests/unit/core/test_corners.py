"""What keeps replicas as they are, or makes them follow, in the corners: restarts, edits, sleep, brokers that are away."""

from __future__ import annotations

from dataclasses import replace

from floodwarden.core.assess import Gap
from floodwarden.core.memory import Memory, Phase, Step
from floodwarden.core.observation import Unknown, UnknownReason
from floodwarden.core.reasons import Reason
from tests.support.world import World, policy, step_shaped
from tests.unit.core.test_decide import MEASURED, flooded, last


def test_a_backlog_older_than_our_past_is_not_within_a_limit_in_seconds() -> None:
    """After a restart its age is not known: neither within the limit nor over it, until what we saw is enough to tell."""
    world = World(policy(max_messages=None, max_seconds=30.0), step_shaped(0, 0, 0, 0), replicas=2, poisoned=frozenset(range(24)))
    world.ends = [1000.0] * 24
    world.run(20)
    assert last(world).over is None
    assert world.run(15).decisions[-1][1].over is True


def test_an_undo_waits_for_a_known_reading() -> None:
    """Also a step that is taken back lowers replicas: never on an unknown reading."""
    world = flooded().run(30)
    step = Step(world.now - 60, 2, 24, Reason.SCALED_UP, Phase.INEFFECTIVE, 100.0, world.now - 40)
    world.memory = replace(world.memory, step=step)
    world.unreadable = lambda _: Unknown(UnknownReason.TIMEOUT)
    world.run(20)
    assert world.replicas == 24
    world.unreadable = lambda _: None
    assert world.run(3).replicas == 2


def test_our_own_sleep_ends_when_the_minimum_is_raised() -> None:
    """Zero was our step, not somebody's wish: a new minReplicas holds for it too."""
    world = World(policy(min_replicas=0), step_shaped(0, 0, 0, 0)).run(100)
    assert world.replicas == 0
    world.policy = policy(min_replicas=1)
    assert world.run(3).replicas == 1


def test_a_block_does_not_keep_anybody_asleep() -> None:
    """That a step did not help is no reason to leave messages unread."""
    world = World(policy(min_replicas=0), step_shaped(0, 10, 100, 200)).run(90)
    assert world.replicas == 0
    world.memory = replace(world.memory, blocked_until=world.now + 3000, blocked_for=600.0)
    world.run(20)
    assert world.replicas >= 1


def test_a_poisoned_partition_keeps_one_consumer_awake() -> None:
    """Its messages still wait: sleeping would wake again at once."""
    world = World(policy(min_replicas=0), lambda at, _: 1.0 if at < 20 else 0.0, poisoned=frozenset({3})).run(900)
    assert world.replicas >= 1
    assert len(world.steps) <= 2


def test_a_lowered_maximum_holds_at_once() -> None:
    """maxReplicas is a bound, not advice: an edit below the present replicas does not wait for the backlog."""
    world = World(policy(), step_shaped(3000, 3000, 0, 0), replicas=24, memory=Memory(capacity=MEASURED)).run(30)
    world.policy = policy(max_replicas=12)
    assert world.run(3).replicas == 12


def test_a_step_that_comes_late_is_done_all_the_same() -> None:
    """Overdue is not for ever: when the pods come, the step is done."""
    world = flooded()
    world.start_delay = 330.0
    world.run(400)
    assert world.memory.step is not None
    assert world.memory.step.phase is Phase.DONE


def test_nothing_is_lowered_while_a_part_of_the_brokers_is_away() -> None:
    """What the others say may be all zeros because nobody can produce: that is no calm."""
    world = World(policy(stabilization=10.0), step_shaped(0, 0, 0, 0), replicas=12, memory=Memory(capacity=MEASURED))
    world.caution = lambda at: Gap(Reason.SOME_NODES_UNREACHABLE, "2 of 3 nodes") if at < 100 else None
    world.run(99)
    assert (world.steps, last(world).reason) == ([], Reason.SOME_NODES_UNREACHABLE)
    assert world.run(30).replicas == 2


def test_nothing_is_lowered_while_messages_wait_and_nobody_reads() -> None:
    """A group that does not move tells nothing of what it needs."""
    world = World(policy(stabilization=10.0), step_shaped(300, 300, 0, 0), replicas=12, memory=Memory(capacity=MEASURED)).run(60)
    world.arrivals, world.downstream = (lambda _, __: 0.0), 0.0
    world.ends = [end + 2 for end in world.ends]
    steps = list(world.steps)
    world.run(25)
    assert world.steps == steps


def test_what_would_be_enough_is_said_while_the_window_runs() -> None:
    """After a spike the present need and the time that is left are told, not only once the window agrees."""
    world = World(policy(), step_shaped(60, 700, 20, 60), memory=Memory(capacity=MEASURED)).run(95)
    assert (last(world).reason, last(world).desired) == (Reason.STABILIZING, 2)
    assert "lowered in about" in last(world).message
