"""``WorkloadClient`` against a real API server: what it reads of pod templates, and what it writes of a Deployment."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from floodhack.archive import PAUSE_IMAGE, pause_archive
from floodhack.instance import CHECKOUT
from floodwarden.cluster.rest import Rest
from floodwarden.cluster.workloads import Labelled, WorkloadClient, WorkloadProblem
from floodwarden.core.delivery.rollouts import Correction, Fix
from floodwarden.core.delivery.workloads import LABEL, Container, Import, Mount, Variable, Workload
from floodwarden.core.reasons import Reason
from tests.contract.cluster.conftest import Connect, Limited
from tests.contract.cluster.eventually import eventually
from tests.contract.cluster.gate import Gate
from tests.contract.cluster.manifests import Object, pod_template, rule, workload
from tests.support.kubectl import Kubectl

LISTS = rule("apps", "*", "list")
FIX = Fix("acks", "main", "KAFKA_ACKS", "1", "all")

ENV: list[Object] = [
    {"name": "KAFKA_ACKS", "value": "1"},
    {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
    {"name": "ENABLE_AUTO_COMMIT", "valueFrom": {"configMapKeyRef": {"name": "app", "key": "commit", "optional": True}}},
    {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
    {"name": "ACKS", "value": "$(KAFKA_ACKS)"},
    {"name": "EMPTY"},
]
VOLUMES: list[Object] = [
    {"name": "whole", "configMap": {"name": "app"}},
    {
        "name": "some",
        "configMap": {"name": "chosen", "items": [{"key": "a", "path": "x/a.properties"}, {"key": "b", "path": "b"}]},
    },
    {"name": "mixed", "projected": {"sources": [{"configMap": {"name": "one"}}, {"secret": {"name": "s"}}]}},
    {"name": "secret", "secret": {"secretName": "s"}},
    {"name": "scratch", "emptyDir": {}},
]
MOUNTS: list[Object] = [
    {"name": "whole", "mountPath": "/etc/app"},
    {"name": "whole", "mountPath": "/etc/one.properties", "subPath": "one.properties"},
    {"name": "some", "mountPath": "/etc/some"},
    {"name": "some", "mountPath": "/etc/x", "subPath": "x"},
    {"name": "mixed", "mountPath": "/etc/mixed"},
    {"name": "secret", "mountPath": "/etc/secret"},
    {"name": "scratch", "mountPath": "/tmp"},
]
MAIN = Container(
    "main",
    (
        Variable("KAFKA_ACKS", "1"),
        Variable("PASSWORD", hides="a Secret"),
        Variable("ENABLE_AUTO_COMMIT", config_map="app", key="commit"),
        Variable("NODE", hides="the pod's own fields"),
        Variable("ACKS", hides="other variables"),
        Variable("EMPTY", ""),
    ),
    (Import("app", "APP_"), Import("all")),
    (
        Mount("app", "/etc/app"),
        Mount("app", "/etc/one.properties", frozenset({"one.properties"})),
        Mount("chosen", "/etc/some", frozenset({"a", "b"})),
        Mount("chosen", "/etc/x", frozenset({"a"})),
        Mount("one", "/etc/mixed"),
    ),
)


def labelled(kind: str, name: str, replicas: int = 0, policy: str = "safe") -> Object:
    """A workload with the label, whose container takes settings from everywhere. Pods of it would never start."""
    template = pod_template({"app": name})
    template["spec"]["containers"][0] |= {
        "env": ENV,
        "envFrom": [
            {"configMapRef": {"name": "app"}, "prefix": "APP_"},
            {"secretRef": {"name": "s"}},
            {"configMapRef": {"name": "all"}},
        ],
        "volumeMounts": MOUNTS,
    }
    side = {"name": "side", "image": "none", "restartPolicy": "Always", "env": [{"name": "ACKS", "value": "0"}]}
    template["spec"] |= {"volumes": VOLUMES, "initContainers": [{"name": "first", "image": "none"}, side]}
    found = workload(kind, name, replicas, template)
    if kind == "DaemonSet":
        del found["spec"]["replicas"]
    found["metadata"]["labels"] = {LABEL: policy}
    return found


async def named(client: WorkloadClient, namespace: str, name: str = "producer") -> Workload:
    """One of the labelled workloads."""
    return next(one for one in (await client.read(namespace)).workloads if one.name == name)


async def correct(client: WorkloadClient, namespace: str, *fixes: Fix) -> None:
    """Correct the Deployment as soon as its controller leaves it alone."""

    async def once() -> WorkloadProblem | None:
        return await client.correct(Correction(await named(client, namespace), fixes))

    await eventually(once, lambda problem: problem is None)


async def test_what_is_read(limited: Limited, kubectl: Kubectl, namespace: str) -> None:
    """All kinds that carry the label, with all that their templates tell; with the right to list them and no other."""
    plain = workload("Deployment", "without", 0)
    for kind in ("Deployment", "StatefulSet", "DaemonSet"):
        kubectl.apply(labelled(kind, kind.lower()), namespace=namespace)
    kubectl.apply([plain, labelled("Deployment", "other", policy="another")], namespace=namespace)
    client = WorkloadClient(
        await limited(*(rule("apps", name, "list") for name in ("deployments", "statefulsets", "daemonsets")))
    )
    read = await client.read(namespace)
    assert not read.problems
    assert {(one.kind, one.name, one.policy) for one in read.workloads} == {
        ("Deployment", "deployment", "safe"),
        ("Deployment", "other", "another"),
        ("StatefulSet", "statefulset", "safe"),
        ("DaemonSet", "daemonset", "safe"),
    }
    side = Container("side", (Variable("ACKS", "0"),), correctable=False)
    for one in read.workloads:
        assert one.containers == (MAIN, side), one
        assert one.namespace == namespace
    assert await client.read(namespace) == read


async def test_nothing_is_labelled(rest: Rest, namespace: str) -> None:
    """Which is no problem."""
    assert await WorkloadClient(rest).read(namespace) == Labelled(())


async def test_what_is_being_deleted_is_left_out(rest: Rest, kubectl: Kubectl, namespace: str) -> None:
    """It is nobody's to correct any more."""
    held = labelled("Deployment", "producer")
    held["metadata"]["finalizers"] = ["contract.floodwarden.dev/held"]
    kubectl.apply([held, labelled("Deployment", "other")], namespace=namespace)
    kubectl.delete("deployment", "producer", namespace=namespace, wait=False)
    assert [one.name for one in (await WorkloadClient(rest).read(namespace)).workloads] == ["other"]
    free = '{"metadata":{"finalizers":null}}'
    kubectl.run("patch", "deployment", "producer", "-n", namespace, "--type=merge", "-p", free)


