"""One decision at a time: the order of precedence, and what each question answers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from floodwarden.core.assess import Gap, assess
from floodwarden.core.decide import Decision, decide
from floodwarden.core.history import History
from floodwarden.core.memory import Basis, Capacity, Memory, Phase, Step
from floodwarden.core.observation import Offsets, Partition, Reading, Unknown, UnknownReason
from floodwarden.core.reasons import Reason
from floodwarden.core.target import Target
from tests.support.world import World, policy, step_shaped

MEASURED = Capacity(50.0, 1000.0, Basis.MEASURED)


def calm(**changes: object) -> World:
    """Two replicas that easily carry what arrives, with a measured capacity."""
    return World(policy(**changes), step_shaped(60, 60, 0, 0), memory=Memory(capacity=MEASURED))


def flooded(**changes: object) -> World:
    """The same, but 700 messages/s arrive after twenty seconds."""
    return World(policy(**changes), step_shaped(60, 700, 20, 10_000), memory=Memory(capacity=MEASURED))


def last(world: World) -> Decision:
    return world.decisions[-1][1]


def ask(world: World, *, replicas: int, blocker: Gap | None = None, memory: Memory | None = None) -> Decision:
    """What would be decided now with so many replicas."""
    assert world.seen is not None
    target = Target("uid", replicas, "app=billing", "1", replicas)
    return decide(world.policy, world.seen, target, blocker, memory or world.memory, world.now)[0]


def test_steady_traffic_is_left_alone() -> None:
    """Nothing to do says so, and changes nothing."""
    world = calm().run(100)
    assert (last(world).reason, last(world).replicas, last(world).over) == (Reason.STEADY, None, False)


def test_a_spike_is_answered_by_one_jump_within_two_sweeps() -> None:
    """With known capacity, two sweeps after the rise the step goes straight to the even spread for it."""
    world = flooded().run(60)
    assert [(start, goal) for _, start, goal in world.steps] == [(2, 24)]
    assert world.steps[0][0] <= 22


def test_the_first_sweep_of_a_rise_is_measured_once_more() -> None:
    """Half a rise in one interval would give half a step."""
    world = flooded(max_messages=200)
    world.arrivals = step_shaped(60, 700, 20.5, 10_000)
    world.run(21)
    assert last(world).reason is Reason.MEASURING
    world.tick()
    assert last(world).replicas == 24


def test_a_long_sweep_interval_does_not_wait_for_a_second_look() -> None:
    """Where a sweep takes half a minute, waiting for the next one costs more than a second step."""
    world = World(policy(sweep_interval=30.0), step_shaped(60, 700, 100, 10_000), memory=Memory(capacity=MEASURED)).run(150)
    assert world.steps
    assert world.steps[0][0] == 120


def test_never_past_the_partition_count_nor_max_replicas() -> None:
    """The ceiling is exact, and below it the spread stays even."""
    assert flooded().run(60).replicas == 24
    assert flooded(max_replicas=10).run(60).replicas == 8


def test_at_the_ceiling_says_so() -> None:
    """When every partition has a replica and it is not enough, the decision names the ceiling."""
    world = World(policy(), step_shaped(3000, 3000, 0, 0), replicas=24, memory=Memory(capacity=MEASURED)).run(60)
    assert last(world).reason is Reason.AT_CEILING
    assert last(world).replicas is None


def test_the_first_reading_of_a_backlog_does_not_tell_the_ceiling() -> None:
    """After a restart the rates are not known, so it is not known either that the backlog does not shrink."""
    world = World(policy(), step_shaped(60, 60, 0, 0), replicas=24, memory=Memory(capacity=MEASURED))
    world.ends = [10_000.0] * 24
    world.tick()
    assert (last(world).over, last(world).reason) == (True, Reason.FIRST_READING)


def test_at_the_largest_even_spread_below_max_replicas() -> None:
    """Where maxReplicas lies between two even spreads, the lower one is gone to, and not said to be enough."""
    busy = step_shaped(3000, 3000, 0, 0)
    world = World(policy(max_replicas=20), busy, replicas=2, memory=Memory(capacity=MEASURED)).run(120)
    assert world.steps[-1][2] == 12
    assert last(world).reason is Reason.AT_CEILING
    assert last(world).message.startswith("12 replicas: lag")


UNKNOWN_READINGS = [Unknown(reason, "for a test") for reason in UnknownReason]


@pytest.mark.parametrize("unknown", UNKNOWN_READINGS, ids=lambda unknown: unknown.reason.value)
def test_unknown_holds_and_is_named(unknown: Unknown) -> None:
    """No reading changes the replicas, however long it stays away, and the reason is passed on."""
    world = World(
        policy(stabilization=10.0),
        step_shaped(1, 1, 0, 0),
        replicas=12,
        memory=Memory(capacity=MEASURED),
        unreadable=lambda at: unknown if at > 5 else None,
    ).run(600)
    assert world.steps == []
    assert last(world).reason.value == unknown.reason.value
    assert last(world).over is None


def test_a_reading_that_comes_back_must_agree_for_a_whole_window() -> None:
    """The window before fewer replicas starts anew with every gap in the readings."""
    world = World(
        policy(stabilization=30.0),
        step_shaped(1, 1, 0, 0),
        replicas=12,
        memory=Memory(capacity=MEASURED),
        unreadable=lambda at: Unknown(UnknownReason.TIMEOUT) if 20 <= at < 21 else None,
    ).run(48)
    assert world.steps == []
    assert world.run(60).replicas == 2


def test_fewer_replicas_after_the_window_in_one_step_and_enough_for_what_arrives() -> None:
    """After a spike: one step down, not below what arrivals need with headroom."""
    world = World(policy(), step_shaped(260, 700, 20, 60), replicas=6, memory=Memory(capacity=MEASURED)).run(400)
    down = [(start, goal) for _, start, goal in world.steps if goal < start]
    assert down == [(24, 8)]  # 260/s · 1.2 needs 6.24 of 50/s: 3 partitions each


def test_the_last_step_is_waited_for() -> None:
    """While pods start and the group rebalances nothing new is decided."""
    world = flooded().run(24)
    assert last(world).reason is Reason.SETTLING
    world.start_delay = 10_000  # pods of a later step would never start
    assert all(decision.replicas is None for at, decision in world.decisions if at >= 23)


def test_a_step_that_never_settles_is_overdue_and_blocks_no_longer() -> None:
    """After five minutes the step is an alert of its own, and deciding goes on."""
    world = flooded()
    world.start_delay = 10_000
    world.run(340)
    assert world.memory.step is not None
    assert world.memory.step.phase is Phase.OVERDUE


def test_a_step_that_did_not_help_is_undone_named_and_not_repeated() -> None:
    """Throughput that stays what it was means that something behind the consumers is the limit."""
    world = flooded()
    world.downstream = 100.0
    world.run(300)
    assert [(start, goal) for _, start, goal in world.steps] == [(2, 24), (24, 2)]
    reasons = [decision.reason for _, decision in world.decisions if decision.replicas is not None]
    assert reasons == [Reason.SCALED_UP, Reason.STEP_INEFFECTIVE]
    assert last(world).reason is Reason.STEP_INEFFECTIVE


def test_a_block_ends_when_the_bottleneck_does() -> None:
    """As soon as throughput has clearly recovered, steps are made again."""
    world = flooded()
    world.downstream = 60.0
    world.run(200)
    assert world.replicas == 2
    world.downstream = float("inf")
    world.run(60)
    assert world.replicas == 24


def test_a_poisoned_partition_gets_no_pods() -> None:
    """Its lag alone is over the limit; it is named and more replicas are not asked for."""
    world = calm()
    world.poisoned = frozenset({3})
    world.run(900)
    assert world.steps == []
    assert last(world).reason is Reason.PARTITION_STALLED
    assert [str(partition) for partition in last(world).stalled] == ["orders-3"]


def test_a_hot_partition_gets_no_pods() -> None:
    """More arrives in one partition than a replica can carry: that is named, as pods would not help."""
    world = World(policy(), lambda _, n: 80 if n == 5 else 0.5, memory=Memory(capacity=MEASURED)).run(600)
    assert world.steps == []
    assert last(world).reason is Reason.PARTITION_HOT
    assert [str(partition) for partition in last(world).hot] == ["orders-5"]


def test_sleeps_after_the_window_and_wakes_on_a_message() -> None:
    """With minReplicas 0: no messages for a window puts it to sleep; the next sweep with one wakes it."""
    world = World(policy(min_replicas=0), lambda at, n: 1.0 if n == 0 and 200 <= at < 210 else 0.0).run(300)
    assert [(start, goal) for _, start, goal in world.steps] == [(2, 0), (0, 1), (1, 0)]
    assert world.steps[1][0] <= 202
    assert [d.reason for _, d in world.decisions if d.replicas is not None][:2] == [Reason.PUT_TO_SLEEP, Reason.WOKEN]


@pytest.mark.parametrize("other", [Offsets(0, 0, None), Offsets(0, 7, 7), Offsets(0, 7, None)], ids=["empty", "read", "unread"])
def test_a_partition_that_nobody_has_ever_read_wakes(other: Offsets) -> None:
    """Messages without any commit wake the consumers, whatever is known of the other partitions; how many is not told."""
    reading = Reading({Partition("orders", 0): Offsets(0, 4, None), Partition("orders", 1): other})
    history = History()
    history.record(1000.0, reading)
    asleep = Target("uid", 0, "app=billing", "1", 0)
    decision, _ = decide(policy(min_replicas=0), assess(reading, history, 1000.0), asleep, None, Memory(), 1000.0)
    assert (decision.reason, decision.replicas) == (Reason.WOKEN, 1)


def test_scaled_by_hand_upward_is_kept_for_a_window() -> None:
    """What somebody else asked for is noticed, and not lowered before a whole window agreed."""
    world = calm().run(200)
    world.scale(10)
    world.run(1)
    assert last(world).by_hand == (2, 10)
    world.run(55)
    assert world.replicas == 10
    assert world.run(30).replicas == 2


def test_scaled_to_zero_by_hand_is_left_alone() -> None:
    """With minReplicas of one or more, zero is somebody's wish."""
    world = calm().run(50)
    world.scale(0)
    world.run(300)
    assert world.replicas == 0
    assert last(world).reason is Reason.TARGET_AT_ZERO


