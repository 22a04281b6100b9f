"""Fixtures for every test that needs a cluster: the cluster itself, its kubectl, a namespace of one's own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

from floodhack.gobuild import KUBERNETES
from floodhack.instance import CHECKOUT, Instance
from tests.support.canaries import CANARIES, EVIDENCE
from tests.support.kubectl import Kubectl

ALONE = (
    "tests/unit/",
    "tests/contract/kafka/",
    "tests/contract/prometheus/",
    "tests/contract/rocketmq/",
    "tests/e2e/test_loss_rocketmq.py",
)
# Some that would as well run elsewhere are here so that all three workers have about as much to do.
INSTALLED = (
    "tests/contract/rabbitmq/",
    "tests/e2e/",
    "tests/integration/queues/",
    "tests/integration/rocketmq/",
)

# `make check` has seconds and looks for new cases each time; `make test` asks for more by HYPOTHESIS_PROFILE, and for the same
# ones on every machine.
settings.register_profile("quick", max_examples=8)
settings.register_profile("thorough", max_examples=40, derandomize=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


class ByNeed(LoadScopeScheduling):  # type: ignore[misc]
    """Shares the tests out between three workers: one has the cluster, one a cluster to install into, one all that need none."""

    def _split_scope(self, nodeid: str) -> str:
        if nodeid.startswith(ALONE):
            return "without a cluster"
        return "installed" if nodeid.startswith(INSTALLED) else "with the cluster"


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByNeed:
    """With ``--dist=loadscope``; markers of groups do not reach xdist 3.8 with pytest 9.2."""
    return ByNeed(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What a test logged goes from a worker to the one that reports as UTF-8, and some tests log what is none."""
    report = yield
    report.sections = [(name, text.encode(errors="backslashreplace").decode()) for name, text in report.sections]
    return report


@dataclass(frozen=True)
class Cluster:
    """A running cluster. ``bin`` is the folder of its kubectl."""

    kubeconfig: Path
    bin: Path


def _hack_cluster(*args: str) -> int:
    """Run hack/cluster for the current instance, its progress on our standard error; the exit status."""
    command = [sys.executable, str(CHECKOUT / "hack" / "cluster"), *args]
    return subprocess.run(command, stdout=sys.stderr, check=False).returncode


@pytest.fixture(scope="session", autouse=True)
def no_secret_told() -> Iterator[None]:
    """After the last test: nothing that Floodwarden ever wrote holds a secret that a test handed out."""
    yield
    assert not list(EVIDENCE.leaks(CANARIES))


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """The cluster of FLOODWARDEN_INSTANCE: the one that runs, or one made for this session and ended with it."""
    found = _hack_cluster("status") == 0
    if not found and _hack_cluster("up") != 0:
        pytest.fail("hack/cluster up failed: run it by hand, and see `hack/cluster logs`")
    running = Cluster(Instance.current().kubeconfig, KUBERNETES.bin)
    yield running
    EVIDENCE.keep("Events", Kubectl(running.bin / "kubectl", running.kubeconfig).run("get", "events", "-A", "-o", "yaml"))
    for log in (Instance.current().cluster / "logs" / "pods").rglob("*.log"):
        EVIDENCE.keep_file(log.resolve())
    if not found:
        _hack_cluster("down")


@pytest.fixture(scope="session")
def kubectl(cluster: Cluster) -> Kubectl:
    """kubectl for that cluster."""
    return Kubectl(cluster.bin / "kubectl", cluster.kubeconfig)


@pytest.fixture
def namespace(kubectl: Kubectl) -> Iterator[str]:
    """A namespace for one test, deleted after it."""
    name = f"test-{uuid4().hex[:8]}"
    kubectl.run("create", "namespace", name)
    yield name
    kubectl.run("delete", "namespace", name, "--wait=false")
