"""Topics compared with policies: each difference once, where it is and what becomes of it; nothing is made of the unknown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import permutations

import pytest

from floodwarden.core.assess import Gap
from floodwarden.core.delivery.audit import audit
from floodwarden.core.delivery.survey import BrokerFound, Change, Source, TopicFound, Value
from floodwarden.core.delivery.violations import FACTOR, IN_SYNC, MIN_IN_SYNC, UNCLEAN, Action
from floodwarden.core.delivery.wishes import Requirement, Wishes
from floodwarden.core.reasons import Reason
from tests.support.delivery import (
    AWAY,
    CLEAN,
    DAY,
    DENIED,
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
HIDDEN = Value(None, Source.TOPIC)


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
    Case("too short", KEPT, topic(own={RETENTION: "5000"}), "5000", "topic", str(DAY)),
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
        "60000",
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
        str(HOUR),
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
    assert [change.topic for change in findings.changes] == ["orders"]
    assert (findings.topics, findings.brokers) == (2, 3)


@pytest.mark.parametrize(
    ("replicas", "in_sync", "factor", "action", "says"),
    [
        pytest.param(3, 2, None, Action.REPAIR, "it is written", id="one below the replicas"),
        pytest.param(2, 2, None, Action.REPORT, "the topic has just 2 replicas", id="as many as replicas"),
        pytest.param(2, 2, 2, Action.REPAIR, "it is written", id="as many as replicas, as the policy's factor says"),
        pytest.param(2, 2, 3, Action.REPORT, "the topic has just 2 replicas", id="as many as replicas, which are to be more"),
        pytest.param(1, 2, None, Action.REPORT, "the topic has 1 replicas", id="more than replicas"),
        pytest.param(1, 2, 2, Action.REPORT, "the topic has 1 replicas", id="more than replicas, whatever the factor says"),
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


def test_min_in_sync_that_one_node_has_higher() -> None:
    """Where the topic inherits 1 here and 3 there, neither 2 nor 3 can be written to three replicas."""
    brokers = [broker(0, defaults={MIN_IN_SYNC: "1"}), broker(1), broker(2, defaults={MIN_IN_SYNC: "3"})]
    findings = audited(wishes(IN_SYNC_2), survey(topic(), brokers=brokers))
    violation = the(of_topics(findings))
    assert (violation.action, violation.where) == (Action.REPORT, "broker 0 (min.insync.replicas, file)")
    assert "just 3 replicas" in violation.reason
    assert findings.changes == ()


def test_another_owner() -> None:
    """What a KafkaTopic has is told with its name, and left alone; the topic beside it is not."""
    bad = {MIN_IN_SYNC: "1", SIZE: "999"}
    found = survey(topic("orders", bad), topic("payments", bad))
    findings = audited(wishes(IN_SYNC_2, UNBOUNDED), found, {"orders": "KafkaTopic kafka/orders", "others": "KafkaTopic x/y"})
    owned = [violation for violation in findings.violations if violation.resource == "topic orders"]
    assert [violation.action for violation in owned] == [Action.OWNER] * 2
    assert {violation.reason for violation in owned} == {"KafkaTopic kafka/orders has this topic: change it there"}
    assert [change.topic for change in findings.changes] == ["payments"]


class TestSeveralPolicies:
    """Two policies about one setting of one topic."""

    bad = survey(topic("orders", {MIN_IN_SYNC: "1", UNCLEAN: "true"}), topic("payments", {MIN_IN_SYNC: "1"}))

    def test_that_disagree(self) -> None:
        """Neither writes the setting they differ in, each names the other; all else goes on."""
        three = wishes(name="shop/three", names=["orders"], min_in_sync=3, factor=4)
        two = wishes(CLEAN, name="shop/two", min_in_sync=2)
        found = audit(self.bad, [three, two], {})
        of_three, of_two = (the([one for one in found[name].violations if one.action is Action.CONFLICT]) for name in found)
        assert (of_three.resource, of_three.setting, of_three.wanted) == ("topic orders", MIN_IN_SYNC, "≥ 3")
        assert (of_three.found, of_three.where) == ("1", "topic")
        assert of_three.reason == "shop/two wants ≥ 2: neither is acted on until they agree"
        assert of_two.reason == "shop/three wants ≥ 3: neither is acted on until they agree"
        assert found["shop/three"].changes == ()
        assert set(found["shop/two"].changes) == {
            Change("orders", UNCLEAN, "false", "true"),
            Change("payments", MIN_IN_SYNC, "2", "1"),
        }

    def test_that_disagree_where_nothing_differs_yet(self) -> None:
        """It is told before somebody gets hurt, with the value that there is and where it comes from."""
        policies = [wishes(KEPT, name="shop/a"), wishes(Requirement(RETENTION, KEPT.relation, "7"), name="shop/b")]
        found = audit(survey(topic()), policies, {})
        for findings in found.values():
            conflict = the(findings.violations)
            assert (conflict.action, conflict.found) == (Action.CONFLICT, str(7 * DAY))
            assert conflict.where == "brokers 0, 1, 2 (retention.ms, default)"

    def test_of_which_one_only_looks(self) -> None:
        """Audit counts as well: it may be Enforce tomorrow."""
        policies = [wishes(IN_SYNC_2, name="shop/a"), wishes(name="shop/b", min_in_sync=3, acts=False)]
        found = audit(self.bad, policies, {})
        assert not any(findings.changes for findings in found.values())

    def test_that_disagree_on_the_factor(self) -> None:
        """Nobody writes a factor, but two that differ cannot both be had."""
        found = audit(survey(topic()), [wishes(name="shop/a", factor=3), wishes(name="shop/b", factor=2)], {})
        conflicts = [the(findings.violations) for findings in found.values()]
        assert [one.action for one in conflicts] == [Action.CONFLICT] * 2
        assert [one.reason.split(":")[0] for one in conflicts] == ["shop/b wants ≥ 2", "shop/a wants ≥ 3"]

    def test_that_agree(self) -> None:
        """They have one and the same change, so that it is written once."""
        found = audit(self.bad, [wishes(IN_SYNC_2, name="shop/a"), wishes(IN_SYNC_2, name="shop/b")], {})
        assert found["shop/a"].changes == found["shop/b"].changes
        assert len({change for findings in found.values() for change in findings.changes}) == 2
        assert {violation.action for violation in found["shop/a"].violations} == {Action.REPAIR}

    def test_that_speak_of_other_topics(self) -> None:
        """They cannot disagree."""
        apart = [wishes(IN_SYNC_2, name="shop/a", names=["orders"]), wishes(name="shop/b", names=["payments"], min_in_sync=3)]
        found = audit(self.bad, apart, {})
        assert {one.action for findings in found.values() for one in of_topics(findings)} == {Action.REPAIR, Action.REPORT}

    def test_three_of_which_two_agree(self) -> None:
        """Each names those that want something else, and only those, whatever the order."""
        three = [wishes(name=f"shop/{name}", min_in_sync=number) for name, number in (("a", 2), ("b", 2), ("c", 3))]
        for order in permutations(three):
            found = audit(survey(topic(own={MIN_IN_SYNC: "1"})), order, {})
            reasons = {name: the(of_topics(findings)).reason.split(":")[0] for name, findings in found.items()}
            assert reasons == {
                "shop/a": "shop/c wants ≥ 3",
                "shop/b": "shop/c wants ≥ 3",
                "shop/c": "shop/a wants ≥ 2, shop/b wants ≥ 2",
            }


class TestUnknown:
    """What is not known becomes a gap; never a violation, never a change."""

    @pytest.mark.parametrize(
        ("found", "brokers", "gap"),
        [
            pytest.param(topic(own=DENIED), None, Gap(Reason.AUTHORIZATION_FAILED, DENIED.detail), id="the topic's settings"),
            pytest.param(topic(on=AWAY), None, Gap(Reason.BROKER_UNREACHABLE, AWAY.detail), id="who holds what it inherits"),
            pytest.param(
                topic(own={MIN_IN_SYNC: HIDDEN}),
                None,
                Gap(Reason.BROKER_ERROR, "min.insync.replicas of topic orders cannot be understood"),
                id="a hidden value",
            ),
            pytest.param(
                topic(own={MIN_IN_SYNC: "two"}),
                None,
                Gap(Reason.BROKER_ERROR, "min.insync.replicas of topic orders cannot be understood"),
                id="no number",
            ),
            pytest.param(
                TopicFound("orders", topic().placements, {}),
                None,
                Gap(Reason.UNSUPPORTED, "the brokers do not tell min.insync.replicas of topic orders"),
                id="a setting that brokers do not have",
            ),
            pytest.param(
                topic(),
                [broker(0), broker(1, defaults=AWAY), broker(2)],
                Gap(Reason.BROKER_UNREACHABLE, AWAY.detail),
                id="a node that holds it",
            ),
            pytest.param(
                topic(),
                [broker(0), broker(1)],
                Gap(Reason.BROKER_UNREACHABLE, "node 2 is not among the brokers; check that it runs"),
                id="a node that holds it and nobody knows",
            ),
            pytest.param(
                topic(),
                [broker(0), broker(1), broker(2, defaults={MIN_IN_SYNC: "two"})],
                Gap(Reason.BROKER_ERROR, "min.insync.replicas of broker 2 cannot be understood"),
                id="a node's value that is no number",
            ),
        ],
    )
    def test_becomes_a_gap(self, found: TopicFound, brokers: Sequence[BrokerFound] | None, gap: Gap) -> None:
        """With its reason, and nothing else."""
        findings = audited(wishes(IN_SYNC_2), survey(found, brokers=brokers))
        assert (findings.violations, findings.changes, findings.gaps) == ((), (), (gap,))

    def test_settings_where_replicas_are_known(self) -> None:
        """The replicas are judged all the same."""
        findings = audited(wishes(IN_SYNC_2, factor=3), survey(topic(own=DENIED, on=[(0, 1)])))
        assert [violation.setting for violation in findings.violations] == [FACTOR]

    def test_replicas_where_the_topic_has_its_own_value(self) -> None:
        """It is judged by that; but how many copies in sync may be asked for is not known, so nothing is written."""
        findings = audited(wishes(IN_SYNC_2, CLEAN), survey(topic(own={MIN_IN_SYNC: "1", UNCLEAN: "true"}, on=AWAY)))
        assert [(one.setting, one.action) for one in findings.violations] == [
            (MIN_IN_SYNC, Action.REPORT),
            (UNCLEAN, Action.REPAIR),
        ]
        assert "not known" in findings.violations[0].reason
        assert [change.setting for change in findings.changes] == [UNCLEAN]

    @pytest.mark.parametrize(
        "unknown",
        [
            pytest.param(lost(2), id="a node that is away"),
            pytest.param(broker(2, defaults={RETENTION: Value(None, Source.FILE)}), id="a value it keeps to itself"),
        ],
    )
    def test_what_one_node_keeps(self, unknown: BrokerFound) -> None:
        """What another node does wrong is told, but not repaired: this one may keep messages for longer than is asked for."""
        brokers = [broker(0, defaults={RETENTION: str(HOUR)}), broker(1), unknown]
        findings = audited(wishes(KEPT), survey(topic(), brokers=brokers))
        violation = the(of_topics(findings))
        assert (violation.found, violation.where) == (str(HOUR), "broker 0 (retention.ms, file)")
        assert violation.action is Action.REPORT
        assert "once all of them answer" in violation.reason
        assert findings.changes == ()
        assert findings.gaps

    def test_what_one_node_says_of_a_switch(self) -> None:
        """A switch cannot be more than right: it is repaired."""
        brokers = [broker(0, defaults={UNCLEAN: "true"}), broker(1), lost(2)]
        findings = audited(wishes(CLEAN), survey(topic(), brokers=brokers))
        assert [change.value for change in findings.changes] == ["false"]

    def test_is_told_once(self) -> None:
        """A node that is away is one gap, for however many topics and settings."""
        found = survey(topic("orders"), topic("payments"), brokers=[broker(0), broker(1), lost(2)])
        assert audited(wishes(*ALL), found).gaps == (Gap(Reason.BROKER_UNREACHABLE, AWAY.detail),)

    @pytest.mark.parametrize(
        ("found", "brokers"),
        [
            pytest.param(topic(own=DENIED), None, id="the topic's settings"),
            pytest.param(topic(), [lost(0), lost(1), lost(2)], id="all nodes"),
        ],
    )
    def test_in_a_conflict(self, found: TopicFound, brokers: Sequence[BrokerFound] | None) -> None:
        """Policies that disagree about what is not known still have no violation."""
        policies = [wishes(IN_SYNC_2, name="a"), wishes(name="b", min_in_sync=3)]
        found_by = audit(survey(found, brokers=brokers), policies, {})
        assert not any(of_topics(findings) or findings.changes for findings in found_by.values())


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
        """Told with the fewest there are, and never repaired."""
        findings = audited(wishes(factor=3), survey(topic(on=on)))
        violation = the(of_topics(findings))
        assert (violation.setting, violation.wanted, violation.found) == (FACTOR, "≥ 3", found)
        assert (violation.where, violation.action) == ("topic", Action.REPORT)
        assert "kafka-reassign-partitions" in violation.reason
        assert findings.changes == ()

    def test_more_than_asked_for(self) -> None:
        """Nothing to say: a factor is never lowered."""
        assert of_topics(audited(wishes(factor=2), survey(topic()))) == []

    def test_more_than_there_are_brokers(self) -> None:
        """It says what is missing."""
        violation = the(of_topics(audited(wishes(factor=4), survey(topic()))))
        assert violation.reason == "4 replicas need as many brokers, and there are 3"

    def test_not_asked_for(self) -> None:
        """A policy without a factor does not judge it."""
        assert of_topics(audited(wishes(CLEAN), survey(topic(on=[(0,)])))) == []

    @pytest.mark.parametrize(
        ("in_sync", "found", "below"),
        [
            pytest.param([(0, 1, 2), (0, 1)], "2 of 3 in partitions 1", False, id="enough for producers"),
            pytest.param([(0,), (0, 1)], "1 of 3 in partitions 0, 1", True, id="too few for producers"),
        ],
    )
    def test_behind(self, in_sync: Sequence[Sequence[int]], found: str, below: bool) -> None:
        """Told with the worst, and whether producers are stopped by it."""
        held = topic(on=[(0, 1, 2), (0, 1, 2)], in_sync=in_sync)
        violation = the(of_topics(audited(wishes(factor=3, min_in_sync=2), survey(held))))
        assert (violation.setting, violation.wanted, violation.found) == (IN_SYNC, "all", found)
        assert violation.action is Action.REPORT
        assert ("below the 2" in violation.reason) is below


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
