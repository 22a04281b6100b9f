"""What people are told: conditions of a decision, and Events on transitions only."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from floodwarden.core.assess import Gap
from floodwarden.core.broker_conditions import broker_conditions, broker_notices
from floodwarden.core.conditions import Condition, Notice, Type, conditions, notices, state, step_notice, told
from floodwarden.core.memory import Basis, Capacity, Memory
from floodwarden.core.observation import Snapshot, Unknown, UnknownReason
from floodwarden.core.reasons import Reason
from tests.support.world import World, policy, step_shaped

MEASURED = Memory(capacity=Capacity(50.0, 1000.0, Basis.MEASURED))
GONE = Unknown(UnknownReason.BROKER_UNREACHABLE, "nobody answers")


@dataclass
class Told:
    """A world whose every sweep is told; ``events`` holds (time, notice), ``states`` the State column."""

    world: World
    blocker: Gap | None = None
    shown: dict[Type, Condition] = field(default_factory=dict)
    events: list[tuple[float, Notice]] = field(default_factory=list)
    states: list[Reason] = field(default_factory=list)

    def run(self, seconds: int) -> Told:
        for _ in range(seconds):
            past = self.world.memory
            self.world.tick()
            world, decision = self.world, self.world.decisions[-1][1]
            assert world.seen is not None
            before, self.shown = (
                self.shown,
                conditions(world.policy, world.seen, decision, self.blocker, world.memory, self.shown, world.now),
            )
            self.events += [
                (world.elapsed, notice) for notice in notices(before, self.shown, world.seen, decision, past, world.now)
            ]
            world.memory = told(world.memory, self.shown, world.seen)
            if decision.replicas is not None:
                self.events.append((world.elapsed, step_notice(world.policy, decision)))
            self.states.append(state(self.shown))
        return self

    @property
    def reasons(self) -> list[Reason]:
        return [notice.reason for _, notice in self.events]


def test_a_spike_tells_its_story_once() -> None:
    """Over the limit, scaled, drained, scaled down: an Event for each, and none between."""
    told = Told(World(policy(max_messages=500), step_shaped(60, 700, 20, 80), memory=MEASURED)).run(300)
    assert told.reasons == [Reason.OVER_LIMIT, Reason.SCALED_UP, Reason.DRAINED, Reason.SCALED_DOWN]
    scaled = next(notice for _, notice in told.events if notice.reason is Reason.SCALED_UP)
    assert "2 → 24 replicas" in scaled.message
    assert "24 partitions" in scaled.message
    assert scaled.on_target


def test_what_waits_only_for_a_commit_is_told() -> None:
    """With seldom commits a lag above the limit may be within it: nobody is left to wonder."""
    rare = World(policy(max_messages=1000), step_shaped(60, 300, 100, 10_000), capacity=500.0, commit_every=5.0)
    told = Told(rare)
    said = [told.run(1).shown[Type.WITHIN_LAG].message for _ in range(200)]
    assert rare.seen is not None
    assert rare.seen.settled_lag is not None
    above = [text for text in said if int(text.split()[1].replace(",", "")) > 1000]
    assert above
    assert told.shown[Type.WITHIN_LAG].status
    assert all("without what may be done and not committed" in text for text in above)


def test_nothing_is_told_while_nothing_changes() -> None:
    """Steady traffic: no Event at all, and a steady state."""
    told = Told(World(policy(), step_shaped(60, 60, 0, 0), memory=MEASURED)).run(200)
    assert told.events == []
    assert set(told.states[1:]) == {Reason.STEADY}


def test_a_lost_reading_blinks_unseen_then_shows_then_is_an_alert_and_comes_back() -> None:
    """One failed sweep changes nothing; a few show in WithinLag; a quarter of a minute is an Event, and so is the return."""
    world = World(policy(), step_shaped(60, 60, 0, 0), memory=MEASURED)
    world.unreadable = lambda at: GONE if 20 <= at < 21 or 40 <= at < 100 else None
    told = Told(world).run(22)
    assert told.shown[Type.WITHIN_LAG].status is True
    told.run(24)
    assert (told.shown[Type.WITHIN_LAG].status, told.shown[Type.WITHIN_LAG].reason) == (None, Reason.BROKER_UNREACHABLE)
    assert told.events == []
    told.run(100)
    assert told.reasons == [Reason.READING_LOST, Reason.READING_BACK]
    assert "nobody answers" in told.events[0][1].message
    assert 54 <= told.events[0][0] <= 56


def test_a_blocker_is_told_when_it_comes_and_when_it_goes() -> None:
    """A conflict names the other, once, and its end is told."""
    told = Told(World(policy(), step_shaped(60, 60, 0, 0), memory=MEASURED)).run(5)
    told.blocker = Gap(Reason.TARGET_CONFLICT, "Deployment/billing is scaled by HorizontalPodAutoscaler/billing already")
    told.run(10)
    assert told.reasons == [Reason.TARGET_CONFLICT]
    assert "HorizontalPodAutoscaler/billing" in told.events[0][1].message
    assert told.states[-1] is Reason.TARGET_CONFLICT
    told.blocker = None
    told.run(10)
    assert told.reasons == [Reason.TARGET_CONFLICT, Reason.WATCHING]


def test_a_restart_repeats_no_event() -> None:
    """The conditions of the status are what the next process compares with."""
    told = Told(World(policy(max_messages=100), step_shaped(700, 700, 0, 0), replicas=24, memory=MEASURED)).run(1)
    told.world.ends = [100.0] * 24
    told.run(2)
    assert Reason.OVER_LIMIT in told.reasons
    again = Told(told.world, shown=dict(told.shown)).run(1)
    assert again.reasons == []


def test_dry_run_says_what_it_would_do() -> None:
    """The condition and the Event of a step that is not made."""
    told = Told(World(policy(dry_run=True), step_shaped(700, 700, 0, 0), memory=MEASURED)).run(30)
    assert told.shown[Type.READY].reason is Reason.DRY_RUN
    assert told.shown[Type.SCALING].reason is Reason.WOULD_SCALE
    assert told.shown[Type.SCALING].status is False


def test_a_gap_does_not_break_the_story_of_a_backlog() -> None:
    """Over the limit, unreadable for a while, over it still: told once; and how long it took counts from the first."""
    world = World(policy(max_messages=500), step_shaped(60, 700, 20, 80), memory=MEASURED)
    world.unreadable = lambda at: GONE if 24 <= at < 34 else None
    told = Told(world).run(200)
    assert told.reasons.count(Reason.OVER_LIMIT) == 1
    assert told.reasons.count(Reason.DRAINED) == 1


def test_a_part_of_the_lag_that_stays_unknown_is_an_alert_of_its_own() -> None:
    """After a while it is told, once, and so is the end of it."""
    world = World(policy(), step_shaped(60, 60, 0, 0), memory=MEASURED, replicas=6)
    world.hidden = lambda at: 20 <= at < 90
    told = Told(world).run(150)
    assert told.reasons == [Reason.NO_LEADER, Reason.READING_PARTIAL, Reason.READING_BACK]
    assert world.steps == [] or world.steps[0][0] > 150


def test_partitions_that_never_could_be_read_are_not_new_at_every_sweep() -> None:
    """More partitions are told by the sweep that sees them first, readable or not."""
    world = World(policy(), step_shaped(60, 60, 0, 0), memory=MEASURED)
    world.hidden = lambda _: True
    added = []
    for _ in range(20):
        world.tick()
        added.append(world.warden.history.added)
    assert sum(added) == 0


def test_what_stands_still_is_told_once_through_lost_sweeps() -> None:
    """A failed sweep now and then does not make a poison message move and stand still again."""
    world = World(policy(), step_shaped(60, 60, 0, 0), memory=MEASURED, poisoned=frozenset({3}))
    world.unreadable = lambda at: GONE if at % 60 < 1 else None
    told = Told(world).run(600)
    assert told.reasons.count(Reason.PARTITION_STALLED) == 1
    assert Reason.MOVING not in told.reasons


SNAPSHOT = Snapshot({}, 3, ("0", "1", "2"))
PARTLY = Snapshot({}, 3, ("0", "1", "2"), unreachable=("2 (127.0.0.1:9292)",))


BROKERS = {
    "well": (SNAPSHOT, None, True, True, Reason.ALL_NODES_REACHABLE),
    "a node down": (PARTLY, None, True, False, Reason.SOME_NODES_UNREACHABLE),
    "all down": (GONE, None, False, False, Reason.BROKER_UNREACHABLE),
    "secret missing": (GONE, Gap(Reason.SECRET_MISSING, "Secret x"), False, None, Reason.SECRET_MISSING),
}


@pytest.mark.parametrize(("outcome", "obstacle", "ready", "reachable", "reason"), BROKERS.values(), ids=BROKERS)
def test_broker_conditions(
    outcome: Snapshot | Unknown, obstacle: Gap | None, ready: bool, reachable: bool | None, reason: Reason
) -> None:
    """Ready says whether policies are served, Reachable whether every node answered."""
    shown = broker_conditions(outcome, obstacle, 10.0, {})
    assert (shown[Type.READY].status, shown[Type.REACHABLE].status) == (ready, reachable)
    assert shown[Type.REACHABLE].reason is reason


def test_broker_events_on_transitions_only() -> None:
    """Down is told once, and so is up; a failed sweep now and then is not."""
    well = broker_conditions(SNAPSHOT, None, 0.0, {})
    assert list(broker_notices({}, well)) == []
    assert broker_conditions(GONE, None, 1.0, well) == well
    down = broker_conditions(GONE, None, 10.0, well)
    assert [notice.reason for notice in broker_notices(well, down)] == [Reason.BROKER_UNREACHABLE]
    assert list(broker_notices(down, down)) == []
    assert Reason.SWEEPING in [notice.reason for notice in broker_notices(down, well)]


def test_pods_that_have_just_come_are_no_poison_message() -> None:
    """A partition of theirs stands still until they work; what stands still for another half a minute is told."""
    world = World(policy(max_messages=500), step_shaped(60, 700, 40, 10_000), memory=MEASURED, start_delay=25.0)
    told = Told(world).run(45)
    world.poisoned = frozenset({3})  # as if its new owner were slow to begin
    told.run(50)
    assert world.steps
    assert world.seen is not None
    assert world.seen.stalled
    assert Reason.PARTITION_STALLED not in told.reasons
    told.run(60)
    assert told.reasons.count(Reason.PARTITION_STALLED) == 1
