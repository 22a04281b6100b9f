"""One test's shop on RabbitMQ: a namespace with a MessageBroker, policies and consumers in it, and its queue; gone at the end."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from floodhack.demo_pods import queue_consumer
from tests.contract.rabbitmq.real_rabbit import RealRabbit
from tests.integration.loop.stall import API, BROKER, POLICY, SWEEP, Stall
from tests.support.kubectl import Kubectl, Object
from tests.support.operator_process import OperatorProcess

SECRET = "rabbitmq"


class QueueShop(Stall):
    """``queue`` is that which ``consumers`` and ``policy`` use unless told otherwise; it is not there before ``open``."""

    def __init__(self, kubectl: Kubectl, rabbit: RealRabbit, operator: OperatorProcess) -> None:
        super().__init__(kubectl, operator)
        self.rabbit = rabbit
        self.queue = self.subject = f"orders-{self.mark}"
        self.letters = f"letters-{self.mark}"

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        super().__exit__(kind, error, trace)
        self.rabbit.delete(self.queue)
        self.rabbit.delete(self.letters)

    def open(self, kind: str = "classic", **arguments: bool) -> None:
        """The shop's queue."""
        self.rabbit.queue(kind, name=self.queue, **arguments)

    def open_kept(self) -> None:
        """The shop's queue as a quorum queue whose dead letters another queue gets."""
        self.rabbit.queue("classic", name=self.letters)
        self.rabbit.queue("quorum", name=self.queue, x_dead_letter_exchange="", x_dead_letter_routing_key=self.letters)

    def length(self) -> int:
        """Messages in it, by rabbitmqctl."""
        return int(self.rabbit.listed(self.queue, "messages")["messages"])

    def broker(self, *, user: str = "monitoring", audits: str = "5s", **reach: Any) -> None:
        """Apply a MessageBroker and its Secret, by default on the first node's plain management listener."""
        name, password = self.rabbit.user(user)
        self.secret(SECRET, username=name, password=password)
        block = {
            "managementURL": self.rabbit.facts["addresses"]["management"][0],
            "credentialsSecretRef": {"name": SECRET},
            **reach,
        }
        spec: Object = {"type": "RabbitMQ", "rabbitmq": block, "sweepInterval": SWEEP, "auditInterval": audits}
        metadata = {"name": BROKER, "namespace": self.namespace}
        self.kubectl.apply({"apiVersion": API, "kind": "MessageBroker", "metadata": metadata, "spec": spec})

    def policy(self, *, most: int = 10, subscription: Object | None = None, **spec: Any) -> None:
        """Apply a BacklogPolicy on the shop's queue, unless another subscription is given: see ``backlog``."""
        self.backlog(subscription or {"queues": [self.queue]}, most, **spec)

    def consumers(self, replicas: int = 1, capacity: float = 20.0) -> None:
        """Apply real consumers that process ``capacity`` messages per second each; does not wait for their pods."""
        container = queue_consumer(self.rabbit.urls, self.queue, capacity)
        self.workload("Deployment", POLICY, replicas, {"containers": [container]})
