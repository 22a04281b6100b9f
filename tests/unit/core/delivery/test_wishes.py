"""What a policy asks for: which topics, and which values are good enough; and how a manifest comes to say so."""

from __future__ import annotations

from typing import Any

import pytest

from floodwarden.api.deliverypolicy import DeliveryPolicy
from floodwarden.core.delivery.violations import MIN_IN_SYNC
from floodwarden.core.delivery.wishes import Relation, Requirement, worded
from tests.support.delivery import CLEAN, DAY, FLUSH, FLUSH_MS, FLUSHED, IN_SYNC_2, KEPT, UNBOUNDED, UNCOMPACTED, wishes


@pytest.mark.parametrize(
    ("need", "text", "met"),
    [
        pytest.param(IN_SYNC_2, "1", False, id="fewer than at least"),
        pytest.param(IN_SYNC_2, "2", True, id="just at least"),
        pytest.param(IN_SYNC_2, "10", True, id="more, by number and not by letter"),
        pytest.param(IN_SYNC_2, "-1", False, id="-1 is a number where it does not stand for endless"),
        pytest.param(FLUSHED, "1000", True, id="just at most"),
        pytest.param(FLUSHED, "1001", False, id="more than at most"),
        pytest.param(FLUSHED, "200", True, id="less than at most"),
        pytest.param(KEPT, str(DAY), True, id="just long enough"),
        pytest.param(KEPT, str(DAY - 1), False, id="a millisecond too short"),
        pytest.param(KEPT, "-1", True, id="endless"),
        pytest.param(Requirement("x", Relation.AT_MOST, "5", endless=True), "-1", False, id="endless is above any bound"),
        pytest.param(CLEAN, "false", True, id="the same"),
        pytest.param(CLEAN, "true", False, id="another"),
        pytest.param(UNBOUNDED, "-1", True, id="no size"),
        pytest.param(UNBOUNDED, "1073741824", False, id="a size"),
        pytest.param(IN_SYNC_2, "two", None, id="no number"),
        pytest.param(KEPT, "", None, id="nothing"),
        pytest.param(IN_SYNC_2, None, None, id="hidden number"),
        pytest.param(CLEAN, None, None, id="hidden text"),
    ],
)
def test_a_value_is_good_enough(need: Requirement, text: str | None, met: bool | None) -> None:
    """True, False, or None where nobody can tell: never False for what is not known."""
    assert need.met_by(text) is met


@pytest.mark.parametrize(
    ("need", "found", "strictest"),
    [
        pytest.param(IN_SYNC_2, ["1", "1"], "2", id="what is asked for, where all do less"),
        pytest.param(IN_SYNC_2, ["1", "3"], "3", id="the most that one does"),
        pytest.param(FLUSHED, ["5000", "100"], "100", id="the least that one does"),
        pytest.param(FLUSHED, ["5000"], "1000", id="at most"),
        pytest.param(KEPT, ["1000", str(9 * DAY)], str(9 * DAY), id="the longest"),
        pytest.param(KEPT, ["1000", "-1"], "-1", id="endless is the longest"),
        pytest.param(Requirement("x", Relation.AT_MOST, "5", endless=True), ["-1", "7"], "5", id="endless is no bound"),
        pytest.param(CLEAN, ["true"], "false", id="a text"),
    ],
)
def test_the_strictest_of_values(need: Requirement, found: list[str], strictest: str) -> None:
    """It fulfils the requirement, and is weaker than none of the values."""
    assert need.strictest(found) == strictest
    assert need.met_by(strictest)


@pytest.mark.parametrize(
    ("names", "exclude", "topic", "matches"),
    [
        pytest.param(["orders"], [], "orders", True, id="the name"),
        pytest.param(["orders"], [], "orders-eu", False, id="more than the name"),
        pytest.param(["orders*"], [], "orders-eu", True, id="a star"),
        pytest.param(["orders*"], [], "orders", True, id="a star for nothing"),
        pytest.param(["orders-?"], [], "orders-1", True, id="a question mark"),
        pytest.param(["orders-?"], [], "orders-12", False, id="a question mark is one character"),
        pytest.param(["orders"], [], "Orders", False, id="case counts"),
        pytest.param(["orders.eu"], [], "orders-eu", False, id="a dot is a dot"),
        pytest.param(["payments", "orders*"], [], "orders", True, id="the second pattern"),
        pytest.param(["*"], ["*-tmp"], "orders-tmp", False, id="excluded"),
        pytest.param(["orders-tmp"], ["*-tmp"], "orders-tmp", False, id="excluded although it is named"),
        pytest.param(["*"], ["*-tmp"], "orders", True, id="not excluded"),
    ],
)
def test_which_topics(names: list[str], exclude: list[str], topic: str, matches: bool) -> None:
    """Patterns as in a shell, and exclusions win."""
    assert wishes(names=names, exclude=exclude).matches(topic) is matches


