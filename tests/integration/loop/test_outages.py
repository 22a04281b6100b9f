"""Brokers that go away and come back: told by name, and never a reason for fewer replicas."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.contract.kafka.real_kafka import NODES
from tests.integration.loop.shop import BROKER, Shop
from tests.support.lengths import short_or_soak

AWAY = short_or_soak(15, 60)  # seconds


@pytest.fixture
def nodes(shop: Shop) -> Iterator[None]:
    """Nodes may be ended; they are all up again afterwards, before the shop is cleared."""
    yield
    shop.kafka.brokers("up", "kafka")


def test_one_node_is_stopped_and_started(shop: Shop, nodes: None) -> None:
    """Without its coordinator's node the group is still read, through the others; the broker names the node until it is back."""
    shop.make_topic(3)
    shop.idle(1)
    shop.broker()
    shop.policy()
    shop.await_condition("WithinLag", "True", "WithinLimit")
    node = shop.kafka.coordinator(shop.group)
    shop.kafka.brokers("stop", "kafka", str(node))
    message = shop.await_condition("Reachable", "False", "SomeNodesUnreachable", kind="fwmb", name=BROKER)
    assert message.startswith("1 of 3")
    shop.await_status(lambda s: len(s["unreachableNodes"]) == 1, "the node named", kind="fwmb", name=BROKER)
    shop.scale(3)  # a window begins in which fewer replicas are not asked for by what cannot be read
    shop.await_condition("WithinLag", "True", "WithinLimit")
    shop.produce(2, partitions=range(3))
    shop.await_status(lambda s: (s["lag"]["messages"], s["lag"]["exact"]) == (6, True), "read by the others")
    assert shop.condition("Ready", BROKER, kind="fwmb") == ("True", "Sweeping")
    shop.kafka.brokers("start", "kafka", str(node))
    shop.await_condition("Reachable", "True", "AllNodesReachable", kind="fwmb", name=BROKER)
    told = shop.reasons(BROKER, kind="MessageBroker")
    assert (told[0], told[-1]) == ("SomeNodesUnreachable", "AllNodesReachable")
    assert "ReadingLost" not in shop.reasons()


def test_all_nodes_are_away_for_a_while(shop: Shop, nodes: None) -> None:
    """A lag that cannot be read is unknown: no metric, no scale-down however long it lasts; told once, and that it is back."""
    shop.make_topic(3)
    shop.idle(1)
    shop.broker()
    shop.policy()
    shop.await_condition("WithinLag", "True", "WithinLimit")
    for node in NODES:
        shop.kafka.brokers("stop", "kafka", str(node), "--kill")
    gone = time.monotonic()
    shop.scale(3)
    shop.await_condition("Ready", "False", "BrokerUnreachable", kind="fwmb", name=BROKER)
    shop.await_condition("WithinLag", "Unknown", "BrokerUnreachable")
    shop.until(lambda: shop.measure("policy_lag_messages") is None, "no series for a lag that is not known")
    shop.await_condition("Ready", "False", "ReadingLost")
    shop.until(lambda: time.monotonic() - gone >= AWAY, "the outage over", within=2 * AWAY)
    shop.let_it_decide()
    assert shop.replicas() == 3
    shop.kafka.brokers("up", "kafka")
    shop.await_event("ReadingBack")
    shop.await_condition("Ready", "True", "Sweeping", kind="fwmb", name=BROKER)
    shop.await_replicas(1)
    assert sorted(shop.reasons()[:2]) == ["ReadingLost", "ScaledByHand"]
    electing = "PartitionWithoutLeader"  # true for a moment after all nodes were gone; whether a sweep falls into it is chance
    assert [reason for reason in shop.reasons()[2:] if reason != electing] == ["ReadingBack", "ScaledDown"]
    assert shop.measure("policy_lag_messages") == 0
