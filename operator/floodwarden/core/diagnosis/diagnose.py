"""Why a backlog grows: from what is seen to one cause with its numbers. Rule 6 of the design.

Pure. The order of the questions is the order of precedence: what cannot be read, what nobody produced (a replay), what is seen
as such (pods, members, offsets that stand still), and last what rates tell. What is not known answers no question, and without
evidence the cause is not known. ``follow`` asks, ``verdict`` decides what of this is told.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from floodwarden.core.conditions import LOST_AFTER
from floodwarden.core.decide import MISSING_AFTER, REBALANCE_LIMIT
from floodwarden.core.diagnosis.case import ENOUGH, TROUBLES, Answer, Case, Patience, count, pods_say, some
from floodwarden.core.diagnosis.cause import CONCLUDED, NO_CAUSE, NOTHING, Cause, Confidence, Finding
from floodwarden.core.diagnosis.rates import by_rates
from floodwarden.core.diagnosis.unrest import RESTLESS
from floodwarden.core.diagnosis.usual import KNOWN_AFTER
from floodwarden.core.memory import Memory, Phase
from floodwarden.core.observation import GroupPhase
from floodwarden.core.reasons import Reason

REBALANCES_FOR = 30.0  # seconds from which a rebalance is too long to be one of those that every change of members takes
MARKERS = 2  # positions between the last message read and an open transaction that may be the markers of others


def diagnose(case: Case) -> Finding | None:
    """The cause that is found now; None where nothing speaks for another one than is told already."""
    seen, decision = case.seen, case.decision
    if seen.lag is None:
        return _lost(case)
    if decision.over is False and not case.stalled.status:
        return NOTHING
    for question in _QUESTIONS:
        found = question(case)
        if found is not None:
            return None if found is Patience.WAIT else found
    concluded = by_rates(case)
    if concluded is not None:
        return concluded if _may_follow(case, concluded) else None
    # A cause that was found stays the cause of what is still left of the backlog.
    return _not_known(case) if case.told in NO_CAUSE else None


def _lost(case: Case) -> Finding | None:
    unknown_since, gaps = case.memory.unknown_since, case.seen.gaps
    if unknown_since is None or case.now - unknown_since < LOST_AFTER or not gaps:
        return None
    return Finding(Cause.READING_LOST, f"{gaps[0].reason}: {gaps[0].message}")


def _replayed(case: Case) -> Answer:
    """Offsets that were set back, or a group that has just begun. After a restart of ours it is the cause until all is read."""
    again = sum(track.again for track in case.history.tracks.values())
    if again > 0 and again >= ENOUGH * case.lag:
        messages = f"{min(again, case.lag):,} of the {case.lag:,} messages that wait"
        text = f"{messages} are read again, or are older than the group: offsets were set back, or it has just begun"
        return Finding(Cause.REPLAYED, text)
    verdict = case.memory.verdict
    if verdict is None or verdict.told.cause is not Cause.REPLAYED:
        return None
    watched = min((track.end.first_at or case.now for track in case.history.tracks.values()), default=case.now)
    return Patience.WAIT if watched > verdict.since else None


def _transaction(case: Case) -> Answer:
    held = [load for load in case.seen.loads if load.doubtful and load.held is not None and load.held <= MARKERS]
    if not held or not case.explains(sum(load.lag for load in held)):
        return None
    if not all(load.stalled for load in held):
        return Patience.WAIT
    text = f"{some(load.partition for load in held)}: a transaction is open, and what was written after it is not handed out"
    sure = Confidence.HIGH if all(load.held == 0 for load in held) else Confidence.MEDIUM
    return Finding(Cause.TRANSACTION_OPEN, text, sure)


def _pods(case: Case) -> Answer:
    """Nobody there to consume, or most of those that should: as the API server has it."""
    target = case.target
    if target is None:
        return None
    if target.replicas == 0:
        return Finding(Cause.CONSUMERS_MISSING, "the target has 0 replicas") if case.lag else None
    for trouble, cause, doing in TROUBLES:
        pods = target.in_trouble(trouble)
        if 2 * len(pods) >= target.replicas or (pods and target.ready == 0):
            return Finding(cause, pods_say(pods, target, doing))
    return None


def _members(case: Case) -> Answer:
    """What the group itself tells: it rebalances for long or again and again, or there is nobody in it."""
    since, phase, target = case.memory.unstable_since, case.seen.phase, case.target
    lasted = case.now - since if since is not None else 0.0
    if phase in (GroupPhase.STABLE, GroupPhase.REBALANCING):
        return _rebalances(case.memory, lasted, now=phase is GroupPhase.REBALANCING)
    if phase is None or since is None or target is None:
        return None
    if lasted < MISSING_AFTER:
        return Patience.WAIT
    ready = "" if target.ready is None else f", {target.ready} ready"
    text = f"no member in the group for {lasted:.0f} s, although there are {count(target.replicas, 'replica')}{ready}"
    return Finding(Cause.CONSUMERS_MISSING, text)


def _rebalances(memory: Memory, lasted: float, *, now: bool) -> Answer:
    if now and lasted >= REBALANCES_FOR:
        sure = Confidence.HIGH if lasted >= REBALANCE_LIMIT else Confidence.MEDIUM
        return Finding(Cause.REBALANCING, f"the group has been rebalancing for {lasted:.0f} s and consumes nothing", sure)
    if memory.unrest is not None and memory.unrest.share >= RESTLESS:
        text = f"again and again, the group was rebalancing for {memory.unrest.share:.0%} of the last minutes"
        return Finding(Cause.REBALANCING, text, Confidence.MEDIUM)
    return Patience.WAIT if now else None


def _standing(case: Case) -> Answer:
    """Partitions whose offset stands still, where most of the backlog is in them."""
    waiting = [load for load in case.seen.loads if load.lag > 0]
    stalled = [load for load in waiting if load.stalled]
    if not case.explains(sum(load.lag for load in stalled)):
        doubtful = sum(load.lag for load in waiting if load.doubtful)
        return Patience.WAIT if case.decision.over and case.explains(doubtful) else None
    if not case.stalled.status or case.stalled.reason not in (Reason.PARTITION_STALLED, Reason.GROUP_STALLED):
        return Patience.WAIT  # pods that have just come: not told as standing still yet
    if len(stalled) == len(waiting) and 2 * len(stalled) > case.seen.partitions:
        text = f"{len(stalled)} of {case.seen.partitions} partitions have a backlog, and none of them moves"
        return Finding(Cause.GROUP_STALLED, text)
    names = some(load.partition for load in stalled)
    return Finding(
        Cause.PARTITION_STALLED, f"{names}: {sum(load.lag for load in stalled):,} messages wait, and none is committed"
    )


def _downstream(case: Case) -> Answer:
    """A step up that was tried for this backlog and did not help; one for an earlier backlog says nothing of this one."""
    memory, step = case.memory, case.memory.step
    undone = step is not None and step.phase is Phase.INEFFECTIVE
    tried_at = memory.blocked_until - memory.blocked_for if memory.blocked_until is not None else None
    earlier = tried_at is not None and memory.over_since is not None and tried_at < memory.over_since
    if not undone and (tried_at is None or earlier):
        return None
    did = f"{step.start} → {step.goal} replicas" if step is not None and undone else "more replicas"
    text = (
        f"{did} consumed no more than before ({memory.blocked_throughput:.0f} messages/s): what is behind them is the bottleneck"
    )
    return Finding(Cause.DOWNSTREAM_SLOW, text)


_QUESTIONS: Final[tuple[Callable[[Case], Answer], ...]] = (
    _replayed,
    _transaction,
    _pods,
    _members,
    _standing,
    _downstream,
)


def _may_follow(case: Case, found: Finding) -> bool:
    """Whether a conclusion may replace what is told, or its numbers: only while the backlog grows, and one that is as sure."""
    if case.told in NO_CAUSE:
        return True
    produced, consumed = case.seen.produced, case.seen.consumed
    grows = produced is not None and consumed is not None and produced > consumed
    if case.told is found.cause:
        return grows
    enough = (Confidence.HIGH, Confidence.MEDIUM) if case.told in CONCLUDED else (Confidence.HIGH,)
    return grows and found.confidence in enough


def _not_known(case: Case) -> Finding:
    seen, usual = case.seen, case.memory.usual
    if not case.whole:
        why = f"a part of the lag cannot be read ({seen.gaps[0].reason})"
    elif seen.produced is None or case.decision.over is None:
        why = "watching has just begun"
    elif usual is None or not all(level.known for level in usual.levels.values()):
        why = f"what usually arrives was not watched for {KNOWN_AFTER:.0f} s yet"
    else:
        why = "neither rates nor pods nor members differ enough from the usual"
    return Finding(Cause.NOT_KNOWN, why, Confidence.LOW)
