"""A real producer for a RocketMQ topic at a steady, adjustable rate: numbered messages, each counted once it is confirmed.

What is confirmed is stored as the broker's settings have it, and what is not is sent again. Sends JSON as `producer.py` does.
Neighbours: `outgoing.py` counts, `pace.py` keeps the rate, `rocketmq_consumer.py` reads what is sent here.
"""

from __future__ import annotations

import json
import sys
import time
from concurrent.futures import Future
from queue import SimpleQueue

from rocketmq.v5.model import Message, SendReceipt
from rocketmq.v5.producer import Producer

from .outgoing import Outgoing
from .pace import TICK_SECONDS, Pace
from .rocketmq_access import access, started
from .settings import Settings, Stop, log

REPORT_SECONDS = 5.0
CLOSE_SECONDS = 15.0
# With more than this unconfirmed, the broker is slower than we are.
MOST_UNDER_WAY = 2000


class TopicProducer:
    """``TOPIC`` has to be there."""

    def __init__(self, settings: Settings, stop: Stop) -> None:
        self.settings = settings
        self.stop = stop
        self.outgoing = Outgoing()
        # The client answers in threads of its own.
        self.answers: SimpleQueue[tuple[int, BaseException | None]] = SimpleQueue()
        self.give_up_at: float | None = None

    def run(self) -> Outgoing:
        """Send until asked to stop, then wait for the last answers; the counts."""
        settings, outgoing = self.settings, self.outgoing
        producer = started(lambda: Producer(access(), [settings.topic]), self.stop)
        if producer is None:
            return outgoing
        log(f"sending to {settings.topic} as {settings.client_id}")
        began = time.monotonic()
        pace, next_report = Pace(settings, began), began + REPORT_SECONDS
        while not self._done():
            now = time.monotonic()
            pace.tick(now)
            self._settle()
            self._send(producer, pace)
            if now >= next_report:
                next_report = now + REPORT_SECONDS
                log(outgoing.line(pace.rate))
            time.sleep(TICK_SECONDS)  # the stream's own beat
        producer.shutdown()
        log(f"{outgoing.line(pace.rate)}  unknown {outgoing.pending}")
        return outgoing

    def _send(self, producer: Producer, pace: Pace) -> None:
        for _ in range(len(self.outgoing.again)):
            self._publish(producer)
        while pace.owed >= 1.0 and not self.stop.asked and len(self.outgoing.under_way) < MOST_UNDER_WAY:
            pace.owed -= 1.0
            self._publish(producer)

    def _publish(self, producer: Producer) -> None:
        number = self.outgoing.next()
        tag = self.outgoing.tag
        value = {"producer": self.settings.client_id, "number": number, "sent": round(time.time(), 3)}
        message = Message()
        message.topic = self.settings.topic
        message.keys = f"order-{number}"
        message.body = json.dumps(value).encode()
        try:
            answer: Future[SendReceipt] = producer.send_async(message)
        except Exception as error:
            self.answers.put((tag, error))
        else:
            answer.add_done_callback(lambda done: self.answers.put((tag, done.exception())))

    def _settle(self) -> None:
        for _ in range(self.answers.qsize()):
            tag, error = self.answers.get()
            self.outgoing.settled(tag, multiple=False, confirmed=error is None)
            if error is not None:
                log(f"not confirmed, sending again: {error}")

    def _done(self) -> bool:
        """Whether the end was asked for, and all is confirmed or has taken too long."""
        if not self.stop.asked:
            return False
        now = time.monotonic()
        self.give_up_at = self.give_up_at or now + CLOSE_SECONDS
        return not self.outgoing.pending or now >= self.give_up_at


if __name__ == "__main__":
    sys.exit(1 if TopicProducer(Settings(), Stop()).run().pending else 0)
