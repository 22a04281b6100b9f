"""Reads ConfigMaps, and writes the one that is a policy's own.

``ConfigMapClient.read(namespace, name) -> Published | ConfigMapProblem | None``, ``.create(…)`` and ``.replace(…)``; when to
write is decided by ``core.delivery.publishing``. RBAC needed: get, create and patch on configmaps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from floodwarden.cluster.rest import FIELD_MANAGER, MERGE_PATCH, ApiError, Failure, Rest, lacks_right, parse, path
from floodwarden.core.delivery.publishing import Published, digest_of
from floodwarden.core.reasons import Reason

DIGEST: Final = "floodwarden.dev/client-settings-digest"  # annotation: of the data as Floodwarden wrote them
LABELS: Final = {"app.kubernetes.io/managed-by": "floodwarden", "floodwarden.dev/client-settings": "kafka"}


@dataclass(frozen=True, slots=True)
class Owner:
    """What a ConfigMap belongs to, and goes with."""

    api_version: str
    kind: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class ConfigMapProblem:
    """Why one could not be read or written; says what to do next. ``denied``: a right to write is missing."""

    reason: Reason
    message: str
    denied: bool = False


class ConfigMapClient:
    """The ConfigMaps of one cluster."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    async def read(self, namespace: str, name: str) -> Published | ConfigMapProblem | None:
        """The ConfigMap as it is now; None where there is none."""
        try:
            return _published(await self._rest.get(path("v1", "namespaces", namespace, "configmaps", name)))
        except ApiError as error:
            return None if error.failure is Failure.MISSING else _problem(namespace, name, "get", error)

    async def create(self, namespace: str, name: str, owner: Owner, data: Mapping[str, str]) -> Published | ConfigMapProblem:
        """Make one that goes with its owner."""
        reference = {"apiVersion": owner.api_version, "kind": owner.kind, "name": owner.name, "uid": owner.uid}
        metadata = {
            "name": name,
            "labels": LABELS,
            "annotations": {DIGEST: digest_of(data)},
            "ownerReferences": [reference],
        }
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": dict(data)}
        try:
            where = path("v1", "namespaces", namespace, "configmaps")
            return _published(parse(await self._rest.send("POST", where, query={"fieldManager": FIELD_MANAGER}, body=body)))
        except ApiError as error:
            return _problem(namespace, name, "create", error)

    async def replace(self, found: Published, data: Mapping[str, str]) -> Published | ConfigMapProblem:
        """Put these data there and no others, if nobody changed it since it was read; labels and the like stay."""
        merged = {**dict.fromkeys(found.data), **data}
        metadata = {"resourceVersion": found.version, "annotations": {DIGEST: digest_of(data)}}
        try:
            where = path("v1", "namespaces", found.namespace, "configmaps", found.name)
            query, body = {"fieldManager": FIELD_MANAGER}, {"metadata": metadata, "data": merged}
            answer = await self._rest.send("PATCH", where, query=query, body=body, content_type=MERGE_PATCH)
            return _published(parse(answer))
        except ApiError as error:
            return _problem(found.namespace, found.name, "patch", error)


def _published(found: Mapping[str, Any]) -> Published:
    metadata = found["metadata"]
    return Published(
        namespace=metadata["namespace"],
        name=metadata["name"],
        version=metadata["resourceVersion"],
        data=found.get("data") or {},
        owners=frozenset(reference["uid"] for reference in metadata.get("ownerReferences") or ()),
        digest=(metadata.get("annotations") or {}).get(DIGEST, ""),
    )


def _problem(namespace: str, name: str, verb: str, error: ApiError) -> ConfigMapProblem:
    where = f"ConfigMap {namespace}/{name}"
    match error.failure:
        case Failure.FORBIDDEN if lacks_right(error):
            if verb == "get":
                advice = "grant get on configmaps to Floodwarden's service account (see the Helm chart)"
                return ConfigMapProblem(Reason.AUDIT_PARTIAL, f"{where}: {error}; {advice}")
            text = f"Floodwarden may not write {where}: set the chart's value rbac.publishClientSettings to have it published"
            return ConfigMapProblem(Reason.AUDIT_PARTIAL, text, denied=True)
        case Failure.UNREACHABLE:
            return ConfigMapProblem(Reason.API_SERVER_UNREACHABLE, f"{where}: {error}")
        case Failure.CONFLICT | Failure.MISSING:
            text = f"{where} was changed by somebody else at this moment: it is tried again with the next audit"
            return ConfigMapProblem(Reason.AUDIT_PARTIAL, text)
        case _:
            return ConfigMapProblem(Reason.AUDIT_PARTIAL, f"{where} was refused: {error}")
