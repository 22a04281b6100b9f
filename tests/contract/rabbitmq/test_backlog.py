"""Positions are those that RabbitMQ's own tool shows and real clients made; what leaves unread, or comes back, is told apart."""

from __future__ import annotations

import json
import time
from itertools import pairwise

import pytest

from floodwarden.brokers.rabbitmq import RabbitBroker, adapter
from floodwarden.core.observation import Offsets, Reading, Snapshot, Unknown, UnknownReason
from tests.contract.cluster.eventually import eventually
from tests.contract.rabbitmq.looking import at, found_of, lag_of, reading_of, sweeping, watching
from tests.contract.rabbitmq.real_rabbit import KINDS, RealRabbit

# Queue, channel and node each tell every five seconds what they counted.
TOLD = 30.0
INTERVAL = 5.0


@pytest.mark.parametrize("kind", KINDS)
async def test_agrees_with_rabbitmqs_own_tool(rabbit: RealRabbit, broker: RabbitBroker, kind: str) -> None:
    """Lag is ready and unacknowledged, as rabbitmqctl lists them, and the position is what was acknowledged."""
    queue = rabbit.queue(kind)
    rabbit.publish(queue, 11)
    with rabbit.consumed(queue, 4), rabbit.channel(1) as channel:
        for _ in range(2):
            assert channel.basic_get(queue)[0] is not None
        await eventually(sweeping(broker, watching(queue)), at(queue, committed=4, lag=7), within=TOLD)
        listed = rabbit.listed(queue, "messages", "messages_ready", "messages_unacknowledged")
        assert (listed["messages"], listed["messages_ready"], listed["messages_unacknowledged"]) == (7, 5, 2)


async def test_what_is_handed_over_without_acknowledgement(rabbit: RealRabbit, broker: RabbitBroker) -> None:
    """To consumers and to those who fetch, it is as good as acknowledged; what is fetched and given back is not."""
    queue = rabbit.queue("classic")
    rabbit.publish(queue, 10)
    look = sweeping(broker, watching(queue))
    with rabbit.channel() as channel:
        channel.basic_get(queue, auto_ack=True)
        taken, back = channel.basic_get(queue)[0], channel.basic_get(queue)[0]
        assert taken is not None
        assert back is not None
        channel.basic_ack(taken.delivery_tag)
        channel.basic_nack(back.delivery_tag, requeue=True)
        await eventually(look, at(queue, committed=2, lag=8), within=TOLD)
    with rabbit.consumed(queue, 3, acknowledge=False):
        # A consumer that acknowledges nothing is sent as much as it can take before it leaves.
        left = rabbit.listed(queue, "messages")["messages"]
        assert left <= 5
        await eventually(look, at(queue, committed=10 - left, lag=left), within=TOLD)


async def test_a_queue_at_rest(rabbit: RealRabbit, broker: RabbitBroker) -> None:
    """Its reading is the same object until the broker has looked again, and then a later one with the same positions."""
    queue = rabbit.queue()
    rabbit.publish(queue, 5)
    look = sweeping(broker, watching(queue))
    first = reading_of(await eventually(look, at(queue, committed=0, lag=5), within=TOLD), queue)
    assert first.taken is not None
    taken = first.taken

    def later(snapshot: Snapshot) -> bool:
        reading = reading_of(snapshot, queue)
        assert reading.partitions == first.partitions
        assert (reading is first) == (reading.taken == taken)
        return reading is not first

    second = reading_of(await eventually(look, later, within=TOLD), queue)
    assert second.taken is not None
    assert second.taken - taken > 0.5


async def test_traffic(rabbit: RealRabbit, broker: RabbitBroker) -> None:
    """While messages come and go, every reading holds for some seconds, and what it says grows only."""
    queue = rabbit.queue()
    readings: list[Reading] = []
    with rabbit.channel() as producer, rabbit.channel(1) as consumer:
        look = sweeping(broker, watching(queue))

        async def work() -> Snapshot:
            for _ in range(5):
                producer.basic_publish("", queue, b"x")
                taken = consumer.basic_get(queue)[0]
                if taken is not None:
                    consumer.basic_ack(taken.delivery_tag)
            return await look()

        def fifth(snapshot: Snapshot) -> bool:
            reading = reading_of(snapshot, queue)
            if isinstance(found_of(snapshot, queue), Offsets) and (not readings or readings[-1] is not reading):
                readings.append(reading)
            return len(readings) == 5

        await eventually(work, fifth, within=60)
    taken = [reading.taken for reading in readings if reading.taken is not None]
    assert all(after - before > 1 for before, after in pairwise(taken[1:])), taken
    committed = [
        found.committed or 0 for reading in readings for found in reading.partitions.values() if isinstance(found, Offsets)
    ]
    assert committed == sorted(committed)
    assert committed[-1] > committed[0]
    assert {reading.incarnations[queue] for reading in readings} == {"0"}


@pytest.mark.parametrize("kind", KINDS)
async def test_a_rise_is_seen_within_a_statistics_interval(rabbit: RealRabbit, broker: RabbitBroker, kind: str) -> None:
    """From the first message on, and no older length comes after it; in the end it is what rabbitmqctl lists."""
    queue = rabbit.queue(kind)
    look = sweeping(broker, watching(queue))
    await eventually(look, at(queue, committed=0, lag=0), within=TOLD)
    began = time.monotonic()
    rabbit.publish(queue, 60)
    await eventually(look, lambda seen: (lag_of(seen, queue) or 0) > 50, within=TOLD)
    assert time.monotonic() - began < INTERVAL + 2
    lags: list[int | None] = []

    async def again() -> Snapshot:
        snapshot = await look()
        lags.append(lag_of(snapshot, queue))
        return snapshot

    await eventually(again, lambda _: time.monotonic() - began > 3 * INTERVAL, within=TOLD)
    assert all((lag or 0) > 50 for lag in lags)
    assert lags[-1] == rabbit.listed(queue, "messages")["messages"] == 60


