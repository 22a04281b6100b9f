"""From a decision to the status people read, and back from status to memory after a restart.

``watch`` writes what this module builds. ``WriteGate`` says when: at once when something changed in kind, at most every few
seconds while only numbers change, not at all while they stay alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from math import log
from typing import Any

from floodwarden.api import backlogpolicy as api
from floodwarden.api.backlogpolicy import BacklogPolicy, BacklogPolicyStatus
from floodwarden.api.durations import Duration
from floodwarden.api.shared import Condition as ApiCondition
from floodwarden.api.shared import ConditionStatus, bounded
from floodwarden.core.assess import Assessment
from floodwarden.core.conditions import Condition, Conditions, Type, state
from floodwarden.core.decide import Decision
from floodwarden.core.memory import Capacity, Memory, Step
from floodwarden.core.reasons import Reason
from floodwarden.core.target import Target
from floodwarden.core.text import plain
from floodwarden.sweep import clock
from floodwarden.sweep.causes import cause_of, usual_from, usual_of, verdict_from

MESSAGE_BYTES = 1024
NUMBERS_EVERY = 5.0  # seconds between two writes while numbers change in substance
REFRESH_EVERY = 60.0  # seconds after which numbers that changed at all are written
ETA_AT_MOST = 24 * 3600.0  # an estimate beyond a day says nothing


def to_api(
    shown: Conditions | Mapping[str, Condition], before: tuple[ApiCondition, ...], generation: int
) -> tuple[ApiCondition, ...]:
    """Conditions with the times of their last transitions, kept where the status did not change."""
    since = {condition.type: condition for condition in before}
    return tuple(_to_api(condition, since.get(condition.type), generation) for condition in shown.values())


def _to_api(condition: Condition, before: ApiCondition | None, generation: int) -> ApiCondition:
    status = {True: ConditionStatus.TRUE, False: ConditionStatus.FALSE, None: ConditionStatus.UNKNOWN}[condition.status]
    kept = before is not None and before.status is status
    return ApiCondition(
        type=str(condition.type),
        status=status,
        reason=condition.reason.value,
        message=plain(condition.message, MESSAGE_BYTES),
        last_transition_time=before.last_transition_time if kept and before else clock.wall().replace(microsecond=0),
        observed_generation=generation,
    )


def from_api(conditions: tuple[ApiCondition, ...]) -> dict[Type, Condition]:
    """The conditions of a status as ``core`` knows them; what an older version wrote and we do not know is left out."""
    truth = {ConditionStatus.TRUE: True, ConditionStatus.FALSE: False, ConditionStatus.UNKNOWN: None}
    known_types, known_reasons = set(Type), set(Reason)
    return {
        Type(c.type): Condition(Type(c.type), truth[c.status], Reason(c.reason), c.message)
        for c in conditions
        if c.type in known_types and c.reason in known_reasons
    }


def status_of(
    policy: BacklogPolicy,
    shown: Conditions,
    seen: Assessment,
    decision: Decision,
    memory: Memory,
    target: Target | None,
    before: tuple[ApiCondition, ...],
) -> BacklogPolicyStatus:
    """The whole status of one policy."""
    generation = policy.metadata.generation
    word = state(shown)
    return BacklogPolicyStatus(
        observed_generation=generation,
        state=word.value,
        message=plain(_sentence(shown, word), MESSAGE_BYTES),
        lag=_lag(seen),
        rates=api.Rates(
            produced=seen.produced,
            consumed=seen.consumed,
            per_replica=seen.consumed / target.replicas if seen.consumed is not None and target and target.replicas else None,
        ),
        capacity=_capacity(memory.capacity),
        partitions=api.PartitionsStatus(
            total=seen.partitions,
            unknown=seen.partitions - len(seen.loads),
            stalled=bounded(str(partition) for partition in decision.stalled),
            hot=bounded(str(partition) for partition in decision.hot),
        ),
        replicas=api.Replicas(current=target.replicas if target else None, desired=decision.desired, ceiling=decision.ceiling),
        drain_eta=Duration.of(round(decision.eta)) if decision.over and decision.eta and decision.eta < ETA_AT_MOST else None,
        last_step=_step(memory.step),
        blocked=_block(memory),
        over_since=_moment(memory.over_since),
        cause=cause_of(memory.verdict),
        usual=usual_of(memory.usual),
        ceiling_told=memory.ceiling_told or None,
        gaps=tuple(sorted(gap.reason.value for gap in seen.gaps)),
        conditions=to_api(shown, before, generation),
    )


def shows(
    policy: BacklogPolicy, shown: Conditions, seen: Assessment, decision: Decision, memory: Memory, target: Target | None
) -> tuple[object, ...]:
    """All that ``status_of`` looks at: where it is as before, so is the status, which costs ten times as much to build.

    What is usual moves on all the time, and is written together with something else.
    """
    return (
        policy.metadata.generation,
        shown,
        (seen.lag, seen.seconds, seen.aged, seen.exact, seen.produced, seen.consumed),
        (seen.partitions, len(seen.loads), seen.gaps),
        (decision.stalled, decision.hot, decision.desired, decision.ceiling, decision.over, decision.eta),
        (memory.capacity, memory.step, memory.over_since, memory.ceiling_told),
        (memory.verdict.told, memory.verdict.since) if memory.verdict is not None else None,
        (memory.blocked_until, memory.blocked_for, memory.blocked_throughput),
        target.replicas if target else None,
    )


def _sentence(shown: Conditions, word: Reason) -> str:
    """The message of the condition that the state was taken from."""
    for type_ in (Type.READY, Type.WITHIN_LAG, Type.STALLED, Type.SCALING):
        if shown[type_].reason is word:
            return shown[type_].message
    return shown[Type.WITHIN_LAG].message


def _lag(seen: Assessment) -> api.Lag | None:
    """What waits; without an age as long as that is only bounded from below."""
    if seen.lag is None:
        return None
    return api.Lag(messages=seen.lag, seconds=seen.seconds if seen.aged else None, exact=seen.exact)


def _capacity(capacity: Capacity | None) -> api.Capacity | None:
    if capacity is None:
        return None
    return api.Capacity(
        per_replica=capacity.per_replica, measured_at=_second(clock.wall(capacity.measured_at)), basis=capacity.basis
    )


def _step(step: Step | None) -> api.LastStep | None:
    if step is None:
        return None
    return api.LastStep(
        at=_second(clock.wall(step.at)),
        from_=step.start,
        to=step.goal,
        reason=step.reason.value,
        phase=step.phase,
        throughput_before=step.throughput_before,
    )


def _block(memory: Memory) -> api.Blocked | None:
    if memory.blocked_until is None:
        return None
    return api.Blocked(
        until=_second(clock.wall(memory.blocked_until)),
        length=Duration.of(memory.blocked_for),
        throughput=memory.blocked_throughput,
    )


def _moment(at: float | None) -> datetime | None:
    return None if at is None else _second(clock.wall(at))


def _second(moment: datetime) -> datetime:
    """To the whole second, so that the same moment is always written alike."""
    return moment.replace(microsecond=0)


def restore(policy: BacklogPolicy) -> Memory:
    """What a policy's status remembers for us across a restart: nothing where it was written for another spec."""
    status = policy.status
    if status.observed_generation not in (None, policy.metadata.generation):
        return Memory()
    capacity = status.capacity
    last = status.last_step
    blocked = status.blocked
    known = set(Reason)
    return Memory(
        capacity=Capacity(capacity.per_replica, clock.monotonic(capacity.measured_at), capacity.basis)
        if capacity and capacity.per_replica > 0
        else None,
        step=_restored(last) if last and last.reason in known else None,
        replicas_seen=status.replicas.current if status.replicas else None,
        over_since=clock.monotonic(status.over_since) if status.over_since else None,
        verdict=verdict_from(status.cause),
        usual=usual_from(status.usual),
        unknown_since=_unknown_since(status.conditions),
        blocked_until=clock.now() + clock.until(blocked.until) if blocked else None,
        blocked_for=blocked.length.seconds if blocked else 0.0,
        blocked_throughput=blocked.throughput if blocked else 0.0,
        ceiling_told=bool(status.ceiling_told),
        gap_reasons=frozenset(Reason(reason) for reason in status.gaps if reason in known),
    )


