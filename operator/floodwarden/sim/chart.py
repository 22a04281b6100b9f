"""Drawing on a terminal: quantities over time as columns of eighths of a block. Pure.

Own drawing, because all it takes is a column for each moment. ``picture`` draws a simulation; the demo of this checkout draws
with the same parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rich.text import Text

from floodwarden.sim.report import Report

EIGHTHS = " ▁▂▃▄▅▆▇█"
LABEL_WIDTH = 9
TICKS = (1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400)  # seconds

Points = Sequence[tuple[float, float | None]]


@dataclass(frozen=True)
class Panel:
    """One quantity over time, as an area of columns, red where ``alarm`` is above zero; ``top`` is the axis' end, if given."""

    title: str
    points: Points
    height: int
    style: str
    limit: float | None = None
    alarm: Points = ()
    top: float | None = None


def columns(points: Points, start: float, end: float, width: int) -> list[float | None]:
    """The highest value in each of `width` equal spans of time; None where nothing is known.

    A span without a point of its own repeats the one before it, as long as points follow.
    """
    cells: list[list[float | None]] = [[] for _ in range(width)]
    for at, value in points:
        if start <= at <= end:
            cells[min(width - 1, int((at - start) / (end - start or 1.0) * width))].append(value)
    last_filled = max((index for index, cell in enumerate(cells) if cell), default=-1)
    heights: list[float | None] = []
    for index, cell in enumerate(cells):
        if cell:
            heights.append(max((value for value in cell if value is not None), default=None))
        else:
            heights.append(heights[-1] if heights and index < last_filled else None)
    return heights


def round_up(value: float) -> float:
    """The next of 1, 1.2, 1.6, 2, 2.4, 3, 4, 5, 6, 8 times a power of ten: a pleasant end for an axis."""
    if value <= 0:
        return 1.0
    power = 1.0
    while power * 10 <= value:
        power *= 10
    while power > value:
        power /= 10
    return next(step * power for step in (1, 1.2, 1.6, 2, 2.4, 3, 4, 5, 6, 8, 10) if step * power >= value)


def tick(span: float, at_most: int) -> float:
    """Seconds between the ticks of a time axis: one of the usual steps, so that `span` has at most so many ticks."""
    return next((step for step in TICKS if span / step <= at_most), span)


def axis_end(panels: Sequence[Panel]) -> float:
    """The end of an axis that fits all of these panels, so that they can be compared."""
    values = [value for panel in panels for _, value in panel.points if value is not None]
    limits = [1.2 * panel.limit for panel in panels if panel.limit is not None]
    return round_up(max([*values, *limits, 1.0]))


def draw(panel: Panel, start: float, end: float, width: int) -> list[Text]:
    """The panel's lines: a title, then `height` rows with the axis at their left. `width` counts everything."""
    inner = width - LABEL_WIDTH - 2
    heights = columns(panel.points, start, end, inner)
    alarms = columns(panel.alarm, start, end, inner)
    top = panel.top or axis_end([panel])
    limit_row = None if panel.limit is None else min(panel.height - 1, int(panel.limit / top * panel.height))
    lines = [Text(panel.title, style="bold")]
    for row in reversed(range(panel.height)):
        label = f"{top:,.0f}" if row == panel.height - 1 else "0" if row == 0 else ""
        if row == limit_row and panel.limit is not None:
            label = f"{panel.limit:,.0f}"
        cells = [
            _cell(value, row, top, panel, is_limit=row == limit_row, alarm=bool(alarm))
            for value, alarm in zip(heights, alarms, strict=True)
        ]
        lines.append(Text.assemble((f"{label:>{LABEL_WIDTH}} ┤", "red" if row == limit_row else "dim"), *cells))
    return lines


def time_axis(start: float, end: float, zero: float, width: int, since: str = "the spike began") -> list[Text]:
    """A line of ticks, one of seconds since `zero` and one that says so, to go below panels of the same width."""
    inner = width - LABEL_WIDTH - 2
    span = end - start or 1.0
    step = tick(span, 8)
    ticks, labels = ["─"] * inner, [" "] * inner
    at = -(int((zero - start) / step)) * step
    while zero + at <= end:
        column = min(inner - 1, int((zero + at - start) / span * inner))
        if column >= 0:
            ticks[column] = "┴"
            word = f"{at:+.0f}" if at else "0"
            if column + len(word) <= inner:
                labels[column : column + len(word)] = word
        at += step
    gap = " " * LABEL_WIDTH
    lines = (f"{gap} └{''.join(ticks)}", f"{gap}  {''.join(labels).rstrip()}", f"{gap}  seconds since {since}")
    return [Text(line, style="dim") for line in lines]


def _cell(value: float | None, row: int, top: float, panel: Panel, *, is_limit: bool, alarm: bool) -> tuple[str, str]:
    if value is not None:
        eighths = round(value / top * panel.height * 8) - row * 8
        # The smallest value that is not zero still shows.
        if row == 0 and value > 0:
            eighths = max(1, eighths)
        if eighths > 0:
            return EIGHTHS[min(8, eighths)], "red" if alarm else panel.style
    return ("┄", "red") if is_limit else (" ", "")


def picture(report: Report, width: int) -> Text:
    """What arrives, then lag and replicas for each scaler on the same axes, red while the limit is broken."""
    in_messages = report.policy.max_messages is not None
    limit = float(report.policy.max_messages or report.policy.max_seconds or 0.0)
    lags, counts = [], []
    for run in report.runs:
        shown = [(sample.at, sample.lag if in_messages else sample.seconds) for sample in run.samples]
        alarm = [(sample.at, float(sample.over)) for sample in run.samples]
        what = f"lag, messages (limit {limit:,.0f})" if in_messages else f"longest wait, seconds (limit {limit:g})"
        lags.append(Panel(f"{run.name}: {what}", shown, 6, "cyan", limit, alarm))
        counts.append(Panel(f"{run.name}: replicas", [(sample.at, float(sample.replicas)) for sample in run.samples], 3, "green"))
    rates = [(sample.at, sample.arriving) for sample in report.ours.samples]
    arriving = Panel("messages per second that arrive", rates, 3, "yellow")
    lag_end, count_end = axis_end(lags), axis_end(counts)
    lines = draw(arriving, 0.0, report.seconds, width)
    for lag, count in zip(lags, counts, strict=True):
        for panel in (replace(lag, top=lag_end), replace(count, top=count_end)):
            lines += [Text(), *draw(panel, 0.0, report.seconds, width)]
    return Text("\n").join([*lines, *time_axis(0.0, report.seconds, 0.0, width, "the beginning")])
