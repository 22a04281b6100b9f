"""What a policy promises and cannot keep, whatever brokers and topics do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from floodwarden.core.delivery.lint import LIVE, lint, unproven
from floodwarden.core.delivery.survey import BrokerFound, Source, TopicFound, Value
from floodwarden.core.delivery.violations import UNCLEAN
from floodwarden.core.delivery.wishes import Wishes
from floodwarden.core.observation import Unknown
from tests.support.delivery import CLEAN, DENIED, KEPT, broker, lost, topic, wishes

THREE = [broker(node) for node in range(3)]
RACKS = [broker(0, rack="a"), broker(1, rack="b"), broker(2, rack="a")]


@pytest.mark.parametrize(
    ("policy", "brokers", "says"),
    [
        pytest.param(wishes(factor=3, min_in_sync=2), THREE, [], id="what one should ask for"),
        pytest.param(wishes(factor=3, min_in_sync=2, acks="All", flush="Replicated"), THREE, [], id="and with all promises"),
        pytest.param(
            wishes(factor=4), THREE, ["replication.factor 4 cannot be kept: there are 3 brokers"], id="more copies than brokers"
        ),
        pytest.param(wishes(factor=4), [], [], id="brokers nobody knows"),
        pytest.param(
            wishes(factor=3),
            RACKS,
            ["replication.factor 3 puts copies into the same rack: there are 2"],
            id="more copies than racks",
        ),
        pytest.param(wishes(factor=2), RACKS, [], id="a rack for each copy"),
        pytest.param(wishes(factor=3), [*RACKS[:2], lost(2)], [], id="a node that is away may be in a rack of its own"),
        pytest.param(
            wishes(factor=2, min_in_sync=2),
            THREE,
            ["replication.minInSync 2 equals the factor: writes stop whenever one broker restarts"],
            id="all copies must be in sync",
        ),
        pytest.param(
            wishes(min_in_sync=2, acks="Leader"),
            THREE,
            ["acks Leader does not wait for replicas: minInSync 2 protects nothing that is written so"],
            id="in sync, and nobody waits",
        ),
        pytest.param(wishes(min_in_sync=1, acks="Leader"), THREE, [], id="one in sync is the leader"),
        pytest.param(wishes(min_in_sync=2, acks="All"), THREE, [], id="in sync, and waited for"),
        pytest.param(
            wishes(acks="None", flush="Replicated"),
            THREE,
            ["flush Replicated promises messages on other brokers, but with acks None producers do not wait for that"],
            id="replicated, and nobody waits",
        ),
        pytest.param(
            wishes(min_in_sync=2, acks="None", flush="Sync"),
            THREE,
            [
                "acks None does not wait for replicas: minInSync 2 protects nothing that is written so",
                "flush Sync promises messages on disk, but with acks None producers do not wait for that",
            ],
            id="flushed, and nobody waits",
        ),
        pytest.param(
            wishes(flush="Sync"),
            THREE,
            ["flush Sync alone keeps messages on one disk: a lost disk loses them; add replication with minInSync 2"],
            id="one disk",
        ),
        pytest.param(wishes(flush="Sync", min_in_sync=2), THREE, [], id="two disks"),
        pytest.param(wishes(flush="Async", acks="None"), THREE, [], id="nothing is promised"),
    ],
)
def test_lint(policy: Wishes, brokers: Sequence[BrokerFound], says: list[str]) -> None:
    """One sentence for each promise."""
    assert list(lint(policy, [], brokers)) == says


STOPS = "writes stop whenever one broker restarts"
TIMES = "message.timestamp.type"
CREATED = topic("created", {TIMES: "CreateTime"})
APPENDED = topic("appended", {TIMES: "LogAppendTime"})
LED = [broker(node, {"process.roles": "broker"}) for node in range(3)]
ALONE = [broker(node, {"process.roles": "broker,controller"}) for node in range(3)]


@pytest.mark.parametrize(
    ("policy", "topics", "doubtful"),
    [
        pytest.param(wishes(KEPT), [CREATED, APPENDED], ("created", "topic"), id="of the topic itself"),
        pytest.param(wishes(KEPT), [topic("plain", {})], ("plain", f"broker 0 ({TIMES}, file)"), id="of the brokers"),
        pytest.param(wishes(KEPT), [APPENDED], None, id="brokers' own clocks"),
        pytest.param(wishes(CLEAN), [CREATED], None, id="no retention is asked for"),
        pytest.param(wishes(KEPT), [topic("hidden", DENIED)], None, id="what is not known"),
    ],
)
def test_times_that_producers_write(policy: Wishes, topics: Sequence[TopicFound], doubtful: tuple[str, str] | None) -> None:
    """A retention that counts from other people's clocks is told, with who says so."""
    said = list(lint(policy, topics, [broker(0, defaults={TIMES: "CreateTime"}), *THREE[1:]]))
    if doubtful is None:
        assert said == []
    else:
        name, where = doubtful
        assert said == [
            f"retention.ms of {name} counts from the times that producers write ({TIMES}: {where}): "
            f"a wrong clock there makes it shorter; {LIVE}"
        ]


