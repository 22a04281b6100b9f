"""What one replica can consume: learnt while it has more to do than it can, kept, and aged.

A consumer that keeps up shows only a lower bound of what it could do; both are worth knowing and never confused.
"""

from __future__ import annotations

from floodwarden.core.assess import Assessment
from floodwarden.core.history import SMOOTH_WINDOW
from floodwarden.core.members import MemberLoad
from floodwarden.core.memory import Basis, Capacity, Memory

LEARN_EVERY = 5.0  # seconds between two looks: the shortest window, so that samples are new
WEIGHT = 0.3  # of a new sample in the moving average
BACKLOG = 2.0  # seconds (or commit gaps, where longer) of work that must be waiting for a member to count as saturated
MEASURED_FOR = 24 * 3600.0  # after this a measurement is only a lower bound


def learn(capacity: Capacity | None, seen: Assessment, replicas: int, memory: Memory, now: float) -> Capacity | None:
    """The capacity after one more look. ``replicas`` are those that work; with none of them nothing is learnt."""
    capacity = _aged(capacity, now)
    if replicas < 1:
        return capacity
    window = max((member.window for member in seen.members), default=0.0)
    settled = memory.stable_since is not None and now - memory.stable_since >= window
    sample = saturated_rate(seen, replicas) if settled else None
    if sample is not None:
        if capacity is None or capacity.basis is Basis.AT_LEAST:
            return Capacity(sample, now, Basis.MEASURED)
        return Capacity(capacity.per_replica + WEIGHT * (sample - capacity.per_replica), now, Basis.MEASURED)
    # What was consumed in the last two windows was consumed by those that worked then.
    same = memory.working_since is None or now - memory.working_since >= 2 * SMOOTH_WINDOW
    return _at_least(capacity, seen, replicas, now) if seen.exact and same else capacity


def saturated(seen: Assessment) -> tuple[MemberLoad, ...]:
    """The members that had work waiting all through the last window; lag that is only work not yet committed does not count."""
    backlog = BACKLOG * max(1.0, seen.commit_gap)
    return tuple(member for member in seen.members if 0 < member.consumed * backlog < member.waiting)


def saturated_rate(seen: Assessment, replicas: int) -> float | None:
    """Messages per second of one replica among the saturated members; None where there are none. A pod may hold several."""
    rates = [member.consumed for member in saturated(seen)]
    if not rates:
        return None
    if seen.competing:
        return sum(rates) / replicas
    return sum(rates) / len(rates) * max(1.0, len(seen.members) / replicas)


def _at_least(capacity: Capacity | None, seen: Assessment, replicas: int, now: float) -> Capacity | None:
    """What was consumed was possible. Two windows must agree: offsets that were set forward by hand were not consumed.

    That less has come since is no evidence against a bound, however old: it would be lost while replicas wait to be lowered, and
    nothing would lower them any more. Where it has become wrong, a backlog shows that, and is measured.
    """
    if seen.consumed is None or seen.consumed_before is None:
        return capacity
    bound = min(seen.consumed, seen.consumed_before) / replicas
    if bound <= 0:
        return capacity
    if capacity is None:
        return Capacity(bound, now, Basis.AT_LEAST)
    if bound <= capacity.per_replica:
        return capacity
    return Capacity(bound, now if capacity.basis is Basis.AT_LEAST else capacity.measured_at, capacity.basis)


def _aged(capacity: Capacity | None, now: float) -> Capacity | None:
    if capacity is not None and capacity.basis is Basis.MEASURED and now - capacity.measured_at > MEASURED_FOR:
        return Capacity(capacity.per_replica, now, Basis.AT_LEAST)
    return capacity
