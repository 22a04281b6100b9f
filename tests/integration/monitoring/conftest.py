"""Fixtures of the tests of monitoring: an operator with something of everything to tell, and a Prometheus that scrapes it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from floodhack.instance import Instance
from tests.conftest import Cluster
from tests.contract.kafka.conftest import kafka as kafka
from tests.contract.kafka.real_kafka import RealKafka
from tests.integration.loop.conftest import demo_image as demo_image
from tests.integration.loop.shop import POLICY, Shop
from tests.support.kubectl import Kubectl
from tests.support.monitoring import ALERTS
from tests.support.operator_process import OperatorProcess, operating
from tests.support.prometheus import Prometheus, ensure_prometheus

PORT = 8380
PROMETHEUS_PORT = 9490


@pytest.fixture(scope="package")
def operator(cluster: Cluster, crds: None) -> Iterator[OperatorProcess]:
    """An operator of our own, so that its counters begin with these tests."""
    with operating(cluster.kubeconfig, "monitored.log", PORT) as process:
        yield process


@pytest.fixture(scope="package")
def prometheus(operator: OperatorProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A Prometheus that scrapes it, with the chart's alerts."""
    ensure_prometheus()
    process = Prometheus(tmp_path_factory.mktemp("prometheus"), Instance.current().port(PROMETHEUS_PORT))
    try:
        process.start(operator.address, ALERTS)
        yield process
    finally:
        process.end()


@pytest.fixture(scope="package")
def trouble(
    kubectl: Kubectl, kafka: RealKafka, operator: OperatorProcess, prometheus: Prometheus, demo_image: None
) -> Iterator[Shop]:
    """Two real backlogs and what else can be wrong, all at once because each takes its time.

    In the shop that is given: a policy that was scaled to its ceiling, one whose broker is away, one without a target.
    """
    with ExitStack() as stack:
        busy, poisoned = (stack.enter_context(Shop(kubectl, kafka, operator)) for _ in range(2))
        for shop in (busy, poisoned):
            shop.make_topic(4)
            shop.broker()
        busy.consumers(1, capacity=10)
        poisoned.consumers(2, capacity=20, POISON_PARTITION="1")
        busy.broker(name="gone", kafka={"bootstrapServers": ["127.0.0.1:1"]})
        busy.idle(name="other")
        busy.policy(name="blind", brokerRef={"name": "gone"}, target={"name": "other"})
        busy.policy(name="lost", target={"name": "nowhere"})
        busy.delivery(name="unsafe", retention={"atLeast": "8760h"})
        busy.delivery(name="unread", brokerRef={"name": "gone"}, retention={"atLeast": "1h"})
        for shop in (busy, poisoned):
            shop.await_pods()
        stack.enter_context(busy.stream(32))  # more than two replicas can do, less in each partition than one can
        busy.policy(consumers={"maxReplicas": 2})
        stack.enter_context(poisoned.stream(12))
        poisoned.policy(maxLag={"messages": 40}, consumers={"minReplicas": 2})
        _await_state(busy, POLICY, "AtCeiling")
        _await_state(busy, "lost", "TargetMissing")
        _await_state(busy, "blind", "ReadingLost")
        _await_state(poisoned, POLICY, "PartitionStalled")
        yield busy


def _await_state(shop: Shop, policy: str, state: str) -> None:
    shop.await_status(lambda status: status.get("state") == state, f"{policy} is {state}", name=policy, within=180)
