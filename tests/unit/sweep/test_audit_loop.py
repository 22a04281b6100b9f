"""One audit after the other: what becomes of a policy that is edited, paused or deleted while it is audited."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from floodwarden.api.deliverypolicy import MAX_VIOLATIONS, DeliveryPolicy
from floodwarden.api.messagebroker import MessageBroker
from floodwarden.cluster.status import StatusOutcome, StatusResult
from floodwarden.core.assess import Gap
from floodwarden.core.delivery.audit import Findings
from floodwarden.core.delivery.ledger import Entry, Purpose, Resource
from floodwarden.core.delivery.story import Audited
from floodwarden.core.delivery.survey import Change
from floodwarden.core.delivery.violations import Action, Violation
from floodwarden.core.reasons import Reason
from floodwarden.sweep.audit_loop import AuditLoop
from floodwarden.sweep.audits.base import Asked
from floodwarden.sweep.delivery_watch import DeliveryWatch
from floodwarden.sweep.store import Store
from tests.support.resources import broker, delivery_policy
from tests.unit.sweep.test_ledger import Kept

CHANGE = Change("orders", "min.insync.replicas", "2", "1")
DONE = Audited(Findings(1, 3), written=(CHANGE,))


class Metrics:
    """Takes whatever it is told."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_: None


class Office:
    """The services of one process: what is written and told is kept here."""

    def __init__(self) -> None:
        self.store = Store()
        self.metrics = Metrics()
        self.ledgers = Kept()
        self.topic_owners = self.workloads = self.config_maps = self.secrets = None
        self.calls = asyncio.Semaphore(1)
        self.statuses: list[dict[str, Any]] = []
        self.told: list[Reason] = []

    def may_write(self) -> bool:
        return True

    def tell(self, notice: Any, *about: object) -> None:
        self.told.append(notice.reason)

    async def write_status(self, resource: object, namespace: str, name: str, uid: str, status: dict[str, Any]) -> Any:
        self.statuses.append(status)
        return StatusResult(StatusOutcome.WRITTEN, "2")


class Slow:
    """An audit in the middle of which something happens."""

    requests = 1

    def __init__(self, outcome: Audited | Gap, meanwhile: Callable[[], None] = lambda: None) -> None:
        self._outcome, self._meanwhile = outcome, meanwhile
        self.might_write: list[bool] = []

    async def outcomes(self, asked: Asked) -> dict[str, Audited | Gap]:
        (name,) = asked.policies
        self.might_write.append(asked.may_act(name))
        self._meanwhile()
        self.might_write.append(asked.may_act(name))
        return {name: self._outcome}

    async def close(self) -> None: ...


async def audited(office: Office, policy: DeliveryPolicy, slow: Slow) -> DeliveryWatch:
    """One audit by a loop of which all but the brokers is real."""
    office.store.put(broker())
    office.store.put(policy)
    services: Any = office
    watch = DeliveryWatch(office.store.renewed(policy), services)
    loop = AuditLoop(broker(), services, lambda _: [watch])
    loop._kind = slow
    await loop._audit()
    return watch


async def test_an_edited_policy_is_not_written_nor_told_by_its_old_spec() -> None:
    """What was done is told; that the new spec is fulfilled is for the next audit to find."""
    office, policy = Office(), delivery_policy(mode="Enforce")

    def edited() -> None:
        later = delivery_policy(mode="Audit")
        office.store.put(later.model_copy(update={"metadata": later.metadata.model_copy(update={"generation": 2})}))

    slow = Slow(DONE, edited)
    await audited(office, policy, slow)
    assert slow.might_write == [True, False]
    assert office.statuses == []
    assert office.told == [Reason.REPAIRED]


async def test_a_deleted_policy() -> None:
    """The same."""
    office, policy = Office(), delivery_policy(mode="Enforce")
    slow = Slow(DONE, lambda: office.store.deliveries.clear())
    await audited(office, policy, slow)
    assert slow.might_write == [True, False]
    assert office.statuses == []


