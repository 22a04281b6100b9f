"""A real consumer with a bounded pace: processes each message, and only then commits it by hand.

Leaves its group in order when asked to end, with everything processed committed. Neighbours: `producer.py`, and
`downstream.py` for a service behind all consumers.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from .downstream import Downstream
from .settings import Settings, Stop, log
from .work import Work

COMMIT_SECONDS = 0.5
REPORT_SECONDS = 10.0
# Small, because a rebalance waits for the batch in hand: ten messages at 50 msg/s are 0.2 s.
BATCH = 10

OnCommit = Callable[[KafkaError | None, list[TopicPartition]], None]


def make(settings: Settings, on_commit: OnCommit) -> Consumer:
    """The client: manual commits, incremental rebalances, quick to notice them, little memory."""
    return Consumer(
        {
            **settings.connection(),
            "on_commit": on_commit,
            "group.id": settings.group,
            "enable.auto.commit": "false",
            "enable.auto.offset.store": "false",
            "auto.offset.reset": "earliest",
            "partition.assignment.strategy": "cooperative-sticky",
            "session.timeout.ms": 6000,
            "heartbeat.interval.ms": 500,
            # Four fetches a second carry 50 messages as well as fifty fetches do.
            "fetch.wait.max.ms": 250,
            "fetch.min.bytes": 16384,
            "fetch.max.bytes": 262144,
            "message.max.bytes": 262144,
            "max.partition.fetch.bytes": 65536,
            "queued.min.messages": 50,
            "queued.max.messages.kbytes": 512,
        }
    )


class Worker:
    """One member of the group."""

    def __init__(self, settings: Settings, stop: Stop) -> None:
        self.settings = settings
        self.stop = stop
        self.consumer = make(settings, self._committed)
        self.downstream = Downstream(settings.downstream) if settings.downstream else None
        self.processed = 0
        self.uncommitted = 0
        self.work = Work(settings.capacity)

    def run(self) -> int:
        """Consume until asked to stop; how many messages were processed."""
        settings = self.settings
        log(f"{settings.client_id} joins {settings.group}, {settings.capacity:.0f} msg/s at most")
        self.consumer.subscribe([settings.topic], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost)
        next_commit = next_report = time.monotonic()
        try:
            while not self.stop.asked:
                for message in self.consumer.consume(BATCH, timeout=COMMIT_SECONDS):
                    self._handle(message)
                now = time.monotonic()
                if now >= next_commit:
                    next_commit = now + COMMIT_SECONDS
                    self._commit(wait=False)
                if now >= next_report:
                    next_report = now + REPORT_SECONDS
                    log(f"processed {self.processed}, owns {len(self.consumer.assignment())} partitions")
        finally:
            self._commit(wait=True)
            self.consumer.close()
            log(f"left {settings.group} after {self.processed} messages")
        return self.processed

    def _handle(self, message: Message) -> None:
        error = message.error()
        if error is not None:
            if error.fatal():
                raise KafkaException(error)
            log(f"cannot read: {error}")
            return
        if message.partition() == self.settings.poisoned:
            return  # cannot be processed, so it is never committed, and neither is what comes after it
        self.work.do()
        if self.downstream is not None:
            self.downstream.call()
        self.processed += 1
        # Done with it: from here on it may be committed.
        try:
            self.consumer.store_offsets(message)
            self.uncommitted += 1
        except KafkaException as refused:
            log(f"partition {message.partition()} is no longer ours: message {message.offset()} will be read again ({refused})")

    def _commit(self, *, wait: bool) -> None:
        if not self.uncommitted:
            return
        try:
            if wait:
                self.consumer.commit(asynchronous=False)
            else:
                self.consumer.commit(asynchronous=True)
            self.uncommitted = 0
        except KafkaException as error:
            if error.args[0].code() != KafkaError._NO_OFFSET:
                log(f"cannot commit: {error}")

    def _committed(self, error: KafkaError | None, _partitions: list[TopicPartition]) -> None:
        if error is not None:
            # The next commit carries these offsets as well.
            self.uncommitted += 1
            log(f"a commit failed, will be repeated: {error}")

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        consumer.incremental_assign(partitions)
        log(f"gets {_numbers(partitions)}, owns {len(consumer.assignment())} partitions")

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._commit(wait=True)
        consumer.incremental_unassign(partitions)
        log(f"gives {_numbers(partitions)}")

    def _lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        consumer.incremental_unassign(partitions)
        log(f"lost {_numbers(partitions)}: what was not committed will be read again")


def _numbers(partitions: list[TopicPartition]) -> str:
    return "partitions " + (", ".join(str(partition.partition) for partition in partitions) or "none")


if __name__ == "__main__":
    Worker(Settings(), Stop()).run()
    sys.exit(0)
