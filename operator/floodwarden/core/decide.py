"""Rules 1 to 5 of the design: from what was seen to one decision, and what to remember for the next.

Pure: no I/O, no clock, no logging. The order of the questions in ``decide`` is the order of precedence. Its neighbours
answer the single questions: ``assess`` (what is seen), ``outlook`` (what it takes), ``steps`` (the last step), ``follow`` (the
rest of what is remembered).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from floodwarden.core.assess import Assessment, Gap
from floodwarden.core.follow import follow_calm, follow_capacity, follow_group, follow_hot, notice_hand
from floodwarden.core.history import SMOOTH_WINDOW
from floodwarden.core.memory import Basis, Memory, Phase, Step
from floodwarden.core.observation import GroupPhase, Partition
from floodwarden.core.outlook import Outlook, over_limit
from floodwarden.core.policy import Policy
from floodwarden.core.reasons import Reason
from floodwarden.core.steps import advance
from floodwarden.core.target import Target

REBALANCE_LIMIT = 120.0  # seconds for which a rebalance not of our making holds a step up
MISSING_AFTER = 30.0  # seconds for which a group of running pods may be empty before that is named
QUICK_SWEEP = 5.0  # with a longer sweepInterval a surge is answered at once instead of being measured once more
ATTEND_LAG = 2.0  # seconds of lag from which the group's members are watched too


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do now. ``replicas`` is set only where the target is to be changed; ``desired`` is what would be right.

    ``over`` is None where the lag is not known. ``eta`` is the time in seconds until the backlog is gone, at the present
    rates. ``attend`` asks the next sweep to read the group's members and the target's pods.
    """

    reason: Reason
    message: str
    replicas: int | None = None
    desired: int | None = None
    ceiling: int | None = None
    over: bool | None = None
    attend: bool = False
    stalled: tuple[Partition, ...] = ()
    hot: tuple[Partition, ...] = ()
    eta: float | None = None
    by_hand: tuple[int, int] | None = None  # replicas before and after, where somebody else changed them


def decide(
    policy: Policy, seen: Assessment, target: Target | None, blocker: Gap | None, memory: Memory, now: float
) -> tuple[Decision, Memory]:
    """One decision, and the memory for the next.

    ``blocker`` is whatever stands in the way outside the lag itself (a missing target, another controller, a broker that
    may not be used); it holds everything. ``now`` is in seconds of the same clock as the memory's.
    """
    memory, by_hand = notice_hand(memory, target, now)
    memory = advance(memory, seen, target, now)
    memory = follow_group(memory, seen, target, now)
    memory = follow_capacity(memory, seen, target, now)
    over = over_limit(policy, seen, was_over=memory.over_since is not None)
    over_since = (memory.over_since or now) if over else None if over is False else memory.over_since
    unknown_since = (memory.unknown_since or now) if seen.gaps else None
    if (over_since, unknown_since) != (memory.over_since, memory.unknown_since):
        memory = replace(memory, over_since=over_since, unknown_since=unknown_since)
    memory = follow_hot(memory, Outlook(policy, seen, memory, now, over))
    memory = follow_calm(memory, Outlook(policy, seen, memory, now, over), target)
    view = Outlook(policy, seen, memory, now, over)
    if blocker is not None or target is None:
        gap = blocker or Gap(Reason.TARGET_MISSING, "the target has not been read yet")
        decision = Decision(gap.reason, gap.message)
    else:
        decision = _judge(view, target)
    return _described(decision, view, by_hand), memory


def applied(memory: Memory, decision: Decision, start: int, seen: Assessment, now: float) -> Memory:
    """The memory after a decision's replicas were written (which in DryRun they never are)."""
    assert decision.replicas is not None
    last = memory.step
    just_settled = last is not None and last.settled_at is not None and now - last.settled_at < SMOOTH_WINDOW
    throughput = seen.consumed_lately if just_settled else seen.consumed
    if memory.capacity is not None and memory.capacity.basis is Basis.MEASURED and throughput is not None:
        # Consumers that kept up until now could have done more: what counts is what they can do.
        throughput = max(throughput, start * memory.capacity.per_replica)
    step = Step(now, start, decision.replicas, decision.reason, Phase.SETTLING, throughput_before=throughput)
    return replace(
        memory, step=step, replicas_seen=decision.replicas, calm_since=None, agreed_since=None, needs=(), stable_since=None
    )


