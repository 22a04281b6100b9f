"""``floodwarden top``: a line for each policy, those in trouble first. Pure apart from reading the clock of who asks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from rich.table import Table
from rich.text import Text

from floodwarden.api.backlogpolicy import BacklogPolicy
from floodwarden.cli.live.words import UNKNOWN, count, rate
from floodwarden.core.diagnosis.cause import Cause
from floodwarden.core.text import plain

NAME_BYTES: Final = 120


@dataclass(frozen=True, slots=True)
class Row:
    """What is known of one policy; None is not known. Rates per second; ``seconds``: how long the oldest has waited."""

    namespace: str
    name: str
    lag: int | None
    exact: bool
    limit: int | None
    seconds: float | None
    limit_seconds: int | None
    produced: float | None
    consumed: float | None
    replicas: int | None
    desired: int | None
    ceiling: int | None
    cause: str | None
    confidence: str | None
    state: str | None

    @property
    def used(self) -> float:
        """The share of the limit that is used up, of the one that is used up more; 0 where it is not known."""
        by_count = self.lag / self.limit if self.lag is not None and self.limit else 0.0
        by_time = self.seconds / self.limit_seconds if self.seconds is not None and self.limit_seconds else 0.0
        return max(by_count, by_time)


def row_of(policy: BacklogPolicy) -> Row:
    """A policy as its status has it. Before its first status nothing is known, and no cause either."""
    status, limit = policy.status, policy.spec.max_lag
    lag, rates, replicas = status.lag, status.rates, status.replicas
    none = Cause.NONE.value if status.observed_generation is not None else None
    return Row(
        namespace=policy.metadata.namespace,
        name=policy.metadata.name,
        lag=lag.messages if lag else None,
        exact=lag.exact if lag else False,
        limit=limit.messages,
        seconds=lag.seconds if lag else None,
        limit_seconds=limit.seconds,
        produced=rates.produced if rates else None,
        consumed=rates.consumed if rates else None,
        replicas=replicas.current if replicas else None,
        desired=replicas.desired if replicas else None,
        ceiling=replicas.ceiling if replicas else None,
        cause=status.cause.type.value if status.cause else none,
        confidence=status.cause.confidence.value if status.cause else None,
        state=status.state,
    )


def sorted_rows(policies: Iterable[BacklogPolicy]) -> list[Row]:
    """Those with a cause first, then those nearest to their limit."""
    rows = [row_of(policy) for policy in policies]
    return sorted(rows, key=lambda row: (row.cause in (Cause.NONE.value, None), -row.used, row.namespace, row.name))


def as_json(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """For machines: null is not known."""
    return [asdict(row) for row in rows]


def table(rows: Sequence[Row]) -> Table:
    """For people. A lower bound has a ≥ before it."""
    shown = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("POLICY", "LAG", "LIMIT", "OLDEST", "IN/S", "OUT/S", "REPLICAS", "CAUSE", "STATE"):
        shown.add_column(name, justify="left" if name in ("POLICY", "CAUSE", "STATE") else "right", no_wrap=True)
    for row in rows:
        calm = row.cause in (Cause.NONE.value, None)
        shown.add_row(
            Text(plain(f"{row.namespace}/{row.name}", NAME_BYTES)),
            f"{'' if row.exact or row.lag is None else '≥ '}{count(row.lag)}",
            _limit(row),
            UNKNOWN if row.seconds is None else f"{row.seconds:,.0f} s",
            rate(row.produced),
            rate(row.consumed),
            _replicas(row),
            Text(row.cause or UNKNOWN, style="" if calm else "yellow" if row.used <= 1 else "red"),
            Text(plain(row.state or UNKNOWN, NAME_BYTES)),
        )
    return shown


def _limit(row: Row) -> str:
    parts = [count(row.limit)] if row.limit is not None else []
    return " / ".join([*parts, *([f"{row.limit_seconds} s"] if row.limit_seconds is not None else [])])


def _replicas(row: Row) -> str:
    """Such as ``2→24 of 24``: what there is, what is right, what can help."""
    wanted = f"→{count(row.desired)}" if row.desired not in (None, row.replicas) else ""
    return f"{count(row.replicas)}{wanted} of {count(row.ceiling)}"
