"""Backlogs read from a RocketMQ cluster: every queue is known or unknown with a reason, whoever is away."""

from __future__ import annotations

import pytest

from floodwarden.brokers.rocketmq import RocketMQBroker, requests
from floodwarden.core.observation import (
    Offsets,
    Partition,
    Reading,
    Subscription,
    Unknown,
    UnknownReason,
)
from tests.support.rocketmq_reading import ALL, BILLING, orders, read, seen, unknown
from tests.support.rocketmq_server import ok
from tests.support.rocketmq_world import FakeCluster, later


async def test_every_queue_is_a_partition(broker: RocketMQBroker) -> None:
    """Numbered over the brokers by their names; what was never committed is None, what was committed as 0 would be 0."""
    snapshot = await seen(broker, BILLING)
    reading = snapshot.readings[BILLING]
    assert isinstance(reading, Reading)
    assert reading.partitions == orders(Offsets(0, 10, 4), Offsets(0, 20, 20), Offsets(3, 30, 7), Offsets(0, 0, None))
    assert reading.missing_topics == frozenset()
    assert reading.group is None
    assert not reading.competing
    assert snapshot.version == "5.5.0"
    assert snapshot.unreachable == ()
    assert [node.split()[0] for node in snapshot.nodes] == ["broker-a", "broker-b"]


async def test_idle_is_not_the_same_as_never_committed(cluster: FakeCluster, broker: RocketMQBroker) -> None:
    """A group that has committed 0 and does not move has all before it; one that never committed is not known to have."""
    cluster.commits["orders", "idle"] = {"broker-a": {0: 0, 1: 0}, "broker-b": {0: 0, 1: 0}}
    idle, never = Subscription("idle", ("orders",)), Subscription("never", ("orders",))
    readings = (await seen(broker, idle, never)).readings
    assert [getattr(readings[one], "partitions")[Partition("orders", 0)] for one in (idle, never)] == [  # noqa: B009
        Offsets(0, 10, 0),
        Offsets(0, 10, None),
    ]


async def test_offsets_that_cannot_be(cluster: FakeCluster, broker: RocketMQBroker) -> None:
    """A commit of -1 is none; a start behind the end means that all up to there is gone."""
    cluster.topics["orders"] = {"broker-a": [(12, 10)]}
    cluster.commits["orders", "billing"] = {"broker-a": {0: -1}}
    assert (await read(broker)).partitions == orders(Offsets(12, 12, None))


async def test_the_same_again_is_the_same_reading(cluster: FakeCluster, broker: RocketMQBroker) -> None:
    """Nothing moved: the very object; something did: another one."""
    first = await read(broker)
    assert await read(broker) is first
    cluster.commits["orders", "billing"]["broker-a"][0] = 5
    assert (await read(broker)).partitions[Partition("orders", 0)] == Offsets(0, 10, 5)


async def test_requests_do_not_grow_with_groups(cluster: FakeCluster, broker: RocketMQBroker) -> None:
    """Once all is known, a sweep asks each master once for all groups, and once for each topic it has."""
    groups = [Subscription(f"group-{number}", ("orders",)) for number in range(20)]
    await seen(broker, *groups)
    assert (await seen(broker, *groups)).requests == 4
    assert (await seen(broker, groups[0])).requests == 4


async def test_topics_that_are_not_named(cluster: FakeCluster, broker: RocketMQBroker) -> None:
    """All that the group has committed, its retry topic among them; named ones only where they are named."""
    cluster.topics["%RETRY%billing"] = {"broker-a": [(0, 3)]}
    cluster.commits["%RETRY%billing", "billing"] = {"broker-a": {0: 1}}
    cluster.commits["other", "somebody"] = {"broker-a": {0: 1}}
    assert {partition.topic for partition in (await read(broker)).partitions} == {"orders"}
    found = (await read(broker, ALL)).partitions
    assert {partition.topic for partition in found} == {"orders", "%RETRY%billing"}
    assert found[Partition("%RETRY%billing", 0)] == Offsets(0, 3, 1)


async def test_a_quiet_retry_topic_is_read_seldom(cluster: FakeCluster, broker: RocketMQBroker) -> None:
    """While nothing waits in it; in every sweep else, at once where the group commits, within ten seconds of a message."""
    cluster.topics["%RETRY%billing"] = {"broker-a": [(0, 3)]}
    cluster.commits["%RETRY%billing", "billing"] = {"broker-a": {0: 3}}
    retry = Partition("%RETRY%billing", 0)
    await read(broker, ALL)
    cluster.topics["%RETRY%billing"] = {"broker-a": [(0, 5)]}
    cluster.forget()
    assert (await read(broker, ALL)).partitions[retry] == Offsets(0, 3, 3)
    assert [frame.fields["topic"] for frame in cluster.asked(requests.GET_TOPIC_STATS_INFO)] == ["orders", "orders"]
    later(10)
    assert (await read(broker, ALL)).partitions[retry] == Offsets(0, 5, 3)
    cluster.commits["%RETRY%billing", "billing"] = {"broker-a": {0: 5}}
    await read(broker, ALL)
    cluster.topics["%RETRY%billing"] = {"broker-a": [(0, 9)]}
    cluster.commits["%RETRY%billing", "billing"] = {"broker-a": {0: 6}}
    assert (await read(broker, ALL)).partitions[retry] == Offsets(0, 9, 6)
    cluster.topics["%RETRY%billing"] = {"broker-a": [(0, 10)]}
    assert (await read(broker, ALL)).partitions[retry] == Offsets(0, 10, 6)


