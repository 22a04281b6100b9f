"""What every audit is asked, and what it tells."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from floodwarden.api.messagebroker import MessageBroker
from floodwarden.api.resource import GROUP, VERSION
from floodwarden.cluster.events import ObjectRef
from floodwarden.cluster.ledger import LedgerProblem
from floodwarden.core.assess import Gap
from floodwarden.core.delivery.seen import Seen, with_seen
from floodwarden.core.delivery.story import Audited
from floodwarden.core.delivery.wishes import Wishes
from floodwarden.core.reasons import Reason
from floodwarden.sweep.delivery_watch import DeliveryWatch
from floodwarden.sweep.services import Services
from floodwarden.sweep.store import Key

Outcomes = Mapping[str, Audited | Gap]
"""What the audit brought each policy, by its name; a Gap where nothing could be told."""


class Asked:
    """The policies in force for one audit, and whether each may write: less and less, as it finds what stands against it.

    ``paused`` names policies that are not in force because they are paused: what was changed for them stays. ``leaving``: the
    MessageBroker is gone, and with it all other policies of it.
    """

    def __init__(
        self,
        services: Services,
        watches: Collection[DeliveryWatch],
        unread: LedgerProblem | None,
        paused: frozenset[str],
        *,
        leaving: bool = False,
    ) -> None:
        self._services = services
        # As they are now: a watch goes on with an edited spec while the audit is still about this one.
        self.policies = {watch.policy.wishes.name: watch.policy for watch in watches}
        self.wishes: list[Wishes] = [policy.wishes for policy in self.policies.values()]
        self._enforcing = {one.name for one in self.wishes if one.enforces}
        self.paused = paused
        self.leaving = leaving
        self.gaps: list[Gap] = []
        if unread is not None:
            self.hold(Gap(Reason.LEDGER_UNREADABLE, unread.message))

    def hold(self, gap: Gap) -> None:
        """From here on look, and leave alone."""
        self.gaps.append(gap)
        self.wishes = [replace(one, acts=False) for one in self.wishes]

    def may_act(self, name: str) -> bool:
        """Whether a policy may write now: one that was edited, paused or deleted meanwhile may not, nor a replica without its
        share."""
        return self.may_undo() and name in self.policies and self._services.store.holds(self.policies[name])

    def may_undo(self) -> bool:
        """Whether what was changed for a while may be undone now."""
        return not self.gaps and self._services.may_write()

    def matches(self, name: str) -> bool:
        """Whether any policy speaks of a topic or queue."""
        return any(one.matches(name) for one in self.wishes)

    def beside(self, broker: Key, cluster: str) -> list[Wishes]:
        """Policies that reach the same brokers by way of other MessageBrokers."""
        return [policy.wishes for policy in self._services.store.deliveries_beside(broker, cluster)]

    def all(self, gap: Gap) -> Outcomes:
        """The same for each."""
        return {one.name: gap for one in self.wishes}

    def complete(self, audited: Mapping[str, Audited], seen: Sequence[Mapping[str, Seen]] = ()) -> Outcomes:
        """Each policy's audit with what looks brought, and with what keeps it from writing."""
        return {name: self._complete(name, one, seen) for name, one in audited.items()}

    def _complete(self, name: str, audited: Audited, seen: Sequence[Mapping[str, Seen]]) -> Audited:
        looks = [brought[name] for brought in seen if name in brought]
        findings = with_seen(replace(audited.findings, gaps=(*audited.findings.gaps, *self.gaps)), looks)
        notices = tuple(notice for brought in looks for notice in brought.notices)
        hindered = self.gaps[0] if self.gaps and name in self._enforcing else None
        return replace(audited, findings=findings, notices=(*audited.notices, *notices), hindered=hindered)


class Audit(Protocol):
    """Kept as long as its audit loop, with its connections."""

    @property
    def requests(self) -> int:
        """How many requests the last audit sent to the brokers."""
        ...

    async def outcomes(self, asked: Asked) -> Outcomes:
        """Look, repair what may be repaired, look again. There may be no policy in force: what is left of others is undone."""
        ...

    async def close(self) -> None:
        """Close every connection; the next audit opens new ones."""
        ...


def about(broker: MessageBroker) -> ObjectRef:
    """The MessageBroker, for Events about it."""
    meta = broker.metadata
    return ObjectRef(f"{GROUP}/{VERSION}", "MessageBroker", meta.namespace, meta.name, meta.uid)
