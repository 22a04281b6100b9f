"""What lies ahead of one subscription: how much will come, what it takes, and where a step would go.

``core.decide`` asks; the arithmetic is ``core.need``'s. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from floodwarden.core.assess import Assessment, PartitionLoad
from floodwarden.core.memory import Basis, Capacity, Memory, Phase
from floodwarden.core.need import Demand, at_least, even_at_least, replicas_needed, shared
from floodwarden.core.observation import Partition
from floodwarden.core.policy import Policy

REACTION = 10.0  # seconds from a step until its pods consume (pods start, join, rebalance): what arrives meanwhile counts
STANDSTILL = 4.0  # seconds of them in which the group rebalances and consumes nothing
BEHIND = 2.0  # seconds of arrivals that must wait, besides what is done but not committed, to show that consumers fall behind
SPENT = 1.1  # times its lower bound up to which a replica that falls behind is taken to do all it can
USUAL_LOAD = 0.7  # of its capacity that a replica is taken to work at where only a lower bound is known (Flink's default)
BACK = 0.9  # of the limit below which a lag that was over it is back within
NEARLY = 0.999  # of a replica's capacity: as busy as a partition can be that still has room on a replica
EVER = 10.0  # times catchUp in which a backlog that shrinks is taken to go away; slower, and chance may make it seem to shrink
HOT = 2.0  # times the mean arrivals of the others from which a partition is hot, and not merely one of too many busy ones
SURE = 2.0  # standard deviations from which a rate is taken to be above or below another
BOLDEST = 16  # times the present replicas that a step without measured capacity may reach


def over_limit(policy: Policy, seen: Assessment, was_over: bool) -> bool | None:
    """Whether the lag is over a limit; None where it cannot be told. A lower bound above the limit is enough for yes.

    Once over, it is back only clearly below: at the limit itself it would be told to and fro.
    """
    share = BACK if was_over else 1.0
    lag, seconds = seen.settled_lag, seen.settled_seconds
    if lag is None or seconds is None:
        return None
    by_count = policy.max_messages is not None and lag > share * policy.max_messages
    by_time = policy.max_seconds is not None and seconds > share * policy.max_seconds
    if by_count or by_time:
        return True
    return False if seen.exact and (seen.aged or policy.max_seconds is None) else None


@dataclass(frozen=True, slots=True)
class Outlook:
    """All that one judgement looks at, and what follows from it. ``over``: whether the lag is over a limit, if known."""

    policy: Policy
    seen: Assessment
    memory: Memory
    now: float
    over: bool | None

    @property
    def capacity(self) -> Capacity | None:
        return self.memory.capacity

    @property
    def measured(self) -> float | None:
        """Messages per second of one replica, where measured and not only bounded."""
        return self.capacity.per_replica if self.capacity and self.capacity.basis is Basis.MEASURED else None

    @property
    def arrivals(self) -> float:
        """Messages per second to reckon with: the smooth rate, or that of a confirmed surge."""
        surge = self.seen.surge if self.seen.surge_confirmed else None
        return max(surge or 0.0, self.seen.produced or 0.0)

    @property
    def ceiling(self) -> int:
        return self.policy.ceiling(self.seen.partitions, shared=self.seen.competing)

    @property
    def most(self) -> int:
        """The largest even spread that the ceiling allows."""
        return self._spread(self.ceiling, self.ceiling)

    @property
    def floor(self) -> int:
        return self.policy.floor(self.seen.partitions, shared=self.seen.competing)

    def _spread(self, replicas: int, ceiling: int) -> int:
        """The smallest even spread of at least so many; as many as there are to be where consumers compete."""
        if self.seen.competing:
            return min(replicas, ceiling)
        return even_at_least(self.seen.partitions, replicas, ceiling)

    @property
    def undo(self) -> bool:
        """Whether the last step did not help and is still in place."""
        step = self.memory.step
        return step is not None and step.phase is Phase.INEFFECTIVE

    @property
    def by_hand_lately(self) -> bool:
        """Whether somebody else set the replicas within the last stabilization window."""
        at = self.memory.hand_scaled_at
        return at is not None and self.now - at < self.policy.stabilization

    @property
    def hot(self) -> tuple[Partition, ...]:
        """Partitions that lag because more arrives than one replica can carry, and clearly more than in the others.

        Chance must not make it so, and unmake it again: both take two standard deviations.
        """
        capacity, loads, before = self.measured, self.seen.loads, self.memory.hot
        if self.seen.competing:
            return ()  # a queue that needs more than one replica gets them
        if capacity is None or not self.seen.exact or len(loads) < 2:
            return tuple(load.partition for load in loads if load.partition in before)
        total = sum(load.arrival for load in loads)

        def is_hot(load: PartitionLoad) -> bool:
            bound = max(capacity, HOT * (total - load.arrival) / (len(loads) - 1))
            if load.partition in before:
                return load.arrival >= at_least(bound, SURE)
            return at_least(load.arrival, SURE) > bound and load.lag > capacity

        return tuple(load.partition for load in loads if is_hot(load))

    def growing_over(self, replicas: int) -> bool:
        """Whether the lag will pass a limit before a step made now would take effect, and rises."""
        capacity = self._assumed(replicas)
        if capacity is None or self.seen.lag is None:
            return False
        more = self._coming(replicas, capacity)
        if more <= 0:
            return self._worst_growing_over(replicas, capacity)
        coming = self.seen.lag + more
        if self.policy.max_messages is not None and coming > self.policy.max_messages:
            return True
        waiting = coming / (replicas * capacity) if replicas else float("inf")
        return self.policy.max_seconds is not None and waiting > self.policy.max_seconds

    def _coming(self, replicas: int, capacity: float) -> float:
        """Messages by which the lag rises until a step made now takes effect; 0 where so many replicas keep up."""
        growth = self.arrivals - replicas * capacity
        return growth * REACTION + replicas * capacity * STANDSTILL if growth > 0 else 0.0

    def _assumed(self, replicas: int) -> float | None:
        """Messages per second to be expected of a replica: measured, or guessed where its backlog shows that it has no more."""
        if self.measured is not None or self.capacity is None:
            return self.measured
        if not self._behind or self.seen.consumed_before is None:
            return None  # also with the first readings: of commits in steps they tell no rate
        # A bound is believed late: it may be of a time before the consumers had anything to do.
        present = (self.seen.consumed or 0.0) / replicas if replicas else 0.0
        return max(self._guessed(replicas, self.capacity.per_replica), present)

    def _guessed(self, replicas: int, bound: float) -> float:
        """What a replica may do of which only a lower bound was seen: more, unless it does no more although more waits."""
        spent = self._behind and self.seen.consumed is not None and self.seen.consumed <= SPENT * bound * replicas
        return bound if spent else bound / USUAL_LOAD

    @property
    def _behind(self) -> bool:
        """Whether more waits than is merely not committed, where anything moves: the consumers do not keep up."""
        standing = sum(load.lag for load in self.seen.loads if load.doubtful)
        return self.seen.settled_lag is not None and self.seen.settled_lag - standing > BEHIND * self.arrivals

    def _worst_growing_over(self, replicas: int, capacity: float) -> bool:
        """The same where all replicas together would do: whether one that has the busiest partition cannot keep up.

        The oldest message then waits longer by the share that is not kept up with, and by the time in which nothing is
        consumed at all while the group rebalances.
        """
        limit, loads = self.policy.max_seconds, self.seen.loads
        moving = [load for load in loads if not load.doubtful]
        if self.seen.competing or limit is None or not replicas or not self.seen.seconds or len(loads) < 2 or not moving:
            return False
        worst = max(moving, key=lambda load: load.seconds)
        others = sum(load.arrival for load in loads) - worst.arrival
        arriving = worst.arrival + others / (len(loads) - 1) * (-(-len(loads) // replicas) - 1)
        if arriving <= capacity:
            return False
        longer = (1 - capacity / arriving) * REACTION + STANDSTILL
        return worst.seconds + longer > limit

    def carried_by(self, replicas: int) -> bool:
        """Whether so many replicas drain the backlog: they are seen to, or what they can do is known to be enough in time."""
        if self.eta is not None and self.eta <= EVER * self.policy.catch_up:
            return True
        asked = sum(demand.total for demand in self.demands(replicas, 1.0))
        return self.capacity is not None and asked <= replicas * self.capacity.per_replica

    def demands(self, replicas: int, headroom: float) -> list[Demand]:
        """The demand of each partition that moves: its arrivals, a surge spread over all, and the drain of its lag."""
        moving = [load for load in self.seen.loads if not load.stalled]
        if not moving:
            return []
        surge = max(0.0, self.arrivals - sum(load.arrival for load in self.seen.loads)) / len(moving)
        coming = self._coming(replicas, self.measured) if self.measured is not None else 0.0
        arriving = sum(load.arrival + surge for load in moving)
        share = coming / arriving if arriving > 0 else 0.0  # what comes does so where messages arrive
        return [
            Demand(
                self._spared(load, load.arrival + surge, headroom),
                (load.lag + share * (load.arrival + surge)) / self.policy.catch_up,
            )
            for load in moving
        ]

    def _spared(self, load: PartitionLoad, arrival: float, headroom: float) -> float:
        """Arrivals with headroom. Neither that nor chance makes a partition one that no replica can carry."""
        if self.capacity is None or self.seen.competing:
            return arrival * headroom
        capacity = self.capacity.per_replica
        if load.partition in self.memory.hot or at_least(arrival, SURE) >= capacity:
            return max(arrival * headroom, capacity)
        return min(arrival * headroom, NEARLY * capacity)

    def need(self, replicas: int, headroom: float) -> int | None:
        """Replicas for what is known to be asked for; None where the capacity of a replica is not known at all."""
        demands = self.demands(replicas, headroom)
        if sum(demand.total for demand in demands) <= 0:
            return 1 if self.seen.lag else 0  # what stands still waits for somebody all the same
        return None if self.capacity is None else self._need(demands, self.capacity.per_replica)

    def need_down(self, replicas: int, headroom: float) -> int | None:
        """The same for fewer replicas: so many at the least as carry all that arrives, hot partitions included.

        For those alone no pods are added, but to take some away would have them grow faster, and be answered with pods again.
        """
        need = self.need(replicas, headroom)
        if need is None or self.capacity is None:
            return need
        capacity = self.capacity.per_replica
        arriving = [load.arrival for load in self.seen.loads if not load.stalled]
        if self.seen.competing or not any(arrival > capacity for arrival in arriving):
            return need
        carrying = ceil(sum(arriving) * headroom / capacity)
        return max(need, self._spread(carrying, self.ceiling))

    def _need(self, demands: Sequence[Demand], capacity: float) -> int:
        if self.seen.competing:
            return shared(demands, capacity, self.ceiling)
        return replicas_needed(demands, self.seen.partitions, capacity, self.ceiling)

    def bold(self, replicas: int) -> int:
        """A first step without any known capacity: double, or half the ceiling; no more than there are lagging partitions,
        unless consumers compete for them."""
        deepest = max((load.lag for load in self.seen.loads), default=0)
        lagging = sum(1 for load in self.seen.loads if not load.stalled and load.lag > 0.1 * deepest)
        wanted = max(2 * replicas, -(-self.ceiling // 2), 1)
        if not self.seen.competing:
            wanted = min(wanted, max(lagging, replicas))
        return self._spread(wanted, self.ceiling)

    def goal_up(self, replicas: int) -> int:
        """Where a step up would go. Without measured capacity it is bold, and learnt from, but not without bounds."""
        need = self._need_guessed(replicas)
        if need == 0 and self.seen.lag:
            need = 1
        return max(self.floor, min(need, self.ceiling))

    def _need_guessed(self, replicas: int) -> int:
        capacity = self.capacity
        if capacity is None:
            need = self.bold(replicas) if self.over or replicas > 0 else 1
        elif capacity.basis is Basis.MEASURED:
            return self._need(self.demands(replicas, 1.0), capacity.per_replica)
        else:
            need = self._need(self.demands(replicas, 1.0), self._guessed(replicas, capacity.per_replica))
        boldest = BOLDEST * max(replicas, 1)
        return need if need <= boldest else self._spread(boldest, min(boldest, self.ceiling))

    @property
    def eta(self) -> float | None:
        """Seconds until the backlog is gone at the present rates; None where it does not shrink."""
        if not self.seen.lag or self.seen.consumed is None or self.seen.produced is None:
            return None
        speed = self.seen.consumed - self.seen.produced
        return self.seen.lag / speed if speed > 0 else None

    def numbers(self, current: int, goal: int) -> str:
        """The numbers that led to a step, or that speak against one, in one sentence."""
        capacity = self.capacity
        bound = "≥ " if capacity is not None and capacity.basis is Basis.AT_LEAST else ""
        each = f"{bound}{capacity.per_replica:.1f}/s" if capacity is not None else "an unknown number"
        waited = f" ({self.seen.seconds:.1f} s)" if self.seen.seconds is not None else ""
        step = f"{current} → {goal}" if goal != current else f"{current}"
        return (
            f"{step} replicas: lag {self.seen.lag or 0:,}{waited}, limit {self.policy.limits}; "
            f"{self.arrivals:.1f}/s arriving, one replica does {each}, {self._parts}, ceiling {self.ceiling}"
        )

    @property
    def _parts(self) -> str:
        count, name = self.seen.partitions, "queue" if self.seen.competing else "partition"
        return f"{count} {name}{'' if count == 1 else 's'}"
