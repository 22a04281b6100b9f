"""Where new copies go: nothing is lost or moved by it, racks and brokers are used evenly, and leaders too."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from floodwarden.core.delivery.placement import Load, Raise, raised, running
from floodwarden.core.delivery.survey import BrokerFound, TopicFound
from tests.support.delivery import AWAY, broker, lost, topic

THREE = [broker(node) for node in range(3)]
RACKED = [broker(node, rack="ab"[node % 2]) for node in range(4)]


def plan(found: TopicFound, factor: int, brokers: Sequence[BrokerFound], *others: TopicFound) -> list[Raise]:
    """The copies of one topic; ``others`` are on the brokers too."""
    return raised(found, factor, running(brokers), Load.of([found, *others]))


def targets(raises: Sequence[Raise]) -> list[tuple[int, ...]]:
    return [one.target for one in raises]


def after(found: TopicFound, raises: Sequence[Raise]) -> list[tuple[int, ...]]:
    """All partitions' replicas once the copies are made."""
    assert isinstance(found.placements, tuple)
    new = {one.partition.number: one.target for one in raises}
    return [new.get(placement.number, placement.replicas) for placement in found.placements]


def spread(counts: Counter[int], nodes: Sequence[int]) -> int:
    """How many more the fullest has than the emptiest."""
    return max(counts[node] for node in nodes) - min(counts[node] for node in nodes)


@pytest.mark.parametrize(
    ("on", "factor", "brokers", "expected"),
    [
        pytest.param([(0,), (1,), (2,)], 3, THREE, [{0, 1, 2}] * 3, id="one copy to three"),
        pytest.param([(0, 1), (1, 2)], 3, THREE, [{0, 1, 2}] * 2, id="two copies to three"),
        pytest.param([(0, 1, 2), (1,)], 3, THREE, [{0, 1, 2}], id="only partitions that lack copies"),
        pytest.param([(0, 1, 2)], 2, THREE, [], id="more than asked for"),
        pytest.param([(0,)], 4, THREE, [], id="more than there are brokers"),
        pytest.param([(0,)], 3, [broker(0), broker(1), lost(2)], [], id="not half of it while a broker is down"),
        pytest.param([(0,)], 2, [broker(0), lost(1), broker(2)], [{0, 2}], id="never on a broker that is down"),
        pytest.param([(2,)], 2, [broker(0), broker(1), lost(2)], [], id="no copy that could be read"),
        pytest.param([(0,)], 2, RACKED, [{0, 1}], id="the other rack"),
        pytest.param([(0,)], 2, [broker(0, rack="a"), broker(1, rack="a"), broker(2, rack="b")], [{0, 2}], id="not the next one"),
        pytest.param([(0, 2)], 3, RACKED, [{0, 2, 1}], id="both copies in one rack: the third is not"),
        pytest.param([(0, 1)], 4, RACKED, [{0, 1, 2, 3}], id="racks that are used up are used again"),
    ],
)
def test_who_gets_a_copy(
    on: Sequence[Sequence[int]], factor: int, brokers: Sequence[BrokerFound], expected: Sequence[set[int]]
) -> None:
    """Brokers that run, in racks that have none yet; all that are asked for, or none."""
    assert [set(target) for target in targets(plan(topic(on=on), factor, brokers))] == expected


def test_not_known() -> None:
    """Of a topic whose replicas are not known nothing is planned."""
    assert plan(topic(on=AWAY), 3, THREE) == []


def test_brokers_that_have_less_come_first() -> None:
    """Of two that are alike to the topic, the one with fewer replicas of others."""
    full = topic("payments", on=[(1,), (1,)])
    assert targets(plan(topic(on=[(0,)]), 2, THREE, full)) == [(0, 2)]


def test_a_topic_that_was_made_on_one_broker() -> None:
    """Copies go to the others in turn, and so do leaders: all would stay with the one that is first now."""
    raises = plan(topic(on=[(0,)] * 6), 3, THREE)
    assert Counter(one.target[0] for one in raises) == {0: 2, 1: 2, 2: 2}
    assert {frozenset(one.target) for one in raises} == {frozenset({0, 1, 2})}


def test_many_topics_of_one_partition() -> None:
    """Leaders are spread over topics as well."""
    found = [topic(f"orders-{number}", on=[(0,)]) for number in range(6)]
    load = Load.of(found)
    raises = [one for each in found for one in raised(each, 2, running(THREE), load)]
    assert Counter(one.target[0] for one in raises) == {0: 2, 1: 2, 2: 2}
    assert Counter(node for one in raises for node in one.added) == {1: 3, 2: 3}


