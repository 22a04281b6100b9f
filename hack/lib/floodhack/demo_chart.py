"""A picture of a demo for the terminal: lag and replicas over time, drawn with block characters. Pure.

`demo_svg` draws the same story for a page; the drawing itself is the simulator's.
"""

from __future__ import annotations

from rich.text import Text

from floodhack.demo_timeline import Timeline
from floodwarden.sim.chart import Panel, draw, time_axis


def picture(timeline: Timeline, width: int = 100, lag_height: int = 10) -> Text:
    """Lag above replicas above an axis of seconds since the spike began, as one Text."""
    samples = timeline.samples
    if len(samples) < 2:
        return Text("nothing seen yet", style="dim")
    start, end = samples[0].at, samples[-1].at
    zero = timeline.spike_at or end
    lag = Panel(
        f"{timeline.lag_of}, messages (limit {timeline.limit:,})",
        [(sample.at, sample.lag) for sample in samples],
        lag_height,
        "cyan",
        float(timeline.limit),
    )
    ready = Panel("consumer pods ready", [(sample.at, sample.ready) for sample in samples], max(3, lag_height // 2), "green")
    lines = [*draw(lag, start, end, width), Text(), *draw(ready, start, end, width), *time_axis(start, end, zero, width)]
    return Text("\n").join(lines)
