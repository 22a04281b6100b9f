"""A RocketMQ cluster in which somebody is away or refuses: what they know is unknown, with a reason, and the rest is not."""

from __future__ import annotations

import pytest

from floodwarden.brokers.base import BrokerError
from floodwarden.brokers.rocketmq import RocketMQBroker, requests
from floodwarden.brokers.rocketmq.frames import Frame
from floodwarden.core.observation import (
    Offsets,
    Partition,
    Reading,
    Snapshot,
    Unknown,
    UnknownReason,
)
from tests.support.rocketmq_reading import ALL, BILLING, read, seen, unknown
from tests.support.rocketmq_server import Answer, FakeServer, ok, refused
from tests.support.rocketmq_world import FakeCluster, later


async def lost(cluster: FakeCluster, broker: RocketMQBroker, reason: UnknownReason, says: str) -> Snapshot:
    """The queues of broker-a are not known for that reason, those of broker-b are as before, and no number has changed."""
    snapshot = await seen(broker, BILLING, ALL)
    for subscription in (BILLING, ALL):
        reading = snapshot.readings[subscription]
        assert isinstance(reading, Reading)
        assert reading.missing_topics == frozenset()
        for number in (0, 1):
            found = reading.partitions[Partition("orders", number)]
            assert isinstance(found, Unknown)
            assert found.reason is reason
            assert says in found.detail
        assert reading.partitions[Partition("orders", 2)] == Offsets(3, 30, 7)
    assert [node.split()[0] for node in snapshot.unreachable] == ["broker-a"]
    return snapshot


async def test_a_broker_that_is_killed(cluster: FakeCluster, broker: RocketMQBroker) -> None:
    """First it does not answer, then no name server knows it: its queues stay, unknown, until it is back."""
    before = await seen(broker, BILLING, ALL)
    address = cluster.registered["broker-a"]
    await cluster.brokers["broker-a"].stop()
    await lost(cluster, broker, UnknownReason.BROKER_UNREACHABLE, "refused the connection")
    cluster.registered["broker-a"] = {}
    later(10)
    await lost(cluster, broker, UnknownReason.NO_LEADER, "broker broker-a has no master: no name server knows it now")
    await cluster.brokers["broker-a"].restart()
    cluster.registered["broker-a"] = address
    after = await seen(broker, BILLING, ALL)
    assert after.readings == before.readings
    assert after.unreachable == ()


async def test_a_topic_whose_only_broker_is_away(cluster: FakeCluster, broker: RocketMQBroker) -> None:
    """Name servers forget the topic with its broker: that does not mean that it was deleted."""
    del cluster.topics["orders"]["broker-b"]
    await seen(broker, BILLING)
    del cluster.registered["broker-a"]
    later(10)
    reading = await read(broker)
    assert reading.missing_topics == frozenset()
    assert {one.reason for one in reading.partitions.values() if isinstance(one, Unknown)} == {UnknownReason.NO_LEADER}
    assert len(reading.partitions) == 2


async def test_a_topic_committed_on_a_broker_that_is_away(cluster: FakeCluster, broker: RocketMQBroker) -> None:
    """A group that names no topics still reads it."""
    cluster.topics["refunds"] = {"broker-a": [(0, 5)]}
    cluster.commits["refunds", "billing"] = {"broker-a": {0: 1}}
    await read(broker, ALL)
    del cluster.registered["broker-a"]
    later(10)
    assert isinstance((await read(broker, ALL)).partitions[Partition("refunds", 0)], Unknown)


async def test_a_broker_that_has_left_for_good(cluster: FakeCluster, broker: RocketMQBroker) -> None:
    """After an hour it is no part of the cluster any more."""
    await seen(broker, BILLING)
    del cluster.registered["broker-a"]
    later(10)
    assert len((await read(broker)).partitions) == 4
    later(3600)
    assert set((await read(broker)).partitions) == {Partition("orders", 2), Partition("orders", 3)}


async def test_a_master_that_is_gone_while_its_slave_is_there(cluster: FakeCluster, broker: RocketMQBroker) -> None:
    """The slave is not asked: what it knows is old."""
    cluster.registered["broker-a"] = {0: cluster.brokers["broker-a"].address, 1: "127.0.0.1:1"}
    nodes = (await seen(broker, BILLING, ALL)).nodes
    assert [node.split()[0] for node in nodes] == ["broker-a", "broker-a/1", "broker-b"]
    del cluster.registered["broker-a"][0]
    later(10)
    await lost(cluster, broker, UnknownReason.NO_LEADER, "its slaves (127.0.0.1:1) do not take part in counting")


async def test_a_broker_that_refuses_one_request(cluster: FakeCluster, broker: RocketMQBroker) -> None:
    """Commits or extents of one broker that cannot be read leave the other's alone, and it is reachable all the same."""
    await seen(broker, BILLING, ALL)
    for codes, reason in (
        ((requests.GET_ALL_CONSUMER_OFFSET, requests.GET_CONSUME_STATS), UnknownReason.AUTHORIZATION_FAILED),
        ((requests.GET_TOPIC_STATS_INFO,), UnknownReason.TIMEOUT),
    ):
        answer = refused(16, "User:x has no permission") if reason is UnknownReason.AUTHORIZATION_FAILED else refused(2)

        def instead(name: str, request: Frame, codes: tuple[int, ...] = codes, answer: Answer = answer) -> Answer:
            return answer if name == "broker-a" and request.code in codes else None

        cluster.instead = instead
        reading = await read(broker, ALL)
        assert {one.reason for one in reading.partitions.values() if isinstance(one, Unknown)} == {reason}
        assert reading.partitions[Partition("orders", 2)] == Offsets(3, 30, 7)


