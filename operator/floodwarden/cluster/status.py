"""Writes the status of custom resources, whole, and only of the object that was meant.

``StatusWriter.write(resource, namespace, name, uid, status) -> StatusResult``. When to write is decided by ``sweep``.
``written_by_others(object)`` tells whether a status is ours alone.
RBAC needed: patch on the resource's ``/status``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from floodwarden.cluster.rest import FIELD_MANAGER, JSON_PATCH, ApiError, Failure, Rest, parse, path

METADATA_ONLY = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"


@dataclass(frozen=True, slots=True)
class Resource:
    """A custom resource as its path names it, such as ``floodwarden.dev/v1alpha1`` and ``backlogpolicies``."""

    api_version: str
    plural: str


class StatusOutcome(Enum):
    WRITTEN = auto()
    GONE = auto()  # deleted meanwhile, or deleted and created anew: nothing to report
    CONFLICT = auto()  # others wrote too fast, five times in a row; try again
    FORBIDDEN = auto()
    REFUSED = auto()  # the status does not fit its schema: a bug of ours
    UNREACHABLE = auto()


@dataclass(frozen=True, slots=True)
class StatusResult:
    outcome: StatusOutcome
    message: str = ""  # the API server's words; empty when written
    version: int = 0  # of the object, once written


_OUTCOMES = {
    Failure.MISSING: StatusOutcome.GONE,
    Failure.FORBIDDEN: StatusOutcome.FORBIDDEN,
    Failure.CONFLICT: StatusOutcome.CONFLICT,
    Failure.REFUSED: StatusOutcome.REFUSED,
    Failure.UNREACHABLE: StatusOutcome.UNREACHABLE,
}


class StatusWriter:
    """The status subresources of one cluster's custom resources."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    async def write(self, resource: Resource, namespace: str, name: str, uid: str, status: dict[str, Any]) -> StatusResult:
        """Replace the status of the object with this uid by ``status`` (JSON values), touching nothing else.

        A JSON patch, because a merge patch would leave fields behind that the new status no longer has.
        """
        patch = [{"op": "test", "path": "/metadata/uid", "value": uid}, {"op": "add", "path": "/status", "value": status}]
        try:
            where = path(resource.api_version, "namespaces", namespace, resource.plural, name, "status")
            query = {"fieldManager": FIELD_MANAGER}
            answer = parse(
                await self._rest.send("PATCH", where, query=query, body=patch, content_type=JSON_PATCH, accept=METADATA_ONLY)
            )
        except ApiError as error:
            if _failed_test(error):
                return StatusResult(StatusOutcome.GONE, f"{name} is another object now")
            return StatusResult(_OUTCOMES[error.failure], str(error))
        return StatusResult(StatusOutcome.WRITTEN, version=version_of(answer["metadata"].get("resourceVersion", "")))


def version_of(resource_version: str) -> int:
    """A resource version as a number: the higher, the later. 0 where the API server does not count."""
    return int(resource_version) if resource_version.isdecimal() else 0


def written_by_others(found: Mapping[str, Any]) -> bool:
    """Whether a part of an object's status was put there by somebody else, as the API server keeps account of it."""
    return any(
        entry.get("subresource") == "status" and entry.get("manager") != FIELD_MANAGER
        for entry in found["metadata"].get("managedFields") or ()
    )


def _failed_test(error: ApiError) -> bool:
    """Whether the patch's test refused it; a schema that refuses names the object and the causes."""
    return error.failure is Failure.REFUSED and error.status == 422 and not error.details
