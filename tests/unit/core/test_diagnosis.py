"""Why a backlog grows: each cause is found from what speaks for it, and from nothing else."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from floodwarden.core.conditions import LOST_AFTER
from floodwarden.core.diagnosis.cause import Cause, Confidence, Finding, Verdict
from floodwarden.core.diagnosis.usual import Level, Usual
from floodwarden.core.reasons import Reason
from floodwarden.sim.shapes import Shape
from tests.support.diagnosed import MEASURED, Diagnosed, PodWorld, diagnosed_shape
from tests.support.mishaps import (
    ENDS,
    GONE,
    TROUBLE_AT,
    a_pod_crashes,
    a_replay,
    a_transaction_stays_open,
    all_stand_still,
    brokers_go,
    consumers_slow_down,
    crashing,
    members_vanish,
    nothing,
    one_key_takes_all,
    one_stands_still,
    pods_crash,
    pods_find_no_node,
    production_rises,
    rebalances,
    rebalances_again_and_again,
    scaled_by_hand,
    target_goes_to_zero,
    well,
    within,
)
from tests.support.world import World, step_shaped


@dataclass(frozen=True)
class Expected:
    happens: Callable[[PodWorld], Callable[[float], None]]
    cause: Cause
    says: tuple[str, ...]
    confidence: Confidence = Confidence.HIGH


CASES = {
    "all is well": Expected(nothing, Cause.NONE, ()),
    "production rose": Expected(
        production_rises, Cause.PRODUCTION_ROSE, ("orders gets 4", "usually 60.", "times as much"), Confidence.MEDIUM
    ),
    "consumption fell on all": Expected(
        consumers_slow_down, Cause.CONSUMPTION_FELL, ("all 2 members are behind", "consumed"), Confidence.MEDIUM
    ),
    "consumption fell on the only one": Expected(
        scaled_by_hand, Cause.CONSUMPTION_FELL, ("the only consumer is behind",), Confidence.MEDIUM
    ),
    "most pods crash": Expected(pods_crash, Cause.CONSUMERS_CRASHING, ("2 of 2 pods", "a, b", "exit code 1")),
    "some pods crash": Expected(
        a_pod_crashes, Cause.CONSUMERS_CRASHING, ("2 of 6 pods end again and again", "consumed"), Confidence.MEDIUM
    ),
    "pods find no node": Expected(pods_find_no_node, Cause.CONSUMERS_UNSCHEDULABLE, ("1 of 2 pods", "Insufficient cpu")),
    "no member in the group": Expected(
        members_vanish, Cause.CONSUMERS_MISSING, ("no member in the group", "2 replicas, 0 ready")
    ),
    "no replica": Expected(target_goes_to_zero, Cause.CONSUMERS_MISSING, ("the target has 0 replicas",)),
    "a rebalance that does not end": Expected(rebalances, Cause.REBALANCING, ("has been rebalancing for",)),
    "rebalances again and again": Expected(
        rebalances_again_and_again, Cause.REBALANCING, ("again and again, the group was rebalancing for",), Confidence.MEDIUM
    ),
    "no partition moves": Expected(all_stand_still, Cause.GROUP_STALLED, ("8 of 8 partitions", "none of them moves")),
    "a partition stands still": Expected(one_stands_still, Cause.PARTITION_STALLED, ("orders-3:", "none is committed")),
    "an open transaction": Expected(a_transaction_stays_open, Cause.TRANSACTION_OPEN, ("orders-3: a transaction is open",)),
    "a hot key": Expected(one_key_takes_all, Cause.SKEWED, ("orders-3 gets ", "the others of its topic 7.", "are in it")),
    "offsets were set back": Expected(a_replay, Cause.REPLAYED, ("are read again",)),
    "the brokers are gone": Expected(brokers_go, Cause.READING_LOST, ("BrokerUnreachable: nobody answers",)),
}


@functools.cache
def run(name: str) -> Diagnosed:
    """One case from its beginning to its end."""
    world = well()
    return Diagnosed(world, CASES[name].happens(world)).run(ENDS)


@pytest.mark.parametrize("name", CASES)
def test_each_cause_is_found_by_what_speaks_for_it(name: str) -> None:
    """Long enough after the trouble began the cause is told, with its numbers."""
    case, told = CASES[name], run(name)
    assert told.cause is case.cause, (told.story, told.message)
    for part in case.says:
        assert part in told.message
    assert told.causes[-1][1].confidence is case.confidence


@pytest.mark.parametrize("name", CASES)
def test_a_change_of_cause_is_one_event(name: str) -> None:
    """Each cause of the story once, and nothing while all is well; a condition that tells the same word tells it alone."""
    told = run(name)
    assert {finding.cause for at, finding in told.causes if at < TROUBLE_AT} == {Cause.NONE}
    reasons = [notice.reason.value for _, notice in told.events]
    assert len(reasons) == len(set(reasons))
    own = {"PartitionStalled", "GroupStalled", "ConsumersMissing", "ReadingLost"}
    found = {cause.value for cause in told.story if cause is not Cause.NONE}
    assert found - own <= set(reasons) <= found
    for _, notice in told.events:
        assert notice.warning
        assert "confidence" in notice.message


WATCHED = {"too short to be sure": (70.0, Confidence.LOW), "longer": (200.0, Confidence.MEDIUM), "long": (340.0, Confidence.HIGH)}


@pytest.mark.parametrize(("begins", "confidence"), WATCHED.values(), ids=WATCHED)
def test_the_longer_the_usual_was_watched_the_surer(begins: float, confidence: Confidence) -> None:
    """The same rise, after a minute, three, and more than five."""
    told = Diagnosed(well(step_shaped(60, 400, begins, 10_000, 8))).run(int(begins) + 40)
    assert told.causes[-1][1].cause is Cause.PRODUCTION_ROSE
    assert told.causes[-1][1].confidence is confidence


def unread_for_long(world: World) -> None:
    """Nothing was watched before the backlog."""
    world.arrivals = step_shaped(400, 400, 0, 0, 8)


def a_partition_is_hidden(world: World) -> None:
    """Totals of other partitions than before say nothing."""
    world.arrivals = step_shaped(60, 400, TROUBLE_AT, 10_000, 8)
    world.hidden = lambda at: at >= TROUBLE_AT - 5


NOT_KNOWN = {
    "no usual level": (unread_for_long, "what usually arrives was not watched for 60 s yet"),
    "a partition cannot be read": (a_partition_is_hidden, "a part of the lag cannot be read (PartitionWithoutLeader)"),
}


@pytest.mark.parametrize(("happens", "why"), NOT_KNOWN.values(), ids=NOT_KNOWN)
def test_without_evidence_the_cause_is_not_known(happens: Callable[[World], None], why: str) -> None:
    """What is missing is said, no Event is posted for it, and no cause is guessed."""
    world = well()
    happens(world)
    told = Diagnosed(world).run(ENDS)
    assert set(told.story) == {Cause.NONE, Cause.NOT_KNOWN}
    assert told.message == why
    assert told.events == []


def test_pods_that_nobody_read_are_no_evidence() -> None:
    """Without the pods of the target, what rates say is all that is known."""
    world = well()
    world.troubled = lambda at: crashing("a", "b") if within(at) else ()
    world.target = lambda *, pods: World.target(world, pods=pods)  # type: ignore[method-assign]
    told = Diagnosed(world, consumers_slow_down(world)).run(ENDS)
    assert told.story == [Cause.NONE, Cause.CONSUMPTION_FELL]


def test_the_member_that_is_behind_is_named() -> None:
    """One of four is slow: it is named, and the others are not blamed."""
    world = well(step_shaped(160, 160, 0, 0, 8), limits={"min_replicas": 4, "max_replicas": 4}, replicas=4)
    consume = world._consume

    def some_are_slow(seconds: float) -> None:
        if within(world.elapsed):
            world.poisoned = frozenset({0, 4}) if int(world.elapsed) % 5 else frozenset()
        consume(seconds)

    world._consume = some_are_slow  # type: ignore[method-assign]
    told = Diagnosed(world).run(ENDS)
    assert told.cause is Cause.CONSUMPTION_FELL
    assert "1 of 4 members is behind (c0 at host)" in told.message


def test_a_rise_that_is_even_is_no_skew() -> None:
    """Of two partitions one has half of the backlog at any time: that alone says nothing of keys."""
    world = well(step_shaped(60, 400, TROUBLE_AT, 10_000, 2), partitions=2)
    assert Diagnosed(world).run(ENDS).story == [Cause.NONE, Cause.PRODUCTION_ROSE]


def test_a_replay_outlives_the_process() -> None:
    """Who starts in the middle of one has not seen offsets go back: by the status it stays a replay until all is read, also where
    more arrives, of which nobody can tell any more how much of the backlog it is."""
    usual = Usual({"orders": Level(60.0, 60.0, 900.0)}, 950.0, 30.0, 2)
    verdict = Verdict(Finding(Cause.REPLAYED, "2,000 of 2,100 messages"), 960.0, 1000.0)
    world = well(step_shaped(0, 400, 0, 60, 8), limits={"max_replicas": 8})
    world.ends = [300.0] * 8
    world.memory = replace(MEASURED, usual=usual, verdict=verdict, over_since=955.0)
    told = Diagnosed(world).run(300)
    assert told.story == [Cause.REPLAYED, Cause.NONE]
    assert told.events == []


def test_a_reading_is_lost_only_after_a_while() -> None:
    """What was the cause before stays it until then."""
    told = run("the brokers are gone")
    lost_at = next(at for at, finding in told.causes if finding.cause is Cause.READING_LOST)
    assert LOST_AFTER <= lost_at - TROUBLE_AT <= LOST_AFTER + 2


def test_a_reading_that_is_back_is_judged_anew() -> None:
    """Lost in the middle of a rise for longer than a moment: that is told, and then the cause again, at once."""
    world = well(step_shaped(60, 400, TROUBLE_AT, 10_000, 8))
    world.unreadable = lambda at: GONE if TROUBLE_AT + 30 <= at < TROUBLE_AT + 70 else None
    told = Diagnosed(world).run(ENDS)
    assert told.story == [Cause.NONE, Cause.PRODUCTION_ROSE, Cause.READING_LOST, Cause.PRODUCTION_ROSE]
    assert [notice.reason for _, notice in told.events] == [Reason.PRODUCTION_ROSE]
    back = next(at for at, finding in told.causes if at > TROUBLE_AT + 70 and finding.cause is Cause.PRODUCTION_ROSE)
    assert back <= TROUBLE_AT + 76


def test_replicas_that_somebody_took_away_are_missing() -> None:
    """Scaled down by hand: less is consumed, and that it was by hand is said."""
    world = well(step_shaped(160, 160, 0, 0, 8), limits={"min_replicas": 1, "max_replicas": 4}, replicas=4)

    def before(at: float) -> None:
        if TROUBLE_AT <= at < TROUBLE_AT + 1:
            world.policy = replace(world.policy, dry_run=True)  # or it would scale up at once
            world.scale(1)

    told = Diagnosed(world, before).run(ENDS)
    assert told.cause is Cause.CONSUMPTION_FELL, told.story
    assert told.message.endswith("; the replicas were changed by hand")


def test_a_cause_lasts_until_the_backlog_is_gone() -> None:
    """After the spike nothing rises any more, but what is left still came from it; then all is well."""
    world = well(step_shaped(60, 400, TROUBLE_AT, TROUBLE_AT + 30, 8))
    told = Diagnosed(world).run(500)
    assert told.story == [Cause.NONE, Cause.PRODUCTION_ROSE, Cause.NONE]
    assert [notice.reason for _, notice in told.events] == [Reason.PRODUCTION_ROSE]
    # Nor do its numbers fade while it drains: they are those of the rise, brought up to date once.
    assert len({finding.message for _, finding in told.causes if finding.cause is Cause.PRODUCTION_ROSE}) <= 2
    ended = next(at for at, finding in told.causes if at > TROUBLE_AT + 100 and finding.cause is Cause.NONE)
    assert ended > TROUBLE_AT + 60


def test_causes_that_take_turns_are_told_once_each() -> None:
    """A pod that crashes and runs by turns does not post an Event each time."""
    world = well()
    world.troubled = lambda at: crashing("a", "b") if within(at) and int(at / 30) % 2 else ()
    told = Diagnosed(world, consumers_slow_down(world)).run(500)
    reasons = [notice.reason for _, notice in told.events]
    assert len(reasons) == len(set(reasons)) <= 2, reasons


SHAPES = {
    Shape.STEP: ({}, [Cause.NONE, Cause.PRODUCTION_ROSE, Cause.NONE]),
    Shape.RAMP: ({}, [Cause.NONE, Cause.PRODUCTION_ROSE, Cause.NONE]),
    Shape.FLASH: ({}, [Cause.NONE, *3 * [Cause.PRODUCTION_ROSE, Cause.NONE]]),
    Shape.WAVE: ({}, [Cause.NONE, *2 * [Cause.PRODUCTION_ROSE, Cause.NONE]]),
    Shape.POISON: ({}, [Cause.NONE, Cause.PRODUCTION_ROSE, Cause.PARTITION_STALLED, Cause.NONE]),
    Shape.SKEW: ({"max_replicas": 2}, [Cause.NONE, Cause.SKEWED, Cause.NONE]),
    Shape.SLOW_CONSUMER: (
        {"max_messages": 3000, "dry_run": True},
        [Cause.NONE, Cause.CONSUMPTION_FELL],  # what was left is not drained by the end
    ),
}


@pytest.mark.parametrize(("shape", "wanted"), list(SHAPES.items()), ids=SHAPES)
def test_the_simulators_shapes_of_trouble(shape: Shape, wanted: tuple[dict[str, Any], list[Cause]]) -> None:
    """Each is told as what it is, until its backlog is gone."""
    changes, story = wanted
    assert diagnosed_shape(shape, 900.0, **changes).run(900).story == story


def test_a_step_that_did_not_help_before_explains_no_new_backlog() -> None:
    """Steps up are still blocked because of the last backlog; that more arrives now is the cause of this one."""
    world = well(step_shaped(60, 400, TROUBLE_AT, 10_000, 8))
    world.memory = replace(MEASURED, blocked_until=world.now + 2000, blocked_for=2100.0, blocked_throughput=1000.0)
    assert Diagnosed(world).run(ENDS).story == [Cause.NONE, Cause.PRODUCTION_ROSE]


def test_downstream_is_named_once_a_step_has_not_helped() -> None:
    """More replicas that consume no more: what is behind them is slow, whatever arrives."""
    world = well(
        step_shaped(60, 300, TROUBLE_AT, 10_000, 8),
        limits={"max_replicas": None},
        downstream=100.0,
    )
    told = Diagnosed(world).run(ENDS)
    assert told.cause is Cause.DOWNSTREAM_SLOW
    assert "consumed no more than before" in told.message
