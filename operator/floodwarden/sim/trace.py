"""Traffic from a file: what really arrived, to be tried again.

CSV with a header. The first column is the time in seconds, from 0 and rising. Either one more column holds the messages per
second of all partitions together, or one column for each partition holds its own. A rate holds until the next line; the last
line only says where the trace ends.

    seconds,rate          seconds,p0,p1,p2
    0,60                  0,20,20,20
    300,700               300,20,640,20
    900,60                900,20,20,20
"""

from __future__ import annotations

import csv
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

from floodwarden.sim.scenario import Scenario, WrongInput

LARGEST = 10_000_000  # bytes of a file
MOST_LINES = 100_000
EXAMPLE = "the header is seconds,rate or seconds and one column for each partition, then lines such as 0,60"


@dataclass(frozen=True, slots=True)
class Trace:
    """``times`` in seconds, ascending from 0; ``rates`` for each time, in messages per second: one for all partitions
    together, or one for each."""

    times: Sequence[float]
    rates: Sequence[Sequence[float]]

    @property
    def partitions(self) -> int | None:
        """How many partitions the trace has; None where it tells the total only."""
        columns = len(self.rates[0])
        return columns if columns > 1 else None

    @property
    def lowest(self) -> float:
        """The lowest total rate, in messages per second."""
        return min(sum(row) for row in self.rates[:-1])

    @property
    def highest(self) -> float:
        """The highest total rate, in messages per second."""
        return max(sum(row) for row in self.rates[:-1])

    def scenario(self, partitions: int, seconds: float | None = None) -> Scenario:
        """The trace over so many partitions, up to its end or for so many seconds; the last rate but one goes on."""
        own = self.partitions is not None

        def arrivals(at: float, number: int) -> float:
            row = self.rates[min(bisect_right(self.times, at), len(self.times) - 1) - 1]
            return row[number] if own else row[0] / partitions

        return Scenario("trace", arrivals, seconds or self.times[-1], self.highest)


def read_trace(text: str) -> Trace:
    """A trace from the text of its file; WrongInput names the line and what is wrong with it."""
    rows = csv.reader(text.splitlines())
    header = next(rows, None)
    if header is None:
        raise WrongInput(f"it is empty; {EXAMPLE}")
    if len(header) < 2 or _number(header[0]) is not None:
        raise WrongInput(f"line 1: no header; {EXAMPLE}")
    times: list[float] = []
    rates: list[tuple[float, ...]] = []
    for row in rows:
        if not row:
            continue
        line = rows.line_num
        if len(times) >= MOST_LINES:
            raise WrongInput(f"line {line}: more than {MOST_LINES:,} lines; thin the trace out")
        if len(row) != len(header):
            raise WrongInput(f"line {line}: {len(row)} values, but the header has {len(header)} columns")
        at, *values = (_value(cell, name, line) for cell, name in zip(row, header, strict=True))
        if not times and at != 0:
            raise WrongInput(f"line {line}: the first time is {at:g}; count the seconds from 0")
        if times and at <= times[-1]:
            raise WrongInput(f"line {line}: the time {at:g} does not come after {times[-1]:g}; sort the lines by time")
        times.append(at)
        rates.append(tuple(values))
    if len(times) < 2:
        raise WrongInput("it needs two lines of numbers or more: the last one says where the trace ends")
    return Trace(times, rates)


def _value(cell: str, column: str, line: int) -> float:
    value = _number(cell)
    if value is None or value < 0:
        raise WrongInput(f"line {line}: {column.strip() or 'a column'} is {cell.strip()[:40]!r}; write a number of 0 or more")
    return value


def _number(cell: str) -> float | None:
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if isfinite(value) else None
