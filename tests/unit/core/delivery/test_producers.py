"""What is told of acks: idempotent batches prove acks=all, others prove nothing, and what was not looked at is not counted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floodwarden.core.delivery.audit import Findings
from floodwarden.core.delivery.producers import REASONS_TOLD, Newest, evidence, sample
from floodwarden.core.delivery.seen import Seen, with_seen
from floodwarden.core.observation import Partition, Unknown, UnknownReason
from tests.support.delivery import audited, survey, topic, wishes

ALL = wishes(acks="All")
PARTITIONS = [Partition("orders", number) for number in range(4)]
IDEMPOTENT, PLAIN, EMPTY = Newest(10, True, (7,)), Newest(10, False), Newest(0, None)
DENIED = Unknown(UnknownReason.AUTHORIZATION_FAILED, "topic orders: allow Floodwarden's user Read on the topic (Kafka ACLs)")
ASKS_ALL = "whose client asks for acks=all"


def told(*newest: Newest | Unknown | None) -> list[str]:
    """What is told where the first partitions' newest batches are these; None stands for one that was not looked at."""
    seen = {partition: one for partition, one in zip(PARTITIONS, newest, strict=False) if one is not None}
    sentences = evidence(ALL, PARTITIONS, seen)
    assert all(sentence.startswith("acks All: ") for sentence in sentences)
    return [sentence.removeprefix("acks All: ") for sentence in sentences]


KEPT = "brokers do not keep what producers ask for"
NOTHING = f"{KEPT}, and no batch in the 4 partitions tells it"


def proven(how_many: str, ids: str = "") -> str:
    return f"{KEPT}, but the newest batch in {how_many} is of an idempotent producer{ids}, {ASKS_ALL}"


@pytest.mark.parametrize(
    ("newest", "sentences"),
    [
        pytest.param([], [NOTHING], id="nothing looked at"),
        pytest.param([EMPTY] * 4, [NOTHING], id="nothing written"),
        pytest.param([IDEMPOTENT] * 4, [proven("4 of 4 partitions", " (producer ids 7)")], id="all idempotent"),
        pytest.param(
            [Newest(1, True, (12, 3)), Newest(1, True, (3, 5))] * 2,
            [proven("4 of 4 partitions", " (producer ids 3, 5, 12)")],
            id="several producers",
        ),
        pytest.param(
            [IDEMPOTENT, IDEMPOTENT],
            [proven("2 of 2 partitions, of 4 in all,", " (producer ids 7)")],
            id="some not looked at yet",
        ),
        pytest.param([IDEMPOTENT, EMPTY], [proven("1 of 1 partitions, of 4 in all,", " (producer ids 7)")], id="some empty"),
        pytest.param(
            [IDEMPOTENT, PLAIN, IDEMPOTENT, PLAIN],
            [
                proven("2 of 4 partitions", " (producer ids 7)"),
                "the newest batch of orders-1, orders-3 is of a producer that is not idempotent: nobody can tell its acks",
            ],
            id="some not idempotent",
        ),
        pytest.param(
            [PLAIN] * 4,
            [
                proven("0 of 4 partitions"),
                "the newest batch of orders-0, orders-1, orders-2, orders-3 is of a producer that is not idempotent: "
                "nobody can tell its acks",
            ],
            id="none idempotent",
        ),
        pytest.param(
            [IDEMPOTENT, DENIED, DENIED],
            [proven("1 of 1 partitions, of 4 in all,", " (producer ids 7)"), DENIED.detail],
            id="not allowed",
        ),
    ],
)
def test_what_is_told(newest: list[Newest | Unknown | None], sentences: list[str]) -> None:
    """How many of how many, and which are not; a right that is missing once."""
    assert told(*newest) == sentences


def test_few_sentences() -> None:
    """However many topics: a status has room for twenty."""
    many = [Partition(f"topic-{number}", 0) for number in range(100)]
    newest = {one: Unknown(UnknownReason.AUTHORIZATION_FAILED, f"{one}: not allowed") for one in many[10:]}
    assert len(evidence(ALL, many, {**newest, **dict.fromkeys(many[:10], PLAIN)})) == 2 + REASONS_TOLD


def test_who_does_not_ask_for_acks_is_told_nothing() -> None:
    """Nor one whose match finds nothing."""
    assert evidence(wishes(), PARTITIONS, {}) == ()
    assert evidence(ALL, [], {}) == ()


def test_it_is_said_once() -> None:
    """What was seen takes the place of what an audit says without looking at producers; other policies' words stay."""
    findings = audited(ALL, survey(topic()))
    assert findings.unproven == (f"acks All: {KEPT}",)
    sentences = evidence(ALL, PARTITIONS, {PARTITIONS[0]: IDEMPOTENT, PARTITIONS[1]: PLAIN})
    assert with_seen(findings, [Seen(unproven=sentences)]).unproven == sentences
    assert with_seen(findings, [Seen(unproven=("acks Leader: x",)), Seen()]).unproven == (*findings.unproven, "acks Leader: x")
    assert with_seen(Findings(1, 3), [Seen(unproven=sentences)]).unproven == sentences


@given(
    numbers=st.sets(st.integers(0, 50), min_size=1),
    gone=st.sets(st.integers(0, 50)),
    size=st.integers(1, 20),
)
def test_every_partition_has_its_turn(numbers: set[int], gone: set[int], size: int) -> None:
    """One sample after the other covers all within as many as it takes, none twice in one; what is left has its turn too."""
    partitions = sorted(Partition("orders", number) for number in numbers)
    after: Partition | None = None
    seen: set[Partition] = set()
    for _ in range(-(-len(partitions) // size)):
        taken = sample(partitions, after, size)
        assert len(set(taken)) == len(taken) == min(size, len(partitions))
        seen.update(taken)
        after = taken[-1]
    assert seen == set(partitions)
    left = [one for one in partitions if one.number not in gone]
    assert set(sample(left, after, 100)) == set(left)
