"""What the operator costs with many queues of RabbitMQ: length and requests of its sweeps, CPU, memory.

A queue, a policy and a target for each number; one queue in ten has traffic, published and acknowledged at a steady rate.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import pika
from account import Account
from cost import Times
from ground import Ground, namespace
from others import SHARE, TICK, brought_up, measured, policies, secret

from floodhack.beside import beside
from floodhack.progress import say
from floodhack.rabbitmq_settings import RabbitSet

RATE = 20  # messages per second and queue
TYPE = "RabbitMQ"


def run(ground: Ground, account: Account, count: int, times: Times) -> dict[str, float]:
    """The numbers for so many queues."""
    names = [f"bench-{number}" for number in range(count)]
    with brought_up("rabbitmq"):
        rabbit = RabbitSet(ground.instance)
        with _declared(rabbit, names), namespace(ground.api, "bench-queues") as space:
            secret(ground, space, "rabbitmq", rabbit.facts["users"]["monitoring"])
            reach = {"managementURL": rabbit.addresses("management")[0], "credentialsSecretRef": {"name": "rabbitmq"}}
            spec = {"type": TYPE, "rabbitmq": reach}
            policies(ground, space, spec, {name: {"queues": [name]} for name in names})
            say(f"  {count} queues, policies and targets")
            found = measured(
                ground, account, count, lambda: beside(partial(_traffic, rabbit, names[::SHARE]), "the traffic"), times
            )
    return {f"rabbitmq_{key}_{count}_queues": value for key, value in found.items()}


def _connection(rabbit: RabbitSet) -> pika.BlockingConnection:
    user = rabbit.facts["users"]["administrator"]
    host, _, port = rabbit.addresses("amqp")[0].rpartition(":")
    credentials = pika.PlainCredentials(user["username"], user["password"])
    return pika.BlockingConnection(pika.ConnectionParameters(host, int(port), credentials=credentials))


@contextmanager
def _declared(rabbit: RabbitSet, names: Sequence[str]) -> Iterator[None]:
    """The queues as long as the context lasts."""
    connection = _connection(rabbit)
    channel = connection.channel()
    for name in names:
        channel.queue_declare(name, durable=True)
    connection.close()
    try:
        yield
    finally:
        connection = _connection(rabbit)
        channel = connection.channel()
        for name in names:
            channel.queue_delete(name)
        connection.close()


def _traffic(rabbit: RabbitSet, names: Sequence[str], end: threading.Event) -> None:
    """Messages into these queues, taken out again and acknowledged a moment later."""
    connection = _connection(rabbit)
    channel = connection.channel()
    while not end.wait(TICK):
        for name in names:
            for _ in range(round(RATE * TICK)):
                channel.basic_publish("", name, b"x" * 100)
        for name in names:
            while (found := channel.basic_get(name)[0]) is not None:
                channel.basic_ack(found.delivery_tag)
    connection.close()
