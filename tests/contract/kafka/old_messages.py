"""Messages of any age, and those that are gone: what retention is about, without waiting for it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from tests.contract.kafka.real_kafka import RealKafka

HOUR = 3_600_000  # milliseconds
DAY = 24 * HOUR


def now() -> int:
    """Milliseconds since 1970."""
    return int(time.time() * 1000)


def produce_at(kafka: RealKafka, topic: str, times: Sequence[int], partition: int = 0, size: int = 10, **how: Any) -> None:
    """Messages with these times, in milliseconds since 1970, each in a batch of its own unless ``how`` says otherwise."""
    # Idempotent: what is sent again because a leader changed meanwhile is there once.
    producer = Producer({"bootstrap.servers": ",".join(kafka.bootstrap), "enable.idempotence": True, "linger.ms": 0, **how})
    for at in times:
        producer.produce(topic, b"x" * size, partition=partition, timestamp=at)
        if not how:
            assert producer.flush(30) == 0
    assert producer.flush(30) == 0


def delete_records(kafka: RealKafka, topic: str, before: Mapping[int, int]) -> None:
    """Delete what lies before an offset of each partition, as kafka-delete-records does."""
    admin = AdminClient({"bootstrap.servers": ",".join(kafka.bootstrap)})
    futures = admin.delete_records([TopicPartition(topic, number, offset) for number, offset in before.items()])
    for future in futures.values():
        future.result(15)
