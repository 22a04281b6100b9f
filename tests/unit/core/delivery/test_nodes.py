"""What broker nodes do by themselves, and Kafka's own topics: told per value with its nodes, never changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from floodwarden.core.assess import Gap
from floodwarden.core.delivery.survey import BrokerFound, Source, TopicFound, Value
from floodwarden.core.delivery.violations import FACTOR, MIN_IN_SYNC, UNCLEAN, Action, Violation
from floodwarden.core.delivery.wishes import Requirement, TransactionWishes, Wishes
from floodwarden.core.reasons import Reason
from tests.support.delivery import (
    AWAY,
    CLEAN,
    DENIED,
    FLUSHED,
    FLUSHED_MS,
    KEPT,
    NEVER,
    audited,
    broker,
    lost,
    survey,
    the,
    topic,
    wishes,
)

CREATE = "auto.create.topics.enable"
OFFSETS, STATE = "__consumer_offsets", "__transaction_state"


def of_nodes(policy: Wishes, brokers: Sequence[BrokerFound]) -> list[Violation]:
    """The differences of nodes, on a cluster without topics."""
    return list(audited(policy, survey(brokers=brokers)).violations)


@pytest.mark.parametrize(
    ("features", "says"),
    [
        pytest.param(frozenset[str](), "it can change while they run", id="as usual"),
        pytest.param(
            frozenset({"eligible.leader.replicas.version"}), "it is set for the whole cluster only", id="eligible leaders"
        ),
    ],
)
def test_how_the_copies_in_sync_are_set(features: frozenset[str], says: str) -> None:
    """With eligible leader replicas brokers refuse what else would be advised; of other settings nothing is different."""
    brokers = [broker(node, {MIN_IN_SYNC: "1", UNCLEAN: "true"}) for node in range(3)]
    found = audited(wishes(CLEAN, min_in_sync=2), replace(survey(brokers=brokers), features=features)).violations
    reasons = {one.setting: one.reason for one in found}
    assert says in reasons[MIN_IN_SYNC]
    assert len(reasons[MIN_IN_SYNC].encode()) <= 256
    assert "it can change while they run" in reasons[UNCLEAN]


@pytest.mark.parametrize(
    ("policy", "setting", "bad", "wanted"),
    [
        pytest.param(wishes(factor=3), "default.replication.factor", "1", "≥ 3", id="copies of new topics"),
        pytest.param(wishes(factor=3), "offsets.topic.replication.factor", "2", "≥ 3", id="copies of commits"),
        pytest.param(wishes(factor=3), "transaction.state.log.replication.factor", "1", "≥ 3", id="copies of transactions"),
        pytest.param(wishes(min_in_sync=2), MIN_IN_SYNC, "1", "≥ 2", id="in sync"),
        pytest.param(wishes(min_in_sync=2), "transaction.state.log.min.isr", "1", "≥ 2", id="transactions in sync"),
        pytest.param(wishes(CLEAN), UNCLEAN, "true", "false", id="unclean election"),
    ],
)
def test_a_node_that_differs(policy: Wishes, setting: str, bad: str, wanted: str) -> None:
    """Each setting, on the node that has it so; a policy that does not ask for it says nothing."""
    brokers = [broker(0), broker(1, {setting: bad}), broker(2)]
    violation = the(of_nodes(policy, brokers))
    assert (violation.resource, violation.setting) == ("broker 1", setting)
    assert (violation.wanted, violation.found, violation.where) == (wanted, bad, "file")
    assert audited(policy, survey(brokers=brokers)).changes == ()
    assert of_nodes(wishes(KEPT), brokers) == []


LOG_FLUSH, LOG_FLUSH_MS = "log.flush.interval.messages", "log.flush.interval.ms"


@pytest.mark.parametrize(
    ("need", "given", "told"),
    [
        pytest.param(FLUSHED, {LOG_FLUSH: "5000"}, (LOG_FLUSH, "≤ 1000", "5000", Action.REPORT), id="messages"),
        pytest.param(FLUSHED, {LOG_FLUSH: NEVER}, (LOG_FLUSH, "≤ 1000", NEVER, Action.REPORT), id="messages, never"),
        pytest.param(FLUSHED, {LOG_FLUSH: "1000"}, None, id="messages, just enough"),
        pytest.param(
            FLUSHED_MS,
            {LOG_FLUSH_MS: Value("5000", Source.FILE, live=False)},
            (LOG_FLUSH_MS, "≤ 1000 (1s)", "5000 (5s)", Action.RESTART),
            id="time",
        ),
        pytest.param(FLUSHED_MS, {LOG_FLUSH_MS: Value(None, Source.DEFAULT)}, None, id="time, unset"),
        pytest.param(FLUSHED_MS, {LOG_FLUSH: NEVER}, None, id="of the other nothing is asked"),
        pytest.param(replace(FLUSHED, writable=False), {LOG_FLUSH: NEVER}, None, id="nobody named it"),
    ],
)
def test_what_topics_get_for_flushing(
    need: Requirement, given: dict[str, str | Value], told: tuple[str, str, str, Action] | None
) -> None:
    """Told under the broker's own key, whether or not there is a topic that inherits it."""
    findings = audited(wishes(need), survey(brokers=[broker(0), broker(1, given)]))
    found = [(one.setting, one.wanted, one.found, one.action) for one in findings.violations]
    assert found == ([] if told is None else [told])
    assert findings.gaps == ()
    assert {one.resource for one in findings.violations} <= {"broker 1"}


