"""Readings that are not what they seem: each is told by its own name, and none takes replicas away."""

from __future__ import annotations

import json
from pathlib import Path

from tests.integration.loop.shop import Shop


def hold(shop: Shop) -> None:
    """See that three replicas are left for longer than the window of ten seconds."""
    shop.let_it_decide(26)
    assert shop.replicas() == 3


WINDOW = {"scaleDown": {"stabilization": "10s"}}


def test_a_topic_is_deleted_and_created_again(shop: Shop) -> None:
    """A deleted topic is missing; one of the same name is another topic, whose lag is not known before a commit."""
    shop.make_topic(4)
    shop.idle(3)
    shop.broker()
    shop.policy(consumers=WINDOW)
    shop.await_condition("WithinLag", "True", "WithinLimit")
    shop.delete_topic(shop.topic)
    assert shop.topic in shop.await_condition("WithinLag", "Unknown", "TopicMissing")
    hold(shop)
    shop.make_topic(4, read=False)
    shop.produce(2)
    shop.await_condition("WithinLag", "Unknown", "TopicRecreated")
    shop.let_it_decide()
    assert shop.replicas() == 3
    shop.kafka.commit(shop.group, shop.topic, dict.fromkeys(range(4), 2))
    shop.await_condition("WithinLag", "True", "WithinLimit")
    told = shop.reasons()
    assert told[0] == "TopicMissing"
    assert told.count("TopicMissing") == 1
    assert told.count("TopicRecreated") == 1


def test_partitions_are_added(shop: Shop) -> None:
    """The ceiling rises with the partitions, and it is told once."""
    shop.make_topic(2)
    shop.idle(1)
    shop.broker()
    shop.policy()
    shop.await_status(lambda s: s.get("replicas", {}).get("ceiling") == 2, "ceiling 2")
    shop.kafka.grow(shop.topic, 4)
    shop.await_status(lambda s: s.get("replicas", {}).get("ceiling") == 4 and s["partitions"]["total"] == 4, "ceiling 4")
    shop.let_it_decide()
    assert shop.reasons() == ["PartitionsAdded"]
    assert shop.condition("WithinLag") == ("True", "WithinLimit")


def test_a_group_that_never_committed(shop: Shop) -> None:
    """Without any commit the lag is not known, and said so, not zero."""
    shop.make_topic(4, read=False)
    shop.produce(50)
    shop.idle(3)
    shop.broker()
    shop.policy(consumers=WINDOW)
    shop.await_condition("WithinLag", "Unknown", "NoCommitYet")
    hold(shop)
    assert shop.measure("policy_lag_messages") is None
    assert shop.measure("policy_within_limit") is None
    shop.kafka.commit(shop.group, shop.topic, dict.fromkeys(range(4), 50))
    shop.await_condition("WithinLag", "True", "WithinLimit")


def test_messages_expired_before_they_were_read(shop: Shop, tmp_path: Path) -> None:
    """Offsets below the log start mean lost messages: counted and told once, and no reason for fewer replicas."""
    shop.make_topic(2)
    shop.produce(50, partitions=range(2))
    shop.kafka.commit(shop.group, shop.topic, {0: 10, 1: 50})
    shop.idle(2)
    shop.broker()
    shop.policy()
    shop.await_status(lambda s: s.get("lag") and s["lag"]["messages"] == 40, "the lag read")
    wanted = tmp_path / "records.json"
    wanted.write_text(json.dumps({"version": 1, "partitions": [{"topic": shop.topic, "partition": 0, "offset": 30}]}))
    shop.kafka.tool("kafka-delete-records", "--offset-json-file", str(wanted))
    message = shop.await_event("OffsetBelowLogStart")
    assert f"{shop.topic}-0 of 2 partitions (20 messages)" in message
    shop.await_status(lambda s: s["lag"]["messages"] == 20 and not s["lag"]["exact"], "what is left to read")
    shop.let_it_decide()
    assert shop.replicas() == 2
    shop.kafka.commit(shop.group, shop.topic, {0: 50})
    shop.await_condition("WithinLag", "True", "WithinLimit")
    assert shop.reasons().count("OffsetBelowLogStart") == 1
