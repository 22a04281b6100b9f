"""The status: what survives a restart, and when it is worth a write."""

from __future__ import annotations

from typing import Any

import pytest

from floodwarden.core.conditions import Type, conditions
from floodwarden.core.diagnosis.cause import Cause, Confidence, Finding, Verdict
from floodwarden.core.diagnosis.usual import Level, Usual
from floodwarden.core.memory import Basis, Capacity, Memory, Phase, Step
from floodwarden.core.reasons import Reason
from floodwarden.core.target import Target
from floodwarden.sweep import clock
from floodwarden.sweep.causes import STALE_AFTER
from floodwarden.sweep.report import NUMBERS_EVERY, REFRESH_EVERY, WriteGate, from_api, restore, shows, status_of
from tests.support.resources import backlog_policy
from tests.support.world import World, policy, step_shaped

LIMIT = 1000.0


def status_json(world: World, memory: Memory | None = None) -> dict[str, Any]:
    """The status of a world's last sweep, as JSON."""
    assert world.seen is not None
    decision = world.decisions[-1][1]
    shown = conditions(world.policy, world.seen, decision, None, world.memory, {}, world.now)
    target = Target("uid", world.replicas, "app=billing", "1", world.replicas)
    return status_of(backlog_policy(), shown, world.seen, decision, memory or world.memory, target, ()).to_api()


def steady(lag: int = 0) -> World:
    world = World(policy(), step_shaped(60, 60, 0, 0), now=clock.now()).run(30)
    assert world.seen is not None
    return world


def test_what_must_survive_a_restart_does() -> None:
    """Capacity, the last step, the replicas and the conditions come back from a status as they were."""
    now = clock.now()
    memory = Memory(
        capacity=Capacity(49.5, now - 100, Basis.MEASURED),
        step=Step(now - 20, 2, 12, Reason.SCALED_UP, Phase.SETTLING, 60.0),
        replicas_seen=2,
        ceiling_told=True,
        verdict=Verdict(Finding(Cause.REPLAYED, "800 of the 900 messages", Confidence.MEDIUM), now - 30, now),
        usual=Usual({"orders": Level(60.0, 61.0, 900.0)}, now - 40, 30.0, 2),
    )
    written = backlog_policy(status=status_json(steady(), memory))
    assert written.status.to_api() == status_json(steady(), memory) | {"conditions": written.status.to_api()["conditions"]}
    restored = restore(written)
    assert restored.capacity is not None
    assert restored.step is not None
    assert (restored.capacity.per_replica, restored.capacity.basis) == (49.5, Basis.MEASURED)
    assert restored.capacity.measured_at == pytest.approx(now - 100, abs=2)
    assert (restored.step.start, restored.step.goal, restored.step.phase) == (2, 12, Phase.SETTLING)
    assert restored.step.throughput_before == 60.0
    assert restored.step.at == pytest.approx(now - 20, abs=2)
    assert restored.replicas_seen == 2
    assert restored.ceiling_told
    assert restored.verdict is not None
    assert restored.verdict.told == Finding(Cause.REPLAYED, "800 of the 900 messages", Confidence.MEDIUM)
    assert restored.verdict.since == pytest.approx(now - 30, abs=2)
    assert restored.usual is not None
    assert restored.usual.levels == {"orders": Level(60.0, 61.0, 900.0)}
    assert (restored.usual.per_replica, restored.usual.replicas) == (30.0, 2)
    assert restored.usual.at == pytest.approx(now - 40, abs=2)
    assert from_api(written.status.conditions)[Type.WITHIN_LAG].status is True


def test_a_status_of_another_spec_is_no_memory() -> None:
    """What was learnt may be of another broker, group or target: after an edit that no process saw, it is learnt anew."""
    status = status_json(steady(), Memory(capacity=Capacity(49.5, clock.now(), Basis.MEASURED)))
    assert restore(backlog_policy(generation=1, status=status)).capacity is not None
    assert restore(backlog_policy(generation=2, status=status)) == Memory()


def test_what_was_usual_long_ago_says_nothing() -> None:
    """After an hour without Floodwarden it is learnt anew."""
    memory = Memory(usual=Usual({"orders": Level(60.0, 61.0, 900.0)}, clock.now() - STALE_AFTER - 5, 30.0, 2))
    assert restore(backlog_policy(status=status_json(steady(), memory))).usual is None


def test_what_is_usual_is_written_with_something_else_only() -> None:
    """It moves on all the time, and a policy at rest is not written for it; a new cause is written at once."""
    gate, status = WriteGate(), status_json(steady(), Memory(usual=Usual({"orders": Level(60.0, 61.0, 900.0)}, 100.0)))
    gate.written(status, LIMIT, 0.0)
    moved = {**status, "usual": {**status["usual"], "topics": []}}
    assert not gate.due(moved, LIMIT, 10 * REFRESH_EVERY)
    assert gate.due({**status, "cause": {"type": "Rebalancing"}}, LIMIT, 0.1)


