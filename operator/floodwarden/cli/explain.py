"""``floodwarden explain``: what a setting is for, why it matters, what it costs and which loss it prevents."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Annotated, Final

import typer

from floodwarden.cli.files import WRONG
from floodwarden.core.delivery.settings import EXPLAINED, Explained, explained
from floodwarden.core.text import plain

NAME_BYTES: Final = 200
NOT_NAMED: Final = "nowhere: it follows from what is asked for, and is only told"


def explain(
    setting: Annotated[
        str | None, typer.Argument(help="A setting as brokers or a DeliveryPolicy name it; without it all are listed.")
    ] = None,
) -> None:
    """Explain a setting that keeps messages from being lost: what it does, why it matters, what it costs."""
    if setting is None:
        typer.echo(listing())
        return
    found = explained(setting)
    if found is None:
        typer.echo(f"floodwarden: {unknown(setting)}", err=True)
        raise typer.Exit(WRONG)
    typer.echo(explanation(found))


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
    names = [one.name for one in EXPLAINED]
    near = get_close_matches(setting.lower(), names, n=1)
    meant = f"; did you mean {near[0]}?" if near else "."
    return f"there is no setting {plain(setting, NAME_BYTES)}{meant} There are: {', '.join(names)}"
