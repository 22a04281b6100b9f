"""What Prometheus answers, and what it means for a subscription: nothing that is missing, old or no number becomes one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floodwarden.brokers.prometheus.answers import MOST_PARTITIONS, Table, Unreadable, table
from floodwarden.brokers.prometheus.questions import KAFKA_EXPORTER, MARK, Labels, Row, Series, question
from floodwarden.brokers.prometheus.readings import reading
from floodwarden.core.observation import Offsets, Partition, Reading, Subscription, Unknown

NOW = 1_700_000_000.0
ORDERS = Subscription("billing", ("orders",))
LABELS = Labels()
FIRST = Partition("orders", 0)


def sample(row: str, value: object = "0", at: object = NOW, **labels: str) -> dict[str, Any]:
    return {"metric": {MARK: row, **labels}, "value": [at, value]}


def place(number: int = 0, topic: str = "orders") -> dict[str, str]:
    return {"topic": topic, "partition": str(number)}


def answer(*samples: Any, **changes: Any) -> dict[str, Any]:
    return {"status": "success", "data": {"resultType": "vector", "result": list(samples)}} | changes


def usual(
    end: object = "100", committed: object = "60", start: object = "10", taken: float = NOW - 5, row: str = Row.COMMITTED
) -> list[Any]:
    """All of one partition; None leaves a sample out."""
    told = [(Row.END, end, place()), (row, committed, {"group": "billing", **place()}), (Row.LOG_START, start, place())]
    samples = [sample(kind, value, **labels) for kind, value, labels in told if value is not None]
    times = [sample(Row.TAKEN, str(taken), group="billing"), sample(Row.TAKEN, str(taken), topic="orders")]
    return [*samples, sample(Row.PARTITIONS, "1", topic="orders"), *times]


def read(*samples: Any, subscription: Subscription = ORDERS, lag: bool = False) -> Reading | Unknown:
    return reading(subscription, table(answer(*samples), LABELS), 90, lag=lag, starts=True)


POSITIONS: dict[str, tuple[dict[str, object], Offsets]] = {
    "a backlog": ({}, Offsets(10, 100, 60)),
    "as large numbers are written": ({"end": "1.5e+06"}, Offsets(10, 1_500_000, 60)),
    "never committed": ({"committed": "-1"}, Offsets(10, 100, None)),
    "committed after the end was read": ({"committed": "103"}, Offsets(10, 103, 103)),
    "a start read after the end": ({"end": "8", "committed": "8"}, Offsets(8, 8, 8)),
}


@pytest.mark.parametrize(("told", "offsets"), POSITIONS.values(), ids=POSITIONS)
def test_positions(told: dict[str, Any], offsets: Offsets) -> None:
    """What is known of a partition."""
    found = read(*usual(**told))
    assert isinstance(found, Reading)
    assert found.partitions == {FIRST: offsets}
    assert found.taken == NOW - 5


NO_POSITION: dict[str, tuple[dict[str, Any], str]] = {
    "no number": ({"end": "NaN"}, "the exporter has no number"),
    "endless": ({"committed": "+Inf"}, "the exporter has no number"),
    "a half": ({"start": "0.5"}, "no count of messages"),
    "below nothing": ({"end": "-7"}, "no count of messages"),
    "an end of nothing": ({"end": "-1"}, "no series tells its positions"),
    "beyond what is exact": ({"end": "1e300"}, "no count of messages"),
    "no start": ({"start": None}, "no series tells its positions"),
    "more lag than messages": ({"committed": "101", "row": Row.LAG}, "more than was ever written"),
}


@pytest.mark.parametrize(("told", "says"), NO_POSITION.values(), ids=NO_POSITION)
def test_what_is_no_position(told: dict[str, Any], says: str) -> None:
    """The partition is unknown, with what to do."""
    found = read(*usual(**told), lag=told.get("row") == Row.LAG)
    assert isinstance(found, Reading)
    lost = found.partitions[FIRST]
    assert isinstance(lost, Unknown)
    assert says in lost.detail


NOT_KNOWN: dict[str, tuple[list[Any], str]] = {
    "an empty answer": ([], "no series tells of group billing"),
    "another group": ([sample(Row.COMMITTED, "5", group="other", **place())], "no series tells of group billing"),
    "old": (usual(taken=NOW - 91), "older than 90 s"),
    "of a time to come": (usual(taken=NOW + 60), "clocks"),
    "of no time": (usual()[:4], "nothing tells when"),
    "computed now": (usual(taken=NOW), "add queries.taken"),
    "too many partitions": (
        [*usual(), sample(Row.PARTITIONS, str(MOST_PARTITIONS + 1), topic="orders")],
        "would have more than",
    ),
    "one partition of a billion": ([*usual(), sample(Row.END, "1", **place(999_999_999))], "would have more than"),
    "no count of partitions": ([*usual(), sample(Row.PARTITIONS, "NaN", topic="orders")], "number of partitions of orders"),
}


@pytest.mark.parametrize(("samples", "says"), NOT_KNOWN.values(), ids=NOT_KNOWN)
def test_what_is_not_known(samples: list[Any], says: str) -> None:
    """All of the subscription, with what to do."""
    found = read(*samples)
    assert isinstance(found, Unknown)
    assert says in found.detail


def test_a_partition_that_nothing_tells_of_is_missed() -> None:
    """Be it the last: the number of partitions says so."""
    found = read(*usual(), sample(Row.PARTITIONS, "2", topic="orders"))
    assert isinstance(found, Reading)
    assert isinstance(found.partitions[Partition("orders", 1)], Unknown)
    counted = read(*usual(), {"metric": {MARK: Row.PARTITIONS, "topic": "orders", "partition_count": "3"}, "value": [NOW, "1"]})
    assert isinstance(counted, Reading)
    assert len(counted.partitions) == 3


def test_where_nothing_was_ever_to_be_read_nothing_is_missing() -> None:
    """A partition without a commit, which kminion leaves out; with messages in it nobody knows whether it was read."""
    for end, offsets in (("10", Offsets(10, 10, None)), ("11", None)):
        found = read(*usual(), sample(Row.END, end, **place(1)), sample(Row.LOG_START, "10", **place(1)))
        assert isinstance(found, Reading)
        told = found.partitions[Partition("orders", 1)]
        assert told == offsets if offsets else isinstance(told, Unknown)


def test_all_that_the_group_has_committed() -> None:
    """Where the policy names no topic."""
    more = [sample(Row.COMMITTED, "5", group="billing", **place(0, "returns")), sample(Row.END, "9", **place(0, "returns"))]
    times = [sample(Row.LOG_START, "0", **place(0, "returns")), sample(Row.TAKEN, str(NOW - 9), topic="returns")]
    found = read(*usual(), *more, *times, subscription=Subscription("billing"))
    assert isinstance(found, Reading)
    assert found.partitions == {FIRST: Offsets(10, 100, 60), Partition("returns", 0): Offsets(0, 9, 5)}
    assert found.taken == NOW - 9


def test_end_and_lag_of_two_moments_do_not_go_together() -> None:
    """What was produced between them would count as done."""
    samples = usual(row=Row.LAG)
    found = read(*samples, lag=True)
    assert isinstance(found, Reading)
    assert found.partitions[FIRST] == Offsets(10, 100, 40)
    apart = read(*samples[:-1], sample(Row.TAKEN, str(NOW - 20), topic="orders"), lag=True)
    assert isinstance(apart, Reading)
    assert isinstance(apart.partitions[FIRST], Unknown)


@pytest.mark.parametrize("labels", [place(), {"group": "billing", **place()}], ids=["an end", "a position"])
def test_what_is_there_twice_is_unknown(labels: dict[str, str]) -> None:
    """Wherever in the answer that is said."""
    for samples in ([*usual(), sample(Row.TWICE, "2", **labels)], [sample(Row.TWICE, "2", **labels), *usual()]):
        found = read(*samples)
        assert isinstance(found, Reading)
        assert isinstance(found.partitions[FIRST], Unknown)


UNREADABLE: dict[str, Any] = {
    "nothing": None,
    "a list": [],
    "a failure": answer(status="error"),
    "no data": {"status": "success"},
    "a matrix": answer(data={"resultType": "matrix", "result": []}),
    "a scalar": answer(data={"resultType": "scalar", "result": [NOW, "1"]}),
    "a part is missing": answer(warnings=["store a did not answer"]),
    "a text": answer("up"),
    "no labels": answer({"value": [NOW, "1"]}),
    "labels that are no text": answer({"metric": {MARK: 7}, "value": [NOW, "1"]}),
    "not asked for": answer({"metric": {}, "value": [NOW, "1"]}),
    "a number that is none": answer(sample(Row.END, "many", **place())),
    "a number without quotes": answer(sample(Row.END, 7, **place())),
    "no time": answer(sample(Row.END, "7", at="now", **place())),
    "a time without end": answer(sample(Row.END, "7", at=float("inf"), **place())),
    "a time that is too large": answer(sample(Row.END, "7", at=10**400, **place())),
    "half a value": answer({"metric": {MARK: Row.END, **place()}, "value": [NOW]}),
    "no partition": answer(sample(Row.END, "7", topic="orders")),
    "a partition that is none": answer(sample(Row.END, "7", topic="orders", partition="-1")),
    "no group": answer(sample(Row.COMMITTED, "7", **place())),
}


@pytest.mark.parametrize("told", UNREADABLE.values(), ids=UNREADABLE)
def test_what_is_no_answer(told: Any) -> None:
    """It is refused as a whole, with what to do."""
    with pytest.raises(Unreadable, match=r"check url|correct queries|see which"):
        table(told, LABELS)


def test_a_histogram_is_no_number() -> None:
    """Its partition is unknown."""
    found = table(answer({"metric": {MARK: Row.END, **place()}, "histogram": [NOW, {}]}), LABELS)
    assert isinstance(found.ends["orders"][FIRST], Unknown)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=12,
)
TEXTS = st.sampled_from(["orders", "0", "1", "billing", "", "NaN", "-1", "999999999", "1e999", "7.5"]) | st.text(max_size=5)
SAMPLES = st.fixed_dictionaries(
    {
        "metric": st.dictionaries(st.sampled_from([MARK, "topic", "partition", "group", "partition_count"]), TEXTS, max_size=5)
        | st.builds(
            lambda row, labels: {MARK: row, **labels},
            st.sampled_from([str(row) for row in Row]),
            st.fixed_dictionaries({"topic": TEXTS, "partition": TEXTS, "group": TEXTS}),
        )
        | JSON,
        "value": st.tuples(st.just(NOW), TEXTS).map(list) | JSON,
    }
)


@given(st.lists(SAMPLES, max_size=8).map(lambda samples: answer(*samples)) | JSON)
def test_no_answer_breaks_it(told: Any) -> None:
    """Whatever is sent is refused or read; what is read never has more done than there is."""
    try:
        found = table(told, LABELS)
    except Unreadable:
        return
    for lag in (False, True):
        for subscription in (ORDERS, Subscription("billing")):
            _sound(reading(subscription, found, 90, lag=lag, starts=True))


def _sound(known: Reading | Unknown) -> None:
    for offsets in known.partitions.values() if isinstance(known, Reading) else ():
        if isinstance(offsets, Offsets):
            assert 0 <= offsets.log_start <= offsets.end
            assert offsets.committed is None or 0 <= offsets.committed <= offsets.end


def test_a_table_begins_empty() -> None:
    """No answer leaves anything for the next."""
    assert table(answer(), LABELS) == Table()


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20), min_size=1, max_size=5))
def test_names_stay_names(groups: list[str]) -> None:
    """Whatever they hold, the expression has the same parts: the string that they are in ends where it should."""
    expression = question(KAFKA_EXPORTER, {"cluster": 'a"b'}, groups)
    bare, rest = "", expression
    while '"' in rest:
        before, _, rest = rest.partition('"')
        bare += before
        _, end = json.JSONDecoder().raw_decode('"' + rest)
        rest = rest[end - 1 :]
    assert bare + rest == _bare(question(KAFKA_EXPORTER, {"cluster": "c"}, ["g"]))


def _bare(expression: str) -> str:
    return "".join(part for index, part in enumerate(expression.split('"')) if index % 2 == 0)


def test_names_are_no_patterns() -> None:
    """Each group is asked for by its very name."""
    expression = question(KAFKA_EXPORTER, {"cluster": "main"}, ["b", "a.c+(d)"])
    assert r'{cluster="main",consumergroup=~"a\\.c\\+\\(d\\)|b"}' in expression


def test_a_comment_ends_with_its_query() -> None:
    """Or the rest would be one."""
    own = Series(end="a # ends", committed="b # committed")
    assert "(a # ends\n)" in question(own, {}, ["billing"])
