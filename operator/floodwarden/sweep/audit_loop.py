"""One loop per MessageBroker that compares settings with what its DeliveryPolicies ask for, and repairs what may be repaired.

``supervisor`` starts and stops it beside the sweeps, ``audits`` has what is done on each type of brokers. One survey answers for
all policies; its connection is its own, so that an audit delays no sweep. A repair is a write of what differs, read back; killed
in between, the next audit finds what is left.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from contextlib import suppress

import structlog

from floodwarden.api.messagebroker import MessageBroker
from floodwarden.core.assess import Gap
from floodwarden.core.conditions import Notice
from floodwarden.core.delivery.ledger import Purpose
from floodwarden.core.delivery.story import Audited
from floodwarden.core.delivery.violations import listed
from floodwarden.core.reasons import Reason
from floodwarden.sweep import clock
from floodwarden.sweep.audits import audit_of
from floodwarden.sweep.audits.base import Asked, Audit, Outcomes, about
from floodwarden.sweep.delivery_watch import DeliveryWatch
from floodwarden.sweep.ledger import BrokerLedger
from floodwarden.sweep.services import Services
from floodwarden.sweep.store import Key, key_of

STUCK_AFTER = 180.0  # seconds, and three intervals, without a finished audit: the loop hangs
GATHER = 1.0  # seconds
FAREWELL = 10.0  # seconds
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
        self._wake = asyncio.Event()
        self._audited: list[object] = []  # the policies as of the last audit
        self._alive_at = clock.now()
        self._abandoned = False
        self._ledger = BrokerLedger(services.ledgers, f"broker {self.key}")
        self._kind: Audit = audit_of(broker, services, self._ledger)

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
            await self._kind.close()

    async def abandon(self) -> None:
        """The MessageBroker was deleted, and with it the way to its brokers: take away what goes with policies as long as it is
        known, and say what stays changed. Ends within seconds."""
        if self._abandoned:
            return
        self._abandoned = True
        unread = await self._ledger.read()
        if unread is not None:
            _log.warning("not known what is left changed", broker=str(self.key), why=unread.message)
        if not self._resource.paused and any(entry.purpose is Purpose.POLICY for entry in self._ledger.entries):
            paused = frozenset(one.wishes.name for one in self._services.store.deliveries_of(self.key) if one.paused)
            try:
                async with asyncio.timeout(FAREWELL):
                    await self._kind.outcomes(Asked(self._services, (), unread, paused, leaving=True))
            except Exception:  # what is left is told below
                _log.exception("could not take away what policies had made", broker=str(self.key))
            await self._kind.close()
        entries = sorted(self._ledger.left, key=lambda entry: entry.place)
        for entry in entries:
            what = " ".join(entry.place)
            _log.warning("left changed", broker=str(self.key), what=what, written=entry.written, before=entry.before)
        if entries:
            named = [f"{entry.setting} of {entry.resource} {entry.name} (was {entry.before or 'not set'})" for entry in entries]
            text = f"{listed(named)} stays as it was set for a while: create the MessageBroker again to have it undone"
            self._services.tell(Notice(True, Reason.LEFT_CHANGED, text), about(self._resource))

    async def _audit(self) -> None:
        if self._resource.paused:  # that stops all action, undoing included
            await self._kind.close()
            return
        began = clock.now()
        watches = list(self._watches(self.key))
        audited = [(watch, watch.policy) for watch in watches]
        self._audited = [policy for _, policy in audited]
        active = [watch for watch in watches if not watch.policy.paused]
        # What was changed for a while is undone also when no policy is left to ask for it.
        unread = await self._ledger.read()
        outcomes: Outcomes = {}
        if active or self._ledger.left:
            paused = frozenset(watch.policy.wishes.name for watch in watches if watch.policy.paused)
            outcomes = await self._kind.outcomes(Asked(self._services, active, unread, paused))
        else:
            await self._kind.close()
        for watch, policy in audited:
            outcome = outcomes.get(policy.wishes.name, PAUSED)
            if self._services.store.holds(policy):
                await watch.tell(outcome)
            elif isinstance(outcome, Audited):
                watch.tell_done(outcome)  # all else is for the next audit to find, by the new spec
        if active:
            gaps = [outcome for outcome in outcomes.values() if isinstance(outcome, Gap)]
            if gaps:
                self._services.metrics.audit_failed(self.key, gaps[0].reason.value)
            else:
                self._services.metrics.audit(self.key, clock.now() - began, self._kind.requests)
