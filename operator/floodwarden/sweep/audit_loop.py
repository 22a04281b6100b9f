"""One loop per MessageBroker that compares settings with what its DeliveryPolicies ask for, and repairs what may be repaired.

``supervisor`` starts and stops it beside the sweeps. One survey answers for all policies; its connection is its own, so that an
audit delays no sweep. A repair is one write of what differs, read back; killed in between, the next audit finds what is left.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

import structlog

from floodwarden.api.messagebroker import MessageBroker
from floodwarden.api.resource import GROUP, VERSION
from floodwarden.brokers.base import BrokerError
from floodwarden.cluster.events import ObjectRef
from floodwarden.cluster.ledger import LedgerProblem
from floodwarden.core.assess import Gap
from floodwarden.core.conditions import Notice
from floodwarden.core.delivery.ledger import Resource
from floodwarden.core.delivery.owned import KafkaTopic, named
from floodwarden.core.delivery.seen import Seen, with_seen
from floodwarden.core.delivery.story import Audited
from floodwarden.core.delivery.violations import listed
from floodwarden.core.delivery.wishes import Wishes
from floodwarden.core.reasons import Reason
from floodwarden.sweep import clock
from floodwarden.sweep.connect import open_settings
from floodwarden.sweep.delivery_watch import DeliveryWatch
from floodwarden.sweep.ledger import BrokerLedger
from floodwarden.sweep.link import Link
from floodwarden.sweep.looks import all_looks
from floodwarden.sweep.looks.base import Look, Round, looked
from floodwarden.sweep.repairs import repaired
from floodwarden.sweep.services import Services
from floodwarden.sweep.store import Key, key_of

STUCK_AFTER = 180.0  # seconds, and three intervals, without a finished audit: the loop hangs
GATHER = 1.0  # seconds
PAUSED = Gap(Reason.PAUSED, "the policy is paused")

_log = structlog.get_logger(__name__)

Watches = Callable[[Key], Collection[DeliveryWatch]]


class AuditLoop:
    """The audits of one MessageBroker; idle, and not even connected, while no policy is bound to it."""

    def __init__(self, broker: MessageBroker, services: Services, watches: Watches) -> None:
        self._resource = broker
        self._services = services
        self._watches = watches
        self.key = key_of(broker)
        self._link = Link(broker, services.secrets, open_settings)
        self._wake = asyncio.Event()
        self._audited: list[object] = []  # the policies as of the last audit
        self._alive_at = clock.now()
        self._requests = 0  # of this audit
        self._ledger = BrokerLedger(services.ledgers, f"broker {self.key}")
        self._looks: Sequence[Look] = all_looks(services, self._ledger)

    @property
    def interval(self) -> float:
        """Seconds from the start of one audit to that of the next."""
        return self._resource.spec.audit_interval.seconds

    @property
    def stuck(self) -> bool:
        """Whether no audit has ended for so long that the loop must hang."""
        return clock.now() - self._alive_at > max(STUCK_AFTER, 3 * self.interval)

    def notice(self) -> None:
        """Audit at once where a policy is new or was edited."""
        if [watch.policy for watch in self._watches(self.key)] != self._audited:
            self._wake.set()

    async def run(self) -> None:
        """Audit until cancelled; then close the connection."""
        try:
            while True:
                # Policies that are applied together come one by one: none of two that disagree may act before the other is here.
                await asyncio.sleep(GATHER)
                began = clock.now()
                self._wake.clear()
                try:
                    await self._audit()
                except Exception:  # a bug must not stop the sweeps, nor go unseen
                    _log.exception("audit failed", broker=str(self.key))
                    self._services.metrics.audit_failed(self.key, "InternalError")
                self._alive_at = clock.now()
                with suppress(TimeoutError):
                    async with asyncio.timeout(max(0.0, began + self.interval - GATHER - self._alive_at)):
                        await self._wake.wait()
        finally:
            await self._link.close()

    def abandon(self) -> None:
        """The MessageBroker was deleted: say what stays changed on its brokers, to which nobody knows the way any more."""
        entries = sorted(self._ledger.entries, key=lambda entry: entry.place)
        for entry in entries:
            what = " ".join(entry.place)
            _log.warning("left changed", broker=str(self.key), what=what, written=entry.written, before=entry.before)
        if entries:
            named = [f"{entry.setting} of {entry.resource} {entry.name} (was {entry.before or 'not set'})" for entry in entries]
            meta = self._resource.metadata
            about = ObjectRef(f"{GROUP}/{VERSION}", "MessageBroker", meta.namespace, meta.name, meta.uid)
            self._services.tell(Notice(True, Reason.LEFT_CHANGED, f"{listed(named)} stays as it was set for a while"), about)

    async def _audit(self) -> None:
        if self._resource.paused:  # that stops all action, undoing included
            await self._link.close()
            return
        began = clock.now()
        watches = list(self._watches(self.key))
        self._audited = [watch.policy for watch in watches]
        active = [watch for watch in watches if not watch.policy.paused]
        self._requests = 0
        # What was changed for a while is undone also when no policy is left to ask for it.
        unread = await self._ledger.read()
        outcomes: Mapping[str, Audited | Gap] = {}
        if active or self._ledger.entries:
            paused = frozenset(watch.policy.wishes.name for watch in watches if watch.policy.paused)
            outcomes = await self._outcomes(active, unread, paused)
        else:
            await self._link.close()
        for watch in watches:
            if watch.current:
                await watch.tell(outcomes.get(watch.policy.wishes.name, PAUSED))
        if active:
            gaps = [outcome for outcome in outcomes.values() if isinstance(outcome, Gap)]
            if gaps:
                self._services.metrics.audit_failed(self.key, gaps[0].reason.value)
            else:
                self._services.metrics.audit(self.key, clock.now() - began, self._requests)

    async def _outcomes(
        self, watches: Collection[DeliveryWatch], unread: LedgerProblem | None, paused: frozenset[str]
    ) -> dict[str, Audited | Gap]:
        """What the audit brought each policy, by its name."""
        wishes = [watch.policy.wishes for watch in watches]
        adapter = await self._link.adapter()
        if isinstance(adapter, Gap):
            return {one.name: adapter for one in wishes}
        kafka_topics = await self._owners(wishes)
        gaps = []
        if unread is not None:
            gaps.append(Gap(Reason.LEDGER_UNREADABLE, unread.message))
        if isinstance(kafka_topics, str):  # nobody can tell whose topics they are
            gaps.append(Gap(Reason.AUDIT_PARTIAL, kafka_topics))
        if gaps:  # look, and leave alone
            wishes, kafka_topics = [replace(one, acts=False) for one in wishes], {}
        assert not isinstance(kafka_topics, str), "it became a gap"
        owners = {topic: named(held) for topic, held in kafka_topics.items()}
        by_name = {watch.policy.wishes.name: watch for watch in watches}

        def may_act(name: str) -> bool:
            # A policy that was edited, paused or deleted meanwhile writes nothing any more, nor does a replica without its share.
            return not gaps and self._services.may_write() and name in by_name and by_name[name].current

        sent, settings = adapter.requests, self._settings(wishes)
        try:
            survey = await adapter.survey(self._wanted(wishes), settings)
            foreign = self._ledger.foreign(survey.cluster)
            if foreign is not None:
                gaps.append(Gap(Reason.LEFT_CHANGED, foreign.message))
            beside = [policy.wishes for policy in self._services.store.deliveries_beside(self.key, survey.cluster)]
            audited = await repaired(adapter, survey, wishes, owners, settings, may_act, beside)
        except BrokerError as error:
            return {one.name: Gap(Reason(error.reason.value), str(error)) for one in wishes}
        round = Round(
            adapter=adapter,
            survey=survey,
            policies=wishes,
            findings={name: one.findings for name, one in audited.items()},
            at=clock.wall().timestamp(),
            owners=owners,
            kafka_topics=kafka_topics,
            resources={name: watch.policy for name, watch in by_name.items()},
            may_act=may_act,
            may_undo=lambda: not gaps and self._services.may_write(),
            paused=paused,
        )
        seen = [await looked(look, round) for look in self._looks] if foreign is None else []
        self._requests = adapter.requests - sent
        enforcing = {one.name for one in wishes if one.enforces}
        return {
            name: _complete(one, gaps, [brought[name] for brought in seen if name in brought], hindered=name in enforcing)
            for name, one in audited.items()
        }

    def _wanted(self, wishes: Collection[Wishes]) -> Callable[[str], bool]:
        """Which topics are to be surveyed: also those that were changed for a while, whoever asked for it."""
        changed = {entry.name for entry in self._ledger.entries if entry.resource is Resource.TOPIC}
        return lambda name: name in changed or any(one.matches(name) for one in wishes)

    def _settings(self, wishes: Collection[Wishes]) -> set[str]:
        return {
            *(setting for one in wishes for setting in one.settings),
            *(entry.setting for entry in self._ledger.entries if entry.resource is Resource.TOPIC),
            *(setting for look in self._looks for setting in look.settings(wishes)),
        }

    async def _owners(self, wishes: Collection[Wishes]) -> Mapping[str, Sequence[KafkaTopic]] | str:
        """Who else has topics; asked for where something may be written."""
        return await self._services.topic_owners.read() if any(one.acts for one in wishes) else {}


def _complete(audited: Audited, gaps: Sequence[Gap], looks: Collection[Seen], *, hindered: bool) -> Audited:
    """One policy's audit, with what the looks brought. ``hindered``: whether the gaps keep the policy from writing."""
    findings = with_seen(replace(audited.findings, gaps=(*audited.findings.gaps, *gaps)), looks)
    notices = tuple(notice for seen in looks for notice in seen.notices)
    return replace(audited, findings=findings, notices=notices, hindered=gaps[0] if gaps and hindered else None)