async def test_only_variables_are_written(limited: Limited, kubectl: Kubectl, namespace: str) -> None:
    """Nothing else of the Deployment changes, and its rollout begins."""
    kubectl.apply(labelled("Deployment", "producer"), namespace=namespace)
    client = WorkloadClient(await limited(LISTS, rule("apps", "deployments", "patch")))
    before = kubectl.get("deployment", "producer", namespace=namespace)
    await correct(client, namespace, FIX)
    after = kubectl.get("deployment", "producer", namespace=namespace)
    assert after["metadata"]["generation"] == before["metadata"]["generation"] + 1
    expected = before["spec"]
    expected["template"]["spec"]["containers"][0]["env"][0] = {"name": "KAFKA_ACKS", "value": "all"}
    assert after["spec"] == expected
    managed = kubectl.run("get", "deployment", "producer", "-n", namespace, "-o", "json", "--show-managed-fields")
    assert '"manager": "floodwarden"' in managed


async def test_several_containers_at_once(rest: Rest, kubectl: Kubectl, namespace: str) -> None:
    """One patch, one rollout."""
    found = labelled("Deployment", "producer")
    second = {"name": "second", "image": "none", "env": [{"name": "ACKS", "value": "0"}, {"name": "X", "value": "z"}]}
    found["spec"]["template"]["spec"]["containers"].append(second)
    kubectl.apply(found, namespace=namespace)
    client = WorkloadClient(rest)
    await correct(client, namespace, FIX, Fix("acks", "second", "ACKS", "0", "all"))
    first, other, _ = (await named(client, namespace)).containers
    assert first.variables[0] == Variable("KAFKA_ACKS", "all")
    assert other.variables == (Variable("ACKS", "all"), Variable("X", "z"))


async def test_rollouts(rest: Rest, kubectl: Kubectl, namespace: str) -> None:
    """Complete with every pod of the newest template available, also with none; and whether it is paused."""
    client = WorkloadClient(rest)
    kubectl.apply([labelled("Deployment", "none"), labelled("Deployment", "waits", 2)], namespace=namespace)
    await eventually(lambda: named(client, namespace, "none"), lambda one: one.rollout.complete)
    assert not (await named(client, namespace, "waits")).rollout.complete
    kubectl.run("rollout", "pause", "deployment/none", "-n", namespace)
    paused = await eventually(lambda: named(client, namespace, "none"), lambda one: one.rollout.paused)
    assert paused.rollout.paused


