"""One DeliveryPolicy under watch: tells each audit in conditions, Events, metrics and status.

``audit_loop`` calls ``tell`` once for every audit. Which differences have had their Event, and what was repaired last, is in the
policy's status, so that a restart repeats nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from floodwarden.api.deliverypolicy import (
    MAX_VIOLATIONS,
    TEXT_BYTES,
    Checked,
    DeliveryPolicy,
    DeliveryPolicyStatus,
    Repair,
    ViolationStatus,
)
from floodwarden.api.resource import GROUP, VERSION
from floodwarden.api.shared import NamedOnes, bounded
from floodwarden.cluster.events import ObjectRef
from floodwarden.cluster.status import Resource as StatusResource
from floodwarden.cluster.status import StatusOutcome
from floodwarden.core.assess import Gap
from floodwarden.core.conditions import Notice
from floodwarden.core.delivery.story import Audited, Told, delivery_conditions, delivery_notices, done_notices, told_after
from floodwarden.core.delivery.violations import Action, Violation
from floodwarden.core.delivery.wishes import worded
from floodwarden.core.reasons import Reason
from floodwarden.core.text import plain
from floodwarden.sweep import clock
from floodwarden.sweep.ours import Ours
from floodwarden.sweep.report import from_api, to_api
from floodwarden.sweep.services import Services
from floodwarden.sweep.store import Key, key_of

SELDOM = 300.0  # seconds between two writes of a status in which only the time of the audit differs
RETRY = 5.0  # seconds until a status that could not be written, or that somebody edits, is written again
REPAIRS_KEPT = 10
DELIVERIES = StatusResource(f"{GROUP}/{VERSION}", "deliverypolicies")
# What people have to do comes before what is being done.
_RANK = {
    action: rank for rank, action in enumerate((Action.CONFLICT, Action.REPORT, Action.OWNER, Action.RESTART, Action.REPAIR))
}


class DeliveryWatch:
    """The running state of one DeliveryPolicy."""

    def __init__(self, policy: DeliveryPolicy, services: Services) -> None:
        self._services = services
        self.key: Key = key_of(policy)
        self.policy = policy
        self._shown = from_api(policy.status.conditions)
        self._conditions = policy.status.conditions
        self._told: Told = frozenset((one.resource, one.setting) for one in policy.status.violations)
        # A list that was cut does not say all that was told: the first audit then tells nothing but what it does.
        self._cut = (policy.status.violation_count or 0) > len(policy.status.violations)
        self._repaired = policy.status.repaired
        self._checked = policy.status.checked
        self._violations = policy.status.violations
        self._count = policy.status.violation_count
        self._restarts = policy.status.restart_required
        self._ours = Ours()
        self._written: dict[str, Any] | None = None
        self._not_before = float("-inf")

    def accept(self, policy: DeliveryPolicy) -> None:
        """Go on with a changed spec."""
        self.policy = policy

    async def tell(self, outcome: Audited | Gap) -> None:
        """Conditions, Events, metrics, and the status when it is worth a write."""
        before = self._shown
        self._shown = delivery_conditions(outcome, before)
        if self._cut and isinstance(outcome, Audited):
            usual = (one for one in outcome.findings.violations if one.event is Reason.VIOLATION)
            self._told, self._cut = self._told | {one.key for one in usual}, False
        self._post(delivery_notices(outcome, self._told, before, self._shown))
        self._told = told_after(outcome, self._told)
        self._services.metrics.delivery(self.key, outcome)
        await self._write(self._status(outcome))

    def tell_done(self, outcome: Audited) -> None:
        """Events of what an audit did by a spec that was edited meanwhile; what it found no longer matters."""
        self._post(done_notices(outcome))
        self._repaired = (*_repairs(outcome), *self._repaired)[:REPAIRS_KEPT]

    def _post(self, notices: Iterable[Notice]) -> None:
        meta = self.policy.metadata
        for notice in notices:
            self._services.tell(notice, ObjectRef(f"{GROUP}/{VERSION}", "DeliveryPolicy", meta.namespace, meta.name, meta.uid))

    def _status(self, outcome: Audited | Gap) -> DeliveryPolicyStatus:
        """What an audit found; where none could be made, what the last one found, and why it is no longer known."""
        generation = self.policy.metadata.generation
        self._conditions = to_api(self._shown, self._conditions, generation)
        not_verified: list[str] = []
        warnings: tuple[str, ...] = ()
        if isinstance(outcome, Audited):
            now = clock.wall().replace(microsecond=0)
            findings = outcome.findings
            ranked = sorted(findings.violations, key=_rank)
            self._violations = tuple(_violation(one) for one in ranked[:MAX_VIOLATIONS])
            self._count = len(ranked)
            self._checked = Checked(at=now, topics=findings.topics, brokers=findings.brokers)
            self._repaired = (*_repairs(outcome), *self._repaired)[:REPAIRS_KEPT]
            self._restarts = _restarts(findings.violations)
            not_verified = [*(gap.message for gap in findings.gaps), *findings.unproven]
            warnings = findings.warnings
        return DeliveryPolicyStatus(
            observed_generation=generation,
            checked=self._checked,
            violation_count=self._count,
            violations=self._violations,
            repaired=self._repaired,
            restart_required=self._restarts,
            not_verified=bounded(not_verified),
            warnings=bounded(warnings),
            conditions=self._conditions,
        )

    async def _write(self, status: DeliveryPolicyStatus) -> None:
        """At once when something changed, seldom while only the time of the audit does."""
        body = status.to_api()
        kind = {name: value for name, value in body.items() if name != "checked"} | {"topics": _counted(body)}
        now = clock.now()
        edited = self._ours.edited(self._services.store.told(self.policy))
        if now < self._not_before and (edited or kind == self._written):
            return
        meta = self.policy.metadata
        result = await self._services.write_status(DELIVERIES, meta.namespace, meta.name, meta.uid, body)
        if result.outcome in (StatusOutcome.WRITTEN, StatusOutcome.GONE):
            self._written, self._not_before = kind, now + SELDOM
            self._ours.wrote(result.version, body)
        else:
            self._written, self._not_before = None, now + RETRY


def _rank(one: Violation) -> tuple[bool, int, str, str]:
    """What has an Event of its own comes first: it is always among those that are listed, and so never told twice."""
    return one.event is Reason.VIOLATION, _RANK[one.action], one.resource, one.setting


def _counted(body: dict[str, Any]) -> Any:
    checked = body.get("checked", {})
    return checked.get("topics"), checked.get("brokers")


def _violation(one: Violation) -> ViolationStatus:
    return ViolationStatus(
        resource=_text(one.resource),
        setting=_text(one.setting),
        wanted=_text(one.wanted),
        found=_text(one.found),
        where=_text(one.where),
        action=one.action,
        reason=_text(one.reason),
    )


def _restarts(violations: Iterable[Violation]) -> NamedOnes:
    """The nodes of all differences, also of those that are not listed."""
    return bounded(sorted({_text(one.resource) for one in violations if one.action is Action.RESTART}))


def _repairs(outcome: Audited) -> list[Repair]:
    now = clock.wall().replace(microsecond=0)
    return [
        Repair(
            at=now,
            resource=_text(change.resource),
            setting=change.setting,
            found=_text(change.before),
            written=_text(worded(change.setting, change.value) if change.value else "not set"),
        )
        for change in outcome.written
    ]


def _text(text: str) -> str:
    return plain(text, TEXT_BYTES)
