"""What a folded, bounded series promises: rates and times as if every reading had been kept."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floodwarden.core.series import MAX_RUNS, Series


def series(*points: tuple[float, int]) -> Series:
    made = Series()
    for at, value in points:
        made.add(at, value)
    return made


CASES = {
    "steady growth": ([(0, 0), (1, 10), (2, 20)], 0, 2, 10.0),
    "flat": ([(0, 5), (1, 5), (2, 5)], 0, 2, 0.0),
    "flat, then growth": ([(0, 0), (5, 0), (6, 60)], 0, 6, 10.0),
    "the growth of its last second only": ([(0, 0), (5, 0), (6, 60)], 5, 6, 60.0),
    "within a flat stretch": ([(0, 0), (5, 0), (6, 60)], 1, 4, 0.0),
    "window longer than the past": ([(3, 0), (5, 20)], 0, 5, 10.0),
}


@pytest.mark.parametrize(("points", "start", "end", "expected"), CASES.values(), ids=CASES)
def test_rate(points: list[tuple[float, int]], start: float, end: float, expected: float) -> None:
    """A rate is growth over the part of the window that is known."""
    assert series(*points).rate(start, end) == pytest.approx(expected)


def test_one_reading_tells_no_rate() -> None:
    """A rate needs two readings: with one it is unknown, not zero."""
    assert series((1, 5)).rate(0, 1) is None
    assert Series().rate(0, 1) is None


def test_a_counter_that_falls_starts_anew() -> None:
    """A group reset to an earlier offset, or a re-created topic, has no past that counts."""
    made = series((0, 100), (1, 110), (2, 7))
    assert (made.first_at, made.last) == (2, 7)


STEPS = {
    # Commits of 50 every 5 s are 10/s wherever the window begins between them.
    "window begins before a commit": ([(t, 50 * (t // 5)) for t in range(21)], 9.5, 20, 10.0),
    "window begins after a commit": ([(t, 50 * (t // 5)) for t in range(21)], 10.5, 20, 10.0),
    "now is between two commits": ([(t, 50 * (t // 5)) for t in range(19)], 4, 18, 10.0),
    "a long pause counts": ([(t, 50 * min(t // 5, 2)) for t in range(31)], 0, 30, 100 / 30),
}


@pytest.mark.parametrize(("points", "start", "now", "expected"), STEPS.values(), ids=STEPS)
def test_stepped_rate(points: list[tuple[float, int]], start: float, now: float, expected: float) -> None:
    """Commits come in steps; their rate does not depend on where the window cuts."""
    assert series(*points).stepped_rate(start, now) == pytest.approx(expected, rel=0.26)


def test_passed_interpolates_between_readings() -> None:
    """The end of the log passed an offset between the two readings around it."""
    made = series((0, 0), (10, 100), (20, 100), (30, 200))
    assert made.passed(50) == pytest.approx(5)
    assert made.passed(150) == pytest.approx(25)
    assert made.passed(100) == pytest.approx(20)  # at 100 from 10 to 20: passed when it began to grow again
    assert made.passed(200) is None
    assert made.passed(-1) is None  # before the first reading


@given(st.lists(st.tuples(st.floats(0.01, 50), st.integers(0, 1000)), min_size=2, max_size=400))
def test_bounded_and_true_at_both_ends(growth: list[tuple[float, int]]) -> None:
    """However long it runs, it stays bounded, and its first and last readings stay as they were."""
    made, at, value = Series(), 0.0, 0
    for gap, more in growth:
        at, value = at + gap, value + more
        made.add(at, value)
    assert len(made) <= MAX_RUNS
    assert made.last == value
    assert made.last_at == at
    assert made.first_at == pytest.approx(growth[0][0])


@given(st.lists(st.tuples(st.floats(0.01, 5), st.integers(0, 100)), min_size=2, max_size=300), st.data())
def test_positions_never_run_backwards(growth: list[tuple[float, int]], data: st.DataObject) -> None:
    """Interpolation is monotone: a later time never shows an earlier offset."""
    made, at, value = Series(), 0.0, 0
    for gap, more in growth:
        at, value = at + gap, value + more
        made.add(at, value)
    first = growth[0][0]
    earlier = data.draw(st.floats(first, at))
    later = data.draw(st.floats(earlier, at))
    one, other = made.at(earlier), made.at(later)
    assert one is not None
    assert other is not None
    assert one <= other + 1e-6
