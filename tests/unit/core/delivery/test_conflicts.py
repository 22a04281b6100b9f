"""Several policies about one setting of one topic: where they disagree neither is acted on, and each names the others."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

from floodwarden.core.delivery.audit import audit
from floodwarden.core.delivery.survey import Change
from floodwarden.core.delivery.violations import MIN_IN_SYNC, UNCLEAN, Action
from floodwarden.core.delivery.wishes import Requirement
from tests.support.delivery import (
    CLEAN,
    DAY,
    IN_SYNC_2,
    KEPT,
    RETENTION,
    audited,
    of_topics,
    survey,
    the,
    topic,
    wishes,
)

BAD = survey(topic("orders", {MIN_IN_SYNC: "1", UNCLEAN: "true"}), topic("payments", {MIN_IN_SYNC: "1"}))


def test_policies_that_disagree() -> None:
    """Neither writes the setting they differ in, each names the other; all else goes on."""
    three = wishes(name="shop/three", names=["orders"], min_in_sync=3, factor=4)
    two = wishes(CLEAN, name="shop/two", min_in_sync=2)
    found = audit(BAD, [three, two], {})
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


def test_policies_on_the_same_brokers_by_way_of_another_message_broker() -> None:
    """They disarm each other as well; nothing is told for the one that is audited elsewhere."""
    three, two = wishes(name="shop/three", names=["orders"], min_in_sync=3), wishes(name="platform/two", min_in_sync=2)
    found = audit(BAD, [three], {}, [two])
    assert found.keys() == {"shop/three"}
    conflict = the([one for one in found["shop/three"].violations if one.action is Action.CONFLICT])
    assert conflict.reason == "platform/two wants ≥ 2: neither is acted on until they agree"
    assert found["shop/three"].changes == ()


def test_policies_that_disagree_where_nothing_differs_yet() -> None:
    """It is told before somebody gets hurt, with the value that there is and where it comes from."""
    policies = [wishes(KEPT, name="shop/a"), wishes(Requirement(RETENTION, KEPT.relation, "7"), name="shop/b")]
    found = audit(survey(topic()), policies, {})
    for findings in found.values():
        conflict = the(findings.violations)
        assert (conflict.action, conflict.found) == (Action.CONFLICT, f"{7 * DAY} (7d)")
        assert conflict.where == "brokers 0, 1, 2 (retention.ms, default)"


def test_policies_of_which_one_only_looks() -> None:
    """Who only looks disarms nobody, and is told for itself; two that look are told that they disagree."""
    enforcing, looking = wishes(IN_SYNC_2, name="shop/a"), wishes(name="shop/b", min_in_sync=3, enforces=False)
    found = audit(BAD, [enforcing, looking], {})
    assert found["shop/a"].changes == audited(enforcing, BAD).changes != ()
    assert not [one for findings in found.values() for one in findings.violations if one.action is Action.CONFLICT]
    assert found["shop/b"].changes == ()
    both = audit(BAD, [replace(enforcing, acts=False, enforces=False), looking], {})
    assert {one.action for findings in both.values() for one in of_topics(findings)} == {Action.CONFLICT}


def test_policies_that_disagree_on_the_factor() -> None:
    """Nobody writes a factor, but two that differ cannot both be had."""
    found = audit(survey(topic()), [wishes(name="shop/a", factor=3), wishes(name="shop/b", factor=2)], {})
    conflicts = [the(findings.violations) for findings in found.values()]
    assert [one.action for one in conflicts] == [Action.CONFLICT] * 2
    assert [one.reason.split(":")[0] for one in conflicts] == ["shop/b wants ≥ 2", "shop/a wants ≥ 3"]


def test_policies_that_agree() -> None:
    """They have one and the same change, so that it is written once."""
    found = audit(BAD, [wishes(IN_SYNC_2, name="shop/a"), wishes(IN_SYNC_2, name="shop/b")], {})
    assert found["shop/a"].changes == found["shop/b"].changes
    assert len({change for findings in found.values() for change in findings.changes}) == 2
    assert {violation.action for violation in found["shop/a"].violations} == {Action.REPAIR}


def test_policies_that_speak_of_other_topics() -> None:
    """They cannot disagree."""
    apart = [wishes(IN_SYNC_2, name="shop/a", names=["orders"]), wishes(name="shop/b", names=["payments"], min_in_sync=3)]
    found = audit(BAD, apart, {})
    assert {one.action for findings in found.values() for one in of_topics(findings)} == {Action.REPAIR, Action.REPORT}


def test_three_policies_of_which_two_agree() -> None:
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
