"""Which topics of RocketMQ a policy speaks of, and names that none has."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from floodwarden.core.delivery.rocketmq.found import RocketMQFound, TopicOn
from floodwarden.core.delivery.rocketmq.judging import judge
from floodwarden.core.delivery.wishes import Wishes
from tests.support.delivery import AWAY
from tests.unit.core.delivery.test_rocketmq import found, judged, server, wishes

NAMED: Mapping[str, tuple[Wishes, RocketMQFound, bool]] = {
    "one that no topic has": (wishes(names=("orders", "ordres")), found(server()), True),
    "where there are others": (wishes(names=("orders", "b*")), found(server()), False),
    "a pattern that none has": (wishes(names=("orders", "ordres*")), found(server()), False),
    "where no topic is found at all": (wishes(names=("ordres",)), found(server()), False),
    "where not all are known": (
        wishes(names=("orders", "ordres")),
        RocketMQFound((*found(server()).sets, *found(server(), name="broker-b", topics=AWAY).sets)),
        False,
    ),
}


@pytest.mark.parametrize(("policy", "what", "warned"), NAMED.values(), ids=NAMED.keys())
def test_names_that_no_topic_has(policy: Wishes, what: RocketMQFound, warned: bool) -> None:
    """They are most often misspelt. Where no topic matches, a condition says so; where not all are known, nobody can tell."""
    told = [one for one in judged(policy, what).warnings if "no topic matches" in one]
    assert told == (["no topic matches ordres: correct spec.match, or create the topic"] if warned else [])


def test_names_are_compared_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """For each policy and topic, on however many brokers it is; a policy without patterns is asked about its own names alone."""
    asked: list[tuple[str, str]] = []
    matches = Wishes.matches

    def counted(policy: Wishes, topic: str) -> bool:
        asked.append((policy.name, topic))
        return matches(policy, topic)

    monkeypatch.setattr(Wishes, "matches", counted)
    topics = {name: TopicOn(6, 1, 1) for name in ("orders", "bills", "clicks")}
    what = RocketMQFound(
        tuple(found(server(), name=name, topics=topics).sets[0] for name in ("broker-a", "broker-b", "broker-c"))
    )
    policies = [wishes(), wishes(name="shop/bills", names=("bills", "nothing"), exclude=("clicks",))]
    both = judge(what, policies)
    assert {name: one.topics for name, one in both.items()} == {"shop/orders": 1, "shop/bills": 1}
    assert sorted(asked) == [("shop/bills", "bills"), *(("shop/orders", name) for name in ("bills", "clicks", "orders"))]
