"""What is not known becomes a gap; never a violation, never a change."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from floodwarden.core.assess import Gap
from floodwarden.core.delivery.audit import audit
from floodwarden.core.delivery.survey import BrokerFound, Source, TopicFound, Value
from floodwarden.core.delivery.violations import FACTOR, MIN_IN_SYNC, NODES, UNCLEAN, Action
from floodwarden.core.delivery.wishes import Wishes
from floodwarden.core.reasons import Reason
from tests.support.delivery import (
    AWAY,
    CLEAN,
    DENIED,
    FLUSHED,
    HOUR,
    IN_SYNC_2,
    KEPT,
    RETENTION,
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

HIDDEN = Value(None, Source.TOPIC)


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
def test_the_unknown_is_a_gap(found: TopicFound, brokers: Sequence[BrokerFound] | None, gap: Gap) -> None:
    """With its reason, and nothing else."""
    findings = audited(wishes(IN_SYNC_2), survey(found, brokers=brokers))
    assert (findings.violations, findings.changes, findings.gaps) == ((), (), (gap,))


@pytest.mark.parametrize(
    ("brokers", "policy", "unread"),
    [
        pytest.param(None, wishes(IN_SYNC_2), {"topic orders"}, id="a topic"),
        pytest.param(None, wishes(IN_SYNC_2, names=["payments"]), set(), id="a topic of others"),
        pytest.param(
            [broker(0), broker(1), lost(2)],
            wishes(IN_SYNC_2),
            {NODES, "topic __offsets", "topic orders", "topic payments"},
            id="a node, and what it holds",
        ),
    ],
)
def test_the_unknown_is_remembered(brokers: Sequence[BrokerFound] | None, policy: Wishes, unread: set[str]) -> None:
    """Of what some was not read: differences that are not found there may be there still."""
    found = survey(topic("orders", DENIED), topic("payments"), topic("__offsets", internal=True), brokers=brokers)
    assert audited(policy, found).unread == unread


def test_unknown_settings_where_replicas_are_known() -> None:
    """The replicas are judged all the same."""
    findings = audited(wishes(IN_SYNC_2, factor=3), survey(topic(own=DENIED, on=[(0, 1)])))
    assert [violation.setting for violation in findings.violations] == [FACTOR]


def test_unknown_replicas_where_the_topic_has_its_own_value() -> None:
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
def test_one_unknown_node(unknown: BrokerFound) -> None:
    """What another node does wrong is told, but not repaired: this one may keep messages for longer than is asked for."""
    brokers = [broker(0, defaults={RETENTION: str(HOUR)}), broker(1), unknown]
    findings = audited(wishes(KEPT), survey(topic(), brokers=brokers))
    violation = the(of_topics(findings))
    assert (violation.found, violation.where) == (f"{HOUR} (1h)", "broker 0 (retention.ms, file)")
    assert violation.action is Action.REPORT
    assert "once all of them answer" in violation.reason
    assert findings.changes == ()
    assert findings.gaps


def test_one_unknown_node_and_a_switch() -> None:
    """A switch cannot be more than right: it is repaired."""
    brokers = [broker(0, defaults={UNCLEAN: "true"}), broker(1), lost(2)]
    findings = audited(wishes(CLEAN), survey(topic(), brokers=brokers))
    assert [change.value for change in findings.changes] == ["false"]


def test_a_gap_is_told_once() -> None:
    """A node that is away is one gap, for however many topics and settings."""
    found = survey(topic("orders"), topic("payments"), brokers=[broker(0), broker(1), lost(2)])
    assert audited(wishes(IN_SYNC_2, CLEAN, FLUSHED, KEPT, UNBOUNDED), found).gaps == (
        Gap(Reason.BROKER_UNREACHABLE, AWAY.detail),
    )


@pytest.mark.parametrize(
    ("found", "brokers"),
    [
        pytest.param(topic(own=DENIED), None, id="the topic's settings"),
        pytest.param(topic(), [lost(0), lost(1), lost(2)], id="all nodes"),
    ],
)
def test_a_conflict_about_the_unknown(found: TopicFound, brokers: Sequence[BrokerFound] | None) -> None:
    """Policies that disagree about what is not known still have no violation."""
    policies = [wishes(IN_SYNC_2, name="a"), wishes(name="b", min_in_sync=3)]
    found_by = audit(survey(found, brokers=brokers), policies, {})
    assert not any(of_topics(findings) or findings.changes for findings in found_by.values())
