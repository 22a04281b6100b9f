"""What the operator costs with many queues of RabbitMQ: length and requests of its sweeps, CPU, memory.

A queue, a policy and a target for each number; one queue in ten has traffic, published and acknowledged at a steady rate.
"""

from __future__ import annotations

import base64
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from math import ceil

import pika
from account import Account
from api import Object, many
from cost import Times, all_decided, requests_per_sweep, sweep_lengths
from fleet import API
from ground import Ground, namespace
from operator_run import operator
from timing import window

from floodhack.errors import HackError
from floodhack.instance import CHECKOUT
from floodhack.progress import say
from floodhack.rabbitmq_settings import RabbitSet

SHARE = 10  # one queue in so many has traffic
RATE = 20  # messages per second and queue
TICK = 0.5  # seconds
TYPE = "RabbitMQ"


def run(ground: Ground, account: Account, count: int, times: Times) -> dict[str, float]:
    """The numbers for so many queues."""
    names = [f"bench-{number}" for number in range(count)]
    with ExitStack() as stack:
        rabbit = stack.enter_context(_rabbit(ground))
        stack.enter_context(_declared(rabbit, names))
        space = stack.enter_context(namespace(ground.api, "bench-queues"))
        _apply(ground, space, rabbit, names)
        say(f"  {count} queues, policies and targets")
        process = stack.enter_context(operator(ground, account))
        process.start()
        all_decided(process, count)
        requests = requests_per_sweep(process, times)
        with _traffic(rabbit, names[::SHARE]):
            window(times.onset)
            cpu = process.cpu_seconds()
            lengths = sorted(sweep_lengths(process, times.busy))
            cores = (process.cpu_seconds() - cpu) / times.busy
        if not lengths:
            raise HackError(f"no sweep ended within {times.busy:g} s")
        return {
            f"rabbitmq_sweep_seconds_p99_{count}_queues": round(lengths[ceil(0.99 * len(lengths)) - 1], 4),
            f"rabbitmq_sweep_seconds_median_{count}_queues": round(lengths[len(lengths) // 2], 4),
            f"rabbitmq_requests_per_sweep_{count}_queues": requests,
            f"rabbitmq_operator_cores_{count}_queues": round(cores, 4),
            f"rabbitmq_operator_rss_mib_{count}_queues": round(process.peak_mib(), 1),
        }


@contextmanager
def _rabbit(ground: Ground) -> Iterator[RabbitSet]:
    """RabbitMQ, ended at the end if it was started here."""
    runs = _hack("status") == 0
    if _hack("up") != 0:
        raise HackError("hack/brokers up rabbitmq failed: run it by hand")
    try:
        yield RabbitSet(ground.instance)
    finally:
        if not runs:
            _hack("down")


def _hack(command: str) -> int:
    line = [sys.executable, str(CHECKOUT / "hack" / "brokers"), command, "rabbitmq"]
    return subprocess.run(line, stdout=sys.stderr, check=False).returncode


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


def _apply(ground: Ground, space: str, rabbit: RabbitSet, names: Sequence[str]) -> None:
    user = rabbit.facts["users"]["monitoring"]
    data = {key: base64.b64encode(user[key].encode()).decode() for key in ("username", "password")}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "rabbitmq"}, "data": data}
    ground.api.apply(f"/api/v1/namespaces/{space}/secrets", secret)
    reach = {"managementURL": rabbit.addresses("management")[0], "credentialsSecretRef": {"name": "rabbitmq"}}
    spec = {"type": TYPE, "rabbitmq": reach, "sweepInterval": "1s"}
    broker = {"apiVersion": API, "kind": "MessageBroker", "metadata": {"name": "main"}, "spec": spec}
    ground.api.apply(f"/apis/{API}/namespaces/{space}/messagebrokers", broker)
    many(lambda number: _add(ground, space, names[number]), range(len(names)))


def _add(ground: Ground, space: str, name: str) -> None:
    target: Object = {"apiVersion": "bench.floodwarden.dev/v1", "kind": "Worker"}
    worker = {**target, "metadata": {"name": name}, "spec": {"replicas": 1}}
    ground.api.apply(f"/apis/bench.floodwarden.dev/v1/namespaces/{space}/workers", worker)
    spec = {
        "brokerRef": {"name": "main"},
        "subscription": {"queues": [name]},
        "maxLag": {"messages": 1000, "seconds": 60},
        "consumers": {"targetRef": {**target, "name": name}, "maxReplicas": 10},
    }
    policy = {"apiVersion": API, "kind": "BacklogPolicy", "metadata": {"name": name}, "spec": spec}
    ground.api.apply(f"/apis/{API}/namespaces/{space}/backlogpolicies", policy)


@contextmanager
def _traffic(rabbit: RabbitSet, names: Sequence[str]) -> Iterator[None]:
    """Messages into these queues, taken out again and acknowledged a moment later, as long as the context lasts."""
    end = threading.Event()

    def run() -> None:
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

    thread = threading.Thread(target=run, name="traffic", daemon=True)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()
