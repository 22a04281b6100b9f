"""A picture of a demo for a page: lag, rates and replicas over time as SVG, readable in light and dark. Pure.

`demo_chart` draws the same story for the terminal. The README's picture is made by this from a real run.
"""

from __future__ import annotations

from collections.abc import Sequence

from floodhack.demo_timeline import Timeline, peak, rate, steps, times
from floodwarden.sim.chart import Points, round_up, tick
from floodwarden.sim.drawing import GAP, RIGHT, WIDTH, Frame, area, caption, levels, limit, line, mark, page, text

TOP = 64

STYLE = """
  .spike { fill: #fff3d6 }
  .lag { stroke: #0969da } .lag-area { fill: #0969da; opacity: 0.15 }
  .in { stroke: #bf5700 } .out { stroke: #1a7f37 } .want { stroke: #8250df; stroke-dasharray: 5 3 }
  .in-text { fill: #bf5700 } .out-text { fill: #1a7f37 } .want-text { fill: #8250df }
  .mark { stroke: #59636e; stroke-dasharray: 2 3 }
  @media (prefers-color-scheme: dark) {
    .spike { fill: #2e2611 }
    .lag { stroke: #58a6ff } .lag-area { fill: #58a6ff }
    .in { stroke: #f0883e } .out { stroke: #3fb950 } .want { stroke: #bc8cff }
    .in-text { fill: #f0883e } .out-text { fill: #3fb950 } .want-text { fill: #bc8cff }
    .mark { stroke: #9198a1 }
  }
"""


def svg(timeline: Timeline, heading: str) -> str:
    """The whole picture; ValueError when the spike never began."""
    acts = times(timeline)
    samples = timeline.samples
    start, end = samples[0].at, samples[-1].at
    lag: Points = [(sample.at, sample.lag) for sample in samples]
    produced = _rates(timeline, "produced")
    consumed = _rates(timeline, "committed")
    ready: Points = [(sample.at, sample.ready) for sample in samples]
    wanted: Points = [(sample.at, sample.replicas) for sample in samples]

    frames, top = [], float(TOP)
    for height, series in ((200.0, [lag]), (110.0, [produced, consumed]), (110.0, [ready, wanted])):
        # Room above the lag for what is written there.
        least, headroom = (timeline.limit * 1.3, 1.4) if series == [lag] else (1.0, 1.05)
        frames.append(Frame(start, end, top, height, round_up(max(headroom * _highest(series), least))))
        top += height + GAP
    lag_frame, rate_frame, replica_frame = frames
    total = top + 8

    parts: list[str] = []
    for frame, title in zip(frames, ("Lag, messages", "Messages per second", "Consumer pods"), strict=True):
        parts += _panel(frame, title, timeline, acts.spike)
    parts += _lag(lag_frame, lag, timeline)
    parts += [
        line(rate_frame, produced, "in"),
        line(rate_frame, consumed, "out"),
        *_legend(rate_frame, [("produced", "in-text"), ("consumed", "out-text")]),
        line(replica_frame, wanted, "want", stepped=True),
        line(replica_frame, ready, "out", stepped=True),
        *_legend(replica_frame, [("wanted by the Deployment", "want-text"), ("ready", "out-text")]),
    ]
    for step in steps(samples):
        x = replica_frame.x(step.at)
        parts.append(f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{replica_frame.bottom}"/>')
        # Near the right edge the words go to the left of the line.
        x, anchor = (x + 6, "start") if x < WIDTH - 220 else (x - 6, "end")
        parts.append(text(x, lag_frame.top + 16, f"{step.before} → {step.after} pods", "title", anchor))
        parts.append(text(x, lag_frame.top + 33, f"{step.at - acts.spike:.1f} s after the spike began", "quiet", anchor))
    if acts.drained is not None:
        x, y = lag_frame.x(acts.drained), lag_frame.y(timeline.limit)
        parts.append(f'<circle class="line out" cx="{x:.1f}" cy="{y:.1f}" r="4"/>')
        parts.append(text(x + 8, y - 8, f"under the limit again after {acts.drained - acts.spike:.0f} s", "out-text"))
    parts.append(caption(replica_frame.bottom + 38, "seconds since the spike began"))
    return page(total, heading, STYLE, parts)


def _panel(frame: Frame, title: str, timeline: Timeline, zero: float) -> list[str]:
    spike_end = min(timeline.spike_end or frame.end, frame.end)
    width = frame.x(spike_end) - frame.x(zero)
    parts = [f'<rect class="spike" x="{frame.x(zero):.1f}" y="{frame.top}" width="{width:.1f}" height="{frame.height}"/>']
    parts += levels(frame, title)
    step = tick(frame.end - frame.start, 12)
    at = -int((zero - frame.start) / step) * step
    while zero + at <= frame.end:
        parts += mark(frame, zero + at, f"{at:+.0f}" if at else "0")
        at += step
    return parts


def _lag(frame: Frame, lag: Points, timeline: Timeline) -> list[str]:
    parts = [area(frame, lag, "lag-area"), line(frame, lag, "lag"), *limit(frame, timeline.limit, f"limit {timeline.limit:,}")]
    highest = peak(timeline.samples)
    if highest is not None:
        at, value = highest
        parts.append(text(frame.x(at), frame.y(value) - 8, f"peak {value:,}", "quiet"))
    return parts


def _rates(timeline: Timeline, what: str) -> Points:
    samples, window = timeline.samples, timeline.rate_window
    return [(sample.at, rate(samples, index, what, window)) for index, sample in enumerate(samples)]


def _highest(series: Sequence[Points]) -> float:
    return max((value for points in series for _, value in points if value is not None), default=0.0)


def _legend(frame: Frame, names: Sequence[tuple[str, str]]) -> list[str]:
    parts, x = [], float(WIDTH - RIGHT)
    for name, style in reversed(names):
        parts.append(text(x, frame.top - 8, f"— {name}", style, "end"))
        x -= 8.0 * len(name) + 26
    return parts
