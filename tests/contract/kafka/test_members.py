"""Groups of real consumers: phase, members and what each owns, in the classic protocol and in the new one (KIP-848).

The new protocol is served from Kafka 4.0 on; what is read where it is not has a test of its own.
"""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from confluent_kafka import Consumer

from floodwarden.brokers.kafka import KafkaBroker
from floodwarden.core.observation import GroupPhase, Partition, Query, Snapshot, Subscription
from tests.contract.cluster.eventually import eventually
from tests.contract.kafka.looking import group_of, sweeping
from tests.contract.kafka.real_kafka import RealKafka, hack_brokers


class Consumers:
    """Real consumers of one group, kept alive by polling."""

    def __init__(self, kafka: RealKafka, protocol: str) -> None:
        self._settings = {"bootstrap.servers": ",".join(kafka.bootstrap), "group.protocol": protocol}
        if protocol == "classic":
            self._settings["session.timeout.ms"] = "6000"
        self._running: dict[str, Consumer] = {}

    def join(self, group: str, topic: str, client: str) -> None:
        """Start a consumer."""
        consumer = Consumer({**self._settings, "group.id": group, "client.id": client})
        consumer.subscribe([topic])
        self._running[client] = consumer

    async def leave(self, client: str) -> None:
        """End a consumer in order."""
        await asyncio.to_thread(self._running.pop(client).close)

    def polling(self, look: Callable[[], Awaitable[Snapshot]]) -> Callable[[], Awaitable[Snapshot]]:
        """Lets every consumer do its part of a rebalance before each look."""

        async def polled() -> Snapshot:
            for consumer in self._running.values():
                await asyncio.to_thread(consumer.poll, 0.05)
            return await look()

        return polled

    async def close(self) -> None:
        """End those that still run."""
        for client in list(self._running):
            await self.leave(client)


@pytest.fixture
async def consumers(kafka: RealKafka) -> AsyncIterator[Consumers]:
    """Consumers that speak the classic protocol."""
    consumers = Consumers(kafka, "classic")
    yield consumers
    await consumers.close()


@pytest.fixture
async def modern_consumers(kafka: RealKafka) -> AsyncIterator[Consumers]:
    """Consumers that speak the new protocol."""
    consumers = Consumers(kafka, "consumer")
    yield consumers
    await consumers.close()


async def test_members_and_what_they_own(kafka: RealKafka, broker: KafkaBroker, consumers: Consumers, group: str) -> None:
    """In the classic protocol: two members share the partitions; one leaves, and the other owns all; both, and nobody is left."""
    await see_members_come_and_go(kafka, broker, consumers, group)


@pytest.mark.parametrize("kafka", ["4.3"], indirect=True)
async def test_members_in_the_new_protocol(
    kafka: RealKafka, broker: KafkaBroker, modern_consumers: Consumers, group: str
) -> None:
    """The same of a group that speaks the new protocol."""
    await see_members_come_and_go(kafka, broker, modern_consumers, group)


@pytest.mark.parametrize("kafka", ["3.9"], indirect=True)
async def test_where_the_new_protocol_is_not_served(kafka: RealKafka, broker: KafkaBroker, group: str) -> None:
    """Kafka's own consumer that insists on the new protocol is refused: its group never was. A classic one beside it is read."""
    topic = kafka.topic(partitions=1)
    refused, served = Subscription(group, (topic,)), Subscription(f"{group}-classic", (topic,))
    kafka.commit(served.group, topic, {0: 0})
    insisting = ["--topic", topic, "--group", refused.group, "--consumer-property", "group.protocol=consumer"]
    tool = ("tool", "kafka", "kafka-console-consumer", *insisting)
    said = hack_brokers(kafka.set.version, kafka.set.instance, *tool, stderr=subprocess.PIPE).stderr
    assert "UNSUPPORTED_VERSION" in said
    snapshot = await broker.observe([Query(refused, members=True), Query(served, members=True)])
    assert group_of(snapshot, refused).phase is GroupPhase.DEAD
    assert group_of(snapshot, served).phase is GroupPhase.EMPTY


async def see_members_come_and_go(kafka: RealKafka, broker: KafkaBroker, consumers: Consumers, group: str) -> None:
    """Two members share the partitions; when one leaves the other owns all; when both are gone the group is empty."""
    topic = kafka.topic(partitions=4)
    every = {Partition(topic, number) for number in range(4)}
    subscription = Subscription(group, (topic,))
    look = consumers.polling(sweeping(broker, Query(subscription, members=True)))

    def shared(**sizes: int) -> Callable[[Snapshot], bool]:
        """Each of these clients, and nobody else, owns so many partitions; together they own every one once."""

        def holds(snapshot: Snapshot) -> bool:
            members = group_of(snapshot, subscription).members
            owned = [partition for member in members for partition in member.partitions]
            return {member.client_id: len(member.partitions) for member in members} == sizes and set(owned) == every

        return holds

    consumers.join(group, topic, "first")
    consumers.join(group, topic, "second")
    snapshot = await eventually(look, shared(first=2, second=2), within=40)
    assert {member.host for member in group_of(snapshot, subscription).members} == {"127.0.0.1"}
    await eventually(look, lambda seen: group_of(seen, subscription).phase is GroupPhase.STABLE)
    await consumers.leave("first")
    await eventually(look, shared(second=4), within=40)
    await consumers.leave("second")
    snapshot = await eventually(look, lambda seen: group_of(seen, subscription).phase is GroupPhase.EMPTY)
    assert group_of(snapshot, subscription).members == ()


async def test_a_group_nobody_knows(kafka: RealKafka, broker: KafkaBroker, group: str) -> None:
    """A group that never was is dead, not an error; one with commits only is empty."""
    topic = kafka.topic(partitions=1)
    unknown, idle = Subscription(group, (topic,)), Subscription(f"{group}-idle", (topic,))
    kafka.commit(idle.group, topic, {0: 0})
    snapshot = await broker.observe([Query(unknown, members=True), Query(idle, members=True)])
    assert group_of(snapshot, unknown).phase is GroupPhase.DEAD
    assert group_of(snapshot, idle).phase is GroupPhase.EMPTY
