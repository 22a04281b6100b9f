"""One test's shop on RocketMQ: a namespace with a MessageBroker, a policy and consumers in it, its topic and its group."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Collection, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from floodhack.demo_pods import rocketmq_consumer
from tests.contract.rocketmq.real_rocketmq import SOON, RealRocketMQ
from tests.integration.loop.stall import API, BROKER, POLICY, SWEEP, Stall
from tests.support.kubectl import Kubectl, Object
from tests.support.operator_process import OperatorProcess

SECRET = "rocketmq"
QUEUES = 4

Result = TypeVar("Result")


class TopicShop(Stall):
    """Its topic is there from the beginning, with four queues; its group has committed nothing before ``commit``."""

    def __init__(self, kubectl: Kubectl, rocketmq: RealRocketMQ, operator: OperatorProcess) -> None:
        super().__init__(kubectl, operator)
        self.rocketmq = rocketmq
        self.topic = self.subject = rocketmq.topic(QUEUES)
        self.group = f"billing-{self.mark}"

    def send(self, count: int) -> None:
        """So many messages, as many into each queue."""
        self.rocketmq.produce(self.topic, dict.fromkeys(range(QUEUES), count // QUEUES))

    def commit(self, offset: int = 0) -> None:
        """Have the group commit this offset of every queue."""
        self.rocketmq.commit(self.group, self.topic, dict.fromkeys(range(QUEUES), offset))

    def waiting(self) -> int:
        """Messages that the group has still to read, by mqadmin."""
        rows = self.rocketmq.rows("consumerProgress", "-g", self.group, "-t", self.topic)
        return sum(int(row[5]) for row in rows)

    def broker(self, **acl: str) -> None:
        """Apply a MessageBroker and the Secret of the administrator; ``acl`` replaces parts of that."""
        known = self.rocketmq.facts["acl"]["administrator"]
        self.secret(SECRET, **{"accessKey": known["access_key"], "secretKey": known["secret_key"], **acl})
        reach = {"nameServers": self.rocketmq.name_servers, "aclSecretRef": {"name": SECRET}}
        spec: Object = {"type": "RocketMQ", "rocketmq": reach, "sweepInterval": SWEEP, "auditInterval": "5s"}
        metadata = {"name": BROKER, "namespace": self.namespace}
        self.kubectl.apply({"apiVersion": API, "kind": "MessageBroker", "metadata": metadata, "spec": spec})

    def policy(self, *, most: int = 10) -> None:
        """Apply a BacklogPolicy on the shop's group: see ``backlog``."""
        self.backlog({"group": self.group, "topics": [self.topic]}, most)

    def consumers(self, replicas: int, capacity: float) -> None:
        """Apply real consumers, by way of the proxy, that process ``capacity`` messages per second each."""
        user = self.rocketmq.facts["acl"]["application"]
        acl = {"ROCKETMQ_ACCESS_KEY": user["access_key"], "ROCKETMQ_SECRET_KEY": user["secret_key"]}
        container = rocketmq_consumer(self.rocketmq.facts["proxy"]["grpc"], self.topic, self.group, capacity, **acl)
        self.workload("Deployment", POLICY, replicas, {"containers": [container]})

    @contextmanager
    def member(self, queues: Collection[int]) -> Iterator[None]:
        """A consumer of the group that is bound to these queues, as long as the context lasts."""
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, daemon=True)
        thread.start()

        def run(what: Coroutine[Any, Any, Result]) -> Result:
            return asyncio.run_coroutine_threadsafe(what, loop).result(SOON)

        consumer = run(self.rocketmq.join(self.group, self.topic, f"127.0.0.1@1#{self.mark}", queues))
        try:
            yield
        finally:
            run(consumer.leave())
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()
