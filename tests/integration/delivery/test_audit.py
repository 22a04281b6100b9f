"""A DeliveryPolicy in mode Audit: each difference is told once and clearly, and nothing is written to a broker."""

from __future__ import annotations

from pathlib import Path

from tests.contract.kafka.real_kafka import NODES
from tests.integration.delivery.settings_shop import SettingsShop
from tests.integration.loop.shop import BROKER
from tests.support.kubectl import Object

READING = {
    "API_VERSIONS",
    "CONSUMER_GROUP_DESCRIBE",
    "DESCRIBE_ACLS",
    "DESCRIBE_CONFIGS",
    "DESCRIBE_GROUPS",
    "DESCRIBE_LOG_DIRS",
    "DESCRIBE_PRODUCERS",
    "DESCRIBE_TRANSACTIONS",
    "FETCH",
    "FIND_COORDINATOR",
    "LIST_GROUPS",
    "LIST_OFFSETS",
    "LIST_PARTITION_REASSIGNMENTS",
    "LIST_TRANSACTIONS",
    "METADATA",
    "OFFSET_FETCH",
}  # requests that change nothing
SAFE: Object = {"replication": {"factor": 3, "minInSync": 2, "uncleanElection": False}}
ALL: Object = {
    **SAFE,
    "acks": "All",
    "retention": {"atLeast": "1h", "guard": {"extendTo": "2h"}},
    "consumption": {"acknowledge": "AfterProcessing"},
    "transactions": {"timeout": "60s", "abort": "Hung"},
}


def test_differences_are_told_once(shop: SettingsShop) -> None:
    """Each has what was found, what is wanted, where it is and what becomes of it; a second audit tells nothing again."""
    shop.make_topic(2, read=False)
    shop.set_topic("min.insync.replicas=1", "unclean.leader.election.enable=true")
    shop.delivery(**SAFE)
    status = shop.await_status(lambda s: s.get("violationCount"), "violations", name="safe", kind="fwdp")
    found = {one["setting"]: one for one in status["violations"] if one["resource"] == f"topic {shop.topic}"}
    assert found.keys() == {"min.insync.replicas", "unclean.leader.election.enable"}
    told = found["min.insync.replicas"]
    assert (told["wanted"], told["found"], told["where"], told["action"]) == ("≥ 2", "1", "topic", "Repair")
    message = shop.await_condition("Compliant", "False", "NotCompliant", name="safe", kind="fwdp")
    assert "min.insync.replicas" in message
    shop.let_it_audit()
    events = [text for reason, text in shop.events("safe", kind="DeliveryPolicy") if reason == "Violation" and shop.topic in text]
    assert len(events) == 2
    assert any("min.insync.replicas" in text and "is 1 (topic), wanted ≥ 2" in text for text in events)


def test_an_audit_writes_nothing_to_a_broker(shop: SettingsShop) -> None:
    """By the brokers' own request log no request of Floodwarden's changes anything, though there is something to change: a
    setting, copies, and a retention that a group needs longer."""
    shop.make_single()
    shop.set_topic("min.insync.replicas=1", "retention.ms=60000")
    shop.kafka.produce(shop.topic, {0: 5})
    shop.kafka.commit(shop.group, shop.topic, {0: 0})
    logs = [Path(shop.kafka.set.daemon(node).log) for node in NODES]
    ends = [log.stat().st_size for log in logs]
    shop.log_requests("DEBUG")
    try:
        shop.delivery(**ALL)
        shop.await_condition("Compliant", "False", "NotCompliant", name="safe", kind="fwdp")
        shop.let_it_audit()
    finally:
        shop.log_requests("INFO")
    lines = [line for log, end in zip(logs, ends, strict=True) for line in log.read_text()[end:].splitlines()]
    ours = [line for line in lines if '"clientId":"floodwarden' in line]
    asked = {line.split('"requestApiKeyName":"')[1].split('"')[0] for line in ours}
    assert "DESCRIBE_CONFIGS" in asked
    assert asked <= READING
    assert asked >= {"LIST_GROUPS", "LIST_OFFSETS", "DESCRIBE_PRODUCERS"}, "the looks were made"


def test_a_node_that_differs_is_named(shop: SettingsShop) -> None:
    """A topic that sets nothing itself gets what its nodes say: of three, the one that differs."""
    shop.make_topic(2, read=False)
    with shop.node_setting(1, "unclean.leader.election.enable=true"):
        shop.delivery(replication={"uncleanElection": False})
        status = shop.await_status(lambda s: s.get("violationCount"), "violations", name="safe", kind="fwdp")
        found = {one["resource"]: one for one in status["violations"]}
        assert found[f"topic {shop.topic}"]["where"] == "broker 1 (unclean.leader.election.enable, dynamic)"
        assert (found["broker 1"]["found"], found["broker 1"]["where"], found["broker 1"]["action"]) == (
            "true",
            "dynamic",
            "Report",
        )
    shop.await_condition("Compliant", "True", "Compliant", name="safe", kind="fwdp")
    assert shop.reasons("safe", kind="DeliveryPolicy")[-1] == "Compliant"


def test_no_topic_matches(shop: SettingsShop) -> None:
    """That nothing was found is not compliance."""
    shop.delivery(match={"names": ["nothing-like-it-*"]}, retention={"atLeast": "1h"})
    shop.await_condition("Compliant", "Unknown", "NoTopicMatches", name="safe", kind="fwdp")


def test_a_broker_that_does_not_exist_or_is_not_allowed(shop: SettingsShop) -> None:
    """The same reasons as for a BacklogPolicy."""
    shop.delivery(name="lost", brokerRef={"name": "other"}, **SAFE)
    shop.await_condition("Ready", "False", "BrokerNotFound", name="lost", kind="fwdp")
    other = shop.add_namespace(f"{shop.namespace}-other")
    shop.broker(namespace=other)
    shop.delivery(name="foreign", brokerRef={"name": BROKER, "namespace": other}, **SAFE)
    shop.await_condition("Ready", "False", "BrokerNotAllowed", name="foreign", kind="fwdp")
