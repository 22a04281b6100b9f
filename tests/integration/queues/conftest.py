"""Fixtures of the tests on queues: RabbitMQ's nodes, the operator for all of them, and for each a shop of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from floodhack.instance import Instance
from tests.conftest import Cluster
from tests.contract.rabbitmq.real_rabbit import RealRabbit, running
from tests.integration.loop.conftest import demo_image as demo_image
from tests.integration.loop.conftest import pytest_runtest_makereport as pytest_runtest_makereport
from tests.integration.queues.queue_shop import QueueShop
from tests.support.kubectl import Kubectl
from tests.support.operator_process import OperatorProcess, operating

PORT = 8340


@pytest.fixture(scope="package")
def rabbit() -> Iterator[RealRabbit]:
    """The nodes of FLOODWARDEN_INSTANCE: those that run, or some made for as long as tests use them."""
    with running(Instance.current()) as rabbit:
        yield rabbit


@pytest.fixture(scope="package")
def operator(cluster: Cluster, crds: None) -> Iterator[OperatorProcess]:
    """The operator for the whole package."""
    with operating(cluster.kubeconfig, "queues.log", PORT) as process:
        yield process


@pytest.fixture
def shop(kubectl: Kubectl, rabbit: RealRabbit, operator: OperatorProcess, demo_image: None) -> Iterator[QueueShop]:
    """A namespace and a queue for one test, gone after it."""
    with QueueShop(kubectl, rabbit, operator) as shop:
        yield shop
