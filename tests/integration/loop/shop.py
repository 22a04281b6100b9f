"""One test's shop: a namespace with a broker, policies and consumers in it, its topics and groups; gone at the end.

Waiting is always on a condition with a deadline. What does not come true is told with the policies' status, the Events and
the end of the operator's log.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from floodhack.demo_pods import consumer
from floodhack.errors import HackError
from floodhack.waiting import until
from floodwarden.api.resource import GROUP, VERSION
from tests.contract.kafka.real_kafka import RealKafka
from tests.integration.loop.stream import Stream
from tests.support.canaries import CANARIES, EVIDENCE
from tests.support.kubectl import Kubectl, KubectlError, Object, conditions
from tests.support.operator_process import OperatorProcess

API = f"{GROUP}/{VERSION}"
POLICY = "billing"
BROKER = "main"
DELIVERY = "safe"
SWEEP = "500ms"
PUBLIC_KEYS = ("username", "ca.crt", "tls.crt")  # of a Secret: what may be shown


class Shop:
    """``topic`` and ``group`` are those that ``consumers`` and ``policy`` use unless told otherwise."""

    def __init__(self, kubectl: Kubectl, kafka: RealKafka, operator: OperatorProcess) -> None:
        self.kubectl = kubectl
        self.kafka = kafka
        self.operator = operator
        mark = uuid4().hex[:6]
        self.namespace = f"shop-{mark}"
        self.topic = f"orders-{mark}"
        self.group = f"billing-{mark}"
        self._namespaces: list[str] = []
        self._topics: set[str] = set()
        self._groups = {self.group}
        self._admin = AdminClient({"bootstrap.servers": ",".join(kafka.bootstrap)})

    def __enter__(self) -> Self:
        self.add_namespace(self.namespace)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._keep_evidence()
        for name in self._namespaces:
            # Policies first, so that nothing is scaled while it goes; consumers leave their groups before these can.
            self.kubectl.run("delete", "fwbp,fwdp,fwmb", "--all", "-n", name)
            self.kubectl.run("delete", "deployments,statefulsets,replicasets", "--all", "-n", name)
        for name in self._namespaces:
            self.kubectl.run("delete", "pods", "--all", "--grace-period=3", "-n", name)
            self.kubectl.run("delete", "namespace", name, "--wait=false")
        until(self._groups_deleted, seconds=60, what=f"groups {self._groups} deleted", every=0.5)
        for topic in self._topics:
            self.delete_topic(topic)

    # What is in it

    def add_namespace(self, name: str) -> str:
        """Another namespace, which goes with the shop."""
        self.kubectl.run("create", "namespace", name)
        self._namespaces.append(name)
        return name

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

    def delivery(
        self,
        *,
        name: str = DELIVERY,
        annotations: Mapping[str, str] | None = None,
        match: Mapping[str, Any] | None = None,
        **spec: Any,
    ) -> None:
        """Apply a DeliveryPolicy for the shop's topic."""
        metadata = {"name": name, "namespace": self.namespace, "annotations": dict(annotations or {})}
        wanted = {"brokerRef": {"name": BROKER}, "match": match or {"names": [self.topic]}, **spec}
        self.kubectl.apply({"apiVersion": API, "kind": "DeliveryPolicy", "metadata": metadata, "spec": wanted})

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

    def idle(self, replicas: int = 1, *, name: str = POLICY, kind: str = "Deployment", namespace: str | None = None) -> None:
        """Apply something to scale whose pods never start: where only the number matters."""
        container = {"name": "main", "image": "none", "imagePullPolicy": "Never"}
        self.workload(kind, name, replicas, {"schedulerName": "none", "containers": [container]}, namespace=namespace)

    def workload(self, kind: str, name: str, replicas: int, pod: Object, *, namespace: str | None = None) -> None:
        labels = {"app": name}
        spec: Object = {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"hostNetwork": True, "terminationGracePeriodSeconds": 5, **pod},
            },
        }
        if kind == "StatefulSet":
            spec |= {"serviceName": name, "podManagementPolicy": "Parallel"}
        metadata = {"name": name, "namespace": namespace or self.namespace}
        self.kubectl.apply({"apiVersion": "apps/v1", "kind": kind, "metadata": metadata, "spec": spec})

    def secret(self, name: str, *, namespace: str | None = None, **values: str) -> None:
        """Apply a Secret, whose values must turn up nowhere."""
        for key, value in values.items():
            if key not in PUBLIC_KEYS:
                CANARIES.hand_out(value)
        metadata = {"name": name, "namespace": namespace or self.namespace}
        self.kubectl.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": values})

    def patch(self, kind: str, name: str, change: Object, *, namespace: str | None = None) -> None:
        """Merge a change into an object."""
        self.kubectl.run("patch", kind, name, "--type=merge", "-p", json.dumps(change), "-n", namespace or self.namespace)

    def scale(self, replicas: int, *, name: str = POLICY) -> None:
        """Scale the Deployment by hand."""
        self.kubectl.run("scale", "deployment", name, f"--replicas={replicas}", "-n", self.namespace)

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

    def _keep_evidence(self) -> None:
        """What Floodwarden wrote about this shop, for the search for secrets after the session."""
        for name in self._namespaces:
            told = self.kubectl.run("get", "fwbp,fwdp,fwmb,events", "-n", name, "-o", "yaml")
            EVIDENCE.keep(f"status and Events of namespace {name}", told)
        if self.operator.running:
            EVIDENCE.keep("metrics", self.operator.get("/metrics")[1])

    def _groups_deleted(self) -> bool:
        for group in list(self._groups):
            with contextlib.suppress(KafkaException):
                self._admin.delete_consumer_groups([group])[group].result(10)
        listed = {found.group_id for found in self._admin.list_consumer_groups().result(10).valid}
        return not listed & self._groups

    # What is seen

    def sweeper(self) -> str | None:
        """The replica that has the Lease of the shop's MessageBroker."""
        about = f"MessageBroker {self.namespace}/{BROKER}"
        for lease in self.kubectl.objects("leases"):
            if lease["metadata"].get("annotations", {}).get("floodwarden.dev/about") == about:
                return str(lease["spec"].get("holderIdentity"))
        return None

    def status(self, name: str = POLICY) -> Object:
        """A policy's status."""
        return dict(self.kubectl.get("fwbp", name, namespace=self.namespace).get("status", {}))

    def condition(self, type_: str, name: str = POLICY, *, kind: str = "fwbp") -> tuple[str, str]:
        """A condition's status and reason; empty ones where there is none."""
        found = conditions(self.kubectl.get(kind, name, namespace=self.namespace)).get(type_, {})
        return found.get("status", ""), found.get("reason", "")

    def await_status(
        self, holds: Callable[[Object], object], what: str, *, name: str = POLICY, kind: str = "fwbp", within: float = 60.0
    ) -> Object:
        """The status as soon as ``holds`` is true of it."""
        found: Object = {}

        def look() -> bool:
            found.clear()
            found.update(self.kubectl.get(kind, name, namespace=self.namespace).get("status", {}))
            return bool(holds(found))

        self.until(look, what, within=within)
        return dict(found)

    def await_condition(
        self, type_: str, status: str, reason: str, *, name: str = POLICY, kind: str = "fwbp", within: float = 60.0
    ) -> str:
        """Wait for a condition of this status and reason; its message."""
        last: Object = {}

        def look() -> bool:
            last.update(conditions(self.kubectl.get(kind, name, namespace=self.namespace)).get(type_, {}))
            return (last.get("status"), last.get("reason")) == (status, reason)

        self.until(look, f"{type_} {status}, {reason}", within=within)
        return str(last["message"])

    def await_pods(self, name: str = POLICY) -> None:
        """Wait until every pod of the Deployment runs."""
        self.kubectl.run("rollout", "status", f"deployment/{name}", "-n", self.namespace, "--timeout=120s", within=130)

    def replicas(self, name: str = POLICY, *, kind: str = "deployment") -> int:
        """What the target asks for."""
        return int(self.kubectl.run("get", kind, name, "-n", self.namespace, "-o", "jsonpath={.spec.replicas}"))

    def await_replicas(self, wanted: int, *, name: str = POLICY, kind: str = "deployment", within: float = 90.0) -> None:
        """Wait until the target asks for so many."""
        self.until(lambda: self.replicas(name, kind=kind) == wanted, f"{name} at {wanted} replicas", within=within)

    def events(self, name: str = POLICY, *, kind: str = "BacklogPolicy") -> list[tuple[str, str]]:
        """Reason and message of Floodwarden's Events about an object, oldest first."""
        found = self.kubectl.events(kind, name, namespace=self.namespace)
        found.sort(key=lambda event: int(event["metadata"]["resourceVersion"]))  # several may be of the same second
        return [(e["reason"], e["message"]) for e in found if e.get("source", {}).get("component") == "floodwarden"]

    def reasons(self, name: str = POLICY, *, kind: str = "BacklogPolicy") -> list[str]:
        """The reasons of those Events."""
        return [reason for reason, _ in self.events(name, kind=kind)]

    def await_event(self, reason: str, *, name: str = POLICY, kind: str = "BacklogPolicy", within: float = 60.0) -> str:
        """Wait for an Event of that reason; the message of the latest."""
        self.until(lambda: reason in self.reasons(name, kind=kind), f"an Event {reason} about {kind} {name}", within=within)
        return [message for found, message in self.events(name, kind=kind) if found == reason][-1]

    def measure(self, name: str, policy: str = POLICY, **labels: str) -> float | None:
        """One of a policy's metrics, by its name without the prefix; None where it has no such series."""
        return self.operator.value(f"floodwarden_{name}", namespace=self.namespace, policy=policy, **labels)

    def let_it_decide(self, times: int = 6, *, policy: str = POLICY) -> None:
        """Return once the policy was decided on so many times more."""
        name = "decisions_total"
        before = self.measure(name, policy) or 0.0
        self.until(lambda: (self.measure(name, policy) or 0.0) >= before + times, f"{times} decisions about {policy}")

    def until(self, holds: Callable[[], bool], what: str, *, within: float = 60.0) -> None:
        """Wait for anything."""
        try:
            until(holds, seconds=within, what=what, every=0.3, dead=self.operator.died)
        except HackError as error:
            raise AssertionError(str(error)) from None

    def explain(self) -> str:
        """What was there when a test failed."""
        try:
            told = [
                self.kubectl.run("get", kind, "-n", namespace, "-o", form)
                for namespace in self._namespaces
                for kind, form in (("fwbp,fwdp,fwmb", "yaml"), ("deployments,pods", "wide"), ("events", "wide"))
            ]
        except KubectlError as error:
            told = [str(error)]
        return "\n".join([*told, "the end of the operator's log:", self.operator.tail()])
