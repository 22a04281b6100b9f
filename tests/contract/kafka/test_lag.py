"""Offsets are those that Kafka's own tool shows; what is missing, new, gone or re-created is told apart and never lag 0."""

from __future__ import annotations

import json
from pathlib import Path

from floodwarden.brokers.kafka import KafkaBroker
from floodwarden.core.observation import Offsets, Partition, Query, Subscription
from tests.contract.cluster.eventually import eventually
from tests.contract.kafka.conftest import Connect
from tests.contract.kafka.looking import offsets_of, reading_of, settled, sweeping
from tests.contract.kafka.real_kafka import NODES, RealKafka
from tests.contract.kafka.real_transactions import Transaction


async def test_agrees_with_kafkas_own_tool(kafka: RealKafka, broker: KafkaBroker, group: str) -> None:
    """Committed offset, log end and lag are what kafka-consumer-groups prints."""
    topic = kafka.topic(partitions=3)
    kafka.produce(topic, {0: 11, 1: 5, 2: 1})
    kafka.commit(group, topic, {0: 4, 1: 5, 2: 0})
    subscription = Subscription(group)
    ours = offsets_of(await eventually(sweeping(broker, Query(subscription)), settled), subscription)
    printed = kafka.tool("kafka-consumer-groups", "--describe", "--group", group, "--offsets")
    rows = [line.split() for line in printed.splitlines() if line.startswith(group)]
    theirs = {Partition(row[1], int(row[2])): (int(row[3]), int(row[4]), int(row[5])) for row in rows}
    assert {
        partition: (found.committed, found.end, found.end - (found.committed or 0)) for partition, found in ours.items()
    } == theirs


async def test_a_group_that_never_committed(kafka: RealKafka, broker: KafkaBroker, group: str) -> None:
    """For topics it names every partition is there, with no commit; without named topics there is nothing to read."""
    topic = kafka.topic(partitions=2)
    kafka.produce(topic, {0: 3})
    named, unnamed = Subscription(group, (topic,)), Subscription(group)
    snapshot = await eventually(sweeping(broker, Query(named), Query(unnamed)), settled)
    assert offsets_of(snapshot, named) == {Partition(topic, 0): Offsets(0, 3, None), Partition(topic, 1): Offsets(0, 0, None)}
    assert reading_of(snapshot, unnamed).partitions == {}


async def test_a_partial_commit(kafka: RealKafka, broker: KafkaBroker, group: str) -> None:
    """Partitions without a commit are shown so, beside those with one, also where the topics are not named."""
    topic = kafka.topic(partitions=3)
    kafka.produce(topic, {0: 3, 2: 4})
    kafka.commit(group, topic, {2: 1})
    subscription = Subscription(group)
    found = offsets_of(await eventually(sweeping(broker, Query(subscription)), settled), subscription)
    assert found == {
        Partition(topic, 0): Offsets(0, 3, None),
        Partition(topic, 1): Offsets(0, 0, None),
        Partition(topic, 2): Offsets(0, 4, 1),
    }


async def test_a_missing_topic_beside_a_present_one(kafka: RealKafka, broker: KafkaBroker, group: str) -> None:
    """A topic that does not exist is named, and does not spoil the other."""
    topic = kafka.topic(partitions=1)
    subscription = Subscription(group, (topic, "no-such-topic"))
    # Not every node has heard of the new topic yet.
    look = sweeping(broker, Query(subscription))
    snapshot = await eventually(look, lambda seen: reading_of(seen, subscription).missing_topics == {"no-such-topic"})
    assert set(reading_of(snapshot, subscription).partitions) == {Partition(topic, 0)}


async def test_a_deleted_topic(kafka: RealKafka, broker: KafkaBroker, group: str) -> None:
    """A topic deleted between sweeps becomes missing; the group's other topic stays known all the while."""
    kept, deleted = kafka.topic(partitions=1), kafka.topic(partitions=1)
    kafka.commit(group, kept, {0: 0})
    kafka.commit(group, deleted, {0: 0})
    named, unnamed = Subscription(group, (kept, deleted)), Subscription(group)
    look = sweeping(broker, Query(named), Query(unnamed))
    assert settled(await eventually(look, settled))
    kafka.delete_topic(deleted)
    snapshot = await eventually(look, lambda seen: bool(reading_of(seen, named).missing_topics))
    assert reading_of(snapshot, named).missing_topics == {deleted}
    assert reading_of(snapshot, named).partitions == {Partition(kept, 0): Offsets(0, 0, 0)}
    # The coordinator drops the offsets of a deleted topic in its own time.
    snapshot = await eventually(look, lambda seen: set(reading_of(seen, unnamed).partitions) == {Partition(kept, 0)})
    assert settled(snapshot)


