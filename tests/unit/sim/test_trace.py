"""Traces: what a file may hold, and what is said of one that cannot be used."""

from __future__ import annotations

import pytest

from floodwarden.sim import trace
from floodwarden.sim.scenario import WrongInput
from floodwarden.sim.trace import read_trace


def test_a_rate_holds_until_the_next_line() -> None:
    """The total is spread evenly; the last line only ends the trace, and a longer simulation goes on as it was."""
    found = read_trace("seconds,rate\n0,60\n300,700\n\n900,5\n")
    scenario = found.scenario(10)
    rates = [scenario.total(at, 10) for at in (0.0, 299.0, 300.0, 899.0, 900.0, 5000.0)]
    assert rates == pytest.approx([60, 60, 700, 700, 700, 700])
    assert (scenario.seconds, scenario.peak, found.lowest, found.partitions) == (900.0, 700.0, 60.0, None)
    assert found.scenario(10, 300.0).seconds == 300.0


def test_a_column_for_each_partition() -> None:
    """Then the partitions are the trace's own."""
    found = read_trace("at,p0,p1,p2\n0,20,20,20\n60,20,640,0.5\n120,0,0,0\n")
    scenario = found.scenario(3)
    assert [scenario.arrivals(60.0, number) for number in range(3)] == [20.0, 640.0, 0.5]
    assert (found.partitions, scenario.peak) == (3, 660.5)


WRONG = {
    "empty": ("", "it is empty"),
    "no header": ("0,60\n60,60\n", "line 1: no header"),
    "one column": ("seconds\n0\n60\n", "line 1: no header"),
    "a word": ("seconds,rate\n0,60\n60,many\n", "line 3: rate is 'many'; write a number of 0 or more"),
    "not finite": ("seconds,rate\n0,nan\n60,1\n", "line 2: rate is 'nan'"),
    "negative": ("seconds,rate\n0,60\n60,-1\n", "line 3: rate is '-1'"),
    "a value too many": ("seconds,rate\n0,60\n60,60,60\n", "line 3: 3 values, but the header has 2 columns"),
    "back in time": ("seconds,rate\n0,60\n60,60\n30,60\n", "line 4: the time 30 does not come after 60"),
    "not from zero": (
        "seconds,rate\n1700000000,60\n1700000060,60\n",
        "line 2: the first time is 1.7e+09; count the seconds from 0",
    ),
    "one line": ("seconds,rate\n0,60\n", "it needs two lines"),
}


@pytest.mark.parametrize(("text", "says"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_names_the_line(text: str, says: str) -> None:
    """And what to do about it."""
    with pytest.raises(WrongInput) as refusal:
        read_trace(text)
    assert says in str(refusal.value)


def test_a_trace_has_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for a million lines."""
    monkeypatch.setattr(trace, "MOST_LINES", 3)
    with pytest.raises(WrongInput, match="line 5: more than 3 lines"):
        read_trace("seconds,rate\n0,1\n1,1\n2,1\n3,1\n")
