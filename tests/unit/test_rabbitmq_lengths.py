"""Lengths of queues without statistics: a rise is seen at once, and no older length comes after a newer one."""

from __future__ import annotations

from typing import Any

import pytest

from floodwarden.brokers.rabbitmq.queues import OLDEST_LENGTH, QUIET_SECONDS, Counted, Queues, Seen
from floodwarden.core.history import History
from floodwarden.core.observation import Offsets, Partition, Reading, Unknown
from tests.support.rabbit import entry
from tests.unit.test_rabbitmq_queues import A, B, led


def counting(*answers: tuple[float, dict[str, Any], Counted | None]) -> Seen:
    """What is known of a queue after these answers, each with its time and the length without statistics."""
    queues, seen = Queues(), None
    for now, told, counted in answers:
        seen = queues.see("orders", told, now, counted)
    assert seen is not None
    return seen


# The statistics say 100 messages, of which none was acknowledged; then these lengths come beside them.
COUNTS = {
    "a rise that stands out": ([Counted(A, 131)], Offsets(0, 131, 0), 1.0),
    "a rise that may be chance": ([Counted(A, 130)], Offsets(0, 100, 0), 0.0),
    "a fall waits for its acknowledgements": ([Counted(A, 10)], Offsets(0, 100, 0), 0.0),
    "another leader's": ([Counted(B, 900)], Offsets(0, 100, 0), 0.0),
    "none": ([None], Offsets(0, 100, 0), 0.0),
    "one rise after the other": ([Counted(A, 200), Counted(A, 300)], Offsets(0, 300, 0), 2.0),
    "a rise, and no more of it": ([Counted(A, 200), Counted(A, 200)], Offsets(0, 200, 0), 1.0),
}


@pytest.mark.parametrize(("counts", "offsets", "taken"), COUNTS.values(), ids=COUNTS)
def test_lengths_without_statistics(counts: list[Counted | None], offsets: Offsets, taken: float) -> None:
    """A rise is seen at once; chance, and what only goes with acknowledgements, makes no new reading."""
    told = entry(length=100)
    seen = counting((0.0, told, None), *((1.0 + turn, told, counted) for turn, counted in enumerate(counts)))
    assert (seen.offsets, seen.taken) == (offsets, taken)


def test_statistics_never_put_an_old_length_after_a_new_one() -> None:
    """Those that come after a rise were taken before it: their acknowledgements count, and the length is the other answer's."""
    rise, late = entry(length=0), entry(length=3, ack=40, reductions=2)
    risen = counting((0.0, rise, Counted(A, 0)), (1.0, rise, Counted(A, 500)))
    assert risen.offsets == Offsets(0, 500, 0)
    seen = counting((0.0, rise, Counted(A, 0)), (1.0, rise, Counted(A, 500)), (2.0, late, Counted(A, 510)))
    assert (seen.offsets, seen.taken) == (Offsets(40, 550, 40), 2.0)


def test_a_new_length_outlives_an_answer_that_fails() -> None:
    """Statistics alone are not believed before they can be as young; what they told meanwhile is not forgotten."""
    rise, late = entry(length=0), entry(length=3, ack=40, reductions=2)
    answers = [(0.0, rise, Counted(A, 0)), (1.0, rise, Counted(A, 500)), (2.0, late, None)]
    assert counting(*answers).offsets == Offsets(0, 500, 0)
    assert counting(*answers, (3.0, late, Counted(A, 460))).offsets == Offsets(40, 500, 40)
    assert counting(*answers, (1.0 + OLDEST_LENGTH, late, None)).offsets == Offsets(40, 43, 40)


def test_a_new_leader_that_has_told_no_length_yet() -> None:
    """Its 0 is none: the queue is unknown until it has told one."""
    seen = counting((0.0, led(A, 500, 666), Counted(A, 500)), (1.0, led(B, 500, 667), Counted(B, 0)))
    assert isinstance(seen.offsets, Unknown)
    between = counting((0.0, led(A, 500, 666), Counted(A, 500)), (1.0, led(A, 500, 667), Counted(B, 0)))
    assert between.offsets == Offsets(0, 500, 0)


def test_a_queue_at_rest_is_counted_again() -> None:
    """Where nothing has moved for an interval, the length is that of the other answer."""
    told = entry(length=5)
    seen = counting((0.0, told, Counted(A, 5)), (QUIET_SECONDS, told, Counted(A, 4)))
    assert (seen.offsets, seen.taken) == (Offsets(0, 4, 0), QUIET_SECONDS)


def test_steady_traffic_with_a_rise() -> None:
    """Length and acknowledgements of different times make no arrivals that were none, and none is lost."""
    queues, history = Queues(), History()
    last = None
    for now in range(60):
        sampled = now // 5 * 5
        waiting = 20 if now < 30 else 20 + 80 * (now - 30)  # 100/s arrive and are read, then 180/s arrive
        seen = queues.see("orders", entry(length=20, ack=100 * sampled, reductions=sampled), float(now), Counted(A, waiting))
        assert seen is not None
        assert isinstance(seen.offsets, Offsets)
        assert seen.offsets.end <= 100 * now + waiting
        if seen is not last:
            history.record(seen.taken, Reading({Partition("orders", 0): seen.offsets}, {"orders": "0"}))
        last = seen
    assert history.consumed_rate(59.0) == pytest.approx(100.0)
    assert history.produced_rate(59.0, window=25.0) == pytest.approx(180.0, rel=0.12)
