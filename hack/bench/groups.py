"""What the operator costs with many groups of RocketMQ: length and requests of its sweeps, CPU, memory.

A topic of eight queues, a group that has committed them, a policy and a target for each number; one topic in ten has traffic,
sent and committed at a steady rate.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from account import Account
from api import many
from cost import Times
from ground import Ground, namespace
from others import SHARE, TICK, brought_up, measured, policies

from floodhack.beside import beside
from floodhack.errors import HackError
from floodhack.progress import say
from floodhack.rocketmq_settings import HOST, RocketMQSet
from floodhack.rocketmq_wire import SUCCESS, ask, create_topic, knows_topic
from floodhack.waiting import until
from floodwarden.brokers.rocketmq.frames import ONE_WAY, Frame, encode

SEND_MESSAGE, UPDATE_CONSUMER_OFFSET = 10, 15
UPDATE_AND_CREATE_SUBSCRIPTIONGROUP, DELETE_SUBSCRIPTIONGROUP = 200, 207
DELETE_TOPIC_IN_BROKER, DELETE_TOPIC_IN_NAMESRV = 215, 216
QUEUES = 8
RATE = 2  # messages per second and queue
TYPE = "RocketMQ"


def run(ground: Ground, account: Account, count: int, times: Times) -> dict[str, float]:
    """The numbers for so many groups. Topic and group of a number have the same name."""
    names = [f"bench-{number}" for number in range(count)]
    with brought_up("rocketmq"):
        servers = RocketMQSet(ground.instance)
        with _topics(servers, names), namespace(ground.api, "bench-groups") as space:
            spec = {"type": TYPE, "rocketmq": {"nameServers": [servers.address("namesrv")]}}
            policies(ground, space, spec, {name: {"group": name, "topics": [name]} for name in names})
            say(f"  {count} topics, groups, policies and targets")
            found = measured(
                ground, account, count, lambda: beside(partial(_traffic, servers, names[::SHARE]), "the traffic"), times
            )
    return {f"rocketmq_{key}_{count}_groups": value for key, value in found.items()}


@contextmanager
def _topics(servers: RocketMQSet, names: Sequence[str]) -> Iterator[None]:
    """The topics and groups as long as the context lasts."""
    master, name_server = servers.port("master"), servers.port("namesrv")
    try:
        many(lambda number: _make(master, names[number]), range(len(names)))
        for name in names:
            until(partial(knows_topic, name_server, name), seconds=60, what=f"topic {name} known")
        yield
    finally:
        many(lambda number: _remove(servers, names[number]), range(len(names)))


def _make(port: int, name: str) -> None:
    create_topic(port, name, QUEUES, None)
    # From 5.0 on only groups can commit that exist.
    _done(port, UPDATE_AND_CREATE_SUBSCRIPTIONGROUP, {}, json.dumps({"groupName": name}).encode())
    for queue in range(QUEUES):
        _done(port, UPDATE_CONSUMER_OFFSET, _commit(name, queue, 0))


def _remove(servers: RocketMQSet, name: str) -> None:
    ask(servers.port("master"), DELETE_SUBSCRIPTIONGROUP, {"groupName": name, "cleanOffset": "true"})
    ask(servers.port("master"), DELETE_TOPIC_IN_BROKER, {"topic": name})
    ask(servers.port("namesrv"), DELETE_TOPIC_IN_NAMESRV, {"topic": name})


def _done(port: int, code: int, fields: dict[str, str], body: bytes = b"") -> None:
    answer = ask(port, code, fields, body)
    if answer is None or answer.code != SUCCESS:
        raise HackError(f"request {code} to RocketMQ failed: {answer.remark if answer else 'no answer'}")


def _commit(name: str, queue: int, offset: int) -> dict[str, str]:
    return {"consumerGroup": name, "topic": name, "queueId": str(queue), "commitOffset": str(offset)}


def _message(name: str, queue: int) -> dict[str, str]:
    fields = {"producerGroup": "bench", "topic": name, "defaultTopic": "TBW102", "defaultTopicQueueNums": str(QUEUES)}
    fields |= {"queueId": str(queue), "sysFlag": "0", "bornTimestamp": "0", "flag": "0", "properties": ""}
    return {**fields, "reconsumeTimes": "0", "batch": "false"}


def _traffic(servers: RocketMQSet, names: Sequence[str], end: threading.Event) -> None:
    """Messages into these topics, committed by their groups a moment later."""
    sent = 0
    each = round(RATE * TICK)
    with socket.create_connection((HOST, servers.port("master")), 10) as link:
        while not end.wait(TICK):
            link.sendall(b"".join(_one_way(UPDATE_CONSUMER_OFFSET, _commit(n, q, sent)) for n in names for q in range(QUEUES)))
            messages = (_one_way(SEND_MESSAGE, _message(n, q), b"x" * 100) for n in names for q in range(QUEUES))
            link.sendall(b"".join(messages) * each)
            sent += each


def _one_way(code: int, fields: dict[str, str], body: bytes = b"") -> bytes:
    """A request that nobody answers, as Java's clients commit offsets."""
    return encode(Frame(code, 0, fields, body, flag=ONE_WAY))
