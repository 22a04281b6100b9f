"""DeliveryPolicies for queues of RabbitMQ: what is written comes and goes with its policy, and what is fixed is only told."""

from __future__ import annotations

import json

from tests.contract.rabbitmq.auditing import effective
from tests.integration.loop.stall import BROKER, DELIVERY
from tests.integration.queues.queue_shop import QueueShop
from tests.support.kubectl import Object

LIMITED: Object = {"consumption": {"deliveryLimit": 5}}


def operator_policies(shop: QueueShop) -> dict[str, object]:
    """Those of the shop's policies, by rabbitmqctl: name to definition."""
    listed = json.loads(shop.rabbit.tool("rabbitmqctl", "list_operator_policies", "--quiet", "--formatter", "json"))
    ours = [one for one in listed if f":{shop.namespace}/" in one["name"]]
    return {one["name"]: one["definition"] for one in ours}


def test_an_operator_policy_comes_and_goes(shop: QueueShop) -> None:
    """It limits the deliveries of matched queues, is put back when somebody takes it away, and goes with its policy."""
    name = f"floodwarden:{shop.namespace}/{DELIVERY}"
    shop.open_kept()
    shop.broker(user="administrator")
    shop.delivery(mode="Enforce", **LIMITED)
    shop.await_condition("Compliant", "True", "Compliant", name=DELIVERY, kind="fwdp", within=90)
    assert operator_policies(shop) == {name: '{"delivery-limit":5}'}
    assert effective(shop.rabbit, shop.queue) == {"delivery-limit": 5}
    repaired = shop.await_event("Repaired", name=DELIVERY, kind="DeliveryPolicy")
    assert name in repaired
    shop.rabbit.tool("rabbitmqctl", "clear_operator_policy", name)
    shop.until(lambda: operator_policies(shop) == {name: '{"delivery-limit":5}'}, "the operator policy is back")
    shop.kubectl.run("delete", "fwdp", DELIVERY, "-n", shop.namespace)
    shop.until(lambda: operator_policies(shop) == {}, "the operator policy is gone")
    assert name in shop.await_event("Undone", name=BROKER, kind="MessageBroker")
    shop.delivery(mode="Enforce", **LIMITED)
    shop.until(lambda: name in operator_policies(shop), "another policy of that name")
    shop.kubectl.run("delete", "fwmb", BROKER, "-n", shop.namespace)
    shop.until(lambda: operator_policies(shop) == {}, "it has gone with the way to the brokers")


def test_what_is_fixed_is_told(shop: QueueShop) -> None:
    """A queue's type is told with the way out; nothing is written for it, nor for a policy that only looks."""
    shop.open("classic")
    shop.broker(user="administrator")
    shop.delivery(mode="Audit", replication={"factor": 3, "minInSync": 2}, **LIMITED)
    shop.await_condition("Compliant", "False", "NotCompliant", name=DELIVERY, kind="fwdp")
    status = shop.await_status(lambda s: s.get("violations"), "violations", name=DELIVERY, kind="fwdp")
    found = {(one["resource"], one["setting"]): one["action"] for one in status["violations"]}
    assert found[f"queue {shop.queue}", "queue type"] == "Report"
    assert operator_policies(shop) == {}


def test_what_rabbitmq_does_not_have(shop: QueueShop) -> None:
    """It is refused at the policy with a reason, and nothing else of the policy is done."""
    shop.open("quorum")
    shop.broker(user="administrator")
    shop.delivery(mode="Enforce", transactions={"hungAfter": "20m"}, **LIMITED)
    message = shop.await_condition("Ready", "False", "BrokerNotCapable", name=DELIVERY, kind="fwdp")
    assert "leave spec.transactions out" in message
    assert operator_policies(shop) == {}


def test_a_user_who_may_only_look(shop: QueueShop) -> None:
    """Ready says that nothing can be written, and what is missing for it."""
    shop.open_kept()
    shop.broker(user="monitoring")
    shop.delivery(mode="Enforce", **LIMITED)
    message = shop.await_condition("Ready", "False", "RepairFailed", name=DELIVERY, kind="fwdp")
    assert "administrator" in message or "policymaker" in message, message
