"""The custom resources on a real API server: what it accepts, fills in, shows and refuses."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from floodhack.gobuild import KUBERNETES
from floodhack.instance import CHECKOUT
from floodhack.waiting import until
from floodwarden.api.backlogpolicy import BacklogPolicy, BacklogPolicyStatus
from floodwarden.api.crd import RESOURCES, crd
from floodwarden.api.deliverypolicy import DeliveryPolicy, DeliveryPolicyStatus
from floodwarden.api.messagebroker import MessageBroker, MessageBrokerStatus
from floodwarden.api.resource import Resource
from tests.integration.wrong_manifests import BROKER, DELIVERY, POLICY, PROMETHEUS, QUEUES, ROCKET, WRONG, Wrong
from tests.support.kubectl import Kubectl, KubectlError, Object

pytestmark = pytest.mark.usefixtures("crds")

EXAMPLES = sorted((CHECKOUT / "deploy" / "examples").glob("*.yaml"))
KINDS: dict[str, type[Resource]] = {resource.definition.kind: resource for resource in RESOURCES}
NOW = datetime(2026, 11, 23, 12, 0, 0, 250_000, tzinfo=UTC)
# kubectl 1.29 does not show the values of an enum.
OLD_KUBECTL = KUBERNETES.version.startswith("1.29.")
SHOWN_OF_MECHANISM = "required with SASL_PLAINTEXT and SASL_SSL" if OLD_KUBECTL else "enum: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512"
CONDITION = {"type": "Ready", "status": "True", "reason": "Watching", "message": "All is well.", "lastTransitionTime": NOW}
BROKER_STATUS = MessageBrokerStatus.model_validate(
    {
        "observedGeneration": 1,
        "conditions": [{**CONDITION, "reason": "Sweeping"}],
        "version": "4.3",
        "nodes": 3,
        "unreachableNodes": ["2"],
        "policies": 7,
        "lastSweep": {"at": NOW, "duration": "42ms", "requests": 9},
    }
)
POLICY_STATUS = BacklogPolicyStatus.model_validate(
    {
        "observedGeneration": 1,
        "state": "OverLimit",
        "message": "12345 messages wait, 10000 are allowed; 8 replicas will drain them in 1m20s.",
        "lag": {"messages": 12345, "seconds": 31.26, "exact": True},
        "rates": {"produced": 100, "consumed": 61.23456, "perReplica": 30.6},
        "capacity": {"perReplica": 33.3333, "measuredAt": NOW, "basis": "Measured"},
        "partitions": {"total": 24, "unknown": 1, "stalled": ["orders-3"], "hot": ["orders-7"]},
        "replicas": {"current": 2, "desired": 8, "ceiling": 24},
        "drainETA": "1m20s",
        "lastStep": {"at": NOW, "from": 2, "to": 8, "reason": "ScaledUp", "phase": "Settling", "throughputBefore": 61.2},
        "conditions": [CONDITION],
    }
)
DELIVERY_STATUS = DeliveryPolicyStatus.model_validate(
    {
        "observedGeneration": 1,
        "checked": {"at": NOW, "topics": 4, "brokers": 3},
        "violationCount": 51,
        "violations": [
            {
                "resource": "topic orders",
                "setting": "min.insync.replicas",
                "wanted": "≥ 2",
                "found": "1",
                "where": "topic",
                "action": "Owner",
                "reason": "KafkaTopic kafka/orders has this topic: change it there",
            }
        ],
        "repaired": [{"at": NOW, "resource": "topic orders", "setting": "retention.ms", "found": "5000", "written": "86400000"}],
        "restartRequired": ["brokers 0, 1, 2"],
        "notVerified": ["acks All: brokers do not keep what producers ask for"],
        "warnings": ["replication.factor 5 cannot be kept: there are 3 brokers"],
        "conditions": [
            {**CONDITION, "reason": "Auditing"},
            {**CONDITION, "type": "Compliant", "status": "False", "reason": "NotCompliant", "message": "51 differences."},
        ],
    }
)


def named(manifest: Object, name: str, namespace: str) -> Object:
    return {**manifest, "metadata": {"name": name, "namespace": namespace}}


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda resource: str(resource.definition.kind))
def test_crd_is_accepted_as_it_is(kubectl: Kubectl, resource: type[Resource]) -> None:
    """The API server finds the schema structural, takes all names, and stores every part that was written."""
    stored = kubectl.run("get", "crd", crd(resource)["metadata"]["name"], "-o", "json")
    found = json.loads(stored)
    conditions = {condition["type"]: condition["status"] for condition in found["status"]["conditions"]}
    assert conditions == {"NamesAccepted": "True", "Established": "True"}
    assert found["spec"]["versions"] == crd(resource)["spec"]["versions"]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: str(path.stem))
def test_example_is_accepted(kubectl: Kubectl, path: Path) -> None:
    """Every example can be applied as it is, strictly."""
    assert "created (server dry run)" in kubectl.apply(path, "--dry-run=server")


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: str(path.stem))
def test_models_fill_the_same_defaults(kubectl: Kubectl, path: Path) -> None:
    """What the models make of a manifest is what they make of it after the API server has filled in its defaults."""
    for manifest in yaml.safe_load_all(path.read_text()):
        resource = KINDS.get(manifest["kind"])
        if resource is not None:
            stored = resource.parse(kubectl.would_store(manifest))
            assert stored.model_dump(include={"spec"}) == resource.parse(manifest).model_dump(include={"spec"})


def test_defaults_of_a_broker(kubectl: Kubectl) -> None:
    """A minimal MessageBroker is stored with these defaults and no others."""
    assert kubectl.would_store(BROKER)["spec"] == {
        "type": "Kafka",
        "kafka": {"bootstrapServers": ["127.0.0.1:9092"], "security": {"protocol": "PLAINTEXT"}},
        "sweepInterval": "1s",
        "auditInterval": "60s",
    }


def test_defaults_of_other_brokers(kubectl: Kubectl) -> None:
    """The default virtual host, connections that are plain, and the exporter that most have."""
    rabbitmq, rocketmq, prometheus = (kubectl.would_store(good)["spec"] for good in (QUEUES, ROCKET, PROMETHEUS))
    credentials = {"name": "rabbitmq", "usernameKey": "username", "passwordKey": "password"}
    assert rabbitmq["rabbitmq"] == {**QUEUES["spec"]["rabbitmq"], "vhost": "/", "credentialsSecretRef": credentials}
    assert rocketmq["rocketmq"] == {**ROCKET["spec"]["rocketmq"], "tls": False}
    asked = {**PROMETHEUS["spec"]["prometheus"], "exporter": "KafkaExporter", "maxAge": "90s"}
    assert prometheus["prometheus"] == asked


def test_defaults_of_secret_keys(kubectl: Kubectl) -> None:
    """Secret references know the usual keys."""
    broker = {
        **BROKER,
        "spec": {
            "type": "Kafka",
            "kafka": {
                "bootstrapServers": ["[::1]:9095"],
                "security": {
                    "protocol": "SASL_SSL",
                    "mechanism": "PLAIN",
                    "credentialsSecretRef": {"name": "user"},
                    "caSecretRef": {"name": "ca"},
                    "clientCertificateSecretRef": {"name": "client"},
                },
            },
            "allowedNamespaces": ["*"],
        },
    }
    security = kubectl.would_store(broker)["spec"]["kafka"]["security"]
    assert security["credentialsSecretRef"] == {"name": "user", "usernameKey": "username", "passwordKey": "password"}
    assert security["caSecretRef"] == {"name": "ca", "key": "ca.crt"}
    assert security["clientCertificateSecretRef"] == {"name": "client", "certKey": "tls.crt", "keyKey": "tls.key"}


def test_defaults_of_a_policy(kubectl: Kubectl) -> None:
    """A minimal BacklogPolicy is stored with these defaults and no others, and without a status."""
    minimal = {
        "brokerRef": {"name": "main"},
        "subscription": {"group": "billing"},
        "maxLag": {"seconds": 30},
        "consumers": {"targetRef": {"name": "billing"}},
    }
    stored = kubectl.would_store({**POLICY, "spec": minimal})
    assert stored["spec"] == {
        **minimal,
        "catchUp": "60s",
        "mode": "Enforce",
        "consumers": {
            "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "billing"},
            "minReplicas": 1,
            "scaleDown": {"stabilization": "120s"},
        },
    }
    assert "status" not in stored


def test_defaults_of_a_delivery_policy(kubectl: Kubectl) -> None:
    """A minimal DeliveryPolicy looks and writes nothing; what it leaves out stays out."""
    replication = {**DELIVERY["spec"]["replication"], "moveRate": "50Mi"}
    stored = {**DELIVERY["spec"], "mode": "Audit", "workloads": "Audit", "replication": replication}
    assert kubectl.would_store(DELIVERY)["spec"] == stored


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: str(wrong.name))
def test_wrong_manifest_is_refused(kubectl: Kubectl, wrong: Wrong) -> None:
    """Each wrong manifest is refused in words that say what to do."""
    with pytest.raises(KubectlError) as refusal:
        kubectl.would_store(wrong.manifest())
    for words in wrong.says:
        assert words in str(refusal.value)


def test_the_good_manifests_are_good(kubectl: Kubectl) -> None:
    """The manifests which the wrong ones change are accepted, so that each is refused for its own fault."""
    for good in (BROKER, QUEUES, ROCKET, POLICY, DELIVERY):
        assert kubectl.would_store(good)["spec"]


def test_status_is_a_subresource(kubectl: Kubectl, namespace: str) -> None:
    """A status given with the manifest is ignored, a written one does not change the generation, a new spec does."""
    kubectl.apply({**named(POLICY, "billing", namespace), "status": {"state": "Invented"}})
    created = kubectl.get("fwbp", "billing", namespace=namespace)
    assert "status" not in created
    written = kubectl.write_status("fwbp", "billing", {"state": "WithinLimit"}, namespace=namespace)
    assert (written["metadata"]["generation"], written["status"]["state"]) == (1, "WithinLimit")
    changed = {**named(POLICY, "billing", namespace), "spec": {**POLICY["spec"], "brokerRef": {"name": "other"}}}
    kubectl.apply(changed)
    updated = kubectl.get("fwbp", "billing", namespace=namespace)
    assert (updated["metadata"]["generation"], updated["status"]["state"]) == (2, "WithinLimit")


def test_whole_status_survives(kubectl: Kubectl, namespace: str) -> None:
    """Every field of the models' status is stored and comes back equal."""
    kubectl.apply([named(BROKER, "main", namespace), named(POLICY, "billing", namespace), named(DELIVERY, "orders", namespace)])
    delivery = kubectl.write_status("fwdp", "orders", DELIVERY_STATUS.to_api(), namespace=namespace)
    policy = kubectl.write_status("fwbp", "billing", POLICY_STATUS.to_api(), namespace=namespace)
    broker = kubectl.write_status("fwmb", "main", BROKER_STATUS.to_api(), namespace=namespace)
    assert policy["status"] == POLICY_STATUS.to_api()
    assert BacklogPolicy.parse(policy).status == POLICY_STATUS
    assert MessageBroker.parse(broker).status == BROKER_STATUS
    assert delivery["status"] == DELIVERY_STATUS.to_api()
    assert DeliveryPolicy.parse(delivery).status == DELIVERY_STATUS


