"""The three real nodes as a test uses them: data by confluent-kafka, and Kafka's own tools to compare with."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic  # type: ignore[attr-defined]

from floodhack.errors import HackError
from floodhack.instance import CHECKOUT, Instance
from floodhack.kafka import Kafka
from floodhack.kafka_settings import KafkaSet
from floodhack.waiting import until
from floodwarden.brokers.kafka import Security

NODES = (0, 1, 2)


class RealKafka:
    """The brokers of one instance and of one version, which run."""

    def __init__(self, version: str, instance: Instance) -> None:
        self.set = KafkaSet(instance, version)
        self.facts: dict[str, Any] = self.set.facts
        self.bootstrap: list[str] = self.facts["bootstrap"]["PLAINTEXT"]
        self._admin = AdminClient({"bootstrap.servers": ",".join(self.bootstrap)})
        # Each asks the one node it is given: they send nothing that would make them connect to another.
        self._lookers = [AdminClient({"bootstrap.servers": address}) for address in self.bootstrap]

    def security(self, protocol: str, mechanism: str | None = None, **changes: Any) -> Security:
        """What a client needs for one listener; ``changes`` replaces parts of it."""
        given: dict[str, Any] = {"mechanism": mechanism}
        if mechanism is not None:
            user = self.facts["plain" if mechanism == "PLAIN" else "scram"]
            given |= {"username": user["username"], "password": user["password"]}
        if protocol.endswith("SSL"):
            given["ca"] = self.pem("ca")
        return Security(protocol, **(given | changes))

    def pem(self, name: str) -> bytes:
        """One of the PEM files: ca, client_certificate, client_key."""
        return Path(self.facts[name]).read_bytes()

    def topic(self, partitions: int = 3, *, on: list[list[int]] | None = None, name: str | None = None) -> str:
        """Make a topic; ``on`` names each partition's nodes, else all three hold it. Its name."""
        name = name or f"topic-{uuid4().hex[:8]}"
        new = NewTopic(name, num_partitions=len(on), replica_assignment=on) if on else NewTopic(name, partitions, len(NODES))
        wait_for(lambda: _done(self._admin.create_topics([new])), f"topic {name} created")
        self._await_known(name, partitions=len(on) if on else partitions)
        return name

    def one_copy(self, *names: str, partitions: int = 1) -> None:
        """Make many topics at once, of which only node 0 holds the messages."""
        on = [[0]] * partitions
        _done(self._admin.create_topics([NewTopic(name, num_partitions=partitions, replica_assignment=on) for name in names]))
        self._await_known(*names, partitions=partitions)

    def _await_known(self, *names: str, partitions: int) -> None:
        """Return once every node knows these topics and who leads each of their partitions: some hear of a new one later."""
        for looker in self._lookers:
            wait_for(partial(_all_led, looker, names, partitions), f"{', '.join(names)} led")

    def delete_topic(self, *names: str) -> None:
        """Delete topics; return once no node knows them any more."""
        _done(self._admin.delete_topics([*names]))
        for looker in self._lookers:
            wait_for(lambda at=looker: not at.list_topics(timeout=10).topics.keys() & {*names}, f"{', '.join(names)} gone")  # type: ignore[misc]

    def grow(self, name: str, partitions: int) -> None:
        """Give a topic more partitions."""
        _done(self._admin.create_partitions([NewPartitions(name, partitions)]))

    def produce(self, topic: str, counts: Mapping[int, int]) -> None:
        """Write messages, so many to each partition, and see them acknowledged."""
        failures: list[object] = []

        def delivered(error: object, _message: object) -> None:
            if error is not None:
                failures.append(error)

        # Idempotent: what is sent again because a leader changed meanwhile is there once.
        producer = Producer({"bootstrap.servers": ",".join(self.bootstrap), "enable.idempotence": True})
        # A node that has not heard of new partitions yet would make the client refuse to write to them.
        wait_for(
            lambda: counts.keys() <= producer.list_topics(topic, 10).topics[topic].partitions.keys(), f"all of {topic} known"
        )
        for partition, count in counts.items():
            for number in range(count):
                producer.produce(topic, str(number), partition=partition, on_delivery=delivered)
        assert producer.flush(30) == 0, "messages not acknowledged in time"
        assert not failures, failures

    def commit(self, group: str, topic: str, offsets: Mapping[int, int]) -> None:
        """Commit offsets for a group without members."""
        wanted = [TopicPartition(topic, partition, offset) for partition, offset in offsets.items()]

        def committed() -> bool:
            request = ConsumerGroupTopicPartitions(group, wanted)
            (answer,) = self._admin.alter_consumer_group_offsets([request]).values()
            return not any(entry.error for entry in answer.result(10).topic_partitions)

        wait_for(committed, f"offsets of {group} committed")

    def coordinator(self, group: str) -> int:
        """The node that coordinates a group."""
        return int(self._admin.describe_consumer_groups([group])[group].result(10).coordinator.id)

    def tool(self, name: str, *args: str) -> str:
        """What one of Kafka's own tools prints."""
        brokers = Kafka(self.set.instance, self.set.version)
        return str(brokers.run(name, list(args), check=True, stdout=subprocess.PIPE, text=True).stdout)

    def brokers(self, *args: str) -> str:
        """Run hack/brokers; what it prints on standard output."""
        return hack_brokers(self.set.version, self.set.instance, *args, stdout=subprocess.PIPE, check=True).stdout

    def _led(self, topic: str) -> int:
        found = self._admin.list_topics(topic, timeout=10).topics[topic].partitions.values()
        return sum(partition.leader >= 0 for partition in found)


def hack_brokers(version: str, instance: Instance, *args: str, **how: Any) -> subprocess.CompletedProcess[str]:
    """Run hack/brokers for one version of Kafka and one instance; ``how`` goes to subprocess.run."""
    command = [sys.executable, str(CHECKOUT / "hack" / "brokers"), *args]
    env = {**os.environ, "FLOODWARDEN_KAFKA": version, "FLOODWARDEN_INSTANCE": str(instance.number)}
    return subprocess.run(command, env=env, text=True, **how)


def wait_for(condition: Callable[[], bool], what: str, *, within: float = 60.0) -> None:
    """Return once the condition holds; AssertionError after ``within`` seconds. Errors of the brokers count as not yet."""
    why = "not yet"

    def holds() -> bool:
        nonlocal why
        try:
            return condition()
        except (KafkaException, TimeoutError) as error:
            why = repr(error)
            return False

    try:
        until(holds, seconds=within, what=what)
    except HackError as error:
        raise AssertionError(f"{error} ({why})") from None


def _done(futures: Mapping[str, Any]) -> bool:
    for future in futures.values():
        future.result(15)
    return True


def _all_led(looker: AdminClient, names: Iterable[str], partitions: int) -> bool:
    """Whether one node knows so many partitions with a leader of each topic."""
    known = looker.list_topics(timeout=10).topics
    return all(name in known and sum(one.leader >= 0 for one in known[name].partitions.values()) == partitions for name in names)
