"""How many replicas are needed: the arithmetic of rule 2 of the design, and nothing else.

demand of a partition  d = λ + L / catchUp       (Flink's autoscaler and DS2 use the same target rate)
partitions of a replica m = as many as its capacity c carries
replicas               n = ⌈P / m⌉               so every step is an even spread, and n never passes P
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import ceil, floor, sqrt

from floodwarden.core.history import SMOOTH_WINDOW

TOLERANCE = 1e-9  # so that 0.1 + 0.2 fits into 0.3


@dataclass(frozen=True, slots=True)
class Demand:
    """What one partition asks for, in messages per second: arrivals, and what draining its lag in time takes."""

    arrival: float
    drain: float = 0.0

    @property
    def total(self) -> float:
        return self.arrival + self.drain


def even(partitions: int, per_replica: int) -> int:
    """The replicas that carry ``partitions`` with at most ``per_replica`` on each: ⌈P / m⌉."""
    return ceil(partitions / per_replica) if partitions else 0


def even_at_least(partitions: int, replicas: int, ceiling: int) -> int:
    """The smallest even spread of at least ``replicas``, or the largest one that the ceiling allows."""
    if min(partitions, replicas, ceiling) <= 0:
        return 0
    # ⌈P / m⌉ ≥ n exactly for m < P / (n - 1)
    per_replica = ceil(partitions / (replicas - 1)) - 1 if replicas > 1 else partitions
    return within(partitions, max(1, per_replica), ceiling)


def within(partitions: int, per_replica: int, ceiling: int) -> int:
    """The even spread with ``per_replica`` partitions on each, or the largest that is not above the ceiling (one or more)."""
    spread = even(partitions, per_replica)
    return spread if spread <= ceiling else even(partitions, ceil(partitions / ceiling))


def replicas_needed(demands: Sequence[Demand], partitions: int, capacity: float, ceiling: int) -> int:
    """The replicas that carry the demands, as an even spread of all ``partitions``, at most ``ceiling``.

    ``demands`` are those of the partitions that more replicas can help (none that stands still); ``capacity`` is that of one
    replica in messages per second, above zero. No demand needs no replica. The result never falls when a demand rises, unless
    a partition's arrivals alone pass the capacity: that one is named instead of being answered with pods for all.

    m is the largest number of partitions for which both hold: the mean demand of m partitions fits one replica, and any of
    them still drains on a replica that has the m - 1 busiest others besides (a partition busier than a replica is counted as
    a full one in the first test, and left out of the second: no spread helps it). Random arrivals are taken one standard
    deviation low in the second test, or the busiest would always look busier than they are.
    """
    capped = [min(demand.total, capacity) for demand in demands]
    total = sum(capped)
    if not capped or total <= TOLERANCE or ceiling <= 0:
        return 0
    mean = total / len(capped)
    by_mean = floor(capacity / mean + TOLERANCE)
    by_busiest = _worst_fitting([demand for demand in demands if demand.arrival < capacity], capacity)
    per_replica = max(1, min(by_mean, by_busiest, partitions))
    return within(partitions, per_replica, ceiling)


def shared(demands: Sequence[Demand], capacity: float, ceiling: int) -> int:
    """The replicas that carry the demands where any number of them can share each, at most ``ceiling``: n = ⌈Σd / c⌉."""
    return min(ceil(sum(demand.total for demand in demands) / capacity - TOLERANCE), ceiling)


def _worst_fitting(demands: Sequence[Demand], capacity: float) -> int:
    """How many partitions fit into one capacity together, however unluckily they meet, while one of them drains.

    A backlog that one replica could not drain in time even for itself gets half of what its arrivals leave of it: more would
    take a replica for each partition, and serve no other.
    """
    ranked = sorted(((at_least(demand.arrival), demand.drain) for demand in demands), reverse=True)
    drains = [min(drain, (capacity - arrival) / 2) for arrival, drain in ranked]
    # The neediest of those that are not among the busiest, from the end: it would take the place of the last of them.
    rest = list(accumulate(reversed([arrival + drain for (arrival, _), drain in zip(ranked, drains, strict=True)]), max))[::-1]
    arrivals = drain = 0.0
    for index, (arrival, _) in enumerate(ranked):
        drain = max(drain, drains[index])
        worst = max(arrivals + arrival + drain, arrivals + rest[index])
        if worst > capacity + TOLERANCE:
            return max(index, 1)
        arrivals += arrival
    return 10**9 if demands else 1


def at_least(arrival: float, deviations: float = 1.0) -> float:
    """An arrival rate in messages per second, so many standard deviations low: messages come at random (Poisson)."""
    return max(0.0, arrival - deviations * sqrt(arrival / SMOOTH_WINDOW))