def test_below_the_minimum_is_raised_at_once() -> None:
    """minReplicas holds whatever the lag."""
    world = World(policy(min_replicas=4), step_shaped(1, 1, 0, 0), replicas=1).run(2)
    assert world.replicas == 4


def test_min_replicas_above_the_partitions_gives_way() -> None:
    """The partition count is the ceiling in any case."""
    world = World(policy(min_replicas=40), step_shaped(1, 1, 0, 0), replicas=2).run(3)
    assert world.replicas == 24


def test_a_blocker_holds_everything() -> None:
    """Whatever the lag, with another owner in the way nothing is done, and the reason is the blocker's."""
    world = flooded().run(21)
    blocker = Gap(Reason.TARGET_CONFLICT, "an HPA")
    decision = ask(world, replicas=2, blocker=blocker)
    assert (decision.reason, decision.replicas) == (Reason.TARGET_CONFLICT, None)


def test_dry_run_decides_the_same_again_and_again() -> None:
    """Nothing is written, so the same decision comes at every sweep and no step is remembered."""
    world = flooded(dry_run=True).run(60)
    assert last(world).replicas == 24
    assert world.replicas == 2
    assert world.memory.step is None


def test_without_capacity_the_first_step_is_bold_but_bounded() -> None:
    """Nothing has been learnt: half the ceiling, then what was learnt."""
    world = World(policy(), step_shaped(2000, 2000, 0, 0)).run(5)
    assert world.steps[0][1:] == (2, 12)


