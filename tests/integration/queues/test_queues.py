"""Queues of RabbitMQ, seen by the operator: consumers that share one are scaled to what is needed, and unknown is not zero."""

from __future__ import annotations

from tests.integration.loop.stall import BROKER
from tests.integration.queues.queue_shop import SECRET, QueueShop


def test_a_spike(shop: QueueShop) -> None:
    """As many replicas as it takes, and no even spread over queues, of which there is one; then fewer again."""
    shop.open()
    shop.broker()
    shop.consumers(1, 20.0)
    shop.policy()
    shop.await_condition("WithinLag", "True", "WithinLimit", within=90)
    with shop.rabbit.stream(shop.queue, 90.0):
        shop.until(lambda: shop.replicas() >= 5, "replicas for 90 messages/s", within=60)
        shop.await_pods()
        shop.await_condition("WithinLag", "True", "WithinLimit", within=90)
        assert 5 <= shop.replicas() <= 10
    shop.await_replicas(1, within=120)
    shop.until(lambda: shop.length() == 0, "the queue is empty")
    status = shop.await_status(lambda s: s.get("lag", {}).get("messages") == 0, "no lag")
    assert status["replicas"]["ceiling"] == 10
    told = shop.reasons()
    assert "ScaledUp" in told
    assert "ScaledDown" in told
    assert "PartitionHot" not in told


def test_a_single_active_consumer(shop: QueueShop) -> None:
    """More than one replica would not help, whatever maxReplicas is."""
    shop.open(x_single_active_consumer=True)
    shop.rabbit.publish(shop.queue, 500)
    shop.idle(1)
    shop.broker()
    shop.policy()
    shop.await_condition("WithinLag", "False", "OverLimit", within=60)
    shop.let_it_decide(10)
    assert shop.replicas() == 1
    assert shop.status()["replicas"]["ceiling"] == 1


def test_what_is_not_acknowledged_waits_too(shop: QueueShop) -> None:
    """The lag is what is ready and what is under way, as rabbitmqctl counts it."""
    shop.open()
    shop.rabbit.publish(shop.queue, 30)
    shop.idle(1)
    shop.broker()
    shop.policy()
    with shop.rabbit.channel() as channel:
        for _ in range(10):
            channel.basic_get(shop.queue)
        shop.await_status(lambda s: s.get("lag", {}).get("messages") == 30, "30 messages of lag")
    assert shop.length() == 30


def test_a_queue_that_is_missing(shop: QueueShop) -> None:
    """It is told, replicas stay, and the policy goes on by itself once the queue is declared."""
    shop.idle(3)
    shop.broker()
    shop.policy()
    shop.await_condition("WithinLag", "Unknown", "TopicMissing")
    shop.let_it_decide(10)
    assert shop.replicas() == 3
    shop.open()
    shop.await_condition("WithinLag", "True", "WithinLimit")
    shop.await_replicas(1)


def test_credentials_that_are_refused(shop: QueueShop) -> None:
    """It is told, and nothing of them; once they are corrected it goes on."""
    shop.open()
    shop.idle(3)
    shop.broker()
    name, password = shop.rabbit.user("monitoring")
    shop.secret(SECRET, username=name, password="wrong-" + shop.mark)
    shop.policy()
    shop.await_condition("Ready", "False", "AuthenticationFailed", name=BROKER, kind="fwmb")
    shop.await_condition("WithinLag", "Unknown", "AuthenticationFailed")
    shop.let_it_decide(10)
    assert shop.replicas() == 3
    shop.secret(SECRET, username=name, password=password)
    shop.await_condition("Ready", "True", "Sweeping", name=BROKER, kind="fwmb")
    shop.await_replicas(1)


def test_a_user_without_the_tag(shop: QueueShop) -> None:
    """Which right is missing is said."""
    shop.open()
    shop.broker(user="nobody")
    message = shop.await_condition("Ready", "False", "AuthorizationFailed", name=BROKER, kind="fwmb")
    assert "monitoring" in message


def test_a_node_that_is_killed(shop: QueueShop) -> None:
    """The node that is asked is away: unknown, and no scale-down however long it lasts; told once, and that it is back."""
    shop.open("quorum")
    shop.idle(1)
    shop.broker()
    shop.policy()
    shop.await_condition("WithinLag", "True", "WithinLimit")
    shop.rabbit.brokers("stop", "rabbitmq", "0", "--kill")
    try:
        shop.scale(3)
        shop.await_condition("WithinLag", "Unknown", "BrokerUnreachable")
        shop.until(lambda: shop.measure("policy_lag_messages") is None, "no series for a lag that is not known")
        shop.await_condition("Ready", "False", "ReadingLost")
        assert shop.replicas() == 3
    finally:
        shop.rabbit.brokers("start", "rabbitmq", "0")
    shop.await_event("ReadingBack", within=120)
    shop.await_replicas(1)


def test_what_brokers_of_the_type_do_not_have(shop: QueueShop) -> None:
    """It is said at the policy, and the MessageBroker says what they have."""
    shop.broker()
    shop.idle(1)
    shop.policy(subscription={"group": "billing"})
    assert "name queues in spec.subscription" in shop.await_condition("Ready", "False", "BrokerNotCapable")
    shop.await_condition("WithinLag", "Unknown", "BrokerNotCapable")
    status = shop.await_status(lambda s: s.get("capabilities"), "capabilities", name=BROKER, kind="fwmb")
    assert status["capabilities"] == ["DeadLetters", "DeliveryLimit", "DeliverySettings", "Prefetch", "Queues"]
    assert status["version"].startswith("3.")
    assert status["nodes"] == 3
