"""Which topics of RocketMQ a policy speaks of, and names that none has."""

from __future__ import annotations

import pytest

from floodwarden.core.delivery.rocketmq.found import RocketMQFound, TopicOn
from floodwarden.core.delivery.rocketmq.judging import judge
from floodwarden.core.delivery.wishes import Wishes
from tests.unit.core.delivery.test_rocketmq import found, server, wishes


def test_names_are_compared_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """For each policy and topic, on however many brokers it is; a policy without patterns is asked about its own names alone."""
    asked: list[tuple[str, str]] = []
    matches = Wishes.matches

    def counted(policy: Wishes, topic: str) -> bool:
        asked.append((policy.name, topic))
        return matches(policy, topic)

    monkeypatch.setattr(Wishes, "matches", counted)
    topics = {name: TopicOn(6, 1, 1) for name in ("orders", "bills", "clicks")}
    what = RocketMQFound(tuple(found(server(), name=name, topics=topics).sets[0] for name in ("broker-a", "broker-b", "broker-c")))
    policies = [wishes(), wishes(name="shop/bills", names=("bills", "nothing"), exclude=("clicks",))]
    judged = judge(what, policies)
    assert {name: one.topics for name, one in judged.items()} == {"shop/orders": 1, "shop/bills": 1}
    assert sorted(asked) == [("shop/bills", "bills"), *(("shop/orders", name) for name in ("bills", "clicks", "orders"))]