async def test_a_missing_topic_beside_a_present_one(broker: RocketMQBroker) -> None:
    """A topic that does not exist is named, and does not spoil the other."""
    subscription = Subscription("billing", ("orders", "no-such-topic"))
    reading = await read(broker, subscription)
    assert reading.missing_topics == {"no-such-topic"}
    assert {partition.topic for partition in reading.partitions} == {"orders"}


async def test_a_deleted_topic(cluster: FakeCluster, broker: RocketMQBroker) -> None:
    """It is missing in the sweep that finds it gone; what was committed there is no topic any more."""
    await seen(broker, BILLING, ALL)
    del cluster.topics["orders"]
    readings = (await seen(broker, BILLING, ALL)).readings
    for subscription, missing in ((BILLING, {"orders"}), (ALL, set())):
        reading = readings[subscription]
        assert isinstance(reading, Reading)
        assert reading.partitions == {}
        assert reading.missing_topics == missing


async def test_queues_added(cluster: FakeCluster, broker: RocketMQBroker) -> None:
    """New queues come behind the others, also on the first broker; none gets another number."""
    before = (await read(broker)).partitions
    cluster.topics["orders"]["broker-a"].append((0, 99))
    later(10)
    assert (await read(broker)).partitions == {**before, Partition("orders", 4): Offsets(0, 99, None)}


async def test_queues_that_cannot_be_read(cluster: FakeCluster, broker: RocketMQBroker) -> None:
    """A topic without the right to read is no empty topic."""
    cluster.perms["orders"] = 2
    found = await unknown(broker)
    assert found.reason is UnknownReason.NO_LEADER
    assert "perm 6" in found.detail


async def test_queues_that_4_9_does_not_tell(cluster: FakeCluster, broker: RocketMQBroker) -> None:
    """What a broker leaves out of its answer is not known, and not nothing."""
    cluster.instead = lambda name, request: (
        ok('{"offsetTable":{}}') if name == "broker-b" and request.code == requests.GET_TOPIC_STATS_INFO else None
    )
    found = (await read(broker)).partitions[Partition("orders", 2)]
    assert isinstance(found, Unknown)
    assert found.reason is UnknownReason.UNSUPPORTED
    assert "queue 0 of orders on broker broker-b" in found.detail


async def test_a_static_topic(cluster: FakeCluster, broker: RocketMQBroker) -> None:
    """Logical queues are not what a broker tells: refused with a reason."""
    cluster.static.add("orders")
    found = await unknown(broker)
    assert found.reason is UnknownReason.UNSUPPORTED
    assert "static" in found.detail


MALFORMED = {
    "no JSON": "<html>",
    "another shape": '{"offsetTable":[1]}',
    "keys of another shape": '{"offsetTable":{"a@b":{"x":1}}}',
    "offsets that are texts": '{"offsetTable":{"a@b":{0:"1"}}}',
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
async def test_malformed_bodies(cluster: FakeCluster, broker: RocketMQBroker, body: str) -> None:
    """What cannot be read is unknown, with a reason, for what was asked of that broker."""
    cluster.instead = lambda name, request: (
        ok(body)
        if name == "broker-a" and request.code in (requests.GET_ALL_CONSUMER_OFFSET, requests.GET_TOPIC_STATS_INFO)
        else None
    )
    reading = await read(broker)
    found = reading.partitions[Partition("orders", 0)]
    assert isinstance(found, Unknown)
    assert found.reason is UnknownReason.BROKER_ERROR
    assert "cannot be read" in found.detail
    assert reading.partitions[Partition("orders", 2)] == Offsets(3, 30, 7)


async def test_versions(cluster: FakeCluster, broker: RocketMQBroker) -> None:
    """The oldest of them counts; one that does not tell is no failure."""
    cluster.versions = {"broker-a": "V4_9_8", "broker-b": "V5_10_0"}
    assert (await seen(broker)).version == "4.9.8"
    cluster.versions = {"broker-a": "mine", "broker-b": "V5_10_0"}
    other = RocketMQBroker(cluster.addresses)
    assert (await seen(other)).version == "5.10.0"
    await other.close()


async def test_one_connection_for_each_address(cluster: FakeCluster, broker: RocketMQBroker) -> None:
    """However much is asked; and none is left after closing, which may be done twice."""
    for _ in range(3):
        await seen(broker, BILLING, ALL)
    assert [server.connections for server in (*cluster.names, *cluster.brokers.values())] == [1, 1, 1]
    await broker.close()
    await broker.close()
