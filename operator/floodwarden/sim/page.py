"""A simulation as SVG for a page, readable in light and dark: arrivals, lag and replicas, both scalers in one picture. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from floodwarden.sim.chart import round_up, tick
from floodwarden.sim.drawing import GAP, LEFT, RIGHT, WIDTH, Frame, caption, levels, limit, line, mark, page, text
from floodwarden.sim.report import Report, thinned
from floodwarden.sim.run import Run, Sample

TOP = 84
CLASSES = ("ours", "theirs")

STYLE = """
  .in { stroke: #9a6700 } .ours { stroke: #0969da } .theirs { stroke: #bf5700; stroke-dasharray: 6 3 }
  .ours-text { fill: #0969da } .theirs-text { fill: #bf5700 }
  @media (prefers-color-scheme: dark) {
    .in { stroke: #d29922 } .ours { stroke: #58a6ff } .theirs { stroke: #f0883e }
    .ours-text { fill: #58a6ff } .theirs-text { fill: #f0883e }
  }
"""


def svg(report: Report, sentence: str) -> str:
    """The whole picture, with a sentence below its heading."""
    runs = [(run, thinned(run, WIDTH)) for run in report.runs]
    in_messages = report.policy.max_messages is not None
    most = float(report.policy.max_messages or report.policy.max_seconds or 0.0)
    arriving = [(sample.at, sample.arriving) for sample in runs[0][1]]
    lags = [[(sample.at, sample.lag if in_messages else sample.seconds) for sample in samples] for _, samples in runs]
    counts = [_counts(run, samples) for run, samples in runs]
    lag_title = "Lag, messages" if in_messages else "Longest wait, seconds"
    panels: list[tuple[str, float, list[list[tuple[float, float]]], float]] = [
        ("Messages per second that arrive", 80.0, [arriving], 1.0),
        (lag_title, 200.0, lags, most * 1.3),
        ("Replicas", 110.0, counts, 1.0),
    ]
    top, frames = float(TOP), []
    for _, height, series, least in panels:
        frames.append(Frame(0.0, report.seconds, top, height, round_up(max(least, *(v for points in series for _, v in points)))))
        top += height + GAP
    parts = [text(LEFT, 52, sentence, "quiet")]
    for frame, (title, _, _, _) in zip(frames, panels, strict=True):
        parts += _panel(frame, title)
    parts.append(line(frames[0], arriving, "in"))
    for index, (run, _) in enumerate(runs):
        parts.append(line(frames[1], lags[index], CLASSES[index]))
        parts.append(line(frames[2], counts[index], CLASSES[index], stepped=True))
        parts.append(text(WIDTH - RIGHT - 110 * index, frames[1].top - 8, run.name, f"{CLASSES[index]}-text", "end"))
    parts += limit(frames[1], most, f"limit {most:,.0f}")
    parts.append(caption(top - 8, "seconds since the beginning"))
    return page(top, f"{report.subject}: {report.scenario}", STYLE, parts)


def _counts(run: Run, samples: Sequence[Sample]) -> list[tuple[float, float]]:
    """Replicas over time by the steps themselves, which thinning would blur."""
    first = run.steps[0][1] if run.steps else run.samples[0].replicas
    return [(0.0, float(first)), *((at, float(goal)) for at, _, goal in run.steps), (samples[-1].at, float(samples[-1].replicas))]


def _panel(frame: Frame, title: str) -> list[str]:
    parts = levels(frame, title)
    step = tick(frame.end, 12)
    for index in range(int(frame.end / step) + 1):
        parts += mark(frame, index * step, f"{index * step:g}")
    return parts
