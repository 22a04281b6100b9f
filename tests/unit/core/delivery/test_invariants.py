"""What holds of every audit: hypothesis makes brokers, topics and policies, and writes what the audit wants written."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain

from hypothesis import given
from hypothesis import strategies as st

from floodwarden.core.delivery.audit import Findings, audit
from floodwarden.core.delivery.survey import BrokerFound, Change, Source, Survey, TopicFound, Value
from floodwarden.core.delivery.violations import MIN_IN_SYNC, UNCLEAN, Action
from floodwarden.core.delivery.wishes import Relation, Requirement, Wishes
from floodwarden.core.observation import Unknown
from tests.support.delivery import AWAY, DENIED, FLUSH, RETENTION, SIZE, broker, lost, survey, topic, wishes

NUMBERS = {MIN_IN_SYNC: ["1", "2", "3", "4"], RETENTION: ["-1", "5", "50", "500"], FLUSH: ["1", "10", "100"]}
TEXTS = {UNCLEAN: ["true", "false"], SIZE: ["-1", "1000"]}
ODD = "many"  # where a number should be
NODES = range(4)
NAMES = ["orders", "orders-tmp", "payments"]


def settings() -> st.SearchStrategy[dict[str, str | Value]]:
    """Some settings, seldom such as nobody can understand."""
    known = {key: st.sampled_from([*some, *some, *some, ODD]) for key, some in (NUMBERS | TEXTS).items()}
    hidden = {key: st.just(Value(None, Source.TOPIC)) for key in known}
    return st.fixed_dictionaries({}, optional={key: st.one_of(known[key], known[key], hidden[key]) for key in known})


@st.composite
def brokers(draw: st.DrawFn) -> list[BrokerFound]:
    """Some of four nodes, each with defaults of its own, or not known."""
    ids = draw(st.sets(st.sampled_from(NODES), min_size=1))
    return [lost(node) if draw(st.integers(0, 5)) == 0 else broker(node, {}, draw(settings())) for node in sorted(ids)]


@st.composite
def topics(draw: st.DrawFn, name: str) -> TopicFound:
    """One topic on any nodes, also such as nobody knows."""
    on = draw(st.lists(st.lists(st.sampled_from(NODES), min_size=1, unique=True), min_size=1, max_size=3))
    return topic(
        name,
        draw(st.one_of(settings(), settings(), settings(), st.just(DENIED))),
        on=AWAY if draw(st.integers(0, 5)) == 0 else on,
        in_sync=[draw(st.sampled_from([nodes, nodes, nodes[:1]])) for nodes in on],
        internal=draw(st.integers(0, 5)) == 0,
    )


@st.composite
def surveys(draw: st.DrawFn) -> Survey:
    """Three topics on up to four nodes."""
    return survey(*(draw(topics(name)) for name in NAMES), brokers=draw(brokers()))


def requirements() -> st.SearchStrategy[tuple[Requirement, ...]]:
    """Some of what a policy can ask for."""
    of_each = (
        st.sampled_from(NUMBERS[MIN_IN_SYNC]).map(lambda value: Requirement(MIN_IN_SYNC, Relation.AT_LEAST, value)),
        st.sampled_from(NUMBERS[FLUSH]).map(lambda value: Requirement(FLUSH, Relation.AT_MOST, value)),
        st.sampled_from(["5", "50", "500"]).map(lambda value: Requirement(RETENTION, Relation.AT_LEAST, value, endless=True)),
        st.just(Requirement(UNCLEAN, Relation.EXACTLY, "false")),
        st.just(Requirement(SIZE, Relation.EXACTLY, "-1", writable=False)),
    )
    return st.tuples(*(st.one_of(st.none(), one) for one in of_each)).map(lambda found: tuple(filter(None, found)))


@st.composite
def policies(draw: st.DrawFn) -> list[Wishes]:
    """Up to three policies, which may agree or not."""
    return [
        wishes(
            *draw(requirements()),
            name=f"shop/{number}",
            names=draw(st.sampled_from([("*",), ("orders*",), ("payments",)])),
            exclude=draw(st.sampled_from([(), ("*-tmp",)])),
            acts=draw(st.sampled_from([True, True, False])),
            factor=draw(st.sampled_from([None, 1, 2, 3, 5])),
        )
        for number in range(draw(st.integers(1, 3)))
    ]


OWNERS = st.sampled_from([{}, {}, {"orders": "KafkaTopic kafka/orders"}])


def changes_of(found: dict[str, Findings]) -> list[Change]:
    return [change for findings in found.values() for change in findings.changes]


def written(before: Survey, changes: Sequence[Change]) -> Survey:
    """What a broker does with the changes: the topic has the value itself from now on."""
    after = dict(before.topics)
    for change in changes:
        one = after[change.name]
        assert not isinstance(one.values, Unknown)
        after[change.name] = replace(one, values={**one.values, change.setting: Value(change.value, Source.TOPIC)})
    return replace(before, topics=after)


def in_force(found: Survey, name: str, setting: str) -> list[str | None] | None:
    """The values of a setting that hold for a topic on the nodes that have it; None where they are not all known."""
    one = found.topics[name]
    assert not isinstance(one.values, Unknown)
    if one.values[setting].source is Source.TOPIC:
        return [one.values[setting].text]
    if isinstance(one.placements, Unknown):
        return None
    known = {node.id: node.defaults for node in found.brokers if not isinstance(node.defaults, Unknown)}
    holders = set(chain.from_iterable(placement.replicas for placement in one.placements))
    return [known[node][setting].text for node in holders] if holders <= known.keys() else None


@given(surveys(), policies(), OWNERS)
def test_an_audit_after_the_repair_wants_no_more(found: Survey, asked: list[Wishes], owners: dict[str, str]) -> None:
    """One repair is all: nothing is written twice, and nothing that policies undo for each other."""
    changes = changes_of(audit(found, asked, owners))
    assert len({(change.name, change.setting) for change in changes}) == len(set(changes))
    assert changes_of(audit(written(found, changes), asked, owners)) == []


@given(surveys(), policies(), OWNERS)
def test_no_change_takes_anything_away(found: Survey, asked: list[Wishes], owners: dict[str, str]) -> None:
    """No node keeps messages shorter, flushes less or has fewer in sync than before; and that was known of each of them."""
    for change in changes_of(audit(found, asked, owners)):
        before = in_force(found, change.name, change.setting)
        if change.setting == UNCLEAN:
            assert change.value == "false"
            continue
        assert before is not None
        assert change.value is not None
        numbers = [int(text) for text in before if text is not None]
        assert len(numbers) == len(before)
        if change.setting == FLUSH:
            assert all(int(change.value) <= number for number in numbers)
        elif change.setting == RETENTION:
            assert change.value == "-1" or (-1 not in numbers and int(change.value) >= max(numbers))
        else:
            assert int(change.value) >= max(numbers)


@given(surveys(), policies(), OWNERS)
def test_changes_stay_within_the_policy(found: Survey, asked: list[Wishes], owners: dict[str, str]) -> None:
    """Only topics that match and nobody else has, only settings that are named, only by policies that act."""
    by_name = audit(found, asked, owners)
    for policy in asked:
        for change in by_name[policy.name].changes:
            assert policy.acts
            assert policy.matches(change.name)
            assert not found.topics[change.name].internal
            assert change.name not in owners
            need = next(need for need in policy.requirements if need.setting == change.setting)
            assert need.writable
            assert need.met_by(change.value)
            matching = [other for other in asked if other.matches(change.name)]
            assert {one for other in matching for one in other.requirements if one.setting == change.setting} == {need}


@given(surveys(), policies(), OWNERS)
def test_writes_go_on(found: Survey, asked: list[Wishes], owners: dict[str, str]) -> None:
    """min.insync.replicas is never written where a broker that restarts would stop writes, unless the policy's factor says so."""
    by_name = audit(found, asked, owners)
    for policy in asked:
        for change in by_name[policy.name].changes:
            if change.setting == MIN_IN_SYNC:
                assert change.value is not None
                placements = found.topics[change.name].placements
                assert not isinstance(placements, Unknown)
                fewest = min(len(placement.replicas) for placement in placements)
                assert int(change.value) < fewest or int(change.value) == fewest == policy.factor
                assert all(int(change.value) <= len(placement.in_sync) for placement in placements)


@given(surveys(), policies(), OWNERS)
def test_each_difference_is_told_once(found: Survey, asked: list[Wishes], owners: dict[str, str]) -> None:
    """No two violations of one policy are about the same thing of a topic, and each change is one of them."""
    for findings in audit(found, asked, owners).values():
        keys = [violation.key for violation in findings.violations if violation.resource.startswith("topic ")]
        assert len(keys) == len(set(keys))
        repaired = {violation.key for violation in findings.violations if violation.action is Action.REPAIR}
        assert {(f"topic {change.name}", change.setting) for change in findings.changes} <= repaired


@given(surveys(), policies(), OWNERS, st.randoms(use_true_random=False))
def test_the_order_does_not_matter(found: Survey, asked: list[Wishes], owners: dict[str, str], chance: random.Random) -> None:
    """Policies are judged alike in whatever order they come."""
    shuffled = chance.sample(asked, len(asked))
    assert audit(found, shuffled, owners) == audit(found, asked, owners)
