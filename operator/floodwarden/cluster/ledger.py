"""Keeps text across restarts in a ConfigMap of the operator's own namespace, one for each subject of a release.

``LedgerClient.read(about) -> Page | LedgerProblem`` and ``.write(page, text) -> Page | LedgerProblem``. What stands in it is
``core.delivery.ledger``'s. RBAC needed: get, create and update on configmaps, in the operator's own namespace.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Final

from floodwarden.cluster.leases import ABOUT, RELEASE
from floodwarden.cluster.rest import ApiError, Failure, Rest, parse, path

KEY: Final = "entries"


@dataclass(frozen=True, slots=True)
class Page:
    """What stands there about one subject. ``version`` changes with every write; empty where nothing was ever written.

    ``name`` is the ConfigMap's, with its namespace, for people.
    """

    about: str
    text: str = ""
    version: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class LedgerProblem:
    """Why it could not be read or written; says what to do next."""

    message: str


class LedgerClient:
    """The ledgers of one release in one namespace."""

    def __init__(self, rest: Rest, namespace: str, release: str) -> None:
        self._rest = rest
        self._namespace = namespace
        self._release = release

    async def read(self, about: str) -> Page | LedgerProblem:
        """What stands there now."""
        try:
            return _page(about, await self._rest.get(self._path(self._name(about))))
        except ApiError as error:
            return Page(about) if error.failure is Failure.MISSING else self._problem(error)

    async def write(self, page: Page, text: str) -> Page | LedgerProblem:
        """Put ``text`` there, if the page is still the newest."""
        body: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": self._name(page.about),
                "namespace": self._namespace,
                "labels": {RELEASE: self._release, "app.kubernetes.io/managed-by": "floodwarden"},
                "annotations": {ABOUT: page.about},
                **({"resourceVersion": page.version} if page.version else {}),
            },
            "data": {KEY: text},
        }
        try:
            if page.version:
                answer = await self._rest.send("PUT", self._path(self._name(page.about)), body=body)
            else:
                answer = await self._rest.send("POST", self._path(), body=body)
            return _page(page.about, parse(answer))
        except ApiError as error:
            return self._problem(error)

    def _name(self, about: str) -> str:
        digest = hashlib.sha256(f"{self._release} {about}".encode()).hexdigest()[:16]
        return f"floodwarden-ledger-{digest}"

    def _path(self, *name: str) -> str:
        return path("v1", "namespaces", self._namespace, "configmaps", *name)

    def _problem(self, error: ApiError) -> LedgerProblem:
        advice = ""
        if error.failure is Failure.FORBIDDEN:
            advice = "; grant get, create and update on configmaps to Floodwarden's service account there (see the Helm chart)"
        return LedgerProblem(
            f"what is changed for a while cannot be written down in namespace {self._namespace}: {error}{advice}"
        )


def _page(about: str, found: dict[str, Any]) -> Page:
    metadata = found["metadata"]
    name = f"{metadata['namespace']}/{metadata['name']}"
    return Page(about, (found.get("data") or {}).get(KEY, ""), metadata["resourceVersion"], name)
