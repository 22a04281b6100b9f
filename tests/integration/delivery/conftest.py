"""Fixtures of the delivery tests: the operator for all of them, and for each a shop of its own, without consumers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import Cluster
from tests.contract.kafka.conftest import kafka as kafka
from tests.contract.kafka.real_kafka import RealKafka
from tests.integration.delivery.settings_shop import SettingsShop
from tests.integration.loop.conftest import pytest_runtest_makereport as pytest_runtest_makereport
from tests.support.kubectl import Kubectl
from tests.support.operator_process import OperatorProcess, operating

PORT = 8320


@pytest.fixture(scope="package")
def operator(cluster: Cluster, crds: None) -> Iterator[OperatorProcess]:
    """The operator for the whole package."""
    with operating(cluster.kubeconfig, "delivery.log", PORT) as process:
        yield process


@pytest.fixture
def shop(kubectl: Kubectl, kafka: RealKafka, operator: OperatorProcess) -> Iterator[SettingsShop]:
    """A namespace and topics for one test, gone after it; its MessageBroker is audited every five seconds."""
    with SettingsShop(kubectl, kafka, operator) as shop:
        shop.broker(auditInterval="5s")
        yield shop