def test_times_that_cannot_change_live() -> None:
    """Where nodes say that they would need a restart, it is the topics that are to be changed."""
    fixed = replace(THREE[0], defaults={TIMES: Value("CreateTime", Source.FILE, live=False, key=TIMES)})
    (said,) = lint(wishes(KEPT), [topic("plain", {})], [fixed, *THREE[1:]])
    assert said.endswith("set LogAppendTime on the topics, their brokers would need a restart for it")


@pytest.mark.parametrize(
    ("policy", "own", "brokers", "told"),
    [
        pytest.param(wishes(CLEAN), {}, LED, True, id="controllers are nodes of their own"),
        pytest.param(wishes(CLEAN), {UNCLEAN: "false"}, LED, False, id="the topic says it itself"),
        pytest.param(wishes(CLEAN), {}, ALONE, False, id="brokers are controllers"),
        pytest.param(wishes(CLEAN), {}, THREE, False, id="brokers that do not say what they are"),
        pytest.param(wishes(KEPT), {}, LED, False, id="nobody asks for it"),
    ],
)
def test_what_controllers_decide(policy: Wishes, own: dict[str, str], brokers: Sequence[BrokerFound], told: bool) -> None:
    """What dedicated controllers hold cannot be asked, and is not taken for what brokers say."""
    said = [one for one in unproven(policy, [topic("orders", own)], brokers) if one.startswith(f"{UNCLEAN} of orders: where")]
    assert bool(said) is told


@pytest.mark.parametrize(
    ("policy", "own", "names"),
    [
        pytest.param(wishes(factor=3), {"min.insync.replicas": "3"}, "orders", id="as many as there are"),
        pytest.param(wishes(factor=3), {"min.insync.replicas": "2"}, None, id="one may be away"),
        pytest.param(wishes(CLEAN), {"min.insync.replicas": "3"}, None, id="nobody asks for copies"),
        pytest.param(wishes(factor=3), DENIED, None, id="what is not known"),
    ],
)
def test_topics_without_a_reserve(policy: Wishes, own: dict[str, str] | Unknown, names: str | None) -> None:
    """Whatever the policy asks for: the topic itself stops its writes with the first broker that restarts."""
    said = [one for one in lint(policy, [topic("orders", own)], THREE) if "equals the replicas there" in one]
    assert said == ([f"min.insync.replicas of {names} equals the replicas there: {STOPS}"] if names else [])


@pytest.mark.parametrize(
    ("names", "missing"),
    [
        pytest.param(["orders", "payments"], "payments", id="one of two"),
        pytest.param(["orders", "pay*"], None, id="a pattern may match nothing yet"),
        pytest.param(["payments"], None, id="none at all is told in the condition"),
    ],
)
def test_a_name_that_no_topic_has(names: Sequence[str], missing: str | None) -> None:
    """All is as asked for would be said of topics that do not exist."""
    topics = [topic("orders")] if "orders" in names else []
    said = [one for one in lint(wishes(names=names), topics, THREE) if one.startswith("no topic matches")]
    assert said == ([f"no topic matches {missing}: correct spec.match, or create the topic"] if missing else [])
