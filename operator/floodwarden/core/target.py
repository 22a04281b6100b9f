"""What is scaled: a reference to anything with a scale subresource, what was read of it, and why it could not be.

``cluster.scale`` fills these; ``core.decide`` and ``core.steps`` decide on them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class TargetRef:
    """An object with a scale subresource, always in the policy's own namespace."""

    namespace: str
    api_version: str
    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


class PodTrouble(StrEnum):
    """Why a pod does not work, where the API server says it."""

    CRASHING = "Crashing"  # its containers end again and again
    UNSCHEDULABLE = "Unschedulable"  # no node takes it


class Pod(NamedTuple):
    """One pod of a target. ``ip`` is where its members of a group come from; empty before it has one."""

    name: str
    ip: str
    ready: bool
    trouble: PodTrouble | None = None
    detail: str = ""  # in the API server's words: the last exit code, or what no node had


@dataclass(frozen=True, slots=True)
class Target:
    """A target as last read.

    ``replicas`` is what its spec asks for, ``ready`` the pods that are Ready (None where nobody asked),
    ``resource_version`` that of the scale subresource: a write that names it fails if anything changed since.
    ``pods`` are those that are not being deleted, None where nobody asked.
    """

    uid: str
    replicas: int
    selector: str
    resource_version: str
    ready: int | None = None
    pods: tuple[Pod, ...] | None = None

    def in_trouble(self, trouble: PodTrouble) -> tuple[Pod, ...]:
        """The pods that do not work for this reason; none where nobody asked."""
        return tuple(pod for pod in self.pods or () if pod.trouble is trouble)


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