def test_leaders_that_are_even_stay() -> None:
    """Nobody's leader changes without need."""
    assert [one.target[0] for one in plan(topic(on=[(2,), (0,), (1,)]), 2, THREE)] == [2, 0, 1]


def test_copies_that_come_first_make_room() -> None:
    """What looked best for one partition is changed where that leaves a broker with more than others in the end."""
    found = topic(on=[(0,)] * 9 + [(1,)])
    counts = Counter(node for target in after(found, plan(found, 3, [broker(node) for node in range(5)])) for node in target)
    assert spread(counts, range(1, 5)) <= 1


@st.composite
def clusters(draw: st.DrawFn) -> list[BrokerFound]:
    """Up to six brokers in up to three racks or none, some of them down."""
    racks = draw(st.sampled_from([None, "ab", "abc"]))
    ids = draw(st.lists(st.integers(0, 9), min_size=1, max_size=6, unique=True))
    return [
        lost(node) if draw(st.integers(0, 5)) == 0 else broker(node, rack=racks and draw(st.sampled_from(racks)))
        for node in sorted(ids)
    ]


@st.composite
def held(draw: st.DrawFn, brokers: Sequence[BrokerFound]) -> TopicFound:
    """A topic on any of them, not all of it in sync."""
    ids = st.sampled_from([one.id for one in brokers])
    on = draw(st.lists(st.lists(ids, min_size=1, max_size=3, unique=True), min_size=1, max_size=12))
    return topic(on=on, in_sync=[draw(st.sampled_from([nodes, nodes[:1], []])) for nodes in on])


@given(st.data(), clusters(), st.integers(1, 6))
def test_nothing_is_taken_away(data: st.DataObject, brokers: list[BrokerFound], factor: int) -> None:
    """Each partition keeps what it has, gets just what it lacks, each broker once, and only brokers that run."""
    found = data.draw(held(brokers))
    for one in plan(found, factor, brokers):
        assert set(one.replicas) <= set(one.target)
        assert len(one.target) == len(set(one.target)) == factor > len(one.replicas)
        assert set(one.added) <= running(brokers).keys()
        assert one.target[0] in running(brokers) or one.target[0] == one.replicas[0]


@given(st.lists(st.sampled_from("abc"), min_size=2, max_size=6), st.data())
def test_as_many_racks_as_there_can_be(racks: list[str], data: st.DataObject) -> None:
    """Each new copy is in a rack that has none of the partition, as long as there is one."""
    ids = st.integers(0, len(racks) - 1)
    on = data.draw(st.lists(st.lists(ids, min_size=1, max_size=3, unique=True), min_size=1, max_size=6))
    factor = data.draw(st.integers(2, len(racks)))
    for one in plan(topic(on=on), factor, [broker(node, rack=rack) for node, rack in enumerate(racks)]):
        before, used = ({racks[node] for node in nodes} for nodes in (one.replicas, one.target))
        assert len(used) == min(len(set(racks)), len(before) + len(one.added))


@given(st.integers(2, 6), st.integers(1, 24), st.data())
def test_even(nodes: int, partitions: int, data: st.DataObject) -> None:
    """A topic that is raised onto all brokers of one kind has its leaders within one of each other, wherever they were."""
    brokers = [broker(node) for node in range(nodes)]
    on = [[data.draw(st.integers(0, nodes - 1))] for _ in range(partitions)]
    raises = plan(topic(on=on), nodes, brokers)
    assert spread(Counter(one.target[0] for one in raises), range(nodes)) <= 1


@given(st.integers(2, 6), st.integers(1, 24), st.integers(2, 6), st.data())
def test_copies_are_spread(nodes: int, partitions: int, factor: int, data: st.DataObject) -> None:
    """Wherever a topic's copies were, no broker gets a new one that another with two less could have had."""
    assume(factor <= nodes)
    brokers = [broker(node) for node in range(nodes)]
    found = topic(on=[[data.draw(st.integers(0, nodes - 1))] for _ in range(partitions)])
    raises = plan(found, factor, brokers)
    counts = Counter(node for target in after(found, raises) for node in target)
    for one in raises:
        for node in one.added:
            better = [other for other in range(nodes) if other not in one.target and counts[other] < counts[node] - 1]
            assert not better, (one, counts)
