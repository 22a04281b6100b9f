"""``TopicOwners`` against a real API server: which topics Strimzi has, when nobody can tell, and how they are changed."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from floodwarden.cluster.kafkatopics import GROUP, PAUSED, UNMANAGED, KafkaTopicProblem, TopicOwners
from floodwarden.cluster.rest import Rest
from floodwarden.core.delivery.owned import KafkaTopic
from tests.contract.cluster.conftest import Connect, Limited
from tests.contract.cluster.eventually import eventually
from tests.contract.cluster.gate import Gate
from tests.contract.cluster.manifests import Object, rule, strimzi_crd
from tests.support.kubectl import Kubectl

NAME = f"kafkatopics.{GROUP}"
LIST = rule(GROUP, "kafkatopics", "list")
PATCH = rule(GROUP, "kafkatopics", "list", "patch")
TOPIC_ID = UUID("63c5a7f8-0000-4000-8000-0000000000ff")


@pytest.fixture(params=["v1", "v1beta2"])
def strimzi(request: pytest.FixtureRequest, kubectl: Kubectl) -> Iterator[str]:
    """Strimzi's KafkaTopic, as much of it as matters here, in one of the versions that its releases serve: that version."""
    version = str(request.param)
    kubectl.apply(strimzi_crd(version))
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


async def owners(rest: Rest, namespaces: list[str] | None = None) -> Mapping[str, list[str]]:
    """The owners of each topic, in words."""
    read = await TopicOwners(rest, namespaces).read()
    assert not isinstance(read, str), read
    return {topic: [str(owner) for owner in held] for topic, held in read.items()}


async def the(rest: Rest, topic: str) -> KafkaTopic:
    """The only KafkaTopic that a topic has."""
    read = await TopicOwners(rest).read()
    assert not isinstance(read, str), read
    (found,) = read[topic]
    return found


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
        "orders": [f"KafkaTopic {namespace}/orders"],
        "Orders_EU": [f"KafkaTopic {namespace}/odd"],
        "kept": [f"KafkaTopic {namespace}/kept"],
    }
    assert await owners(rest) == ours
    assert await owners(rest, [namespace]) == ours
    assert await owners(rest, ["default"]) == {}
    assert await owners(rest, ["default", namespace]) == ours

    kubectl.delete("kafkatopics", "orders", namespace=namespace)
    kubectl.run("annotate", "kafkatopics", "kept", f"{UNMANAGED}=false", "--overwrite", "-n", namespace)
    assert await owners(rest) == {"Orders_EU": [f"KafkaTopic {namespace}/odd"]}


async def test_a_topic_of_two_clusters(rest: Rest, kubectl: Kubectl, namespace: str, strimzi: str) -> None:
    """Both are told: which one is meant is not for names to say."""
    kubectl.apply(
        [kafka_topic(strimzi, "a", topicName="orders"), kafka_topic(strimzi, "b", topicName="orders")], namespace=namespace
    )
    assert await owners(rest) == {"orders": [f"KafkaTopic {namespace}/a", f"KafkaTopic {namespace}/b"]}


async def test_what_is_read_of_one(rest: Rest, kubectl: Kubectl, namespace: str, strimzi: str) -> None:
    """Its config, how far Strimzi has followed, which topic it found, and whether it was told to wait."""
    config = {"retention.ms": 7200000, "cleanup.policy": "delete", "unclean.leader.election.enable": False}
    kubectl.apply(kafka_topic(strimzi, "orders", {PAUSED: "true"}, config=config, partitions=3), namespace=namespace)
    fresh = await the(rest, "orders")
    assert (fresh.config, fresh.paused, fresh.generation, fresh.observed, fresh.topic_id) == (config, True, 1, 0, "")
    assert fresh.api_version == f"{GROUP}/{strimzi}"

    said = base64.urlsafe_b64encode(TOPIC_ID.bytes).decode().rstrip("=")  # as Kafka writes it
    kubectl.write_status("kafkatopics", "orders", {"topicId": said, "observedGeneration": 1}, namespace=namespace)
    seen = await the(rest, "orders")
    assert (seen.topic_id, seen.observed) == (str(TOPIC_ID), 1)

    kubectl.write_status("kafkatopics", "orders", {"topicId": "no-id"}, namespace=namespace)
    assert (await the(rest, "orders")).topic_id == ""


