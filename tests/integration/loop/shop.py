"""One test's shop on Kafka: a namespace with a broker, policies and consumers in it, its topics and groups; gone at the end."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from floodhack.demo_pods import consumer
from floodhack.waiting import until
from tests.contract.kafka.real_kafka import RealKafka
from tests.integration.loop.stall import API as API
from tests.integration.loop.stall import BROKER as BROKER
from tests.integration.loop.stall import POLICY as POLICY
from tests.integration.loop.stall import SWEEP, Stall
from tests.integration.loop.stream import Stream
from tests.support.kubectl import Kubectl, Object
from tests.support.operator_process import OperatorProcess


class Shop(Stall):
    """``topic`` and ``group`` are those that ``consumers`` and ``policy`` use unless told otherwise."""

    def __init__(self, kubectl: Kubectl, kafka: RealKafka, operator: OperatorProcess) -> None:
        super().__init__(kubectl, operator)
        self.kafka = kafka
        self.topic = self.subject = f"orders-{self.mark}"
        self.group = f"billing-{self.mark}"
        self._topics: set[str] = set()
        self._groups = {self.group}
        self._admin = AdminClient({"bootstrap.servers": ",".join(kafka.bootstrap)})

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        super().__exit__(kind, error, trace)
        until(self._groups_deleted, seconds=60, what=f"groups {self._groups} deleted", every=0.5)
        for topic in self._topics:
            self.delete_topic(topic)

    def make_topic(self, partitions: int = 4, *, name: str | None = None, group: str | None = None, read: bool = True) -> str:
        """The shop's topic, or one of another name. With ``read`` the group has committed its begin, as after a first start."""
        name = self.kafka.topic(partitions, name=name or self.topic)
        self._topics.add(name)
        if read:
            self._groups.add(group or self.group)
            self.kafka.commit(group or self.group, name, dict.fromkeys(range(partitions), 0))
        return name

    def broker(self, *, name: str = BROKER, namespace: str | None = None, kafka: Object | None = None, **spec: Any) -> None:
        """Apply a MessageBroker, by default on the plain listener."""
        reach = {"bootstrapServers": self.kafka.bootstrap, **(kafka or {})}
        manifest = {
            "apiVersion": API,
            "kind": "MessageBroker",
            "metadata": {"name": name, "namespace": namespace or self.namespace},
            "spec": {"type": "Kafka", "kafka": reach, "sweepInterval": SWEEP, **spec},
        }
        self.kubectl.apply(manifest)

    def policy(
        self,
        *,
        name: str = POLICY,
        namespace: str | None = None,
        subscription: Object | None = None,
        target: Object | None = None,
        consumers: Object | None = None,
        annotations: Mapping[str, str] | None = None,
        **spec: Any,
    ) -> None:
        """Apply a BacklogPolicy: 100 messages at most, one replica or more, scaled down after five seconds."""
        merged = {
            "brokerRef": {"name": BROKER},
            "subscription": subscription or {"group": self.group, "topics": [self.topic]},
            "maxLag": {"messages": 100},
            "catchUp": "20s",
            "consumers": {
                "targetRef": target or {"name": POLICY},
                "minReplicas": 1,
                "scaleDown": {"stabilization": "5s"},
                **(consumers or {}),
            },
            **spec,
        }
        metadata = {"name": name, "namespace": namespace or self.namespace, "annotations": dict(annotations or {})}
        self.kubectl.apply({"apiVersion": API, "kind": "BacklogPolicy", "metadata": metadata, "spec": merged})

    def consumers(
        self,
        replicas: int = 1,
        capacity: float = 20.0,
        *,
        name: str = POLICY,
        kind: str = "Deployment",
        namespace: str | None = None,
        topic: str | None = None,
        group: str | None = None,
        **env: str,
    ) -> None:
        """Apply real consumers that process ``capacity`` messages per second each; does not wait for their pods."""
        container = consumer(self.kafka.bootstrap, topic or self.topic, group or self.group, capacity, **env)
        self.workload(kind, name, replicas, {"containers": [container]}, namespace=namespace)

    # Messages

    def produce(self, each: int, *, partitions: Sequence[int] = range(4), topic: str | None = None) -> None:
        """So many messages into each of these partitions, at once."""
        self.kafka.produce(topic or self.topic, dict.fromkeys(partitions, each))

    @contextlib.contextmanager
    def stream(self, rate: float, *, partitions: Sequence[int] = range(4), topic: str | None = None) -> Iterator[Stream]:
        """Messages at a steady rate, dealt out to the partitions in turn."""
        stream = Stream(self.kafka.bootstrap, topic or self.topic, rate, partitions)
        try:
            yield stream
        finally:
            stream.close()

    def busy(self, capacity: float, *, limit: int) -> None:
        """One busy consumer whose capacity is known, below the limit."""
        self.make_topic(4)
        self.broker()
        self.consumers(1, capacity)
        self.policy(maxLag={"messages": limit})
        self.learn_capacity(1.5 * capacity)

    def learn_capacity(self, rate: float, *, partitions: Sequence[int] = range(4), name: str = POLICY) -> Object:
        """Send a little more than the consumers can do, to all partitions in turn, until that is measured; the status then.

        Messages sent at once would be worked off one partition after the other, which shows less.
        """
        with self.stream(rate, partitions=partitions):
            measured = lambda s: s.get("capacity", {}).get("basis") == "Measured"  # noqa: E731
            return self.await_status(measured, "capacity measured", name=name, within=90)

    def delete_topic(self, topic: str) -> None:
        """Delete a topic, if it is there, and wait until it is gone."""
        with contextlib.suppress(KafkaException):
            self.kafka.delete_topic(topic)
        gone = lambda: topic not in self._admin.list_topics(timeout=10).topics  # noqa: E731
        until(gone, seconds=30, what=f"topic {topic} deleted")

    def _groups_deleted(self) -> bool:
        for group in list(self._groups):
            with contextlib.suppress(KafkaException):
                self._admin.delete_consumer_groups([group])[group].result(10)
        listed = {found.group_id for found in self._admin.list_consumer_groups().result(10).valid}
        return not listed & self._groups
