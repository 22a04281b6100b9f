"""``OwnerIndex`` against a real API server: who else scales a target, and when that is not known."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from floodwarden.cluster.owners import OwnerIndex
from floodwarden.cluster.rest import Rest
from floodwarden.core.target import Owner, TargetProblem, TargetProblemReason, TargetRef
from tests.contract.cluster.conftest import Limited
from tests.contract.cluster.eventually import eventually
from tests.contract.cluster.manifests import WIDGETS, autoscaler, crd, rule, scaled_object
from tests.support.kubectl import Kubectl

HPA_ONLY = rule("autoscaling", "horizontalpodautoscalers", "list")


@pytest.fixture(scope="module")
def scaled_objects(kubectl: Kubectl) -> Iterator[None]:
    """The CRD of KEDA's ScaledObject, as much of it as matters here."""
    kubectl.apply(crd("ScaledObject", scale=None, group="keda.sh", version="v1alpha1"))
    kubectl.wait_for_condition("crd", "scaledobjects.keda.sh", "Established")
    kubectl.run("get", "scaledobjects.keda.sh")  # served, too
    yield
    kubectl.delete("crd", "scaledobjects.keda.sh")


def billing(namespace: str, api_version: str = "apps/v1", kind: str = "Deployment", name: str = "billing") -> TargetRef:
    return TargetRef(namespace, api_version, kind, name)


async def test_nothing_is_known_before_the_first_list(rest: Rest, namespace: str) -> None:
    """An index that has not looked yet does not claim that there is nobody."""
    index = OwnerIndex(rest)
    assert not index.known
    assert index.problem is not None
    assert index.owner_of(billing(namespace)) is None


async def test_an_autoscaler_is_found_and_forgotten(rest: Rest, kubectl: Kubectl, namespace: str) -> None:
    """By group, kind and name, in its namespace only, in any version; on a cluster without KEDA."""
    kubectl.apply(
        [autoscaler("hpa", "apps/v1", "Deployment", "billing"), autoscaler("odd", WIDGETS, "Widget", "billing")],
        namespace=namespace,
    )
    index = OwnerIndex(rest)
    await index.refresh()
    assert index.known
    hpa = Owner("HorizontalPodAutoscaler", "hpa")
    assert index.owner_of(billing(namespace)) == hpa
    assert index.owner_of(billing(namespace, "apps/v2")) == hpa, "a version does not make another object"
    assert index.owner_of(billing(namespace, WIDGETS, "Widget")) == Owner("HorizontalPodAutoscaler", "odd")
    for other in [
        billing("default"),
        billing(namespace, kind="StatefulSet"),
        billing(namespace, name="orders"),
        billing(namespace, api_version="v1"),
    ]:
        assert index.owner_of(other) is None
    assert await index.check(billing(namespace)) == hpa

    kubectl.delete("hpa", "hpa", namespace=namespace)
    assert await index.check(billing(namespace)) is None
    await index.refresh()
    assert index.owner_of(billing(namespace)) is None


async def test_only_the_watched_namespaces_are_listed(limited: Limited, kubectl: Kubectl, namespace: str) -> None:
    """Rights in these namespaces are enough."""
    kubectl.apply(autoscaler("hpa", "apps/v1", "Deployment", "billing"), namespace=namespace)
    rest = await limited(HPA_ONLY, rule("keda.sh", "scaledobjects", "list"))
    index = OwnerIndex(rest, [namespace])
    await index.refresh()
    assert index.known, index.problem
    assert index.owner_of(billing(namespace)) == Owner("HorizontalPodAutoscaler", "hpa")


@pytest.mark.usefixtures("scaled_objects")
async def test_scaled_objects_are_found_with_their_defaults(rest: Rest, kubectl: Kubectl, namespace: str) -> None:
    """KEDA takes a Deployment of apps/v1 where a ScaledObject does not say."""
    kubectl.apply(
        [
            scaled_object("short", {"name": "billing"}),
            scaled_object("long", {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "orders"}),
        ],
        namespace=namespace,
    )
    index = OwnerIndex(rest)
    await index.refresh()
    assert index.owner_of(billing(namespace)) == Owner("ScaledObject", "short")
    assert index.owner_of(billing(namespace, kind="StatefulSet", name="orders")) == Owner("ScaledObject", "long")
    kubectl.delete("scaledobjects", "short", namespace=namespace)
    assert await index.check(billing(namespace)) is None


@pytest.mark.usefixtures("scaled_objects")
async def test_an_autoscaler_of_a_scaled_object_is_reported_as_it(rest: Rest, kubectl: Kubectl, namespace: str) -> None:
    """KEDA works through an HPA; a person has to change the ScaledObject."""
    kubectl.apply(scaled_object("kept", {"name": "elsewhere"}), namespace=namespace)
    uid = kubectl.get("scaledobjects", "kept", namespace=namespace)["metadata"]["uid"]
    hpa = autoscaler("keda-hpa-kept", "apps/v1", "Deployment", "billing")
    hpa["metadata"]["ownerReferences"] = [
        {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "name": "kept", "uid": uid, "controller": True}
    ]
    kubectl.apply(hpa, namespace=namespace)
    assert await OwnerIndex(rest).check(billing(namespace)) == Owner("ScaledObject", "kept")


async def test_a_list_that_is_forbidden_is_not_an_empty_one(limited: Limited, kubectl: Kubectl, namespace: str) -> None:
    """Without the right to look, nobody can be ruled out; what was found before still counts."""
    kubectl.apply(autoscaler("hpa", "apps/v1", "Deployment", "billing"), namespace=namespace)
    allowed = [HPA_ONLY, rule("keda.sh", "scaledobjects", "list")]
    rest = await limited(*allowed)
    index = OwnerIndex(rest, [namespace])
    await index.refresh()
    assert index.known, index.problem

    kubectl.run("delete", "role", "limited", f"--namespace={namespace}")

    async def refreshed() -> OwnerIndex:
        await index.refresh()
        return index

    await eventually(refreshed, lambda index: not index.known)
    assert index.problem is not None
    assert index.problem.reason is TargetProblemReason.FORBIDDEN
    assert index.owner_of(billing(namespace)) == Owner("HorizontalPodAutoscaler", "hpa")
    checked = await index.check(billing(namespace))
    assert isinstance(checked, TargetProblem)
    assert checked.reason is TargetProblemReason.FORBIDDEN
