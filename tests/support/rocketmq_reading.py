"""One sweep of a RocketMQ adapter, as tests look at it: what was read, or why not; and the cluster that most of them look at."""

from __future__ import annotations

from floodwarden.brokers.rocketmq import RocketMQBroker
from floodwarden.core.observation import Offsets, Partition, Query, Reading, Snapshot, Subscription, Unknown
from tests.support.rocketmq_world import FakeCluster

BILLING = Subscription("billing", ("orders",))
ALL = Subscription("billing")


def two_brokers() -> FakeCluster:
    """Two brokers with two queues of a topic each; one group has committed some. To be started."""
    return FakeCluster(
        topics={"orders": {"broker-a": [(0, 10), (0, 20)], "broker-b": [(3, 30), (0, 0)]}},
        commits={("orders", "billing"): {"broker-a": {0: 4, 1: 20}, "broker-b": {0: 7}}},
    )


async def seen(broker: RocketMQBroker, *subscriptions: Subscription, members: bool = False) -> Snapshot:
    """A sweep."""
    return await broker.observe([Query(subscription, members) for subscription in subscriptions])


async def read(broker: RocketMQBroker, subscription: Subscription = BILLING) -> Reading:
    """What a sweep reads of one subscription."""
    reading = (await seen(broker, subscription)).readings[subscription]
    assert isinstance(reading, Reading), reading
    return reading


async def unknown(broker: RocketMQBroker, subscription: Subscription = BILLING) -> Unknown:
    """Why a sweep cannot read one subscription."""
    reading = (await seen(broker, subscription)).readings[subscription]
    assert isinstance(reading, Unknown), reading
    return reading


def orders(*offsets: Offsets | Unknown) -> dict[Partition, Offsets | Unknown]:
    """These offsets, of the topic's partitions in their order."""
    return {Partition("orders", number): one for number, one in enumerate(offsets)}
