"""What a policy wants of clients, and how it is published: each client is asked whether it takes what it is given."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import product

import pytest
from confluent_kafka import Consumer, Producer
from kafka import KafkaConsumer, KafkaProducer

from floodwarden.core.delivery.clients import (
    ACKS,
    AUTO_COMMIT,
    IDEMPOTENCE,
    TRANSACTION_TIMEOUT,
    Role,
    Wanted,
    rendered,
    wanted_of,
)
from floodwarden.core.delivery.spelling import settings_in
from floodwarden.core.delivery.wishes import TransactionWishes, Wishes
from tests.support.delivery import IN_SYNC_2, wishes

TIMED = TransactionWishes(timeout=60.0, hung_after=1200.0)
UNTIMED = TransactionWishes(timeout=None, hung_after=1200.0)


def asking(acks: str | None = None, *, late: bool = False, transactions: TransactionWishes | None = None) -> Wishes:
    """A policy that asks this of clients."""
    return replace(wishes(IN_SYNC_2, acks=acks), acknowledged_late=late, transactions=transactions)


ASKED = {
    "nothing of clients": (asking(), {}),
    "transactions without a timeout": (asking(transactions=UNTIMED), {}),
    "all brokers": (asking("All"), {ACKS: "all", IDEMPOTENCE: "true"}),
    "the leader: idempotence does not go with it": (asking("Leader"), {ACKS: "1"}),
    "nobody": (asking("None"), {ACKS: "0"}),
    "acknowledged after processing": (asking(late=True), {AUTO_COMMIT: "false"}),
    "a timeout": (asking(transactions=TIMED), {TRANSACTION_TIMEOUT: "60000"}),
    "everything": (
        asking("All", late=True, transactions=TIMED),
        {ACKS: "all", IDEMPOTENCE: "true", TRANSACTION_TIMEOUT: "60000", AUTO_COMMIT: "false"},
    ),
}


@pytest.mark.parametrize(("policy", "expected"), ASKED.values(), ids=ASKED)
def test_only_what_follows_is_wanted(policy: Wishes, expected: dict[str, str]) -> None:
    """Each wish leads to its settings, and to no others."""
    assert {one.setting: one.value for one in wanted_of(policy)} == expected


MET = {
    "all for all": (Wanted(ACKS, "all", Role.PRODUCER), "all", True),
    "the leader for all": (Wanted(ACKS, "all", Role.PRODUCER), "1", False),
    "all for the leader: it loses less": (Wanted(ACKS, "1", Role.PRODUCER), "all", True),
    "nobody for the leader": (Wanted(ACKS, "1", Role.PRODUCER), "0", False),
    "anything for nobody": (Wanted(ACKS, "0", Role.PRODUCER), "0", True),
    "a shorter transaction": (Wanted(TRANSACTION_TIMEOUT, "60000", Role.PRODUCER), "9000", True),
    "a longer transaction": (Wanted(TRANSACTION_TIMEOUT, "60000", Role.PRODUCER), "60001", False),
    "auto-commit": (Wanted(AUTO_COMMIT, "false", Role.CONSUMER), "true", False),
    "no auto-commit": (Wanted(AUTO_COMMIT, "false", Role.CONSUMER), "false", True),
}


@pytest.mark.parametrize(("wanted", "value", "met"), MET.values(), ids=MET)
def test_what_loses_no_more_is_fine(wanted: Wanted, value: str, met: bool) -> None:
    """acks and timeouts are bounds; the others are what they are."""
    assert wanted.met_by(value) is met


def test_wanted_values_in_words() -> None:
    """A bound is told as one."""
    told = [one.text for one in wanted_of(asking("Leader", late=True, transactions=TIMED))]
    assert told == ["≥ 1", "≤ 60000 (1m)", "false"]


ALL_WISHES = [
    asking(acks, late=late, transactions=transactions)
    for acks, late, transactions in product((None, "All", "Leader", "None"), (True, False), (None, TIMED))
]


@pytest.mark.parametrize(
    "policy", ALL_WISHES, ids=lambda one: f"{one.acks}-{one.acknowledged_late}-{one.transactions is not None}"
)
def test_every_rendering_says_the_same(policy: Wishes) -> None:
    """Whichever of the files or variables a client takes, by our own reading it sets what is wanted, and nothing else."""
    wanted = wanted_of(policy)
    data = rendered(wanted, "shop/safe")
    for role in Role:
        expected = {one.setting: one.value for one in wanted if one.role is role}
        for key in (f"{role}.properties", f"librdkafka-{role}.properties", f"kafka-python-{role}.json"):
            assert {setting: value for setting, _, value in settings_in(data.get(key, ""))} == expected, key
            assert (key in data) is bool(expected)
    variables = "\n".join(f"{key}={value}" for key, value in data.items() if key.startswith("SPRING_"))
    assert {setting: value for setting, _, value in settings_in(variables)} == {one.setting: one.value for one in wanted}
    assert all("shop/safe" in text for key, text in data.items() if key.endswith(".properties"))


def lines(text: str) -> dict[str, str]:
    """A file of properties, without comments."""
    pairs = (line.partition("=") for line in text.splitlines() if not line.startswith("#"))
    return {name: value for name, _, value in pairs}


@pytest.mark.parametrize("acks", ["All", "Leader", "None"])
def test_librdkafka_takes_its_files(acks: str) -> None:
    """Each is a configuration that it accepts: it refuses unknown names, wrong values, and acks that idempotence excludes."""
    data = rendered(wanted_of(asking(acks, late=True, transactions=TIMED)), "shop/safe")
    Producer(lines(data["librdkafka-producer.properties"]))
    Consumer({"group.id": "any", **lines(data["librdkafka-consumer.properties"])})


@pytest.mark.parametrize(("acks", "expected"), [("All", "all"), ("Leader", 1), ("None", 0)])
def test_kafka_python_knows_its_names(acks: str, expected: str | int) -> None:
    """Names are those of its constructors, and values are of its types."""
    data = rendered(wanted_of(asking(acks, late=True, transactions=TIMED)), "shop/safe")
    producer, consumer = (json.loads(data[f"kafka-python-{role}.json"]) for role in ("producer", "consumer"))
    assert producer.keys() <= KafkaProducer.DEFAULT_CONFIG.keys()
    assert consumer.keys() <= KafkaConsumer.DEFAULT_CONFIG.keys()
    assert (producer["acks"], producer["transaction_timeout_ms"]) == (expected, 60000)
    assert producer.get("enable_idempotence") is (True if acks == "All" else None)
    assert consumer == {"enable_auto_commit": False}


def test_the_whole_configmap() -> None:
    """As people find it: files to mount, and variables for the environment."""
    data = rendered(wanted_of(asking("All", late=True)), "shop/safe")
    assert data["consumer.properties"].splitlines() == [
        "# What DeliveryPolicy shop/safe asks of Kafka clients. Floodwarden keeps this text: change the policy instead.",
        "enable.auto.commit=false",
    ]
    assert data["kafka-python-consumer.json"] == '{\n  "enable_auto_commit": false\n}\n'
    assert {key: value for key, value in data.items() if key.isupper()} == {
        "SPRING_KAFKA_PRODUCER_ACKS": "all",
        "SPRING_KAFKA_PRODUCER_PROPERTIES_ENABLE_IDEMPOTENCE": "true",
        "SPRING_KAFKA_CONSUMER_ENABLEAUTOCOMMIT": "false",
    }
