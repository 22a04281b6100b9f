"""Totals, gaps and surges of one subscription."""

from __future__ import annotations

import pytest

from floodwarden.core.history import History
from floodwarden.core.observation import Offsets, Partition, Reading, Unknown, UnknownReason

P0, P1 = Partition("orders", 0), Partition("orders", 1)
NO_LEADER = Unknown(UnknownReason.NO_LEADER)


def reading(*offsets: Offsets | Unknown, incarnation: str = "a") -> Reading:
    return Reading({Partition("orders", n): one for n, one in enumerate(offsets)}, {"orders": incarnation})


def watched(rates: list[float], interval: float = 1.0) -> History:
    """A history of sweeps between which so many messages arrived in one partition; all of them are consumed."""
    history, end = History(), 0.0
    history.record(0.0, reading(Offsets(0, 0, 0)))
    for index, rate in enumerate(rates, start=1):
        end += rate * interval
        history.record(index * interval, reading(Offsets(0, int(end), int(end))))
    return history


def test_rates_are_the_sum_over_partitions() -> None:
    """Produced and consumed are totals of all partitions."""
    history = History()
    for at in range(11):
        history.record(at, reading(Offsets(0, 10 * at, 4 * at), Offsets(0, 5 * at, 5 * at)))
    assert history.produced_rate(10) == pytest.approx(15)
    assert history.consumed_rate(10) == pytest.approx(9)


def test_a_partition_that_was_unreadable_makes_no_surge() -> None:
    """What arrived while a partition could not be read is not taken for the last second's arrivals."""
    history = History()
    for at in range(12):
        lost = 2 <= at <= 5
        history.record(at, reading(Offsets(0, 10 * at, 10 * at), NO_LEADER if lost else Offsets(0, 100 * at, 100 * at)))
    assert history.surge() is None
    assert history.produced_rate(11) == pytest.approx(110)


def test_a_lost_sweep_starts_rates_anew() -> None:
    """After a sweep that read nothing, rates are unknown until two readings follow each other."""
    history = watched([10] * 10)
    history.lost()
    history.record(70.0, reading(Offsets(0, 5000, 5000)))
    assert history.produced_rate(70.0) is None
    history.record(71.0, reading(Offsets(0, 5010, 5010)))
    assert history.produced_rate(71.0) == pytest.approx(10)


SURGES = {
    "steady": ([60] * 20, None),
    "the first interval is measured once more": ([60] * 18 + [400], (400, False)),
    "the second confirms it": ([60] * 18 + [400, 700], (700, True)),
    "a fifth more is no surge": ([600] * 18 + [700, 700], None),
    "a few messages at random are no surge": ([1] * 18 + [3, 3], None),
    "over again": ([60] * 16 + [700, 700, 60], None),
    "too young to tell": ([700], None),
}


@pytest.mark.parametrize(("rates", "expected"), SURGES.values(), ids=SURGES)
def test_surge(rates: list[float], expected: tuple[float, bool] | None) -> None:
    """A rise that stands out of the noise is told at once, and confirmed by the next interval."""
    surge = watched(rates).surge()
    if expected is None or surge is None:
        assert surge == expected
    else:
        assert surge[0] == pytest.approx(expected[0])
        assert surge[1] is expected[1]


RISES = {
    "from its beginning": ([60] * 18 + [700] * 3, 700),
    "not confirmed, not believed": ([60] * 18 + [700], (9 * 60 + 700) / 10),
    "one that grows on is another": ([60] * 18 + [300] * 4 + [900] * 3, 900),
    "a burst is averaged from its beginning": ([60] * 18 + [700, 700, 60, 60], 380),
    "a burst that is long ago is smoothed like any other": ([60] * 18 + [700] * 2 + [60] * 12, 60),
}


@pytest.mark.parametrize(("rates", "expected"), RISES.values(), ids=RISES)
def test_the_rate_of_a_rise_leaves_out_what_was_before(rates: list[float], expected: float) -> None:
    """A smooth rate that reaches back before a confirmed surge would be too low for as long as its window."""
    assert watched(rates).produced_rate(float(len(rates))) == pytest.approx(expected, rel=0.01)


def test_a_lost_reading_ends_a_rise() -> None:
    """What is read again is measured anew."""
    history = watched([60.0] * 18 + [700.0] * 3)
    history.lost()
    history.record(30.0, reading(Offsets(0, 9000, 9000)))
    history.record(31.0, reading(Offsets(0, 9060, 9060)))
    assert history.produced_rate(31.0) == pytest.approx(60)


def test_a_recreated_topic_forgets_its_past() -> None:
    """Another topic under the same name has no history, and the moment is kept to say so."""
    history = watched([10] * 5)
    history.record(6.0, reading(Offsets(0, 3, None), incarnation="b"))
    assert history.recreated_at == 6.0
    assert history.tracks[P0].end.first_at == 6.0


def test_partitions_that_were_added_are_counted_once() -> None:
    """More partitions are news in the sweep that finds them only."""
    history = watched([10])
    history.record(2.0, reading(Offsets(0, 20, 20), Offsets(0, 0, None)))
    assert history.added == 1
    history.record(3.0, reading(Offsets(0, 30, 30), Offsets(0, 0, None)))
    assert history.added == 0
    assert P1 in history.tracks
