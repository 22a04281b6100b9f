"""One loop per MessageBroker that compares settings with what its DeliveryPolicies ask for, and repairs what may be repaired.

``supervisor`` starts and stops it beside the sweeps. One survey answers for all policies; its connection is its own, so that an
audit delays no sweep. A repair is one write of what differs, read back; killed in between, the next audit finds what is left.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import replace

import structlog

from floodwarden.api.messagebroker import MessageBroker
from floodwarden.brokers.base import BrokerError, SettingsBroker
from floodwarden.core.assess import Gap
from floodwarden.core.delivery.audit import Findings, audit
from floodwarden.core.delivery.story import Audited
from floodwarden.core.delivery.survey import Change, Survey
from floodwarden.core.delivery.wishes import Wishes
from floodwarden.core.observation import Unknown, UnknownReason
from floodwarden.core.reasons import Reason
from floodwarden.sweep import clock
from floodwarden.sweep.connect import Versions, open_settings, read_secrets
from floodwarden.sweep.delivery_watch import DeliveryWatch
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
        self._adapter: SettingsBroker | None = None
        self._versions: Versions | None = None
        self._wake = asyncio.Event()
        self._audited: list[object] = []  # the policies as of the last audit
        self._alive_at = clock.now()
        self._requests = 0  # of this audit

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
            await self._disconnect()

    async def _audit(self) -> None:
        began = clock.now()
        watches = list(self._watches(self.key))
        self._audited = [watch.policy for watch in watches]
        active = [watch for watch in watches if not watch.policy.paused]
        self._requests = 0
        outcomes: Mapping[str, Audited | Gap] = await self._outcomes(active) if active else {}
        if not active:
            await self._disconnect()
        for watch in watches:
            if watch.current:
                await watch.tell(outcomes.get(watch.policy.wishes.name, PAUSED))
        if active:
            gaps = [outcome for outcome in outcomes.values() if isinstance(outcome, Gap)]
            if gaps:
                self._services.metrics.audit_failed(self.key, gaps[0].reason.value)
            else:
                self._services.metrics.audit(self.key, clock.now() - began, self._requests)

    async def _outcomes(self, watches: Collection[DeliveryWatch]) -> dict[str, Audited | Gap]:
        """What the audit brought each policy, by its name."""
        wishes = [watch.policy.wishes for watch in watches]
        adapter = await self._connect()
        if isinstance(adapter, Gap):
            return {one.name: adapter for one in wishes}
        owners = await self._owners(wishes)
        settings = {need.setting for one in wishes for need in one.requirements}
        try:
            survey = await adapter.survey(lambda name: any(one.matches(name) for one in wishes), settings)
            self._requests = survey.requests
            if isinstance(owners, str):  # nobody can tell whose topics they are: look, and leave alone
                gap = Gap(Reason.AUDIT_PARTIAL, owners)
                found = audit(survey, [replace(one, acts=False) for one in wishes], {})
                return {name: Audited(_with_gap(findings, gap)) for name, findings in found.items()}
            return dict(await self._repaired(adapter, survey, watches, owners, settings))
        except BrokerError as error:
            return {one.name: Gap(Reason(error.reason.value), str(error)) for one in wishes}

    async def _repaired(
        self,
        adapter: SettingsBroker,
        survey: Survey,
        watches: Collection[DeliveryWatch],
        owners: Mapping[str, str],
        settings: Collection[str],
    ) -> dict[str, Audited]:
        """Write what may be written, read it back, and say what is left."""
        wishes = [watch.policy.wishes for watch in watches]
        found = audit(survey, wishes, owners)
        # A policy that was edited, paused or deleted meanwhile writes nothing any more, nor does a replica that lost its share.
        current = {watch.policy.wishes.name for watch in watches if watch.current} if self._services.may_write() else set()
        wanted = {change: name for name, findings in found.items() if name in current for change in findings.changes}
        if not wanted:
            return {name: Audited(findings) for name, findings in found.items()}
        refused = await adapter.write(list(wanted))
        topics = {change.topic for change in wanted}
        try:
            again = await adapter.survey(topics.__contains__, settings)
        except BrokerError as error:
            lost = Unknown(error.reason, f"it was written, but could not be read back: {error}")
            failed = {change: refused.get(change, lost) for change in wanted}
            return {name: Audited(findings, (), _of(name, wanted, failed)) for name, findings in found.items()}
        self._requests += again.requests
        others = {name: topic for name, topic in survey.topics.items() if name not in topics}
        left = audit(replace(again, topics={**others, **again.topics}), wishes, owners)
        failed = {
            change: refused.get(change) or _unchanged(change, left[name])
            for change, name in wanted.items()
            if change in refused or _still(change, left[name])
        }
        for change, name in wanted.items():
            if change not in failed:
                _log.info("setting repaired", policy=name, topic=change.topic, setting=change.setting, value=change.value)
        written = [change for change in wanted if change not in failed]
        return {
            name: Audited(findings, tuple(change for change in written if wanted[change] == name), _of(name, wanted, failed))
            for name, findings in left.items()
        }

    async def _owners(self, wishes: Collection[Wishes]) -> Mapping[str, str] | str:
        """Who else has topics; asked for where something may be written."""
        return await self._services.topic_owners.read() if any(one.acts for one in wishes) else {}

    async def _connect(self) -> SettingsBroker | Gap:
        """An adapter that speaks with the Secrets as they are now, or why there is none."""
        secrets = await read_secrets(self._resource, self._services.secrets)
        if isinstance(secrets, Gap):
            # An API server that is away says nothing about the Secret: go on with what was read before.
            kept = self._adapter if secrets.reason is Reason.API_SERVER_UNREACHABLE else None
            return kept or secrets
        if self._adapter is not None and secrets.versions == self._versions:
            return self._adapter
        await self._disconnect()
        opened = open_settings(self._resource, secrets)
        if not isinstance(opened, Gap):
            self._adapter, self._versions = opened, secrets.versions
        return opened

    async def _disconnect(self) -> None:
        adapter, self._adapter = self._adapter, None
        if adapter is not None:
            await adapter.close()


def _with_gap(findings: Findings, gap: Gap) -> Findings:
    return replace(findings, gaps=(*findings.gaps, gap))


def _of(name: str, wanted: Mapping[Change, str], failed: Mapping[Change, Unknown]) -> dict[Change, Unknown]:
    """The failures that are one policy's."""
    return {change: why for change, why in failed.items() if wanted[change] == name}


def _still(change: Change, findings: Findings) -> bool:
    return (change.topic, change.setting) in {(left.topic, left.setting) for left in findings.changes}


def _unchanged(change: Change, findings: Findings) -> Unknown:
    found = next(left.before for left in findings.changes if (left.topic, left.setting) == (change.topic, change.setting))
    return Unknown(UnknownReason.BROKER_ERROR, f"the broker accepted it, but it reads back as {found}")
