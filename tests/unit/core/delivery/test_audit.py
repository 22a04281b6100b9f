"""Topics compared with policies: each difference once, where it is and what becomes of it; nothing is made of the unknown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest

from floodwarden.core.delivery.audit import audit
from floodwarden.core.delivery.survey import BrokerFound, Change, Source, TopicFound, Value
from floodwarden.core.delivery.violations import FACTOR, IN_SYNC, MIN_IN_SYNC, UNCLEAN, Action
from floodwarden.core.delivery.wishes import Requirement, Wishes
from floodwarden.core.observation import Unknown
from tests.support.delivery import (
    CLEAN,
    DAY,
    FLUSH,
    FLUSHED,
    HOUR,
    IN_SYNC_2,
    KEPT,
    NEVER,
    RETENTION,
    SIZE,
    UNBOUNDED,
    audited,
    broker,
    lost,
    of_topics,
    survey,
    the,
    topic,
    wishes,
)

ALL = (IN_SYNC_2, CLEAN, FLUSHED, KEPT, UNBOUNDED)


@dataclass(frozen=True)
class Case:
    """A topic that differs from a requirement in one thing: what is found, where, and what would be written."""

    name: str
    need: Requirement
    topic: TopicFound
    found: str
    where: str
    written: str | None
    brokers: Sequence[BrokerFound] = field(default_factory=lambda: [broker(node) for node in range(3)])


DYNAMIC_1 = Value("1", Source.DYNAMIC)
OF_THE_BROKER = Value("60000", Source.DYNAMIC, key="log.retention.ms")

DIFFERENT = [
    Case("too few in sync", IN_SYNC_2, topic(own={MIN_IN_SYNC: "1"}), "1", "topic", "2"),
    Case("unclean", CLEAN, topic(own={UNCLEAN: "true"}), "true", "topic", "false"),
    Case("flushed too seldom", FLUSHED, topic(own={FLUSH: "5000"}), "5000", "topic", "1000"),
    Case("too short", KEPT, topic(own={RETENTION: "5000"}), "5000 (5s)", "topic", str(DAY)),
    Case("a size is only told", UNBOUNDED, topic(own={SIZE: "999"}), "999", "topic", None),
    Case(
        "nobody has set it",
        FLUSHED,
        topic(),
        NEVER,
        "brokers 0, 1, 2 (flush.messages, default)",
        "1000",
    ),
    Case(
        "all nodes' files",
        IN_SYNC_2,
        topic(),
        "1",
        "brokers 0, 1, 2 (min.insync.replicas, file)",
        "2",
        [broker(node, defaults={MIN_IN_SYNC: "1"}) for node in range(3)],
    ),
    Case(
        "one node's file, and not the first one's",
        IN_SYNC_2,
        topic(),
        "1",
        "broker 2 (min.insync.replicas, file)",
        "2",
        [broker(0), broker(1), broker(2, defaults={MIN_IN_SYNC: "1"})],
    ),
    Case(
        "one node while it runs, under its own key",
        KEPT,
        topic(),
        "60000 (1m)",
        "broker 1 (log.retention.ms, dynamic)",
        str(7 * DAY),
        [broker(0), broker(1, defaults={RETENTION: OF_THE_BROKER}), broker(2)],
    ),
    Case(
        "two nodes in two ways",
        IN_SYNC_2,
        topic(),
        "1, 0",
        "brokers 0, 2 (min.insync.replicas, dynamic); broker 1 (min.insync.replicas, file)",
        "2",
        [broker(node, defaults={MIN_IN_SYNC: "0" if node == 1 else DYNAMIC_1}) for node in range(3)],
    ),
    Case(
        "what one node keeps longer is not taken away by the repair",
        KEPT,
        topic(),
        f"{HOUR} (1h)",
        "broker 0 (retention.ms, file)",
        "-1",
        [broker(0, defaults={RETENTION: str(HOUR)}), broker(1, defaults={RETENTION: "-1"}), broker(2)],
    ),
    Case(
        "nor what one node flushes more often",
        FLUSHED,
        topic(),
        NEVER,
        "brokers 0, 1 (flush.messages, default)",
        "10",
        [broker(0), broker(1), broker(2, defaults={FLUSH: "10"})],
    ),
]


@pytest.mark.parametrize("case", DIFFERENT, ids=lambda case: str(case.name))
@pytest.mark.parametrize("acts", [True, False], ids=["Enforce", "Audit"])
def test_a_difference(case: Case, acts: bool) -> None:
    """It is told with value and place; what may be written is written by Enforce only."""
    findings = audited(wishes(case.need, acts=acts), survey(case.topic, brokers=case.brokers))
    violation = the(of_topics(findings))
    assert (violation.resource, violation.setting, violation.wanted) == ("topic orders", case.need.setting, str(case.need))
    assert (violation.found, violation.where) == (case.found, case.where)
    assert violation.action is (Action.REPORT if case.written is None else Action.REPAIR)
    if acts and case.written is not None:
        assert findings.changes == (Change("orders", case.need.setting, case.written, case.found),)
        assert "written with this audit" in violation.reason
    else:
        assert findings.changes == ()
        assert "written with this audit" not in violation.reason
    assert findings.gaps == ()


@pytest.mark.parametrize(
    ("need", "found", "brokers"),
    [
        pytest.param(IN_SYNC_2, topic(own={MIN_IN_SYNC: "2"}), (), id="just enough"),
        pytest.param(KEPT, topic(own={RETENTION: "-1"}), (), id="endless"),
        pytest.param(CLEAN, topic(), (), id="nobody has set it, and that is good"),
        pytest.param(
            IN_SYNC_2,
            topic(own={MIN_IN_SYNC: "2"}),
            [broker(node, defaults={MIN_IN_SYNC: "1"}) for node in range(3)],
            id="the topic's own value stands above that of the nodes",
        ),
        pytest.param(
            IN_SYNC_2,
            topic(on=[(0, 1), (1, 0)]),
            [broker(0), broker(1), broker(2, defaults={MIN_IN_SYNC: "1"})],
            id="a node that does not hold the topic does not count",
        ),
        pytest.param(
            IN_SYNC_2,
            topic(on=[(0, 1), (1, 0)]),
            [broker(0), broker(1), lost(2)],
            id="nor does what is not known of it",
        ),
    ],
)
def test_no_difference(need: Requirement, found: TopicFound, brokers: Sequence[BrokerFound]) -> None:
    """What is as asked for is not told."""
    findings = audited(wishes(need), survey(found, brokers=brokers or None))
    assert (of_topics(findings), findings.changes) == ([], ())


@pytest.mark.parametrize("need", ALL, ids=lambda need: str(need.setting))
def test_only_what_is_named(need: Requirement) -> None:
    """A topic that does everything badly is told, and changed, in the one setting that the policy names."""
    bad = topic(own={MIN_IN_SYNC: "1", UNCLEAN: "true", FLUSH: NEVER, RETENTION: "5000", SIZE: "999"})
    findings = audited(wishes(need), survey(bad))
    assert [violation.setting for violation in of_topics(findings)] == [need.setting]
    assert [change.setting for change in findings.changes] == ([need.setting] if need.writable else [])


def test_only_what_matches() -> None:
    """Topics that do not match are neither told nor changed; those that do are counted."""
    bad = {MIN_IN_SYNC: "1"}
    found = survey(topic("orders", bad), topic("orders-tmp", bad), topic("payments", bad), topic("orders-eu"))
    findings = audited(wishes(IN_SYNC_2, names=["orders*"], exclude=["*-tmp"]), found)
    assert [violation.resource for violation in of_topics(findings)] == ["topic orders"]
    assert [change.name for change in findings.changes] == ["orders"]
    assert (findings.topics, findings.brokers) == (2, 3)


@pytest.mark.parametrize(
    ("replicas", "in_sync", "factor", "action", "says"),
    [
        pytest.param(3, 2, None, Action.REPAIR, "it is written", id="one below the replicas"),
        pytest.param(2, 2, None, Action.REPORT, "its replication factor is just 2", id="as many as replicas"),
        pytest.param(2, 2, 2, Action.REPAIR, "it is written", id="as many as replicas, as the policy's factor says"),
        pytest.param(2, 2, 3, Action.REPORT, "its replication factor is just 2", id="as many as replicas, which are to be more"),
        pytest.param(1, 2, None, Action.REPORT, "its replication factor is 1, above which it cannot", id="more than replicas"),
        pytest.param(1, 2, 2, Action.REPORT, "its replication factor is 1", id="more than replicas, whatever the factor says"),
    ],
)
def test_min_in_sync_and_replicas(replicas: int, in_sync: int, factor: int | None, action: Action, says: str) -> None:
    """It is not written where writes would stop, at once or with the first broker that restarts."""
    found = topic(own={MIN_IN_SYNC: "1"}, on=[range(3), range(replicas)])  # the worst partition counts
    findings = audited(wishes(factor=factor, min_in_sync=in_sync), survey(found))
    violation = the([one for one in of_topics(findings) if one.setting == MIN_IN_SYNC])
    assert violation.action is action
    assert says in violation.reason
    assert len(findings.changes) == (action is Action.REPAIR)


@pytest.mark.parametrize(
    ("in_sync", "action"),
    [
        pytest.param([(0, 1, 2), (0,)], Action.REPORT, id="one that is in sync, and others that are being made"),
        pytest.param([(0, 1, 2), (0, 1)], Action.REPAIR, id="just enough"),
    ],
)
def test_min_in_sync_and_copies_in_sync(in_sync: Sequence[Sequence[int]], action: Action) -> None:
    """It is not written where it would stop writes at once: replicas that are still being made do not count."""
    found = topic(own={MIN_IN_SYNC: "1"}, on=[(0, 1, 2), (0, 1, 2)], in_sync=in_sync)
    findings = audited(wishes(factor=3, min_in_sync=2), survey(found))
    violation = the([one for one in of_topics(findings) if one.setting == MIN_IN_SYNC])
    assert violation.action is action
    assert len(findings.changes) == (action is Action.REPAIR)
    assert ("only 1 of its replicas are in sync" in violation.reason) is (action is Action.REPORT)


def test_min_in_sync_that_one_node_has_higher() -> None:
    """Where the topic inherits 1 here and 3 there, neither 2 nor 3 can be written to three replicas."""
    brokers = [broker(0, defaults={MIN_IN_SYNC: "1"}), broker(1), broker(2, defaults={MIN_IN_SYNC: "3"})]
    findings = audited(wishes(IN_SYNC_2), survey(topic(), brokers=brokers))
    violation = the(of_topics(findings))
    assert (violation.action, violation.where) == (Action.REPORT, "broker 0 (min.insync.replicas, file)")
    assert "is just 3" in violation.reason
    assert findings.changes == ()


def test_another_owner() -> None:
    """What a KafkaTopic has is told with its name, and left alone; the topic beside it is not."""
    bad = {MIN_IN_SYNC: "1", SIZE: "999"}
    found = survey(topic("orders", bad), topic("payments", bad))
    findings = audited(wishes(IN_SYNC_2, UNBOUNDED), found, {"orders": "KafkaTopic kafka/orders", "others": "KafkaTopic x/y"})
    owned = [violation for violation in findings.violations if violation.resource == "topic orders"]
    assert [violation.action for violation in owned] == [Action.OWNER] * 2
    assert {violation.reason for violation in owned} == {"KafkaTopic kafka/orders has this topic: change it there"}
    assert [change.name for change in findings.changes] == ["payments"]


class TestReplicas:
    """How many copies there are, and who of them is in sync."""

    @pytest.mark.parametrize(
        ("on", "found"),
        [
            pytest.param([(0, 1), (1, 2)], "2", id="all partitions"),
            pytest.param([(0, 1, 2), (1, 2), (0,)], "1 in partitions 1, 2", id="some partitions"),
        ],
    )
    def test_too_few(self, on: Sequence[Sequence[int]], found: str) -> None:
        """Told with the fewest there are; it is no setting that could be written."""
        findings = audited(wishes(factor=3), survey(topic(on=on)))
        violation = the(of_topics(findings))
        assert (violation.setting, violation.wanted, violation.found) == (FACTOR, "≥ 3", found)
        assert (violation.where, violation.action) == ("topic", Action.REPAIR)
        assert violation.reason == "copies are made by reassignment"
        assert findings.changes == ()

    def test_too_few_in_mode_audit(self) -> None:
        """It says what would be done."""
        violation = the(of_topics(audited(wishes(factor=3, enforces=False), survey(topic(on=[(0,)])))))
        assert violation.action is Action.REPAIR
        assert violation.reason == "mode Enforce would raise it by reassignment; it is never lowered"

    @pytest.mark.parametrize("factor", [3, 5])
    def test_too_few_of_what_somebody_else_owns(self, factor: int) -> None:
        """It is told with the owner's name, and left to them."""
        owners = {"orders": "KafkaTopic kafka/orders"}
        violation = the(of_topics(audited(wishes(factor=factor), survey(topic(on=[(0,)])), owners)))
        assert violation.action is Action.OWNER
        assert violation.reason == "KafkaTopic kafka/orders has this topic: change it there"

    def test_more_than_asked_for(self) -> None:
        """Nothing to say: a factor is never lowered."""
        assert of_topics(audited(wishes(factor=2), survey(topic()))) == []

    def test_more_than_there_are_brokers(self) -> None:
        """It says what is missing."""
        violation = the(of_topics(audited(wishes(factor=4), survey(topic()))))
        assert (violation.action, violation.reason) == (Action.REPORT, "4 replicas need as many brokers, and there are 3")

    def test_not_asked_for(self) -> None:
        """A policy without a factor does not judge it."""
        assert of_topics(audited(wishes(CLEAN), survey(topic(on=[(0,)])))) == []

    @pytest.mark.parametrize(
        ("in_sync", "found", "begins"),
        [
            pytest.param([(0, 1, 2), (0, 1)], "2 of 3 in partitions 1", "a broker is down", id="enough for producers"),
            pytest.param([(0,), (0, 1)], "1 of 3 in partitions 0; 2 of 3 in partitions 1", "below its", id="too few to write"),
        ],
    )
    def test_behind(self, in_sync: Sequence[Sequence[int]], found: str, begins: str) -> None:
        """Told by how many, with what the worst of it means."""
        held = topic(on=[(0, 1, 2), (0, 1, 2)], in_sync=in_sync)
        violation = the(of_topics(audited(wishes(factor=3, min_in_sync=2), survey(held))))
        assert (violation.setting, violation.wanted, violation.found) == (IN_SYNC, "all", found)
        assert violation.action is Action.REPORT
        assert violation.reason.startswith(begins)


