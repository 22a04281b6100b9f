"""``floodwarden explain``: what a setting is for and which loss it prevents; or why a BacklogPolicy has a backlog."""

from __future__ import annotations

from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Annotated, Final

import typer

from floodwarden.cli.files import WRONG, wrong
from floodwarden.cli.live.cluster import NotTold, told_about_now
from floodwarden.cli.live.story import story
from floodwarden.cli.telling import telling
from floodwarden.cluster.client import current_namespace
from floodwarden.core.delivery.settings import EXPLAINED, Explained, explained
from floodwarden.core.text import plain

NAME_BYTES: Final = 200
NEAR: Final = 3
KINDS: Final = frozenset({"backlogpolicy", "backlogpolicies", "fwbp"})
NOT_NAMED: Final = "nowhere: it follows from what is asked for, and is only told"


def explain(
    what: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SETTING | backlogpolicy/NAME]",
            help="A setting as brokers or a DeliveryPolicy name it, or a BacklogPolicy; without it settings are listed.",
        ),
    ] = None,
    namespace: Annotated[
        str | None,
        typer.Option("--namespace", "-n", help="The BacklogPolicy's namespace.", show_default="that of the kubeconfig's context"),
    ] = None,
) -> None:
    """Explain a setting that keeps messages from being lost: what it does, why it matters, what it costs.

    Or tell why a BacklogPolicy has a backlog (backlogpolicy/NAME), as it is in the cluster that KUBECONFIG names.
    """
    asked = " ".join(what or [])
    kind, _, name = asked.partition("/") if "/" in asked else asked.partition(" ")
    if name and kind.lower() in KINDS:
        typer.echo(_story(name, namespace))
    elif not asked:
        typer.echo(listing())
    elif (found := explained(asked)) is not None:
        typer.echo(explanation(found))
    elif "/" in asked:
        raise wrong(asked, "give a setting, or a BacklogPolicy as backlogpolicy/NAME")
    else:
        typer.echo(f"floodwarden: {unknown(asked)}", err=True)
        raise typer.Exit(WRONG)


def _story(name: str, namespace: str | None) -> str:
    try:
        with telling(f"asking the API server about BacklogPolicy {name}"):
            policy, events = told_about_now(namespace or current_namespace(), name)
    except NotTold as error:
        raise wrong(f"backlogpolicy/{name}", str(error)) from None
    return story(policy, events, datetime.now(UTC))


def listing() -> str:
    """Every setting in one line."""
    width = max(len(one.name) for one in EXPLAINED)
    return "\n".join(f"{one.name:<{width}}  {one.what}" for one in EXPLAINED)


def explanation(one: Explained) -> str:
    """Everything that is known of one."""
    parts = {"what": one.what, "asked for": one.field or NOT_NAMED, "why": one.why, "cost": one.cost, "prevents": one.prevents}
    width = max(map(len, parts))
    return "\n".join([one.name, *(f"  {name + ':':<{width + 1}} {text}" for name, text in parts.items())])


def unknown(setting: str) -> str:
    """What there is instead, the nearest first."""
    asked, names = setting.lower(), [one.name for one in EXPLAINED]
    near = list(dict.fromkeys([*(name for name in names if asked in name.lower()), *get_close_matches(asked, names, n=NEAR)]))
    *others, last = near[:NEAR] or [""]
    meant = f"; did you mean {', '.join(others)}{' or ' if others else ''}{last}?" if last else "."
    return f"there is no setting {plain(setting, NAME_BYTES)}{meant} `floodwarden explain` lists all there are"
