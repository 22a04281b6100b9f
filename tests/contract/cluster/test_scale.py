"""``ScaleClient`` against a real API server: what it reads and writes, and the name of everything that can go wrong."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from floodhack.archive import PAUSE_IMAGE, pause_archive
from floodhack.instance import CHECKOUT
from floodwarden.cluster import discovery
from floodwarden.cluster.rest import Rest
from floodwarden.cluster.scale import ScaleClient
from floodwarden.core.target import PodTrouble, Target, TargetProblem, TargetProblemReason, TargetRef
from tests.contract.cluster.conftest import Limited
from tests.contract.cluster.eventually import eventually
from tests.contract.cluster.manifests import (
    GROUP,
    SCALE,
    SCALE_WITHOUT_SELECTOR,
    WIDGETS,
    crd,
    pod_template,
    rule,
    widget,
    workload,
)
from tests.support.kubectl import Kubectl

Read = Target | TargetProblem


def found(read: Read) -> Target:
    """The target that was read; fails with the problem where there is one."""
    assert isinstance(read, Target), read
    return read


def reason(read: Read) -> TargetProblemReason | None:
    """Why it could not be read or written; None when it could."""
    return read.reason if isinstance(read, TargetProblem) else None


def deployment(namespace: str, name: str = "billing") -> TargetRef:
    return TargetRef(namespace, "apps/v1", "Deployment", name)


@pytest.fixture
def scale(rest: Rest) -> ScaleClient:
    return ScaleClient(rest)


@pytest.fixture
def billing(kubectl: Kubectl, namespace: str) -> TargetRef:
    """A Deployment of two replicas whose pods stay without a node."""
    kubectl.apply(workload("Deployment", "billing", 2), namespace=namespace)
    return deployment(namespace)


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "ReplicaSet"])
async def test_workloads_are_read_and_written(scale: ScaleClient, kubectl: Kubectl, namespace: str, kind: str) -> None:
    """What is read is the object's own; what is written arrives in its spec, and the answer tells so."""
    kubectl.apply(workload(kind, "billing", 2), namespace=namespace)
    ref = TargetRef(namespace, "apps/v1", kind, "billing")
    uid = kubectl.get(kind, "billing", namespace=namespace)["metadata"]["uid"]

    read = found(await scale.read(ref))
    assert (read.uid, read.replicas, read.selector, read.ready) == (uid, 2, "app=billing", None)

    async def written() -> Read:
        return await scale.write(ref, found(await scale.read(ref)), 5)

    # The controller writes the status of a new object: a write in between is refused, and the next one goes.
    assert found(await eventually(written, lambda answer: reason(answer) is None)).replicas == 5
    assert kubectl.get(kind, "billing", namespace=namespace)["spec"]["replicas"] == 5


@pytest.mark.usefixtures("widgets")
async def test_a_custom_resource_is_scaled_like_the_rest(scale: ScaleClient, kubectl: Kubectl, namespace: str) -> None:
    """Anything with a scale subresource will do, and zero replicas are a number like any other."""
    kubectl.apply(widget("w", replicas=4), namespace=namespace)
    kubectl.write_status("widgets", "w", {"selector": "app=w"}, namespace=namespace)
    ref = TargetRef(namespace, WIDGETS, "Widget", "w")
    read = found(await scale.read(ref, pods=True))
    assert (read.replicas, read.selector, read.ready) == (4, "app=w", 0)
    assert found(await scale.write(ref, read, 0)).replicas == 0
    assert found(await scale.read(ref)).replicas == 0
    assert kubectl.get("widgets", "w", namespace=namespace)["spec"]["replicas"] == 0


@pytest.mark.usefixtures("widgets")
async def test_without_a_selector_pods_are_not_counted(scale: ScaleClient, kubectl: Kubectl, namespace: str) -> None:
    """Not known is not zero, and above all not every pod of the namespace."""
    kubectl.apply([widget("w", replicas=1), workload("Deployment", "other", 1)], namespace=namespace)
    assert found(await scale.read(TargetRef(namespace, WIDGETS, "Widget", "w"), pods=True)).ready is None


