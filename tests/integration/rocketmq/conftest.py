"""Fixtures of the tests on RocketMQ: its servers, the operator for all of them, and for each a shop of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from floodhack.instance import Instance
from floodhack.rocketmq_jars import DEFAULT_VERSION
from tests.conftest import Cluster
from tests.contract.rocketmq.real_rocketmq import RealRocketMQ, running
from tests.integration.loop.conftest import demo_image as demo_image
from tests.integration.loop.conftest import pytest_runtest_makereport as pytest_runtest_makereport
from tests.integration.rocketmq.topic_shop import TopicShop
from tests.support.kubectl import Kubectl
from tests.support.operator_process import OperatorProcess, operating

PORT = 8345


@pytest.fixture(scope="package")
def rocketmq() -> Iterator[RealRocketMQ]:
    """The servers with ACLs of FLOODWARDEN_INSTANCE: those that run, or some made for as long as tests use them."""
    with running(Instance.current(), DEFAULT_VERSION, acl=True) as servers:
        yield servers


@pytest.fixture(scope="package")
def operator(cluster: Cluster, crds: None) -> Iterator[OperatorProcess]:
    """The operator for the whole package."""
    with operating(cluster.kubeconfig, "rocketmq.log", PORT) as process:
        yield process


@pytest.fixture
def shop(kubectl: Kubectl, rocketmq: RealRocketMQ, operator: OperatorProcess, demo_image: None) -> Iterator[TopicShop]:
    """A namespace, a topic and a group for one test, gone after it."""
    with TopicShop(kubectl, rocketmq, operator) as shop:
        yield shop
