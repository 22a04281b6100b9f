"""Why a backlog grows: from what is seen to one cause with its numbers. Rule 6 of the design.

Pure. The order of the questions is the order of precedence: what cannot be read, what nobody produced (a replay), what is seen
as such (pods, members, offsets that stand still), and last what rates tell. What is not known answers no question, and without
evidence the cause is not known. ``follow`` asks, ``verdict`` decides what of this is told; ``behind`` says who is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from floodwarden.core.assess import Assessment
from floodwarden.core.conditions import LOST_AFTER, Condition
from floodwarden.core.decide import MISSING_AFTER, REBALANCE_LIMIT, Decision
from floodwarden.core.diagnosis.balance import Balance, balance
from floodwarden.core.diagnosis.behind import behind
from floodwarden.core.diagnosis.cause import CONCLUDED, NO_CAUSE, NOTHING, Cause, Confidence, Finding
from floodwarden.core.diagnosis.unrest import RESTLESS
from floodwarden.core.diagnosis.usual import KNOWN_AFTER
from floodwarden.core.history import History
from floodwarden.core.memory import Memory, Phase
from floodwarden.core.need import at_least
from floodwarden.core.observation import GroupPhase
from floodwarden.core.outlook import HOT, SURE
from floodwarden.core.reasons import Reason
from floodwarden.core.target import Pod, PodTrouble, Target

MOST = 0.5  # of the backlog that one thing must explain to be the cause, where it is seen as such
ENOUGH = 0.3  # of the backlog that must have come, or not been consumed, against the usual
NEARLY_ALL = 0.8
CLEARLY = 3.0  # times its opposite that a cause explains to be sure
A_HALF_OFF = 1.5  # times the usual level, or its inverse, from which a rate is sure to be another
LEARNT_WELL = 300.0  # seconds for which the usual level was watched
LEARNT_LITTLE = 120.0
REBALANCES_FOR = 30.0  # seconds from which a rebalance is too long to be one of those that every change of members takes
MARKERS = 2  # positions between the last message read and an open transaction that may be the markers of others

# What is not known, beside messages that are gone, so that totals are of other partitions than before.
_HARMLESS: Final = frozenset({Reason.OFFSET_BELOW_LOG_START})


class Patience(Enum):
    """What is seen may turn out to be a cause in a moment: nothing is concluded from rates until then."""

    WAIT = auto()


Answer = Finding | Patience | None


@dataclass(frozen=True, slots=True)
class Case:
    """All that one diagnosis looks at. ``stalled``: the condition of that name, as it is told."""

    seen: Assessment
    history: History
    target: Target | None
    decision: Decision
    stalled: Condition
    memory: Memory
    now: float

    @property
    def lag(self) -> int:
        return self.seen.settled_lag or self.seen.lag or 0

    @property
    def whole(self) -> bool:
        """Whether what came and went is known of every partition."""
        return all(gap.reason in _HARMLESS for gap in self.seen.gaps)

    @property
    def told(self) -> Cause:
        return self.memory.verdict.told.cause if self.memory.verdict is not None else Cause.NONE


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
    account = _account(case)
    for judged in (_skewed(case, account), _by_rates(case, account)):
        if judged is not None:
            return judged if _may_follow(case, judged) else None
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
        text = (
            f"{again:,} of the {case.lag:,} messages that wait are read again, or are older than the group: offsets were set back"
        )
        return Finding(Cause.REPLAYED, text)
    verdict = case.memory.verdict
    if verdict is None or verdict.told.cause is not Cause.REPLAYED:
        return None
    watched = min((track.end.first_at or case.now for track in case.history.tracks.values()), default=case.now)
    return Patience.WAIT if watched > verdict.since else None


def _transaction(case: Case) -> Answer:
    held = [load for load in case.seen.loads if load.doubtful and load.held is not None and load.held <= MARKERS]
    if not held or not _explains(case, sum(load.lag for load in held)):
        return None
    if not all(load.stalled for load in held):
        return Patience.WAIT
    text = f"{_some(load.partition for load in held)}: a transaction is open, and what was written after it is not handed out"
    sure = Confidence.HIGH if all(load.held == 0 for load in held) else Confidence.MEDIUM
    return Finding(Cause.TRANSACTION_OPEN, text, sure)


def _pods(case: Case) -> Answer:
    """Nobody there to consume, or most of those that should: as the API server has it."""
    target = case.target
    if target is None:
        return None
    if target.replicas == 0:
        return Finding(Cause.CONSUMERS_MISSING, "the target has 0 replicas") if case.lag else None
    for trouble, cause, doing in _TROUBLES:
        pods = target.in_trouble(trouble)
        if 2 * len(pods) >= target.replicas or (pods and target.ready == 0):
            return Finding(cause, _pods_say(pods, target, doing))
    return None


_TROUBLES: Final = (
    (PodTrouble.CRASHING, Cause.CONSUMERS_CRASHING, "end again and again"),
    (PodTrouble.UNSCHEDULABLE, Cause.CONSUMERS_UNSCHEDULABLE, "find no node"),
)


def _pods_say(pods: tuple[Pod, ...], target: Target, doing: str) -> str:
    detail = f": {pods[0].detail}" if pods[0].detail else ""
    return f"{len(pods)} of {target.replicas} pods {doing} ({_some(pod.name for pod in pods)}{detail})"


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
    text = f"no member in the group for {lasted:.0f} s, although there are {_count(target.replicas, 'replica')}{ready}"
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
    if not _explains(case, sum(load.lag for load in stalled)):
        doubtful = sum(load.lag for load in waiting if load.doubtful)
        return Patience.WAIT if case.decision.over and _explains(case, doubtful) else None
    if not case.stalled.status or case.stalled.reason not in (Reason.PARTITION_STALLED, Reason.GROUP_STALLED):
        return Patience.WAIT  # pods that have just come: not told as standing still yet
    if len(stalled) == len(waiting) and 2 * len(stalled) > case.seen.partitions:
        text = f"{len(stalled)} of {case.seen.partitions} partitions have a backlog, and none of them moves"
        return Finding(Cause.GROUP_STALLED, text)
    names = _some(load.partition for load in stalled)
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


def _skewed(case: Case, account: Balance | None) -> Finding | None:
    """One partition in which most of the backlog is, because clearly more arrives there than in the others of its topic."""
    seen, hot = case.seen, case.decision.hot
    if seen.competing or len(seen.loads) < 2 or not (case.whole or hot):
        return None
    worst = max(seen.loads, key=lambda load: load.lag)
    others = [load.arrival for load in seen.loads if load.partition.topic == worst.partition.topic and load is not worst]
    if not others or worst.lag < MOST * max(1, case.lag):
        return None
    mean = sum(others) / len(others)
    if worst.partition not in hot and (
        at_least(worst.arrival, SURE) <= HOT * mean or account is None or account.shortfall > account.excess
    ):
        return None
    text = (
        f"{worst.partition} gets {worst.arrival:.1f} messages/s, the others of its topic {mean:.1f} on average, "
        f"and {worst.lag:,} of the {seen.lag:,} messages that wait are in it"
    )
    return Finding(Cause.SKEWED, text, Confidence.HIGH if worst.partition in hot else Confidence.MEDIUM)


def _account(case: Case) -> Balance | None:
    """What came and went since all was well; None where a part of it is not known."""
    if not case.whole or not case.decision.over:
        return None
    usual, target, hand = case.memory.usual, case.target, case.memory.hand_scaled_at
    by_hand = usual is not None and hand is not None and hand >= usual.at
    # What somebody else took away is missing; after a step of ours only what is left can be expected to work.
    replicas = None if target is None or by_hand else target.replicas
    return balance(case.history, usual, replicas, case.now)


def _by_rates(case: Case, account: Balance | None) -> Finding | None:
    """Production or consumption, whichever explains more of the backlog, if that is beyond chance."""
    if account is None:
        return None
    rose = account.excess >= account.shortfall
    more, less = (account.excess, account.shortfall) if rose else (account.shortfall, account.excess)
    level = account.usual if rose else account.expected
    if more <= account.chance(max(level, account.expected)) or more < ENOUGH * case.lag:
        return None
    now, off = (account.produced, account.produced > level) if rose else (account.consumed, True)
    low, high = sorted((now, level))
    clear = off and high >= A_HALF_OFF * low and more >= CLEARLY * less and account.learnt >= LEARNT_WELL
    if not off or more < MOST * case.lag or account.learnt < LEARNT_LITTLE:
        sure = Confidence.LOW
    else:
        sure = Confidence.HIGH if clear and more >= NEARLY_ALL * case.lag else Confidence.MEDIUM
    if rose:
        return Finding(Cause.PRODUCTION_ROSE, _rise(case, account), sure)
    return _fall(case, account, sure)


def _rise(case: Case, account: Balance) -> str:
    """Which topic, and by how much. Of a single topic its newest rate is known, which leaves out what was before the rise."""
    top, others = account.topics[0], account.topics[1:]
    rate = max(top.produced, case.seen.produced or 0.0) if not others else top.produced
    numbers = f"usually {top.usual:.1f}" if top.usual else "usually none"
    if top.usual and rate >= top.usual:
        numbers += f", {rate / top.usual:.1f} times as much"
    elif top.usual:
        numbers = f"lately {top.lately:.1f}; usually {top.usual:.1f}"
    also = [one.topic for one in others if one.excess >= MOST * top.excess]
    more = f"; {_some(also)} rose too" if also else ""
    return f"{top.topic} gets {rate:.1f} messages/s, {numbers}: {account.excess:,.0f} more in {account.seconds:.0f} s{more}"


def _fall(case: Case, account: Balance, sure: Confidence) -> Finding:
    """Who consumes less. Pods that the API server knows to be in trouble are why, and are named instead."""
    target = case.target
    numbers = f"{account.consumed:.1f} messages/s consumed in the last {account.seconds:.0f} s, {account.expected:.1f} before"
    if target is not None:
        for trouble, cause, doing in _TROUBLES:
            pods = target.in_trouble(trouble)
            if pods:
                return Finding(cause, f"{_pods_say(pods, target, doing)}; {numbers}", Confidence.MEDIUM)
        settling = case.memory.step is not None and case.memory.step.phase is Phase.SETTLING
        if target.ready is not None and target.ready < target.replicas and not settling:
            text = f"{target.ready} of {target.replicas} pods are ready; {numbers}"
            return Finding(Cause.CONSUMERS_MISSING, text, Confidence.MEDIUM)
    hand = case.memory.hand_scaled_at
    by_hand = "; the replicas were changed by hand" if hand is not None and case.now - hand <= account.seconds else ""
    return Finding(Cause.CONSUMPTION_FELL, f"{behind(case.seen, target)}: {numbers}{by_hand}", sure)


def _may_follow(case: Case, found: Finding) -> bool:
    """Whether a conclusion may replace what is told: only while the backlog grows, and only by one that is as sure."""
    if case.told in NO_CAUSE or case.told is found.cause:
        return True
    produced, consumed = case.seen.produced, case.seen.consumed
    grows = produced is not None and consumed is not None and produced > consumed
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


def _explains(case: Case, messages: int) -> bool:
    """Whether so many messages are most of the backlog."""
    return messages > 0 and messages >= MOST * case.lag


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _some(names: Iterable[object]) -> str:
    """The first three by name, and how many more."""
    given = [str(name) for name in names]
    return ", ".join(given[:3]) + (f" and {len(given) - 3} more" if len(given) > 3 else "")