@pytest.mark.usefixtures("widgets")
async def test_a_custom_resource_that_leaves_its_replicas_out(scale: ScaleClient, kubectl: Kubectl, namespace: str) -> None:
    """It is not scalable until somebody sets them; the API server is not to blame."""
    kubectl.apply(widget("w"), namespace=namespace)
    read = await scale.read(TargetRef(namespace, WIDGETS, "Widget", "w"))
    assert reason(read) is TargetProblemReason.NOT_SCALABLE
    assert isinstance(read, TargetProblem)
    assert "set its replicas" in read.message


@pytest.mark.parametrize(
    ("api_version", "kind", "name", "expected"),
    [
        pytest.param("apps/v1", "Deployment", "nobody", TargetProblemReason.MISSING, id="no such object"),
        pytest.param("apps/v1", "Deployment", "..", TargetProblemReason.MISSING, id="a name that climbs"),
        pytest.param("apps/v1", "Deployment", "a/b", TargetProblemReason.MISSING, id="a name with a slash"),
        pytest.param("v1", "ConfigMap", "kube-root-ca.crt", TargetProblemReason.NOT_SCALABLE, id="a kind without scale"),
        pytest.param("apps/v1", "Deploymint", "billing", TargetProblemReason.KIND_UNKNOWN, id="no such kind"),
        pytest.param("apps/v7", "Deployment", "billing", TargetProblemReason.KIND_UNKNOWN, id="no such version"),
        pytest.param("nobody.dev/v1", "Thing", "billing", TargetProblemReason.KIND_UNKNOWN, id="no such group"),
        pytest.param("../api/v1", "Secret", "billing", TargetProblemReason.KIND_UNKNOWN, id="a group that climbs"),
        pytest.param("", "Deployment", "billing", TargetProblemReason.KIND_UNKNOWN, id="no apiVersion"),
        pytest.param("v1", "Node", "localhost", TargetProblemReason.KIND_UNKNOWN, id="a kind outside namespaces"),
    ],
)
async def test_what_cannot_be_scaled_is_named(
    scale: ScaleClient, namespace: str, api_version: str, kind: str, name: str, expected: TargetProblemReason
) -> None:
    """Reading says which of the three it is: no object, no scale, no kind. So does writing."""
    ref = TargetRef(namespace, api_version, kind, name)
    assert reason(await scale.read(ref)) is expected
    assert reason(await scale.write(ref, Target("uid", 1, "", "1"), 2)) is expected


