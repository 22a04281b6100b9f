"""Groups of RocketMQ: who is connected, who reads what, and what their offsets mean by how they consume."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace

import pytest

from floodwarden.brokers.rocketmq import RocketMQBroker, requests
from floodwarden.core.observation import Group, GroupPhase, Partition, Query, Reading, Subscription, Unknown, UnknownReason
from tests.support.rocketmq_reading import BILLING, two_brokers
from tests.support.rocketmq_server import ok, refused
from tests.support.rocketmq_world import Consumers, FakeCluster, later

FIRST, SECOND = "127.0.0.1@100#1", "127.0.0.1@200#2"
ON_A, ON_B = (("broker-a", 0), ("broker-a", 1)), (("broker-b", 0), ("broker-b", 1))
OF_A = frozenset({Partition("orders", 0), Partition("orders", 1)})
OF_B = frozenset({Partition("orders", 2), Partition("orders", 3)})


@pytest.fixture
async def cluster() -> AsyncIterator[FakeCluster]:
    """Two brokers with two queues of a topic each; one group has committed, and two consumers share its queues."""
    cluster = two_brokers()
    cluster.consumers["billing"] = Consumers({FIRST: ON_A, SECOND: ON_B})
    await cluster.start("broker-a", "broker-b")
    yield cluster
    await cluster.stop()


async def reading_of(broker: RocketMQBroker, subscription: Subscription = BILLING, *, members: bool = True) -> Reading | Unknown:
    return (await broker.observe([Query(subscription, members)])).readings[subscription]


async def group_of(broker: RocketMQBroker, subscription: Subscription = BILLING) -> Group:
    reading = await reading_of(broker, subscription)
    assert isinstance(reading, Reading)
    assert isinstance(reading.group, Group)
    return reading.group


async def owners(broker: RocketMQBroker) -> dict[str, frozenset[Partition]]:
    return {member.client_id: member.partitions for member in (await group_of(broker)).members}


def shared_by(cluster: FakeCluster, clients: Mapping[str, Sequence[tuple[str, int]] | None]) -> None:
    cluster.consumers["billing"] = Consumers(clients)


async def test_members_and_what_they_own(broker: RocketMQBroker) -> None:
    """As consumers themselves say; they are connected to both brokers and count once."""
    group = await group_of(broker)
    assert group.phase is GroupPhase.STABLE
    assert {(member.id, member.host, member.partitions) for member in group.members} == {
        (FIRST, "127.0.0.1", OF_A),
        (SECOND, "127.0.0.1", OF_B),
    }


async def test_nobody_is_asked_for_who_is_not_wanted(cluster: FakeCluster, broker: RocketMQBroker) -> None:
    """Without members one consumer of a group is enough, now and then; with them the members are read each time."""
    reading = await reading_of(broker, members=False)
    assert isinstance(reading, Reading)
    assert reading.group is None
    assert len(cluster.asked(requests.GET_CONSUMER_RUNNING_INFO)) == 1
    cluster.forget()
    await reading_of(broker, members=False)
    assert cluster.asked(requests.GET_CONSUMER_CONNECTION_LIST) == []
    later(10)
    await reading_of(broker, members=False)
    assert len(cluster.asked(requests.GET_CONSUMER_CONNECTION_LIST)) == 2


async def test_who_reads_what_is_asked_every_few_seconds(cluster: FakeCluster, broker: RocketMQBroker) -> None:
    """Every answer takes a thread of a broker for a moment."""
    await owners(broker)
    shared_by(cluster, {FIRST: ON_B, SECOND: ON_A})
    cluster.forget()
    assert (await owners(broker))[FIRST] == OF_A
    assert cluster.asked(requests.GET_CONSUMER_RUNNING_INFO) == []
    later(5)
    assert (await owners(broker))[FIRST] == OF_B


async def test_a_consumer_that_does_not_say(cluster: FakeCluster, broker: RocketMQBroker) -> None:
    """It is a member without partitions, and not asked again for a minute; the others' are known."""
    shared_by(cluster, {FIRST: ON_A, SECOND: None})
    assert await owners(broker) == {FIRST: OF_A, SECOND: frozenset()}
    assert (await group_of(broker)).phase is GroupPhase.STABLE
    cluster.forget()
    later(30)
    await owners(broker)
    assert {frame.fields["clientId"] for frame in cluster.asked(requests.GET_CONSUMER_RUNNING_INFO)} == {FIRST}
    later(31)
    await owners(broker)
    assert SECOND in {frame.fields["clientId"] for frame in cluster.asked(requests.GET_CONSUMER_RUNNING_INFO)}


