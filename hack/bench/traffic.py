"""Some real traffic: messages into a part of the fleet's topics, read and committed by groups that keep up.

One thread; each tick serves a tenth of the topics, so that the load is even.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from confluent_kafka import ConsumerGroupTopicPartitions, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from fleet import PARTITIONS
from ground import Ground

from floodhack.progress import say

TICKS = 10  # a second
UNDELIVERED_AT_MOST = 10_000  # messages; brokers that take no more at once are sent no more, and that is told


class Traffic:
    """``rate``: messages per second into each partition of each topic. Groups are called as their topics."""

    def __init__(self, bootstrap: Sequence[str], names: Sequence[str], rate: int) -> None:
        settings: dict[str, str | int | float | bool] = {"bootstrap.servers": ",".join(bootstrap), "log_level": 0}
        self._producer = Producer({**settings, "linger.ms": 50, "acks": "1"})
        self._admin = AdminClient(settings)
        self._names, self._rate = names, rate
        self._ends: dict[str, list[int]] = {name: [0] * PARTITIONS for name in names}
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="traffic", daemon=True)
        self.sent = 0
        self.failed = 0
        self.held_back = 0

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def close(self) -> None:
        """End, with all that was sent committed."""
        self._end.set()
        self._thread.join()
        self._producer.flush(30)
        for future in self._commit(list(self._names)):
            future.exception(30)

    def _run(self) -> None:
        tick, due = 0, time.monotonic()
        while not self._end.is_set():
            share = [name for index, name in enumerate(self._names) if index % TICKS == tick % TICKS]
            # What was sent a second ago is read by now; then the next second's share.
            self._commit(share)
            for name in share:
                self._send(name)
            self._producer.poll(0)
            tick, due = tick + 1, due + 1 / TICKS
            self._end.wait(max(0.0, due - time.monotonic()))

    def _send(self, name: str) -> None:
        if len(self._producer) > UNDELIVERED_AT_MOST:
            self.held_back += PARTITIONS * self._rate
            return
        for partition in range(PARTITIONS):
            for _ in range(self._rate):
                self._producer.produce(name, b"x" * 100, partition=partition, on_delivery=self._delivered)
                self.sent += 1

    def _delivered(self, error: object, message: Message) -> None:
        if error is not None:
            self.failed += 1
            return
        topic, partition, offset = message.topic(), message.partition(), message.offset()
        assert topic is not None
        assert partition is not None
        assert offset is not None
        self._ends[topic][partition] = max(self._ends[topic][partition], offset + 1)

    def _commit(self, names: list[str]) -> list[Any]:
        futures: list[Any] = []
        for name in names:
            wanted = [TopicPartition(name, index, end) for index, end in enumerate(self._ends[name])]
            futures += self._admin.alter_consumer_group_offsets([ConsumerGroupTopicPartitions(name, wanted)]).values()
        return futures


@contextmanager
def traffic(ground: Ground, names: Sequence[str], rate: int) -> Iterator[Traffic]:
    """Traffic as long as the context lasts."""
    running = Traffic(ground.bootstrap, names, rate)
    running.start()
    try:
        yield running
    finally:
        running.close()
        say(f"  {running.sent} messages sent, {running.failed} failed, {running.held_back} held back")
