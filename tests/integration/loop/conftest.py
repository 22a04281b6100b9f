"""Fixtures of the loop's tests: the operator for all of them, and for each a shop of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Generator, Iterator

import pytest

from floodhack.instance import CHECKOUT
from tests.conftest import Cluster
from tests.contract.kafka.conftest import kafka as kafka
from tests.contract.kafka.real_kafka import RealKafka
from tests.integration.loop.shop import Shop
from tests.integration.loop.stall import Stall
from tests.support.kubectl import Kubectl
from tests.support.operator_process import OperatorProcess, operating

PORT = 8280


@pytest.fixture(scope="package")
def demo_image(cluster: Cluster) -> None:
    """The consumers' image, in the node."""
    command = [sys.executable, str(CHECKOUT / "hack" / "image"), "load", "--target", "demo"]
    if subprocess.run(command, stdout=sys.stderr, check=False).returncode != 0:
        pytest.fail("hack/image load --target demo failed: run it by hand")


@pytest.fixture(scope="package")
def operator(cluster: Cluster, crds: None) -> Iterator[OperatorProcess]:
    """The operator for the whole package."""
    with operating(cluster.kubeconfig, "operator.log", PORT) as process:
        yield process


@pytest.fixture
def shop(kubectl: Kubectl, kafka: RealKafka, operator: OperatorProcess, demo_image: None) -> Iterator[Shop]:
    """A namespace, a topic and a group for one test, gone after it."""
    with Shop(kubectl, kafka, operator) as shop:
        yield shop


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Tell what was in a test's shop when it failed."""
    report = yield
    if report.when == "call" and report.failed:
        shops = [value for value in getattr(item, "funcargs", {}).values() if isinstance(value, Stall)]
        report.sections.extend((f"the shop {shop.namespace}", shop.explain()) for shop in shops)
    return report
