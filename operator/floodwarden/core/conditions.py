"""What people are told: conditions from one decision, and Events from how the conditions changed.

Pure. The previous conditions, and what of the memory Events depend on, come from status, so a restart repeats no Event.
``sweep.report`` adds times and writes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from floodwarden.core.assess import STALL_AFTER, Assessment, Gap
from floodwarden.core.decide import Decision
from floodwarden.core.memory import Memory, Phase
from floodwarden.core.observation import GroupPhase
from floodwarden.core.policy import Policy
from floodwarden.core.reasons import ADVICE, Reason
from floodwarden.core.target import TargetProblemReason

LOST_AFTER = 15.0  # seconds without a known lag after which it is an alert
BLINK = 3.0  # seconds (or two sweeps, where longer) for which a lost reading changes no condition
# Reasons whose messages come from the API server's adapters and say what to do already.
SELF_EXPLAINING = frozenset({*(one.value for one in TargetProblemReason), "SecretMissing", "SecretForbidden"})
TOLD_ONCE = frozenset(
    {
        Reason.OFFSET_BELOW_LOG_START,
        Reason.TOPIC_RECREATED,
        Reason.TOPIC_MISSING,
        Reason.COMMITTED_BEYOND_END,
        Reason.NO_LEADER,
    }
)  # gaps that deserve an Event as soon as they appear


class Type(StrEnum):
    READY = "Ready"
    WITHIN_LAG = "WithinLag"
    SCALING = "Scaling"
    STALLED = "Stalled"
    REACHABLE = "Reachable"  # of a MessageBroker, beside Ready
    COMPLIANT = "Compliant"  # of a DeliveryPolicy, beside Ready


@dataclass(frozen=True, slots=True)
class Condition:
    """``status`` is True, False, or None for Unknown."""

    type: Type
    status: bool | None
    reason: Reason
    message: str

    def same(self, other: Condition | None) -> bool:
        """Alike in substance: the numbers in a message may differ."""
        return other is not None and (self.status, self.reason) == (other.status, other.reason)


Conditions = Mapping[Type, Condition]


@dataclass(frozen=True, slots=True)
class Notice:
    """One Event to post. ``on_target`` posts it on the scaled object too."""

    warning: bool
    reason: Reason
    message: str
    on_target: bool = False


def conditions(
    policy: Policy, seen: Assessment, decision: Decision, blocker: Gap | None, memory: Memory, before: Conditions, now: float
) -> dict[Type, Condition]:
    """The conditions that a decision gives. ``before`` is kept where a reading has only just been lost."""
    unknown_for = now - memory.unknown_since if memory.unknown_since is not None else 0.0
    blink = unknown_for < max(BLINK, 2 * policy.sweep_interval)
    shown = {
        Type.READY: _ready(policy, seen, blocker, unknown_for),
        Type.WITHIN_LAG: _within(policy, seen, decision),
        Type.SCALING: _scaling(policy, decision, memory),
        Type.STALLED: _stalled(seen, decision),
    }
    if blink and Type.WITHIN_LAG in before and shown[Type.WITHIN_LAG].status is None:
        shown[Type.WITHIN_LAG] = before[Type.WITHIN_LAG]
    if shown[Type.STALLED].status and _settles(memory, now):
        # Partitions that were passed on to pods that have just come stand still for a while: that is no poison message.
        shown[Type.STALLED] = before.get(Type.STALLED) or Condition(Type.STALLED, None, Reason.SETTLING, ADVICE[Reason.SETTLING])
    if Type.STALLED in before and not shown[Type.STALLED].status and _unsure_of_stall(seen):
        # What stood still may still do so: only a stable group whose offsets are known can tell that it moves again.
        shown[Type.STALLED] = before[Type.STALLED]
    return shown


def state(shown: Conditions) -> Reason:
    """The one word of the State column: what is wrong first, else what is being done."""
    ready, within, scaling, stalled = (shown[t] for t in (Type.READY, Type.WITHIN_LAG, Type.SCALING, Type.STALLED))
    for condition, telling in (
        (ready, ready.status is not True),
        (within, within.status is None),
        (stalled, bool(stalled.status)),
    ):
        if telling:
            return condition.reason
    if within.status is False and scaling.reason in (Reason.STEADY, Reason.OVER_LIMIT):
        return Reason.OVER_LIMIT
    return scaling.reason


def _ready(policy: Policy, seen: Assessment, blocker: Gap | None, unknown_for: float) -> Condition:
    if blocker is not None:
        return condition_of(Type.READY, False, blocker.reason, blocker.message)
    if seen.lag is None and unknown_for >= LOST_AFTER:
        why = f"{seen.gaps[0].reason}: {seen.gaps[0].message}" if seen.gaps else "no reading"
        return condition_of(Type.READY, False, Reason.READING_LOST, why)
    if seen.gaps and unknown_for >= LOST_AFTER:
        return condition_of(Type.READY, True, Reason.READING_PARTIAL, f"{seen.gaps[0].reason}: {seen.gaps[0].message}")
    if policy.dry_run:
        return Condition(Type.READY, True, Reason.DRY_RUN, ADVICE[Reason.DRY_RUN])
    return Condition(Type.READY, True, Reason.WATCHING, ADVICE[Reason.WATCHING])


def _within(policy: Policy, seen: Assessment, decision: Decision) -> Condition:
    if decision.over is None:
        waits = Gap(Reason.FIRST_READING, "" if seen.lag is None else "how long the oldest message has waited is not known yet")
        gap = seen.gaps[0] if seen.gaps else waits
        return condition_of(Type.WITHIN_LAG, None, gap.reason, gap.message)
    waited = f", {'' if seen.aged else 'at least '}{seen.seconds:.1f} s" if seen.seconds is not None else ""
    at_least = "" if seen.exact else "at least "
    # The limit is held against what consumers that commit seldom have not done yet.
    undone = f" ({seen.settled_lag:,} without what may be done and not committed)" if seen.settled_lag != seen.lag else ""
    text = f"lag {at_least}{seen.lag:,} messages{undone}{waited}; limit {policy.limits}"
    return Condition(Type.WITHIN_LAG, not decision.over, Reason.OVER_LIMIT if decision.over else Reason.WITHIN_LIMIT, text)


def _scaling(policy: Policy, decision: Decision, memory: Memory) -> Condition:
    step = memory.step
    if decision.replicas is not None:
        if policy.dry_run:
            return Condition(Type.SCALING, False, Reason.WOULD_SCALE, decision.message)
        return Condition(Type.SCALING, True, decision.reason, decision.message)
    if step is not None and step.phase is Phase.OVERDUE and decision.desired == step.goal:
        text = f"{step.start} → {step.goal} replicas has not settled"
        return condition_of(Type.SCALING, True, Reason.STEP_OVERDUE, text)
    return Condition(
        Type.SCALING, decision.reason is Reason.SETTLING, decision.reason, decision.message or ADVICE[decision.reason]
    )


def _stalled(seen: Assessment, decision: Decision) -> Condition:
    if decision.reason in (Reason.GROUP_STALLED, Reason.CONSUMERS_MISSING):
        return condition_of(Type.STALLED, True, decision.reason, decision.message)
    if decision.stalled:
        return condition_of(Type.STALLED, True, Reason.PARTITION_STALLED, _list(decision.stalled))
    if decision.hot:
        return condition_of(Type.STALLED, True, Reason.PARTITION_HOT, _list(decision.hot))
    gap = (seen.gaps[0] if seen.gaps else Gap(Reason.FIRST_READING, "")) if seen.lag is None else seen.group_gap
    if gap is not None:
        return condition_of(Type.STALLED, None, gap.reason, gap.message)
    return Condition(Type.STALLED, False, Reason.MOVING, ADVICE[Reason.MOVING])


def _settles(memory: Memory, now: float) -> bool:
    """Whether a step's pods are still coming, or have come only lately."""
    step = memory.step
    if step is None or step.phase is Phase.SETTLING:
        return step is not None
    return step.settled_at is not None and now - step.settled_at < STALL_AFTER


