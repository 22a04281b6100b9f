"""``TopicOwners`` against a real API server: which topics Strimzi has, and when nobody can tell."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from floodwarden.cluster.kafkatopics import GROUP, UNMANAGED, TopicOwners
from floodwarden.cluster.rest import Rest
from tests.contract.cluster.conftest import Connect, Limited
from tests.contract.cluster.eventually import eventually
from tests.contract.cluster.gate import Gate
from tests.contract.cluster.manifests import Object, crd, rule
from tests.support.kubectl import Kubectl

NAME = f"kafkatopics.{GROUP}"
LIST = rule(GROUP, "kafkatopics", "list")


@pytest.fixture(params=["v1", "v1beta2"])
def strimzi(request: pytest.FixtureRequest, kubectl: Kubectl) -> Iterator[str]:
    """Strimzi's KafkaTopic, as much of it as matters here, in one of the versions that its releases serve: that version."""
    version = str(request.param)
    kubectl.apply(crd("KafkaTopic", scale=None, group=GROUP, version=version))
    kubectl.wait_for_condition("crd", NAME, "Established")
    kubectl.run("get", f"kafkatopics.{version}.{GROUP}")  # served, too
    yield version
    kubectl.delete("crd", NAME)


@pytest.fixture
def no_strimzi(kubectl: Kubectl) -> None:
    """A cluster that does not know KafkaTopics."""
    assert NAME not in kubectl.run("get", "crds", "-o", "name")


def kafka_topic(version: str, name: str, annotations: dict[str, str] | None = None, **spec: Any) -> Object:
    metadata = {"name": name, "labels": {"strimzi.io/cluster": "main"}, "annotations": annotations or {}}
    return {"apiVersion": f"{GROUP}/{version}", "kind": "KafkaTopic", "metadata": metadata, "spec": spec}


async def test_topics_have_owners(rest: Rest, kubectl: Kubectl, namespace: str, strimzi: str) -> None:
    """By the topic's own name where the object has another one; but for those that Strimzi was told to leave alone."""
    kubectl.apply(
        [
            kafka_topic(strimzi, "orders", partitions=3),
            kafka_topic(strimzi, "odd", topicName="Orders_EU"),
            kafka_topic(strimzi, "left-alone", {UNMANAGED: "false"}),
            kafka_topic(strimzi, "kept", {UNMANAGED: "true", "other": "false"}),
        ],
        namespace=namespace,
    )
    ours = {
        "orders": f"KafkaTopic {namespace}/orders",
        "Orders_EU": f"KafkaTopic {namespace}/odd",
        "kept": f"KafkaTopic {namespace}/kept",
    }
    assert await TopicOwners(rest).read() == ours
    assert await TopicOwners(rest, [namespace]).read() == ours
    assert await TopicOwners(rest, ["default"]).read() == {}
    assert await TopicOwners(rest, ["default", namespace]).read() == ours

    kubectl.delete("kafkatopics", "orders", namespace=namespace)
    kubectl.run("annotate", "kafkatopics", "kept", f"{UNMANAGED}=false", "--overwrite", "-n", namespace)
    assert await TopicOwners(rest).read() == {"Orders_EU": f"KafkaTopic {namespace}/odd"}


async def test_an_object_without_a_spec(rest: Rest, kubectl: Kubectl, namespace: str, strimzi: str) -> None:
    """It has the topic of its own name."""
    bare = kafka_topic(strimzi, "orders")
    del bare["spec"]
    kubectl.apply([bare, {**kafka_topic(strimzi, "payments"), "spec": {"config": {}}}], namespace=namespace)
    assert set(await TopicOwners(rest).read()) == {"orders", "payments"}


@pytest.mark.usefixtures("no_strimzi")
async def test_without_strimzi(rest: Rest, limited: Limited, namespace: str) -> None:
    """Nobody has any topic; that is known, also to who may do no more than list."""
    assert await TopicOwners(rest).read() == {}
    assert await TopicOwners(await limited(LIST), [namespace]).read() == {}


async def test_a_list_that_is_forbidden_is_not_an_empty_one(
    limited: Limited, kubectl: Kubectl, namespace: str, strimzi: str
) -> None:
    """It says so, and which right is missing; rights in some namespaces are enough for those only."""
    kubectl.apply(kafka_topic(strimzi, "orders"), namespace=namespace)
    rest = await limited(LIST)
    assert set(await TopicOwners(rest, [namespace]).read()) == {"orders"}
    for scope in (None, [namespace, "default"]):
        why = await TopicOwners(rest, scope).read()
        assert isinstance(why, str)
        assert why.startswith("cannot tell which topics are Strimzi's: ")
        assert "grant list on kafkatopics.kafka.strimzi.io" in why

    kubectl.run("delete", "role", "limited", f"--namespace={namespace}")
    await eventually(TopicOwners(rest, [namespace]).read, lambda seen: isinstance(seen, str))


async def test_an_api_server_that_is_away(connected: Connect, gated_config: Path, gate: Gate, strimzi: str) -> None:
    """Nobody can tell, and no right is asked for."""
    rest = await connected(gated_config, within=2.0)
    owners = TopicOwners(rest)
    assert await owners.read() == {}
    gate.shut()
    why = await owners.read()
    assert isinstance(why, str)
    assert "the API server" in why
    assert "grant" not in why
