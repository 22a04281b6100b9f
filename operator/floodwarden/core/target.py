"""What is scaled: a reference to anything with a scale subresource, what was read of it, and why it could not be.

``cluster.scale`` fills these; ``core.decide`` and ``core.steps`` decide on them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class TargetRef:
    """An object with a scale subresource, always in the policy's own namespace."""

    namespace: str
    api_version: str
    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


@dataclass(frozen=True, slots=True)
class Target:
    """A target as last read.

    ``replicas`` is what its spec asks for, ``ready`` the pods that are Ready (None where nobody asked),
    ``resource_version`` that of the scale subresource: a write that names it fails if anything changed since.
    """

    uid: str
    replicas: int
    selector: str
    resource_version: str
    ready: int | None = None


class TargetProblemReason(StrEnum):
    """Why a target cannot be read or written; also the reason of the condition that says so."""

    MISSING = "TargetMissing"
    NOT_SCALABLE = "TargetNotScalable"  # the kind exists but has no scale subresource
    KIND_UNKNOWN = "TargetKindUnknown"  # the API server does not know this apiVersion and kind
    FORBIDDEN = "TargetForbidden"  # RBAC lets Floodwarden not read or scale it
    REFUSED = "TargetRefused"  # validation or an admission webhook refuses the new number
    UNREACHABLE = "APIServerUnreachable"
    CHANGED = "TargetChanged"  # somebody else wrote between our read and our write; read again


@dataclass(frozen=True, slots=True)
class TargetProblem:
    reason: TargetProblemReason
    message: str  # says what to do next


@dataclass(frozen=True, slots=True)
class Owner:
    """Another controller that scales the same target."""

    kind: str  # HorizontalPodAutoscaler, ScaledObject or BacklogPolicy
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"
