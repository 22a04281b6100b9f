"""A real producer for a RabbitMQ queue at a steady, adjustable rate: persistent messages, publisher confirms, numbered messages.

Confirms are awaited beside sending, and what is not confirmed is sent again over the next node. Sends JSON as `producer.py` does.
Neighbours: `outgoing.py` counts, `pace.py` keeps the rate, `queue_consumer.py` reads what is sent here.
"""

from __future__ import annotations

import json
import os
import sys
import time
from itertools import cycle

import pika
from pika.channel import Channel
from pika.connection import Parameters
from pika.spec import Basic, BasicProperties

from .outgoing import Outgoing
from .pace import TICK_SECONDS, Pace
from .settings import Settings, Stop, log
from .work import back_off

REPORT_SECONDS = 5.0
CLOSE_SECONDS = 15.0
# With more than this unconfirmed, the broker is slower than we are.
MOST_UNDER_WAY = 2000


class QueueProducer:
    """``RABBITMQ_URLS`` has an AMQP URL for each node, with spaces between; ``QUEUE`` is the queue, and has to be there."""

    def __init__(self, settings: Settings, stop: Stop) -> None:
        self.settings = settings
        self.stop = stop
        self.queue = os.environ.get("QUEUE", "orders")
        self.nodes = [_parameters(url, settings.client_id) for url in os.environ["RABBITMQ_URLS"].split()]
        self.outgoing = Outgoing()
        began = time.monotonic()
        self.pace, self.next_report = Pace(settings, began), began + REPORT_SECONDS
        self.give_up_at: float | None = None

    def run(self) -> Outgoing:
        """Send until asked to stop, then wait for the last confirms; the counts."""
        for node in cycle(self.nodes):
            log(f"sending to {self.queue} at {node.host}:{node.port} as {self.settings.client_id}")
            connection = pika.SelectConnection(node, self._open, self._ended, self._ended)
            connection.ioloop.start()
            connection.ioloop.close()
            if self._done():
                break
            back_off()
        log(f"{self.outgoing.line(self.pace.rate)}  unknown {self.outgoing.pending}")
        return self.outgoing

    def _open(self, connection: pika.SelectConnection) -> None:
        connection.channel(on_open_callback=self._channel_open)

    def _channel_open(self, channel: Channel) -> None:
        channel.add_on_close_callback(_close_connection)
        channel.add_on_return_callback(self._returned)
        channel.confirm_delivery(self._settled, callback=lambda _: self._ready(channel))

    def _ready(self, channel: Channel) -> None:
        self.outgoing.opened()
        self._tick(channel)

    def _tick(self, channel: Channel) -> None:
        """Send what is due, and come back for more."""
        if not channel.is_open:
            return  # what closes it ends the connection as well
        if self._done():
            channel.connection.close()
            return
        now = time.monotonic()
        self.pace.tick(now)
        self._send(channel)
        if now >= self.next_report:
            self.next_report = now + REPORT_SECONDS
            log(self.outgoing.line(self.pace.rate))
        channel.connection.ioloop.call_later(TICK_SECONDS, lambda: self._tick(channel))

    def _send(self, channel: Channel) -> None:
        outgoing = self.outgoing
        for _ in range(len(outgoing.again)):
            self._publish(channel)
        while self.pace.owed >= 1.0 and not self.stop.asked and len(outgoing.under_way) < MOST_UNDER_WAY:
            self.pace.owed -= 1.0
            self._publish(channel)

    def _publish(self, channel: Channel) -> None:
        number = self.outgoing.next()
        body = json.dumps({"producer": self.settings.client_id, "number": number, "sent": round(time.time(), 3)})
        properties = BasicProperties(content_type="application/json", delivery_mode=2, message_id=str(number))
        channel.basic_publish("", self.queue, body.encode(), properties, mandatory=True)

    def _settled(self, frame: pika.frame.Method) -> None:
        answer = frame.method
        self.outgoing.settled(answer.delivery_tag, multiple=answer.multiple, confirmed=isinstance(answer, Basic.Ack))

    def _returned(self, _channel: Channel, why: Basic.Return, properties: BasicProperties, _body: bytes) -> None:
        self.outgoing.returned(int(properties.message_id))
        log(f"message {properties.message_id} came back: {why.reply_text}")

    def _done(self) -> bool:
        """Whether the end was asked for, and all is confirmed or has taken too long."""
        if not self.stop.asked:
            return False
        now = time.monotonic()
        self.give_up_at = self.give_up_at or now + CLOSE_SECONDS
        return not self.outgoing.pending or now >= self.give_up_at

    def _ended(self, connection: pika.SelectConnection, error: BaseException) -> None:
        if not self.stop.asked:
            log(f"lost the broker ({error!r}), connecting anew")
        connection.ioloop.stop()


def _parameters(url: str, client: str) -> Parameters:
    parameters = pika.URLParameters(url)
    # Names this client in the broker's own tools.
    parameters.client_properties = {"connection_name": client}
    return parameters


def _close_connection(channel: Channel, error: BaseException) -> None:
    if channel.connection.is_open:
        log(f"the channel was closed: {error!r}")
        channel.connection.close()


if __name__ == "__main__":
    counts = QueueProducer(Settings(), Stop()).run()
    sys.exit(1 if counts.unroutable or counts.pending else 0)
