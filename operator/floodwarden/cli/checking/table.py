"""A check as people read it: for each policy a heading and a table, then what it means in one line. Pure apart from printing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.console import Console, Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from floodwarden.cli.checking.report import Checked, Result, overall, shown, verdict
from floodwarden.core.delivery.producers import Writers
from floodwarden.core.delivery.violations import Violation, listed

COLUMNS: Final = ("resource", "setting", "wanted", "found", "where", "what to do")
WIDE: Final = 110  # columns from which six cells in a row can be read
COLOURS: Final = {Result.COMPLIANT: "green", Result.VIOLATIONS: "red", Result.UNKNOWN: "yellow"}


def show(checks: Sequence[Checked], console: Console) -> None:
    """Everything that was found; colour only where the console has it."""
    for check in checks:
        _show(check, console)
        console.print()
    console.print(Text(verdict(checks), style=f"bold {COLOURS[overall(checks)]}"), soft_wrap=True)


def _show(check: Checked, console: Console) -> None:
    console.print(Text.assemble((shown(check.name), "bold"), f"  {shown(_about(check))}"), soft_wrap=True)
    if check.violations:
        shape = _table if console.width >= WIDE else _listing
        console.print(Padding(shape(check.violations), (0, 0, 0, 2)))
    for warning in check.warnings:
        console.print(Text(f"  warning: {shown(warning)}"), soft_wrap=True)
    for gap in check.gaps:
        console.print(Text(f"  could not tell ({gap.reason}): {shown(gap.message)}"), soft_wrap=True)
    for text in check.not_verified:
        console.print(Text(f"  not verified: {shown(text)}"), soft_wrap=True)
    if check.writers:
        console.print(Text(f"  producers: {shown(_written_by(check.writers))}"), soft_wrap=True)
    if check.result is Result.COMPLIANT:
        console.print(Text("  as asked for"))


def _written_by(writers: Sequence[Writers]) -> str:
    """Whose batches are the newest, without the partitions: these are in the JSON."""
    ids = sorted({one for writer in writers for one in writer.producers})
    idempotent = sum(writer.idempotent is True for writer in writers)
    plain = sum(writer.idempotent is False for writer in writers)
    told = f"idempotent in {idempotent} of {len(writers)} partitions looked at, not so in {plain}"
    return f"{told}; ids {listed(list(map(str, ids)))}" if ids else told


def _about(check: Checked) -> str:
    about = f"{check.patterns} on {check.broker}"
    if check.findings is None:
        return about
    topics, brokers, kind = check.findings.topics, check.findings.brokers, check.findings.kind
    return f"{about}: {topics} {kind}{'' if topics == 1 else 's'}, {brokers} broker{'' if brokers == 1 else 's'}"


def _table(violations: Sequence[Violation]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for column in COLUMNS:
        # A setting is what people copy; the last column has sentences, which wrap well.
        table.add_column(column, overflow="fold", no_wrap=column == "setting", ratio=1 if column == COLUMNS[-1] else None)
    for one in violations:
        cells = (one.resource, one.setting, one.wanted, one.found, one.where, f"{one.action}: {one.reason}")
        table.add_row(*(Text(shown(cell)) for cell in cells))
    return table


def _listing(violations: Sequence[Violation]) -> Group:
    """The same where a table would be all line ends."""
    lines: list[Text | Padding] = []
    for one in violations:
        found = f"{one.setting} is {one.found} ({one.where}), wanted {one.wanted}"
        lines.append(Text.assemble((shown(one.resource), "bold"), f": {shown(found)}"))
        lines.append(Padding(Text(shown(f"{one.action}: {one.reason}")), (0, 0, 0, 4)))
    return Group(*lines)