def test_wrong_status_is_refused(kubectl: Kubectl, namespace: str) -> None:
    """A status outside its schema is refused too: a lag below zero, two conditions of one type."""
    kubectl.apply(named(POLICY, "billing", namespace))
    with pytest.raises(KubectlError, match=r"lag\.messages in body should be greater than or equal to 0"):
        kubectl.write_status("fwbp", "billing", {"lag": {"messages": -1, "exact": True}}, namespace=namespace)
    twice = {"conditions": [POLICY_STATUS.to_api()["conditions"][0]] * 2}
    with pytest.raises(KubectlError, match="Duplicate value"):
        kubectl.write_status("fwbp", "billing", twice, namespace=namespace)


def test_columns_show_how_it_is(kubectl: Kubectl, namespace: str) -> None:
    """`kubectl get` shows the lag, replicas and state, and with -o wide whose they are and why."""
    kubectl.apply([named(BROKER, "main", namespace), named(POLICY, "billing", namespace)])
    kubectl.write_status("fwbp", "billing", POLICY_STATUS.to_api(), namespace=namespace)
    kubectl.write_status("fwmb", "main", BROKER_STATUS.to_api(), namespace=namespace)

    header, row = kubectl.run("get", "fwbp", "-n", namespace).splitlines()
    assert header.split() == ["NAME", "LAG", "SECONDS", "CURRENT", "DESIRED", "CEILING", "STATE", "AGE"]
    assert row.split()[:-1] == ["billing", "12345", "31.3", "2", "8", "24", "OverLimit"]
    header, row = kubectl.run("get", "fwbp", "-n", namespace, "-o", "wide").splitlines()
    assert header.split()[8:] == ["CAUSE", "GROUP", "TARGET", "BROKER", "MODE", "MESSAGE"]
    assert "12345 messages wait, 10000 are allowed" in row

    header, row = kubectl.run("get", "fwmb", "-n", namespace).splitlines()
    assert header.split() == ["NAME", "TYPE", "READY", "REASON", "NODES", "POLICIES", "SWEEP", "AGE"]
    assert row.split()[:-1] == ["main", "Kafka", "True", "Sweeping", "3", "7", "42ms"]
    assert "All is well." in kubectl.run("get", "fwmb", "-n", namespace, "-o", "wide")


