"""A real consumer of a RabbitMQ queue with a bounded pace: processes each message, and only then acknowledges it.

Ends in order when asked to: what it has not processed goes back to the queue. Neighbours: `consumer.py` does the same for Kafka.
"""

from __future__ import annotations

import os
import sys
import time

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPError

from .settings import Settings, Stop, log
from .work import Work, back_off

# As many as are under way to one consumer: with more, those that start later find nothing left to do; with fewer, a busy broker
# is waited for.
PREFETCH = 20
# An acknowledgement for several messages costs the broker as much as one for one.
BATCH = 5
LOOK_SECONDS = 0.2
REPORT_SECONDS = 10.0


class QueueWorker:
    """One consumer. ``RABBITMQ_URLS`` has an AMQP URL for each node, with spaces between; ``QUEUE`` is the queue."""

    def __init__(self, settings: Settings, stop: Stop) -> None:
        self.settings = settings
        self.stop = stop
        self.queue = os.environ.get("QUEUE", "orders")
        self.nodes = [pika.URLParameters(url) for url in os.environ["RABBITMQ_URLS"].split()]
        self.processed = 0
        self.work = Work(settings.capacity)

    def run(self) -> int:
        """Consume until asked to stop, over whichever node answers; how many messages were processed."""
        while not self.stop.asked:
            try:
                self._consume()
            except (AMQPError, OSError) as error:
                log(f"lost the broker ({type(error).__name__}), connecting anew")
                back_off()
        log(f"left {self.queue} after {self.processed} messages")
        return self.processed

    def _consume(self) -> None:
        connection = pika.BlockingConnection(self.nodes)
        try:
            channel = connection.channel()
            channel.basic_qos(prefetch_count=PREFETCH)
            log(f"{self.settings.client_id} reads {self.queue}, {self.settings.capacity:.0f} msg/s at most")
            self._read(channel)
        finally:
            if connection.is_open:
                connection.close()

    def _read(self, channel: BlockingChannel) -> None:
        next_report = time.monotonic() + REPORT_SECONDS
        done: list[int] = []
        for delivery, _, _ in channel.consume(self.queue, inactivity_timeout=LOOK_SECONDS):
            if delivery is not None and not self.stop.asked:
                self.work.do()
                done.append(delivery.delivery_tag)
                self.processed += 1
            if done and (delivery is None or len(done) >= BATCH or self.stop.asked):
                channel.basic_ack(done[-1], multiple=True)
                done.clear()
            if self.stop.asked:
                channel.cancel()
                return
            if time.monotonic() >= next_report:
                next_report = time.monotonic() + REPORT_SECONDS
                log(f"processed {self.processed}")


if __name__ == "__main__":
    QueueWorker(Settings(), Stop()).run()
    sys.exit(0)