def test_more_in_sync_than_there_are_are_asked_for() -> None:
    """By the topic itself: what the policy asks for is fulfilled, and writes stop all the same."""
    held = topic(on=[(0, 1, 2)], in_sync=[(0, 1)], own={MIN_IN_SYNC: "3"})
    violation = the(of_topics(audited(wishes(factor=3, min_in_sync=2), survey(held))))
    assert violation.reason.startswith("below its min.insync.replicas 3, so writes with acks=all are refused")


def test_a_partition_without_a_leader() -> None:
    """Also where all of its copies are in sync, as when the only disk that has it is gone."""
    held = topic(on=[(0,), (1,)], own={MIN_IN_SYNC: "1"})
    placements = held.placements
    assert not isinstance(placements, Unknown)
    lost = replace(held, placements=(replace(placements[0], led=False), placements[1]))
    violation = the([one for one in of_topics(audited(wishes(factor=1), survey(lost))) if one.setting == IN_SYNC])
    assert violation.found == "no leader in partitions 0"
    assert violation.reason.startswith("what has no leader can be neither written nor read")


def test_the_broken_nodes_are_told_to_each_policy_that_asks() -> None:
    """And what no setting can keep is warned of."""
    found = audited(wishes(factor=5), survey(topic()))
    assert found.warnings == ("replication.factor 5 cannot be kept: there are 3 brokers",)


def test_nothing_at_all() -> None:
    """No policy, no topic."""
    assert audit(survey(topic()), [], {}) == {}
    policy: Wishes = wishes(*ALL, names=["nobody"])
    findings = audited(policy, survey(topic()))
    assert (findings.topics, findings.violations, findings.changes, findings.gaps) == (0, (), (), ())


def test_more_in_sync_than_replicas() -> None:
    """More copies in sync are asked for than there are replicas, which no broker tells: reported, and nothing is written."""
    findings = audited(wishes(min_in_sync=2), survey(topic(on=[[0]])))
    found = the(of_topics(findings))
    assert (found.setting, found.found, found.action) == (MIN_IN_SYNC, "2", Action.REPORT)
    assert found.reason.startswith("above its replicas it cannot hold: older brokers refuse every write")
    assert findings.changes == ()
    assert not of_topics(audited(wishes(min_in_sync=2), survey(topic(on=[[0, 1]]))))