async def test_a_policy_that_stays() -> None:
    """Its status says what was found and done."""
    office = Office()
    await audited(office, delivery_policy(mode="Enforce"), Slow(DONE))
    (status,) = office.statuses
    assert [one["setting"] for one in status["repaired"]] == ["min.insync.replicas"]
    assert office.told == [Reason.REPAIRED, Reason.COMPLIANT]


async def test_nodes_to_restart_are_told_whatever_is_listed() -> None:
    """The list of differences is cut, with those that people must look at first."""
    few = [Violation(f"topic t{number}", "s", "1", "0", "topic", Action.REPORT, "why") for number in range(MAX_VIOLATIONS)]
    node = Violation("broker 0", "default.replication.factor", "3", "1", "file", Action.RESTART, "why")
    office = Office()
    watch = await audited(office, delivery_policy(), Slow(Audited(Findings(60, 3, violations=(*few, node)))))
    (status,) = office.statuses
    assert status["violationCount"] == MAX_VIOLATIONS + 1
    assert len(status["violations"]) == MAX_VIOLATIONS
    assert status["restartRequired"] == ["broker 0"]
    await watch.tell(Gap(Reason.BROKER_UNREACHABLE, "away"))
    assert office.statuses[-1]["restartRequired"] == ["broker 0"]


POLICY = Entry(Purpose.POLICY, Resource.OPERATOR_POLICY, "floodwarden:shop/safe", "definition", None, "limit 5", "shop/safe")
LENGTHENED = Entry(Purpose.GUARD, Resource.TOPIC, "orders", "retention.ms", "1000", "2000", "shop/safe")

PUT_BACK = Entry(Purpose.ONCE, Resource.HALF_MESSAGE, "K", "state", "given up", "2026-01-01T00:00:00+00:00", "shop/safe")


class Leaving(Slow):
    """The last audit of brokers: it undoes what the ledger has of policies, unless it cannot reach them."""

    def __init__(self, kept: Kept, *, reached: bool) -> None:
        super().__init__(DONE)
        self._kept, self._reached = kept, reached
        self.loop: AuditLoop | None = None

    async def outcomes(self, asked: Asked) -> dict[str, Audited | Gap]:
        assert asked.may_undo()
        assert not asked.policies
        assert self.loop is not None
        if self._reached:
            await self.loop._ledger.drop([POLICY])
        return {}


def stopped(resource: MessageBroker) -> MessageBroker:
    """The same, paused."""
    return resource.model_copy(
        update={"metadata": resource.metadata.model_copy(update={"annotations": {"floodwarden.dev/paused": "true"}})}
    )


@pytest.mark.parametrize(
    ("entries", "paused", "reached", "told"),
    [
        pytest.param([POLICY], False, True, [], id="taken away"),
        pytest.param([POLICY], False, False, [Reason.LEFT_CHANGED], id="not reached any more"),
        pytest.param([POLICY], True, True, [Reason.LEFT_CHANGED], id="paused, which stops all action"),
        pytest.param([LENGTHENED], False, True, [Reason.LEFT_CHANGED], id="what nobody takes away"),
        pytest.param([PUT_BACK], False, True, [], id="what was done once, and is not to be undone"),
        pytest.param([], False, True, [], id="nothing was changed"),
    ],
)
async def test_a_deleted_message_broker(entries: list[Entry], paused: bool, reached: bool, told: list[Reason]) -> None:
    """What goes with policies is taken away while the way to the brokers is known; what stays changed is told."""
    office = Office()
    office.ledgers = Kept(*entries)
    services: Any = office
    loop = AuditLoop(stopped(broker()) if paused else broker(), services, lambda _: [])
    loop._kind = leaving = Leaving(office.ledgers, reached=reached)
    leaving.loop = loop
    await loop.abandon()
    assert office.told == told
    await loop.abandon()
    assert office.told == told, "told once"
