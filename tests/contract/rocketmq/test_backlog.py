"""Backlogs on real servers are those that mqadmin shows; what is missing, away, hidden or of another kind is told apart."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from floodwarden.brokers.base import BrokerError
from floodwarden.brokers.rocketmq import RocketMQBroker, RocketMQSettings, Security
from floodwarden.core.observation import (
    Group,
    GroupPhase,
    Offsets,
    Partition,
    Query,
    Reading,
    Snapshot,
    Subscription,
    Unknown,
    UnknownReason,
)
from tests.contract.cluster.eventually import eventually
from tests.contract.rocketmq.conftest import Connect
from tests.contract.rocketmq.real_rocketmq import RealRocketMQ


def sweeping(broker: RocketMQBroker, *subscriptions: Subscription, members: bool = False) -> Callable[[], Awaitable[Snapshot]]:
    """One sweep after the other, for ``eventually``."""
    return lambda: broker.observe([Query(subscription, members) for subscription in subscriptions])


def reading_of(snapshot: Snapshot, subscription: Subscription) -> Reading:
    """The reading of a subscription, which must be known."""
    reading = snapshot.readings[subscription]
    assert isinstance(reading, Reading), reading
    return reading


def group_of(snapshot: Snapshot, subscription: Subscription) -> Group:
    """The group of a subscription, which must be known."""
    group = reading_of(snapshot, subscription).group
    assert isinstance(group, Group), group
    return group


def unknown(snapshot: Snapshot, subscription: Subscription) -> set[UnknownReason]:
    """Why partitions of a subscription are not known."""
    return {one.reason for one in reading_of(snapshot, subscription).partitions.values() if isinstance(one, Unknown)}


async def test_agrees_with_mqadmin(rocketmq: RealRocketMQ, broker: RocketMQBroker, group: str) -> None:
    """Offsets of queues and groups are those that topicStatus and consumerProgress print; the retry topic is one of them."""
    topic = rocketmq.topic(queues=4)
    rocketmq.produce(topic, {0: 5, 1: 3, 3: 1})
    rocketmq.commit(group, topic, {0: 2, 1: 3, 2: 0, 3: 0})
    consumer = await rocketmq.join(group, topic, "127.0.0.1@1#1", range(4))
    retry = f"%RETRY%{group}"
    rocketmq.commit(group, retry, {0: 0})
    subscription = Subscription(group)
    look = sweeping(broker, subscription)
    snapshot = await eventually(look, lambda seen: not unknown(seen, subscription))
    ours = reading_of(snapshot, subscription).partitions
    status = {row[1]: (int(row[2]), int(row[3])) for row in rocketmq.rows("topicStatus", "-t", topic)}
    assert {str(number): one[:2] for (name, number), one in ours.items() if name == topic} == status  # type: ignore[index]
    shown = rocketmq.rows("consumerProgress", "-g", group)
    theirs = {Partition(row[0], int(row[2])): (int(row[3]), int(row[4])) for row in shown}
    read = {partition: (one.end, one.committed) for partition, one in ours.items() if isinstance(one, Offsets)}
    # mqadmin of 4.9 prints the retry topic too.
    assert theirs.items() <= read.items()
    assert read.keys() - theirs.keys() <= {Partition(retry, 0)}
    assert Partition(retry, 0) in read
    assert snapshot.version == rocketmq.version
    await consumer.leave()


async def test_never_committed_is_not_idle(rocketmq: RealRocketMQ, broker: RocketMQBroker, group: str) -> None:
    """mqadmin shows 0 for both; where it was committed all is before the group, else that is not known."""
    topic = rocketmq.topic(queues=2)
    rocketmq.produce(topic, {0: 3})
    idle, never = Subscription(group, (topic,)), Subscription(f"{group}-never", (topic,))
    rocketmq.commit(group, topic, {0: 0})
    snapshot = await eventually(
        sweeping(broker, idle, never), lambda seen: not unknown(seen, idle) and len(reading_of(seen, idle).partitions) == 2
    )
    assert reading_of(snapshot, idle).partitions == {
        Partition(topic, 0): Offsets(0, 3, 0),
        Partition(topic, 1): Offsets(0, 0, None),
    }
    assert reading_of(snapshot, never).partitions[Partition(topic, 0)] == Offsets(0, 3, None)


async def test_topics_that_come_go_and_grow(rocketmq: RealRocketMQ, broker: RocketMQBroker, group: str) -> None:
    """A missing topic is named beside a present one; new queues come behind; a deleted topic is missing."""
    topic = rocketmq.topic(queues=2)
    subscription = Subscription(group, (topic, "no-such-topic"))
    look = sweeping(broker, subscription)
    snapshot = await eventually(look, lambda seen: len(reading_of(seen, subscription).partitions) == 2)
    assert reading_of(snapshot, subscription).missing_topics == {"no-such-topic"}
    rocketmq.grow(topic, 3)
    rocketmq.produce(topic, {2: 4})
    await eventually(look, lambda seen: reading_of(seen, subscription).partitions.get(Partition(topic, 2)) == Offsets(0, 4, None))
    rocketmq.mqadmin("deleteTopic", "-c", rocketmq.facts["cluster"], "-t", topic)
    await eventually(look, lambda seen: reading_of(seen, subscription).missing_topics == {topic, "no-such-topic"})


async def test_members_and_what_they_own(rocketmq: RealRocketMQ, broker: RocketMQBroker, group: str) -> None:
    """The broker passes on what each consumer says that it reads; one leaves, then the other."""
    topic = rocketmq.topic(queues=4)
    rocketmq.commit(group, topic, {0: 0})
    subscription = Subscription(group, (topic,))
    look = sweeping(broker, subscription, members=True)

    def shared(phase: GroupPhase, **sizes: int) -> Callable[[Snapshot], bool]:
        def holds(snapshot: Snapshot) -> bool:
            seen = group_of(snapshot, subscription)
            return seen.phase is phase and {member.client_id[-1]: len(member.partitions) for member in seen.members} == sizes

        return holds

    first = await rocketmq.join(group, topic, "127.0.0.1@1#a", (0, 1))
    second = await rocketmq.join(group, topic, "127.0.0.1@2#b", (2, 3))
    snapshot = await eventually(look, shared(GroupPhase.STABLE, a=2, b=2), within=40)
    assert {member.host for member in group_of(snapshot, subscription).members} == {"127.0.0.1"}
    assert not reading_of(snapshot, subscription).competing
    await second.leave()
    await eventually(look, shared(GroupPhase.REBALANCING, a=2))
    first.queues = range(4)
    await eventually(look, shared(GroupPhase.STABLE, a=4))
    await first.leave()
    await eventually(look, shared(GroupPhase.EMPTY))
    never = Subscription(f"{group}-never", (topic,))
    assert group_of(await sweeping(broker, never, members=True)(), never).phase is GroupPhase.DEAD


async def test_broadcast(rocketmq: RealRocketMQ, broker: RocketMQBroker, group: str) -> None:
    """A group whose consumers keep their own offsets has no backlog that brokers know."""
    topic = rocketmq.topic(queues=1)
    consumer = await rocketmq.join(group, topic, "127.0.0.1@1#a", (0,), model="BROADCASTING")
    subscription = Subscription(group, (topic,))
    snapshot = await sweeping(broker, subscription)()
    reading = snapshot.readings[subscription]
    assert isinstance(reading, Unknown)
    assert reading.reason is UnknownReason.UNSUPPORTED
    await consumer.leave()


async def test_pop(rocketmq: RealRocketMQ, broker: RocketMQBroker, group: str) -> None:
    """A group of clients of a proxy within the broker shares its queues."""
    topic = rocketmq.topic(queues=1)
    consumer = await rocketmq.join(group, topic, "shop-7@100@0@k3j2h1", None)
    subscription = Subscription(group, (topic,))
    snapshot = await sweeping(broker, subscription, members=True)()
    assert reading_of(snapshot, subscription).competing
    assert len(group_of(snapshot, subscription).members) == 1
    await consumer.leave()


async def test_a_group_that_no_broker_hears_of(rocketmq: RealRocketMQ, broker: RocketMQBroker, group: str) -> None:
    """Beside a proxy of its own it may have clients there, who share its queues; where there is none, it has none."""
    topic = rocketmq.topic(queues=1)
    rocketmq.commit(group, topic, {0: 0})
    subscription = Subscription(group, (topic,))
    snapshot = await sweeping(broker, subscription, members=True)()
    proxy = rocketmq.facts["proxy"] is not None
    assert reading_of(snapshot, subscription).competing is proxy
    assert group_of(snapshot, subscription) == Group(GroupPhase.STABLE if proxy else GroupPhase.EMPTY)


async def test_a_master_that_is_killed(rocketmq: RealRocketMQ, broker: RocketMQBroker, group: str) -> None:
    """Its queues are unknown, never gone, whatever the slave and the name server say; then all is as before."""
    topic = rocketmq.topic(queues=2)
    rocketmq.produce(topic, {0: 3})
    rocketmq.commit(group, topic, {0: 1})
    subscription = Subscription(group, (topic,))
    look = sweeping(broker, subscription)
    before = await eventually(look, lambda seen: not unknown(seen, subscription) and not seen.unreachable)
    rocketmq.servers.stop("master", kill=True)

    async def in_vain() -> str:
        """What the sweep is refused with, or what is not known in it."""
        try:
            snapshot = await look()
        except BrokerError as error:
            return error.reason
        assert reading_of(snapshot, subscription).missing_topics == frozenset()
        assert set(reading_of(snapshot, subscription).partitions) == set(reading_of(before, subscription).partitions)
        return ",".join(unknown(snapshot, subscription))

    said = await eventually(in_vain, bool)
    assert said in (UnknownReason.BROKER_UNREACHABLE, UnknownReason.NO_LEADER)
    await eventually(in_vain, lambda said: said == UnknownReason.NO_LEADER, within=60)
    rocketmq.servers.start("master")
    # Brokers write commits to disk every five seconds: consumers commit again.
    rocketmq.commit(group, topic, {0: 1})
    await eventually(look, lambda seen: seen.readings == before.readings and not seen.unreachable, within=60)


async def test_a_name_server_that_is_gone(rocketmq: RealRocketMQ, broker: RocketMQBroker, group: str) -> None:
    """What was known stays known: brokers are read on."""
    topic = rocketmq.topic(queues=1)
    subscription = Subscription(group, (topic,))
    look = sweeping(broker, subscription)
    before = await eventually(look, lambda seen: not unknown(seen, subscription))
    rocketmq.servers.stop("namesrv", kill=True)
    rocketmq.produce(topic, {0: 2})
    after = await look()
    rocketmq.servers.start("namesrv")
    assert reading_of(before, subscription).partitions == {Partition(topic, 0): Offsets(0, 0, None)}
    assert reading_of(after, subscription).partitions == {Partition(topic, 0): Offsets(0, 2, None)}


async def test_tls(rocketmq: RealRocketMQ, connect: Connect) -> None:
    """Every port takes TLS as well."""
    snapshot = await connect(rocketmq, Security(encrypted=True, ca=rocketmq.ca)).observe([])
    assert snapshot.version == rocketmq.version
    assert snapshot.unreachable == ()


async def test_acls(guarded: RealRocketMQ, connect: Connect, group: str) -> None:
    """With the right secret all is read; with a wrong one, or none, the error says what to correct."""
    topic = guarded.topic(queues=1)
    guarded.produce(topic, {0: 2})
    guarded.commit(group, topic, {0: 1})
    subscription = Subscription(group, (topic,))
    snapshot = await eventually(
        sweeping(connect(guarded, guarded.security()), subscription), lambda seen: not unknown(seen, subscription)
    )
    assert reading_of(snapshot, subscription).partitions == {Partition(topic, 0): Offsets(0, 2, 1)}
    for security in (guarded.security(secret_key="wrong"), guarded.security(access_key="mallory"), None):
        with pytest.raises(BrokerError, match="aclSecretRef") as found:
            await sweeping(connect(guarded, security), subscription)()
        assert found.value.reason is UnknownReason.AUTHENTICATION_FAILED


async def test_two_ways_to_the_same_brokers_are_known(rocketmq: RealRocketMQ, broker: RocketMQBroker) -> None:
    """By the first address that mqadmin lists, for sweeps and audits alike."""
    settings = RocketMQSettings(rocketmq.name_servers)
    try:
        rows = [row for row in rocketmq.rows("clusterList") if ":" in " ".join(row)]
        first = min(address for row in rows for address in row if address.startswith("127.0.0.1:"))
        told = (await broker.observe([])).cluster
        assert told == f"{rocketmq.facts['broker_name']} {first}"
        assert (await settings.survey(lambda topic: True)).cluster == told
    finally:
        await settings.close()


async def test_a_proxy_is_no_name_server(rocketmq: RealRocketMQ) -> None:
    """It tells routes with itself in the brokers' place; nothing of that is taken for a broker's word. 4.9 has none."""
    if rocketmq.version.startswith("4"):
        return
    proxy = rocketmq.facts["proxy"]["remoting"]
    alone = RocketMQBroker([proxy])
    try:
        with pytest.raises(BrokerError, match="is no name server, but a broker or a proxy") as found:
            await alone.observe([])
        assert found.value.reason is UnknownReason.UNSUPPORTED
    finally:
        await alone.close()
