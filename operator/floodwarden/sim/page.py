"""A simulation as SVG for a page, readable in light and dark: arrivals, lag and replicas, both scalers in one picture. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

from floodwarden.sim.chart import round_up, tick
from floodwarden.sim.report import Report, thinned
from floodwarden.sim.run import Run, Sample

WIDTH, LEFT, RIGHT, TOP, GAP = 960, 84, 24, 84, 46
CLASSES = ("ours", "theirs")

STYLE = """
  .page { fill: #ffffff; stroke: #d0d7de }
  text { fill: #1f2328; font: 13px system-ui, -apple-system, 'Segoe UI', sans-serif }
  .heading { font-size: 18px; font-weight: 600 } .title { font-weight: 600 } .quiet { fill: #59636e }
  .grid { stroke: #d8dee4 } .line { fill: none; stroke-width: 2; stroke-linejoin: round }
  .in { stroke: #9a6700 } .ours { stroke: #0969da } .theirs { stroke: #bf5700; stroke-dasharray: 6 3 }
  .limit { stroke: #cf222e; stroke-width: 1.5; stroke-dasharray: 7 4 }
  .limit-text { fill: #cf222e } .ours-text { fill: #0969da } .theirs-text { fill: #bf5700 }
  @media (prefers-color-scheme: dark) {
    .page { fill: #0d1117; stroke: #3d444d } text { fill: #f0f6fc } .quiet { fill: #9198a1 } .grid { stroke: #262c36 }
    .in { stroke: #d29922 } .ours { stroke: #58a6ff } .theirs { stroke: #f0883e } .limit { stroke: #ff7b72 }
    .limit-text { fill: #ff7b72 } .ours-text { fill: #58a6ff } .theirs-text { fill: #f0883e }
  }
"""


@dataclass(frozen=True)
class Frame:
    """Where one panel lies, and how time and values become coordinates."""

    seconds: float
    top: float
    height: float
    highest: float

    def x(self, at: float) -> float:
        """The horizontal place of a time."""
        return LEFT + at / self.seconds * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        """The vertical place of a value."""
        return self.top + self.height * (1 - value / self.highest)


def svg(report: Report, sentence: str) -> str:
    """The whole picture, with a sentence below its heading."""
    runs = [(run, thinned(run, WIDTH)) for run in report.runs]
    in_messages = report.policy.max_messages is not None
    limit = float(report.policy.max_messages or report.policy.max_seconds or 0.0)
    arriving = [(sample.at, sample.arriving) for sample in runs[0][1]]
    lags = [[(sample.at, sample.lag if in_messages else sample.seconds) for sample in samples] for _, samples in runs]
    counts = [_counts(run, samples) for run, samples in runs]
    lag_title = "Lag, messages" if in_messages else "Longest wait, seconds"
    panels: list[tuple[str, float, list[list[tuple[float, float]]], float]] = [
        ("Messages per second that arrive", 80.0, [arriving], 1.0),
        (lag_title, 200.0, lags, limit * 1.3),
        ("Replicas", 110.0, counts, 1.0),
    ]
    top, frames = float(TOP), []
    for _, height, series, least in panels:
        frames.append(Frame(report.seconds, top, height, round_up(max(least, *(v for points in series for _, v in points)))))
        top += height + GAP
    heading = f"{report.subject}: {report.scenario}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top:.0f}" role="img" aria-label="{escape(heading)}">',
        f"<style>{STYLE}</style>",
        f'<rect class="page" x="0.5" y="0.5" width="{WIDTH - 1}" height="{top - 1:.0f}" rx="8"/>',
        _text(LEFT, 30, heading, "heading"),
        _text(LEFT, 52, sentence, "quiet"),
    ]
    for frame, (title, _, _, _) in zip(frames, panels, strict=True):
        parts += _panel(frame, title)
    parts.append(_line(frames[0], arriving, "in", stepped=False))
    for index, (run, _) in enumerate(runs):
        parts.append(_line(frames[1], lags[index], CLASSES[index], stepped=False))
        parts.append(_line(frames[2], counts[index], CLASSES[index], stepped=True))
        parts.append(_text(WIDTH - RIGHT - 110 * index, frames[1].top - 8, run.name, f"{CLASSES[index]}-text", "end"))
    y = frames[1].y(limit)
    parts.append(f'<line class="limit" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
    parts.append(_text(WIDTH - RIGHT - 4, y - 6, f"limit {limit:,.0f}", "limit-text", "end"))
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, top - 8, "seconds since the beginning", "quiet", "middle"))
    return "\n".join([*parts, "</svg>", ""])


def _counts(run: Run, samples: Sequence[Sample]) -> list[tuple[float, float]]:
    """Replicas over time by the steps themselves, which thinning would blur."""
    first = run.steps[0][1] if run.steps else run.samples[0].replicas
    return [(0.0, float(first)), *((at, float(goal)) for at, _, goal in run.steps), (samples[-1].at, float(samples[-1].replicas))]


def _panel(frame: Frame, title: str) -> list[str]:
    bottom = frame.top + frame.height
    parts = [_text(LEFT, frame.top - 8, title, "title")]
    for part in range(3):
        value = frame.highest * part / 2
        y = frame.y(value)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(_text(LEFT - 8, y + 4, f"{value:,.0f}", "quiet", "end"))
    step = tick(frame.seconds, 12)
    for index in range(int(frame.seconds / step) + 1):
        x = frame.x(index * step)
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{bottom}" y2="{bottom + 5}"/>')
        parts.append(_text(x, bottom + 19, f"{index * step:g}", "quiet", "middle"))
    return parts


def _line(frame: Frame, points: Sequence[tuple[float, float]], style: str, *, stepped: bool) -> str:
    parts = [f"M{frame.x(points[0][0]):.1f} {frame.y(points[0][1]):.1f}"]
    for before, after in pairwise(points):
        if stepped:
            parts.append(f"H{frame.x(after[0]):.1f}")
        if not stepped or after[1] != before[1]:
            parts.append(f"L{frame.x(after[0]):.1f} {frame.y(after[1]):.1f}")
    return f'<path class="line {style}" d="{"".join(parts)}"/>'


def _text(x: float, y: float, text: str, style: str, anchor: str = "start") -> str:
    return f'<text class="{style}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
