"""Workloads that carry the label of a DeliveryPolicy, and the environment of Deployments corrected.

``WorkloadClient.read(namespace) -> Labelled`` and ``.correct(correction) -> WorkloadProblem | None``. What their pod templates
tell is judged by ``core.delivery.workloads``. RBAC needed: list on deployments, statefulsets and daemonsets; patch on deployments
where they are to be corrected.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from floodwarden.cluster.rest import FIELD_MANAGER, STRATEGIC_MERGE_PATCH, ApiError, Failure, Rest, lacks_right, parse, path
from floodwarden.core.delivery.rollouts import Correction
from floodwarden.core.delivery.workloads import (
    DEPLOYMENT,
    LABEL,
    Container,
    Import,
    Mount,
    Rollout,
    Variable,
    Workload,
)
from floodwarden.core.reasons import Reason

APPS: Final = "apps/v1"
PLURALS: Final = {DEPLOYMENT: "deployments", "StatefulSet": "statefulsets", "DaemonSet": "daemonsets"}


@dataclass(frozen=True, slots=True)
class WorkloadProblem:
    """Why workloads of a kind could not be listed, or one not be corrected; says what to do next."""

    kind: str
    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class Labelled:
    """The labelled workloads of a namespace, and which kinds could not be listed."""

    workloads: tuple[Workload, ...]
    problems: tuple[WorkloadProblem, ...] = ()


class WorkloadClient:
    """The workloads of one cluster."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    async def read(self, namespace: str) -> Labelled:
        """All in a namespace that carry the label, whichever policy it names: one list for each kind."""
        answers = await asyncio.gather(*(self._list(kind, namespace) for kind in PLURALS))
        workloads = (one for answer in answers if not isinstance(answer, WorkloadProblem) for one in answer)
        return Labelled(tuple(workloads), tuple(answer for answer in answers if isinstance(answer, WorkloadProblem)))

    async def correct(self, correction: Correction) -> WorkloadProblem | None:
        """Write the variables, if nobody changed the Deployment since it was read; nothing else of it is touched."""
        workload = correction.workload
        env: dict[str, list[dict[str, str]]] = defaultdict(list)
        for fix in correction.fixes:
            env[fix.container].append({"name": fix.variable, "value": fix.value})
        containers = [{"name": name, "env": variables} for name, variables in env.items()]
        body = {
            "metadata": {"resourceVersion": workload.version},
            "spec": {"template": {"spec": {"containers": containers}}},
        }
        try:
            where = path(APPS, "namespaces", workload.namespace, PLURALS[workload.kind], workload.name)
            query = {"fieldManager": FIELD_MANAGER}
            parse(await self._rest.send("PATCH", where, query=query, body=body, content_type=STRATEGIC_MERGE_PATCH))
        except ApiError as error:
            return _not_corrected(workload, error)
        return None

    async def _list(self, kind: str, namespace: str) -> list[Workload] | WorkloadProblem:
        try:
            listed = await self._rest.get(path(APPS, "namespaces", namespace, PLURALS[kind]), labelSelector=LABEL)
        except ApiError as error:
            if error.failure is Failure.FORBIDDEN:
                advice = f"grant list on {PLURALS[kind]} to Floodwarden's service account (see the Helm chart)"
                return WorkloadProblem(kind, Reason.AUDIT_PARTIAL, f"{kind}s in namespace {namespace}: {error}; {advice}")
            return WorkloadProblem(kind, Reason.API_SERVER_UNREACHABLE, f"{kind}s in namespace {namespace}: {error}")
        return [_workload(kind, item) for item in listed["items"] or [] if "deletionTimestamp" not in item["metadata"]]