def would(policy: BacklogPolicy) -> int | None:
    """The replicas that DryRun last said it would ask for."""
    status = policy.status
    said = any(one.reason == Reason.WOULD_SCALE for one in status.conditions)
    return status.replicas.desired if said and status.replicas else None


def _unknown_since(conditions: tuple[ApiCondition, ...]) -> float | None:
    """Since when a reading has been unknown, by the conditions that said so."""
    since = [one.last_transition_time for one in conditions if _tells_unknown(one)]
    return min((clock.monotonic(at) for at in since), default=None)


def _tells_unknown(one: ApiCondition) -> bool:
    unknown = one.type == Type.WITHIN_LAG and one.status is ConditionStatus.UNKNOWN
    return unknown or one.reason == Reason.READING_LOST


def _restored(last: api.LastStep) -> Step:
    at = clock.monotonic(last.at)
    return Step(at, last.from_, last.to, Reason(last.reason), last.phase, last.throughput_before, settled_at=clock.now())


class WriteGate:
    """Decides when a status is worth a write. ``kind`` of two equal states is equal whatever their numbers."""

    def __init__(self) -> None:
        self._kind: Any = None
        self._numbers: Any = None
        self._written: dict[str, Any] | None = None
        self._at = 0.0

    def due(self, status: dict[str, Any], limit: float, now: float, *, edited: bool = False) -> bool:
        """Whether to write ``status`` (JSON) now. ``limit`` is the lag limit: numbers far below it are alike. ``edited``: what we
        wrote is not what is there any more."""
        if status is self._written and not edited:
            return False
        if self._written is None or _kind(status) != self._kind:
            return True
        if edited:
            return now - self._at >= NUMBERS_EVERY
        if _without_usual(status) == _without_usual(self._written):
            return False
        if _numbers(status, limit) != self._numbers:
            return now - self._at >= NUMBERS_EVERY
        return now - self._at >= REFRESH_EVERY

    def written(self, status: dict[str, Any], limit: float, now: float) -> None:
        """Note what was written."""
        self._kind, self._numbers, self._written, self._at = _kind(status), _numbers(status, limit), status, now


def _kind(status: dict[str, Any]) -> Any:
    conditions = [(c["type"], c["status"], c["reason"]) for c in status["conditions"]]
    step = status.get("lastStep", {})
    partitions = status.get("partitions", {})
    return (
        status["observedGeneration"],
        status["state"],
        conditions,
        status.get("replicas"),
        step.get("to"),
        step.get("phase"),
        partitions.get("total"),
        partitions.get("stalled"),
        partitions.get("hot"),
        "capacity" in status,
        status.get("ceilingTold"),
        status.get("cause", {}).get("type"),
    )


def _without_usual(status: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in status.items() if name != "usual"}


def _numbers(status: dict[str, Any], limit: float) -> Any:
    """Numbers so rounded that only a change people would care about counts: twentieths of the limit, quarters of a rate."""
    lag, rates = status.get("lag", {}), status.get("rates", {})
    return (
        round(20 * lag.get("messages", 0) / limit),
        round(log(max(lag.get("seconds", 0.0), 5.0), 1.25)),
        [round(log(max(rates.get(name, 0.0), 1.0), 1.25)) for name in ("produced", "consumed")],
    )