def test_columns_show_what_differs(kubectl: Kubectl, namespace: str) -> None:
    """`kubectl get` shows how many differences there are, and with -o wide whose settings they are and why."""
    kubectl.apply(named(DELIVERY, "orders", namespace))
    kubectl.write_status("fwdp", "orders", DELIVERY_STATUS.to_api(), namespace=namespace)
    header, row = kubectl.run("get", "fwdp", "-n", namespace).splitlines()
    assert header.split() == ["NAME", "MODE", "TOPICS", "VIOLATIONS", "COMPLIANT", "REASON", "AGE"]
    assert row.split()[:-1] == ["orders", "Audit", "4", "51", "False", "NotCompliant"]
    header, row = kubectl.run("get", "fwdp", "-n", namespace, "-o", "wide").splitlines()
    assert header.split()[7:] == ["BROKER", "MESSAGE"]
    assert "51 differences." in row


def test_names(kubectl: Kubectl, namespace: str) -> None:
    """The category lists the objects of all kinds."""
    kubectl.apply([named(BROKER, "main", namespace), named(POLICY, "billing", namespace), named(DELIVERY, "orders", namespace)])
    listed = kubectl.run("get", "floodwarden", "-n", namespace, "-o", "name").split()
    assert sorted(listed) == [  # the order of kinds is another one with each release
        "backlogpolicy.floodwarden.dev/billing",
        "deliverypolicy.floodwarden.dev/orders",
        "messagebroker.floodwarden.dev/main",
    ]


