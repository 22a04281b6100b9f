"""A picture of a demo for a page: lag, rates and replicas over time as SVG, readable in light and dark. Pure.

`demo_chart` draws the same story for the terminal. The README's picture is made by this from a real run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

from floodhack.demo_timeline import Sample, Timeline, peak, rate, steps, times
from floodwarden.sim.chart import Points, round_up, tick

WIDTH = 960
LEFT, RIGHT = 84, 24
GAP = 46
TOP = 64

STYLE = """
  .page { fill: #ffffff; stroke: #d0d7de }
  text { fill: #1f2328; font: 13px system-ui, -apple-system, 'Segoe UI', sans-serif }
  .heading { font-size: 18px; font-weight: 600 }
  .title { font-weight: 600 }
  .quiet { fill: #59636e }
  .grid { stroke: #d8dee4; stroke-width: 1 }
  .spike { fill: #fff3d6 }
  .line { fill: none; stroke-width: 2; stroke-linejoin: round }
  .lag { stroke: #0969da } .lag-area { fill: #0969da; opacity: 0.15 }
  .in { stroke: #bf5700 } .out { stroke: #1a7f37 } .want { stroke: #8250df; stroke-dasharray: 5 3 }
  .limit { stroke: #cf222e; stroke-width: 1.5; stroke-dasharray: 7 4 }
  .limit-text { fill: #cf222e } .in-text { fill: #bf5700 } .out-text { fill: #1a7f37 } .want-text { fill: #8250df }
  .mark { stroke: #59636e; stroke-dasharray: 2 3 }
  @media (prefers-color-scheme: dark) {
    .page { fill: #0d1117; stroke: #3d444d }
    text { fill: #f0f6fc }
    .quiet { fill: #9198a1 }
    .grid { stroke: #262c36 }
    .spike { fill: #2e2611 }
    .lag { stroke: #58a6ff } .lag-area { fill: #58a6ff }
    .in { stroke: #f0883e } .out { stroke: #3fb950 } .want { stroke: #bc8cff }
    .limit { stroke: #ff7b72 }
    .limit-text { fill: #ff7b72 } .in-text { fill: #f0883e } .out-text { fill: #3fb950 } .want-text { fill: #bc8cff }
    .mark { stroke: #9198a1 }
  }
"""


@dataclass(frozen=True)
class Frame:
    """Where one panel lies, and how time and values become coordinates."""

    start: float
    end: float
    top: float
    height: float
    highest: float

    def x(self, at: float) -> float:
        """The horizontal place of a time."""
        return LEFT + (at - self.start) / (self.end - self.start or 1.0) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        """The vertical place of a value."""
        return self.top + self.height * (1 - value / self.highest)


def svg(timeline: Timeline, heading: str) -> str:
    """The whole picture; ValueError when the spike never began."""
    acts = times(timeline)
    samples = timeline.samples
    start, end = samples[0].at, samples[-1].at
    lag: Points = [(sample.at, sample.lag) for sample in samples]
    produced = _rates(samples, "produced")
    consumed = _rates(samples, "committed")
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

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {total:.0f}" role="img" aria-label="{escape(heading)}">',
        f"<style>{STYLE}</style>",
        f'<rect class="page" x="0.5" y="0.5" width="{WIDTH - 1}" height="{total - 1:.0f}" rx="8"/>',
        _text(LEFT, 30, heading, "heading"),
    ]
    for frame, title in zip(frames, ("Lag, messages", "Messages per second", "Consumer pods"), strict=True):
        parts += _panel(frame, title, timeline, acts.spike)
    parts += _lag(lag_frame, lag, timeline)
    parts += [
        _line(rate_frame, produced, "in"),
        _line(rate_frame, consumed, "out"),
        *_legend(rate_frame, [("produced", "in-text"), ("consumed", "out-text")]),
        _line(replica_frame, wanted, "want", stepped=True),
        _line(replica_frame, ready, "out", stepped=True),
        *_legend(replica_frame, [("wanted by the Deployment", "want-text"), ("ready", "out-text")]),
    ]
    for step in steps(samples):
        x = replica_frame.x(step.at)
        parts.append(f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{replica_frame.top + replica_frame.height}"/>')
        # Near the right edge the words go to the left of the line.
        x, anchor = (x + 6, "start") if x < WIDTH - 220 else (x - 6, "end")
        parts.append(_text(x, lag_frame.top + 16, f"{step.before} → {step.after} pods", "title", anchor))
        parts.append(_text(x, lag_frame.top + 33, f"{step.at - acts.spike:.1f} s after the spike began", "quiet", anchor))
    if acts.drained is not None:
        x, y = lag_frame.x(acts.drained), lag_frame.y(timeline.limit)
        parts.append(f'<circle class="line out" cx="{x:.1f}" cy="{y:.1f}" r="4"/>')
        parts.append(_text(x + 8, y - 8, f"under the limit again after {acts.drained - acts.spike:.0f} s", "out-text"))
    bottom = replica_frame.top + replica_frame.height
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, bottom + 38, "seconds since the spike began", "quiet", "middle"))
    return "\n".join([*parts, "</svg>", ""])


def _panel(frame: Frame, title: str, timeline: Timeline, zero: float) -> list[str]:
    bottom = frame.top + frame.height
    parts = []
    spike_end = min(timeline.spike_end or frame.end, frame.end)
    width = frame.x(spike_end) - frame.x(zero)
    parts.append(f'<rect class="spike" x="{frame.x(zero):.1f}" y="{frame.top}" width="{width:.1f}" height="{frame.height}"/>')
    for part in range(3):
        value = frame.highest * part / 2
        y = frame.y(value)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(_text(LEFT - 8, y + 4, f"{value:,.0f}", "quiet", "end"))
    step = tick(frame.end - frame.start, 12)
    at = -int((zero - frame.start) / step) * step
    while zero + at <= frame.end:
        x = frame.x(zero + at)
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{bottom}" y2="{bottom + 5}"/>')
        parts.append(_text(x, bottom + 19, f"{at:+.0f}" if at else "0", "quiet", "middle"))
        at += step
    parts.append(_text(LEFT, frame.top - 8, title, "title"))
    return parts


def _lag(frame: Frame, lag: Points, timeline: Timeline) -> list[str]:
    y = frame.y(timeline.limit)
    parts = [
        _area(frame, lag, "lag-area"),
        _line(frame, lag, "lag"),
        f'<line class="limit" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>',
        _text(WIDTH - RIGHT - 4, y - 6, f"limit {timeline.limit:,}", "limit-text", "end"),
    ]
    highest = peak(timeline.samples)
    if highest is not None:
        at, value = highest
        parts.append(_text(frame.x(at), frame.y(value) - 8, f"peak {value:,}", "quiet"))
    return parts


def _rates(samples: Sequence[Sample], what: str) -> Points:
    return [(sample.at, rate(samples, index, what)) for index, sample in enumerate(samples)]


def _highest(series: Sequence[Points]) -> float:
    return max((value for points in series for _, value in points if value is not None), default=0.0)


def _runs(points: Points) -> list[list[tuple[float, float]]]:
    """Stretches of known values: what was not read is a gap, not a line."""
    runs: list[list[tuple[float, float]]] = [[]]
    for at, value in points:
        if value is None:
            runs.append([])
        else:
            runs[-1].append((at, value))
    return [run for run in runs if run]


def _path(frame: Frame, run: list[tuple[float, float]], *, stepped: bool) -> str:
    parts = [f"M{frame.x(run[0][0]):.1f} {frame.y(run[0][1]):.1f}"]
    for before, after in pairwise(run):
        if stepped:
            parts.append(f"H{frame.x(after[0]):.1f}")
        if not stepped or after[1] != before[1]:
            parts.append(f"L{frame.x(after[0]):.1f} {frame.y(after[1]):.1f}")
    return "".join(parts)


def _line(frame: Frame, points: Points, style: str, *, stepped: bool = False) -> str:
    path = "".join(_path(frame, run, stepped=stepped) for run in _runs(points))
    return f'<path class="line {style}" d="{path}"/>'


def _area(frame: Frame, points: Points, style: str) -> str:
    floor = f"{frame.y(0):.1f}"
    closed = [f"{_path(frame, run, stepped=False)}V{floor}H{frame.x(run[0][0]):.1f}Z" for run in _runs(points) if len(run) > 1]
    return f'<path class="{style}" d="{"".join(closed)}"/>'


def _legend(frame: Frame, names: Sequence[tuple[str, str]]) -> list[str]:
    parts, x = [], float(WIDTH - RIGHT)
    for name, style in reversed(names):
        parts.append(_text(x, frame.top - 8, f"— {name}", style, "end"))
        x -= 8.0 * len(name) + 26
    return parts


def _text(x: float, y: float, text: str, style: str, anchor: str = "start") -> str:
    return f'<text class="{style}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
