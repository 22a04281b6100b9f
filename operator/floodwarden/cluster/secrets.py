"""Reads Secrets, and keeps their values out of logs.

``SecretReader.read(namespace, name) -> SecretData | SecretProblem``; ``resource_version`` tells whether one changed.
RBAC needed: get on the Secrets that MessageBrokers name.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from floodwarden.cluster.rest import ApiError, Failure, Rest, path


class HiddenValues(Mapping[str, bytes]):
    """A mapping that shows its keys only, however it is printed."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, bytes]) -> None:
        self._values = dict(values)

    def __getitem__(self, key: str) -> bytes:
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"<hidden: {', '.join(sorted(self._values))}>"


@dataclass(frozen=True, slots=True)
class SecretData:
    """A Secret as read: ``data`` by key, decoded; the representation shows no value."""

    resource_version: str
    data: HiddenValues


class SecretProblemReason(StrEnum):
    """Why a Secret cannot be read; also the reason of the condition that says so."""

    MISSING = "SecretMissing"
    FORBIDDEN = "SecretForbidden"
    UNREACHABLE = "APIServerUnreachable"


@dataclass(frozen=True, slots=True)
class SecretProblem:
    reason: SecretProblemReason
    message: str  # says what to do next


class SecretReader:
    """The Secrets of one cluster, read when asked for and never kept."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    async def read(self, namespace: str, name: str) -> SecretData | SecretProblem:
        """The Secret as it is now."""
        try:
            secret = await self._rest.get(path("v1", "namespaces", namespace, "secrets", name))
        except ApiError as error:
            return _problem(namespace, name, error)
        # A Secret without data has no such field; an empty value may come as null.
        data = {key: base64.b64decode(value or "") for key, value in (secret.get("data") or {}).items()}
        return SecretData(secret["metadata"]["resourceVersion"], HiddenValues(data))


def _problem(namespace: str, name: str, error: ApiError) -> SecretProblem:
    where = f"Secret {name} in namespace {namespace}"
    match error.failure:
        case Failure.MISSING:
            return SecretProblem(
                SecretProblemReason.MISSING, f"{where} does not exist: create it, or correct the reference to it"
            )
        case Failure.FORBIDDEN:
            return SecretProblem(
                SecretProblemReason.FORBIDDEN, f"{where}: {error}; grant it to Floodwarden's service account (see the Helm chart)"
            )
        case _:
            return SecretProblem(SecretProblemReason.UNREACHABLE, f"{where}: {error}")