def _not_corrected(workload: Workload, error: ApiError) -> WorkloadProblem:
    match error.failure:
        case Failure.FORBIDDEN if lacks_right(error):
            text = "Floodwarden may not correct it: set the chart's value rbac.patchWorkloads, or change it there"
            return WorkloadProblem(workload.kind, Reason.REPAIR_FAILED, text)
        case Failure.CONFLICT | Failure.MISSING:
            text = "it was changed by somebody else at this moment: it is tried again with the next audit"
            return WorkloadProblem(workload.kind, Reason.AUDIT_PARTIAL, text)
        case Failure.UNREACHABLE:
            text = f"it could not be corrected: {error}; it is tried again with the next audit"
            return WorkloadProblem(workload.kind, Reason.API_SERVER_UNREACHABLE, text)
        case _:
            return WorkloadProblem(workload.kind, Reason.REPAIR_FAILED, f"it could not be corrected: {error}")


def _workload(kind: str, item: Mapping[str, Any]) -> Workload:
    metadata, pod = item["metadata"], item["spec"]["template"]["spec"]
    volumes = {volume["name"]: volume for volume in pod.get("volumes") or ()}
    # Containers that start first and stay are such as others; those that end before are not looked at.
    sidecars = [one for one in pod.get("initContainers") or () if one.get("restartPolicy") == "Always"]
    containers = [_container(one, volumes, correctable=True) for one in pod["containers"]]
    containers += [_container(one, volumes, correctable=False) for one in sidecars]
    return Workload(
        kind=kind,
        namespace=metadata["namespace"],
        name=metadata["name"],
        policy=metadata["labels"][LABEL],
        uid=metadata["uid"],
        version=metadata["resourceVersion"],
        containers=tuple(containers),
        rollout=_rollout(item) if kind == DEPLOYMENT else Rollout(complete=True),
    )


def _rollout(deployment: Mapping[str, Any]) -> Rollout:
    spec, status = deployment["spec"], deployment.get("status") or {}
    wanted = spec.get("replicas", 1)
    counts = {status.get(name) or 0 for name in ("replicas", "updatedReplicas", "availableReplicas")}
    seen = (status.get("observedGeneration") or 0) >= deployment["metadata"]["generation"]
    return Rollout(complete=seen and counts == {wanted}, paused=bool(spec.get("paused")))


def _container(container: Mapping[str, Any], volumes: Mapping[str, Any], *, correctable: bool) -> Container:
    return Container(
        name=container["name"],
        variables=tuple(_variable(entry) for entry in container.get("env") or ()),
        imports=tuple(
            Import(entry["configMapRef"]["name"], entry.get("prefix") or "")
            for entry in container.get("envFrom") or ()
            if entry.get("configMapRef")
        ),
        mounts=tuple(
            mount for entry in container.get("volumeMounts") or () for mount in _mounts(entry, volumes.get(entry["name"]) or {})
        ),
        correctable=correctable,
    )


def _variable(entry: Mapping[str, Any]) -> Variable:
    name, source = entry["name"], entry.get("valueFrom") or {}
    if "configMapKeyRef" in source:
        return Variable(name, config_map=source["configMapKeyRef"]["name"], key=source["configMapKeyRef"]["key"])
    if "secretKeyRef" in source:
        return Variable(name, hides="a Secret")
    if source:
        return Variable(name, hides="the pod's own fields")
    value = entry.get("value") or ""
    if "$(" in value:
        return Variable(name, hides="other variables")
    return Variable(name, value)


def _mounts(entry: Mapping[str, Any], volume: Mapping[str, Any]) -> Iterator[Mount]:
    sources = [volume, *((volume.get("projected") or {}).get("sources") or ())]
    for source in sources:
        held = source.get("configMap")
        if not held:
            continue
        files = {item["path"]: item["key"] for item in held.get("items") or ()}
        keys = frozenset(files.values()) if files else None
        chosen = entry.get("subPath")  # one file, or a folder of them
        if chosen:
            within = {key for file, key in files.items() if file == chosen or file.startswith(f"{chosen}/")}
            keys = frozenset(within) if files else frozenset({chosen})
        yield Mount(held["name"], entry["mountPath"], keys)
