"""The store of specs, and what it says of who may use what."""

from __future__ import annotations

from typing import Any

import pytest

from floodwarden.api.backlogpolicy import BacklogPolicy
from floodwarden.api.deliverypolicy import DeliveryPolicy
from floodwarden.api.messagebroker import MessageBroker, MessageBrokerStatus
from floodwarden.core.reasons import Reason
from floodwarden.sweep.binding import broker_obstacle, obstacle
from floodwarden.sweep.store import Key, Store, key_of
from tests.support.resources import backlog_policy, broker, delivery_policy, rabbitmq, rocketmq


def store_of(*resources: object) -> Store:
    store = Store()
    for resource in resources:
        store.put(resource)  # type: ignore[arg-type]
    return store


def test_old_news_of_a_watch_that_starts_again_is_not_taken() -> None:
    """A lower generation of the same object never replaces a higher one."""
    store = store_of(backlog_policy(generation=3), backlog_policy(generation=2))
    assert store.policies[Key("shop", "billing")].metadata.generation == 3


def test_old_news_of_a_list_is_not_taken() -> None:
    """What a watch told already is not undone by a list that is a moment older, though the generation is the same."""
    paused = backlog_policy(version="100", annotations={"floodwarden.dev/paused": "true"})
    store = store_of(paused, backlog_policy(version="95"))
    assert store.policies[Key("shop", "billing")].paused


def test_whoever_begins_to_act_has_the_newest_status() -> None:
    """Also where another replica wrote it, and the spec that is held is older."""
    first = backlog_policy(version="9", status={"state": "Steady"})
    store = store_of(first, backlog_policy(version="11", status={"state": "OverLimit"}))
    store.put(backlog_policy(version="10", status={"state": "Stabilizing"}))
    renewed = store.renewed(first)
    assert renewed.status.state == "OverLimit"
    assert store.policies[key_of(first)] is renewed
    assert store.holder(first.target) is renewed


def test_our_own_status_writes_wake_nobody() -> None:
    """An event in which only the status changed is no change."""
    store = store_of(backlog_policy())
    store.changed.clear()
    store.put(backlog_policy(status={"state": "Steady"}))
    assert not store.changed.is_set()
    store.put(backlog_policy(annotations={"floodwarden.dev/paused": "true"}))
    assert store.changed.is_set()


def test_a_late_deletion_does_not_hit_the_successor() -> None:
    """An object deleted and created again under its name stays, whatever order the news comes in."""
    old, new = backlog_policy(created="2026-01-01T00:00:00Z"), backlog_policy(created="2026-02-01T00:00:00Z")
    store = store_of(old, new)
    store.drop(BacklogPolicy, key_of(old), old.metadata.uid)
    assert store.policies[key_of(new)] is new


OBSTACLES = {
    "queues on RabbitMQ": ([rabbitmq()], backlog_policy(subscription={"queues": ["mails"]}), None),
    "queues on Kafka": ([broker()], backlog_policy(subscription={"queues": ["mails"]}), Reason.BROKER_NOT_CAPABLE),
    "a group on RabbitMQ": ([rabbitmq()], backlog_policy(), Reason.BROKER_NOT_CAPABLE),
    "none": ([broker()], backlog_policy(), None),
    "no such broker": ([], backlog_policy(), Reason.BROKER_NOT_FOUND),
    "broker of another namespace": (
        [broker(namespace="platform")],
        backlog_policy(brokerRef={"name": "main", "namespace": "platform"}),
        Reason.BROKER_NOT_ALLOWED,
    ),
    "broker that allows this namespace": (
        [broker(namespace="platform", allowedNamespaces=["shop"])],
        backlog_policy(brokerRef={"name": "main", "namespace": "platform"}),
        None,
    ),
    "broker that allows all": (
        [broker(namespace="platform", allowedNamespaces=["*"])],
        backlog_policy(brokerRef={"name": "main", "namespace": "platform"}),
        None,
    ),
    "paused": ([broker()], backlog_policy(annotations={"floodwarden.dev/paused": "true"}), Reason.PAUSED),
    "an older policy has the target": (
        [broker(), backlog_policy("first", created="2025-01-01T00:00:00Z")],
        backlog_policy(),
        Reason.TARGET_CONFLICT,
    ),
    "a younger policy wants the target": (
        [broker(), backlog_policy("later", created="2027-01-01T00:00:00Z")],
        backlog_policy(),
        None,
    ),
    "same name of another kind": (
        [broker(), backlog_policy("first", created="2025-01-01T00:00:00Z")],
        backlog_policy(consumers={"targetRef": {"kind": "StatefulSet", "name": "billing"}}),
        None,
    ),
    "same target in another namespace": (
        [broker(), backlog_policy("first", namespace="other", created="2025-01-01T00:00:00Z")],
        backlog_policy(),
        None,
    ),
}


