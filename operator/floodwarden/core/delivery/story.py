"""What people are told of an audit: conditions, and Events for what is new. Pure; ``sweep.delivery_watch`` writes them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from floodwarden.core.assess import Gap
from floodwarden.core.conditions import Condition, Conditions, Notice, Type, condition_of
from floodwarden.core.delivery.audit import Findings
from floodwarden.core.delivery.survey import Change
from floodwarden.core.delivery.violations import EVERYTHING, NODES, Action, Violation
from floodwarden.core.delivery.wishes import worded
from floodwarden.core.observation import Unknown
from floodwarden.core.reasons import ADVICE, Reason

EVENTS_AT_MOST = 5  # of one sort and one audit; the status has the rest

Told = frozenset[tuple[str, str]]
"""The differences that have had their Event, by resource and setting."""


@dataclass(frozen=True, slots=True)
class Audited:
    """One audit of one policy: what is left of the differences, what was written, and what could not be."""

    findings: Findings
    written: tuple[Change, ...] = ()
    failed: Mapping[Change, Unknown] = field(default_factory=dict)
    notices: tuple[Notice, ...] = ()  # Events of what else was done or seen, as they are
    hindered: Gap | None = None  # why nothing is written, although the policy is there to write


def delivery_conditions(outcome: Audited | Gap, before: Conditions) -> dict[Type, Condition]:
    """Ready and Compliant. A Gap says why nothing could be audited; what was found before is then not known to hold still."""
    if isinstance(outcome, Gap):
        ready = condition_of(Type.READY, False, outcome.reason, outcome.message)
        return {Type.READY: ready, Type.COMPLIANT: condition_of(Type.COMPLIANT, None, outcome.reason, outcome.message)}
    return {Type.READY: _ready(outcome), Type.COMPLIANT: _compliant(outcome.findings)}


def _ready(outcome: Audited) -> Condition:
    if outcome.hindered is not None:
        return condition_of(Type.READY, False, outcome.hindered.reason, f"nothing is written: {outcome.hindered.message}")
    if outcome.failed:
        change, why = next(iter(outcome.failed.items()))
        what = f"{change.setting} of {change.resource}"
        others = f", and {len(outcome.failed) - 1} more" if len(outcome.failed) > 1 else ""
        text = f"{what} could not be written{others}: {why.detail}"
        return Condition(Type.READY, False, Reason.REPAIR_FAILED, text)
    return Condition(Type.READY, True, Reason.AUDITING, ADVICE[Reason.AUDITING])


def _compliant(findings: Findings) -> Condition:
    violations, gaps = findings.violations, findings.gaps
    if any(violation.action is Action.CONFLICT for violation in violations):
        conflict = next(violation for violation in violations if violation.action is Action.CONFLICT)
        text = f"{conflict.setting} of {conflict.resource}: {conflict.reason}"
        return Condition(Type.COMPLIANT, False, Reason.POLICY_CONFLICT, text)
    if violations:
        return Condition(Type.COMPLIANT, False, Reason.NOT_COMPLIANT, summary(violations))
    if gaps:
        more = f"; {len(gaps)} things are not known" if len(gaps) > 1 else ""
        return Condition(Type.COMPLIANT, None, Reason.AUDIT_PARTIAL, f"{gaps[0].message}{more}")
    if not findings.topics:
        return condition_of(Type.COMPLIANT, None, Reason.NO_TOPIC_MATCHES, f"no {findings.kind} matches spec.match")
    topics = f"{findings.topics} {findings.kind}s" if findings.topics > 1 else f"1 {findings.kind}"
    text = f"{topics} on {findings.brokers} brokers: all is as asked for"
    return Condition(Type.COMPLIANT, True, Reason.COMPLIANT, text)


def summary(violations: tuple[Violation, ...]) -> str:
    """How many differences, and of which settings."""
    by_setting = Counter(violation.setting for violation in violations)
    named = ", ".join(f"{setting} ({count})" for setting, count in by_setting.most_common(EVENTS_AT_MOST))
    more = f" and {len(by_setting) - EVENTS_AT_MOST} other settings" if len(by_setting) > EVENTS_AT_MOST else ""
    counted = f"{len(violations)} differences" if len(violations) > 1 else "1 difference"
    return f"{counted}: {named}{more}"


def done_notices(outcome: Audited) -> Iterator[Notice]:
    """The Events of what an audit did, or could not do; the rest of it says what is."""
    yield from outcome.notices
    yield from _bounded([_repaired(change) for change in outcome.written])
    yield from _bounded([_failed(change, why) for change, why in outcome.failed.items()])


def delivery_notices(outcome: Audited | Gap, told: Told, before: Conditions, after: Conditions) -> Iterator[Notice]:
    """The Events of one audit: what was repaired or could not be, differences that are new, and how conditions turned."""
    if isinstance(outcome, Audited):
        yield from outcome.notices
        if outcome.hindered is not None and not after[Type.READY].same(before.get(Type.READY)):
            yield Notice(True, after[Type.READY].reason, after[Type.READY].message)
        yield from _bounded([_repaired(change) for change in outcome.written])
        # That a setting differs may have been told long before it was first tried to write it.
        failing: Told = frozenset()
        if _was(before, Type.READY, Reason.REPAIR_FAILED):
            differing = {violation.key for violation in outcome.findings.violations}
            # What no difference is about by its own name, such as an operator policy, is told when it begins to fail.
            failing = told | {_about(change) for change in outcome.failed if _about(change) not in differing}
        yield from _bounded([_failed(change, why) for change, why in outcome.failed.items() if _about(change) not in failing])
        disputed = _was(before, Type.COMPLIANT, Reason.POLICY_CONFLICT)
        fresh = [
            violation
            for violation in outcome.findings.violations
            if not _known(violation, told, outcome.findings) or (violation.action is Action.CONFLICT and not disputed)
        ]
        failed = {_about(change) for change in outcome.failed}
        for told_as in _by_event([violation for violation in fresh if violation.key not in failed]):
            yield from _bounded([_difference(violation) for violation in told_as])
        if disputed and after[Type.COMPLIANT].reason is Reason.NOT_COMPLIANT:
            yield Notice(False, Reason.NOT_COMPLIANT, f"the policies agree now; {after[Type.COMPLIANT].message}")
    for type_, condition in after.items():
        was = before.get(type_)
        if condition.same(was) or (condition.status is False and isinstance(outcome, Audited)):
            continue  # what is wrong was told above, one by one
        if type_ is Type.COMPLIANT and isinstance(outcome, Gap):
            continue  # Ready tells it
        if type_ is Type.READY and condition.status is True and (was is None or was.status is True):
            continue
        yield Notice(condition.status is not True, condition.reason, condition.message)


def told_after(outcome: Audited | Gap, told: Told) -> Told:
    """What has had its Event now: a difference that is gone and comes back is told again, one that could not be read is not."""
    if isinstance(outcome, Gap):
        return told
    unread = outcome.findings.unread
    if EVERYTHING in unread:
        return frozenset({*told, *(violation.key for violation in outcome.findings.violations)})
    kept = {key for key in told if (NODES if _of_nodes(key[0]) else key[0]) in unread}
    return frozenset({*kept, *(violation.key for violation in outcome.findings.violations)})


def _known(violation: Violation, told: Told, findings: Findings) -> bool:
    """Whether it was told; while a node is away, also of more nodes than are known now."""
    if violation.key in told or not (_of_nodes(violation.resource) and NODES in findings.unread):
        return violation.key in told
    return any(_of_nodes(resource) and setting == violation.setting for resource, setting in told)


def _of_nodes(resource: str) -> bool:
    return resource.startswith(NODES)


def _was(before: Conditions, type_: Type, reason: Reason) -> bool:
    condition = before.get(type_)
    return condition is not None and condition.reason is reason


def _about(change: Change) -> tuple[str, str]:
    return change.resource, change.setting


def _repaired(change: Change) -> Notice:
    text = f"{change.setting} of {change.resource} was {change.before}; it was set to {_wanted(change)} and read back"
    return Notice(False, Reason.REPAIRED, text)


def _failed(change: Change, why: Unknown) -> Notice:
    text = f"{change.setting} of {change.resource} is {change.before} and could not be set to {_wanted(change)}: {why.detail}"
    return Notice(True, Reason.REPAIR_FAILED, text)


def _wanted(change: Change) -> str:
    return worded(change.setting, change.value) if change.value is not None else "what brokers give it"


def _by_event(violations: Iterable[Violation]) -> list[list[Violation]]:
    """Each sort of Event for itself, so that of the urgent ones none is lost among the many."""
    by_event: dict[Reason, list[Violation]] = defaultdict(list)
    for violation in violations:
        by_event[violation.event].append(violation)
    return [some for _, some in sorted(by_event.items(), key=lambda one: one[0] is Reason.VIOLATION)]


def _difference(violation: Violation) -> Notice:
    reason = Reason.POLICY_CONFLICT if violation.action is Action.CONFLICT else violation.event
    text = (
        f"{violation.setting} of {violation.resource} is {violation.found} ({violation.where}), wanted {violation.wanted}: "
        f"{violation.reason}"
    )
    return Notice(True, reason, text)


def _bounded(notices: list[Notice]) -> Iterator[Notice]:
    yield from notices[:EVENTS_AT_MOST]
    if len(notices) > EVENTS_AT_MOST:
        first = notices[0]
        yield Notice(first.warning, first.reason, f"and {len(notices) - EVENTS_AT_MOST} more like this: see the status")
