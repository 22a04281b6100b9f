"""The life of one step: wait for its pods and the rebalance, see whether it helped, else have it undone.

Rules 3 and 4 of the design. ``core.decide`` makes steps; this module only moves the last one on.
"""

from __future__ import annotations

from dataclasses import replace

from floodwarden.core.assess import Assessment
from floodwarden.core.capacity import saturated
from floodwarden.core.history import SMOOTH_WINDOW
from floodwarden.core.memory import Basis, Capacity, Memory, Phase, Step
from floodwarden.core.observation import GroupPhase
from floodwarden.core.reasons import Reason
from floodwarden.core.target import Target

OVERDUE_AFTER = 300.0  # seconds until a step that has not settled is an alert of its own
STRAGGLERS_FOR = 30.0  # seconds to wait for the count of members once pods and group are in place: pods may hold several
MEASURE_FOR = SMOOTH_WINDOW + 5.0  # seconds after settling in which throughput is compared
MEASURE_GAPS = 3.0  # or this many commit gaps, where that is longer
GIVE_UP_AFTER = 180.0  # seconds of measuring after which the step counts as done
WORTHWHILE = 0.15  # the share by which throughput must rise, or 0.3 of the share of new replicas where that is less
BLOCK_FOR = 600.0  # seconds without a step up after one that did not help; doubled each time
BLOCK_AT_MOST = 3600.0
RECOVERED = 1.25  # throughput this many times that of the block lifts it: what was behind the consumers has recovered


def advance(memory: Memory, seen: Assessment, target: Target | None, now: float) -> Memory:
    """The memory with its last step moved on by what was seen, and an expired block lifted."""
    memory = _unblock(memory, seen, now)
    step = memory.step
    if step is None or target is None:
        return memory
    if step.phase in (Phase.SETTLING, Phase.OVERDUE):
        return replace(memory, step=_settle(step, seen, target, now))
    if step.phase is not Phase.MEASURING:
        return memory
    measured = _measure(step, seen, memory.capacity, now)
    memory = replace(memory, step=measured)
    return _block(memory, seen, now) if measured.phase is Phase.INEFFECTIVE else memory


def _settle(step: Step, seen: Assessment, target: Target, now: float) -> Step:
    if _settled(step, seen, target, now):
        worth_measuring = step.goal > step.start and step.throughput_before and step.reason is not Reason.BELOW_MINIMUM
        in_time = step.phase is Phase.SETTLING
        return replace(step, phase=Phase.MEASURING if worth_measuring and in_time else Phase.DONE, settled_at=now)
    if now - step.at >= OVERDUE_AFTER:
        return replace(step, phase=Phase.OVERDUE)
    return step


def _settled(step: Step, seen: Assessment, target: Target, now: float) -> bool:
    """All pods of the step are there, no others, and the group has taken them in."""
    if target.ready is not None and target.ready != step.goal:  # None: the kind does not tell whose pods to count
        return False
    if step.goal == 0:
        return True
    if seen.group is None or seen.group.phase is not GroupPhase.STABLE:
        return False
    members = len(seen.group.members)
    expected = min(step.goal, seen.parallel) if seen.parallel else step.goal
    # Who shares a queue is not always told, such as by a proxy that stands before the brokers.
    return members == expected or ((members > 0 or seen.competing) and now - step.at >= STRAGGLERS_FOR)


def _measure(step: Step, seen: Assessment, capacity: Capacity | None, now: float) -> Step:
    assert step.settled_at is not None
    assert step.throughput_before is not None
    if seen.phase is not None and seen.phase is not GroupPhase.STABLE:
        return replace(step, settled_at=now)  # another rebalance: what was measured so far says nothing
    if now - step.at >= GIVE_UP_AFTER:
        return replace(step, phase=Phase.DONE)
    if seen.consumed is None or seen.group is None:
        return step
    gain = seen.consumed / step.throughput_before - 1
    helped = gain >= _worthwhile(step)
    lasted = now - step.settled_at
    # A step made without measured capacity is there to learn from as well.
    learnt = capacity is not None and capacity.basis is Basis.MEASURED
    # Before the end only twice as much is believed: with many looks one of them would pass by chance.
    if gain >= 2 * _worthwhile(step) and learnt and lasted >= SMOOTH_WINDOW / 2:
        return replace(step, phase=Phase.DONE)
    if lasted < max(MEASURE_FOR, MEASURE_GAPS * seen.commit_gap):
        return step
    # What is behind the consumers holds up most of them; a hot partition holds up its owner alone.
    held_up = seen.exact and 2 * len(saturated(seen)) > len(seen.members)
    return replace(step, phase=Phase.INEFFECTIVE if held_up and not helped else Phase.DONE)


def _worthwhile(step: Step) -> float:
    return min(WORTHWHILE, 0.3 * (step.goal / max(1, step.start) - 1))


def _block(memory: Memory, seen: Assessment, now: float) -> Memory:
    length = min(BLOCK_AT_MOST, max(BLOCK_FOR, 2 * memory.blocked_for))
    return replace(memory, blocked_until=now + length, blocked_for=length, blocked_throughput=seen.consumed or 0.0)


def _unblock(memory: Memory, seen: Assessment, now: float) -> Memory:
    if memory.blocked_until is None:
        return memory
    recovered = seen.consumed is not None and seen.consumed > RECOVERED * max(memory.blocked_throughput, 1.0)
    if recovered:
        return replace(memory, blocked_until=None, blocked_for=0.0)
    return replace(memory, blocked_until=None) if now >= memory.blocked_until else memory