def test_a_lower_bound_of_capacity_is_no_reason_for_a_crowd() -> None:
    """Consumers that were nearly idle have shown little; a burst multiplies them by sixteen at the most."""
    idle = Memory(capacity=Capacity(0.01, 1000.0, Basis.AT_LEAST))
    world = World(policy(), step_shaped(1, 4000, 30, 10_000, 200), partitions=200, memory=idle).run(35)
    assert world.steps[0][1] == 2
    assert world.steps[0][2] <= 32


def test_capacity_is_learnt_under_load_and_survives() -> None:
    """A backlog that keeps all busy shows what a replica does."""
    world = World(policy(max_replicas=4), step_shaped(300, 300, 0, 0)).run(60)
    capacity = world.memory.capacity
    assert capacity is not None
    assert capacity.basis is Basis.MEASURED
    assert capacity.per_replica == pytest.approx(50, rel=0.1)


def test_capacity_that_was_never_seen_lowers_nothing_while_messages_come() -> None:
    """Without any knowledge of what a replica can do, fewer are not safe."""
    world = World(policy(), step_shaped(60, 60, 0, 0), replicas=12).run(100)
    memory = replace(world.memory, capacity=None)
    assert ask(world, replicas=12, memory=memory).replicas is None


def test_a_step_restored_as_settling_goes_on() -> None:
    """After a restart the open step is waited for like any other."""
    step = Step(990.0, 2, 24, Reason.SCALED_UP, Phase.SETTLING, 60.0)
    world = World(policy(), step_shaped(700, 700, 0, 0), replicas=24, memory=Memory(capacity=MEASURED, step=step))
    world.scale(10)
    world.scale(24)
    world.run(3)
    assert last(world).reason is Reason.SETTLING
    world.run(20)
    assert world.steps == []


INTENTS = {
    "made, but not noted": (24, 2, 2, None, Phase.SETTLING),
    "never made": (2, 2, 2, None, None),
    "made and noted": (24, 24, 2, None, Phase.SETTLING),
    "changed by somebody else meanwhile": (10, 24, 2, (24, 10), Phase.DONE),
}


@pytest.mark.parametrize(("replicas", "noted", "start", "by_hand", "phase"), INTENTS.values(), ids=INTENTS)
def test_an_intent_tells_our_own_step_from_somebody_elses(
    replicas: int, noted: int, start: int, by_hand: tuple[int, int] | None, phase: Phase | None
) -> None:
    """Whatever moment we ended at, the next process knows whether the step was made and by whom."""
    world = calm().run(5)
    step = Step(world.now - 1, start, 24, Reason.SCALED_UP, Phase.SETTLING, 60.0)
    memory = replace(world.memory, step=step, replicas_seen=noted)
    assert world.seen is not None
    target = Target("uid", replicas, "app=billing", "1", 2)
    decision, after = decide(world.policy, world.seen, target, None, memory, world.now)
    assert decision.by_hand == by_hand
    assert (after.step.phase if after.step else None) is phase