async def test_a_rollout_of_real_pods(rest: Rest, kubectl: Kubectl, namespace: str) -> None:
    """It is complete once they are available, and no more as soon as the template is another one."""
    subprocess.run([sys.executable, CHECKOUT / "hack" / "cluster", "load", pause_archive()], check=True, stdout=sys.stderr)
    found = workload("Deployment", "runs", 1, pod_template({"app": "runs"}, PAUSE_IMAGE, scheduler="default-scheduler"))
    found["metadata"]["labels"] = {LABEL: "safe"}
    kubectl.apply(found, namespace=namespace)
    client = WorkloadClient(rest)
    first = await eventually(lambda: named(client, namespace, "runs"), lambda one: one.rollout.complete, within=60)
    # Pods of this template go nowhere, so it stays so.
    kubectl.run("set", "image", "deployment/runs", "main=none", "-n", namespace)
    changed = await named(client, namespace, "runs")
    assert changed.version != first.version
    assert not changed.rollout.complete

    async def taken_in() -> bool:
        deployment = kubectl.get("deployment", "runs", namespace=namespace)
        return bool(deployment["status"].get("observedGeneration") == deployment["metadata"]["generation"])

    await eventually(taken_in, bool)
    assert not (await named(client, namespace, "runs")).rollout.complete


async def test_what_was_changed_meanwhile_is_not_written(rest: Rest, kubectl: Kubectl, namespace: str) -> None:
    """Nor what was deleted and made anew."""
    client = WorkloadClient(rest)
    kubectl.apply(labelled("Deployment", "producer"), namespace=namespace)
    read = await eventually(lambda: named(client, namespace), lambda one: one.rollout.complete)

    async def refused() -> bool:
        problem = await client.correct(Correction(read, (FIX,)))
        assert isinstance(problem, WorkloadProblem)
        return "changed by somebody else at this moment" in problem.message

    kubectl.run("set", "env", "deployment/producer", "KAFKA_ACKS=0", "-n", namespace)
    assert await refused()
    assert (await named(client, namespace)).containers[0].variables[0] == Variable("KAFKA_ACKS", "0")
    kubectl.delete("deployment", "producer", namespace=namespace)
    kubectl.apply(labelled("Deployment", "producer"), namespace=namespace)
    assert await refused()
    assert (await named(client, namespace)).containers[0].variables[0] == Variable("KAFKA_ACKS", "1")


async def test_missing_rights_are_named(rest: Rest, limited: Limited, kubectl: Kubectl, namespace: str) -> None:
    """A kind that may not be listed does not hide the others; to write, the chart's value is named."""
    kubectl.apply(labelled("Deployment", "producer"), namespace=namespace)
    client = WorkloadClient(await limited(rule("apps", "deployments", "list")))
    read = await client.read(namespace)
    assert [one.name for one in read.workloads] == ["producer"]
    assert [(one.kind, one.reason) for one in read.problems] == [
        ("StatefulSet", Reason.AUDIT_PARTIAL),
        ("DaemonSet", Reason.AUDIT_PARTIAL),
    ]
    assert "grant list on statefulsets" in read.problems[0].message
    problem = await client.correct(Correction(read.workloads[0], (FIX,)))
    assert problem == WorkloadProblem(
        "Deployment",
        Reason.REPAIR_FAILED,
        "Floodwarden may not correct it: set the chart's value rbac.patchWorkloads, or change it there",
    )


async def test_an_api_server_that_is_away(connected: Connect, gated_config: Path, gate: Gate, namespace: str) -> None:
    """That is no namespace without workloads."""
    client = WorkloadClient(await connected(gated_config, within=2.0))
    assert await client.read(namespace) == Labelled(())
    gate.shut()
    read = await client.read(namespace)
    assert read.workloads == ()
    assert [one.reason for one in read.problems] == [Reason.API_SERVER_UNREACHABLE] * 3
    problem = await client.correct(Correction(Workload("Deployment", namespace, "producer", "safe"), (FIX,)))
    assert isinstance(problem, WorkloadProblem)
    assert "tried again with the next audit" in problem.message
