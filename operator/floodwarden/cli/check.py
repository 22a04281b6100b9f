"""``floodwarden check``: manifests in, an audit out, an exit status for pipelines. ``checking`` does the work."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from floodwarden.api.manifests import LARGEST, documents
from floodwarden.api.messagebroker import MessageBroker
from floodwarden.cli.checking.as_json import as_json
from floodwarden.cli.checking.inputs import InputError, Inputs, read_inputs, tasks
from floodwarden.cli.checking.junit import junit
from floodwarden.cli.checking.report import EXIT, Checked, Outcome, overall
from floodwarden.cli.checking.run import Work, ask_all
from floodwarden.cli.checking.sarif import sarif
from floodwarden.cli.checking.secrets import SecretMissing, secrets_for
from floodwarden.cli.checking.table import show
from floodwarden.cli.files import WRONG, expanded, name_of, understood, wrong
from floodwarden.cli.telling import telling
from floodwarden.core.assess import Gap
from floodwarden.core.reasons import Reason
from floodwarden.sweep.store import key_of

PIPE_WIDTH: Final = 200  # columns, where nobody says how many there are


class Output(StrEnum):
    TABLE = "table"
    JSON = "json"
    SARIF = "sarif"
    JUNIT = "junit"


def check(
    files: Annotated[
        list[Path],
        typer.Option(
            "--filename",
            "-f",
            help="Manifest file or folder: DeliveryPolicies, their MessageBrokers, Secrets; - is standard input. Repeatable.",
        ),
    ],
    bootstrap_servers: Annotated[
        str | None,
        typer.Option(
            help="host:port of Kafka brokers, with commas between, in plain text: for policies whose MessageBroker is in no file."
        ),
    ] = None,
    output: Annotated[
        Output, typer.Option("--output", "-o", help="table is for people; json, sarif and junit are for machines.")
    ] = Output.TABLE,
) -> None:
    """Compare brokers and topics with DeliveryPolicies, as the operator does, from a laptop or a pipeline. Writes nothing.

    Exit status: 0 all is as asked for, 1 violations, 2 it could not be told (unreachable, denied, no topic matches, wrong input).

    Secrets that a MessageBroker names and no file holds come from the environment: FLOODWARDEN_USERNAME and
    FLOODWARDEN_PASSWORD, and the files that FLOODWARDEN_CA_FILE, FLOODWARDEN_CERT_FILE and FLOODWARDEN_KEY_FILE name.
    """
    _no_letter_is_too_strange()
    try:
        checks = _checked(files, bootstrap_servers)
        _show(checks, output)
    except InputError as error:
        raise wrong(error.what, str(error)) from None
    except typer.Exit:
        raise
    except (OSError, KeyboardInterrupt) as error:  # 1 would say that brokers differ
        if not isinstance(error, BrokenPipeError):
            typer.echo(f"floodwarden: {error or 'interrupted'}: nothing was told", err=True)
        _close_quietly()
        raise typer.Exit(WRONG) from None
    except Exception as error:  # a bug: 1 would say that brokers differ, and the error's text may quote a Secret
        typer.echo("".join(traceback.format_tb(error.__traceback__)), err=True)
        typer.echo(
            f"floodwarden: {type(error).__name__}: this is a mistake in Floodwarden; please report the lines above", err=True
        )
        raise typer.Exit(WRONG) from None
    raise typer.Exit(EXIT[overall(checks)])


def _checked(files: Sequence[Path], bootstrap_servers: str | None) -> list[Checked]:
    inputs = _read(expanded(files))
    wanted = tasks(inputs, bootstrap_servers)
    work: list[Work] = []
    found: dict[str, Outcome] = {}
    for task in wanted:
        policies = [placed.policy.wishes for placed in task.policies]
        try:
            known = secrets_for(task.broker, inputs.secrets, os.environ, lambda name: Path(name).read_bytes())
        except SecretMissing as error:  # of other MessageBrokers it can be told all the same
            found.update(dict.fromkeys((wishes.name for wishes in policies), Gap(Reason.SECRET_MISSING, str(error))))
        else:
            work.append((task.broker, known, policies))
    if work:
        with telling(f"asking {'; '.join(_named(broker) for broker, _, _ in work)}"):
            for answer in asyncio.run(ask_all(work)):
                found.update(answer)
    return [
        Checked(
            wishes=placed.policy.wishes,
            file=placed.place.file,
            line=placed.place.line,
            broker="/".join(placed.policy.broker),
            outcome=found[placed.policy.wishes.name],
        )
        for placed in inputs.policies
    ]


def _read(files: Sequence[Path]) -> Inputs:
    with telling(f"reading {', '.join(map(name_of, files))}"):
        return read_inputs([(name_of(file), understood(file, LARGEST, documents)) for file in files])


def _named(broker: MessageBroker) -> str:
    return f"MessageBroker {key_of(broker)} ({', '.join(broker.addresses)})"


def _show(checks: Sequence[Checked], output: Output) -> None:
    match output:
        case Output.TABLE:
            # Tables that are kept, not looked at, are easier to read wide; COLUMNS still decides.
            show(checks, Console(highlight=False, width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else PIPE_WIDTH))
        case Output.JSON:
            typer.echo(json.dumps(as_json(checks), indent=2))
        case Output.SARIF:
            typer.echo(json.dumps(sarif(checks, version("floodwarden")), indent=2))
        case Output.JUNIT:
            typer.echo(junit(checks))


def _no_letter_is_too_strange() -> None:
    """What a terminal's encoding lacks is written as an escape; to fail would look like a violation."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _close_quietly() -> None:
    """Let nothing be written any more: the interpreter flushes at its end, and would fail once more on a closed pipe."""
    with suppress(OSError):  # no file of its own
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
