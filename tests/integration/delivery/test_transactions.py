"""Transactions that stay open, seen by the operator: told once, and only those that nobody will end are aborted."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from tests.contract.kafka.real_kafka import RealKafka
from tests.contract.kafka.real_transactions import Transaction, committed_messages, leave_hung, tool_rows, unverified
from tests.integration.delivery.settings_shop import SettingsShop
from tests.support.kubectl import Object

HUNG_IS_ENDED: Object = {"transactions": {"hungAfter": "1s", "abort": "Hung"}}
MINUTE = 60.0


@pytest.fixture(scope="module", autouse=True)
def unchecked(kafka: RealKafka) -> Iterator[None]:
    """Brokers on which transactions can be left hung."""
    with unverified(kafka):
        yield


def open_transactions(shop: SettingsShop, partition: int = 0) -> set[str]:
    """The producers that have one open, by Kafka's own tool."""
    rows = tool_rows(shop.kafka, "describe-producers", "--topic", shop.topic, "--partition", str(partition))
    return {producer for producer, *_, start in rows if start != "None"}


def events(shop: SettingsShop, reason: str) -> list[str]:
    return [text for found, text in shop.events("safe", kind="DeliveryPolicy") if found == reason]


def test_a_hung_transaction(shop: SettingsShop) -> None:
    """Mode Audit tells it once and leaves it; mode Enforce aborts it, and readers go on."""
    shop.make_topic(2, read=False)
    stray = leave_hung(shop.kafka, shop.topic, 1, age=MINUTE)
    shop.produce(2, partitions=[1])
    shop.delivery(mode="Audit", **HUNG_IS_ENDED)
    message = shop.await_event("TransactionHung", name="safe", kind="DeliveryPolicy")
    assert f"producer {stray.producer} in {shop.topic}-1 is over 1 min old (no coordinator knows it)" in message
    assert f"at offset {stray.start}" in message
    shop.let_it_audit()
    assert len(events(shop, "TransactionHung")) == 1
    assert open_transactions(shop, 1) == {str(stray.producer)}
    assert committed_messages(shop.kafka, shop.topic, 1) == []
    shop.await_condition("Compliant", "False", "NotCompliant", name="safe", kind="fwdp")

    shop.patch("fwdp", "safe", {"spec": {"mode": "Enforce"}})
    message = shop.await_event("TransactionAborted", name="safe", kind="DeliveryPolicy")
    assert f"producer {stray.producer} in {shop.topic}-1" in message
    assert open_transactions(shop, 1) == set()
    assert committed_messages(shop.kafka, shop.topic, 1) == ["0", "1"]
    shop.await_condition("Compliant", "True", "Compliant", name="safe", kind="fwdp")


def test_a_transaction_that_goes_on(shop: SettingsShop) -> None:
    """However old it is: its coordinator knows it, so it is told once, and left alone by a policy that aborts hung ones."""
    shop.make_topic(1, read=False)
    with Transaction(shop.kafka, shop.topic, 0, age=MINUTE) as transaction:
        shop.delivery(mode="Enforce", **HUNG_IS_ENDED)
        message = shop.await_event("TransactionOpen", name="safe", kind="DeliveryPolicy")
        assert f"(transactional id {transaction.id}, Ongoing)" in message
        shop.let_it_audit()
        assert len(events(shop, "TransactionOpen")) == 1
        transaction.commit()
    assert committed_messages(shop.kafka, shop.topic, 0) == [transaction.id]
    shop.await_condition("Compliant", "True", "Compliant", name="safe", kind="fwdp")
    assert events(shop, "TransactionAborted") == events(shop, "TransactionHung") == []


def test_a_killed_operator(shop: SettingsShop) -> None:
    """The next process finds what is hung by itself, also what came to be while there was none."""
    shop.make_topic(2, read=False)
    shop.delivery(mode="Enforce", **HUNG_IS_ENDED)
    with Transaction(shop.kafka, shop.topic, 1) as transaction:
        shop.await_event("TransactionOpen", name="safe", kind="DeliveryPolicy")
        shop.operator.end(signal.SIGKILL)
        leave_hung(shop.kafka, shop.topic, 0, age=MINUTE)
        shop.operator.start()
        shop.operator.await_ready()
        shop.await_event("TransactionAborted", name="safe", kind="DeliveryPolicy")
        assert open_transactions(shop) == set()
        transaction.commit()
    assert committed_messages(shop.kafka, shop.topic, 1) == [transaction.id]


def test_a_timeout_that_brokers_do_not_allow(shop: SettingsShop) -> None:
    """Producers that ask for as long as they are to ask would be refused: told for all nodes at once."""
    shop.make_topic(1, read=False)
    shop.delivery(transactions={"timeout": "1h"})
    status = shop.await_status(lambda s: s.get("violationCount"), "violations", name="safe", kind="fwdp")
    (found,) = status["violations"]
    assert (found["resource"], found["setting"]) == ("brokers 0, 1, 2", "transaction.max.timeout.ms")
    assert (found["wanted"], found["found"], found["action"]) == ("≥ 3600000 (1h)", "900000 (15m)", "Restart")


def test_what_is_told_of_acks(shop: SettingsShop) -> None:
    """How far what was written proves them, and no longer only that brokers do not keep them."""
    shop.make_topic(2, read=False)
    with Transaction(shop.kafka, shop.topic, 0) as transaction:
        transaction.commit()
    shop.delivery(acks="All")

    def told(status: Object) -> bool:
        proof = "an idempotent producer asks for, and one wrote the newest batch in every partition that was looked at"
        about = [sentence for sentence in status.get("notVerified", []) if sentence.startswith("acks All:")]
        return len(about) == 1 and proof in about[0]

    shop.await_status(told, "idempotent producers", name="safe", kind="fwdp")
    shop.await_condition("Compliant", "True", "Compliant", name="safe", kind="fwdp")
