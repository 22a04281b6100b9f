"""A picture of a demo for the terminal: lag and replicas over time, drawn with block characters. Pure.

`demo_svg` draws the same story for a page. Own drawing, because all it takes is a column of eighths per moment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.text import Text

from floodhack.demo_timeline import Timeline

EIGHTHS = " ▁▂▃▄▅▆▇█"
LABEL_WIDTH = 9

Points = Sequence[tuple[float, float | None]]


@dataclass(frozen=True)
class Panel:
    """One quantity over time, as an area of columns."""

    title: str
    points: Points
    height: int
    style: str
    limit: float | None = None


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
    return next((step for step in (1, 2, 5, 10, 15, 20, 30, 60, 120, 300) if span / step <= at_most), span)


def draw(panel: Panel, start: float, end: float, width: int) -> list[Text]:
    """The panel's lines: a title, then `height` rows with the axis at their left. `width` counts everything."""
    inner = width - LABEL_WIDTH - 2
    heights = columns(panel.points, start, end, inner)
    known = [value for value in heights if value is not None]
    top = round_up(max([*known, (panel.limit or 0.0) * 1.2, 1.0]))
    limit_row = None if panel.limit is None else min(panel.height - 1, int(panel.limit / top * panel.height))
    lines = [Text(panel.title, style="bold")]
    for row in reversed(range(panel.height)):
        label = f"{top:,.0f}" if row == panel.height - 1 else "0" if row == 0 else ""
        if row == limit_row and panel.limit is not None:
            label = f"{panel.limit:,.0f}"
        cells = [_cell(value, row, top, panel, is_limit=row == limit_row) for value in heights]
        lines.append(Text.assemble((f"{label:>{LABEL_WIDTH}} ┤", "red" if row == limit_row else "dim"), *cells))
    return lines


def time_axis(start: float, end: float, zero: float, width: int) -> list[Text]:
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
    lines = (f"{gap} └{''.join(ticks)}", f"{gap}  {''.join(labels).rstrip()}", f"{gap}  seconds since the spike began")
    return [Text(line, style="dim") for line in lines]


def picture(timeline: Timeline, width: int = 100, lag_height: int = 10) -> Text:
    """Lag above replicas above an axis of seconds since the spike began, as one Text."""
    samples = timeline.samples
    if len(samples) < 2:
        return Text("nothing seen yet", style="dim")
    start, end = samples[0].at, samples[-1].at
    zero = timeline.spike_at or end
    lag = Panel(
        f"lag of the consumer group, messages (limit {timeline.limit:,})",
        [(sample.at, sample.lag) for sample in samples],
        lag_height,
        "cyan",
        float(timeline.limit),
    )
    ready = Panel("consumer pods ready", [(sample.at, sample.ready) for sample in samples], max(3, lag_height // 2), "green")
    lines = [*draw(lag, start, end, width), Text(), *draw(ready, start, end, width), *time_axis(start, end, zero, width)]
    return Text("\n").join(lines)


def _cell(value: float | None, row: int, top: float, panel: Panel, *, is_limit: bool) -> tuple[str, str]:
    if value is not None:
        eighths = round(value / top * panel.height * 8) - row * 8
        # The smallest value that is not zero still shows.
        if row == 0 and value > 0:
            eighths = max(1, eighths)
        if eighths > 0:
            return EIGHTHS[min(8, eighths)], panel.style
    return ("┄", "red") if is_limit else (" ", "")