@pytest.mark.parametrize(
    ("need", "values", "detail"),
    [
        pytest.param(FLUSHED_MS, {}, "broker 1 does not tell log.flush.interval.ms", id="not told"),
        pytest.param(
            FLUSHED,
            {LOG_FLUSH: Value(None, Source.FILE)},
            "log.flush.interval.messages of broker 1 cannot be understood",
            id="hidden",
        ),
    ],
)
def test_flushing_that_is_not_known(need: Requirement, values: dict[str, Value], detail: str) -> None:
    """A gap, as with other settings."""
    findings = audited(wishes(need), survey(brokers=[broker(0), BrokerFound(1, None, values, {})]))
    assert ([gap.message for gap in findings.gaps], findings.violations) == ([detail], ())


def test_nodes_that_are_alike_are_told_together() -> None:
    """One line for each value and layer, however many nodes there are."""
    dynamic = Value("1", Source.DYNAMIC)
    brokers = [broker(0, {MIN_IN_SYNC: "1"}), broker(1, {MIN_IN_SYNC: dynamic}), broker(2, {MIN_IN_SYNC: "1"}), broker(3)]
    told = {(one.resource, one.where) for one in of_nodes(wishes(min_in_sync=2), brokers)}
    assert told == {("brokers 0, 2", "file"), ("broker 1", "dynamic")}


def test_many_nodes_are_not_all_named() -> None:
    """Five, and how many more."""
    brokers = [broker(node, {MIN_IN_SYNC: "1"}) for node in range(12)]
    violation = the(of_nodes(wishes(min_in_sync=2), brokers))
    assert violation.resource == "brokers 0, 1, 2, 3, 4 and 7 more"


@pytest.mark.parametrize(
    ("live", "action", "says"),
    [
        pytest.param(True, Action.REPORT, "it can change while they run", id="live"),
        pytest.param(False, Action.RESTART, "restart them one by one", id="file only"),
    ],
)
def test_what_needs_a_restart(live: bool, action: Action, says: str) -> None:
    """It is told whether a node must be restarted."""
    brokers = [broker(0, {"default.replication.factor": Value("1", Source.FILE, live=live)})]
    violation = the(of_nodes(wishes(factor=3), brokers))
    assert violation.action is action
    assert says in violation.reason


@pytest.mark.parametrize(
    ("changed", "settings"),
    [
        pytest.param({CREATE: "true", MIN_IN_SYNC: "1"}, [MIN_IN_SYNC, CREATE], id="topics that come with poor defaults"),
        pytest.param({CREATE: "true"}, [], id="topics that come with good defaults"),
        pytest.param({MIN_IN_SYNC: "1"}, [MIN_IN_SYNC], id="poor defaults, but topics are made by people"),
    ],
)
def test_topics_that_come_by_themselves(changed: dict[str, str], settings: list[str]) -> None:
    """They matter on nodes whose defaults differ, and only on those."""
    found = of_nodes(wishes(min_in_sync=2), [broker(0, changed), broker(1, {CREATE: "true"})])
    assert [(one.resource, one.setting) for one in found] == [("broker 0", setting) for setting in settings]


@pytest.mark.parametrize(
    ("node", "gap"),
    [
        pytest.param(lost(1), Gap(Reason.BROKER_UNREACHABLE, AWAY.detail), id="away"),
        pytest.param(
            broker(1, {MIN_IN_SYNC: Value(None, Source.FILE)}),
            Gap(Reason.BROKER_ERROR, "min.insync.replicas of broker 1 cannot be understood"),
            id="hidden",
        ),
        pytest.param(
            BrokerFound(1, None, {"transaction.state.log.min.isr": Value("2", Source.FILE)}, {}),
            Gap(Reason.UNSUPPORTED, "broker 1 does not tell min.insync.replicas"),
            id="left out",
        ),
    ],
)
def test_what_is_not_known_of_a_node(node: BrokerFound, gap: Gap) -> None:
    """A gap, while the others are still judged."""
    findings = audited(wishes(min_in_sync=2), survey(brokers=[broker(0, {MIN_IN_SYNC: "1"}), node]))
    assert findings.gaps == (gap,)
    assert [one.resource for one in findings.violations] == ["broker 0"]


