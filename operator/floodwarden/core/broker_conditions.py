"""Conditions and Events of a MessageBroker, from what its last sweep brought. Pure; ``sweep.broker_loop`` writes them."""

from __future__ import annotations

from collections.abc import Iterator

from floodwarden.core.assess import Gap
from floodwarden.core.conditions import BLINK, Condition, Conditions, Notice, Type, condition_of
from floodwarden.core.observation import Snapshot, Unknown
from floodwarden.core.reasons import ADVICE, Reason


def broker_conditions(
    outcome: Snapshot | Unknown, obstacle: Gap | None, failing_for: float, before: Conditions
) -> dict[Type, Condition]:
    """``failing_for``: seconds for which sweeps have not read every node; a moment of that changes nothing."""
    if before and 0 < failing_for < BLINK and obstacle is None:
        return dict(before)
    if obstacle is not None:
        ready = condition_of(Type.READY, False, obstacle.reason, obstacle.message)
        return {Type.READY: ready, Type.REACHABLE: condition_of(Type.REACHABLE, None, obstacle.reason, obstacle.message)}
    if isinstance(outcome, Unknown):
        reason = Reason(outcome.reason.value)
        return {type_: condition_of(type_, False, reason, outcome.detail) for type_ in (Type.READY, Type.REACHABLE)}
    return {
        Type.READY: Condition(Type.READY, True, Reason.SWEEPING, ADVICE[Reason.SWEEPING]),
        Type.REACHABLE: _reachable(outcome),
    }


def broker_notices(before: Conditions, after: Conditions) -> Iterator[Notice]:
    """The Events that the change is worth: what broke, and that it is well again."""
    for type_, condition in after.items():
        was = before.get(type_)
        same_story = type_ is Type.REACHABLE and condition.reason is after[Type.READY].reason
        if condition.same(was) or same_story:
            continue
        if condition.status is True and (was is None or was.status is True):
            continue
        yield Notice(condition.status is not True, condition.reason, condition.message)


def away(snapshot: Snapshot) -> Gap | None:
    """The nodes that did not answer, if any: a reason not to lower anything, whatever the others say."""
    if not snapshot.unreachable:
        return None
    names = ", ".join(snapshot.unreachable[:5])
    text = f"{len(snapshot.unreachable)} of {len(snapshot.nodes)} broker nodes do not answer: {names}"
    return Gap(Reason.SOME_NODES_UNREACHABLE, text)


def _reachable(snapshot: Snapshot) -> Condition:
    gap = away(snapshot)
    if gap is None:
        return Condition(Type.REACHABLE, True, Reason.ALL_NODES_REACHABLE, ADVICE[Reason.ALL_NODES_REACHABLE])
    return condition_of(Type.REACHABLE, False, gap.reason, gap.message)