@pytest.mark.parametrize(
    ("field", "says"),
    [
        ("fwmb", "How to reach a cluster of message brokers"),
        ("fwmb.spec.kafka.security", SHOWN_OF_MECHANISM),
        ("fwmb.spec.allowedNamespaces", "whose policies may bind to this"),
        ("fwmb.status.lastSweep", "How many requests it sent"),
        ("fwbp", "How much lag one subscription may have"),
        ("fwbp.spec", "Drain a backlog within this time"),
        ("fwbp.spec.consumers.scaleDown.stabilization", "before they are taken away"),
        ("fwbp.status.lag", "How long the oldest waiting message has waited"),
        ("fwbp.status.lastStep.from", "Replicas before"),
        ("fwdp", "The settings that keep messages from being lost"),
        ("fwdp.spec.flush.mode", "Sync, Async or Replicated"),
        ("fwdp.spec.retention.atLeast", "Messages are kept for at least this long"),
        ("fwdp.status.violations.where", "Where that value comes from"),
    ],
)
def test_explain(kubectl: Kubectl, field: str, says: str) -> None:
    """`kubectl explain` answers in sentences; the API server publishes new schemas within seconds."""

    def explained() -> bool:
        try:
            return says in " ".join(kubectl.run("explain", field).split())
        except KubectlError:
            return False

    until(explained, seconds=30, what=f"kubectl explain {field} did not say {says!r}", every=0.5)
