"""Reads and writes the scale of anything that has a scale subresource.

``ScaleClient.read(ref, pods=…) -> Target | TargetProblem`` and ``.write(ref, target, replicas) -> Target | TargetProblem``.
Kinds are resolved by ``cluster.discovery``; what the results mean is decided in ``core``. RBAC needed: get and update on
``*/scale``, list on pods.
"""

from __future__ import annotations

from typing import Any

from floodwarden.cluster.discovery import Discovery, Served
from floodwarden.cluster.pods import pod_of
from floodwarden.cluster.rest import FIELD_MANAGER, ApiError, Failure, Rest, parse, path
from floodwarden.core.target import Pod, Target, TargetProblem, TargetProblemReason, TargetRef


class ScaleClient:
    """The scale subresources of one cluster. Safe to use from many tasks at once."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest
        self._discovery = Discovery(rest)

    async def read(self, ref: TargetRef, *, pods: bool = False) -> Target | TargetProblem:
        """The target as it is now: one small GET, and with ``pods`` one list of its pods.

        Pods that are being deleted do not count. ``pods`` and ``ready`` stay None where the scale names no selector
        (a CRD without labelSelectorPath), because without one it is not known whose pods to count. The list comes from
        the API server's cache and may be a moment behind.
        """
        try:
            scale = await self._scale(ref, "GET")
            if isinstance(scale, TargetProblem):
                return scale
            selector = _selector(scale)
            return _target(scale, await self._pods(ref.namespace, selector) if pods and selector else None)
        except ApiError as error:
            return _problem(ref, error)

    async def write(self, ref: TargetRef, target: Target, replicas: int) -> Target | TargetProblem:
        """Ask for ``replicas`` if nothing about the object changed since ``target`` was read, else CHANGED.

        Any change counts, to its status too: read again and decide again. ``ready`` of the answer is None.
        """
        body = {
            "apiVersion": "autoscaling/v1",
            "kind": "Scale",
            "metadata": {
                "name": ref.name,
                "namespace": ref.namespace,
                "uid": target.uid,
                "resourceVersion": target.resource_version,
            },
            "spec": {"replicas": replicas},
        }
        try:
            scale = await self._scale(ref, "PUT", body, query={"fieldManager": FIELD_MANAGER})
        except ApiError as error:
            return _problem(ref, error)
        return scale if isinstance(scale, TargetProblem) else _target(scale, None)

    async def _scale(
        self, ref: TargetRef, method: str, body: Any = None, query: dict[str, str] | None = None
    ) -> dict[str, Any] | TargetProblem:
        """The scale object, or a TargetProblem when the kind has none; ApiError for the rest."""
        served = await self._discovery.find(ref.api_version, ref.kind)
        try:
            return await self._request(ref, served, method, body, query)
        except ApiError as error:
            if error.failure is not Failure.MISSING:
                raise
            # The object is gone, or its whole kind, or only the kind's scale subresource: the answer does not tell.
            serves_now = await self._discovery.look_again(ref.api_version, ref.kind)
            if serves_now == served:
                raise
        return await self._request(ref, serves_now, method, body, query)

    async def _request(
        self, ref: TargetRef, served: Served | None, method: str, body: Any, query: dict[str, str] | None
    ) -> dict[str, Any] | TargetProblem:
        if served is None:
            return TargetProblem(
                TargetProblemReason.KIND_UNKNOWN,
                f"the cluster has no namespaced kind {ref.kind} in {ref.api_version}: "
                "correct apiVersion and kind of the target, or install its CRD",
            )
        if not served.scalable:
            return TargetProblem(
                TargetProblemReason.NOT_SCALABLE,
                f"{ref.kind} ({ref.api_version}) has no scale subresource: name a kind that has one, such as Deployment",
            )
        where = path(ref.api_version, "namespaces", ref.namespace, served.plural, ref.name, "scale")
        return parse(await self._rest.send(method, where, query=query, body=body))

    async def _pods(self, namespace: str, selector: str) -> tuple[Pod, ...]:
        where = path("v1", "namespaces", namespace, "pods")
        pods = await self._rest.get(where, labelSelector=selector, resourceVersion="0")
        return tuple(pod_of(pod) for pod in pods.get("items") or [] if "deletionTimestamp" not in pod["metadata"])


def _selector(scale: dict[str, Any]) -> str:
    selector: str = scale.get("status", {}).get("selector", "")
    return selector


def _target(scale: dict[str, Any], pods: tuple[Pod, ...] | None) -> Target:
    return Target(
        uid=scale["metadata"]["uid"],
        replicas=scale["spec"].get("replicas", 0),  # the API server leaves a zero out
        selector=_selector(scale),
        resource_version=scale["metadata"]["resourceVersion"],
        ready=None if pods is None else sum(pod.ready for pod in pods),
        pods=pods,
    )


def _problem(ref: TargetRef, error: ApiError) -> TargetProblem:
    where = f"{ref} in namespace {ref.namespace}"
    match error.failure:
        case Failure.MISSING:
            return TargetProblem(TargetProblemReason.MISSING, f"{where} does not exist: create it, or correct the target's name")
        case Failure.FORBIDDEN:
            return TargetProblem(
                TargetProblemReason.FORBIDDEN, f"{where}: {error}; grant it to Floodwarden's service account (see the Helm chart)"
            )
        case Failure.CONFLICT:
            return TargetProblem(TargetProblemReason.CHANGED, f"{where} was changed since it was read: read it again")
        case Failure.REFUSED:
            return TargetProblem(TargetProblemReason.REFUSED, f"{where}: {error}")
        case Failure.UNREACHABLE if error.status == 500 and "spec replicas field" in str(error):
            # What the API server says of a custom resource that leaves out the field its scale is mapped to.
            return TargetProblem(TargetProblemReason.NOT_SCALABLE, f"{where}: {error}; set its replicas once")
        case Failure.UNREACHABLE:
            return TargetProblem(TargetProblemReason.UNREACHABLE, f"{where}: {error}; nothing is changed until it answers")