@pytest.mark.parametrize(("others", "policy", "reason"), OBSTACLES.values(), ids=OBSTACLES)
def test_obstacle(others: list[object], policy: BacklogPolicy, reason: Reason | None) -> None:
    """What stands between a policy and its broker or target is named."""
    found = obstacle(policy, store_of(*others, policy))
    assert (found.reason if found else None) is reason


def test_of_two_policies_created_together_one_has_the_target() -> None:
    """Never both, never neither: the name decides."""
    a, b = backlog_policy("a"), backlog_policy("b")
    store = store_of(broker(), a, b)
    assert obstacle(a, store) is None
    refused = obstacle(b, store)
    assert refused is not None
    assert "BacklogPolicy/a" in refused.message


AFTER = {"acknowledge": "AfterProcessing"}


@pytest.mark.parametrize(
    ("on", "asked", "text"),
    [
        pytest.param(broker(), {"consumption": {"deliveryLimit": 5}}, "leave deliveryLimit out", id="deliveries on Kafka"),
        pytest.param(broker(), {"consumption": {"deadLetter": {}}}, "leave deadLetter out", id="dead letters on Kafka"),
        pytest.param(broker(), {"consumption": {"prefetchAtMost": 9}}, "leave prefetchAtMost out", id="a prefetch on Kafka"),
        pytest.param(broker(), {"transactions": {"checkMax": 15}}, "leave checkInterval and checkMax out", id="checks on Kafka"),
        pytest.param(broker(), {"consumption": AFTER, "transactions": {"abort": "Hung"}}, None, id="what Kafka has"),
        pytest.param(rabbitmq(), {"transactions": {}}, "leave spec.transactions out", id="transactions on RabbitMQ"),
        pytest.param(rabbitmq(), {"retention": {"guard": {}}}, "leave guard out", id="a guard on RabbitMQ"),
        pytest.param(rabbitmq(), {"flush": {"mode": "Async", "every": "1s"}}, "leave everyMessages", id="bounds on RabbitMQ"),
        pytest.param(rabbitmq(), {"workloads": "Patch"}, "leave spec.workloads out", id="workloads on RabbitMQ"),
        pytest.param(rabbitmq(), {"consumption": {**AFTER, "deliveryLimit": 5, "deadLetter": {}}}, None, id="what RabbitMQ has"),
        pytest.param(rocketmq(), {"consumption": {"deadLetter": {}}}, "leave deadLetter out", id="dead letters on RocketMQ"),
        pytest.param(rocketmq(), {"transactions": {"abort": "Hung"}}, "leave abort out", id="an abort on RocketMQ"),
        pytest.param(rocketmq(), {"transactions": {"checkMax": 15}}, None, id="what RocketMQ has"),
    ],
)
def test_what_brokers_of_a_type_lack(on: MessageBroker, asked: dict[str, Any], text: str | None) -> None:
    """It is refused and said, never silently left out."""
    found = broker_obstacle(delivery_policy(on.metadata.name, **asked), store_of(on))
    if text is None:
        assert found is None
    else:
        assert found is not None
        assert found.reason is Reason.BROKER_NOT_CAPABLE
        assert text in found.message
        assert f"is of type {on.spec.type}, " in found.message


def leading_to(cluster: str | None, name: str, *allowed: str) -> MessageBroker:
    return broker(name, allowedNamespaces=allowed).model_copy(update={"status": MessageBrokerStatus(cluster_id=cluster)})


@pytest.mark.parametrize(
    ("other", "policy", "found"),
    [
        pytest.param(leading_to("abc", "other"), delivery_policy("other"), True, id="the same cluster"),
        pytest.param(leading_to("xyz", "other"), delivery_policy("other"), False, id="another cluster"),
        pytest.param(leading_to(None, "other"), delivery_policy("other"), False, id="a cluster that is not known"),
        pytest.param(leading_to("abc", "main"), delivery_policy("main"), False, id="its own"),
        pytest.param(leading_to("abc", "other"), delivery_policy("other", namespace="shed"), False, id="not allowed to bind"),
        pytest.param(leading_to("abc", "other", "shed"), delivery_policy("other", namespace="shed"), True, id="allowed"),
        pytest.param(leading_to("abc", "other"), delivery_policy("other", paused=True), False, id="paused"),
    ],
)
def test_policies_on_the_same_cluster(other: MessageBroker, policy: DeliveryPolicy, found: bool) -> None:
    """Those that come by way of other MessageBrokers, which have told whose brokers they lead to."""
    store = store_of(broker("main"), other, policy)
    assert store.deliveries_beside(Key("shop", "main"), "abc") == ([policy] if found else [])
    assert store.deliveries_beside(Key("shop", "main"), "") == []


def test_a_cluster_that_was_told_later() -> None:
    """The newest status counts, though the spec that is held is older."""
    policy = delivery_policy("other")
    store = store_of(broker("other"), policy)
    assert store.deliveries_beside(Key("shop", "main"), "abc") == []
    store.put(leading_to("abc", "other"))
    assert store.deliveries_beside(Key("shop", "main"), "abc") == [policy]
