"""A shop whose settings matter: DeliveryPolicies, and topics and nodes changed and looked at with Kafka's own tool."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource  # type: ignore[attr-defined]

from tests.contract.kafka.real_kafka import NODES
from tests.integration.loop.shop import BROKER, Shop

_SET = re.compile(r"^  ([a-z.]+)=(\S*) sensitive=", re.MULTILINE)


class SettingsShop(Shop):
    """Its DeliveryPolicy is called ``safe``."""

    def make_single(self) -> str:
        """The shop's topic, with one replica."""
        name = self.kafka.topic(on=[[0], [1]], name=self.topic)
        self._topics.add(name)
        return name

    def make_pair(self, leader: int, follower: int) -> str:
        """The shop's topic, with one partition on two nodes."""
        name = self.kafka.topic(on=[[leader, follower]], name=self.topic)
        self._topics.add(name)
        return name

    def in_sync(self) -> set[int]:
        """The nodes that are in sync in the topic's first partition; none while nobody tells."""
        found = self._first_partition()
        return set(found.isrs) if found else set()

    def leader(self) -> int:
        """The node that leads the topic's first partition; -1 where none does, or nobody tells."""
        found = self._first_partition()
        return int(found.leader) if found else -1

    def _first_partition(self) -> Any:
        try:
            return self._admin.list_topics(self.topic, timeout=10).topics[self.topic].partitions.get(0)
        except KafkaException:  # the node that was asked has just gone
            return None

    def set_topic(self, *settings: str, topic: str | None = None, delete: Sequence[str] = ()) -> None:
        """Change a topic's settings as people do: ``key=value``, or keys to delete."""
        change = ["--add-config", ",".join(settings)] if settings else []
        change += ["--delete-config", ",".join(delete)] if delete else []
        self._configs("topics", topic or self.topic, *change)

    def topic_settings(self, topic: str | None = None) -> dict[str, str]:
        """What a topic sets itself, by Kafka's own tool."""
        return dict(_SET.findall(self._tool("--describe", "--entity-type", "topics", "--entity-name", topic or self.topic)))

    def set_all(self, topics: Sequence[str], setting: str, value: str) -> None:
        """Set one setting of many topics at once, quicker than with Kafka's tool."""
        entry = ConfigEntry(setting, value, incremental_operation=AlterConfigOpType.SET)
        resources = [ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=[entry]) for topic in topics]
        for future in self._admin.incremental_alter_configs(resources).values():
            future.result(10)

    def settings_of_all(self) -> dict[str, dict[str, str]]:
        """What every topic sets itself, by Kafka's own tool."""
        parts = re.split(
            r"^Dynamic configs for topic (\S+) are:$", self._tool("--describe", "--entity-type", "topics"), flags=re.MULTILINE
        )
        return {name: dict(_SET.findall(text)) for name, text in zip(parts[1::2], parts[2::2], strict=True)}

    @contextmanager
    def node_setting(self, node: int, setting: str) -> Iterator[None]:
        """A setting of one node alone, for a while."""
        self._configs("brokers", str(node), "--add-config", setting)
        try:
            yield
        finally:
            self._configs("brokers", str(node), "--delete-config", setting.partition("=")[0])

    def log_requests(self, level: str) -> None:
        """From which level on the nodes log requests: every one with DEBUG."""
        for node in NODES:
            self._configs("broker-loggers", str(node), "--add-config", f"kafka.request.logger={level}")

    def audits(self) -> float:
        """Audits that read the shop's brokers so far."""
        return self.operator.value("floodwarden_audit_duration_seconds_count", namespace=self.namespace, broker=BROKER) or 0.0

    def let_it_audit(self, times: int = 2) -> None:
        """Return once so many more audits have ended."""
        before = self.audits()
        self.until(lambda: self.audits() >= before + times, f"{times} audits more")

    def _configs(self, kind: str, name: str, *change: str) -> None:
        self._tool("--alter", "--entity-type", kind, "--entity-name", name, *change)

    def _tool(self, *arguments: str) -> str:
        return self.kafka.tool("kafka-configs", *arguments)
