"""Copies of topics on real brokers: made by one process after the other, shown by Kafka's own tools, and in somebody's way."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource  # type: ignore[attr-defined]

from floodwarden.brokers.abilities import ReplicaMoves
from floodwarden.brokers.kafka import KafkaSettings
from floodwarden.core.delivery.seen import Seen
from floodwarden.core.delivery.survey import Survey
from floodwarden.core.delivery.throttle import RATES
from floodwarden.core.delivery.violations import FACTOR
from floodwarden.core.delivery.wishes import Wishes
from floodwarden.core.reasons import Reason
from tests.contract.cluster.eventually import eventually
from tests.contract.kafka.real_kafka import NODES, RealKafka
from tests.support.copying import Process, Shelf
from tests.support.delivery import wishes

NAME = "shop/orders"
SLOW = 60_000  # bytes per second: a copy of DATA takes half a minute
DATA = 1_500  # messages of a kilobyte
KILOBYTE = "x" * 1_000
Throttles = Mapping[tuple[str, str], str]
THROTTLE = re.compile(r"^\s+((?:leader|follower)\.replication\.throttled\.\w+)=(\S*) sensitive=", re.MULTILINE)


class Copying:
    """A policy in mode Enforce for some topics, and one process after the other that audits for it."""

    def __init__(self, settings: KafkaSettings, *topics: str) -> None:
        self._settings = settings
        self._shelf = Shelf()
        self.policy = replace(wishes(factor=3, name=NAME, names=topics), move_rate=SLOW)
        self.restart()

    def restart(self) -> None:
        """The process is killed, and another one comes."""
        self._process = Process(moves_of(self._settings), self._shelf)

    @property
    def written_down(self) -> str:
        """What is in the ledger."""
        return self._shelf.text

    async def audit(self, *policies: Wishes) -> Seen:
        """One audit, by the policy unless others are given."""
        found = await self.survey()
        return (await self._process.audit(*(policies or (self.policy,)), survey=found)).get(NAME, Seen())

    async def survey(self) -> Survey:
        return await self._settings.survey(self.policy.matches, ())

    async def until(self, holds: Callable[[Seen], bool], within: float = 90.0) -> Seen:
        """The first audit of which that is true."""
        return await eventually(self.audit, holds, within=within)


def moves_of(settings: KafkaSettings) -> ReplicaMoves:
    assert settings.abilities.moves is not None
    return settings.abilities.moves


def raising(found: Seen) -> bool:
    return Reason.RAISING_REPLICATION in [notice.reason for notice in found.notices]


def raised(found: Seen) -> bool:
    return Reason.REPLICATION_RAISED in [notice.reason for notice in found.notices]


def told(found: Seen, topic: str) -> str:
    """What is said of a topic's copies; nothing where they are complete."""
    return next((one.reason for one in found.violations if one.key == (f"topic {topic}", FACTOR)), "")


def throttles(kafka: RealKafka, *topics: str) -> Throttles:
    """All throttles of the nodes and of some topics that kafka-configs shows: (topic or node, setting) → value."""
    found: dict[tuple[str, str], str] = {}
    for kind in ("brokers", "topics") if topics else ("brokers",):
        shown = kafka.tool("kafka-configs", "--describe", "--entity-type", kind)
        parts = re.split(r"^Dynamic configs for (?:broker|topic) (\S+) are:$", shown, flags=re.MULTILINE)
        for name, text in zip(parts[1::2], parts[2::2], strict=True):
            if kind == "brokers" or name in topics:
                found.update(((name, setting), value) for setting, value in THROTTLE.findall(text))
    return found


def replicas(kafka: RealKafka, topic: str) -> list[tuple[set[str], set[str]]]:
    """Who has each partition, and who is in sync, by kafka-topics."""
    shown = kafka.tool("kafka-topics", "--describe", "--topic", topic)
    found = re.findall(r"Partition: \d+\s.*Replicas: ([\d,]+)\s+Isr: ([\d,]+)", shown)
    return [(set(held.split(",")), set(in_sync.split(","))) for held, in_sync in found]


def listed(kafka: RealKafka) -> str:
    """What kafka-reassign-partitions shows to be under way."""
    return kafka.tool("kafka-reassign-partitions", "--list")


def filled(kafka: RealKafka, on: list[list[int]]) -> str:
    """A topic with so much in its partitions that copying them takes a while."""
    name = kafka.topic(on=on)
    fill(kafka, name, range(len(on)))
    return name


def fill(kafka: RealKafka, topic: str, partitions: Iterable[int]) -> None:
    """Write DATA messages into each of these partitions of one copy."""
    producer = Producer({"bootstrap.servers": ",".join(kafka.bootstrap), "acks": 1})  # one copy is fewer than these nodes ask for
    for partition in partitions:
        for _ in range(DATA):
            producer.produce(topic, KILOBYTE, partition=partition)
        producer.poll(0)
    assert producer.flush(30) == 0, "messages not acknowledged in time"


async def known(settings: KafkaSettings, *topics: str) -> None:
    """Return once the node that is asked knows them, with all in sync."""

    def complete(survey: Survey) -> bool:
        found = [survey.topics[name].placements for name in topics if name in survey.topics]
        whole = [set(one.replicas) == set(one.in_sync) for each in found if isinstance(each, tuple) for one in each]
        return len(found) == len(topics) and all(whole)

    await eventually(lambda: settings.survey(topics.__contains__, ()), complete)


@pytest.fixture
def clean(kafka: RealKafka) -> Iterator[None]:
    """No node has a throttle after the test, whatever came of it."""
    yield
    admin = AdminClient({"bootstrap.servers": ",".join(kafka.bootstrap)})
    gone = [ConfigEntry(rate, None, incremental_operation=AlterConfigOpType.DELETE) for rate in RATES]
    for node in NODES:  # the library sends one node's at a time
        resource = ConfigResource(ConfigResource.Type.BROKER, str(node), incremental_configs=gone)
        for done in admin.incremental_alter_configs([resource]).values():
            done.result(10)


class Somebody:
    """Who reassigns with Kafka's own tool, slowly."""

    def __init__(self, kafka: RealKafka, folder: Path) -> None:
        self._kafka = kafka
        self._plan = folder / "plan.json"

    def begins(self, topic: str, partition: int, target: Sequence[int]) -> None:
        """As good as for ever: a byte per second."""
        plan = {"version": 1, "partitions": [{"topic": topic, "partition": partition, "replicas": list(target)}]}
        self._plan.write_text(json.dumps(plan))
        self._tool("--execute", "--throttle", "1")

    def calls_off(self) -> None:
        """And takes away the throttle."""
        self._tool("--cancel")

    def _tool(self, *arguments: str) -> None:
        self._kafka.tool("kafka-reassign-partitions", "--reassignment-json-file", str(self._plan), *arguments)


@pytest.fixture
def somebody(kafka: RealKafka, tmp_path: Path) -> Somebody:
    """Another hand on the same brokers."""
    return Somebody(kafka, tmp_path)
