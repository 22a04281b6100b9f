"""Which other controller scales a target: HorizontalPodAutoscalers and KEDA's ScaledObjects.

``OwnerIndex(rest, namespaces)`` answers ``owner_of(ref)`` from memory after ``await refresh()`` (one list per kind for
everything watched), as long as it is ``known``; ``await check(ref)`` asks afresh for one namespace, right before a write.
That two policies name one target is not for the API server to tell, but for the store of specs. RBAC needed: list on
horizontalpodautoscalers.autoscaling and scaledobjects.keda.sh.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

from floodwarden.cluster.rest import ApiError, Failure, Rest, path
from floodwarden.core.target import Owner, TargetProblem, TargetProblemReason, TargetRef

HPA = "HorizontalPodAutoscaler"
SCALED_OBJECT = "ScaledObject"


class _Key(NamedTuple):
    """What identifies a target whatever version it is named in."""

    namespace: str
    group: str
    kind: str
    name: str


class OwnerIndex:
    """Owners of targets in the watched namespaces (None: all of them), as of the last refresh."""

    def __init__(self, rest: Rest, namespaces: Collection[str] | None = None) -> None:
        self._rest = rest
        self._namespaces = namespaces
        self._owners: dict[_Key, Owner] = {}
        self._problem: TargetProblem | None = TargetProblem(
            TargetProblemReason.UNREACHABLE, "HorizontalPodAutoscalers and ScaledObjects have not been listed yet"
        )

    @property
    def known(self) -> bool:
        """Whether "no owner" can be believed: the last refresh listed everything."""
        return self._problem is None

    @property
    def problem(self) -> TargetProblem | None:
        """Why it is not known."""
        return self._problem

    async def refresh(self) -> None:
        """List everything watched; on a failure keep what was known before and say so in ``problem``."""
        scopes: Iterable[str | None] = [None] if self._namespaces is None else self._namespaces
        try:
            listed = await asyncio.gather(*(self._list(scope) for scope in scopes))
        except ApiError as error:
            self._problem = _problem(error)
            return
        self._owners = {key: owner for owners in listed for key, owner in owners.items()}
        self._problem = None

    def owner_of(self, ref: TargetRef) -> Owner | None:
        """Who scales the target; None means nobody only while ``known``."""
        return self._owners.get(_key(ref.namespace, ref.api_version, ref.kind, ref.name))

    async def check(self, ref: TargetRef) -> Owner | TargetProblem | None:
        """Who scales the target now, None for nobody; a TargetProblem (FORBIDDEN, UNREACHABLE) when it cannot be told."""
        try:
            owners = await self._list(ref.namespace)
        except ApiError as error:
            return _problem(error)
        return owners.get(_key(ref.namespace, ref.api_version, ref.kind, ref.name))

    async def _list(self, namespace: str | None) -> dict[_Key, Owner]:
        scope = ["namespaces", namespace] if namespace else []
        autoscalers, scaled_objects = await asyncio.gather(
            self._rest.get(path("autoscaling/v2", *scope, "horizontalpodautoscalers")), self._scaled_objects(scope)
        )
        # A ScaledObject has its say last: it is what a person has to change, also where it works through an HPA.
        return dict(_pairs(autoscalers, HPA)) | dict(_pairs(scaled_objects, SCALED_OBJECT))

    async def _scaled_objects(self, scope: list[str]) -> dict[str, Any]:
        try:
            return await self._rest.get(path("keda.sh/v1alpha1", *scope, "scaledobjects"))
        except ApiError as error:
            if error.failure is Failure.MISSING:  # KEDA is not installed
                return {}
            raise


def _pairs(listed: dict[str, Any], kind: str) -> Iterable[tuple[_Key, Owner]]:
    for item in listed.get("items", []):
        metadata, target = item["metadata"], item["spec"]["scaleTargetRef"]
        if kind == SCALED_OBJECT:  # KEDA's defaults; an HPA has none
            target = {"apiVersion": "apps/v1", "kind": "Deployment"} | {name: value for name, value in target.items() if value}
        yield _key(metadata["namespace"], target.get("apiVersion", ""), target["kind"], target["name"]), _owner(metadata, kind)


def _owner(metadata: dict[str, Any], kind: str) -> Owner:
    for reference in metadata.get("ownerReferences", []):
        if reference["kind"] == SCALED_OBJECT and reference["apiVersion"].startswith("keda.sh/"):
            return Owner(SCALED_OBJECT, reference["name"])
    return Owner(kind, metadata["name"])


def _key(namespace: str, api_version: str, kind: str, name: str) -> _Key:
    group, slash, _ = api_version.rpartition("/")
    return _Key(namespace, group if slash else "", kind, name)


def _problem(error: ApiError) -> TargetProblem:
    if error.failure is Failure.FORBIDDEN:
        advice = "grant it to Floodwarden's service account (see the Helm chart)"
        return TargetProblem(TargetProblemReason.FORBIDDEN, f"cannot tell who else scales the target: {error}; {advice}")
    return TargetProblem(TargetProblemReason.UNREACHABLE, f"cannot tell who else scales the target: {error}")
