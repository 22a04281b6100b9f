"""Topics that Strimzi has: a policy in mode Enforce changes their KafkaTopics, and nothing on the brokers."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from floodwarden.cluster.kafkatopics import GROUP
from tests.contract.cluster.manifests import strimzi_crd
from tests.integration.delivery.settings_shop import SettingsShop
from tests.integration.delivery.test_clients import await_reason, violations
from tests.support.kubectl import Kubectl, Object

NAME = f"kafkatopics.{GROUP}"
IN_SYNC: Object = {"mode": "Enforce", "replication": {"minInSync": 2}}


@pytest.fixture
def strimzi(kubectl: Kubectl) -> Iterator[None]:
    """Strimzi's KafkaTopic, without its operator: the tests do what that would."""
    kubectl.apply(strimzi_crd("v1"))
    kubectl.wait_for_condition("crd", NAME, "Established")
    kubectl.run("get", NAME)
    yield
    kubectl.delete("crd", NAME)


def topic_id(shop: SettingsShop) -> str:
    """The id of the shop's topic, as Kafka's own tool tells it."""
    told = re.search(r"TopicId: (\S+)", shop.kafka.tool("kafka-topics", "--describe", "--topic", shop.topic))
    assert told is not None
    return told[1]


def kafka_topic(shop: SettingsShop, id: str, **annotations: str) -> None:
    """The KafkaTopic of the shop's topic, which Strimzi has carried out."""
    metadata = {"name": shop.topic, "labels": {"strimzi.io/cluster": "main"}, "annotations": annotations}
    spec = {"partitions": 1, "replicas": 3, "config": {"min.insync.replicas": 1, "retention.ms": 7200000}}
    manifest = {"apiVersion": f"{GROUP}/v1", "kind": "KafkaTopic", "metadata": metadata, "spec": spec}
    shop.kubectl.apply(manifest, namespace=shop.namespace)
    shop.kubectl.write_status("kafkatopics", shop.topic, {"topicId": id, "observedGeneration": 1}, namespace=shop.namespace)


def config(shop: SettingsShop) -> Object:
    """What the KafkaTopic sets."""
    return dict(shop.kubectl.get("kafkatopics", shop.topic, namespace=shop.namespace)["spec"]["config"])


@pytest.mark.usefixtures("strimzi")
def test_a_change_goes_through_its_owner(shop: SettingsShop) -> None:
    """Once, and only what differs; what the operator of Strimzi makes of it is seen on the topic itself."""
    shop.make_topic(1, read=False)
    shop.set_topic("min.insync.replicas=1")
    kafka_topic(shop, topic_id(shop))
    shop.delivery(**IN_SYNC)
    message = shop.await_event("KafkaTopicPatched", name="safe", kind="DeliveryPolicy")
    about = f"KafkaTopic {shop.namespace}/{shop.topic}"
    assert message == f"min.insync.replicas of topic {shop.topic} is 1; {about} was changed to 2"
    assert config(shop) == {"min.insync.replicas": 2, "retention.ms": 7200000}
    told = await_reason(shop, f"topic {shop.topic}", "min.insync.replicas", "topic operator has yet to carry it out")
    assert told["action"] == "Owner"
    shop.let_it_audit()
    found = shop.kubectl.get("kafkatopics", shop.topic, namespace=shop.namespace)
    assert found["metadata"]["generation"] == 2, "it is changed once"
    assert shop.topic_settings() == {"min.insync.replicas": "1"}

    shop.kubectl.write_status("kafkatopics", shop.topic, {"observedGeneration": 2}, namespace=shop.namespace)
    await_reason(shop, f"topic {shop.topic}", "min.insync.replicas", "the topic does not follow: look at its status")
    shop.set_topic("min.insync.replicas=2")
    shop.until(lambda: (f"topic {shop.topic}", "min.insync.replicas") not in violations(shop), "the topic is as asked for")


@pytest.mark.usefixtures("strimzi")
def test_what_is_not_changed(shop: SettingsShop) -> None:
    """The KafkaTopic of another cluster's topic of that name, and one whose reconciliation is paused."""
    shop.make_topic(1, read=False)
    shop.set_topic("min.insync.replicas=1")
    kafka_topic(shop, "AAAAAAAAQACAAAAAAAAA_w")
    shop.delivery(**IN_SYNC)
    about = f"topic {shop.topic}", "min.insync.replicas"
    await_reason(shop, *about, "its status.topicId does not say that it is this one")
    kafka_topic(shop, topic_id(shop), **{"strimzi.io/pause-reconciliation": "true"})
    await_reason(shop, *about, "its reconciliation is paused")
    assert config(shop) == {"min.insync.replicas": 1, "retention.ms": 7200000}
    assert shop.topic_settings() == {"min.insync.replicas": "1"}


@pytest.mark.usefixtures("strimzi")
def test_who_puts_a_kafka_topic_back_is_not_fought(shop: SettingsShop) -> None:
    """After two changes that were put back it is told, and left."""
    shop.make_topic(1, read=False)
    shop.set_topic("min.insync.replicas=1")
    kafka_topic(shop, topic_id(shop))
    shop.delivery(**IN_SYNC)
    for _ in range(2):
        shop.until(lambda: config(shop)["min.insync.replicas"] == 2, "the KafkaTopic is changed")
        shop.patch("kafkatopics", shop.topic, {"spec": {"config": {"min.insync.replicas": 1}}})
    await_reason(shop, f"topic {shop.topic}", "min.insync.replicas", "put back each time")
    shop.let_it_audit()
    assert config(shop)["min.insync.replicas"] == 1
