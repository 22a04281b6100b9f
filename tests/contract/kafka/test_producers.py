"""``KafkaProducers`` and acks: who wrote the newest batch of a partition, as far as it can be told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from floodwarden.brokers.kafka import KafkaSettings
from floodwarden.brokers.kafka.protocol import FETCHED_BYTES
from floodwarden.core.delivery.producers import Newest
from floodwarden.core.observation import Partition, Unknown, UnknownReason
from tests.contract.cluster.eventually import eventually
from tests.contract.kafka.real_kafka import NODES, RealKafka
from tests.contract.kafka.real_transactions import Transaction, tool_rows
from tests.contract.kafka.test_settings import Deny
from tests.contract.kafka.test_settings import deny as deny
from tests.contract.kafka.test_settings import known_user as known_user
from tests.contract.kafka.test_settings import opened as opened
from tests.contract.kafka.test_settings import settings as settings
from tests.contract.kafka.test_transactions import producers_of

ALL_IDEMPOTENT, PLAIN, NOTHING = {"enable.idempotence": True}, {"enable.idempotence": False, "acks": "all"}, Newest(0, None)


def write(kafka: RealKafka, topic: str, partition: int, how: Mapping[str, Any], text: str = "x", at: int = 0) -> None:
    """One message, by a producer of its own; ``at`` is its time in milliseconds, 0 for now."""
    failures: list[object] = []
    producer = Producer({"bootstrap.servers": ",".join(kafka.bootstrap), "compression.type": "none", **how})
    producer.produce(
        topic, text, partition=partition, timestamp=at, on_delivery=lambda error, _: failures.append(error) if error else None
    )
    assert producer.flush(30) == 0, "not acknowledged in time"
    assert not failures, failures


def newest_of(found: Mapping[Partition, Newest | Unknown], topic: str, partition: int) -> Newest:
    """The newest batch of a partition, which must be known."""
    newest = found[Partition(topic, partition)]
    assert isinstance(newest, Newest), newest
    return newest


async def test_who_wrote_last(kafka: RealKafka, settings: KafkaSettings) -> None:
    """An idempotent producer by its id, as Kafka's tool shows it; one that is not; and nobody."""
    topic = kafka.topic(4)
    producers = await producers_of(settings, topic)
    write(kafka, topic, 0, ALL_IDEMPOTENT)
    write(kafka, topic, 1, PLAIN)
    write(kafka, topic, 2, ALL_IDEMPOTENT)
    write(kafka, topic, 2, PLAIN)
    found = await producers.newest([Partition(topic, number) for number in range(4)], {})
    ((first, *_),) = tool_rows(kafka, "describe-producers", "--topic", topic, "--partition", "0")
    ((before, *_),) = tool_rows(kafka, "describe-producers", "--topic", topic, "--partition", "2")
    assert newest_of(found, topic, 0) == Newest(1, True, (int(first),))
    assert newest_of(found, topic, 1) == Newest(1, False)
    assert newest_of(found, topic, 2) == Newest(2, False, (int(before),))
    assert newest_of(found, topic, 3) == NOTHING


async def test_of_several_producers_the_newest_is_first(kafka: RealKafka, settings: KafkaSettings) -> None:
    """The one whose batch it is, whatever time it gave; then the others, the last to write first."""
    topic = kafka.topic(1)
    producers = await producers_of(settings, topic)
    ids: list[int] = []
    for at in (0, 0, 1000):
        write(kafka, topic, 0, ALL_IDEMPOTENT, at=at)
        shown = tool_rows(kafka, "describe-producers", "--topic", topic, "--partition", "0")
        ids += {int(row[0]) for row in shown} - set(ids)
    newest = newest_of(await producers.newest([Partition(topic, 0)], {}), topic, 0)
    assert newest == Newest(3, True, (ids[2], ids[1], ids[0]))


async def test_what_ends_a_transaction_counts_as_its_producers(kafka: RealKafka, settings: KafkaSettings) -> None:
    """Its coordinator wrote that in its name, and only idempotent producers have transactions."""
    topic = kafka.topic(1)
    producers = await producers_of(settings, topic)
    with Transaction(kafka, topic, 0) as transaction:
        transaction.commit()
    one = Partition(topic, 0)
    found = await eventually(lambda: producers.newest([one], {}), lambda found: newest_of(found, topic, 0).end == 2)
    assert newest_of(found, topic, 0).idempotent


async def test_a_batch_that_is_too_large(kafka: RealKafka, settings: KafkaSettings) -> None:
    """It is not fetched for this, unless it comes unasked: the first of an answer always does."""
    topic = kafka.topic(on=[[0], [0]])
    producers = await producers_of(settings, topic)
    for partition in range(2):
        write(kafka, topic, partition, ALL_IDEMPOTENT, "x" * (FETCHED_BYTES + 1))
    found = await producers.newest([Partition(topic, 0), Partition(topic, 1)], {})
    assert [newest_of(found, topic, number).idempotent for number in range(2)] == [True, None]


async def test_messages_that_are_gone(kafka: RealKafka, settings: KafkaSettings) -> None:
    """Nothing is left to tell it by."""
    topic = kafka.topic(1)
    producers = await producers_of(settings, topic)
    write(kafka, topic, 0, PLAIN)
    admin = AdminClient({"bootstrap.servers": ",".join(kafka.bootstrap)})
    for deleted in admin.delete_records([TopicPartition(topic, 0, 1)]).values():
        deleted.result(30)
    found = await producers.newest([Partition(topic, 0)], {})
    assert newest_of(found, topic, 0) == Newest(1, None)


async def test_what_is_known_is_not_read_again(kafka: RealKafka, settings: KafkaSettings) -> None:
    """Each leader is asked for the ends alone, until something is written: then for that partition's newest batch."""
    topic = kafka.topic(on=[[node] for node in NODES])
    producers = await producers_of(settings, topic)
    partitions = [Partition(topic, number) for number in range(len(NODES))]
    for number in range(len(NODES)):
        write(kafka, topic, number, ALL_IDEMPOTENT)
    sent = settings.requests
    first = await producers.newest(partitions, {})
    assert settings.requests - sent == 3 * len(NODES)
    sent = settings.requests
    assert await producers.newest(partitions, first) == first
    assert settings.requests - sent == len(NODES)
    write(kafka, topic, 1, PLAIN)
    sent = settings.requests
    again = await producers.newest(partitions, first)
    assert settings.requests - sent == len(NODES) + 2
    assert [newest_of(again, topic, number).idempotent for number in range(3)] == [True, False, True]


async def test_topics_that_may_not_be_read(kafka: RealKafka, known_user: KafkaSettings, deny: Deny) -> None:
    """The right that is missing is named; the topic beside it is told."""
    closed, open_ = kafka.topic(1), kafka.topic(1)
    for topic in (closed, open_):
        write(kafka, topic, 0, ALL_IDEMPOTENT)
    deny("Read", "--topic", closed)
    await producers_of(known_user, closed)
    producers = await producers_of(known_user, open_)
    wanted = [Partition(closed, 0), Partition(open_, 0)]
    found = await eventually(lambda: producers.newest(wanted, {}), lambda found: isinstance(found[wanted[0]], Unknown))
    why = found[wanted[0]]
    assert isinstance(why, Unknown)
    assert why.reason is UnknownReason.AUTHORIZATION_FAILED
    assert why.detail == f"topic {closed}: allow Floodwarden's user Read on the topic (Kafka ACLs)"
    assert newest_of(found, open_, 0).idempotent