async def test_queues_that_a_consumer_has_dropped(cluster: FakeCluster, broker: RocketMQBroker) -> None:
    """It still has their messages, and reads no more of them."""
    dropped = '{"brokerName":"broker-a","queueId":0,"topic":"orders"}:{"droped":true}'
    kept = dropped.replace('"queueId":0', '"queueId":1').replace("true", "false")
    cluster.instead = lambda name, request: (
        ok(f'{{"mqTable":{{{dropped},{kept}}}}}') if request.code == requests.GET_CONSUMER_RUNNING_INFO else None
    )
    assert (await owners(broker))[FIRST] == {Partition("orders", 1)}


async def test_queues_that_are_handed_over(cluster: FakeCluster, broker: RocketMQBroker) -> None:
    """A member has gone, and nobody reads its queues yet; also while two read the same ones; until each has just one."""
    await group_of(broker)
    shared_by(cluster, {FIRST: ON_A})
    later(5)
    assert (await group_of(broker)).phase is GroupPhase.REBALANCING
    shared_by(cluster, {FIRST: (*ON_A, *ON_B)})
    later(5)
    assert (await group_of(broker)).phase is GroupPhase.STABLE
    shared_by(cluster, {FIRST: (*ON_A, *ON_B), SECOND: ON_B})
    later(5)
    assert (await group_of(broker)).phase is GroupPhase.REBALANCING


async def test_queues_that_are_never_handed_over(cluster: FakeCluster, broker: RocketMQBroker) -> None:
    """Consumers may leave queues unread on purpose: after half a minute that is how it is."""
    await group_of(broker)
    shared_by(cluster, {FIRST: ON_A})
    later(5)
    assert (await group_of(broker)).phase is GroupPhase.REBALANCING
    later(30)
    assert (await group_of(broker)).phase is GroupPhase.STABLE


async def test_a_group_seen_for_the_first_time(cluster: FakeCluster, broker: RocketMQBroker) -> None:
    """It is not taken for one that has just changed."""
    shared_by(cluster, {FIRST: ON_A})
    assert (await group_of(broker)).phase is GroupPhase.STABLE


async def test_nobody_is_connected(cluster: FakeCluster, broker: RocketMQBroker) -> None:
    """A group that has committed is empty; one that never has is not known."""
    cluster.consumers = {}
    assert await group_of(broker) == Group(GroupPhase.EMPTY)
    assert await group_of(broker, Subscription("never", ("orders",))) == Group(GroupPhase.DEAD)


async def test_a_broker_that_does_not_tell(cluster: FakeCluster, broker: RocketMQBroker) -> None:
    """Where another tells of members, these are they; where none does, it is not known whether there are any."""
    cluster.instead = lambda name, request: (
        refused(2) if (name, request.code) == ("broker-a", requests.GET_CONSUMER_CONNECTION_LIST) else None
    )
    assert set(await owners(broker)) == {FIRST, SECOND}
    cluster.consumers = {}
    reading = await reading_of(broker)
    assert isinstance(reading, Reading)
    assert isinstance(reading.group, Unknown)
    assert reading.group.reason is UnknownReason.TIMEOUT


async def test_malformed_connections(cluster: FakeCluster, broker: RocketMQBroker) -> None:
    """What cannot be read is unknown; the offsets are not."""
    cluster.instead = lambda name, request: (
        ok('{"connectionSet":[1]}') if request.code == requests.GET_CONSUMER_CONNECTION_LIST else None
    )
    reading = await reading_of(broker)
    assert isinstance(reading, Reading)
    assert isinstance(reading.group, Unknown)
    assert reading.group.reason is UnknownReason.BROKER_ERROR
    assert len(reading.partitions) == 4


async def test_broadcast(cluster: FakeCluster, broker: RocketMQBroker) -> None:
    """Each consumer keeps its own offsets: what brokers know is no backlog, and that stays so while nobody is connected."""
    cluster.consumers["billing"] = Consumers({FIRST: ON_A}, model="BROADCASTING")
    for _ in range(2):
        reading = await reading_of(broker, members=False)
        assert isinstance(reading, Unknown)
        assert reading.reason is UnknownReason.UNSUPPORTED
        assert "group billing is in broadcast mode" in reading.detail
        cluster.consumers = {}
        later(10)


