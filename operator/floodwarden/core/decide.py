"""Rules 1 to 5 of the design: from what was seen to one decision, and what to remember for the next.

Pure: no I/O, no clock, no logging. The order of the questions in ``decide`` is the order of precedence. Its neighbours
answer the single questions: ``assess`` (what is seen), ``capacity``, ``need`` (how many), ``steps`` (the last step).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from floodwarden.core.assess import Assessment, Gap
from floodwarden.core.capacity import LEARN_EVERY, learn
from floodwarden.core.history import SMOOTH_WINDOW
from floodwarden.core.memory import Basis, Capacity, Memory, Phase, Step
from floodwarden.core.need import Demand, even_at_least, replicas_needed
from floodwarden.core.observation import GroupPhase, Partition
from floodwarden.core.policy import Policy
from floodwarden.core.reasons import Reason
from floodwarden.core.steps import advance
from floodwarden.core.target import Target

REACTION = 10.0  # seconds from a step until its pods consume (pods start, join, rebalance): what arrives meanwhile counts
HEADROOM = 1.2  # the demand against which fewer replicas are judged: arrivals vary, and a step back up costs more
REBALANCE_LIMIT = 120.0  # seconds for which a rebalance not of our making holds a step up
QUICK_SWEEP = 5.0  # with a longer sweepInterval a surge is answered at once instead of being measured once more
USUAL_LOAD = 0.7  # of its capacity that a replica is taken to work at where only a lower bound is known (Flink's default)
HOT = 2.0  # times the mean arrivals from which a partition is hot, and not merely one of too many busy ones
BOLDEST = 16  # times the present replicas that a step without measured capacity may reach
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
    memory, by_hand = _notice_hand(memory, target, now)
    memory = advance(memory, seen, target, now)
    memory = _follow_group(memory, seen, target, now)
    memory = _learn(memory, seen, target, now)
    over = over_limit(policy, seen)
    memory = replace(
        memory,
        over_since=(memory.over_since or now) if over else None,
        unknown_since=(memory.unknown_since or now) if seen.gaps else None,
    )
    view = _View(policy, seen, memory, now, over)
    memory = _follow_calm(memory, view, target)
    view = replace(view, memory=memory)
    if blocker is not None or target is None:
        gap = blocker or Gap(Reason.TARGET_MISSING, "the target has not been read yet")
        decision = Decision(gap.reason, gap.message)
    else:
        decision = _judge(view, target)
    return replace(view.describe(decision), by_hand=by_hand), memory


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


def over_limit(policy: Policy, seen: Assessment) -> bool | None:
    """Whether the lag is over a limit; None where it cannot be told. A lower bound above the limit is enough for yes."""
    if seen.lag is None:
        return None
    by_count = policy.max_messages is not None and seen.lag > policy.max_messages
    by_time = policy.max_seconds is not None and seen.seconds is not None and seen.seconds > policy.max_seconds
    if by_count or by_time:
        return True
    return False if seen.exact else None


@dataclass(frozen=True, slots=True)
class _View:
    """All that one judgement looks at."""

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
        return self.policy.ceiling(self.seen.partitions)

    @property
    def floor(self) -> int:
        return self.policy.floor(self.seen.partitions)

    def hot(self) -> tuple[Partition, ...]:
        """Partitions that lag because more arrives than one replica can carry, and clearly more than in the others."""
        capacity = self.measured
        if capacity is None or not self.seen.exact or not self.seen.loads:
            return ()
        mean = sum(load.arrival for load in self.seen.loads) / len(self.seen.loads)
        bound = max(capacity, HOT * mean)
        return tuple(load.partition for load in self.seen.loads if load.arrival > bound and load.lag > capacity)

    def growing_over(self, replicas: int) -> bool:
        """Whether the lag will pass a limit before a step made now would take effect. Told only by measured capacity."""
        if self.measured is None or self.seen.lag is None:
            return False
        growth = self.arrivals - replicas * self.measured
        if growth <= 0:
            return False
        coming = self.seen.lag + growth * REACTION
        if self.policy.max_messages is not None and coming > self.policy.max_messages:
            return True
        waiting = coming / (replicas * self.measured) if replicas else float("inf")
        return self.policy.max_seconds is not None and waiting > self.policy.max_seconds

    def demands(self, replicas: int, headroom: float) -> list[Demand]:
        """The demand of each partition that moves: its arrivals, a surge spread over all, and the drain of its lag."""
        moving = [load for load in self.seen.loads if not load.stalled]
        if not moving:
            return []
        surge = max(0.0, self.arrivals - (self.seen.produced or 0.0)) / len(moving)
        growth = max(0.0, self.arrivals - replicas * self.measured) if self.measured is not None else 0.0
        coming = growth * REACTION / len(moving)
        return [Demand((load.arrival + surge) * headroom, (load.lag + coming) / self.policy.catch_up) for load in moving]

    def need(self, replicas: int, headroom: float) -> int | None:
        """Replicas for what is known to be asked for; None where the capacity of a replica is not known at all."""
        demands = self.demands(replicas, headroom)
        if sum(demand.total for demand in demands) <= 0:
            return 0
        return None if self.capacity is None else self._need(demands, self.capacity.per_replica)

    def _need(self, demands: Sequence[Demand], capacity: float) -> int:
        return replicas_needed(demands, self.seen.partitions, capacity, self.ceiling)

    def bold(self, replicas: int) -> int:
        """A first step without any known capacity: double, or half the ceiling; no more than there are lagging partitions."""
        deepest = max((load.lag for load in self.seen.loads), default=0)
        lagging = sum(1 for load in self.seen.loads if not load.stalled and load.lag > 0.1 * deepest)
        wanted = min(max(2 * replicas, -(-self.ceiling // 2), 1), max(lagging, replicas))
        return even_at_least(self.seen.partitions, wanted, self.ceiling)

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
            need = self._need(self.demands(replicas, 1.0), capacity.per_replica / USUAL_LOAD)
        boldest = BOLDEST * max(replicas, 1)
        return need if need <= boldest else even_at_least(self.seen.partitions, boldest, min(boldest, self.ceiling))

    def describe(self, decision: Decision) -> Decision:
        """The decision with what every decision tells besides: ceiling, limit, what stands still, whom to attend."""
        step = self.memory.step
        busy = step is not None and step.open
        lagging = self.seen.seconds is not None and self.seen.seconds > ATTEND_LAG
        return replace(
            decision,
            ceiling=self.ceiling if self.seen.partitions else None,
            over=self.over,
            attend=busy or bool(self.over) or lagging or self.seen.surge is not None,
            stalled=self.seen.stalled,
            hot=self.hot(),
            eta=self._eta(),
        )

    def _eta(self) -> float | None:
        if not self.seen.lag or self.seen.consumed is None or self.seen.produced is None:
            return None
        speed = self.seen.consumed - self.seen.produced
        return self.seen.lag / speed if speed > 0 else None


def _judge(view: _View, target: Target) -> Decision:
    """The questions in their order of precedence."""
    seen, memory, current = view.seen, view.memory, target.replicas
    if current == 0 and view.policy.min_replicas > 0:
        return Decision(Reason.TARGET_AT_ZERO, "the target was scaled to zero by somebody else and is left alone", desired=0)
    if memory.step is not None and memory.step.phase is Phase.SETTLING:
        step = memory.step
        ready = "?" if target.ready is None else target.ready
        return Decision(
            Reason.SETTLING, f"{step.start} → {step.goal}: {ready} pods ready, group {seen.phase or '?'}", desired=step.goal
        )
    if memory.step is not None and memory.step.phase is Phase.INEFFECTIVE and view.floor < current == memory.step.goal:
        return _undo(view, memory.step)
    if seen.lag is None or not seen.loads:
        return _blind(view, current)
    if current < view.floor:
        goal = max(view.floor, view.goal_up(current) if view.over else 0)
        return Decision(Reason.BELOW_MINIMUM, f"{current} replicas are fewer than minReplicas", goal, desired=goal)
    if view.over or view.growing_over(current) or (current == 0 and seen.lag > 0):
        up = _up(view, current)
        if up is not None:
            return up
    return _down_or_stay(view, current)


def _blind(view: _View, current: int) -> Decision:
    """Nothing is known of the lag: hold. Only consumers that sleep are woken by messages nobody has committed yet."""
    if current == 0 and view.policy.min_replicas == 0 and view.seen.unread and view.ceiling > 0:
        return Decision(Reason.WOKEN, "there are messages and the group has never committed", 1, desired=1)
    gap = view.seen.gaps[0] if view.seen.gaps else Gap(Reason.FIRST_READING, "")
    return Decision(gap.reason, gap.message, desired=current)


def _undo(view: _View, step: Step) -> Decision:
    goal = max(view.floor, step.start)
    before = step.throughput_before or 0.0
    return Decision(
        Reason.STEP_INEFFECTIVE,
        f"{step.start} → {step.goal} replicas did not raise throughput ({before:.0f} → {view.seen.consumed or 0:.0f} messages/s):"
        " the bottleneck is behind the consumers",
        goal,
        desired=goal,
    )


def _up(view: _View, current: int) -> Decision | None:
    """A step up, or what stands against it; None where no more replicas are needed."""
    seen, memory = view.seen, view.memory
    goal = view.goal_up(current)
    if goal <= current:
        if view.hot() and view.over:
            names = ", ".join(str(partition) for partition in view.hot()[:5])
            return Decision(Reason.PARTITION_HOT, f"{names}: more arrives than one replica can carry", desired=current)
        if current >= view.ceiling and view.over:
            return Decision(Reason.AT_CEILING, _numbers(view, current, view.ceiling), desired=current)
        return None
    if seen.surge is not None and not seen.surge_confirmed and current > 0 and view.policy.sweep_interval <= QUICK_SWEEP:
        return Decision(Reason.MEASURING, "a rise has just begun; one more reading tells how much", desired=current)
    against = _against_up(view, current)
    if against is not None:
        return Decision(against.reason, against.message, desired=current)
    if memory.step is not None and memory.step.phase is Phase.MEASURING:
        return Decision(Reason.SETTLING, "measuring what the last step brought", desired=current)
    reason = Reason.WOKEN if current == 0 else Reason.SCALED_UP
    return Decision(reason, _numbers(view, current, goal), goal, desired=goal)


def _against_up(view: _View, current: int) -> Gap | None:
    """Why more pods would not help now."""
    seen, memory, now = view.seen, view.memory, view.now
    lagging = [load for load in seen.loads if load.lag > 0]
    if lagging and all(load.stalled for load in lagging):
        reason = Reason.GROUP_STALLED if 2 * len(lagging) > seen.partitions else Reason.PARTITION_STALLED
        return Gap(reason, f"{len(lagging)} of {seen.partitions} partitions have a backlog, and none of them moves")
    if memory.blocked_until is not None:
        return Gap(
            Reason.STEP_INEFFECTIVE, f"the last step did not help; the next one is tried in {memory.blocked_until - now:.0f} s"
        )
    if current > 0 and memory.unstable_since is not None:
        for_seconds = now - memory.unstable_since
        if seen.phase in (GroupPhase.EMPTY, GroupPhase.DEAD):
            return Gap(Reason.CONSUMERS_MISSING, f"{current} replicas, but no member in the group for {for_seconds:.0f} s")
        if for_seconds < REBALANCE_LIMIT:
            return Gap(Reason.REBALANCING, f"the group has been rebalancing for {for_seconds:.0f} s")
    return None


def _down_or_stay(view: _View, current: int) -> Decision:
    memory, seen = view.memory, view.seen
    if seen.gaps:
        return Decision(seen.gaps[0].reason, seen.gaps[0].message, desired=current)
    wanted = max((need for _, need in memory.needs), default=current)
    goal = min(max(wanted, view.floor), view.ceiling)
    if goal >= current or memory.calm_since is None:
        if current == 0:
            return Decision(Reason.ASLEEP, "no messages; the next one wakes the consumers", desired=0)
        if view.over and seen.stalled:
            text = f"{len(seen.stalled)} of {seen.partitions} partitions stand still; more replicas would not move them"
            return Decision(Reason.PARTITION_STALLED, text, desired=current)
        if view.over:
            return Decision(Reason.OVER_LIMIT, f"{current} replicas are enough to drain within catchUp", desired=current)
        return Decision(Reason.STEADY, f"{current} replicas carry {view.arrivals:.1f} messages/s", desired=current)
    if view.capacity is None and view.arrivals > 0:
        return Decision(Reason.CAPACITY_UNKNOWN, "replicas are not lowered before their capacity is known", desired=current)
    calm_for = view.now - memory.calm_since
    agreed_for = view.now - memory.agreed_since if memory.agreed_since is not None else 0.0
    # While the need still falls, one more smoothing window spares a second step.
    left = max(view.policy.stabilization - calm_for, SMOOTH_WINDOW - agreed_for if len(memory.needs) > 1 else 0.0)
    if left > 0:
        return Decision(
            Reason.STABILIZING, f"{goal} replicas would be enough; lowered in {left:.0f} s if that lasts", desired=goal
        )
    reason = Reason.PUT_TO_SLEEP if goal == 0 else Reason.SCALED_DOWN
    return Decision(reason, _numbers(view, current, goal), goal, desired=goal)


def _numbers(view: _View, current: int, goal: int) -> str:
    """The numbers that led to a step, in one sentence."""
    capacity = view.capacity
    each = "unknown" if capacity is None else f"{'≥ ' if capacity.basis is Basis.AT_LEAST else ''}{capacity.per_replica:.1f}/s"
    limits = [f"{view.policy.max_messages:,}"] if view.policy.max_messages is not None else []
    limits += [f"{view.policy.max_seconds:g} s"] if view.policy.max_seconds is not None else []
    waited = f" ({view.seen.seconds:.1f} s)" if view.seen.seconds is not None else ""
    return (
        f"{current} → {goal} replicas: lag {view.seen.lag or 0:,}{waited}, limit {' or '.join(limits)}; "
        f"{view.arrivals:.1f}/s arriving, one replica does {each}, {view.seen.partitions} partitions, ceiling {view.ceiling}"
    )


def _notice_hand(memory: Memory, target: Target | None, now: float) -> tuple[Memory, tuple[int, int] | None]:
    """Whoever changed the replicas since our last look was not us: respect it, and do not lower it for a whole window."""
    if target is None:
        return memory, None
    before = memory.replicas_seen
    if before is None or before == target.replicas:
        return replace(memory, replicas_seen=target.replicas), None
    step = memory.step
    if step is not None and step.open:
        step = replace(step, phase=Phase.DONE)
    memory = replace(
        memory,
        replicas_seen=target.replicas,
        step=step,
        calm_since=None,
        agreed_since=None,
        needs=(),
        stable_since=None,
        hand_scaled_at=now,
    )
    return memory, (before, target.replicas)


def _follow_group(memory: Memory, seen: Assessment, target: Target | None, now: float) -> Memory:
    """Since when the group has been stable, or has not."""
    if target is None or seen.phase is None:
        return replace(memory, stable_since=None) if seen.group_gap or seen.lag is None else memory
    if seen.phase is GroupPhase.STABLE:
        return replace(memory, stable_since=memory.stable_since or now, unstable_since=None)
    unstable = target.replicas > 0
    return replace(memory, stable_since=None, unstable_since=(memory.unstable_since or now) if unstable else None)


def _learn(memory: Memory, seen: Assessment, target: Target | None, now: float) -> Memory:
    step_open = memory.step is not None and memory.step.phase is Phase.SETTLING
    if target is None or step_open or (memory.learned_at is not None and now - memory.learned_at < LEARN_EVERY):
        return memory
    working = target.replicas if target.ready is None else min(target.ready, target.replicas)
    return replace(memory, capacity=learn(memory.capacity, seen, working, memory, now), learned_at=now)


def _follow_calm(memory: Memory, view: _View, target: Target | None) -> Memory:
    """Fewer replicas need a whole window without a doubt: any unknown, any limit passed, any open step starts it anew."""
    step_open = view.memory.step is not None and view.memory.step.open
    if target is None or not view.seen.exact or view.over is not False or step_open or view.seen.produced is None:
        return replace(memory, calm_since=None, agreed_since=None, needs=())
    now, window = view.now, view.policy.stabilization
    need = view.need(target.replicas, HEADROOM)
    needs = _push(memory.needs, now, target.replicas if need is None else need, window)
    since = memory.calm_since if memory.calm_since is not None else now
    agreed = now - since >= window and needs[0][1] < target.replicas
    return replace(memory, calm_since=since, needs=needs, agreed_since=(memory.agreed_since or now) if agreed else None)


def _push(needs: Sequence[tuple[float, int]], now: float, need: int, window: float) -> tuple[tuple[float, int], ...]:
    """The falling maxima of the window with one more need: of equal or smaller earlier ones nothing can come any more."""
    kept = [(at, earlier) for at, earlier in needs if now - at <= window and earlier > need]
    return (*kept, (now, need))
