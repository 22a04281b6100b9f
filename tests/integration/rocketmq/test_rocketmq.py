"""Groups of RocketMQ, seen by the operator: a spike is answered in one jump, queues are the ceiling, and unknown is not zero."""

from __future__ import annotations

from itertools import pairwise

from tests.integration.loop.replica_log import replica_log
from tests.integration.loop.stall import BROKER, POLICY
from tests.integration.rocketmq.topic_shop import QUEUES, TopicShop


def test_a_spike(shop: TopicShop) -> None:
    """Consumers behind a proxy share the queues: a jump to more of them than there are queues, drained, then down again."""
    shop.broker()
    shop.consumers(1, 10.0)
    shop.policy()
    shop.await_pods()
    with replica_log(shop.kubectl, POLICY, shop.namespace) as replicas:
        with shop.rocketmq.stream(shop.topic, 6.0, QUEUES):
            shop.await_status(
                lambda s: s.get("capacity", {}).get("perReplica", 0) > 5, "what a replica does at the least", within=120
            )
            shop.await_condition("WithinLag", "True", "WithinLimit")
            with shop.rocketmq.stream(shop.topic, 44.0, QUEUES):
                shop.until(lambda: len(replicas) > 1, "a step up")
                shop.await_pods()
                shop.await_condition("WithinLag", "True", "WithinLimit", within=90)
        shop.await_replicas(1, within=120)
        raised = [after for before, after in pairwise(replicas) if after > before]
        # The reading that holds the beginning of the spike may tell less than the next one; how rare that is, the bench measures.
        assert 1 <= len(raised) <= 2, replicas
        assert QUEUES < raised[0] <= raised[-1] <= 10
    shop.await_status(lambda s: s.get("lag", {}).get("messages") == 0, "no lag")
    assert shop.waiting() == 0


def test_the_queues_are_the_ceiling(shop: TopicShop) -> None:
    """Consumers that are bound to queues get as many replicas as there are queues, in one jump, and no more."""
    shop.commit()
    shop.send(600)
    shop.idle(2)
    with shop.member(range(QUEUES)), replica_log(shop.kubectl, POLICY, shop.namespace) as replicas:
        shop.broker()
        shop.policy()
        shop.await_replicas(QUEUES)
        shop.let_it_decide(10)
        assert replicas == [2, QUEUES]
    status = shop.status()
    assert status["replicas"]["ceiling"] == QUEUES
    assert status["lag"]["messages"] == shop.waiting() == 600


def test_a_group_that_has_never_committed(shop: TopicShop) -> None:
    """For RocketMQ's tool all messages wait for it; here that is not known, and nothing is scaled, until it commits."""
    shop.send(600)
    shop.idle(1)
    shop.broker()
    shop.policy()
    shop.await_condition("WithinLag", "Unknown", "NoCommitYet")
    shop.let_it_decide(10)
    assert shop.replicas() == 1
    shop.commit()
    shop.await_condition("WithinLag", "False", "OverLimit")
    shop.until(lambda: shop.replicas() > 1, "a step up")


def test_a_broker_that_is_killed(shop: TopicShop) -> None:
    """The lag is not known and nothing is scaled down, however long that lasts; told once, and that it is back."""
    shop.commit()
    shop.idle(1)
    shop.broker()
    shop.policy()
    shop.await_condition("WithinLag", "True", "WithinLimit")
    shop.rocketmq.servers.stop("master", kill=True)
    try:
        shop.scale(3)
        shop.until(lambda: shop.condition("WithinLag")[0] == "Unknown", "a lag that is not known")
        shop.until(lambda: shop.measure("policy_lag_messages") is None, "no series for it")
        shop.await_condition("Ready", "False", "ReadingLost")
        shop.until(lambda: shop.condition("Reachable", BROKER, kind="fwmb")[0] == "False", "the broker is told to be away")
        assert shop.replicas() == 3
    finally:
        shop.rocketmq.servers.start("master")
    # Brokers write what was committed to disk every five seconds: consumers commit again.
    shop.commit()
    shop.await_event("ReadingBack", within=120)
    shop.await_replicas(1)


def test_acls(shop: TopicShop) -> None:
    """A wrong secret is told, and nothing of it; once it is corrected it goes on."""
    shop.commit()
    shop.idle(3)
    shop.broker(secretKey="wrong-" + shop.mark)
    shop.policy()
    shop.await_condition("Ready", "False", "AuthenticationFailed", name=BROKER, kind="fwmb")
    shop.await_condition("WithinLag", "Unknown", "AuthenticationFailed")
    shop.let_it_decide(10)
    assert shop.replicas() == 3
    shop.broker()
    shop.await_condition("Ready", "True", "Sweeping", name=BROKER, kind="fwmb")
    shop.await_replicas(1)
