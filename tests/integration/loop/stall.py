"""One test's namespace, with what tests of the loop apply to it and look at, whatever its brokers are; gone at the end.

Waiting is always on a condition with a deadline. What does not come true is told with the policies' status, the Events and
the end of the operator's log. ``shop`` has it on Kafka.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

from floodhack.errors import HackError
from floodhack.waiting import until
from floodwarden.api.resource import GROUP, VERSION
from tests.support.canaries import CANARIES, EVIDENCE
from tests.support.kubectl import Kubectl, KubectlError, Object, conditions
from tests.support.operator_process import OperatorProcess

API = f"{GROUP}/{VERSION}"
POLICY = "billing"
BROKER = "main"
DELIVERY = "safe"
SWEEP = "500ms"
PUBLIC_KEYS = ("username", "accessKey", "ca.crt", "tls.crt")  # of a Secret: what may be shown


class Stall:
    """``mark`` tells its names from those of others; ``subject`` is the topic or queue that is its own."""

    subject: str

    def __init__(self, kubectl: Kubectl, operator: OperatorProcess) -> None:
        self.kubectl = kubectl
        self.operator = operator
        self.mark = uuid4().hex[:6]
        self.namespace = f"shop-{self.mark}"
        self._namespaces: list[str] = []

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

    # What is in it

    def add_namespace(self, name: str) -> str:
        """Another namespace, which goes with the shop."""
        self.kubectl.run("create", "namespace", name)
        self._namespaces.append(name)
        return name

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

    def delivery(
        self,
        *,
        name: str = DELIVERY,
        annotations: Mapping[str, str] | None = None,
        match: Mapping[str, Any] | None = None,
        **spec: Any,
    ) -> None:
        """Apply a DeliveryPolicy, by default for the shop's own topic or queue."""
        metadata = {"name": name, "namespace": self.namespace, "annotations": dict(annotations or {})}
        wanted = {"brokerRef": {"name": BROKER}, "match": match or {"names": [self.subject]}, **spec}
        self.kubectl.apply({"apiVersion": API, "kind": "DeliveryPolicy", "metadata": metadata, "spec": wanted})

    def backlog(self, subscription: Object, most: int, **spec: Any) -> None:
        """Apply a BacklogPolicy: 100 messages and ``most`` replicas at most, scaled down after five seconds."""
        consumers: Object = {
            "targetRef": {"name": POLICY},
            "minReplicas": 1,
            "maxReplicas": most,
            "scaleDown": {"stabilization": "5s"},
        }
        asked: Object = {
            "brokerRef": {"name": BROKER},
            "subscription": subscription,
            "maxLag": {"messages": 100},
            "catchUp": "20s",
        }
        metadata = {"name": POLICY, "namespace": self.namespace}
        merged = {**asked, "consumers": consumers, **spec}
        self.kubectl.apply({"apiVersion": API, "kind": "BacklogPolicy", "metadata": metadata, "spec": merged})

    def _keep_evidence(self) -> None:
        """What Floodwarden wrote about this shop, for the search for secrets after the session."""
        for name in self._namespaces:
            told = self.kubectl.run("get", "fwbp,fwdp,fwmb,events", "-n", name, "-o", "yaml")
            EVIDENCE.keep(f"status and Events of namespace {name}", told)
        if self.operator.running:
            EVIDENCE.keep("metrics", self.operator.get("/metrics")[1])

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
        return int(self.kubectl.get(kind, name, namespace=self.namespace)["spec"]["replicas"])

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