async def test_what_a_silent_broker_may_know_of_a_group(cluster: FakeCluster, broker: RocketMQBroker) -> None:
    """Where nothing was read before, what a group reads is not known as long as one broker does not tell."""
    cluster.instead = lambda name, request: (
        refused(2) if (name, request.code) == ("broker-a", requests.GET_ALL_CONSUMER_OFFSET) else None
    )
    assert (await unknown(broker, ALL)).reason is UnknownReason.TIMEOUT
    assert (await read(broker)).partitions[Partition("orders", 2)] == Offsets(3, 30, 7)


async def test_without_queries_the_brokers_are_asked_all_the_same(cluster: FakeCluster, broker: RocketMQBroker) -> None:
    """A broker that does not answer is told; where none does, nothing could be read."""
    assert (await seen(broker)).unreachable == ()
    await cluster.brokers["broker-b"].stop()
    assert len((await seen(broker)).unreachable) == 1
    await cluster.brokers["broker-a"].stop()
    with pytest.raises(BrokerError, match="refused the connection") as found:
        await seen(broker)
    assert found.value.reason is UnknownReason.BROKER_UNREACHABLE


async def test_all_brokers_refuse_the_user(cluster: FakeCluster, broker: RocketMQBroker) -> None:
    """Wrong credentials are told as such, with and without queries."""
    cluster.instead = lambda name, request: refused(16, "check signature failed.")
    for subscriptions in ((), (BILLING,)):
        with pytest.raises(BrokerError, match="aclSecretRef") as found:
            await seen(broker, *subscriptions)
        assert found.value.reason is UnknownReason.AUTHENTICATION_FAILED


async def test_brokers_that_answer_but_tell_nothing(cluster: FakeCluster, broker: RocketMQBroker) -> None:
    """Where none of them tells what was committed, nothing could be read."""
    cluster.instead = lambda name, request: refused(2) if request.code == requests.GET_ALL_CONSUMER_OFFSET else None
    with pytest.raises(BrokerError, match="the offsets of all groups on broker broker-a") as found:
        await seen(broker, BILLING)
    assert found.value.reason is UnknownReason.TIMEOUT


async def test_a_master_at_another_address(cluster: FakeCluster, broker: RocketMQBroker) -> None:
    """After a sweep in which one failed, name servers are asked again at once."""
    before = await read(broker)
    first = cluster.brokers["broker-a"]
    await first.stop()
    second = await FakeServer(first.answer).start()
    cluster.registered["broker-a"] = {0: second.address}
    await seen(broker, BILLING)
    assert await read(broker) == before
    await second.stop()


async def test_topics_of_a_group_on_a_broker_that_does_not_tell(cluster: FakeCluster, broker: RocketMQBroker) -> None:
    """Topics read before stay, where such a broker may still know of them."""
    cluster.topics["refunds"] = {"broker-a": [(0, 5)]}
    cluster.commits["refunds", "billing"] = {"broker-a": {0: 1}}
    await read(broker, ALL)
    cluster.instead = lambda name, request: (
        refused(2) if (name, request.code) == ("broker-a", requests.GET_ALL_CONSUMER_OFFSET) else None
    )
    assert isinstance((await read(broker, ALL)).partitions[Partition("refunds", 0)], Unknown)
    cluster.instead = None
    del cluster.commits["refunds", "billing"]
    assert Partition("refunds", 0) not in (await read(broker, ALL)).partitions


async def test_name_servers_are_tried_in_turn(cluster: FakeCluster) -> None:
    """One that is down or knows nothing yet is passed over; all may go where the brokers are known."""
    await cluster.stop()
    again = await FakeCluster(cluster.topics, commits=cluster.commits).start("broker-a", "broker-b", names=3)
    down, fresh, good = again.names
    await down.stop()
    fresh.answer = lambda request: refused(17) if request.code == 105 else ok('{"brokerAddrTable":{},"clusterAddrTable":{}}')
    broker = RocketMQBroker(again.addresses)
    first = await read(broker)
    assert first.missing_topics == frozenset()
    fresh.asked.clear()
    later(10)
    assert await read(broker) == first
    assert fresh.asked == []
    await fresh.stop()
    await good.stop()
    later(10)
    assert await read(broker) == first
    await broker.close()
    await again.stop()


async def test_no_name_server_answers(cluster: FakeCluster) -> None:
    """Nothing can be read, and the error says of whom that is told."""
    await cluster.names[0].stop()
    broker = RocketMQBroker(cluster.addresses)
    with pytest.raises(BrokerError, match=cluster.addresses[0]) as found:
        await seen(broker, BILLING)
    assert found.value.reason is UnknownReason.BROKER_UNREACHABLE
    await broker.close()