def _described(decision: Decision, view: Outlook, by_hand: tuple[int, int] | None) -> Decision:
    """The decision with what every decision tells besides: ceiling, limit, what stands still, whom to attend."""
    seen, step = view.seen, view.memory.step
    busy = step is not None and step.open
    lagging = seen.seconds is not None and seen.seconds > ATTEND_LAG
    return replace(
        decision,
        ceiling=view.ceiling if seen.partitions else None,
        over=view.over,
        attend=busy or bool(view.over) or lagging or seen.surge is not None,
        stalled=seen.stalled,
        hot=view.hot,
        eta=view.eta,
        by_hand=by_hand,
    )


def _judge(view: Outlook, target: Target) -> Decision:
    """The questions in their order of precedence."""
    seen, memory, current = view.seen, view.memory, target.replicas
    ours = memory.step is not None and memory.step.goal == 0
    if current == 0 and view.policy.min_replicas > 0 and not ours:
        return Decision(Reason.TARGET_AT_ZERO, "the target was scaled to zero by somebody else and is left alone", desired=0)
    if memory.step is not None and memory.step.phase is Phase.SETTLING:
        step = memory.step
        ready = "?" if target.ready is None else target.ready
        return Decision(
            Reason.SETTLING, f"{step.start} → {step.goal}: {ready} pods ready, group {seen.phase or '?'}", desired=step.goal
        )
    if seen.lag is None or not seen.loads or (current == 0 and seen.unread and seen.lag == 0):
        return _blind(view, current)
    if view.undo and view.floor < current and seen.exact and memory.step is not None:
        return _undo(view, memory.step)
    if current > view.ceiling and seen.exact and not view.by_hand_lately:
        text = f"{current} → {view.most} replicas: the ceiling is {view.ceiling}"
        return Decision(Reason.ABOVE_CEILING, text, view.most, desired=view.most)
    if current < view.floor:
        goal = max(view.floor, view.goal_up(current) if view.over else 0)
        text = f"{current} → {goal} replicas: minReplicas is {view.policy.min_replicas}"
        if goal > view.floor:
            text = f"{view.numbers(current, goal)}; minReplicas is {view.policy.min_replicas}"
        return Decision(Reason.BELOW_MINIMUM, text, goal, desired=goal)
    if view.over or view.growing_over(current) or (current == 0 and seen.lag):
        up = _up(view, current)
        if up is not None:
            return up
    return _down_or_stay(view, current)


def _blind(view: Outlook, current: int) -> Decision:
    """Nothing, or too little, is known of the lag: hold. But consumers that sleep are woken by messages nobody has read yet."""
    if current == 0 and view.seen.unread and view.ceiling > 0:
        return Decision(Reason.WOKEN, "0 → 1 replicas: there are messages and the group has never committed", 1, desired=1)
    gap = view.seen.gaps[0] if view.seen.gaps else Gap(Reason.FIRST_READING, "")
    return Decision(gap.reason, gap.message, desired=current)


def _undo(view: Outlook, step: Step) -> Decision:
    goal = max(view.floor, step.start)
    before = step.throughput_before or 0.0
    return Decision(
        Reason.STEP_INEFFECTIVE,
        f"{step.start} → {step.goal} replicas did not raise throughput ({before:.0f} → {view.seen.consumed or 0:.0f} messages/s):"
        " the bottleneck is behind the consumers",
        goal,
        desired=goal,
    )


def _up(view: Outlook, current: int) -> Decision | None:
    """A step up, or what stands against it; None where no more replicas are needed."""
    seen, memory = view.seen, view.memory
    goal = view.goal_up(current)
    measuring = memory.step is not None and memory.step.phase is Phase.MEASURING
    if goal <= current:
        if view.hot and view.over:
            names = ", ".join(str(partition) for partition in view.hot[:5])
            return Decision(Reason.PARTITION_HOT, f"{names}: more arrives than one replica can carry", desired=current)
        known = seen.produced is not None and seen.consumed is not None
        if current >= view.most and view.over and known and not measuring and not view.carried_by(current):
            return Decision(Reason.AT_CEILING, view.numbers(current, current), desired=current)
        return None
    quick = view.policy.sweep_interval <= QUICK_SWEEP and not seen.sampled
    if seen.surge is not None and not seen.surge_confirmed and current > 0 and quick:
        return Decision(Reason.MEASURING, "a rise has just begun; one more reading tells how much", desired=current)
    against = _against_up(view, current)
    if against is not None:
        return Decision(against.reason, against.message, desired=current)
    if measuring:
        return Decision(Reason.SETTLING, "measuring what the last step brought", desired=current)
    reason = Reason.WOKEN if current == 0 else Reason.SCALED_UP
    return Decision(reason, view.numbers(current, goal), goal, desired=goal)


