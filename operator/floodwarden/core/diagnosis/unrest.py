"""How much of its time a group spends rebalancing: one that does so again and again never does for long at once.

Known only while somebody looks at the group, which is while a backlog grows.
"""

from __future__ import annotations

from typing import NamedTuple

from floodwarden.core.assess import Assessment
from floodwarden.core.observation import GroupPhase

HALF_LIFE = 60.0  # seconds
FORGOTTEN_AFTER = 10.0  # seconds without a look at the group
RESTLESS = 0.5  # of the time from which a group hardly works at all


class Unrest(NamedTuple):
    """The share of the last minutes in which the group was rebalancing, and when that was seen last."""

    share: float
    at: float


def unrest(before: Unrest | None, seen: Assessment, now: float) -> Unrest | None:
    """The share after one more look; the very same where the group was not looked at, None once that is long ago."""
    if seen.phase not in (GroupPhase.STABLE, GroupPhase.REBALANCING):
        return before if before is None or now - before.at < FORGOTTEN_AFTER else None
    busy = 1.0 if seen.phase is GroupPhase.REBALANCING else 0.0
    if before is None:
        return Unrest(0.0, now)
    weight = 1 - 0.5 ** ((now - before.at) / HALF_LIFE)
    return Unrest(before.share + weight * (busy - before.share), now)
