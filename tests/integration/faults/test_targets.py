"""Targets and groups that change under the operator's eyes."""

from __future__ import annotations

from tests.integration.loop.replica_log import replica_log
from tests.integration.loop.shop import POLICY, Shop


def test_the_target_is_deleted_and_created_again(shop: Shop) -> None:
    """A target that is gone is told; the one that takes its name is left at the replicas it was given."""
    shop.make_topic(4)
    shop.produce(1)  # what waits has the target looked at in every sweep
    shop.idle(3)
    shop.broker()
    shop.policy(consumers={"scaleDown": {"stabilization": "10m"}})
    shop.await_condition("WithinLag", "True", "WithinLimit")
    shop.kubectl.delete("deployment", POLICY, namespace=shop.namespace)
    shop.await_condition("Ready", "False", "TargetMissing")
    shop.idle(2)
    shop.await_condition("Ready", "True", "Watching")
    shop.await_status(lambda s: s["replicas"].get("current") == 2, "the new target's replicas seen")
    shop.let_it_decide(10)
    assert shop.replicas() == 2
    assert shop.reasons()[:2] == ["TargetMissing", "Watching"]
    assert set(shop.reasons()[2:]) <= {"ScaledByHand"}


def reset(shop: Shop, where: str) -> None:
    """Stop the consumers, reset the group with Kafka's own tool, and wait until that is seen."""
    shop.scale(0)
    shop.await_status(lambda s: s["state"] == "TargetAtZero", "the target at zero")
    asked = ("--describe", "--group", shop.group, "--state")
    shop.until(lambda: "Empty" in shop.kafka.tool("kafka-consumer-groups", *asked), "an empty group")
    change = ("--group", shop.group, "--topic", shop.topic, "--reset-offsets", where, "--execute")
    shop.kafka.tool("kafka-consumer-groups", *change)


def test_a_group_is_reset_to_latest_and_to_earliest(shop: Shop) -> None:
    """A lag that is suddenly gone lowers nothing before the window, and then once; one that is suddenly there raises once."""
    shop.busy(20, limit=500)
    shop.scale(0)
    shop.await_status(lambda s: s["state"] == "TargetAtZero", "the target at zero")
    shop.produce(200)
    shop.await_condition("WithinLag", "False", "OverLimit")

    reset(shop, "--to-latest")
    shop.await_condition("WithinLag", "True", "WithinLimit")
    with replica_log(shop.kubectl, POLICY, shop.namespace) as replicas:
        shop.scale(4)
        shop.await_pods()
        shop.await_replicas(1)
        shop.let_it_decide(20)
    assert replicas == [0, 4, 1]

    reset(shop, "--to-earliest")
    shop.await_condition("WithinLag", "False", "OverLimit")
    with replica_log(shop.kubectl, POLICY, shop.namespace) as replicas:
        shop.scale(1)
        shop.await_condition("WithinLag", "True", "WithinLimit", within=120)
        shop.await_replicas(1, within=120)
    assert replicas in ([0, 1, 2, 1], [0, 1, 4, 1])
    assert shop.reasons().count("ScaledUp") == 1