def _unsure_of_stall(seen: Assessment) -> bool:
    return seen.lag is None or seen.group_gap is not None or seen.phase not in (None, GroupPhase.STABLE)


def condition_of(type_: Type, status: bool | None, reason: Reason, what: str) -> Condition:
    """A condition that says what was seen and what to do next."""
    advice = "" if reason.value in SELF_EXPLAINING else ADVICE.get(reason, "")
    return Condition(type_, status, reason, f"{what}. {advice}" if what and advice else what or advice)


def _list(names: tuple[object, ...]) -> str:
    shown = ", ".join(str(name) for name in names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"


def notices(
    before: Conditions, after: Conditions, seen: Assessment, decision: Decision, past: Memory, now: float
) -> Iterator[Notice]:
    """The Events that the change from ``before`` to ``after`` is worth. ``past`` is the memory before this decision.

    Steps themselves are told by ``step_notice`` once they were carried out.
    """
    for type_, tell in ((Type.READY, _ready_notice), (Type.STALLED, _stalled_notice)):
        if type_ not in before or not after[type_].same(before[type_]):
            notice = tell(before.get(type_), after[type_])
            if notice:
                yield notice
    within, scaling, scaled = after[Type.WITHIN_LAG], after[Type.SCALING], before.get(Type.SCALING)
    if decision.over is True and past.over_since is None:
        yield Notice(True, Reason.OVER_LIMIT, within.message, on_target=True)
    if decision.over is False and past.over_since is not None:
        text = f"back within the limit after {now - past.over_since:.0f} s: {within.message}"
        yield Notice(False, Reason.DRAINED, text, on_target=True)
    if scaling.reason is Reason.AT_CEILING and not past.ceiling_told:
        yield Notice(True, scaling.reason, f"{scaling.message}. {ADVICE[scaling.reason]}", on_target=True)
    if scaling.reason is Reason.STEP_OVERDUE and (scaled is None or scaled.reason is not Reason.STEP_OVERDUE):
        yield Notice(True, scaling.reason, scaling.message, on_target=True)
    for gap in seen.gaps:
        if gap.reason in TOLD_ONCE and gap.reason not in past.gap_reasons:
            lost = f" ({seen.expired:,} messages)" if gap.reason is Reason.OFFSET_BELOW_LOG_START else ""
            yield Notice(True, gap.reason, f"{gap.message}{lost}. {ADVICE[gap.reason]}")
    if decision.by_hand is not None:
        was_replicas, replicas = decision.by_hand
        rule = ADVICE[Reason.SCALED_BY_HAND if replicas else Reason.TARGET_AT_ZERO]
        text = f"{was_replicas} → {replicas} replicas. {rule}"
        yield Notice(False, Reason.SCALED_BY_HAND, text)


def told(memory: Memory, after: Conditions, seen: Assessment) -> Memory:
    """The memory with what has been told now, so that it is not told again."""
    ceiling = after[Type.SCALING].reason is Reason.AT_CEILING or (memory.ceiling_told and memory.over_since is not None)
    reasons = frozenset(gap.reason for gap in seen.gaps)
    if (reasons, ceiling) == (memory.gap_reasons, memory.ceiling_told):
        return memory
    return replace(memory, gap_reasons=reasons, ceiling_told=ceiling)


def step_notice(policy: Policy, decision: Decision) -> Notice:
    """The Event of a step that was made, or in DryRun would have been."""
    warning = decision.reason is Reason.STEP_INEFFECTIVE
    if policy.dry_run:
        return Notice(False, Reason.WOULD_SCALE, decision.message)
    return Notice(warning, decision.reason, decision.message, on_target=True)


def _ready_notice(before: Condition | None, after: Condition) -> Notice | None:
    if after.status is False or after.reason is Reason.READING_PARTIAL:
        return Notice(True, after.reason, after.message)
    if before is None or (before.status is not False and before.reason is not Reason.READING_PARTIAL):
        return None
    if before.reason in (Reason.READING_LOST, Reason.READING_PARTIAL):
        return Notice(False, Reason.READING_BACK, ADVICE[Reason.READING_BACK])
    return Notice(False, after.reason, after.message)


def _stalled_notice(before: Condition | None, after: Condition) -> Notice | None:
    if after.status:
        return Notice(True, after.reason, after.message, on_target=True)
    if before is not None and before.status and after.status is False:
        return Notice(False, Reason.MOVING, ADVICE[Reason.MOVING])
    return None
