"""Fixtures of the contract tests of ``floodwarden.cluster``: connections to a real API server, as administrator or as less."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from floodwarden.cluster.client import connect
from floodwarden.cluster.rest import TIME_LIMIT, Rest
from tests.conftest import Cluster
from tests.contract.cluster.gate import Gate
from tests.contract.cluster.manifests import SCALE, account, crd
from tests.support.kubectl import Kubectl

Connect = Callable[..., Awaitable[Rest]]
Limited = Callable[..., Awaitable[Rest]]


@pytest.fixture
async def connected(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Connect]:
    """Connects as a kubeconfig says, and closes what it connected after the test."""
    async with AsyncExitStack() as stack:

        async def by(kubeconfig: Path, *, within: float = TIME_LIMIT) -> Rest:
            monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
            client = await connect()
            stack.push_async_callback(client.close)
            return Rest(client, within=within)

        yield by


@pytest.fixture
async def rest(cluster: Cluster, connected: Connect) -> Rest:
    """The administrator's connection."""
    return await connected(cluster.kubeconfig)


@pytest.fixture
async def gate(cluster: Cluster) -> AsyncIterator[Gate]:
    """A way to the API server that can be shut."""
    server = urlsplit(_parsed(cluster.kubeconfig)["clusters"][0]["cluster"]["server"])
    assert server.hostname
    assert server.port
    gate = await Gate(server.hostname, server.port).open()
    yield gate
    gate.shut()


@pytest.fixture
def gated_config(cluster: Cluster, gate: Gate, tmp_path: Path) -> Path:
    """The administrator's kubeconfig, through the gate."""
    config = _parsed(cluster.kubeconfig)
    config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{gate.port}"
    return _written(tmp_path / "gated", config)


@pytest.fixture
async def gated(connected: Connect, gated_config: Path) -> Rest:
    """The administrator's connection, through the gate."""
    return await connected(gated_config)


@pytest.fixture
def limited(cluster: Cluster, kubectl: Kubectl, namespace: str, connected: Connect, tmp_path: Path) -> Limited:
    """``await limited(*rules)``: the connection of a service account of the namespace that may do just what the rules say."""

    async def by(*rules: dict[str, Any]) -> Rest:
        kubectl.apply(account("limited", namespace, list(rules)), namespace=namespace)
        token = kubectl.run("create", "token", "limited", f"--namespace={namespace}").strip()
        config = _parsed(cluster.kubeconfig)
        config["users"] = [{"name": user["name"], "user": {"token": token}} for user in config["users"]]
        return await connected(_written(tmp_path / "limited", config))

    return by


@pytest.fixture(scope="session")
def widgets(kubectl: Kubectl) -> Iterator[None]:
    """The custom resource Widget, which has a status and a scale."""
    with_widgets = crd("Widget", scale=SCALE)
    kubectl.apply(with_widgets)
    name = with_widgets["metadata"]["name"]
    kubectl.wait_for_condition("crd", name, "Established")
    yield
    kubectl.delete("crd", name)


def _parsed(kubeconfig: Path) -> Any:
    return yaml.safe_load(kubeconfig.read_text())


def _written(kubeconfig: Path, config: Any) -> Path:
    kubeconfig.write_text(yaml.safe_dump(config))
    return kubeconfig
