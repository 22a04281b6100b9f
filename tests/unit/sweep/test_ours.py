"""A status that somebody edits: noticed once the API server tells it, and no memory of ours after a restart."""

from __future__ import annotations

import json
from typing import Any

import pytest

from floodwarden.api.backlogpolicy import BacklogPolicy, BacklogPolicyStatus
from floodwarden.core.memory import Memory
from floodwarden.sweep.intake import understand
from floodwarden.sweep.ours import Ours
from floodwarden.sweep.report import NUMBERS_EVERY, WriteGate, restore
from tests.support.resources import backlog_policy

STATUS = {
    "observedGeneration": 1,
    "state": "Steady",
    "lag": {"messages": 7, "seconds": 1.25, "exact": True},
    "rates": {"produced": 61.23456},
    "capacity": {"perReplica": 50, "measuredAt": "2026-01-01T00:00:00.5Z", "basis": "Measured"},
    "conditions": [
        {"type": "Ready", "status": "True", "reason": "Watching", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    ],
}


def told(version: int, status: dict[str, Any]) -> tuple[int, BacklogPolicyStatus]:
    """What a watch tells after the status went over the wire."""
    return version, BacklogPolicyStatus.model_validate(json.loads(json.dumps(status)))


@pytest.fixture
def written() -> dict[str, Any]:
    return BacklogPolicyStatus.model_validate(STATUS).to_api()


def test_an_edit_is_one_of_a_later_version_that_differs(written: dict[str, Any]) -> None:
    """Old news, our own write and a change of something else are none; a status that was wiped is."""
    ours = Ours()
    assert not ours.edited(told(9, {})), "nothing was written yet"
    ours.wrote(5, written)
    assert not ours.edited(None)
    assert not ours.edited(told(4, {})), "what was there before our write comes late"
    assert not ours.edited(told(5, written))
    assert not ours.edited(told(6, written)), "a label was changed"
    assert ours.edited(told(7, {}))
    assert ours.edited(told(7, {}))
    ours.wrote(8, written)
    assert not ours.edited(told(7, {}))


def test_an_edited_status_is_written_anew_but_not_all_the_time(written: dict[str, Any]) -> None:
    """Somebody who edits again and again is answered every few seconds."""
    gate, status = WriteGate(), {**written, "replicas": {}, "partitions": {}}
    gate.written(status, 1000.0, 100.0)
    assert not gate.due(status, 1000.0, 100.0 + NUMBERS_EVERY)
    assert not gate.due(status, 1000.0, 99.0 + NUMBERS_EVERY, edited=True)
    assert gate.due(status, 1000.0, 100.0 + NUMBERS_EVERY, edited=True)


MANAGERS = {
    "ours": ([{"manager": "floodwarden", "subresource": "status"}, {"manager": "kubectl-edit"}], True),
    "none told": (None, True),
    "edited by kubectl": ([{"manager": "kubectl-edit", "subresource": "status"}], False),
}


@pytest.mark.parametrize(("managers", "remembered"), MANAGERS.values(), ids=MANAGERS)
def test_only_our_own_status_is_remembered(managers: list[dict[str, str]] | None, remembered: bool) -> None:
    """What somebody else put into a status is not taken for what we once knew."""
    metadata = {"name": "billing", "namespace": "shop", "generation": STATUS["observedGeneration"], "managedFields": managers}
    spec = backlog_policy().spec.to_api()
    policy = understand(BacklogPolicy, {"metadata": metadata, "spec": spec, "status": STATUS})
    assert isinstance(policy, BacklogPolicy)
    assert (restore(policy) != Memory()) is remembered