class TestInternalTopics:
    """Kafka's own topics are never matched; how safe they are is told all the same."""

    def test_never_matched(self) -> None:
        """Not by a star, nor by their name; nothing of theirs is written."""
        bad = {MIN_IN_SYNC: "1", UNCLEAN: "true", "retention.ms": "1"}
        findings = audited(wishes(CLEAN, KEPT, names=["*", OFFSETS]), survey(topic(OFFSETS, bad, on=[(0,)], internal=True)))
        assert (findings.topics, findings.violations, findings.changes) == (0, (), ())

    @pytest.mark.parametrize("name", [OFFSETS, STATE])
    def test_few_copies(self, name: str) -> None:
        """The fewest of all partitions."""
        found = survey(topic(name, on=[(0, 1, 2), (0,)], internal=True))
        violation = the(audited(wishes(factor=3), found).violations)
        assert (violation.resource, violation.setting) == (f"topic {name}", FACTOR)
        assert (violation.wanted, violation.found, violation.action) == ("≥ 3", "1", Action.REPORT)

    def test_few_in_sync_of_its_own(self) -> None:
        """Set on the topic, as Kafka does for transactions when it creates it."""
        found = survey(topic(STATE, {MIN_IN_SYNC: "1"}, internal=True))
        violation = the(audited(wishes(min_in_sync=2), found).violations)
        assert (violation.setting, violation.found, violation.where) == (MIN_IN_SYNC, "1", "topic")
        assert violation.action is Action.REPORT
        assert audited(wishes(min_in_sync=2), found).changes == ()

    def test_few_in_sync_of_a_node(self) -> None:
        """Inherited from a node that holds it, though another one answered for the topic."""
        brokers = [broker(0), broker(1, defaults={MIN_IN_SYNC: "1"}), broker(2, defaults={MIN_IN_SYNC: "1"})]
        found = survey(topic(OFFSETS, on=[(0, 1)], internal=True), brokers=brokers)
        violation = the(audited(wishes(min_in_sync=2), found).violations)
        assert (violation.resource, violation.where) == (f"topic {OFFSETS}", "broker 1 (min.insync.replicas, file)")

    @pytest.mark.parametrize(
        ("policy", "unknown"),
        [
            pytest.param(wishes(min_in_sync=2), topic(OFFSETS, DENIED, internal=True), id="settings"),
            pytest.param(wishes(factor=2), topic(OFFSETS, on=DENIED, internal=True), id="replicas"),
        ],
    )
    def test_not_known(self, policy: Wishes, unknown: TopicFound) -> None:
        """A gap: they are not taken for safe. A policy that does not ask does not need to know."""
        found = survey(unknown)
        assert audited(policy, found).gaps == (Gap(Reason.AUTHORIZATION_FAILED, DENIED.detail),)
        assert audited(policy, found).violations == ()
        assert audited(wishes(CLEAN), found).gaps == ()


TRANSACTIONAL = replace(wishes(), transactions=TransactionWishes(None, 60))


@pytest.mark.parametrize(
    ("policy", "copies", "nodes", "wanted"),
    [
        pytest.param(TRANSACTIONAL, 1, 3, "≥ 3", id="as many as Kafka asks for"),
        pytest.param(TRANSACTIONAL, 1, 2, "≥ 2", id="no more than there are nodes"),
        pytest.param(TRANSACTIONAL, 3, 3, None, id="enough"),
        pytest.param(replace(TRANSACTIONAL, factor=2), 1, 3, "≥ 2", id="as the policy asks"),
        pytest.param(replace(TRANSACTIONAL, transactions=None), 1, 3, None, id="a policy without transactions"),
    ],
)
def test_the_state_of_transactions(policy: Wishes, copies: int, nodes: int, wanted: str | None) -> None:
    """Its loss loses transactions, also for a policy that says nothing of replication; the groups' offsets are another matter."""
    own = {MIN_IN_SYNC: "1" if nodes == 2 else "2"}
    held = [topic(name, own, on=[tuple(range(copies))], internal=True) for name in (STATE, OFFSETS)]
    brokers = [broker(node) for node in range(nodes)]
    found = {(one.resource, one.setting): one.wanted for one in audited(policy, survey(*held, brokers=brokers)).violations}
    assert found.get((f"topic {STATE}", FACTOR)) == wanted
    if policy.factor is None:
        assert (f"topic {OFFSETS}", FACTOR) not in found