@pytest.mark.parametrize("kind", KINDS)
async def test_purged(rabbit: RealRabbit, broker: RabbitBroker, kind: str) -> None:
    """The lag is gone, and nobody consumed anything."""
    queue = rabbit.queue(kind)
    rabbit.publish(queue, 9)
    look = sweeping(broker, watching(queue))
    with rabbit.consumed(queue, 2):
        before = await eventually(look, at(queue, committed=2, lag=7), within=TOLD)
    rabbit.purge(queue)
    after = await eventually(look, at(queue, committed=2, lag=0), within=TOLD)
    assert reading_of(after, queue).incarnations == reading_of(before, queue).incarnations


async def test_expired(rabbit: RealRabbit, broker: RabbitBroker) -> None:
    """Messages that nobody read in time are no consumption either."""
    queue = rabbit.queue("classic", x_message_ttl=15_000)
    rabbit.publish(queue, 9)
    look = sweeping(broker, watching(queue))
    await eventually(look, at(queue, committed=0, lag=9), within=TOLD)
    await eventually(look, at(queue, committed=0, lag=0), within=TOLD + 15)


@pytest.mark.parametrize("kind", KINDS)
async def test_declared_again(rabbit: RealRabbit, broker: RabbitBroker, kind: str) -> None:
    """A queue that is deleted is missing at once, and another one when it is declared again."""
    queue = rabbit.queue(kind)
    rabbit.publish(queue, 9)
    look = sweeping(broker, watching(queue))
    with rabbit.consumed(queue, 5):
        before = await eventually(look, at(queue, committed=5, lag=4), within=TOLD)
    rabbit.delete(queue)
    missing = await eventually(look, lambda seen: found_of(seen, queue) is None)
    assert reading_of(missing, queue).missing_topics == {queue}
    rabbit.queue(kind, name=queue)
    rabbit.publish(queue, 3)
    after = await eventually(look, at(queue, committed=0, lag=3), within=TOLD)
    assert reading_of(after, queue).incarnations != reading_of(before, queue).incarnations


async def test_declared_again_between_two_looks(rabbit: RealRabbit, broker: RabbitBroker) -> None:
    """Where it was never seen missing, its counters tell."""
    queue = rabbit.queue()
    rabbit.publish(queue, 9)
    look = sweeping(broker, watching(queue))
    with rabbit.consumed(queue, 5):
        before = await eventually(look, at(queue, committed=5, lag=4), within=TOLD)
    rabbit.delete(queue)
    rabbit.queue(name=queue)
    after = await eventually(look, at(queue, committed=0, lag=0), within=TOLD)
    assert reading_of(after, queue).incarnations != reading_of(before, queue).incarnations


async def test_streams(rabbit: RealRabbit, broker: RabbitBroker) -> None:
    """One is not missing, and not watched: what its consumers have processed is told nowhere."""
    queue = rabbit.queue("stream")
    snapshot = await broker.observe([watching(queue)])
    found = found_of(snapshot, queue)
    assert isinstance(found, Unknown)
    assert found.reason is UnknownReason.UNSUPPORTED
    assert "is a stream" in found.detail
    assert not reading_of(snapshot, queue).competing


async def test_super_streams(rabbit: RealRabbit, broker: RabbitBroker) -> None:
    """The same, with a partition for each stream that rabbitmqctl finds bound to it: no more replicas than that have work."""
    streams = [rabbit.queue("stream") for _ in range(3)]
    name = f"super-{streams[0]}"
    with rabbit.channel() as channel:
        channel.exchange_declare(name, "direct", durable=True, arguments={"x-super-stream": True})
        for number, queue in enumerate(streams):
            channel.queue_bind(queue, name, str(number), {"x-stream-partition-order": number})
    printed = rabbit.tool("rabbitmqctl", "list_bindings", "--quiet", "--formatter", "json", "source_name", "destination_name")
    bound = {one["destination_name"] for one in json.loads(printed) if one["source_name"] == name}
    assert bound == set(streams)
    reading = reading_of(await broker.observe([watching(name)]), name)
    assert {partition.topic for partition in reading.partitions} == bound
    assert {type(found) for found in reading.partitions.values()} == {Unknown}
    assert not reading.competing
    assert not reading.missing_topics


async def test_requests_do_not_grow_with_queues(
    rabbit: RealRabbit, broker: RabbitBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sweep over 20 queues costs as many requests as one over one, and no more than five."""
    monkeypatch.setattr(adapter, "COUNTING_SHARE", 0.0)
    queues = [rabbit.queue("classic") for _ in range(20)]
    first = await broker.observe([watching(queue, members=True) for queue in queues])
    assert first.requests <= 5
    many = await broker.observe([watching(queue, members=True) for queue in queues])
    few = await broker.observe([watching(queues[0], members=True)])
    assert many.requests == few.requests == 3
    # A queue that was just declared has no statistics yet, and none of these was ever used.
    seen = await eventually(
        sweeping(broker, *map(watching, queues)), lambda snapshot: all(lag_of(snapshot, one) == 0 for one in queues), within=TOLD
    )
    assert seen.unreachable == ()