def manifest(**spec: Any) -> dict[str, Any]:
    """A DeliveryPolicy with what is given in its spec."""
    return {
        "apiVersion": "floodwarden.dev/v1alpha1",
        "kind": "DeliveryPolicy",
        "metadata": {"name": "orders", "namespace": "shop", "uid": "u", "generation": 1, "resourceVersion": "7"},
        "spec": {"brokerRef": {"name": "main"}, "match": {"names": ["orders*"]}, **spec},
    }


def at_least(setting: str, number: int, **changes: bool) -> Requirement:
    return Requirement(setting, Relation.AT_LEAST, str(number), **changes)


def at_most(setting: str, number: int) -> Requirement:
    return Requirement(setting, Relation.AT_MOST, str(number))


@pytest.mark.parametrize(
    ("spec", "requirements"),
    [
        pytest.param({"flush": {"mode": "Sync"}}, [at_most(FLUSH, 1)], id="Sync is each message"),
        pytest.param({"flush": {"mode": "Sync", "everyMessages": 9}}, [at_most(FLUSH, 9)], id="Sync, or so many"),
        pytest.param({"flush": {"mode": "Async"}}, [], id="Async asks for nothing"),
        pytest.param(
            {"flush": {"mode": "Async", "everyMessages": 9, "every": "1m30s"}},
            [at_most(FLUSH, 9), at_most(FLUSH_MS, 90_000)],
            id="Async with both bounds",
        ),
        pytest.param({"flush": {"mode": "Replicated"}}, [at_least(MIN_IN_SYNC, 2), CLEAN], id="Replicated stands on two copies"),
        pytest.param(
            {"flush": {"mode": "Replicated"}, "replication": {"minInSync": 3}},
            [at_least(MIN_IN_SYNC, 3), CLEAN],
            id="Replicated on more copies",
        ),
        pytest.param({"replication": {"factor": 3}}, [], id="a factor is no setting of a topic"),
        pytest.param({"replication": {"minInSync": 2}}, [at_least(MIN_IN_SYNC, 2)], id="copies in sync"),
        pytest.param({"replication": {"uncleanElection": False}}, [CLEAN], id="no unclean election"),
        pytest.param({"replication": {"uncleanElection": True}}, [], id="unclean elections that are allowed ask for nothing"),
        pytest.param(
            {"retention": {"atLeast": "24h"}}, [KEPT, UNBOUNDED, UNCOMPACTED], id="retention, and nothing that ends it before"
        ),
    ],
)
def test_what_a_manifest_asks_for(spec: dict[str, Any], requirements: list[Requirement]) -> None:
    """Requirements on the settings of topics, one for each setting."""
    assert list(DeliveryPolicy.parse(manifest(**spec)).wishes.requirements) == requirements


@pytest.mark.parametrize(
    ("spec", "annotations", "acts"),
    [
        pytest.param({}, {}, False, id="Audit unless said"),
        pytest.param({"mode": "Audit"}, {}, False, id="Audit"),
        pytest.param({"mode": "Enforce"}, {}, True, id="Enforce"),
        pytest.param({"mode": "Enforce"}, {"floodwarden.dev/paused": "true"}, False, id="Enforce, paused"),
    ],
)
def test_what_may_be_written(spec: dict[str, Any], annotations: dict[str, str], acts: bool) -> None:
    """Only mode Enforce writes, and not while it is paused."""
    made = manifest(retention={"atLeast": "24h"}, **spec)
    made["metadata"]["annotations"] = annotations
    assert DeliveryPolicy.parse(made).wishes.acts is acts


def test_the_rest_of_a_manifest() -> None:
    """Names, copies and what producers wait for come over as they are."""
    replication = {"factor": 4, "minInSync": 3}
    spec = {"acks": "All", "flush": {"mode": "Async"}, "replication": replication}
    made = DeliveryPolicy.parse(manifest(**spec, match={"names": ["a*", "b"], "exclude": ["*c"]}))
    found = made.wishes
    assert (found.name, found.names, found.exclude) == ("shop/orders", ("a*", "b"), ("*c",))
    assert (found.factor, found.min_in_sync, found.acks, found.flush) == (4, 3, "All", "Async")
    assert made.broker == ("shop", "main")


WORDED = {
    "days": ("retention.ms", "604800000", "604800000 (7d)"),
    "hours": ("retention.ms", "5400000000", "5400000000 (1500h)"),
    "seconds": ("flush.ms", "90000", "90000 (90s)"),
    "no whole seconds": ("flush.ms", "1500", "1500"),
    "without end": ("retention.ms", "-1", "-1"),
    "nothing": ("retention.ms", "0", "0"),
    "no time": ("flush.messages", "60000", "60000"),
    "no number": ("retention.ms", "hidden", "hidden"),
}


@pytest.mark.parametrize(("setting", "text", "words"), WORDED.values(), ids=WORDED)
def test_times_can_be_read(setting: str, text: str, words: str) -> None:
    """Beside the number that the broker has, which people look for in its own tools."""
    assert worded(setting, text) == words
