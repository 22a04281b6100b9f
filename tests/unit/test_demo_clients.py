"""The pure parts of the demo's clients, and its manifests."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from floodhack import demo_kafka, demo_rabbitmq, demo_rocketmq
from floodhack.demo_brokers import BROKERS, plan_for
from floodhack.demo_plan import FAST, FULL
from floodhack.demo_stages import manifest
from hack.demo_clients.outgoing import Outgoing
from hack.demo_clients.pace import Pace
from hack.demo_clients.rate import HIGHEST, current, wish
from hack.demo_clients.settings import Settings

NOW = 1_800_000_000.0
ADDRESSES = ["127.0.0.1:9092", "127.0.0.1:9192"]
FACTS: dict[str, Any] = {
    "users": {
        "application": {"username": "application", "password": "456"},
        "monitoring": {"username": "monitoring", "password": "789"},
    },
    "addresses": {"amqp": ADDRESSES, "management": ["http://127.0.0.1:15672", "http://127.0.0.1:15772"]},
}
VALUES = {
    "kafka": demo_kafka.values(FULL, ADDRESSES),
    "rabbitmq": demo_rabbitmq.values(FULL, FACTS),
    "rocketmq": demo_rocketmq.values(FULL, "127.0.0.1:9876", "127.0.0.1:9878"),
}


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        (f"700 {NOW + 60}", 700.0),
        (f"700 {NOW}", 60.0),
        (f"0 {NOW + 60}", 0.0),
        (f"-5 {NOW + 60}", 0.0),
        (f"1e9 {NOW + 60}", HIGHEST),
        ("", 60.0),
        ("700", 60.0),
        ("fast please", 60.0),
    ],
    ids=["wished", "over", "silence", "negative", "too much", "empty", "no end", "not numbers"],
)
def test_a_wish_for_a_rate(text: str, rate: float) -> None:
    """A wish holds until its end; what cannot be understood is no wish."""
    assert wish(text, NOW, 60.0) == rate


def test_no_file_is_no_wish(tmp_path: Path) -> None:
    assert current(tmp_path / "rate", NOW, 60.0) == 60.0


@pytest.mark.parametrize("kind", BROKERS)
def test_manifests_are_filled_completely(kind: str) -> None:
    """Every name in braces has a value, and what comes out is YAML with a kind and a name."""
    for name in ("namespace.yaml", f"{kind}-clients.yaml", "clients.yaml", f"{kind}.yaml", "policy.yaml"):
        text = manifest(name, FULL, VALUES[kind], "localhost/demo:dev")
        assert "$" not in text
        documents = list(yaml.safe_load_all(text))
        assert all(document["kind"] and document["metadata"]["name"] for document in documents)


@pytest.mark.parametrize("kind", BROKERS)
def test_the_policy_carries_the_plans_numbers(kind: str) -> None:
    """The same ones on every kind of brokers."""
    policy = yaml.safe_load(manifest("policy.yaml", FULL, VALUES[kind], "unused"))
    assert policy["spec"]["maxLag"] == {"messages": FULL.max_lag_messages, "seconds": FULL.max_lag_seconds}
    assert policy["spec"]["consumers"]["maxReplicas"] == FULL.max_replicas


def test_a_slower_story_needs_as_many_pods() -> None:
    """What is slow on some brokers is the same story with fewer messages; on the others nothing is changed."""
    slow = plan_for("rocketmq", fast=False)
    assert slow.spike_rate < FULL.spike_rate
    for rate in ("steady_rate", "spike_rate", "max_lag_messages"):
        assert getattr(slow, rate) / slow.capacity == getattr(FULL, rate) / FULL.capacity
    assert plan_for("kafka", fast=True) == FAST


def test_the_brokers_are_where_they_are_said_to_be() -> None:
    """Each kind with what Floodwarden needs of it, and passwords that are text whatever they look like."""
    kafka = yaml.safe_load(manifest("kafka.yaml", FULL, VALUES["kafka"], "unused"))
    assert kafka["spec"]["kafka"]["bootstrapServers"] == ADDRESSES
    secret, rabbitmq = yaml.safe_load_all(manifest("rabbitmq.yaml", FULL, VALUES["rabbitmq"], "unused"))
    assert secret["stringData"] == {"username": "monitoring", "password": "789"}
    assert rabbitmq["spec"]["rabbitmq"]["managementURL"] == FACTS["addresses"]["management"][0]
    clients = yaml.safe_load(manifest("rabbitmq-clients.yaml", FULL, VALUES["rabbitmq"], "unused"))
    urls = "amqp://application:456@127.0.0.1:9092/%2F amqp://application:456@127.0.0.1:9192/%2F"
    assert clients["stringData"] == {"RABBITMQ_URLS": urls, "QUEUE": FULL.topic}
    rocketmq = yaml.safe_load(manifest("rocketmq.yaml", FULL, VALUES["rocketmq"], "unused"))
    assert rocketmq["spec"]["rocketmq"] == {"nameServers": ["127.0.0.1:9876"]}
    clients = yaml.safe_load(manifest("rocketmq-clients.yaml", FULL, VALUES["rocketmq"], "unused"))
    assert clients["stringData"] == {"ROCKETMQ_PROXY": "127.0.0.1:9878", "TOPIC": FULL.topic, "GROUP": FULL.group}


def test_a_pace_owes_what_its_rate_makes_due(tmp_path: Path) -> None:
    """A pause is not made good by a burst, and a wish is followed as soon as it is looked for."""
    control = tmp_path / "rate"
    pace = Pace(Settings(base_rate=50.0, control=control), NOW)
    pace.tick(NOW + 0.1)
    assert pace.owed == pytest.approx(5.0)
    pace.tick(NOW + 60.0)
    assert pace.owed == pytest.approx(50.0)
    control.write_text(f"10 {time.time() + 60}")
    pace.owed = 0.0
    pace.tick(NOW + 60.5)
    assert pace.rate == 10.0
    assert pace.owed == pytest.approx(5.0)


def test_confirms_settle_messages_by_tag() -> None:
    """One, or all up to it; what is refused is sent again under its own number."""
    outgoing = Outgoing()
    assert [(outgoing.next(), outgoing.tag) for _ in range(5)] == [(number, number) for number in range(1, 6)]
    outgoing.settled(2, multiple=False, confirmed=False)
    outgoing.settled(4, multiple=True, confirmed=True)
    assert (outgoing.published, outgoing.confirmed, outgoing.refused, outgoing.pending) == (5, 3, 1, 2)
    assert [outgoing.next() for _ in range(2)] == [2, 6]
    outgoing.settled(7, multiple=True, confirmed=True)
    assert (outgoing.published, outgoing.confirmed, outgoing.pending, outgoing.repeated) == (6, 6, 0, 1)


def test_what_a_lost_channel_left_unconfirmed_is_sent_again() -> None:
    """In order, and each counted as confirmed once; delivery tags begin anew."""
    outgoing = Outgoing()
    for _ in range(3):
        outgoing.next()
    outgoing.settled(1, multiple=False, confirmed=True)
    outgoing.opened()
    assert [(outgoing.next(), outgoing.tag) for _ in range(3)] == [(2, 1), (3, 2), (4, 3)]
    outgoing.settled(3, multiple=True, confirmed=True)
    assert (outgoing.published, outgoing.confirmed, outgoing.repeated, outgoing.pending) == (4, 4, 2, 0)


def test_a_message_that_came_back_is_not_confirmed() -> None:
    """RabbitMQ confirms it all the same, right after."""
    outgoing = Outgoing()
    outgoing.next()
    outgoing.next()
    outgoing.returned(1)
    outgoing.settled(1, multiple=False, confirmed=True)
    outgoing.settled(2, multiple=False, confirmed=True)
    assert (outgoing.published, outgoing.confirmed, outgoing.unroutable) == (2, 1, 1)