async def test_a_topic_created_again(kafka: RealKafka, broker: KafkaBroker, group: str) -> None:
    """Offsets of the new incarnation never come with the id of the old one where they went back."""
    topic = kafka.topic(partitions=1)
    kafka.produce(topic, {0: 10})
    subscription = Subscription(group, (topic,))
    look = sweeping(broker, Query(subscription))
    before = reading_of(await eventually(look, settled), subscription).incarnations[topic]
    kafka.delete_topic(topic)
    kafka.topic(partitions=1, name=topic)
    kafka.produce(topic, {0: 2})
    found = reading_of(await eventually(look, settled), subscription)
    assert found.partitions == {Partition(topic, 0): Offsets(0, 2, None)}
    assert found.incarnations[topic] != before


async def test_a_topic_created_again_and_filled_further(kafka: RealKafka, broker: KafkaBroker, group: str) -> None:
    """Also where the new log has grown past the old one the new incarnation shows, within seconds."""
    topic = kafka.topic(partitions=1)
    kafka.produce(topic, {0: 2})
    subscription = Subscription(group, (topic,))
    look = sweeping(broker, Query(subscription))
    before = reading_of(await eventually(look, settled), subscription).incarnations[topic]
    kafka.delete_topic(topic)
    kafka.topic(partitions=1, name=topic)
    kafka.produce(topic, {0: 9})
    await eventually(look, lambda seen: reading_of(seen, subscription).incarnations.get(topic, before) != before)


async def test_partitions_added(kafka: RealKafka, broker: KafkaBroker, group: str) -> None:
    """New partitions appear by themselves, without a commit and with their own log."""
    topic = kafka.topic(partitions=1)
    kafka.commit(group, topic, {0: 0})
    subscription = Subscription(group)
    look = sweeping(broker, Query(subscription))
    await eventually(look, settled)
    kafka.grow(topic, 3)
    kafka.produce(topic, {2: 4})
    snapshot = await eventually(look, lambda seen: len(reading_of(seen, subscription).partitions) == 3)
    assert offsets_of(await eventually(look, settled), subscription)[Partition(topic, 2)] == Offsets(0, 4, None)
    assert snapshot.unreachable == ()


async def test_committed_below_the_log_start(kafka: RealKafka, broker: KafkaBroker, group: str, tmp_path: Path) -> None:
    """Messages deleted before they were read: the log start passes the committed offset, and both are shown."""
    topic = kafka.topic(partitions=1)
    kafka.produce(topic, {0: 9})
    kafka.commit(group, topic, {0: 2})
    subscription = Subscription(group)
    look = sweeping(broker, Query(subscription))
    assert offsets_of(await eventually(look, settled), subscription) == {Partition(topic, 0): Offsets(0, 9, 2)}
    wanted = tmp_path / "delete.json"
    wanted.write_text(json.dumps({"version": 1, "partitions": [{"topic": topic, "partition": 0, "offset": 5}]}))
    kafka.tool("kafka-delete-records", "--offset-json-file", str(wanted))
    await eventually(look, lambda seen: offsets_of(seen, subscription) == {Partition(topic, 0): Offsets(5, 9, 2)})


async def test_an_open_transaction_holds_the_last_stable_offset(kafka: RealKafka, broker: KafkaBroker, group: str) -> None:
    """Told where it is asked for: where the transaction begins as long as it is open, then the end; else it is not read."""
    topic = kafka.topic(partitions=2)
    kafka.produce(topic, {0: 4, 1: 3})
    kafka.commit(group, topic, {0: 4, 1: 1})
    subscription = Subscription(group)
    look = sweeping(broker, Query(subscription, stable=True))
    with Transaction(kafka, topic, 0) as transaction:
        kafka.produce(topic, {0: 2})
        seen = offsets_of(await eventually(look, settled), subscription)
        assert seen == {Partition(topic, 0): Offsets(0, 7, 4, 4), Partition(topic, 1): Offsets(0, 3, 1, 3)}
        plain = offsets_of(await eventually(sweeping(broker, Query(subscription)), settled), subscription)
        assert {offsets.stable for offsets in plain.values()} == {None}
        transaction.commit()
    # What ends it may be written between the reading of the one end and that of the other.
    await eventually(look, lambda seen: offsets_of(seen, subscription)[Partition(topic, 0)] == Offsets(0, 8, 4, 8))


async def test_requests_do_not_grow_with_groups(kafka: RealKafka, connect: Connect, group: str) -> None:
    """A sweep over 100 groups costs as many requests as one over 30, with members and without."""
    topic = kafka.topic(partitions=6)
    queries = [Query(Subscription(f"{group}-{number}", (topic,)), members=True) for number in range(100)]

    async def fewest(asked: list[Query]) -> int:
        """Requests of a sweep that reads neither metadata nor log starts."""
        broker = connect()
        await eventually(sweeping(broker, *asked), settled)
        return min([(await broker.observe(asked)).requests for _ in range(4)])

    # So many that every node coordinates some of the groups.
    few, many = await fewest(queries[:30]), await fewest(queries)
    assert few == many
    assert many <= 4 * len(NODES)
    silent = [Query(query.subscription) for query in queries]
    assert await fewest(silent[:30]) == await fewest(silent) == 2 * len(NODES)
