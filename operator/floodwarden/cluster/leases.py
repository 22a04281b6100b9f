"""Leases of ``coordination.k8s.io``: read all of a release at once, and written only by whoever saw their newest state.

``LeaseClient.list() -> [Lease] | LeaseProblem`` and ``.write(wanted, before) -> Lease | LeaseProblem``. What a Lease means,
and how long it holds, is decided by ``sweep.shares``. RBAC needed: get, list, create, update and delete on leases, in the
operator's own namespace.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from floodwarden.cluster.rest import ApiError, Failure, Rest, parse, path

API = "coordination.k8s.io/v1"
RELEASE = "floodwarden.dev/release"  # label: which replicas share their work
ABOUT = "floodwarden.dev/about"  # annotation: what the Lease is about
_NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


@dataclass(frozen=True, slots=True)
class Lease:
    """``about`` says what is held (see ``sweep.shares``), ``holder`` by whom, empty for nobody.

    ``version`` changes with every write. ``seconds`` is for how long it holds after a write; None: as long as its holder lives.
    """

    name: str
    about: str
    holder: str
    seconds: int | None = None
    version: str = ""
    transitions: int = 0


class LeaseProblemReason(StrEnum):
    CONFLICT = "Conflict"  # somebody else wrote first
    FORBIDDEN = "Forbidden"
    UNREACHABLE = "APIServerUnreachable"


@dataclass(frozen=True, slots=True)
class LeaseProblem:
    reason: LeaseProblemReason
    message: str  # says what to do next


def own_namespace() -> str:
    """Where the Leases live unless told otherwise: the pod's namespace, else ``default``."""
    named = os.environ.get("POD_NAMESPACE")
    if named:
        return named
    return _NAMESPACE_FILE.read_text().strip() if _NAMESPACE_FILE.is_file() else "default"


class LeaseClient:
    """The Leases of one release in one namespace."""

    def __init__(self, rest: Rest, namespace: str, release: str) -> None:
        self._rest = rest
        self._namespace = namespace
        self._release = release

    async def list(self) -> list[Lease] | LeaseProblem:
        """All Leases of the release, as they are now."""
        try:
            found = await self._rest.get(self._path(), labelSelector=f"{RELEASE}={self._release}")
        except ApiError as error:
            return self._problem(error)
        return [_lease(item) for item in found["items"] or []]

    async def read(self, name: str) -> Lease | LeaseProblem | None:
        """One Lease as it is now; None where there is none."""
        try:
            return _lease(await self._rest.get(self._path(name)))
        except ApiError as error:
            return None if error.failure is Failure.MISSING else self._problem(error)

    async def write(self, wanted: Lease, before: Lease | None) -> Lease | LeaseProblem:
        """Make ``wanted`` of ``before``, if that is still the newest or was deleted; with None if there is no such Lease yet."""
        body = self._body(wanted, before)
        try:
            if before is None:
                answer = await self._rest.send("POST", self._path(), body=body)
            else:
                answer = await self._rest.send("PUT", self._path(wanted.name), body=body)
            return _lease(parse(answer))
        except ApiError as error:
            return self._problem(error)

    async def delete(self, lease: Lease) -> LeaseProblem | None:
        """Delete it if it is as it was seen; None also where it is gone already."""
        conditions = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"resourceVersion": lease.version}}
        try:
            await self._rest.send("DELETE", self._path(lease.name), body=conditions)
        except ApiError as error:
            return None if error.failure is Failure.MISSING else self._problem(error)
        return None

    def _path(self, *name: str) -> str:
        return path(API, "namespaces", self._namespace, "leases", *name)

    def _body(self, wanted: Lease, before: Lease | None) -> dict[str, Any]:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        moved = before is None or before.holder != wanted.holder
        spec: dict[str, Any] = {"holderIdentity": wanted.holder, "renewTime": now}
        spec["leaseTransitions"] = (before.transitions if before else 0) + int(moved and before is not None)
        if wanted.seconds is not None:
            spec["leaseDurationSeconds"] = wanted.seconds
        return {
            "apiVersion": API,
            "kind": "Lease",
            "metadata": {
                "name": wanted.name,
                "namespace": self._namespace,
                "labels": {RELEASE: self._release, "app.kubernetes.io/managed-by": "floodwarden"},
                "annotations": {ABOUT: wanted.about},
                **({"resourceVersion": before.version} if before else {}),
            },
            "spec": spec,
        }

    def _problem(self, error: ApiError) -> LeaseProblem:
        where = f"Leases in namespace {self._namespace}"
        match error.failure:
            case Failure.CONFLICT | Failure.MISSING:  # written or made by somebody else, or the namespace is gone
                return LeaseProblem(LeaseProblemReason.CONFLICT, f"{where}: {error}")
            case Failure.FORBIDDEN | Failure.REFUSED:
                advice = "grant them to Floodwarden's service account (see the Helm chart)"
                return LeaseProblem(LeaseProblemReason.FORBIDDEN, f"{where}: {error}; {advice}")
            case Failure.UNREACHABLE:
                return LeaseProblem(LeaseProblemReason.UNREACHABLE, f"{where}: {error}")


def _lease(item: dict[str, Any]) -> Lease:
    metadata, spec = item["metadata"], item.get("spec", {})
    return Lease(
        name=metadata["name"],
        about=metadata.get("annotations", {}).get(ABOUT, ""),
        holder=spec.get("holderIdentity") or "",
        seconds=spec.get("leaseDurationSeconds"),
        version=metadata["resourceVersion"],
        transitions=spec.get("leaseTransitions", 0),
    )