def test_no_cause_is_no_field() -> None:
    """A policy without a backlog shows no cause."""
    ended = Memory(verdict=Verdict(Finding(Cause.NONE), 100.0, 100.0))
    assert "cause" not in status_json(steady(), ended)


def test_a_new_policy_remembers_nothing() -> None:
    """No status, no memory."""
    assert restore(backlog_policy()) == Memory()


def test_transition_times_move_with_the_status_only() -> None:
    """lastTransitionTime is kept while True stays True, whatever the message."""
    first = backlog_policy(status=status_json(steady())).status.conditions
    world = steady()
    decision = world.decisions[-1][1]
    assert world.seen is not None
    shown = conditions(world.policy, world.seen, decision, None, world.memory, {}, world.now)
    old = tuple(one.model_copy(update={"last_transition_time": clock.wall(0.0)}) for one in first)
    again = status_of(backlog_policy(), shown, world.seen, decision, world.memory, None, old).conditions
    assert [one.last_transition_time for one in again] == [clock.wall(0.0)] * 4


def numbers(status: dict[str, Any], messages: int) -> dict[str, Any]:
    return {**status, "lag": {**status["lag"], "messages": messages}}


def test_a_change_in_kind_is_written_at_once() -> None:
    """Another state, condition, replica count or step does not wait."""
    gate, status = WriteGate(), status_json(steady())
    assert gate.due(status, LIMIT, 0.0)
    gate.written(status, LIMIT, 0.0)
    for changed in (
        {**status, "state": "OverLimit"},
        {**status, "replicas": {"current": 3, "desired": 3, "ceiling": 24}},
        {**status, "observedGeneration": 2},
    ):
        assert gate.due(changed, LIMIT, 0.1)


def test_numbers_wait_and_noise_waits_longer() -> None:
    """A lag that moved is told after a few seconds, one that only trembles after a minute, the same one never."""
    gate, status = WriteGate(), status_json(steady())
    gate.written(status, LIMIT, 0.0)
    assert not gate.due(numbers(status, 400), LIMIT, NUMBERS_EVERY - 1)
    assert gate.due(numbers(status, 400), LIMIT, NUMBERS_EVERY)
    assert not gate.due(numbers(status, 7), LIMIT, REFRESH_EVERY - 1)
    assert gate.due(numbers(status, 7), LIMIT, REFRESH_EVERY)
    assert not gate.due(status, LIMIT, 10 * REFRESH_EVERY)


def test_the_same_state_gives_the_same_status() -> None:
    """Times of the past are written alike at every sweep, or a quiet policy would be written for ever."""
    world = steady()
    memory = Memory(capacity=Capacity(50.0, clock.now() - 7, Basis.MEASURED))
    assert status_json(world, memory) == status_json(world, memory)


def shown_by(world: World, memory: Memory, target: Target | None = None) -> tuple[tuple[object, ...], dict[str, Any]]:
    """What a status is built from, and the status, for the same moment of a world."""
    assert world.seen is not None
    decision = world.decisions[-1][1]
    shown = conditions(world.policy, world.seen, decision, None, memory, {}, world.now)
    given = (backlog_policy(), shown, world.seen, decision, memory, target)
    return shows(*given), status_of(*given, ()).to_api()


CHANGES: dict[str, Memory] = {
    "capacity": Memory(capacity=Capacity(49.5, 100.0, Basis.MEASURED)),
    "step": Memory(step=Step(100.0, 2, 12, Reason.SCALED_UP, Phase.DONE)),
    "block": Memory(blocked_until=clock.now() + 600.0, blocked_for=600.0),
    "over": Memory(over_since=100.0),
    "ceiling": Memory(ceiling_told=True),
    "cause": Memory(verdict=Verdict(Finding(Cause.REBALANCING, "for 40 s"), 100.0, 100.0)),
}


@pytest.mark.parametrize("memory", CHANGES.values(), ids=CHANGES)
def test_what_a_status_shows_of_the_memory_is_looked_at(memory: Memory) -> None:
    """A status is built anew when anything in it is another: what changes the one changes the other."""
    world = steady()
    before, after = shown_by(world, Memory()), shown_by(world, memory)
    assert before[1] != after[1]
    assert before[0] != after[0]


def test_what_a_status_shows_of_a_sweep_is_looked_at() -> None:
    """Likewise of lag, rates and replicas; and the same moment gives the same."""
    world = steady()
    before = shown_by(world, Memory())
    assert shown_by(world, Memory()) == before
    assert shown_by(world, Memory(), Target("uid", 3, "", "1"))[0] != before[0]
    later = shown_by(world.run(1), Memory())
    assert (later[0] == before[0]) == (later[1] == before[1])
