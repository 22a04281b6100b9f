"""The three real nodes as a test uses them: messages by pika, and RabbitMQ's own tools to compare with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel

from floodhack.beside import beside
from floodhack.instance import CHECKOUT, Instance
from floodhack.rabbitmq import RabbitMQ
from floodhack.rabbitmq_settings import NODES, RabbitSet
from floodwarden.brokers.rabbitmq import Access

KINDS = ("classic", "quorum")
TICK = 0.05  # seconds


class RealRabbit:
    """The nodes of one instance, which run."""

    def __init__(self, instance: Instance) -> None:
        self.set = RabbitSet(instance)
        self.facts: dict[str, Any] = self.set.facts

    def user(self, name: str) -> tuple[str, str]:
        """Name and password of administrator, application, monitoring or nobody."""
        found = self.facts["users"][name]
        return found["username"], found["password"]

    @property
    def urls(self) -> list[str]:
        """An AMQP URL for each node, with the application's password in it."""
        user, password = self.user("application")
        return [f"amqp://{user}:{password}@{address}/%2F" for address in self.facts["addresses"]["amqp"]]

    def access(self, user: str = "administrator", *, listener: str = "management", **changes: Any) -> Access:
        """What an adapter needs to come as one of the users; ``changes`` replaces parts of it."""
        known = self.facts["users"][user]
        given: dict[str, Any] = {
            "urls": tuple(self.facts["addresses"][listener]),
            "username": known["username"],
            "password": known["password"],
            "vhost": self.facts["vhost"],
        }
        if listener == "management_tls":
            given["ca"] = Path(self.facts["ca"]).read_bytes()
        return Access(**(given | changes))

    @contextmanager
    def channel(self, node: int = 0) -> Iterator[BlockingChannel]:
        """A channel of the application on one node, with publisher confirms."""
        user = self.facts["users"]["application"]
        host, port = self.facts["addresses"]["amqp"][node].split(":")
        credentials = pika.PlainCredentials(user["username"], user["password"])
        # Without heartbeats: nobody reads the connection while a test looks elsewhere.
        connection = pika.BlockingConnection(
            pika.ConnectionParameters(host, int(port), self.facts["vhost"], credentials, heartbeat=0)
        )
        try:
            channel = connection.channel()
            channel.confirm_delivery()
            yield channel
        finally:
            if connection.is_open:
                connection.close()

    def queue(self, kind: str = "quorum", *, node: int = 0, name: str | None = None, **arguments: Any) -> str:
        """Declare a durable queue by way of a node, which will lead it. Its name."""
        name = name or f"queue-{uuid4().hex[:8]}"
        with self.channel(node) as channel:
            channel.queue_declare(name, durable=True, arguments={"x-queue-type": kind, **_spelled(arguments)})
        return name

    def kept(self) -> str:
        """A queue whose dead letters another queue gets."""
        return self.queue(x_dead_letter_exchange="", x_dead_letter_routing_key=self.queue("classic"))

    def publish(self, queue: str, count: int, *, node: int = 0) -> None:
        """Publish messages, and see them confirmed."""
        with self.channel(node) as channel:
            for number in range(count):
                channel.basic_publish("", queue, str(number).encode(), pika.BasicProperties(delivery_mode=2))

    @contextmanager
    def consumed(self, queue: str, count: int, *, node: int = 0, acknowledge: bool = True) -> Iterator[None]:
        """Consume so many messages, which must be there, each acknowledged or handed over without.

        The channel stays open as long as the context: RabbitMQ may forget what a channel counted just before it was closed.
        """
        with self.channel(node) as channel:
            channel.basic_qos(prefetch_count=1)
            messages = channel.consume(queue, auto_ack=not acknowledge, inactivity_timeout=30)
            for number, (method, _properties, _body) in enumerate(messages, start=1):
                assert method is not None, f"only {number - 1} of {count} messages came"
                if acknowledge:
                    channel.basic_ack(method.delivery_tag)
                if number == count:
                    break
            channel.cancel()
            yield

    def delete(self, queue: str, *, node: int = 0) -> None:
        """Delete a queue."""
        with self.channel(node) as channel:
            channel.queue_delete(queue)

    def purge(self, queue: str, *, node: int = 0) -> None:
        """Throw away what waits in a queue."""
        with self.channel(node) as channel:
            channel.queue_purge(queue)

    def lead(self, queue: str, node: int) -> None:
        """Have a node lead a quorum queue of which it has a copy."""
        found = f'{{ok, Q}} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"{self.facts["vhost"]}">>, queue, <<"{queue}">>))'
        said = self.tool("rabbitmqctl", "eval", f"{found}, rabbit_quorum_queue:transfer_leadership(Q, '{self.set.name(node)}').")
        assert "migrated" in said, said

    def listed(self, queue: str, *items: str) -> Mapping[str, Any]:
        """What rabbitmqctl lists of a queue."""
        printed = self.tool("rabbitmqctl", "list_queues", "--quiet", "--formatter", "json", "name", *items)
        rows: list[dict[str, Any]] = json.loads(printed)
        return next(row for row in rows if row["name"] == queue)

    def tool(self, name: str, *args: str) -> str:
        """What one of RabbitMQ's own tools prints."""
        return str(RabbitMQ(self.set.instance).run(name, list(args), check=True, stdout=subprocess.PIPE, text=True).stdout)

    def brokers(self, *args: str) -> str:
        """Run hack/brokers; what it prints on standard output."""
        return _hack_brokers(self.set.instance, *args, stdout=subprocess.PIPE, check=True).stdout

    @contextmanager
    def stream(self, queue: str, rate: float) -> Iterator[None]:
        """Messages at a steady rate, as long as the context lasts."""
        with beside(partial(self._send, queue, rate), "the stream"):
            yield

    def _send(self, queue: str, rate: float, end: threading.Event) -> None:
        with self.channel() as channel:
            owed, last = 0.0, time.monotonic()
            while not end.wait(TICK):
                now = time.monotonic()
                owed, last = owed + rate * (now - last), now
                while owed >= 1:
                    channel.basic_publish("", queue, b"x")
                    owed -= 1


@contextmanager
def running(instance: Instance) -> Iterator[RealRabbit]:
    """The nodes of an instance: those that run, or some made for as long as the context lasts."""
    found = _hack_brokers(instance, "status", "rabbitmq", stdout=sys.stderr).returncode == 0
    if _hack_brokers(instance, "up", "rabbitmq", stdout=sys.stderr).returncode != 0:
        pytest.fail("hack/brokers up rabbitmq failed: run it by hand, and see `hack/brokers logs rabbitmq`")
    yield RealRabbit(instance)
    if not found:
        _hack_brokers(instance, "down", "rabbitmq", stdout=sys.stderr)


def _hack_brokers(instance: Instance, *args: str, **how: Any) -> subprocess.CompletedProcess[str]:
    """Run hack/brokers for an instance; ``how`` goes to subprocess.run."""
    environment = {**os.environ, "FLOODWARDEN_INSTANCE": str(instance.number)}
    return subprocess.run([sys.executable, str(CHECKOUT / "hack" / "brokers"), *args], text=True, env=environment, **how)


def _spelled(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments as RabbitMQ names them: x_message_ttl is x-message-ttl."""
    return {name.replace("_", "-"): value for name, value in arguments.items()}


__all__ = ["KINDS", "NODES", "RealRabbit", "running"]