SHARED = {
    "as the broker says": Consumers({FIRST: ()}, type="CONSUME_POP"),
    "clients of the proxy": Consumers({"shop-7@100@0@k3j2h1": ()}),
    "as its consumers say": Consumers({FIRST: ON_A}, popping=True),
}


@pytest.mark.parametrize("members", [True, False])
@pytest.mark.parametrize("consumers", SHARED.values(), ids=SHARED)
async def test_pop(cluster: FakeCluster, broker: RocketMQBroker, consumers: Consumers, members: bool) -> None:
    """Consumers share each queue, so that none owns one; that stays known while nobody is connected."""
    cluster.consumers["billing"] = consumers
    reading = await reading_of(broker, members=members)
    assert isinstance(reading, Reading)
    assert reading.competing
    if members:
        assert isinstance(reading.group, Group)
        assert reading.group.phase is GroupPhase.STABLE
        assert [member.partitions for member in reading.group.members] == [frozenset()]
        cluster.consumers["billing"] = replace(consumers, clients={**consumers.clients, SECOND: ()})
        later(5)
        assert (await group_of(broker)).phase is GroupPhase.STABLE
    cluster.consumers = {}
    later(10)
    reading = await reading_of(broker)
    assert isinstance(reading, Reading)
    assert reading.competing


async def test_consumers_by_pop_that_do_not_say_for_a_moment(cluster: FakeCluster, broker: RocketMQBroker) -> None:
    """The group consumes as before, until one of them says something else."""
    says: tuple[tuple[Consumers, bool], ...] = (
        (Consumers({FIRST: ON_A}, popping=True), True),
        (Consumers({FIRST: None}), True),
        (Consumers({FIRST: ON_A}), False),
    )
    for consumers, competing in says:
        cluster.consumers["billing"] = consumers
        later(60)
        reading = await reading_of(broker, members=False)
        assert isinstance(reading, Reading)
        assert reading.competing is competing


async def test_consumers_behind_a_proxy(cluster: FakeCluster, broker: RocketMQBroker) -> None:
    """Where proxies have a topic of their own brokers never hear of their clients: a group may be there, by POP, unseen."""
    cluster.topics["DefaultHeartBeatSyncerTopic"] = {"broker-a": [(0, 9)]}
    cluster.consumers = {}
    reading = await reading_of(broker)
    assert isinstance(reading, Reading)
    assert reading.competing
    assert reading.group == Group(GroupPhase.STABLE)
    assert await group_of(broker, Subscription("never", ("orders",))) == Group(GroupPhase.DEAD)
    shared_by(cluster, {FIRST: ON_A})
    reading = await reading_of(broker)
    assert isinstance(reading, Reading)
    assert not reading.competing
    cluster.consumers = {}
    assert await group_of(broker) == Group(GroupPhase.EMPTY)


async def test_a_proxy_that_comes_later(cluster: FakeCluster, broker: RocketMQBroker) -> None:
    """It is noticed within a minute, and that there is none is not asked in every sweep."""
    cluster.consumers = {}
    assert await group_of(broker) == Group(GroupPhase.EMPTY)
    cluster.topics["DefaultHeartBeatSyncerTopic"] = {"broker-a": [(0, 9)]}
    assert await group_of(broker) == Group(GroupPhase.EMPTY)
    later(60)
    assert await group_of(broker) == Group(GroupPhase.STABLE)


async def test_a_group_that_consumes_in_another_way_now(cluster: FakeCluster, broker: RocketMQBroker) -> None:
    """It is looked at every ten seconds, so that this is noticed."""
    cluster.consumers["billing"] = Consumers({FIRST: ()}, type="CONSUME_POP")
    await reading_of(broker, members=False)
    shared_by(cluster, {FIRST: ON_A})
    later(10)
    reading = await reading_of(broker, members=False)
    assert isinstance(reading, Reading)
    assert not reading.competing


async def test_many_groups_are_not_looked_at_in_one_sweep(cluster: FakeCluster, broker: RocketMQBroker) -> None:
    """After the first look, a tenth of them in each sweep, and in the end all."""
    queries = [Query(Subscription(f"group-{number}", ("orders",))) for number in range(30)]
    await broker.observe(queries)
    later(10)
    looked: set[str] = set()
    for _ in range(10):
        cluster.forget()
        await broker.observe(queries)
        asked = {frame.fields["consumerGroup"] for frame in cluster.asked(requests.GET_CONSUMER_CONNECTION_LIST)}
        assert len(asked) == 3
        looked |= asked
    assert len(looked) == 30
