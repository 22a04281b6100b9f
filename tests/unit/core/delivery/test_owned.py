"""Topics that Strimzi has: what is changed in which KafkaTopic, and what is said where nothing is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from floodwarden.core.delivery.audit import audit
from floodwarden.core.delivery.owned import Handed, KafkaTopic, handed, named
from floodwarden.core.delivery.survey import Change, TopicFound
from floodwarden.core.delivery.violations import MIN_IN_SYNC, UNCLEAN, Action
from floodwarden.core.delivery.wishes import Wishes
from tests.support.delivery import (
    CLEAN,
    IN_SYNC_2,
    KEPT,
    RETENTION,
    UNBOUNDED,
    audited,
    of_topics,
    survey,
    topic,
    wishes,
)

ID, OTHER_ID = "63c5a7f8-0000-4000-8000-000000000001", "63c5a7f8-0000-4000-8000-000000000002"
NEEDS = {need.setting: need for need in (IN_SYNC_2, CLEAN, KEPT)}
FEW = Change("orders", MIN_IN_SYNC, "2", "1")
DIRTY = Change("orders", UNCLEAN, "false", "true")
SHORT = Change("orders", RETENTION, "-1", "1000")
OURS = KafkaTopic("kafka", "orders", "orders", "kafka.strimzi.io/v1", "uid", "1", generation=3, observed=3, topic_id=ID)
FOREIGN = replace(OURS, namespace="staging", uid="other", topic_id=OTHER_ID)


def test_only_the_keys_that_differ() -> None:
    """Numbers and booleans as such; what the KafkaTopic sets besides is not in the patch."""
    held = replace(OURS, config={"max.message.bytes": 5})
    assert handed([held], ID, [FEW, DIRTY, SHORT], NEEDS) == Handed(held, {MIN_IN_SYNC: 2, UNCLEAN: False, RETENTION: -1}, {})


def test_text_stays_text() -> None:
    """Where people wrote it in quotes."""
    assert handed([replace(OURS, config={MIN_IN_SYNC: "1", UNCLEAN: "true"})], ID, [FEW, DIRTY], NEEDS).patch == {
        MIN_IN_SYNC: "2",
        UNCLEAN: "false",
    }


@pytest.mark.parametrize("there", [2, "2", 3], ids=["the same", "as text", "stricter"])
def test_what_it_asks_for_already_is_not_written_again(there: object) -> None:
    """Nor lowered; the operator of Strimzi has yet to follow, or does not."""
    held = replace(OURS, config={MIN_IN_SYNC: there})
    lagging = handed([replace(held, observed=2)], ID, [FEW], NEEDS)
    assert (lagging.patch, "has yet to carry it out" in lagging.reasons[MIN_IN_SYNC]) == ({}, True)
    stuck = handed([held], ID, [FEW], NEEDS)
    assert stuck.patch == {}
    assert stuck.reasons[MIN_IN_SYNC] == (
        "KafkaTopic kafka/orders asks for it, but the topic does not follow: look at its status"
    )
    assert handed([replace(OURS, config={UNCLEAN: False})], ID, [DIRTY], NEEDS).patch == {}


NOT_OURS = {
    "of another cluster": ([FOREIGN], ID),
    "Strimzi has not said which topic it is": ([replace(OURS, topic_id="")], ID),
    "the broker has no ids": ([OURS], ""),
    "neither has": ([replace(OURS, topic_id="")], ""),
}


@pytest.mark.parametrize(("owners", "found"), NOT_OURS.values(), ids=NOT_OURS)
def test_another_topic_of_the_same_name_is_never_changed(owners: list[KafkaTopic], found: str) -> None:
    """Two Kafka clusters may each have such a topic: the id tells them apart."""
    plan = handed(owners, found, [FEW, DIRTY], NEEDS)
    assert (plan.target, plan.patch) == (None, {})
    assert plan.reasons.keys() == {MIN_IN_SYNC, UNCLEAN}
    assert "its status.topicId does not say that it is this one" in plan.reasons[MIN_IN_SYNC]


def test_of_several_the_one_that_is_meant() -> None:
    """By its id; in words all are named."""
    assert handed([FOREIGN, OURS], ID, [FEW], NEEDS).target == OURS
    assert named([FOREIGN, OURS]) == "KafkaTopic staging/orders and KafkaTopic kafka/orders"


def test_paused_reconciliation_is_respected() -> None:
    """Whoever paused it wants it to stay as it is."""
    plan = handed([replace(OURS, paused=True)], ID, [FEW], NEEDS)
    assert plan.patch == {}
    assert "its reconciliation is paused" in plan.reasons[MIN_IN_SYNC]


OWNERS = {"orders": "KafkaTopic kafka/orders"}


def test_the_audit_hands_over_what_it_would_write() -> None:
    """The same change that another topic gets, by the owner; nothing is written to the broker."""
    found = survey(topic("orders", {MIN_IN_SYNC: "1"}), topic("payments", {MIN_IN_SYNC: "1"}))
    findings = audited(wishes(IN_SYNC_2), found, OWNERS)
    assert findings.changes == (Change("payments", MIN_IN_SYNC, "2", "1"),)
    assert findings.owned == (FEW,)
    assert {one.resource: one.action for one in of_topics(findings)} == {
        "topic orders": Action.OWNER,
        "topic payments": Action.REPAIR,
    }


HANDED_NOTHING = {
    "a policy that only looks": (wishes(IN_SYNC_2, enforces=False), topic("orders", {MIN_IN_SYNC: "1"})),
    "what nobody named": (wishes(KEPT, UNBOUNDED), topic("orders", {"retention.bytes": "5"})),
    "what would stop writes": (wishes(IN_SYNC_2), topic("orders", {MIN_IN_SYNC: "1"}, on=[[0]])),
    "all is well": (wishes(IN_SYNC_2), topic("orders")),
    "a replication factor": (wishes(factor=3), topic("orders", on=[[0]])),
}


@pytest.mark.parametrize(("policy", "found"), HANDED_NOTHING.values(), ids=HANDED_NOTHING)
def test_no_more_is_handed_over_than_would_be_written(policy: Wishes, found: TopicFound) -> None:
    """The rules of repairs hold for owners as well."""
    findings = audited(policy, survey(found), OWNERS)
    assert (findings.changes, findings.owned) == ((), ())


def test_policies_that_disagree_hand_over_nothing() -> None:
    """Neither is acted on, through whomever."""
    policies = [wishes(replace(KEPT, value=value), name=f"shop/{value}", names=("orders",)) for value in ("3600000", "7200000")]
    found = audit(survey(topic("orders", {RETENTION: "5"})), policies, OWNERS)
    assert [findings.owned for findings in found.values()] == [(), ()]
