"""What is told of acks: idempotent batches prove acks=all, others prove nothing, and what was not looked at is not counted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floodwarden.api.deliverypolicy import TEXT_BYTES
from floodwarden.core.delivery.audit import Findings
from floodwarden.core.delivery.producers import REASONS_TOLD, Newest, evidence, sample
from floodwarden.core.delivery.seen import Seen, with_seen
from floodwarden.core.observation import Partition, Unknown, UnknownReason
from tests.support.delivery import AWAY, audited, survey, topic, wishes

ALL = wishes(acks="All")
PARTITIONS = [Partition("orders", number) for number in range(4)]
IDEMPOTENT, PLAIN, EMPTY = Newest(10, True, (7,)), Newest(10, False), Newest(0, None)
DENIED = Unknown(UnknownReason.AUTHORIZATION_FAILED, "topic orders: allow Floodwarden's user Read on the topic (Kafka ACLs)")


def told(*newest: Newest | Unknown | None) -> list[str]:
    """What is told where the first partitions' newest batches are these; None stands for one that was not looked at."""
    seen = {partition: one for partition, one in zip(PARTITIONS, newest, strict=False) if one is not None}
    sentences = evidence(ALL, PARTITIONS, seen)
    assert all(sentence.startswith("acks All: ") for sentence in sentences)
    return [sentence.removeprefix("acks All: ") for sentence in sentences]


UNKNOWN = "brokers do not keep what producers ask for, nor tell a client's name or version"
NOTHING = f"{UNKNOWN}, and no batch that was looked at tells it"
NOT_ALL = "nobody can tell the acks of a producer that is not idempotent, and one wrote the newest batch of"


def proven(where: str) -> str:
    return (
        f"acks=all is what an idempotent producer asks for, and one wrote the newest batch in {where}; "
        "brokers do not keep what others ask for, nor tell a client's name or version"
    )


EVERY, SOME = proven("every partition that was looked at"), proven("some of the partitions looked at")


@pytest.mark.parametrize(
    ("newest", "sentences"),
    [
        pytest.param([], [NOTHING], id="nothing looked at"),
        pytest.param([EMPTY] * 4, [NOTHING], id="nothing written"),
        pytest.param([IDEMPOTENT] * 4, [EVERY], id="all idempotent"),
        pytest.param([Newest(1, True, (12, 3)), Newest(1, True, (3, 5))] * 2, [EVERY], id="several producers"),
        pytest.param([IDEMPOTENT, IDEMPOTENT], [EVERY], id="some not looked at yet"),
        pytest.param([IDEMPOTENT, EMPTY], [EVERY], id="some empty"),
        pytest.param([IDEMPOTENT, PLAIN, IDEMPOTENT, PLAIN], [SOME, f"{NOT_ALL} orders-1, orders-3"], id="some not idempotent"),
        pytest.param([PLAIN] * 4, [NOTHING, f"{NOT_ALL} orders-0, orders-1, orders-2, orders-3"], id="none idempotent"),
        pytest.param([IDEMPOTENT, DENIED, DENIED], [EVERY, DENIED.detail], id="not allowed"),
    ],
)
def test_what_is_told(newest: list[Newest | Unknown | None], sentences: list[str]) -> None:
    """Whether all or some prove it, and which do not; a right that is missing once."""
    assert told(*newest) == sentences


@pytest.mark.parametrize(
    "kinds",
    [
        pytest.param([IDEMPOTENT], id="all idempotent"),
        pytest.param([PLAIN], id="none idempotent"),
        pytest.param([IDEMPOTENT, PLAIN], id="some idempotent"),
        pytest.param([IDEMPOTENT, PLAIN, DENIED, AWAY, AWAY], id="some not known"),
    ],
)
def test_the_next_sample_changes_nothing(kinds: list[Newest | Unknown]) -> None:
    """Of 360 partitions, 60 with each audit: a status is not written again because more of the same was found."""
    partitions = [Partition("orders", number) for number in range(360)]
    newest = {one: kinds[one.number % len(kinds)] for one in partitions}
    after = [{one: newest[one] for one in partitions[:seen]} for seen in (60, 120, 360)]
    assert len({evidence(ALL, partitions, seen) for seen in after}) == 1


def test_another_producer_changes_nothing() -> None:
    """Each run of a program has another producer id."""
    one, other = ({PARTITIONS[0]: Newest(10, True, (number,))} for number in (7, 8))
    assert evidence(ALL, PARTITIONS, one) == evidence(ALL, PARTITIONS, other)


def test_what_is_proven_is_never_cut_off() -> None:
    """A status has room for so much of each sentence; names of topics come last."""
    partitions = [Partition("t" * 249, number) for number in range(9)]
    first, second = evidence(ALL, partitions, {**dict.fromkeys(partitions, PLAIN), partitions[0]: IDEMPOTENT})
    assert len(first) <= TEXT_BYTES
    assert f"acks All: {NOT_ALL}" in second[:TEXT_BYTES]
    assert second.endswith("-5 and more")


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
    assert findings.unproven == (f"acks All: {UNKNOWN}",)
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
