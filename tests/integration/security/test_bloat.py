"""Names as long and as odd as Kubernetes and Kafka let them be: status, Events, log and metrics stay small and well-formed."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import Consumer

from floodhack.beside import beside
from tests.integration.loop.shop import BROKER, Shop

NAME = "n" * 60 + "." + "p" * 60 + "." + "q" * 60 + "." + "r" * 60  # of a policy: 243 characters
TARGET = "t" * 63
ODD = 'g"}} 1\n# HELP up \\ "{\t\x1b[31m\u202e\u0000 é' + "☠"
STATUS_BYTES = 16 * 1024
LINE_BYTES = 8 * 1024
MESSAGE_BYTES = 1024


@contextmanager
def member(shop: Shop, group: str, topic: str, client_id: str) -> Iterator[None]:
    """Somebody in the group under a client id of his choice, who never commits."""
    settings = {"bootstrap.servers": ",".join(shop.kafka.bootstrap), "group.id": group, "client.id": client_id, "log_level": 0}
    consumer = Consumer({**settings, "enable.auto.commit": "false", "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])

    def poll(end: threading.Event) -> None:
        while not end.is_set():
            consumer.poll(0.2)

    try:
        with beside(poll, "the member"):
            yield
    finally:
        consumer.close()


def test_names_cannot_bloat_what_is_told(shop: Shop) -> None:
    """The longest names, a hundred topics and a hostile group and client id: everything told is bounded, escaped and parses."""
    group = (ODD.replace("\u0000", "") + "g" * 255)[:255].strip()
    partitions = 60
    topic = shop.make_topic(partitions, name=("t" * 249)[: 249 - 7] + shop.namespace[-6:], group=group)
    shop.produce(3, topic=topic, partitions=range(partitions))
    missing = [f"{number:02}" + "m" * 247 for number in range(99)]
    shop.broker()
    shop.idle(1, name=TARGET)
    target = {"name": TARGET}
    with member(shop, group, topic, f"c{ODD.replace(chr(0), '')}" * 40):
        shop.policy(name=NAME, target=target, subscription={"group": group, "topics": [topic]})
        shop.await_condition("WithinLag", "False", "OverLimit", name=NAME)
        shop.let_it_decide(20, policy=NAME)
    shop.policy(name=NAME, target=target, subscription={"group": group, "topics": [topic, *missing]})
    shop.await_event("TopicMissing", name=NAME)
    shop.let_it_decide(4, policy=NAME)

    status = shop.status(NAME)
    assert len(json.dumps(status)) < STATUS_BYTES
    assert all(len(condition["message"]) <= MESSAGE_BYTES for condition in status["conditions"])
    assert len(json.dumps(shop.kubectl.get("fwmb", BROKER, namespace=shop.namespace)["status"])) < STATUS_BYTES
    assert all(len(message.encode()) <= MESSAGE_BYTES for _, message in shop.events(NAME))
    lines = shop.operator.log.read_text().splitlines()
    assert len(shop.operator.records()) == len(lines), "every line of the log is one record"
    assert max(len(line.encode()) for line in lines) < LINE_BYTES
    assert shop.measure("decisions_total", NAME), "the metrics parse"
    metrics = shop.operator.get("/metrics")[1]
    own = [line for line in metrics.splitlines() if shop.namespace in line]
    assert own
    assert max(len(line) for line in own) < 1024
    assert "HELP up" not in metrics
    assert "\x1b" not in metrics + "".join(lines)
