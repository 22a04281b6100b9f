"""``floodwarden top``: all policies of a cluster in a table that stays up to date; ``live`` does the work."""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from floodwarden.cli.files import wrong
from floodwarden.cli.live.cluster import NotTold, connected, policies_in
from floodwarden.cli.live.rows import Row, as_json, sorted_rows, table
from floodwarden.cluster.rest import Rest

PIPE_WIDTH: Final = 200  # columns, where nobody says how many there are


class Output(StrEnum):
    TABLE = "table"
    JSON = "json"


def top(
    namespace: Annotated[str | None, typer.Option("--namespace", "-n", help="Only this namespace; all without it.")] = None,
    once: Annotated[bool, typer.Option("--once", help="Print once and end, as it does where the output is no terminal.")] = False,
    every: Annotated[float, typer.Option(min=0.5, max=3600, help="Seconds between two looks.")] = 2.0,
    output: Annotated[Output, typer.Option("--output", "-o", help="table is for people; json is for machines.")] = Output.TABLE,
) -> None:
    """Show every BacklogPolicy with its lag, limit, rates, replicas and why messages wait, those in trouble first.

    It reads what Floodwarden wrote into the status, in the cluster that KUBECONFIG names. Ctrl-C ends it.
    """
    console = Console(highlight=False, width=None if sys.stdout.isatty() else PIPE_WIDTH)
    try:
        if once or output is Output.JSON or not sys.stdout.isatty():
            _print(asyncio.run(_rows(namespace)), output, console)
        else:
            asyncio.run(_stay(namespace, every, console))
    except NotTold as error:
        raise wrong("top", str(error)) from None
    except KeyboardInterrupt:
        return


def _print(rows: list[Row], output: Output, console: Console) -> None:
    if output is Output.JSON:
        typer.echo(json.dumps(as_json(rows), indent=2))
    elif rows:
        console.print(table(rows))
    else:
        typer.echo("there are no BacklogPolicies here", err=True)


async def _rows(namespace: str | None) -> list[Row]:
    async with connected() as rest:
        return sorted_rows(await policies_in(rest, namespace))


async def _stay(namespace: str | None, every: float, console: Console) -> None:
    """Look again and again. A look that fails leaves the last table, and says since when it is old."""
    async with connected() as rest:
        rows, seen = await _look(rest, namespace)
        with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
            trouble = ""
            while True:
                line = f"{seen:%H:%M:%S}  policies: {len(rows)}" + (f"; {trouble}" if trouble else "")
                live.update(Group(Text(line, style="red" if trouble else "dim"), table(rows)), refresh=True)
                await asyncio.sleep(every)
                try:
                    rows, seen = await _look(rest, namespace)
                    trouble = ""
                except NotTold as error:
                    trouble = f"not up to date: {error}"


async def _look(rest: Rest, namespace: str | None) -> tuple[list[Row], datetime]:
    return sorted_rows(await policies_in(rest, namespace)), datetime.now().astimezone()
