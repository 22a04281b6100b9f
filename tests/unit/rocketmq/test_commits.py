"""What groups have committed, where the table of all of them is too large, or nobody may see it: asked group by group."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from floodwarden.brokers.base import BrokerError
from floodwarden.brokers.rocketmq import RocketMQBroker, commits, requests
from floodwarden.brokers.rocketmq.frames import Frame
from floodwarden.core.observation import Offsets, Partition, Subscription, Unknown, UnknownReason
from tests.support.rocketmq_reading import ALL, BILLING, orders, read, seen
from tests.support.rocketmq_server import Answer, refused
from tests.support.rocketmq_world import FakeCluster, later

OTHER = Subscription("other", ("orders",))


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every table is too large."""
    monkeypatch.setattr(commits, "LARGE", 0)
    monkeypatch.setattr(commits, "LARGE_FOR_EACH", 0)


def hidden(*codes: int, groups: tuple[str, ...] = ()) -> Callable[[str, Frame], Answer]:
    """Brokers refuse these requests, or only those for some groups."""

    def answer(name: str, request: Frame) -> Answer:
        mine = not groups or request.fields.get("consumerGroup") in groups
        return refused(16, "User:x has no permission") if request.code in codes and mine else None

    return answer


@pytest.mark.usefixtures("large")
async def test_a_large_table_is_read_seldom(cluster: FakeCluster, broker: RocketMQBroker) -> None:
    """After the first sweep groups are asked one by one; what they say is the same, and a commit is seen at once."""
    first = await read(broker)
    cluster.forget()
    assert await read(broker) == first
    cluster.commits["orders", "billing"]["broker-a"] = {0: 5, 1: 20}
    assert (await read(broker)).partitions[Partition("orders", 0)] == Offsets(0, 10, 5)
    assert cluster.asked(requests.GET_ALL_CONSUMER_OFFSET) == []
    assert {frame.fields["consumerGroup"] for frame in cluster.asked(requests.GET_CONSUME_STATS)} == {"billing"}
    later(60)
    await read(broker)
    assert len(cluster.asked(requests.GET_ALL_CONSUMER_OFFSET)) == 2


@pytest.mark.usefixtures("large")
async def test_what_a_zero_means(cluster: FakeCluster, broker: RocketMQBroker) -> None:
    """Brokers say 0 of both: committed is what the table has, also where it was reset to 0 since; else it never was."""
    cluster.commits["orders", "billing"] = {"broker-a": {0: 0, 1: 9}, "broker-b": {0: 7}}
    await read(broker)
    cluster.commits["orders", "billing"]["broker-a"][1] = 0
    assert (await read(broker)).partitions == orders(Offsets(0, 10, 0), Offsets(0, 20, 0), Offsets(3, 30, 7), Offsets(0, 0, None))


@pytest.mark.usefixtures("large")
async def test_topics_that_4_9_leaves_out(cluster: FakeCluster, broker: RocketMQBroker) -> None:
    """Those that consumers do not read now; the table has them."""
    cluster.topics["refunds"] = {"broker-a": [(0, 5)]}
    cluster.commits["refunds", "billing"] = {"broker-a": {0: 1}}
    before = await read(broker, ALL)
    assert before.partitions[Partition("refunds", 0)] == Offsets(0, 5, 1)
    del cluster.commits["refunds", "billing"]
    assert (await read(broker, ALL)).partitions[Partition("refunds", 0)] == Offsets(0, 5, 1)
    later(60)
    assert Partition("refunds", 0) not in (await read(broker, ALL)).partitions


async def test_the_table_may_not_be_seen(cluster: FakeCluster, broker: RocketMQBroker) -> None:
    """Groups are asked one by one, and a 0 is taken for no commit."""
    cluster.instead = hidden(requests.GET_ALL_CONSUMER_OFFSET)
    cluster.commits["orders", "billing"]["broker-b"] = {0: 0}
    assert (await read(broker)).partitions == orders(
        Offsets(0, 10, 4), Offsets(0, 20, 20), Offsets(3, 30, None), Offsets(0, 0, None)
    )
    cluster.forget()
    await read(broker)
    assert cluster.asked(requests.GET_ALL_CONSUMER_OFFSET) == []


async def test_one_group_may_not_be_seen(cluster: FakeCluster, broker: RocketMQBroker) -> None:
    """It is unknown, the others are not; where none may be seen, nothing could be read."""
    codes = requests.GET_ALL_CONSUMER_OFFSET, requests.GET_CONSUME_STATS

    def answer(name: str, request: Frame) -> Answer:
        return hidden(codes[0])(name, request) or hidden(codes[1], groups=("other",))(name, request)

    cluster.instead = answer
    cluster.commits["orders", "other"] = {"broker-a": {0: 1}}
    readings = (await seen(broker, BILLING, OTHER, Subscription("other"))).readings
    assert readings[BILLING] == await read(broker)
    found = readings[Subscription("other")]
    assert isinstance(found, Unknown)
    assert found.reason is UnknownReason.AUTHORIZATION_FAILED
    assert "group other on broker broker-a" in found.detail
    cluster.instead = hidden(*codes)
    with pytest.raises(BrokerError, match="Get the topic"):
        await seen(broker, BILLING, OTHER)


async def test_without_groups_the_table_is_asked_for(cluster: FakeCluster, broker: RocketMQBroker) -> None:
    """Also where it may not be seen: it shows that brokers answer."""
    cluster.instead = hidden(requests.GET_ALL_CONSUMER_OFFSET)
    await seen(broker)
    cluster.forget()
    await seen(broker)
    assert len(cluster.asked(requests.GET_ALL_CONSUMER_OFFSET)) == 2
