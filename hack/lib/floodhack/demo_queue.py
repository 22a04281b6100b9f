"""The demo's queue on RabbitMQ: made afresh for each run, and looked at twice a second by clients of the demo's own.

Neighbour: `demo_rabbitmq`.
"""

from __future__ import annotations

from http.client import HTTPException

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPError

from floodhack.demo_broker import UnreadError
from floodhack.errors import HackError
from floodhack.progress import say
from floodhack.rabbitmq_api import Management
from floodhack.rabbitmq_settings import NODES, VHOST, RabbitSet

TIMEOUT_SECONDS = 5.0


def fresh_queue(nodes: RabbitSet, queue: str) -> None:
    """Delete the queue of an earlier run with its messages and make it again; HackError when RabbitMQ refuses."""
    try:
        channel = _connect(nodes)
        channel.queue_delete(queue)
        channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
        channel.connection.close()
    except (AMQPError, OSError) as error:
        why = "see `hack/brokers status rabbitmq` and `hack/brokers logs rabbitmq`"
        raise HackError(f"RabbitMQ refuses: {error!r}; {why}") from error
    say(f"  queue {queue}: a quorum queue on {len(NODES)} nodes, no confirmed message lost while two of them run")


class QueueLook:
    """Reads the queue's length as it is now, and RabbitMQ's statistics of what came and went, as they were taken last."""

    def __init__(self, nodes: RabbitSet, queue: str) -> None:
        self.nodes = nodes
        self.queue = queue
        user = nodes.facts["users"]["administrator"]
        self.management = Management(nodes.addresses("management")[0], user["username"], user["password"])
        self.channel: BlockingChannel | None = None

    def read(self) -> dict[str, int]:
        """`waiting`, `members`, `owners`; `produced` and `committed` once there are statistics. Raises UnreadError."""
        try:
            if self.channel is None or not self.channel.is_open:
                self.channel = _connect(self.nodes)
            now = self.channel.queue_declare(self.queue, passive=True).method
            taken = self.management.queue(VHOST, self.queue)
        except (AMQPError, OSError, ValueError, HTTPException) as error:
            raise UnreadError(f"{type(error).__name__}: {error}") from error
        # What is under way to consumers is in the statistics only; of it there is little, as each fetches few ahead.
        seen = {"waiting": now.message_count + taken.get("messages_unacknowledged", 0)}
        seen |= {"members": now.consumer_count, "owners": now.consumer_count}
        counted = taken.get("message_stats", {})
        names = {"publish": "produced", "ack": "committed"}
        return seen | {name: counted[counter] for counter, name in names.items() if counter in counted}


def _connect(nodes: RabbitSet) -> BlockingChannel:
    """A channel on whichever node answers."""
    user = nodes.facts["users"]["application"]
    credentials = pika.PlainCredentials(user["username"], user["password"])
    addresses = (address.rsplit(":", 1) for address in nodes.addresses("amqp"))
    connection = pika.BlockingConnection(
        [
            pika.ConnectionParameters(host, int(port), VHOST, credentials, socket_timeout=TIMEOUT_SECONDS)
            for host, port in addresses
        ]
    )
    return connection.channel()
