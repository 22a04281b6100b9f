"""Operator policies on real nodes: merged as RabbitMQ does it, there by its own tool, and nobody else's touched."""

from __future__ import annotations

import pytest

from floodwarden.brokers.rabbitmq import RabbitSettings
from floodwarden.core.delivery.violations import Action
from tests.contract.cluster.eventually import eventually
from tests.contract.rabbitmq.auditing import TOLD, auditing, effective, has, known, operator_policies, told, told_of
from tests.contract.rabbitmq.real_rabbit import RealRabbit
from tests.support.delivery import DAY
from tests.support.virtual_host import asking


@pytest.mark.usefixtures("clean")
async def test_policies_are_told_as_rabbitmqctl_merges_them(rabbit: RealRabbit, settings: RabbitSettings) -> None:
    """Of policy and operator policy the smaller number holds, and it is said whose it is."""
    queue = rabbit.queue()
    rabbit.tool("rabbitmqctl", "set_policy", queue, f"^{queue}$", '{"message-ttl": 90000, "delivery-limit": 7}')
    rabbit.tool("rabbitmqctl", "set_operator_policy", "platform", f"^{queue}$", '{"message-ttl": 60000, "delivery-limit": 9}')
    try:
        look = auditing(settings, asking(names=(queue,), kept_for=DAY, delivery_limit=5))
        # The queue may tell one of the two before it has heard of the other.
        both = "operator policy platform"
        findings = await eventually(
            look, lambda seen: has("message-ttl")(seen) and told(seen, "message-ttl").where == both, within=TOLD
        )
        merged = effective(rabbit, queue)
    finally:
        rabbit.tool("rabbitmqctl", "clear_policy", queue)
    assert merged == {"message-ttl": 60000, "delivery-limit": 7}
    ttl, limit = told(findings, "message-ttl"), told(findings, "delivery-limit")
    assert ttl.found == "60000 (1m)"
    assert (limit.found, limit.where, limit.action) == ("7", f"policy {queue}", Action.OWNER)


@pytest.mark.usefixtures("clean")
async def test_an_enforced_limit(rabbit: RealRabbit, settings: RabbitSettings) -> None:
    """It is there by rabbitmqctl, RabbitMQ acts on it, and it is taken away without a trace."""
    queue, other = rabbit.kept(), rabbit.kept()
    policy = asking(f"shop/{queue}", names=(f"{queue[:-1]}?",), exclude=(other,), delivery_limit=2)
    name = f"floodwarden:{policy.name}"
    findings = await eventually(auditing(settings, policy), known, within=TOLD)
    assert told(findings, "delivery-limit").action is Action.REPAIR
    assert await settings.write(findings.changes) == {}
    assert operator_policies(rabbit)[name]["definition"] == {"delivery-limit": 2}
    assert effective(rabbit, queue) == {"delivery-limit": 2}
    assert not effective(rabbit, other)
    findings = await auditing(settings, policy)()
    assert (findings.violations, findings.changes, findings.gaps) == ((), (), ())
    assert deliveries(rabbit, queue) == 3
    asks_no_more = asking(policy.name, names=policy.names, factor=1)
    gone = (await auditing(settings, asks_no_more)()).changes
    assert [(change.name, change.value) for change in gone] == [(name, None)]
    assert await settings.write(gone) == {}
    assert operator_policies(rabbit) == {}
    assert not effective(rabbit, queue)
    assert await settings.write(gone) == {}


def deliveries(rabbit: RealRabbit, queue: str) -> int:
    """How often a message is delivered that is always given back."""
    rabbit.publish(queue, 1)
    with rabbit.channel() as channel:
        for count in range(100):
            method = channel.basic_get(queue)[0]
            if method is None:
                return count
            channel.basic_nack(method.delivery_tag, requeue=True)
    return 100


@pytest.mark.usefixtures("clean")
async def test_a_queue_that_would_drop_messages(rabbit: RealRabbit, settings: RabbitSettings) -> None:
    """It is left out of the operator policy, and RabbitMQ delivers its messages as often as before."""
    bare, kept = rabbit.queue(), rabbit.kept()
    findings = await eventually(auditing(settings, asking(names=(bare, kept), delivery_limit=2)), known, within=TOLD)
    assert "would drop messages for good" in told_of(findings, bare).reason
    assert await settings.write(findings.changes) == {}
    assert effective(rabbit, kept) == {"delivery-limit": 2}
    assert not effective(rabbit, bare)
    assert (deliveries(rabbit, bare), deliveries(rabbit, kept)) == (100, 3)


@pytest.mark.usefixtures("clean")
async def test_the_owners_operator_policy(rabbit: RealRabbit, settings: RabbitSettings) -> None:
    """It is neither replaced nor overruled, whatever its priority is; the queue beside it gets ours."""
    owned, free = rabbit.kept(), rabbit.kept()
    rabbit.tool("rabbitmqctl", "set_operator_policy", "--priority", "-5", "platform", f"^{owned}$", '{"expires": 86400000}')
    before = operator_policies(rabbit)
    look = auditing(settings, asking(names=(owned, free), delivery_limit=5))
    findings = await eventually(look, lambda seen: known(seen) and told_of(seen, owned).action is Action.OWNER, within=TOLD)
    assert "operator policy platform has this queue" in told_of(findings, owned).reason
    assert await settings.write(findings.changes) == {}
    after = operator_policies(rabbit)
    assert after["platform"] == before["platform"]
    assert after["floodwarden:shop/orders"]["priority"] == -6
    assert effective(rabbit, owned) == {"expires": 86400000}
    assert effective(rabbit, free) == {"delivery-limit": 5}
    findings = await look()
    assert ([one.resource for one in findings.violations], findings.changes) == ([f"queue {owned}"], ())


@pytest.mark.usefixtures("clean")
async def test_a_policy_that_is_paused(rabbit: RealRabbit, settings: RabbitSettings) -> None:
    """What RabbitMQ does by its operator policy stays so while another policy acts; that one gets the queues beside it."""
    shared, free = rabbit.kept(), rabbit.kept()
    paused = asking("shop/paused", names=(shared,), delivery_limit=9)
    assert await settings.write((await eventually(auditing(settings, paused), known, within=TOLD)).changes) == {}
    before = operator_policies(rabbit)["floodwarden:shop/paused"]
    look = auditing(settings, asking(names=(shared, free), delivery_limit=5))
    findings = await eventually(look, known, within=TOLD)
    assert await settings.write(findings.changes) == {}
    after = operator_policies(rabbit)
    assert after["floodwarden:shop/paused"] == before
    assert after["floodwarden:shop/orders"]["priority"] == before["priority"] - 1
    assert effective(rabbit, shared) == {"delivery-limit": 9}
    assert effective(rabbit, free) == {"delivery-limit": 5}
    findings = await look()
    assert ([one.resource for one in findings.violations], findings.changes) == ([f"queue {shared}"], ())
    assert "as long as its DeliveryPolicy is paused" in told_of(findings, shared).reason
    assert settings.made(await settings.survey(lambda _: True)).keys() == {"shop/paused", "shop/orders"}
