"""What the adapters say while the API server cannot be reached, and that they recover by themselves."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from floodwarden.cluster import discovery, events
from floodwarden.cluster.events import EventType, ObjectRef, Recorder
from floodwarden.cluster.owners import OwnerIndex
from floodwarden.cluster.rest import Rest
from floodwarden.cluster.scale import ScaleClient
from floodwarden.cluster.secrets import SecretProblem, SecretProblemReason, SecretReader
from floodwarden.cluster.status import StatusOutcome, StatusWriter
from floodwarden.core.target import Owner, Target, TargetProblem, TargetProblemReason, TargetRef
from tests.contract.cluster.conftest import Connect
from tests.contract.cluster.eventually import eventually
from tests.contract.cluster.gate import Gate
from tests.contract.cluster.manifests import WIDGET_RESOURCE, autoscaler, workload
from tests.support.kubectl import Kubectl

QUICKLY = 5.0  # seconds: half of one time limit, on a busy machine


@pytest.fixture
def billing(kubectl: Kubectl, namespace: str) -> TargetRef:
    """A ReplicaSet without pods, and an HPA on it."""
    target = workload("ReplicaSet", "billing", 0)
    kubectl.apply([target, autoscaler("hpa", "apps/v1", "ReplicaSet", "billing")], namespace=namespace)
    return TargetRef(namespace, "apps/v1", "ReplicaSet", "billing")


async def test_down_is_said_quickly_and_ends_by_itself(gated: Rest, gate: Gate, billing: TargetRef) -> None:
    """Every adapter gives its own typed result at once, and works again with the first answer."""
    scale, owners = ScaleClient(gated), OwnerIndex(gated)
    statuses, secrets = StatusWriter(gated), SecretReader(gated)
    read = await scale.read(billing)
    assert isinstance(read, Target)
    await owners.refresh()
    assert owners.known

    gate.shut()
    began = time.monotonic()
    for answer in [
        await scale.read(billing),
        await scale.read(billing, pods=True),
        await scale.write(billing, read, 1),
        await owners.check(billing),
    ]:
        assert isinstance(answer, TargetProblem)
        assert answer.reason is TargetProblemReason.UNREACHABLE
    await owners.refresh()
    secret = await secrets.read(billing.namespace, "any")
    assert isinstance(secret, SecretProblem)
    assert secret.reason is SecretProblemReason.UNREACHABLE
    written = await statuses.write(WIDGET_RESOURCE, billing.namespace, "w", "uid", {})
    assert written.outcome is StatusOutcome.UNREACHABLE
    assert time.monotonic() - began < QUICKLY
    assert not owners.known
    assert owners.owner_of(billing) == Owner("HorizontalPodAutoscaler", "hpa"), "what was known is kept"

    await gate.open()
    assert isinstance(await scale.read(billing), Target)
    await owners.refresh()
    assert owners.known


async def test_a_thousand_questions_hear_of_one_failure_together(gated: Rest, gate: Gate, billing: TargetRef) -> None:
    """Nobody waits in line for one time limit after the other, and one look at what is served does for all."""
    gate.shut()
    scale = ScaleClient(gated)
    began = time.monotonic()
    answers = await asyncio.gather(*(scale.read(billing) for _ in range(1000)))
    assert time.monotonic() - began < QUICKLY
    assert {answer.reason for answer in answers if isinstance(answer, TargetProblem)} == {TargetProblemReason.UNREACHABLE}


async def test_no_answer_is_not_waited_for_long(connected: Connect, gated_config: Path, gate: Gate, billing: TargetRef) -> None:
    """A connection that stands but says nothing ends at the time limit, and is replaced by a new one."""
    scale = ScaleClient(await connected(gated_config, within=1.0))
    assert isinstance(await scale.read(billing), Target)
    gate.stalled = True
    began = time.monotonic()
    answer = await scale.read(billing)
    assert isinstance(answer, TargetProblem)
    assert answer.reason is TargetProblemReason.UNREACHABLE
    assert "no answer within 1 s" in answer.message
    assert time.monotonic() - began < 1 + QUICKLY
    gate.stalled = False
    assert isinstance(await eventually(lambda: scale.read(billing), lambda read: isinstance(read, Target)), Target)


async def test_an_unreachable_server_does_not_make_kinds_unknown(
    gated: Rest, gate: Gate, billing: TargetRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What could not be looked up is unreachable, and looked up again right away when it can be."""
    monkeypatch.setattr(discovery, "LOOK_AGAIN", 3600.0)
    scale = ScaleClient(gated)
    gate.shut()
    answer = await scale.read(billing)
    assert isinstance(answer, TargetProblem)
    assert answer.reason is TargetProblemReason.UNREACHABLE
    await gate.open()
    assert isinstance(await scale.read(billing), Target)


async def test_events_wait_for_the_api_server(gated: Rest, gate: Gate, kubectl: Kubectl, billing: TargetRef) -> None:
    """An Event recorded while it is down is posted once when it is back; recording never waits."""
    target = await ScaleClient(gated).read(billing)
    assert isinstance(target, Target)
    recorder = Recorder(gated, "pod-1")
    gate.shut()
    recorder.record(EventType.WARNING, "ReadingLost", "kept meanwhile", ObjectRef.of(billing, target))
    await asyncio.sleep(2 * events.FIRST_DELAY)  # so that a try fails before it opens
    await gate.open()
    await recorder.close()
    shown = kubectl.events("ReplicaSet", "billing", namespace=billing.namespace)
    assert [event["message"] for event in shown if event["reason"] == "ReadingLost"] == ["kept meanwhile"]
    assert (recorder.posted, recorder.dropped) == (1, 0)


async def test_events_left_at_the_end_are_counted(gated: Rest, gate: Gate, billing: TargetRef) -> None:
    """Closing ends within its deadline, and says how many Events were never posted."""
    recorder = Recorder(gated, "pod-1")
    gate.shut()
    about = ObjectRef(billing.api_version, billing.kind, billing.namespace, billing.name, "uid")
    for number in range(3):
        recorder.record(EventType.NORMAL, "Drained", f"number {number}", about)
    began = time.monotonic()
    await recorder.close(within=0.5)
    assert time.monotonic() - began < 0.5 + QUICKLY
    recorder.record(EventType.NORMAL, "Drained", "after the end", about)
    await recorder.close()
    assert (recorder.posted, recorder.dropped) == (0, 4)
