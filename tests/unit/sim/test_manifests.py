"""The policy to try, from a manifest file as it would be applied."""

from __future__ import annotations

import pytest

from floodhack.instance import CHECKOUT
from floodwarden.api.manifests import ManifestError
from floodwarden.sim.manifests import subject

BROKER = """
apiVersion: floodwarden.dev/v1alpha1
kind: MessageBroker
metadata: {name: main, namespace: shop}
spec:
  type: Kafka
  kafka: {bootstrapServers: ["kafka:9092"]}
  sweepInterval: 5s
"""
POLICY = """
apiVersion: floodwarden.dev/v1alpha1
kind: BacklogPolicy
metadata: {name: billing, namespace: shop}
spec:
  brokerRef: {name: main}
  subscription: {group: billing, topics: [orders]}
  maxLag: {messages: 10000, seconds: 30}
  consumers:
    targetRef: {name: billing}
    minReplicas: 2
"""


def test_a_policy_and_its_broker() -> None:
    """What the policy wants, and how often its MessageBroker is swept."""
    found = subject(f"{BROKER}---\n{POLICY}---\n")
    assert found.name == "billing"
    assert found.notes == ()
    assert (found.policy.max_messages, found.policy.max_seconds, found.policy.sweep_interval) == (10_000, 30.0, 5.0)


def test_what_is_assumed_is_said() -> None:
    """Without its MessageBroker a sweep each second; DryRun is tried as if it were to act; no namespace is default."""
    found = subject(POLICY.replace("spec:", "spec:\n  mode: DryRun").replace(", namespace: shop", ""))
    assert (found.policy.sweep_interval, found.policy.dry_run) == (1.0, False)
    assert [("every 1 s" in note, "DryRun" in note) for note in found.notes] == [(True, False), (False, True)]


def test_the_broker_of_another_namespace_is_another() -> None:
    """Only the one that the policy binds to counts."""
    found = subject(f"{BROKER.replace('shop', 'platform')}---\n{POLICY}")
    assert found.policy.sweep_interval == 1.0


def test_one_of_several() -> None:
    """The name chooses."""
    other = POLICY.replace("name: billing, namespace", "name: other, namespace").replace("10000", "7")
    both = f"{POLICY}---\n{other}"
    assert subject(both, "other").policy.max_messages == 7
    with pytest.raises(ManifestError, match="it holds 2 BacklogPolicies; choose one with --policy: billing, other"):
        subject(both)
    with pytest.raises(ManifestError, match="there is no BacklogPolicy third in it; choose from: billing, other"):
        subject(both, "third")


WRONG = {
    "empty": ("", "there is no BacklogPolicy in it, only nothing"),
    "only a broker": (BROKER, "there is no BacklogPolicy in it, only MessageBroker"),
    "no YAML": ("kind: [", "it is not YAML"),
    "no mapping": ("just a sentence", "it is YAML, but no manifest"),
    "another version": (POLICY.replace("v1alpha1", "v9"), "apiVersion is 'floodwarden.dev/v9'; write floodwarden.dev/v1alpha1"),
    "a typing error": (POLICY.replace("maxLag", "maxlag"), "spec.maxlag is no field; known here: brokerRef"),
    "a deep typing error": (POLICY.replace("minReplicas", "minReplica"), "spec.consumers.minReplica is no field"),
    "no limit": (POLICY.replace("{messages: 10000, seconds: 30}", "{}"), "set messages, seconds or both"),
    "a wrong value": (POLICY.replace("10000", "0"), "spec.maxLag.messages: Input should be greater than or equal to 1"),
    "a wrong duration": (POLICY.replace("spec:", "spec:\n  catchUp: 1d"), "spec.catchUp"),
    "bounds crossed": (POLICY + "    maxReplicas: 1\n", "maxReplicas must not be below minReplicas"),
    "queues": (
        POLICY.replace("{group: billing, topics: [orders]}", "{queues: [orders]}") + "    maxReplicas: 9\n",
        "BacklogPolicy billing reads queues; the model has partitions only",
    ),
    "queues without a bound": (
        POLICY.replace("{group: billing, topics: [orders]}", "{queues: [orders]}"),
        "spec.consumers.maxReplicas: any number of consumers can share a queue: set it",
    ),
    "a group and queues": (
        POLICY.replace("topics: [orders]", "queues: [orders]") + "    maxReplicas: 9\n",
        "spec.subscription: set group (Kafka, RocketMQ) or queues (RabbitMQ), and not both",
    ),
    "topics without a group": (
        POLICY.replace("{group: billing, topics: [orders]}", "{topics: [orders], queues: [a]}") + "    maxReplicas: 9\n",
        "spec.subscription.topics: only used with group",
    ),
    "no spec": ("apiVersion: floodwarden.dev/v1alpha1\nkind: BacklogPolicy\nmetadata: {name: a}\n", "spec: Field required"),
    "no name": (POLICY.replace("metadata: {name: billing, namespace: shop}", "metadata: 7"), "metadata"),
}


@pytest.mark.parametrize(("text", "says"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_said(text: str, says: str) -> None:
    """A policy that runs here can be applied; one that cannot says why, with the field."""
    with pytest.raises(ManifestError) as refusal:
        subject(text)
    assert says in str(refusal.value)


EXAMPLES = [path for path in (CHECKOUT / "deploy/examples").glob("backlogpolicy-*.yaml") if "queues:" not in path.read_text()]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: str(path.stem))
def test_the_examples_can_be_tried(path: object) -> None:
    """Every example with a policy in it."""
    assert subject(path.read_text()).policy.catch_up > 0  # type: ignore[attr-defined]
