"""Numbers and causes in the words of a terminal. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from floodwarden.core.diagnosis.cause import Cause

UNKNOWN: Final = "?"
PHRASES: Final[Mapping[Cause, str]] = {
    Cause.NONE: "nothing waits that should not",
    Cause.PRODUCTION_ROSE: "more arrives than usually does",
    Cause.CONSUMPTION_FELL: "less is consumed than usually is",
    Cause.CONSUMERS_MISSING: "there are no consumers, or too few",
    Cause.CONSUMERS_CRASHING: "the consumers crash",
    Cause.CONSUMERS_UNSCHEDULABLE: "pods find no node to run on",
    Cause.REBALANCING: "the group is rebalancing and does not come to an end",
    Cause.PARTITION_STALLED: "a partition stands still",
    Cause.GROUP_STALLED: "the whole group stands still",
    Cause.SKEWED: "one partition gets much more than the others",
    Cause.DOWNSTREAM_SLOW: "what is behind the consumers is slow",
    Cause.TRANSACTION_OPEN: "a transaction is open and hides what was written after it",
    Cause.REPLAYED: "old messages are read again",
    Cause.READING_LOST: "the lag cannot be read",
    Cause.NOT_KNOWN: "the cause is not known",
}


def count(value: float | None) -> str:
    """Messages or replicas, ``?`` where not known."""
    return UNKNOWN if value is None else f"{value:,.0f}"


def rate(value: float | None) -> str:
    """Messages per second, with a tenth where that says something."""
    if value is None:
        return UNKNOWN
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def seconds(value: float | None) -> str:
    """A time in the two largest of its units, such as ``34 s`` or ``2 h 5 min``."""
    if value is None:
        return UNKNOWN
    whole = max(0, round(value))
    for size, unit, below, small in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // below
            return f"{whole // size} {unit}" + (f" {rest} {small}" if rest else "")
    return f"{whole} s"
