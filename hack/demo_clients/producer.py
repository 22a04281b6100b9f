"""A real producer at a steady, adjustable rate: acks=all, idempotent, numbered messages, counting what was acknowledged.

Sends JSON `{"producer", "number", "sent"}` keyed by order, so that Kafka spreads them over all partitions.
Neighbours: `rate.py` changes the rate, `pace.py` keeps it, `consumer.py` reads what is sent here.
"""

from __future__ import annotations

import json
import sys
import time

from confluent_kafka import KafkaError, Message, Producer

from .pace import TICK_SECONDS, Pace
from .settings import Settings, Stop, log

REPORT_SECONDS = 5.0
CLOSE_SECONDS = 15.0


class Counter:
    """What became of the messages; `delivered` is called by the client for each, from `poll`."""

    def __init__(self) -> None:
        self.sent = 0
        self.acknowledged = 0
        self.failed = 0
        self.last_error: KafkaError | None = None

    def delivered(self, error: KafkaError | None, _message: Message) -> None:
        """Count one message: acknowledged by all in-sync replicas, or failed for good after the client's own retries."""
        if error is None:
            self.acknowledged += 1
        else:
            self.failed += 1
            self.last_error = error

    def line(self, rate: float) -> str:
        """One readable line of state."""
        text = f"rate {rate:.0f}/s  sent {self.sent}  acknowledged {self.acknowledged}  failed {self.failed}"
        return f"{text}  last error: {self.last_error}" if self.last_error else text


def make(settings: Settings) -> Producer:
    """The client: durable sends in small memory."""
    return Producer(
        {
            **settings.connection(),
            "acks": "all",
            "enable.idempotence": "true",
            "linger.ms": 50,
            "delivery.timeout.ms": 60000,
            "queue.buffering.max.messages": 20000,
            "queue.buffering.max.kbytes": 8192,
        }
    )


def send(producer: Producer, settings: Settings, counter: Counter) -> bool:
    """Hand one message to the client; False when its queue is full, which means the brokers are slower than we are."""
    number = counter.sent + 1
    value = json.dumps({"producer": settings.client_id, "number": number, "sent": round(time.time(), 3)})
    try:
        producer.produce(settings.topic, key=f"order-{number}", value=value, on_delivery=counter.delivered)
    except BufferError:
        return False
    counter.sent = number
    return True


def run(settings: Settings, stop: Stop) -> Counter:
    """Send until asked to stop, then wait for the last acknowledgements; the counts."""
    producer, counter = make(settings), Counter()
    log(f"sending to {settings.topic} at {settings.bootstrap} as {settings.client_id}")
    began = time.monotonic()
    pace, next_report = Pace(settings, began), began + REPORT_SECONDS
    while not stop.asked:
        now = time.monotonic()
        pace.tick(now)
        while pace.owed >= 1.0 and send(producer, settings, counter):
            pace.owed -= 1.0
        if now >= next_report:
            next_report = now + REPORT_SECONDS
            log(counter.line(pace.rate))
        # Serves the delivery reports that are there, and sleeps out the rest of the tick.
        producer.poll(0)
        time.sleep(TICK_SECONDS)  # the stream's own beat
    unsent = producer.flush(CLOSE_SECONDS)
    log(f"{counter.line(pace.rate)}  unknown {unsent}")
    return counter


if __name__ == "__main__":
    sys.exit(1 if run(Settings(), Stop()).failed else 0)
