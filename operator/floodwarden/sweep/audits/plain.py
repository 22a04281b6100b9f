"""An audit of brokers whose adapter judges what it found: RabbitMQ's and RocketMQ's. One survey, the repairs, one more survey.

What has to go with its policy, such as an operator policy of RabbitMQ, is in the ledger before it is made, and is taken away
once no policy in mode Enforce asks for it any more, also after a crash. Where the ledger was lost, what is there for a policy
that acts is written down again; all else that says it is Floodwarden's may be another cluster's, and is only told.

What may be done once only, such as putting back a message of RocketMQ, is in the ledger before it is done as well, and is not
tried again while it is: a few with each audit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import structlog

from floodwarden.api.deliverypolicy import DeliveryPolicy
from floodwarden.api.messagebroker import MessageBroker
from floodwarden.brokers.base import BrokerError, DeliveryBroker, Told
from floodwarden.core.assess import Gap
from floodwarden.core.conditions import Notice
from floodwarden.core.delivery.audit import Findings
from floodwarden.core.delivery.ledger import REMEMBERED, Entry, Place, Purpose, Resource
from floodwarden.core.delivery.survey import Change
from floodwarden.core.delivery.wishes import Wishes
from floodwarden.core.observation import Unknown, UnknownReason
from floodwarden.core.reasons import Reason
from floodwarden.sweep import clock
from floodwarden.sweep.audits.base import Asked, Outcomes, about
from floodwarden.sweep.ledger import BrokerLedger
from floodwarden.sweep.link import Link
from floodwarden.sweep.repairs import repaired
from floodwarden.sweep.services import Services
from floodwarden.sweep.store import key_of

ONCE_AT_MOST: Final = 20  # of what is done once, for each policy with each audit
ONCE_KEPT: Final = 2000  # of what was done once, in a ledger: a ConfigMap holds 1 MiB
# What is refused so was not done for certain.
_NOT_DONE: Final = (UnknownReason.AUTHORIZATION_FAILED, UnknownReason.UNSUPPORTED)

_log = structlog.get_logger(__name__)


class PlainAudit:
    """See ``base.Audit``."""

    def __init__(self, services: Services, ledger: BrokerLedger, link: Link[DeliveryBroker[Any]], broker: MessageBroker) -> None:
        self._services = services
        self._ledger = ledger
        self._link = link
        self._broker = broker
        self._strangers: frozenset[str] = frozenset()  # that were told
        self.requests = 0

    async def outcomes(self, asked: Asked) -> Outcomes:
        """See ``Audit.outcomes``."""
        self.requests = 0
        adapter = await self._link.adapter(leaving=asked.leaving)
        if isinstance(adapter, Gap):
            return asked.all(adapter)
        sent = adapter.requests
        try:
            found = await adapter.survey(asked.matches)
            foreign = self._ledger.foreign(found.cluster)
            if foreign is not None:
                asked.hold(Gap(Reason.LEFT_CHANGED, foreign.message))
            beside = asked.beside(key_of(self._broker), found.cluster)
            if asked.may_undo() and not asked.leaving:
                await self._adopt(adapter.made(found), asked, beside)

            async def judge(seen: Told) -> Mapping[str, Findings]:
                # Hundreds of policies on hundreds of topics take long enough to hold up sweeps.
                return self._without_done(await asyncio.to_thread(adapter.judge, seen, asked.wishes, beside))

            audited = await repaired(
                found,
                judge,
                lambda wanted: self._write(adapter, wanted),
                lambda _: adapter.survey(asked.matches),
                asked.may_act,
            )
        except BrokerError as error:
            return asked.all(Gap(Reason(error.reason.value), str(error)))
        await self._take_away(adapter, asked)
        await self._forget(asked)
        self.requests = adapter.requests - sent
        return asked.complete(audited)

    async def close(self) -> None:
        """See ``Audit.close``."""
        await self._link.close()

    async def _adopt(self, made: Mapping[str, Change], asked: Asked, beside: Collection[Wishes]) -> None:
        """Write down what is there for policies that act, and is not in the ledger; tell what is there for none, once."""
        known = {entry.name for entry in self._ledger.entries if _ours(entry)}
        unknown = {name: change for name, change in made.items() if change.name not in known}
        acting = {one.name for one in asked.wishes if one.enforces and asked.may_act(one.name)}
        adopted = [_entry(change, name) for name, change in unknown.items() if name in acting]
        problem = await self._ledger.add(adopted) if adopted else None
        if problem is not None:
            _log.warning("not written down", broker=str(key_of(self._broker)), why=problem.message)
        theirs = {*self._staying(), *(one.name for one in beside)}
        strangers = {change.resource: name for name, change in unknown.items() if name not in theirs}
        for what in sorted(strangers.keys() - self._strangers):
            text = (
                f"{what} says that it is Floodwarden's, and no DeliveryPolicy {strangers[what]} in mode Enforce and no ledger is "
                "here for it: take it away by hand, unless a Floodwarden of another cluster has made it"
            )
            self._services.tell(Notice(True, Reason.LEFT_CHANGED, text), about(self._broker))
        self._strangers = frozenset(strangers)

    async def _write(self, adapter: DeliveryBroker[Any], wanted: Mapping[Change, str]) -> Mapping[Change, Unknown]:
        """Write down first what has to go with its policy."""
        made = {change: _entry(change, name) for change, name in wanted.items() if _written_down(change) and change.value}
        there = {entry.place for entry in self._ledger.entries}
        problem = await self._ledger.add(list(made.values())) if made else None
        refused: dict[Change, Unknown] = {}
        if problem is not None:
            why = f"what to take away later, or not to do again, could not be written down: {problem.message}"
            refused = dict.fromkeys(made, Unknown(UnknownReason.BROKER_ERROR, why))
        failed = {**refused, **await adapter.write([change for change in wanted if change not in refused])}
        denied = {change for change, why in failed.items() if why.reason in _NOT_DONE}
        never = [entry for change, entry in made.items() if change in denied and entry.place not in there]
        gone = {change.name for change in wanted if _goes_with_policy(change) and change.value is None and change not in failed}
        await self._ledger.drop([*never, *(entry for entry in self._ledger.entries if _ours(entry) and entry.name in gone)])
        return failed

    def _without_done(self, judged: Mapping[str, Findings]) -> Mapping[str, Findings]:
        """Without what is not to be done again, and with a few of what is to be done once."""
        done = {entry.place for entry in self._ledger.entries if entry.purpose is Purpose.ONCE}
        room = min(ONCE_AT_MOST, ONCE_KEPT - len(done))
        return {name: _few(findings, done, room) for name, findings in judged.items()}

    async def _forget(self, asked: Asked) -> None:
        """What was done so long ago that nobody asks for it again."""
        before = (clock.wall() - timedelta(seconds=REMEMBERED)).isoformat()
        entries = [entry for entry in self._ledger.entries if entry.purpose is Purpose.ONCE]
        old = [entry for entry in entries if (entry.written or "") < before]
        if old and asked.may_undo():
            await self._ledger.drop(old)

    def _staying(self) -> frozenset[str]:
        """The policies that may have something made, by the specs alone: one that cannot be audited for now is not gone."""
        store = self._services.store
        bound = [one for one in store.deliveries_of(key_of(self._broker)) if self._broker.allows(one.metadata.namespace)]
        refused = (key for kind, key in store.refused if kind == DeliveryPolicy.__name__)
        acting = (one.wishes.name for one in bound if one.paused or one.wishes.enforces)
        return frozenset({*acting, *(f"{key.namespace}/{key.name}" for key in refused)})

    async def _take_away(self, adapter: DeliveryBroker[Any], asked: Asked) -> None:
        """What policies left behind that are gone, or only look now."""
        staying = asked.paused if asked.leaving else self._staying()
        left = {_undoing(entry): entry for entry in self._ledger.entries if _ours(entry) and entry.policy not in staying}
        if not left or not asked.may_undo():
            return
        failed = await adapter.write(list(left))
        for change, why in failed.items():
            _log.warning("not taken away", broker=str(key_of(self._broker)), what=change.resource, why=why.detail)
        undone = {change: entry for change, entry in left.items() if change not in failed}
        for change, entry in undone.items():
            text = f"{change.resource} was made for DeliveryPolicy {entry.policy}, which asks for it no more: it is taken away"
            self._services.tell(Notice(False, Reason.UNDONE, text), about(self._broker))
        await self._ledger.drop(list(undone.values()))


def _goes_with_policy(change: Change) -> bool:
    return change.kind == Resource.OPERATOR_POLICY


def _once(change: Change) -> bool:
    return change.kind == Resource.HALF_MESSAGE


def _written_down(change: Change) -> bool:
    return _goes_with_policy(change) or _once(change)


def _few(findings: Findings, done: Collection[Place], room: int) -> Findings:
    fresh = [change for change in findings.changes if _once(change) and _place(change) not in done]
    if not fresh and not any(map(_once, findings.changes)):
        return findings
    gaps = findings.gaps
    if fresh and room <= 0:
        why = f"{ONCE_KEPT} half messages were put back within a week: no more are, until those are a week old"
        gaps = (*gaps, Gap(Reason.AUDIT_PARTIAL, why))
    others = [change for change in findings.changes if not _once(change)]
    return replace(findings, changes=(*others, *fresh[: max(0, room)]), gaps=gaps)


def _place(change: Change) -> Place:
    return Resource(change.kind), change.name, change.setting


def _ours(entry: Entry) -> bool:
    return entry.purpose is Purpose.POLICY


def _entry(change: Change, policy: str) -> Entry:
    if _once(change):
        at = clock.wall().replace(microsecond=0).isoformat()
        return Entry(Purpose.ONCE, Resource(change.kind), change.name, change.setting, change.before, at, policy)
    return Entry(Purpose.POLICY, Resource(change.kind), change.name, change.setting, None, change.value, policy)


def _undoing(entry: Entry) -> Change:
    return Change(entry.name, entry.setting, None, entry.written or "", entry.resource.value)
