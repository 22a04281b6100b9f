"""Backlogs: one jump to the even spread, the drain, and the way back down; ceilings; sleep."""

from __future__ import annotations

import re
from itertools import pairwise

from floodwarden.core.diagnosis.cause import Cause
from tests.integration.loop.replica_log import replica_log
from tests.integration.loop.shop import POLICY, Shop

CAUSES = frozenset(cause.value for cause in Cause)


def test_a_spike_is_drained_after_one_jump(shop: Shop) -> None:
    """With a known capacity a spike takes the Deployment to the even spread that drains it in time, in one change and never
    past the partitions; then the lag drains, and one step leads down to the minimum. Columns and Events tell the numbers."""
    shop.make_topic(8)
    shop.broker()
    shop.consumers(2, capacity=25)
    shop.policy(maxLag={"messages": 2000}, consumers={"minReplicas": 2})
    learnt = shop.learn_capacity(75, partitions=range(8))
    assert 21 <= learnt["capacity"]["perReplica"] <= 27
    shop.await_status(lambda s: s["lag"]["messages"] == 0, "the first backlog gone")

    with shop.stream(15, partitions=range(8)) as stream, replica_log(shop.kubectl, POLICY, shop.namespace) as replicas:
        shop.await_status(lambda s: s.get("rates", {}).get("produced", 0) > 10, "the stream is seen")
        shop.policy(maxLag={"messages": 60}, consumers={"minReplicas": 2})
        # 70/s need three replicas of 25/s, and two partitions each are the even spread; one each where a busy machine has let
        # more than 600 messages wait by then.
        stream.rate = 70
        shop.until(lambda: shop.replicas() > 2, "a step up", within=90)
        row = shop.kubectl.run("get", "fwbp", POLICY, "-n", shop.namespace, "--no-headers").split()
        assert row[5] == "8", row
        shop.await_event("Drained", within=120)
        stream.rate = 15
        shop.await_replicas(2, within=120)
        shop.await_status(lambda s: s["lag"]["messages"] < 60 and s["state"] == "Steady", "steady")
    assert [after for before, after in pairwise(replicas) if after > before] in ([4], [8]), replicas
    assert (replicas[0], replicas[-1]) == (2, 2)

    told = shop.events()
    _tells_the_story([reason for reason, _ in told])
    numbers = (
        r"2 → [48] replicas: lag \d+ .*, limit 60 messages; [\d.]+/s arriving, one replica does 2\d\.\d/s, "
        r"8 partitions, ceiling 8"
    )
    assert re.fullmatch(numbers, next(message for reason, message in told if reason == "ScaledUp"))
    _tells_the_story(shop.reasons(kind="Deployment"))
    _, lag, _, current, desired, ceiling, state, _ = shop.kubectl.run(
        "get", "fwbp", POLICY, "-n", shop.namespace, "--no-headers"
    ).split()
    assert (current, desired, ceiling) == ("2", "2", "8")
    assert int(lag) < 60
    assert state == "Steady"
    described = shop.kafka.tool("kafka-consumer-groups", "--describe", "--group", shop.group)
    assert len(re.findall(rf"^{shop.group}\s+{shop.topic}\s", described, re.M)) == 8


def _tells_the_story(reasons: list[str]) -> None:
    """One step up, and down. The first may come before the limit is passed: with a known capacity that it will be is seen."""
    reasons = [reason for reason in reasons if reason not in CAUSES]  # told once it is sure, wherever that falls
    assert sorted(reasons[:2]) == ["OverLimit", "ScaledUp"], reasons
    steps = [reason for reason in reasons if reason.startswith("Scaled")]
    assert steps in (["ScaledUp", "ScaledDown"], ["ScaledUp", "ScaledDown", "ScaledDown"]), reasons
    # The limit is less than a second of the stream: a busy machine may pass it once more, and then both are told once more.
    limit = [reason for reason in reasons if not reason.startswith("Scaled")]
    assert limit == ["OverLimit", "Drained"] * (len(limit) // 2), reasons
    assert "Drained" in reasons[2 : reasons.index("ScaledDown")], reasons


def test_max_replicas_below_the_partitions(shop: Shop) -> None:
    """The largest even spread below maxReplicas is gone to, and that it does not suffice is told once, as AtCeiling."""
    shop.make_topic(4)
    shop.broker()
    shop.consumers(1, capacity=10)
    shop.policy(consumers={"maxReplicas": 3})
    with replica_log(shop.kubectl, POLICY, shop.namespace) as replicas, shop.stream(40):
        shop.await_replicas(2)
        shop.await_event("AtCeiling", within=90)
        status = shop.status()
    assert status["replicas"]["ceiling"] == 3
    assert replicas == [1, 2]
    assert shop.reasons().count("AtCeiling") == 1
    assert "AtCeiling" in shop.reasons(kind="Deployment")


def test_sleeps_and_wakes(shop: Shop) -> None:
    """With minReplicas 0 consumers sleep once nothing has waited for the window, and the next message wakes them."""
    shop.make_topic(2)
    shop.produce(5, partitions=range(2))
    shop.broker()
    shop.consumers(1)
    shop.policy(consumers={"minReplicas": 0})
    shop.await_replicas(0)
    assert shop.await_event("PutToSleep").startswith("1 → 0 replicas")
    shop.await_status(lambda s: s.get("state") == "Asleep", "asleep")
    shop.produce(3, partitions=[1])
    shop.await_event("Woken")
    shop.await_status(lambda s: s["lag"] == {"messages": 0, "seconds": 0, "exact": True}, "all read")
    shop.await_replicas(0)


def test_wakes_a_group_that_never_committed(shop: Shop) -> None:
    """Messages that nobody ever read wake sleeping consumers, although the lag is not known without a commit."""
    shop.make_topic(2, read=False)
    shop.broker()
    shop.consumers(0)
    shop.policy(consumers={"minReplicas": 0})
    shop.await_status(lambda s: s.get("state") == "Asleep", "asleep")
    shop.produce(4, partitions=[0])
    shop.await_event("Woken")
    shop.await_status(lambda s: s.get("lag", {}).get("exact") and s["lag"]["messages"] == 0, "all read")
