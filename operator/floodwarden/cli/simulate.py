"""``floodwarden simulate``: options in, a simulation out as a picture with a table, or as JSON. ``sim`` does the work."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from floodwarden.api.durations import duration_seconds
from floodwarden.api.manifests import LARGEST
from floodwarden.cli.files import understood, wrong
from floodwarden.sim import manifests, trace
from floodwarden.sim.chart import picture
from floodwarden.sim.page import svg
from floodwarden.sim.report import Report, as_json, verdict
from floodwarden.sim.scenario import COMMITS_EVERY, GROUP_REBALANCES, PODS_START, Setting, WrongInput
from floodwarden.sim.shapes import Shape
from floodwarden.sim.study import Wanted, study
from floodwarden.sim.summary import summarize

NARROWEST, WIDEST = 60, 110  # columns


class Output(StrEnum):
    TABLE = "table"
    JSON = "json"


def simulate(
    file: Annotated[Path, typer.Option("--filename", "-f", help="Manifest file with a BacklogPolicy, or - for standard input.")],
    trace_file: Annotated[
        Path | None,
        typer.Option("--trace", help="CSV file of what arrived: a header, then seconds and messages per second."),
    ] = None,
    shape: Annotated[Shape | None, typer.Option(help="A shape of trouble.", show_default="step")] = None,
    policy: Annotated[str | None, typer.Option(help="Name of the BacklogPolicy, where the file holds several.")] = None,
    partitions: Annotated[int | None, typer.Option(min=1, max=1000, help="Partitions of the topics.", show_default="24")] = None,
    capacity: Annotated[float, typer.Option(min=0.001, max=1e6, help="Messages per second that one replica can do.")] = 50.0,
    low: Annotated[
        float | None, typer.Option(min=0, max=1e7, help="Lowest messages per second of a shape.", show_default="fits minReplicas")
    ] = None,
    high: Annotated[
        float | None,
        typer.Option(min=0, max=1e7, help="Highest messages per second of a shape.", show_default="fits the ceiling"),
    ] = None,
    duration: Annotated[str | None, typer.Option(help="How long it lasts, such as 30m.", show_default="20m or the trace")] = None,
    start_seconds: Annotated[float, typer.Option(min=0, max=3600, help="Seconds until a new pod joins the group.")] = PODS_START,
    rebalance_seconds: Annotated[
        float, typer.Option(min=0, max=600, help="Seconds in which nothing is consumed, whenever pods come or go.")
    ] = GROUP_REBALANCES,
    commit_seconds: Annotated[
        float, typer.Option(min=0, max=60, help="Seconds between two commits of a consumer.")
    ] = COMMITS_EVERY,
    seed: Annotated[int, typer.Option(min=0, help="Another seed gives other random arrivals.")] = 1,
    baseline: Annotated[bool, typer.Option("--baseline/--no-baseline", help="Show a KEDA-like scaler beside.")] = True,
    lag_threshold: Annotated[
        float | None,
        typer.Option(min=1, help="The KEDA-like scaler's lagThreshold.", show_default="maxLag / most replicas"),
    ] = None,
    output: Annotated[Output, typer.Option("--output", "-o", help="table draws, json is for machines.")] = Output.TABLE,
    svg_file: Annotated[Path | None, typer.Option("--svg", help="Write the picture there too.")] = None,
) -> None:
    """Try a policy before trusting it: the operator's own decisions against a model of partitions, consumers and pods."""
    if trace_file is not None and shape is not None:
        raise wrong("--trace and --shape", "give one of the two")
    try:
        seconds = duration_seconds(duration) if duration is not None else None
    except ValueError as error:
        raise wrong("--duration", str(error)) from error
    subject = understood(file, LARGEST, lambda text: manifests.subject(text, policy))
    recorded = understood(trace_file, trace.LARGEST, trace.read_trace) if trace_file is not None else None
    wanted = Wanted(
        Setting(partitions or 0, capacity, start_seconds, rebalance_seconds, commit_seconds, seed),
        shape or Shape.STEP,
        recorded,
        low,
        high,
        seconds,
        baseline,
        lag_threshold,
    )
    try:
        report = study(subject, wanted)
    except WrongInput as error:
        raise wrong("these options do not go together", str(error)) from error
    if svg_file is not None:
        try:
            svg_file.write_text(svg(report, verdict(report)), encoding="utf-8")
        except OSError as error:
            raise wrong(str(svg_file), f"cannot be written: {error.strerror}") from error
    if output is Output.JSON:
        typer.echo(json.dumps(as_json(report), indent=2))
    else:
        show(report, Console())


def show(report: Report, console: Console) -> None:
    """The picture, the numbers and the sentence, for a person."""
    width = max(NARROWEST, min(console.width, WIDEST))
    setting = report.setting
    console.print(
        Text.assemble(
            (report.subject, "bold"),
            f": {report.scenario} over {report.seconds:,.0f} s; {setting.partitions} partitions, a replica does "
            f"{setting.capacity:g} messages/s, pods take {setting.start_delay:g} s, a rebalance {setting.rebalance:g} s",
        ),
        width=width,
    )
    for note in report.notes:
        console.print(Text(note, style="dim"), width=width)
    console.print(Text(), picture(report, width), Text(), sep="\n")
    console.print(_numbers(report))
    console.print(Text(verdict(report), style="bold"), width=width)


def _numbers(report: Report) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("")
    for run in report.runs:
        table.add_column(run.name, justify="right")
    found = [summarize(run) for run in report.runs]
    rows = {
        "seconds over the limit": [f"{one.seconds_over:,.0f}" for one in found],
        "peak lag, messages": [f"{one.peak_lag:,}" for one in found],
        "longest wait, seconds": [f"{one.peak_seconds:,.0f}" for one in found],
        "steps": [f"{one.steps}" for one in found],
        "rebalances": [f"{one.rebalances}" for one in found],
        "replica-hours": [f"{one.replica_hours:.2f}" for one in found],
        "most replicas": [f"{one.max_replicas}" for one in found],
    }
    for name, values in rows.items():
        table.add_row(name, *values)
    return table
