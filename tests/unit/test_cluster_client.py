"""``cluster.client``: whose cluster is found, as whom, and through which proxy."""

from __future__ import annotations

import datetime
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import certifi
import pytest
import yaml
from kubernetes.aio.client import ApiClient
from kubernetes.aio.config import incluster_config

from floodwarden.cluster.client import POOL_SIZE, ClusterConfigError, connect

Connected = Callable[[], Awaitable[ApiClient]]


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An environment that names no cluster, and an empty home."""
    for name in ["KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT", "HTTPS_PROXY", "https_proxy", "NO_PROXY"]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
async def connected() -> AsyncIterator[Connected]:
    """Connects, and closes after the test."""
    async with AsyncExitStack() as stack:

        async def by_environment() -> ApiClient:
            client = await connect()
            stack.push_async_callback(client.close)
            return client

        yield by_environment


@pytest.fixture
def pod(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The environment of a pod; the file with its token."""
    token = tmp_path / "token"
    token.write_text("first")
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(token))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", certifi.where())
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    return token


def kubeconfig(file: Path, user: dict[str, Any], **cluster: str) -> Path:
    """A kubeconfig with one cluster and one user."""
    config = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://cluster.example:6443"} | cluster}],
        "users": [{"name": "u", "user": user}],
    }
    file.parent.mkdir(exist_ok=True)
    file.write_text(yaml.safe_dump(config))
    return file


async def token(client: ApiClient) -> str | None:
    """What the next request would authenticate with."""
    bearer: str | None = await client.configuration.get_api_key_with_prefix("BearerToken")
    return bearer


async def test_kubeconfig_comes_before_the_pod_and_the_pod_before_home(
    connected: Connected, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """The order that kubectl has."""
    kubeconfig(tmp_path / ".kube" / "config", {"token": "home"})
    assert await token(await connected()) == "Bearer home"
    request.getfixturevalue("pod")
    client = await connected()
    assert client.configuration.host == "https://10.96.0.1:443"
    assert await token(client) == "bearer first"
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig(tmp_path / "named", {"token": "named"})))
    assert await token(await connected()) == "Bearer named"


async def test_the_connection_says_who_it_is_and_is_limited(connected: Connected, pod: Path) -> None:
    """The API server's audit log names Floodwarden; the pool is no larger than said."""
    client = await connected()
    assert client.user_agent.startswith("floodwarden/")
    assert client.configuration.connection_pool_maxsize == POOL_SIZE


async def test_the_token_of_a_pod_is_read_again(connected: Connected, pod: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Service account tokens end after an hour; the kubelet writes a new one into the same file."""
    client = await connected()
    pod.write_text("second")
    assert await token(client) == "bearer first"
    later = datetime.datetime.now() + datetime.timedelta(minutes=2)
    clock = SimpleNamespace(datetime=SimpleNamespace(now=lambda: later), timedelta=datetime.timedelta)
    monkeypatch.setattr(incluster_config, "datetime", clock)
    assert await token(client) == "bearer second"


@pytest.mark.parametrize(("lifetime", "renewed"), [(datetime.timedelta(hours=1), False), (datetime.timedelta(minutes=1), True)])
async def test_the_token_of_an_exec_plugin_is_renewed_before_it_ends(
    connected: Connected, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, lifetime: datetime.timedelta, renewed: bool
) -> None:
    """A new token is asked for when less than some minutes are left, and not before."""
    ends = (datetime.datetime.now(datetime.UTC) + lifetime).strftime("%Y-%m-%dT%H:%M:%SZ")
    answer = tmp_path / "answer.json"

    def answers(bearer: str) -> None:
        status = {"token": bearer, "expirationTimestamp": ends}
        version = "client.authentication.k8s.io/v1"
        answer.write_text(json.dumps({"apiVersion": version, "kind": "ExecCredential", "status": status}))

    script = f"print(open({str(answer)!r}).read())"
    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": sys.executable, "args": ["-c", script]}
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig(tmp_path / "named", {"exec": plugin | {"interactiveMode": "Never"}})))
    answers("first")
    client = await connected()
    answers("second")
    assert await token(client) == ("Bearer second" if renewed else "Bearer first")


@pytest.mark.parametrize(
    ("cluster", "no_proxy", "expected"),
    [
        pytest.param({}, "", "http://environment:3128", id="environment"),
        pytest.param({}, "cluster.example", None, id="excepted"),
        pytest.param({"proxy-url": "http://kubeconfig:3128"}, "", "http://kubeconfig:3128", id="kubeconfig wins"),
    ],
)
async def test_a_proxy_is_used_outside_the_cluster(
    connected: Connected,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    cluster: dict[str, str],
    no_proxy: str,
    expected: str | None,
) -> None:
    """As the environment or the kubeconfig says, looked up once."""
    monkeypatch.setenv("HTTPS_PROXY", "http://environment:3128")
    monkeypatch.setenv("NO_PROXY", no_proxy)
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig(tmp_path / "named", {"token": "any"}, **cluster)))
    assert (await connected()).configuration.proxy == expected


async def test_a_pod_reaches_its_own_cluster_directly(connected: Connected, pod: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy for the world outside does not stand between a pod and its API server."""
    monkeypatch.setenv("HTTPS_PROXY", "http://environment:3128")
    assert (await connected()).configuration.proxy is None


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(None, id="no file"),
        pytest.param("", id="empty"),
        pytest.param("just words", id="no mapping"),
        pytest.param("a: [", id="no YAML"),
        pytest.param("clusters: []\ncontexts: []\nusers: []\ncurrent-context: c", id="no such context"),
    ],
)
async def test_what_cannot_be_used_is_said_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str | None
) -> None:
    """The error says what to set, whatever is wrong with the file."""
    file = tmp_path / "broken"
    if text is not None:
        file.write_text(text)
    monkeypatch.setenv("KUBECONFIG", str(file))
    with pytest.raises(ClusterConfigError, match="KUBECONFIG"):
        await connect()