async def test_a_change(rest: Rest, limited: Limited, kubectl: Kubectl, namespace: str, strimzi: str) -> None:
    """The keys that are given, and nothing else of the object; in the name of Floodwarden, with the right to patch alone."""
    config = {"retention.ms": 7200000, "min.insync.replicas": 1}
    kubectl.apply(kafka_topic(strimzi, "orders", config=config, partitions=3, replicas=3), namespace=namespace)
    before = kubectl.get("kafkatopics", "orders", namespace=namespace)
    changer = TopicOwners(await limited(PATCH), [namespace])
    assert await changer.patch(await the(rest, "orders"), {"min.insync.replicas": 2, "flush.ms": "1000"}) is None
    after = kubectl.get("kafkatopics", "orders", namespace=namespace)
    assert after["spec"] == {**before["spec"], "config": {**config, "min.insync.replicas": 2, "flush.ms": "1000"}}
    assert after["metadata"]["generation"] == 2
    assert {name: after["metadata"].get(name) for name in ("labels", "annotations")} == {
        name: before["metadata"].get(name) for name in ("labels", "annotations")
    }
    managed = kubectl.run("get", "kafkatopics", "orders", "-n", namespace, "-o", "json", "--show-managed-fields")
    assert '"manager": "floodwarden"' in managed


async def test_a_change_to_one_without_config(rest: Rest, kubectl: Kubectl, namespace: str, strimzi: str) -> None:
    """Even without a spec at all."""
    bare = kafka_topic(strimzi, "orders")
    del bare["spec"]
    kubectl.apply(bare, namespace=namespace)
    assert await TopicOwners(rest).patch(await the(rest, "orders"), {"min.insync.replicas": 2}) is None
    assert (await the(rest, "orders")).config == {"min.insync.replicas": 2}


async def test_what_was_changed_meanwhile_is_not_written(rest: Rest, kubectl: Kubectl, namespace: str, strimzi: str) -> None:
    """Nor what was deleted, or deleted and made anew."""
    kubectl.apply(kafka_topic(strimzi, "orders", config={"flush.ms": 5}), namespace=namespace)
    read = await the(rest, "orders")
    change = '{"spec":{"config":{"flush.ms":7}}}'

    async def refused() -> bool:
        problem = await TopicOwners(rest).patch(read, {"flush.ms": 1})
        assert isinstance(problem, KafkaTopicProblem)
        return "was changed by somebody else at this moment" in problem.message and not problem.denied

    kubectl.run("patch", "kafkatopics", "orders", "-n", namespace, "--type=merge", "-p", change)
    assert await refused()
    assert (await the(rest, "orders")).config == {"flush.ms": 7}
    kubectl.delete("kafkatopics", "orders", namespace=namespace)
    assert await refused()
    kubectl.apply(kafka_topic(strimzi, "orders", config={"flush.ms": 5}), namespace=namespace)
    assert await refused()
    assert (await the(rest, "orders")).config == {"flush.ms": 5}


async def test_a_change_that_is_not_allowed(rest: Rest, limited: Limited, kubectl: Kubectl, namespace: str, strimzi: str) -> None:
    """It names the value of the chart that grants the right."""
    kubectl.apply(kafka_topic(strimzi, "orders"), namespace=namespace)
    problem = await TopicOwners(await limited(LIST), [namespace]).patch(await the(rest, "orders"), {"flush.ms": 1})
    assert problem == KafkaTopicProblem(
        f"Floodwarden may not change KafkaTopic {namespace}/orders: "
        "set the chart's value rbac.patchKafkaTopics, or change it there",
        denied=True,
    )


async def test_an_object_without_a_spec(rest: Rest, kubectl: Kubectl, namespace: str, strimzi: str) -> None:
    """It has the topic of its own name."""
    bare = kafka_topic(strimzi, "orders")
    del bare["spec"]
    kubectl.apply([bare, {**kafka_topic(strimzi, "payments"), "spec": {"config": {}}}], namespace=namespace)
    assert set(await owners(rest)) == {"orders", "payments"}


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
    reader = TopicOwners(rest)
    assert await reader.read() == {}
    gate.shut()
    why = await reader.read()
    assert isinstance(why, str)
    assert "the API server" in why
    assert "grant" not in why
    problem = await reader.patch(KafkaTopic("default", "orders", "orders", f"{GROUP}/{strimzi}", "uid", "1"), {"flush.ms": 1})
    assert isinstance(problem, KafkaTopicProblem)
    assert "tried again with the next audit" in problem.message
