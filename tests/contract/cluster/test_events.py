"""``Recorder`` against a real API server: what people see of its Events with kubectl."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from floodwarden.cluster.events import MESSAGE_BYTES, EventType, ObjectRef, Recorder
from floodwarden.cluster.rest import Rest
from floodwarden.cluster.scale import ScaleClient
from floodwarden.core.target import Target, TargetRef
from tests.contract.cluster.conftest import Limited
from tests.contract.cluster.manifests import WIDGETS, widget, workload
from tests.support.kubectl import Kubectl


async def about_target(rest: Rest, namespace: str) -> ObjectRef:
    """The Deployment billing as its scale shows it: that is all the sweep knows of it."""
    ref = TargetRef(namespace, "apps/v1", "Deployment", "billing")
    target = await ScaleClient(rest).read(ref)
    assert isinstance(target, Target)
    return ObjectRef.of(ref, target)


@pytest.mark.usefixtures("widgets")
async def test_kubectl_shows_an_event_under_both_objects(rest: Rest, kubectl: Kubectl, namespace: str) -> None:
    """describe, events and get events find it under the policy and under its target, with source and age."""
    kubectl.apply([widget("policy"), workload("Deployment", "billing", 0)], namespace=namespace)
    uid = kubectl.get("widgets", "policy", namespace=namespace)["metadata"]["uid"]
    recorder = Recorder(rest, "floodwarden-abc")
    message = "scaled from 2 to 12: lag 52,000 messages, demand 1,900/s, 160/s per replica"
    policy = ObjectRef(WIDGETS, "Widget", namespace, "policy", uid)
    recorder.record(EventType.NORMAL, "ScaledUp", message, policy, await about_target(rest, namespace))
    recorder.record(EventType.WARNING, "AtCeiling", "all partitions have a consumer", policy)
    await recorder.close()
    assert (recorder.posted, recorder.dropped) == (3, 0)

    for kind, name, warned in [("widget", "policy", True), ("deployment", "billing", False)]:
        described = kubectl.run("describe", kind, name, f"--namespace={namespace}")
        [line] = [line for line in described.splitlines() if "ScaledUp" in line]
        kind_of_event, reason, age, source, text = line.split(maxsplit=4)
        assert (kind_of_event, reason, source, text) == ("Normal", "ScaledUp", "floodwarden", message)
        assert age.endswith("s"), "an age, not <unknown>"
        assert ("AtCeiling" in described) is warned
        listed = kubectl.run("events", f"--for={kind}/{name}", f"--namespace={namespace}")
        assert message in listed
        assert "<unknown>" not in listed
    sorted_by_time = kubectl.run("get", "events", "--sort-by=.lastTimestamp", f"--namespace={namespace}")
    assert sorted_by_time.count("ScaledUp") == 2

    [event] = [event for event in kubectl.events("Deployment", "billing", namespace=namespace) if event["reason"] == "ScaledUp"]
    assert (event["reportingComponent"], event["reportingInstance"]) == ("floodwarden", "floodwarden-abc")
    assert abs(datetime.fromisoformat(event["firstTimestamp"]) - datetime.now(UTC)) < timedelta(minutes=1)


async def test_the_longest_names_and_messages_are_taken(rest: Rest, kubectl: Kubectl, namespace: str) -> None:
    """A name of 253 characters leaves no room for a suffix, and a message beyond the limit is cut, visibly."""
    name = ".".join(["x" * 62] * 4) + "y"
    recorder = Recorder(rest, "floodwarden-abc")
    recorder.record(EventType.NORMAL, "Drained", "€" * 1000, ObjectRef("v1", "ConfigMap", namespace, name, "uid"))
    await recorder.close()
    assert (recorder.posted, recorder.dropped) == (1, 0)
    [event] = kubectl.events("ConfigMap", name, namespace=namespace)
    assert event["message"].endswith("€…")
    assert len(event["message"].encode()) <= MESSAGE_BYTES


async def test_a_refused_event_is_dropped_and_counted(limited: Limited, namespace: str) -> None:
    """No right to post Events costs the Events, and nothing else."""
    recorder = Recorder(await limited(), "floodwarden-abc")
    recorder.record(EventType.NORMAL, "Drained", "in 40 s", ObjectRef("v1", "ConfigMap", namespace, "any", "uid"))
    await recorder.close()
    assert (recorder.posted, recorder.dropped) == (0, 1)
