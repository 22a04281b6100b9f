"""Lines over time as SVG for a page, readable in light and dark: the parts of a simulation's and of a demo's picture. Pure.

A picture is a page with panels below each other, which share their times; ``Frame`` says where a panel lies.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

from floodwarden.sim.chart import Points

WIDTH, LEFT, RIGHT, GAP = 960, 84, 24, 46

_STYLE = """
  .page { fill: #ffffff; stroke: #d0d7de }
  text { fill: #1f2328; font: 13px system-ui, -apple-system, 'Segoe UI', sans-serif }
  .heading { font-size: 18px; font-weight: 600 } .title { font-weight: 600 } .quiet { fill: #59636e }
  .grid { stroke: #d8dee4 } .line { fill: none; stroke-width: 2; stroke-linejoin: round }
  .limit { stroke: #cf222e; stroke-width: 1.5; stroke-dasharray: 7 4 } .limit-text { fill: #cf222e }
  @media (prefers-color-scheme: dark) {
    .page { fill: #0d1117; stroke: #3d444d } text { fill: #f0f6fc } .quiet { fill: #9198a1 } .grid { stroke: #262c36 }
    .limit { stroke: #ff7b72 } .limit-text { fill: #ff7b72 }
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

    @property
    def bottom(self) -> float:
        return self.top + self.height

    def x(self, at: float) -> float:
        """The horizontal place of a time."""
        return LEFT + (at - self.start) / (self.end - self.start or 1.0) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        """The vertical place of a value."""
        return self.top + self.height * (1 - value / self.highest)


def page(height: float, heading: str, style: str, parts: Iterable[str]) -> str:
    """The whole document. ``style`` adds the colours of its lines."""
    label = escape(heading)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{label}">',
            f"<style>{_STYLE}{style}</style>",
            f'<rect class="page" x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1:.0f}" rx="8"/>',
            text(LEFT, 30, heading, "heading"),
            *parts,
            "</svg>",
            "",
        ]
    )


def levels(frame: Frame, title: str) -> list[str]:
    """A panel's title, and lines with their values at its floor, half its height and its top."""
    parts = [text(LEFT, frame.top - 8, title, "title")]
    for part in range(3):
        value = frame.highest * part / 2
        y = frame.y(value)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(text(LEFT - 8, y + 4, f"{value:,.0f}", "quiet", "end"))
    return parts


def mark(frame: Frame, at: float, label: str) -> list[str]:
    """A mark on a panel's axis of time."""
    x = frame.x(at)
    return [
        f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{frame.bottom}" y2="{frame.bottom + 5}"/>',
        text(x, frame.bottom + 19, label, "quiet", "middle"),
    ]


def caption(y: float, words: str) -> str:
    """What the times are, in the middle below the panels."""
    return text((LEFT + WIDTH - RIGHT) / 2, y, words, "quiet", "middle")


def limit(frame: Frame, value: float, label: str) -> list[str]:
    """A limit across a panel."""
    y = frame.y(value)
    return [
        f'<line class="limit" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>',
        text(WIDTH - RIGHT - 4, y - 6, label, "limit-text", "end"),
    ]


def line(frame: Frame, points: Points, style: str, *, stepped: bool = False) -> str:
    """Values over time; what is not known is a gap."""
    path = "".join(_path(frame, run, stepped=stepped) for run in _runs(points))
    return f'<path class="line {style}" d="{path}"/>'


def area(frame: Frame, points: Points, style: str) -> str:
    """What lies below a line."""
    floor = f"{frame.y(0):.1f}"
    closed = [f"{_path(frame, run, stepped=False)}V{floor}H{frame.x(run[0][0]):.1f}Z" for run in _runs(points) if len(run) > 1]
    return f'<path class="{style}" d="{"".join(closed)}"/>'


def text(x: float, y: float, words: str, style: str, anchor: str = "start") -> str:
    """Words at a place."""
    return f'<text class="{style}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def _runs(points: Points) -> list[list[tuple[float, float]]]:
    """Stretches of known values."""
    runs: list[list[tuple[float, float]]] = [[]]
    for at, value in points:
        if value is None:
            runs.append([])
        else:
            runs[-1].append((at, value))
    return [run for run in runs if run]


def _path(frame: Frame, run: Sequence[tuple[float, float]], *, stepped: bool) -> str:
    parts = [f"M{frame.x(run[0][0]):.1f} {frame.y(run[0][1]):.1f}"]
    for before, after in pairwise(run):
        if stepped:
            parts.append(f"H{frame.x(after[0]):.1f}")
        if not stepped or after[1] != before[1]:
            parts.append(f"L{frame.x(after[0]):.1f} {frame.y(after[1]):.1f}")
    return "".join(parts)
