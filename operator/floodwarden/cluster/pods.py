"""What the API server says of one pod, in the terms of ``core``: whether it is ready, and if not, why.

``scale`` reads the pods of a target; the names and fields are those of the core/v1 API.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from floodwarden.core.target import Pod, PodTrouble
from floodwarden.core.text import plain

BACK_OFF: Final = "CrashLoopBackOff"
CRASHES: Final = 2  # restarts after which a container that ended once more crashes, also between two waits
DETAIL_BYTES: Final = 200


def pod_of(pod: Mapping[str, Any]) -> Pod:
    """A pod of a list, as plain JSON."""
    status = pod.get("status") or {}
    conditions = {one["type"]: one for one in status.get("conditions") or []}
    ready = conditions.get("Ready", {}).get("status") == "True"
    trouble, detail = (None, "") if ready else _trouble(status, conditions)
    return Pod(pod["metadata"]["name"], status.get("podIP") or "", ready, trouble, plain(detail, DETAIL_BYTES))


def _trouble(status: Mapping[str, Any], conditions: Mapping[str, Any]) -> tuple[PodTrouble | None, str]:
    scheduled = conditions.get("PodScheduled", {})
    if scheduled.get("status") == "False" and scheduled.get("reason") == "Unschedulable":
        return PodTrouble.UNSCHEDULABLE, scheduled.get("message") or ""
    for container in _containers(status):
        waits = (container.get("state") or {}).get("waiting") or {}
        last = (container.get("lastState") or {}).get("terminated")
        again = container.get("restartCount", 0) >= CRASHES and bool(last)
        if waits.get("reason") == BACK_OFF or again:
            return PodTrouble.CRASHING, _ended(container["name"], last)
    return None, ""


def _containers(status: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from status.get("initContainerStatuses") or []
    yield from status.get("containerStatuses") or []


def _ended(container: str, last: Mapping[str, Any] | None) -> str:
    """How a container ended last: ``container main: Error, exit code 1``."""
    if not last:
        return f"container {container}"
    return f"container {container}: {last.get('reason') or 'ended'}, exit code {last.get('exitCode', '?')}"
