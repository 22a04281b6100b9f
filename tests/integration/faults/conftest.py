"""Fixtures of the faults' tests: an operator for each test, so that it can be killed, cut off and led astray."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from floodhack.api_proxy import ApiProxy
from floodhack.instance import Instance
from tests.conftest import Cluster
from tests.contract.kafka.conftest import kafka as kafka
from tests.contract.kafka.real_kafka import RealKafka
from tests.integration.loop.conftest import demo_image as demo_image
from tests.integration.loop.shop import Shop
from tests.support.kubectl import Kubectl
from tests.support.operator_process import OperatorProcess

PORT = 8290
SHOPS = pytest.StashKey[list[Shop]]()
Run = Callable[..., OperatorProcess]


@pytest.fixture
def run(cluster: Cluster, crds: None, request: pytest.FixtureRequest) -> Iterator[Run]:
    """``run(*args, kubeconfig=…, env=…)`` starts an operator; it must end in order, and without ever a traceback."""
    started: list[OperatorProcess] = []

    def begin(*args: str, kubeconfig: Path = cluster.kubeconfig, env: dict[str, str] | None = None) -> OperatorProcess:
        number = len(started)
        instance = Instance.current()
        log = instance.run / "faults" / f"{request.node.name}-{number}.log"
        process = OperatorProcess(kubeconfig, log, instance.port(PORT + number), *args, env=env)
        started.append(process)
        process.start()
        return process

    yield begin
    for process in started:
        process.finish()


@pytest.fixture
def operator(run: Run) -> OperatorProcess:
    """The usual operator."""
    process = run()
    process.await_ready()
    return process


@pytest.fixture
def proxy(cluster: Cluster) -> Iterator[ApiProxy]:
    """A way to the API server that can be disturbed."""
    with ApiProxy(cluster.kubeconfig) as proxy:
        yield proxy


@pytest.fixture
def open_shop(
    kubectl: Kubectl, kafka: RealKafka, demo_image: None, request: pytest.FixtureRequest
) -> Iterator[Callable[[OperatorProcess], Shop]]:
    """Opens shops for an operator; they are gone after the test."""
    with ExitStack() as stack:

        def enter(operator: OperatorProcess) -> Shop:
            shop = stack.enter_context(Shop(kubectl, kafka, operator))
            request.node.stash.setdefault(SHOPS, []).append(shop)
            return shop

        yield enter


@pytest.fixture
def shop(open_shop: Callable[[OperatorProcess], Shop], operator: OperatorProcess) -> Shop:
    """A shop of the usual operator."""
    return open_shop(operator)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Tell what was in a test's shops when it failed."""
    report = yield
    if report.when == "call" and report.failed:
        report.sections.extend((f"the shop {shop.namespace}", shop.explain()) for shop in item.stash.get(SHOPS, []))
    return report