def _against_up(view: Outlook, current: int) -> Gap | None:
    """Why more pods would not help now."""
    seen, memory, now = view.seen, view.memory, view.now
    lagging = [load for load in seen.loads if load.lag > 0]
    if lagging and all(load.stalled for load in lagging):
        reason = Reason.GROUP_STALLED if 2 * len(lagging) > seen.partitions else Reason.PARTITION_STALLED
        return Gap(reason, f"{len(lagging)} of {seen.partitions} partitions have a backlog, and none of them moves")
    if current > 0 and memory.blocked_until is not None:
        return Gap(
            Reason.STEP_INEFFECTIVE, f"the last step did not help; the next one is tried in {memory.blocked_until - now:.0f} s"
        )
    if current > 0 and memory.unstable_since is not None:
        for_seconds = now - memory.unstable_since
        if seen.phase in (GroupPhase.EMPTY, GroupPhase.DEAD) and for_seconds >= MISSING_AFTER:
            return Gap(Reason.CONSUMERS_MISSING, f"{current} replicas, but no member in the group for {for_seconds:.0f} s")
        if for_seconds < REBALANCE_LIMIT:
            return Gap(Reason.REBALANCING, f"the group has been rebalancing for {for_seconds:.0f} s")
    return None


def _down_or_stay(view: Outlook, current: int) -> Decision:
    """Fewer replicas once the whole window agrees; until then what would be enough now is told, and why it is not done."""
    memory, seen = view.memory, view.seen
    if seen.gaps:
        return Decision(seen.gaps[0].reason, seen.gaps[0].message, desired=current)
    if memory.calm_since is None or not memory.needs:
        return _stay(view, current)
    enough = min(max(memory.needs[-1][1], view.floor), view.ceiling)
    goal = min(max(memory.needs[0][1], view.floor), view.ceiling)
    if enough >= current:
        return _stay(view, current)
    left = _left(view, current)
    if left > 0 or goal >= current:
        text = f"{enough} replicas would be enough now; lowered in about {max(left, 1):.0f} s if that lasts"
        return Decision(Reason.STABILIZING, text, desired=enough)
    reason = Reason.PUT_TO_SLEEP if goal == 0 else Reason.SCALED_DOWN
    return Decision(reason, view.numbers(current, goal), goal, desired=goal)


def _left(view: Outlook, current: int) -> float:
    """Seconds until the whole window can agree on fewer than ``current`` replicas.

    While the need still falls, one more smoothing window spares a second step.
    """
    memory, now, window = view.memory, view.now, view.policy.stabilization
    began = memory.calm_since if memory.calm_since is not None else now
    spoke_against = max((at for at, need in memory.needs if need >= current), default=began)
    agreed_for = now - memory.agreed_since if memory.agreed_since is not None else 0.0
    falling = SMOOTH_WINDOW - agreed_for if len(memory.needs) > 1 else 0.0
    return max(window - (now - began), window - (now - spoke_against), falling)


def _stay(view: Outlook, current: int) -> Decision:
    """Why so many replicas are right, or at least are left."""
    seen = view.seen
    if current == 0:
        return Decision(Reason.ASLEEP, "no messages; the next one wakes the consumers", desired=0)
    if view.over and seen.stalled:
        text = f"{len(seen.stalled)} of {seen.partitions} partitions stand still; more replicas would not move them"
        return Decision(Reason.PARTITION_STALLED, text, desired=current)
    if view.over and seen.produced is not None:
        within = "within catchUp" if view.eta is None else f"in about {max(1.0, view.eta):.0f} s"
        return Decision(Reason.OVER_LIMIT, f"{current} replicas are enough to drain the backlog {within}", desired=current)
    if seen.caution is not None and current > view.floor:
        return Decision(seen.caution.reason, seen.caution.message, desired=current)
    if seen.produced is None:
        return Decision(Reason.FIRST_READING, "the rates are not known yet", desired=current)
    if view.capacity is None and view.arrivals > 0 and current > view.floor:
        return Decision(Reason.CAPACITY_UNKNOWN, "replicas are not lowered before their capacity is known", desired=current)
    text = f"{current} replicas carry {view.arrivals:.1f} messages/s"
    if view.measured is None and view.capacity is not None and current > view.floor:
        text += f"; fewer might do, but no more than {view.capacity.per_replica:.1f}/s of one replica was ever seen"
    return Decision(Reason.STEADY, text, desired=current)
