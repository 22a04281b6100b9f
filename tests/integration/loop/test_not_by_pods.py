"""Backlogs that more pods do not help against: named instead. All three begin at once, because each takes a minute."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from tests.contract.kafka.real_kafka import RealKafka
from tests.integration.loop.replica_log import replica_log
from tests.integration.loop.service import slow_service
from tests.integration.loop.shop import POLICY, Shop
from tests.support.kubectl import Kubectl
from tests.support.operator_process import OperatorProcess


@dataclass(frozen=True)
class Story:
    """A shop, and every number of replicas its consumers were given."""

    shop: Shop
    replicas: list[int]


@dataclass(frozen=True)
class Stories:
    poisoned: Story
    hot: Story
    bottleneck: Story


@pytest.fixture(scope="module")
def stories(kubectl: Kubectl, kafka: RealKafka, operator: OperatorProcess, demo_image: None) -> Iterator[Stories]:
    with ExitStack() as stack:

        def story(replicas: int, capacity: float, **env: str) -> Story:
            shop = stack.enter_context(Shop(kubectl, kafka, operator))
            shop.make_topic(4)
            shop.broker()
            shop.consumers(replicas, capacity, **env)
            return Story(shop, stack.enter_context(replica_log(kubectl, POLICY, shop.namespace)))

        poisoned = story(2, 20, POISON_PARTITION="1")
        hot = story(1, 15)
        bottleneck = story(2, 100, DOWNSTREAM=stack.enter_context(slow_service(20)))
        for started in (poisoned, hot, bottleneck):
            started.shop.await_pods()
        # Partition 1 gets 3/s, all of which stay; the limit is lowered once that is known.
        stack.enter_context(poisoned.shop.stream(12))
        poisoned.shop.policy(maxLag={"messages": 9999}, consumers={"minReplicas": 2})
        # Partition 0 gets 25/s, and one replica does 15/s; the limit is lowered once it is known what that replica does.
        stack.enter_context(hot.shop.stream(25, partitions=[0]))
        stack.enter_context(hot.shop.stream(6, partitions=[1, 2, 3]))
        hot.shop.policy(maxLag={"messages": 9999})
        # 30/s arrive, and what is behind the consumers does 20/s, as is known before the limit is lowered.
        stack.enter_context(bottleneck.shop.stream(30))
        bottleneck.shop.policy(maxLag={"messages": 9999}, consumers={"minReplicas": 2})
        bottleneck.shop.await_status(lambda s: s.get("capacity", {}).get("basis") == "Measured", "capacity measured")
        bottleneck.shop.policy(maxLag={"messages": 60}, consumers={"minReplicas": 2})
        hot.shop.await_status(lambda s: s.get("capacity", {}).get("basis") == "Measured", "capacity measured")
        hot.shop.policy(maxLag={"messages": 60})
        yield Stories(poisoned, hot, bottleneck)


def test_a_downstream_bottleneck(stories: Stories) -> None:
    """A step that did not raise throughput is undone, named, and not repeated."""
    shop = stories.bottleneck.shop
    assert "did not raise throughput" in shop.await_event("StepIneffective", within=120)
    shop.await_replicas(2)
    shop.await_status(lambda s: s["state"] == "StepIneffective", "the state says it")
    shop.let_it_decide(20)
    assert shop.condition("WithinLag") == ("False", "OverLimit")
    assert stories.bottleneck.replicas == [2, 4, 2]
    assert shop.reasons(kind="Deployment").count("ScaledUp") == 1


def test_a_hot_partition(stories: Stories) -> None:
    """A partition that needs more than one replica is named; the others are given what they need, and no more."""
    shop = stories.hot.shop
    assert f"{shop.topic}-0." in shop.await_event("PartitionHot", within=120)
    shop.let_it_decide(20)
    assert shop.status()["partitions"]["hot"] == [f"{shop.topic}-0"]
    assert stories.hot.replicas in ([1], [1, 2])


def test_a_poisoned_partition(stories: Stories) -> None:
    """A partition that stands still is named, and no pods are added for it once it is over the limit."""
    shop = stories.poisoned.shop
    assert f"{shop.topic}-1." in shop.await_event("PartitionStalled", within=120)
    shop.policy(maxLag={"messages": 50}, consumers={"minReplicas": 2})
    assert "PartitionStalled" in shop.reasons(kind="Deployment")
    shop.await_condition("WithinLag", "False", "OverLimit")
    shop.let_it_decide(20)
    status = shop.status()
    assert status["partitions"]["stalled"] == [f"{shop.topic}-1"]
    assert status["state"] == "PartitionStalled"
    assert shop.measure("policy_stalled_partitions") == 1
    assert stories.poisoned.replicas == [2]