async def test_crds_come_change_and_go(
    scale: ScaleClient, kubectl: Kubectl, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A CRD installed, changed or deleted while Floodwarden runs is noticed without a restart."""
    monkeypatch.setattr(discovery, "LOOK_AGAIN", 0.1)
    ref = TargetRef(namespace, f"gadgets.{GROUP}/v1", "Gadget", "g")
    name = f"gadgets.gadgets.{GROUP}"

    def gadgets(subresource: dict[str, str] | None) -> dict[str, Any]:
        return crd("Gadget", scale=subresource, group=f"gadgets.{GROUP}")

    async def read() -> Read:
        return await scale.read(ref)

    def says(expected: TargetProblemReason | None) -> Callable[[Read], bool]:
        return lambda answer: reason(answer) is expected

    assert reason(await read()) is TargetProblemReason.KIND_UNKNOWN
    kubectl.apply(gadgets(SCALE))
    try:
        kubectl.wait_for_condition("crd", name, "Established")
        await eventually(read, says(TargetProblemReason.MISSING))
        kubectl.apply(
            {"apiVersion": ref.api_version, "kind": "Gadget", "metadata": {"name": "g"}, "spec": {"replicas": 1}},
            namespace=namespace,
        )
        await eventually(read, says(None))
        kubectl.apply(gadgets(None))
        await eventually(read, says(TargetProblemReason.NOT_SCALABLE))
        kubectl.apply(gadgets(SCALE_WITHOUT_SELECTOR))
        await eventually(read, says(None))
    finally:
        kubectl.delete("crd", name)
    await eventually(read, says(TargetProblemReason.KIND_UNKNOWN))


async def test_a_change_by_anybody_else_is_refused(scale: ScaleClient, kubectl: Kubectl, billing: TargetRef) -> None:
    """A write goes through only if nothing changed since the read that led to it."""
    read = found(await scale.read(billing))
    kubectl.run("scale", "deployment", "billing", "--replicas=7", f"--namespace={billing.namespace}")
    assert reason(await scale.write(billing, read, 3)) is TargetProblemReason.CHANGED
    assert found(await scale.read(billing)).replicas == 7


@pytest.mark.usefixtures("widgets")
async def test_an_object_made_anew_is_another_one(scale: ScaleClient, kubectl: Kubectl, namespace: str) -> None:
    """A decision about a deleted object does not reach the one that took its name, nor create anything."""
    ref = TargetRef(namespace, WIDGETS, "Widget", "w")
    kubectl.apply(widget("w", replicas=1), namespace=namespace)
    read = found(await scale.read(ref))
    kubectl.delete("widgets", "w", namespace=namespace)
    assert reason(await scale.write(ref, read, 3)) is TargetProblemReason.MISSING
    kubectl.apply(widget("w", replicas=1), namespace=namespace)
    assert reason(await scale.write(ref, read, 3)) is TargetProblemReason.CHANGED
    mixed = replace(read, resource_version=found(await scale.read(ref)).resource_version)
    assert reason(await scale.write(ref, mixed, 3)) is TargetProblemReason.CHANGED


async def test_a_number_that_is_not_valid_is_refused(scale: ScaleClient, billing: TargetRef) -> None:
    """What the API server's validation says is passed on."""

    async def written() -> Read:
        return await scale.write(billing, found(await scale.read(billing)), -1)

    answer = await eventually(written, lambda answer: reason(answer) is not TargetProblemReason.CHANGED)
    assert reason(answer) is TargetProblemReason.REFUSED
    assert isinstance(answer, TargetProblem)
    assert "greater than or equal to 0" in answer.message


async def test_the_change_bears_our_name(scale: ScaleClient, kubectl: Kubectl, namespace: str) -> None:
    """Whoever asks who changed the replicas (``--show-managed-fields``) reads floodwarden."""
    kubectl.apply(workload("ReplicaSet", "billing", 0), namespace=namespace)
    ref = TargetRef(namespace, "apps/v1", "ReplicaSet", "billing")

    async def written() -> Read:
        return await scale.write(ref, found(await scale.read(ref)), 1)

    await eventually(written, lambda answer: reason(answer) is None)
    stored = kubectl.run("get", "rs", "billing", "-o", "yaml", "--show-managed-fields", f"--namespace={namespace}")
    assert "manager: floodwarden" in stored


async def test_what_rbac_does_not_grant_is_forbidden(limited: Limited, billing: TargetRef) -> None:
    """Reading, writing and counting pods are told apart by what the API server says."""
    scale = ScaleClient(await limited(rule("apps", "deployments/scale", "get")))
    read = found(await scale.read(billing))
    pods = await scale.read(billing, pods=True)
    written = await scale.write(billing, read, 3)
    elsewhere = await scale.read(replace(billing, kind="StatefulSet"))
    for problem, words in [(pods, 'list resource "pods"'), (written, "update"), (elsewhere, "statefulsets/scale")]:
        assert reason(problem) is TargetProblemReason.FORBIDDEN
        assert isinstance(problem, TargetProblem)
        assert words in problem.message


@pytest.mark.usefixtures("widgets")
async def test_pods_count_when_ready_and_not_on_their_way_out(scale: ScaleClient, kubectl: Kubectl, namespace: str) -> None:
    """Of five pods: two ready, one not, one ready but being deleted, one ready but not of this target."""
    pods = [
        {"apiVersion": "v1", "kind": "Pod", **pod_template({"app": app}), "metadata": {"name": name, "labels": {"app": app}}}
        for name, app in [("a", "w"), ("b", "w"), ("c", "w"), ("d", "w"), ("e", "other")]
    ]
    pods[3]["metadata"]["finalizers"] = [f"{GROUP}/kept"]
    kubectl.apply([*pods, widget("w", replicas=4)], namespace=namespace)
    kubectl.write_status("widgets", "w", {"selector": "app=w"}, namespace=namespace)
    for name, status in [("a", "True"), ("b", "True"), ("c", "False"), ("d", "True"), ("e", "True")]:
        kubectl.write_status("pods", name, {"conditions": [{"type": "Ready", "status": status}]}, namespace=namespace)
    kubectl.delete("pods", "d", namespace=namespace, wait=False)

    async def read() -> Target:
        return found(await scale.read(TargetRef(namespace, WIDGETS, "Widget", "w"), pods=True))

    await eventually(read, lambda target: target.ready == 2)
    kubectl.run("patch", "pod", "d", "--type=merge", "-p", '{"metadata":{"finalizers":null}}', f"--namespace={namespace}")


async def test_pods_that_do_not_work_say_why(scale: ScaleClient, kubectl: Kubectl, namespace: str) -> None:
    """One that the scheduler finds no node for, in its words; and one whose container ends again and again."""
    template = pod_template({"app": "billing"}, scheduler="default-scheduler")
    template["spec"]["nodeSelector"] = {"none": "such"}
    kubectl.apply(workload("Deployment", "billing", 1, template), namespace=namespace)
    pod = {"apiVersion": "v1", "kind": "Pod", **pod_template({"app": "billing"})}
    kubectl.apply({**pod, "metadata": {"name": "crashing", "labels": {"app": "billing"}}}, namespace=namespace)
    ended = {"exitCode": 3, "reason": "Error"}
    container = {"name": "main", "image": "none", "imageID": "", "ready": False, "restartCount": 4}
    container |= {"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": ended}}
    kubectl.write_status("pods", "crashing", {"containerStatuses": [container]}, namespace=namespace)

    async def read() -> Target:
        return found(await scale.read(deployment(namespace), pods=True))

    target = await eventually(read, lambda target: all(target.in_trouble(trouble) for trouble in PodTrouble))
    (homeless,), (crashing,) = target.in_trouble(PodTrouble.UNSCHEDULABLE), target.in_trouble(PodTrouble.CRASHING)
    assert homeless.name.startswith("billing-")
    assert "nodes are available" in homeless.detail
    assert (crashing.name, crashing.detail) == ("crashing", "container main: Error, exit code 3")
    assert target.ready == 0


async def test_pods_of_a_node_become_ready(scale: ScaleClient, kubectl: Kubectl, namespace: str) -> None:
    """The whole way: a write of ours, the cluster's controllers, the node, and back as a number."""
    subprocess.run([sys.executable, CHECKOUT / "hack" / "cluster", "load", pause_archive()], check=True, stdout=sys.stderr)
    template = pod_template({"app": "billing"}, PAUSE_IMAGE, scheduler="default-scheduler")
    kubectl.apply(workload("Deployment", "billing", 1, template), namespace=namespace)
    ref = deployment(namespace)

    async def read() -> Target:
        return found(await scale.read(ref, pods=True))

    async def written() -> Read:
        return await scale.write(ref, await read(), 3)

    await eventually(read, lambda target: target.ready == 1)
    await eventually(written, lambda answer: reason(answer) is None)
    await eventually(read, lambda target: (target.replicas, target.ready) == (3, 3))
