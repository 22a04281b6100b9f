"""What deciding remembers of one policy from sweep to sweep; the parts that must survive a restart are kept in status.

``core.decide`` takes one Memory and returns the next. Times are seconds of the loop's clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from floodwarden.core.diagnosis.cause import Verdict
from floodwarden.core.diagnosis.unrest import Unrest
from floodwarden.core.diagnosis.usual import Usual
from floodwarden.core.observation import Partition
from floodwarden.core.reasons import Reason


class Basis(StrEnum):
    """How well the capacity of a replica is known."""

    MEASURED = "Measured"  # seen while saturated
    AT_LEAST = "AtLeast"  # seen while not saturated, or long ago: it can do this, perhaps more


@dataclass(frozen=True, slots=True)
class Capacity:
    """What one replica consumes, in messages per second."""

    per_replica: float
    measured_at: float
    basis: Basis


class Phase(StrEnum):
    """Where a step stands."""

    SETTLING = "Settling"  # pods are starting, or the group is rebalancing
    MEASURING = "Measuring"  # all is in place: did it help?
    DONE = "Done"
    OVERDUE = "Overdue"
    INEFFECTIVE = "Ineffective"  # it did not help; the step that undoes it comes next


@dataclass(frozen=True, slots=True)
class Step:
    """One change of replicas made by Floodwarden. ``throughput_before`` in messages per second, None where unknown."""

    at: float
    start: int
    goal: int
    reason: Reason
    phase: Phase
    throughput_before: float | None = None
    settled_at: float | None = None

    @property
    def open(self) -> bool:
        return self.phase in (Phase.SETTLING, Phase.MEASURING)


@dataclass(frozen=True, slots=True)
class Memory:
    """``needs`` is the falling sequence of (time, replicas) maxima inside the stabilization window, oldest first."""

    capacity: Capacity | None = None
    step: Step | None = None
    replicas_seen: int | None = None  # the target's replicas at the last decision
    calm_since: float | None = None  # since when nothing has spoken against fewer replicas
    needs: tuple[tuple[float, int], ...] = ()
    agreed_since: float | None = None  # since when the whole stabilization window has agreed on fewer replicas
    blocked_until: float | None = None  # no step up before this: the last one did not help
    blocked_for: float = 0.0  # how long the last block was, to lengthen the next
    blocked_throughput: float = 0.0  # throughput when the block was set; clearly more lifts it
    over_since: float | None = None
    unknown_since: float | None = None
    unstable_since: float | None = None  # since when the group has been rebalancing, or empty although it has replicas
    stable_since: float | None = None  # since when the group was seen stable with unchanged replicas
    learned_at: float | None = None  # when the capacity was last looked at
    working: int | None = None  # the replicas that worked at that look
    working_since: float | None = None  # and since when so many do, where they were seen to change
    hand_scaled_at: float | None = None
    hot: frozenset[Partition] = frozenset()  # where more arrives than one replica can carry
    ceiling_told: bool = False  # since the limit was passed: arrivals that just fill the ceiling would tell it again and again
    gap_reasons: frozenset[Reason] = frozenset()  # of the last sweep, so that an Event tells only what is new
    unrest: Unrest | None = None  # how much of its time the group spends rebalancing
    usual: Usual | None = None  # what usually arrives, learnt while all is well
    verdict: Verdict | None = None  # why there is a backlog; None as long as there was none
