"""What is made of a pod as the API server delivers it: ready, or the trouble that it tells."""

from __future__ import annotations

from typing import Any

import pytest

from floodwarden.cluster.pods import pod_of
from floodwarden.core.target import PodTrouble

READY = {"type": "Ready", "status": "True"}
NOT_READY = {"type": "Ready", "status": "False"}
NO_NODE = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes: Insufficient cpu"}
GATED = {"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}
ENDED = {"terminated": {"reason": "Error", "exitCode": 137}}
BACK_OFF = {"waiting": {"reason": "CrashLoopBackOff"}}


def container(restarts: int = 0, **given: Any) -> dict[str, Any]:
    return {"name": "main", "restartCount": restarts, "state": {}, "lastState": {}, **given}


def pod(*conditions: dict[str, Any], **status: Any) -> dict[str, Any]:
    return {"metadata": {"name": "billing-1"}, "status": {"conditions": list(conditions), "podIP": "10.0.0.7", **status}}


PODS: dict[str, tuple[dict[str, Any], bool, PodTrouble | None, str]] = {
    "ready": (pod(READY, containerStatuses=[container(5, lastState=ENDED)]), True, None, ""),
    "starting": (
        pod(NOT_READY, containerStatuses=[container(state={"waiting": {"reason": "ContainerCreating"}})]),
        False,
        None,
        "",
    ),
    "waits before it is started again": (
        pod(NOT_READY, containerStatuses=[container(1, state=BACK_OFF, lastState=ENDED)]),
        False,
        PodTrouble.CRASHING,
        "container main: Error, exit code 137",
    ),
    "runs once more for a moment": (
        pod(NOT_READY, containerStatuses=[container(3, state={"running": {}}, lastState=ENDED)]),
        False,
        PodTrouble.CRASHING,
        "container main: Error, exit code 137",
    ),
    "ended once": (pod(NOT_READY, containerStatuses=[container(1, state={"running": {}}, lastState=ENDED)]), False, None, ""),
    "was restarted, nobody knows why": (pod(NOT_READY, containerStatuses=[container(3, state={"running": {}})]), False, None, ""),
    "its first container crashes": (
        pod(NOT_READY, initContainerStatuses=[container(1, name="migrate", state=BACK_OFF)]),
        False,
        PodTrouble.CRASHING,
        "container migrate",
    ),
    "no node takes it": (pod(NO_NODE), False, PodTrouble.UNSCHEDULABLE, "0/3 nodes: Insufficient cpu"),
    "held back on purpose": (pod(GATED), False, None, ""),
    "nothing is known of it": ({"metadata": {"name": "billing-1"}}, False, None, ""),
}


@pytest.mark.parametrize(("given", "ready", "trouble", "detail"), PODS.values(), ids=PODS)
def test_a_pod(given: dict[str, Any], ready: bool, trouble: PodTrouble | None, detail: str) -> None:
    """Trouble is what the API server says, and nothing is made of what it does not say."""
    found = pod_of(given)
    assert (found.name, found.ready, found.trouble, found.detail) == ("billing-1", ready, trouble, detail)


def test_what_others_wrote_prints_and_is_short() -> None:
    """A scheduler's words come from outside."""
    found = pod_of(pod({**NO_NODE, "message": "no\nnode " + 1000 * "x"}))
    assert found.detail.isprintable()
    assert len(found.detail.encode()) <= 200
    assert found.ip == "10.0.0.7"
