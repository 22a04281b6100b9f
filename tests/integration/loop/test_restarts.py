"""The operator ends and comes back; policies change and go."""

from __future__ import annotations

import signal

import pytest

from tests.integration.loop.replica_log import replica_log
from tests.integration.loop.shop import BROKER, POLICY, Shop


@pytest.fixture
def measured(shop: Shop) -> Shop:
    """A shop with one busy consumer whose capacity is known, below every limit."""
    shop.busy(20, limit=1000)
    return shop


def besides_the_cause(shop: Shop) -> list[tuple[str, str]]:
    """The Events but for that of the cause, which comes a few seconds after the others."""
    return [event for event in shop.events() if event[0] != "ProductionRose"]


def test_capacity_and_told_events_outlive_the_process(measured: Shop) -> None:
    """However the process ended, the next one knows the capacity, repeats no Event and leaves the replicas alone."""
    shop = measured
    shop.policy(maxLag={"messages": 500}, consumers={"maxReplicas": 1})
    shop.await_status(lambda s: s["replicas"].get("ceiling") == 1, "the new ceiling")
    shop.produce(300)
    shop.await_event("OverLimit")
    shop.await_condition("Scaling", "False", "AtCeiling")
    before, told = shop.status(), besides_the_cause(shop)
    with replica_log(shop.kubectl, POLICY, shop.namespace) as replicas:
        for how, status in ((signal.SIGTERM, 0), (signal.SIGKILL, -9)):
            assert shop.operator.end(how) == status
            shop.operator.start()
            shop.operator.await_ready()
            shop.let_it_decide(20)
            after = shop.status()
            assert after["capacity"]["basis"] == "Measured"
            assert after["capacity"]["perReplica"] == pytest.approx(before["capacity"]["perReplica"], rel=0.1)
            assert besides_the_cause(shop) == told
    assert shop.reasons().count("ProductionRose") <= 1
    assert replicas == [1]
    transitions = {c["type"]: c["lastTransitionTime"] for c in before["conditions"]}
    assert {c["type"]: c["lastTransitionTime"] for c in shop.status()["conditions"]} == transitions


def test_a_step_is_taken_up_again(measured: Shop) -> None:
    """A process killed in the middle of a step is followed by one that carries it on: no second step, no second Event."""
    shop = measured
    with replica_log(shop.kubectl, POLICY, shop.namespace) as replicas:
        # Slow enough that the step is measured before fewer replicas would do again.
        shop.policy(maxLag={"messages": 500}, catchUp="60s", consumers={"scaleDown": {"stabilization": "60s"}})
        shop.produce(300)
        shop.until(lambda: len(replicas) == 2, "a step")
        shop.operator.end(signal.SIGKILL)
        shop.operator.start()
        shop.operator.await_ready()
        status = shop.await_status(lambda s: s.get("lastStep", {}).get("phase") == "Done", "the step done", within=120)
        assert status["lastStep"]["from"] == 1
        assert status["lastStep"]["to"] == replicas[1]
        assert len(replicas) == 2
    told = shop.reasons()
    assert "ScaledByHand" not in told
    assert told.count("ScaledUp") <= 1  # killed right after the step was made, the process may not have told it


def test_a_policy_is_edited_and_deleted(shop: Shop) -> None:
    """A changed spec counts from the next sweep; a deleted policy is gone at once, and its metrics with it."""
    shop.make_topic(4)
    shop.idle(1)
    shop.broker()
    shop.policy()
    shop.await_status(lambda s: s.get("replicas", {}).get("ceiling") == 4, "ceiling of the partitions")
    shop.patch("fwbp", POLICY, {"spec": {"consumers": {"maxReplicas": 3}}})
    status = shop.await_status(lambda s: s["replicas"].get("ceiling") == 3, "ceiling of maxReplicas", within=10)
    assert status["observedGeneration"] == 2
    shop.produce(50)
    shop.patch("fwbp", POLICY, {"spec": {"maxLag": {"messages": 150}}})
    shop.await_condition("WithinLag", "False", "OverLimit")
    shop.patch("fwbp", POLICY, {"spec": {"maxLag": {"messages": 300}}})
    shop.await_condition("WithinLag", "True", "WithinLimit")
    assert shop.measure("policy_lag_messages") == 200
    metadata = shop.kubectl.get("fwbp", POLICY, namespace=shop.namespace)["metadata"]
    assert "finalizers" not in metadata
    shop.kubectl.run("delete", "fwbp", POLICY, "-n", shop.namespace, "--timeout=5s")
    own = f'namespace="{shop.namespace}",policy="{POLICY}"'
    shop.until(lambda: own not in shop.operator.get("/metrics")[1], "its metrics gone", within=10)
    shop.await_status(lambda s: s["policies"] == 0, "the broker counts it no more", kind="fwmb", name=BROKER)
    shop.kubectl.run("delete", "fwmb", BROKER, "-n", shop.namespace, "--timeout=5s")
    shop.until(lambda: shop.namespace not in shop.operator.get("/metrics")[1], "the broker's metrics gone", within=10)
