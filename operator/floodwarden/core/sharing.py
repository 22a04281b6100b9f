"""Which replica sweeps which MessageBroker: dealt out evenly, moved seldom. Pure; ``sweep.shares`` carries it out.

Every replica decides for itself from the same Leases. They may see them a moment apart: the API server accepts one writer
of a Lease, and the others look again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Moves:
    """``take`` these shares of nobody; ``give`` that one, if any, to that member."""

    take: tuple[str, ...] = ()
    give: tuple[str, str] | None = None


def moves(
    me: str,
    holders: Mapping[str, str | None],
    members: Collection[str],
    *,
    settled: Collection[str] | None = None,
    kept: Collection[str] = (),
) -> Moves:
    """What one replica should take and give now.

    ``holders`` names the live holder of each share, None for nobody. ``members`` are the replicas that live, ``me`` among them.
    Only the ``settled`` of them (default: all) are given what another one holds: during a rolling update nothing moves twice.
    ``kept`` shares are never given away: they weigh nothing.
    """
    loads = dict.fromkeys(sorted(members), 0)
    for share, holder in holders.items():
        if holder in loads and share not in kept:
            loads[holder] += 1
    take = []
    for share in sorted(share for share, holder in holders.items() if holder not in loads):
        taker = min(loads, key=lambda member: (loads[member], member))
        if share not in kept:
            loads[taker] += 1
        if taker == me:
            take.append(share)
    return Moves(tuple(take), None if take else _gift(me, holders, loads, settled, kept))


def _gift(
    me: str,
    holders: Mapping[str, str | None],
    loads: Mapping[str, int],
    settled: Collection[str] | None,
    kept: Collection[str],
) -> tuple[str, str] | None:
    """One share for the member that has the fewest, if it has at least two fewer than I and no other has more than I."""
    heirs = [member for member in loads if member != me and (settled is None or member in settled)]
    if not heirs or min(loads, key=lambda member: (-loads[member], member)) != me:
        return None
    heir = min(heirs, key=lambda member: (loads[member], member))
    if loads[me] - loads[heir] < 2:
        return None
    return max(share for share, holder in holders.items() if holder == me and share not in kept), heir
