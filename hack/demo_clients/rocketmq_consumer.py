"""A real consumer of a RocketMQ topic with a bounded pace: processes each message, and only then acknowledges it.

Behind a proxy consumers share the queues (POP): each takes what comes next, and what it does not acknowledge in time comes again.
Ends in order when asked to, with all that it had taken processed. Neighbour: `rocketmq_producer.py`.
"""

from __future__ import annotations

import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor

from rocketmq.v5.consumer import SimpleConsumer
from rocketmq.v5.model import FilterExpression, Message

from .rocketmq_access import access, started
from .settings import Settings, Stop, log
from .work import Work, back_off

BATCH = 10
# What was taken and is not acknowledged within this many seconds comes again.
INVISIBLE_SECONDS = 30
# The least that a proxy waits for messages, unless it is told otherwise.
WAIT_SECONDS = 5
REPORT_SECONDS = 10.0
# One takes messages, the others acknowledge.
THREADS = 4

Messages = list[Message]


class GroupConsumer:
    """One consumer of the group ``GROUP``."""

    def __init__(self, settings: Settings, stop: Stop) -> None:
        self.settings = settings
        self.stop = stop
        self.processed = 0
        self.work = Work(settings.capacity)
        self.next_report = time.monotonic() + REPORT_SECONDS

    def run(self) -> int:
        """Consume until asked to stop; how many messages were processed."""
        settings = self.settings
        reads = {settings.topic: FilterExpression()}
        consumer = started(lambda: SimpleConsumer(access(), settings.group, reads, WAIT_SECONDS), self.stop)
        if consumer is None:
            return 0
        log(f"{settings.client_id} joins {settings.group}, {settings.capacity:.0f} msg/s at most")
        with ThreadPoolExecutor(THREADS) as threads:
            self._consume(consumer, threads)
        consumer.shutdown()
        log(f"left {settings.group} after {self.processed} messages")
        return self.processed

    def _consume(self, consumer: SimpleConsumer, threads: ThreadPoolExecutor) -> None:
        """Take the next messages while those in hand are processed."""
        coming: Future[Messages] | None = threads.submit(self._take, consumer)
        while coming is not None:
            messages = coming.result()
            coming = None if self.stop.asked else threads.submit(self._take, consumer)
            for message in messages:
                self.work.do()
                threads.submit(self._acknowledge, consumer, message)
                self.processed += 1
            if time.monotonic() >= self.next_report:
                self.next_report = time.monotonic() + REPORT_SECONDS
                log(f"processed {self.processed}")

    def _take(self, consumer: SimpleConsumer) -> Messages:
        try:
            return list(consumer.receive(BATCH, INVISIBLE_SECONDS))
        except Exception as error:
            log(f"cannot read: {error}")
            back_off()
            return []

    def _acknowledge(self, consumer: SimpleConsumer, message: Message) -> None:
        try:
            consumer.ack(message)
        except Exception as error:
            log(f"not acknowledged, it will come again: {error}")


if __name__ == "__main__":
    GroupConsumer(Settings(), Stop()).run()
    sys.exit(0)
