"""``ConfigMapClient`` against a real API server: what it reads, what it writes and leaves, and what can go wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from floodwarden.cluster.configmaps import DIGEST, ConfigMapClient, ConfigMapProblem, Owner
from floodwarden.cluster.rest import Rest
from floodwarden.core.delivery.publishing import Published, digest_of
from floodwarden.core.reasons import Reason
from tests.contract.cluster.conftest import Connect, Limited
from tests.contract.cluster.gate import Gate
from tests.contract.cluster.manifests import Object, rule
from tests.support.kubectl import Kubectl

NAME = "safe-client-settings"
DATA = {"producer.properties": "# for all\nacks=all\n", "SPRING_KAFKA_PRODUCER_ACKS": "all"}
NEWER = {"producer.properties": "acks=1\n", "consumer.properties": "enable.auto.commit=false\n"}


@pytest.fixture
def owner(kubectl: Kubectl, namespace: str) -> Owner:
    """Something that a ConfigMap can belong to."""
    parent: Object = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "parent"}}
    kubectl.apply(parent, namespace=namespace)
    uid = kubectl.get("configmap", "parent", namespace=namespace)["metadata"]["uid"]
    return Owner("v1", "ConfigMap", "parent", uid)


def written(answer: Published | ConfigMapProblem | None) -> Published:
    """What was read or written; fails with the problem where there is one."""
    assert isinstance(answer, Published), answer
    return answer


async def test_one_is_made(limited: Limited, kubectl: Kubectl, namespace: str, owner: Owner) -> None:
    """With its owner, which does not wait for it, labels and a note on its text; with no more rights than are asked for."""
    client = ConfigMapClient(await limited(rule("", "configmaps", "get", "create", "patch")))
    assert await client.read(namespace, NAME) is None
    made = written(await client.create(namespace, NAME, owner, DATA))
    assert written(await client.read(namespace, NAME)) == made
    assert (made.data, made.digest) == (DATA, digest_of(DATA))
    assert made.owners == {owner.uid}
    found = kubectl.get("configmap", NAME, namespace=namespace)
    assert found["metadata"]["ownerReferences"] == [{"apiVersion": "v1", "kind": "ConfigMap", "name": "parent", "uid": owner.uid}]
    assert found["metadata"]["labels"] == {
        "app.kubernetes.io/managed-by": "floodwarden",
        "floodwarden.dev/client-settings": "kafka",
    }


async def test_it_goes_with_its_owner(rest: Rest, kubectl: Kubectl, namespace: str, owner: Owner) -> None:
    """Nobody has to delete it."""
    written(await ConfigMapClient(rest).create(namespace, NAME, owner, DATA))
    kubectl.delete("configmap", "parent", namespace=namespace)
    kubectl.run("wait", "--for=delete", f"configmap/{NAME}", "-n", namespace, "--timeout=60s", within=70)


async def test_its_text_is_replaced(rest: Rest, kubectl: Kubectl, namespace: str, owner: Owner) -> None:
    """Keys that are no longer wanted go; labels and annotations of others stay."""
    client = ConfigMapClient(rest)
    made = written(await client.create(namespace, NAME, owner, DATA))
    kubectl.run("label", "configmap", NAME, "team=shop", "-n", namespace)
    kubectl.run("annotate", "configmap", NAME, "note=x", "-n", namespace)
    stale = await client.replace(made, NEWER)
    assert isinstance(stale, ConfigMapProblem), "somebody changed it since it was read"
    assert "changed by somebody else at this moment" in stale.message
    replaced = written(await client.replace(written(await client.read(namespace, NAME)), NEWER))
    assert (replaced.data, replaced.digest, replaced.owners) == (NEWER, digest_of(NEWER), made.owners)
    metadata = kubectl.get("configmap", NAME, namespace=namespace)["metadata"]
    assert metadata["labels"]["team"] == "shop"
    assert metadata["annotations"] == {"note": "x", DIGEST: digest_of(NEWER)}


async def test_one_that_is_there_already(rest: Rest, kubectl: Kubectl, namespace: str, owner: Owner) -> None:
    """It is never written over, whoever made it."""
    kubectl.run("create", "configmap", NAME, "--from-literal=a=b", "-n", namespace)
    problem = await ConfigMapClient(rest).create(namespace, NAME, owner, DATA)
    assert isinstance(problem, ConfigMapProblem)
    found = written(await ConfigMapClient(rest).read(namespace, NAME))
    assert (found.data, found.owners, found.digest) == ({"a": "b"}, frozenset(), "")


async def test_one_without_data(rest: Rest, kubectl: Kubectl, namespace: str) -> None:
    """It is empty, and what is binary in it is not read."""
    binary = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": NAME}, "binaryData": {"a": "AAE="}}
    kubectl.apply(binary, namespace=namespace)
    assert written(await ConfigMapClient(rest).read(namespace, NAME)).data == {}


async def test_missing_rights_are_named(rest: Rest, limited: Limited, namespace: str, owner: Owner) -> None:
    """Of reading as a right, of writing as the chart's value."""
    made = written(await ConfigMapClient(rest).create(namespace, NAME, owner, DATA))
    reader = ConfigMapClient(await limited(rule("", "configmaps", "get")))
    for answer in (await reader.create(namespace, "other", owner, DATA), await reader.replace(made, NEWER)):
        assert isinstance(answer, ConfigMapProblem)
        assert answer.denied
        assert "set the chart's value rbac.publishClientSettings" in answer.message
    nobody = ConfigMapClient(await limited(rule("", "secrets", "get")))
    unread = await nobody.read(namespace, NAME)
    assert isinstance(unread, ConfigMapProblem)
    assert not unread.denied
    assert "grant get on configmaps" in unread.message


async def test_a_quota_is_no_missing_right(rest: Rest, kubectl: Kubectl, namespace: str, owner: Owner) -> None:
    """The API server calls it forbidden, too: its words are passed on."""
    kubectl.run("create", "quota", "none", "--hard=configmaps=0", "-n", namespace)
    kubectl.wait_until("quota", "none", lambda found: "hard" in found.get("status", {}), namespace=namespace)
    answer = await ConfigMapClient(rest).create(namespace, NAME, owner, DATA)
    assert isinstance(answer, ConfigMapProblem)
    assert not answer.denied
    assert "exceeded quota" in answer.message


async def test_a_text_that_is_refused(rest: Rest, namespace: str, owner: Owner) -> None:
    """The API server's words are passed on."""
    answer = await ConfigMapClient(rest).create(namespace, NAME, owner, {"not a key": "x"})
    assert isinstance(answer, ConfigMapProblem)
    assert "was refused" in answer.message
    assert "not a key" in answer.message


async def test_an_api_server_that_is_away(
    connected: Connect, gated_config: Path, gate: Gate, owner: Owner, namespace: str
) -> None:
    """That is no missing ConfigMap."""
    client = ConfigMapClient(await connected(gated_config, within=2.0))
    assert await client.read(namespace, NAME) is None
    gate.shut()
    for answer in (await client.read(namespace, NAME), await client.create(namespace, NAME, owner, DATA)):
        assert isinstance(answer, ConfigMapProblem)
        assert answer.reason is Reason.API_SERVER_UNREACHABLE
