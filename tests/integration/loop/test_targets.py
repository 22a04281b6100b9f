"""What is scaled: it may come late, be of another kind, be another's, or be scaled by hand; DryRun and pause leave it alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.cluster.manifests import autoscaler, crd, scaled_object
from tests.integration.loop.shop import POLICY, Shop
from tests.support.kubectl import Kubectl


@pytest.fixture(scope="module")
def keda(kubectl: Kubectl) -> Iterator[None]:
    """A cluster that knows ScaledObjects."""
    kubectl.apply(crd("ScaledObject", scale=None, group="keda.sh", version="v1alpha1"))
    kubectl.run("wait", "--for=condition=Established", "crd/scaledobjects.keda.sh", "--timeout=30s")
    yield
    kubectl.run("delete", "crd", "scaledobjects.keda.sh")


def below_minimum(shop: Shop, kind: str = "Deployment") -> None:
    """A policy that wants two replicas where there is one: whoever may scale, does.

    A few messages wait, within the limit, so that the target is looked at in every sweep.
    """
    shop.make_topic(4)
    shop.produce(1)
    shop.broker()
    shop.policy(target={"kind": kind, "name": POLICY}, consumers={"minReplicas": 2})


def test_a_target_that_comes_later(shop: Shop) -> None:
    """A missing target is told by a condition and one Event; once it is there it is scaled."""
    below_minimum(shop)
    message = shop.await_condition("Ready", "False", "TargetMissing")
    assert "does not exist" in message
    row = shop.kubectl.run("get", "fwbp", POLICY, "-n", shop.namespace, "--no-headers").split()
    assert "TargetMissing" in row
    shop.idle(1)
    shop.await_replicas(2)
    shop.await_condition("Ready", "True", "Watching")
    assert shop.reasons() == ["TargetMissing", "Watching", "BelowMinimum"]
    assert shop.reasons(kind="Deployment") == ["BelowMinimum"]


def test_a_stateful_set(shop: Shop) -> None:
    """A StatefulSet is scaled like a Deployment."""
    shop.idle(1, kind="StatefulSet")
    below_minimum(shop, "StatefulSet")
    shop.await_replicas(2, kind="statefulset")
    assert shop.await_event("BelowMinimum", kind="StatefulSet").startswith("1 → 2 replicas")


def test_a_kind_that_cannot_be_scaled(shop: Shop) -> None:
    """A kind without a scale subresource, or that nobody knows, is told, with what to do."""
    shop.make_topic(1)
    shop.broker()
    shop.policy(target={"apiVersion": "v1", "kind": "ConfigMap", "name": "settings"})
    shop.policy(name="unknown", target={"apiVersion": "shop.example/v1", "kind": "Till", "name": "till"})
    assert "has no scale subresource" in shop.await_condition("Ready", "False", "TargetNotScalable")
    assert "Till in shop.example/v1" in shop.await_condition("Ready", "False", "TargetKindUnknown", name="unknown")


def test_an_autoscaler_was_there_first(shop: Shop) -> None:
    """A target that an HPA scales is refused with its name, and taken over once the HPA is gone."""
    shop.idle(1)
    shop.kubectl.apply(autoscaler("billing-hpa", "apps/v1", "Deployment", POLICY), namespace=shop.namespace)
    below_minimum(shop)
    assert "HorizontalPodAutoscaler/billing-hpa" in shop.await_condition("Ready", "False", "TargetConflict")
    shop.let_it_decide()
    assert shop.replicas() == 1
    shop.kubectl.delete("hpa", "billing-hpa", namespace=shop.namespace)
    shop.await_replicas(2)
    shop.await_condition("Ready", "True", "Watching")
    assert shop.reasons() == ["TargetConflict", "Watching", "BelowMinimum"]


def test_a_scaled_object_comes_later(shop: Shop, keda: None) -> None:
    """A ScaledObject that appears on a target Floodwarden scales is not fought, and named."""
    shop.idle(1)
    below_minimum(shop)
    shop.await_replicas(2)
    shop.kubectl.apply(scaled_object("billing-keda", {"name": POLICY}), namespace=shop.namespace)
    shop.scale(1)
    assert "ScaledObject/billing-keda" in shop.await_condition("Ready", "False", "TargetConflict")
    shop.let_it_decide()
    assert shop.replicas() == 1
    shop.kubectl.delete("scaledobject", "billing-keda", namespace=shop.namespace)
    shop.await_replicas(2)


def test_a_second_policy(shop: Shop) -> None:
    """Of two policies on one target the younger is refused with the name of the older, until that is gone."""
    shop.idle(2)
    below_minimum(shop)
    shop.await_condition("Ready", "True", "Watching")
    shop.until(lambda: later(shop), "a second has passed since the first policy was created")
    shop.policy(name="rival", consumers={"minReplicas": 3})
    assert f"BacklogPolicy/{POLICY}" in shop.await_condition("Ready", "False", "TargetConflict", name="rival")
    shop.let_it_decide(policy="rival")
    assert shop.replicas() == 2
    assert shop.condition("Ready") == ("True", "Watching")
    shop.kubectl.delete("fwbp", POLICY, namespace=shop.namespace)
    shop.await_replicas(3)


def later(shop: Shop) -> bool:
    """Whether an object made now would be younger than the policy by the clock of the API server, which counts seconds."""
    made = shop.kubectl.get("fwbp", POLICY, namespace=shop.namespace)["metadata"]["creationTimestamp"]
    now = shop.kubectl.run("create", "configmap", "clock", "-o", "jsonpath={.metadata.creationTimestamp}", "-n", shop.namespace)
    shop.kubectl.delete("configmap", "clock", namespace=shop.namespace)
    return str(now) > str(made)


def test_dry_run_changes_nothing(shop: Shop) -> None:
    """DryRun decides, says in status and Event what it would do, and leaves the Deployment as it is, to its last field."""
    shop.make_topic(4)
    shop.broker()
    shop.consumers(1, capacity=10)
    shop.await_pods()
    before = shop.kubectl.get("deployment", POLICY, namespace=shop.namespace)["metadata"]
    shop.policy(mode="DryRun")
    shop.await_condition("Ready", "True", "DryRun")
    shop.produce(100)
    assert "1 → " in shop.await_event("WouldScale")
    status = shop.await_status(lambda s: s.get("state") == "WouldScale", "the state says it")
    assert status["replicas"]["current"] == 1
    assert status["replicas"]["desired"] > 1
    assert shop.condition("Scaling") == ("False", "WouldScale")
    shop.let_it_decide()
    after = shop.kubectl.get("deployment", POLICY, namespace=shop.namespace)["metadata"]
    assert (after["generation"], after["resourceVersion"]) == (before["generation"], before["resourceVersion"])
    assert set(shop.reasons(kind="Deployment")) <= {"OverLimit", "Drained"}
    assert shop.measure("steps_total") is None


def test_scaled_up_by_hand(shop: Shop) -> None:
    """Replicas that somebody added are told, and kept for a whole window."""
    shop.make_topic(4)
    shop.produce(5)
    shop.broker()
    shop.consumers(1)
    shop.policy()
    shop.await_status(lambda s: s.get("lag", {}).get("messages") == 0, "idle")
    shop.scale(3)
    assert shop.await_event("ScaledByHand").startswith("1 → 3 replicas")
    shop.await_status(lambda s: s["state"] == "Stabilizing" and s["replicas"]["current"] == 3, "the window")
    shop.await_replicas(1)
    assert shop.reasons() == ["ScaledByHand", "ScaledDown"]


def test_scaled_to_zero_by_hand(shop: Shop) -> None:
    """A target that somebody put to zero against minReplicas is left alone, whatever waits, until it is scaled up again."""
    shop.idle(2)
    below_minimum(shop)
    shop.await_status(lambda s: s.get("replicas", {}).get("current") == 2, "watched")
    shop.scale(0)
    shop.await_status(lambda s: s["state"] == "TargetAtZero", "told")
    shop.produce(100)
    shop.await_condition("WithinLag", "False", "OverLimit")
    shop.let_it_decide()
    assert shop.replicas() == 0
    assert "ScaledByHand" in shop.reasons()
    shop.scale(1)
    shop.await_replicas(2)


def test_paused(shop: Shop) -> None:
    """The annotation stops all action on a policy, and says so; without it things go on."""
    shop.idle(1)
    shop.make_topic(4)
    shop.broker()
    shop.policy(consumers={"minReplicas": 2}, annotations={"floodwarden.dev/paused": "true"})
    assert "annotation" in shop.await_condition("Ready", "False", "Paused")
    shop.let_it_decide()
    assert shop.replicas() == 1
    shop.kubectl.run("annotate", "fwbp", POLICY, "floodwarden.dev/paused-", "-n", shop.namespace)
    shop.await_replicas(2)
    shop.await_condition("Ready", "True", "Watching")
