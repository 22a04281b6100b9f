"""A status that somebody edits: it is no source of truth while Floodwarden runs, and no trap when it starts."""

from __future__ import annotations

import json
import signal

import pytest

from tests.integration.loop.replica_log import replica_log
from tests.integration.loop.shop import BROKER, POLICY, Shop
from tests.support.kubectl import Object

LONG_AGO, FAR_AHEAD = "2001-01-01T00:00:00Z", "2099-01-01T00:00:00Z"
LIES: dict[str, Object] = {
    "an ineffective step": {
        "lastStep": {"at": LONG_AGO, "from": 1, "to": 3, "reason": "ScaledUp", "phase": "Ineffective", "throughputBefore": 1e9},
    },
    "a step that never ends": {
        "lastStep": {"at": FAR_AHEAD, "from": 9, "to": 3, "reason": "ScaledDown", "phase": "Settling"},
        "replicas": {"current": 9, "desired": 1, "ceiling": 1},
    },
    "a capacity beyond reason": {
        "capacity": {"perReplica": 1e12, "measuredAt": FAR_AHEAD, "basis": "Measured"},
        "rates": {"produced": 0, "consumed": 1e12},
    },
    "other times": {
        "overSince": LONG_AGO,
        "blocked": {"until": FAR_AHEAD, "length": "1h", "throughput": 0},
        "gaps": ["TopicMissing", "Nonsense"],
    },
    "nonsense": {
        "state": "Nonsense",
        "lag": {"messages": 9223372036854775807, "exact": True},
        "conditions": [
            {"type": "Ready", "status": "False", "reason": "Nonsense", "message": "", "lastTransitionTime": FAR_AHEAD},
            {"type": "Mood", "status": "True", "reason": "Fine", "message": "", "lastTransitionTime": LONG_AGO},
        ],
    },
}


@pytest.fixture
def steady(shop: Shop) -> Shop:
    """Three replicas of which one would do, in ten minutes from now: whatever lowers them earlier does so for a wrong reason."""
    shop.make_topic(4)
    shop.idle(3)
    shop.broker()
    shop.policy(consumers={"minReplicas": 1, "scaleDown": {"stabilization": "10m"}})
    shop.await_status(lambda s: s.get("state") == "Stabilizing", "steady")
    return shop


def wipe(shop: Shop, kind: str, name: str) -> None:
    """Take a whole status away."""
    patch = json.dumps([{"op": "replace", "path": "/status", "value": {}}])
    shop.kubectl.run("patch", kind, name, "--subresource=status", "--type=json", "-p", patch, "-n", shop.namespace)


def honest(status: Object) -> bool:
    """Whether a status tells what is so."""
    conditions = {c["type"]: (c["status"], c["reason"]) for c in status.get("conditions", ())}
    return (
        conditions.keys() == {"Ready", "WithinLag", "Scaling", "Stalled"}
        and conditions["Ready"] == ("True", "Watching")
        and status["state"] == "Stabilizing"
        and status["lag"]["messages"] == 0
        and status["replicas"] == {"current": 3, "desired": 1, "ceiling": 4}
        and not status.keys() & {"capacity", "lastStep", "blocked", "overSince"}
    )


def test_a_status_is_wiped(steady: Shop) -> None:
    """What is taken away is written anew within seconds, of a policy and of a broker, although nothing else changed."""
    shop = steady
    before = shop.status()
    wipe(shop, "fwbp", POLICY)
    shop.await_status(honest, "the policy's status", within=20)
    assert {c["type"]: c["lastTransitionTime"] for c in shop.status()["conditions"]} == {
        c["type"]: c["lastTransitionTime"] for c in before["conditions"]
    }
    wipe(shop, "fwmb", BROKER)
    shop.await_condition("Ready", "True", "Sweeping", kind="fwmb", name=BROKER, within=20)
    assert shop.reasons() == []


def test_a_status_lies(steady: Shop) -> None:
    """Whatever it says, it is put right, and nothing is scaled or told because of it."""
    shop = steady
    with replica_log(shop.kubectl, POLICY, shop.namespace) as replicas:
        for lie in LIES.values():
            shop.kubectl.write_status("fwbp", POLICY, lie, namespace=shop.namespace)
            shop.await_status(honest, "the truth", within=20)
    assert replicas == [3]
    assert shop.reasons() == []


def test_a_status_lies_to_a_process_that_starts(steady: Shop) -> None:
    """What others wrote into the status is not taken for our own memory."""
    shop = steady
    with replica_log(shop.kubectl, POLICY, shop.namespace) as replicas:
        for name in ("an ineffective step", "a capacity beyond reason", "nonsense"):
            shop.operator.end(signal.SIGKILL)
            shop.kubectl.write_status("fwbp", POLICY, LIES[name], namespace=shop.namespace)
            shop.operator.start()
            shop.operator.await_ready()
            shop.await_status(honest, "the truth", within=40)
            shop.let_it_decide(10)
    assert replicas == [3]
    assert "ScaledByHand" not in shop.reasons()
