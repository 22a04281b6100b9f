"""What a person sees while the demo's traffic runs: a live picture on a terminal, plain lines elsewhere.

Reads the Timeline that `demo_sampler` fills; `demo_run` says what is going on.
"""

from __future__ import annotations

import time
from types import TracebackType
from typing import Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from floodhack.demo_chart import picture
from floodhack.demo_timeline import Said, Sample, Timeline, rate
from floodhack.progress import say

LINE_SECONDS = 5.0
SHOWN_EVENTS = 8
WIDEST = 120
LOWEST_PICTURE = 3


class View(Protocol):
    """Somebody to tell what happens."""

    def act(self, text: str) -> None:
        """Say what the demo is doing now."""

    def seen(self, news: list[Said]) -> None:
        """Take notice of a new sample and of what Floodwarden said since the last."""

    def __enter__(self) -> View: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...


def number(value: float | None, unit: str = "", digits: int = 0) -> str:
    """A value for people; a dash for what is not known."""
    return "–" if value is None else f"{value:,.{digits}f}{unit}"


def facts(timeline: Timeline, sample: Sample) -> dict[str, str]:
    """The numbers of the moment, by what they are called."""
    last, window = len(timeline.samples) - 1, timeline.rate_window
    replicas = f"{number(sample.replicas)} wanted, {number(sample.ready)} ready, {number(sample.owners)} at work"
    return {
        "lag": f"{number(sample.lag)} messages (limit {timeline.limit:,})",
        "oldest waits": number(sample.seconds, " s", 1),
        "produced": number(rate(timeline.samples, last, "produced", window), " msg/s"),
        "consumed": number(rate(timeline.samples, last, "committed", window), " msg/s"),
        "consumers": replicas,
        "Floodwarden": f"{sample.state or '–'}, finds {number(sample.desired)} right",
    }


class LinesView:
    """A line every five seconds, and one for each Event: for logs and pipes."""

    def __init__(self, timeline: Timeline) -> None:
        self.timeline = timeline
        self.next_line = 0.0

    def act(self, text: str) -> None:
        """Say what the demo is doing now."""
        say(f"── {text}")

    def seen(self, news: list[Said]) -> None:
        """Print what is new."""
        for said in news:
            say(f"   Floodwarden: {said.reason}: {said.message} ({said.about})")
        now = time.monotonic()
        sample = self.timeline.last
        if sample is not None and now >= self.next_line:
            self.next_line = now + LINE_SECONDS
            say("   " + "; ".join(f"{name} {value}" for name, value in facts(self.timeline, sample).items()))

    def __enter__(self) -> LinesView:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Nothing to put back."""


class LiveView:
    """One picture that is drawn anew twice a second."""

    def __init__(self, timeline: Timeline, console: Console) -> None:
        self.timeline = timeline
        self.console = console
        self.began = time.monotonic()
        self.doing = ""
        self.news: list[Said] = []
        self.live = Live(get_renderable=self.render, console=console, refresh_per_second=2, transient=True)

    def act(self, text: str) -> None:
        """Show what the demo is doing now, and keep it above the picture."""
        self.doing = text
        say(f"── {text}")

    def seen(self, news: list[Said]) -> None:
        """Remember what Floodwarden said."""
        self.news = [*self.news, *news][-SHOWN_EVENTS:]

    def render(self) -> Panel:
        """The picture of this moment."""
        sample = self.timeline.last
        width = min(self.console.width, WIDEST) - 4
        table = Table.grid(padding=(0, 2))
        table.add_column(style="dim", justify="right")
        table.add_column()
        if sample is not None:
            for name, value in facts(self.timeline, sample).items():
                over = name == "lag" and (sample.lag or 0) > self.timeline.limit
                table.add_row(name, Text(value, style="bold red" if over else ""))
        events, rows = share(self.console.height - table.row_count)
        news = self.news[-events:]
        said = Text("\n").join(_event(one, width) for one in news) if news else Text("nothing yet", style="dim")
        drawn = [Text(), picture(self.timeline, width, rows)] if rows else []
        parts = Group(table, *drawn, Text(), Text("Floodwarden said", style="bold"), said)
        elapsed = time.monotonic() - self.began
        return Panel(parts, title=f"[bold]{self.doing}[/] · {elapsed:.0f} s", width=width + 4, title_align="left")

    def __enter__(self) -> LiveView:
        self.live.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Give the terminal back."""
        self.live.__exit__(kind, error, trace)


def share(rows: int) -> tuple[int, int]:
    """Of the rows that the numbers leave: how many for Events, and how high the lag is drawn (0: there is no room for it)."""
    # Two of the frame, one of Floodwarden's title, a gap before it, and one kept free so that nothing scrolls.
    left = rows - 5
    events = max(1, min(SHOWN_EVENTS, left // 3))
    # A gap, two titles and one between, three of the axis; the rest is two parts lag and one part pods, which get three at least.
    height = min(10, left - events - 7 - 3, (left - events - 7) * 2 // 3)
    return events, height if height >= LOWEST_PICTURE else 0


def _event(said: Said, width: int) -> Text:
    when = time.strftime("%H:%M:%S", time.localtime(said.at))
    line = Text.assemble((when, "dim"), " ", (said.reason, "yellow" if said.warning else "green"), " ", said.message)
    line.truncate(width, overflow="ellipsis")
    return line


def view_for(timeline: Timeline, console: Console, *, plain: bool) -> View:
    """The live view where there is a terminal that can show it, else lines."""
    return LinesView(timeline) if plain or not console.is_terminal or console.is_dumb_terminal else LiveView(timeline, console)
