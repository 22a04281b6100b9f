"""The command line. ``floodwarden run`` is what the image starts; each option can also come from the environment."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from floodwarden.cli.check import check
from floodwarden.cli.explain import explain
from floodwarden.cli.logs import configure
from floodwarden.cli.simulate import simulate
from floodwarden.cli.top import top
from floodwarden.cluster.client import ClusterConfigError
from floodwarden.cluster.leases import own_namespace
from floodwarden.handlers.process import run as run_process
from floodwarden.sweep.shares import Superseded

PLUGIN: Final = "kubectl-floodwarden"
HELP: Final = f"""Keeps messages from being lost and backlogs from flooding.

With a symlink to this program named {PLUGIN} on the PATH, every command is one of kubectl's too: kubectl floodwarden check.
"""


class Program(TyperGroup):
    """Calls itself as it was called."""

    def main(self, args: Sequence[str] | None = None, prog_name: str | None = None, *more: Any, **options: Any) -> Any:
        as_plugin = Path(sys.argv[0]).name == PLUGIN
        return super().main(args, "kubectl floodwarden" if as_plugin else prog_name, *more, **options)


app = typer.Typer(
    name="floodwarden",
    cls=Program,
    help=HELP,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


class LogFormat(StrEnum):
    JSON = "json"
    CONSOLE = "console"


class LogLevel(StrEnum):
    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@app.callback()
def main_options() -> None:
    """Subcommands follow."""


@app.command()
def run(
    namespaces: Annotated[
        str, typer.Option(envvar="FLOODWARDEN_NAMESPACES", help="Namespaces to watch, with commas between; all without it.")
    ] = "",
    release: Annotated[
        str, typer.Option(envvar="FLOODWARDEN_RELEASE", help="Replicas of the same release share the MessageBrokers.")
    ] = "floodwarden",
    lease_namespace: Annotated[
        str,
        typer.Option(
            envvar="FLOODWARDEN_LEASE_NAMESPACE", help="Where the replicas' Leases live; the pod's namespace without it."
        ),
    ] = "",
    listen: Annotated[
        str, typer.Option(envvar="FLOODWARDEN_LISTEN", help="host:port of /metrics, /healthz and /readyz.")
    ] = "0.0.0.0:8080",
    log_level: Annotated[LogLevel, typer.Option(envvar="FLOODWARDEN_LOG_LEVEL", help="Least level to log.")] = LogLevel.INFO,
    log_format: Annotated[
        LogFormat, typer.Option(envvar="FLOODWARDEN_LOG_FORMAT", help="json for machines, console for people.")
    ] = LogFormat.JSON,
) -> None:
    """Run the operator in the cluster that KUBECONFIG, or the pod it runs in, names."""
    configure(log_level.value, log_format is LogFormat.JSON)
    watched = sorted({name.strip() for name in namespaces.split(",") if name.strip()}) or None
    try:
        asyncio.run(run_process(listen, watched, release, lease_namespace or own_namespace()))
    except Superseded as error:
        typer.echo(f"floodwarden: {error}; give every process a POD_NAME of its own", err=True)
        raise typer.Exit(1) from error
    except ClusterConfigError as error:
        typer.echo(f"floodwarden: {error}", err=True)
        raise typer.Exit(2) from error
    except OSError as error:
        typer.echo(f"floodwarden: cannot listen on {listen}: {error.strerror}; choose another with --listen", err=True)
        raise typer.Exit(2) from error


app.command()(simulate)
app.command()(check)
app.command()(explain)
app.command()(top)


@app.command("version")
def show_version() -> None:
    """Print the version."""
    typer.echo(version("floodwarden"))
