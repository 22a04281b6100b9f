"""What is remembered from sweep to sweep, moved on by what was just seen; each function minds one part of the memory.

``core.decide`` calls them in turn before it judges. Pure. Where nothing changes the memory is handed on as it is: copies of
it are most of what a quiet policy costs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from floodwarden.core.assess import Assessment
from floodwarden.core.capacity import LEARN_EVERY, learn
from floodwarden.core.memory import Memory, Phase
from floodwarden.core.observation import GroupPhase
from floodwarden.core.outlook import Outlook
from floodwarden.core.target import Target

HEADROOM = 1.2  # the demand against which fewer replicas are judged: arrivals vary, and a step back up costs more


def notice_hand(memory: Memory, target: Target | None, now: float) -> tuple[Memory, tuple[int, int] | None]:
    """Whoever changed the replicas since our last look was not us: respect it, and do not lower it for a whole window.

    The intent of a step is written down before the step. Replicas at the goal of an open step are therefore ours, also when
    we ended before we could note it; replicas still where the step began mean that it was never made.
    """
    if target is None:
        return memory, None
    before, step = memory.replicas_seen, memory.step
    if step is not None and step.phase is Phase.SETTLING:
        if target.replicas == step.goal:
            return replace(memory, replicas_seen=step.goal), None
        if target.replicas == before == step.start:
            return replace(memory, step=None), None
    if before == target.replicas:
        return memory, None
    if before is None:
        return replace(memory, replicas_seen=target.replicas), None
    if step is not None and (step.open or step.phase is Phase.INEFFECTIVE):
        step = replace(step, phase=Phase.DONE)
    if target.replicas == 0:
        step = None  # zero is somebody's wish now, whoever asked for it before
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


def started_anew(memory: Memory) -> Memory:
    """The memory under a new spec: what was learnt and a step under way go on, a block, a window or an undo do not."""
    step = memory.step
    if step is not None and step.phase is Phase.INEFFECTIVE:
        step = replace(step, phase=Phase.DONE)
    return replace(memory, step=step, blocked_until=None, blocked_for=0.0, calm_since=None, agreed_since=None, needs=())


def follow_group(memory: Memory, seen: Assessment, target: Target | None, now: float) -> Memory:
    """Since when the group has been stable, or has not."""
    if target is None or seen.phase is None:
        doubtful = memory.stable_since is not None and (seen.group_gap or seen.lag is None)
        return replace(memory, stable_since=None) if doubtful else memory
    if seen.phase is GroupPhase.STABLE:
        if memory.stable_since and memory.unstable_since is None:
            return memory
        return replace(memory, stable_since=memory.stable_since or now, unstable_since=None)
    unstable = target.replicas > 0
    return replace(memory, stable_since=None, unstable_since=(memory.unstable_since or now) if unstable else None)


def follow_capacity(memory: Memory, seen: Assessment, target: Target | None, now: float) -> Memory:
    """What a replica can do, looked at anew every few seconds, never while pods start or stop."""
    amiss = seen.caution is not None or (memory.step is not None and memory.step.phase is Phase.SETTLING)
    if target is None or amiss or (memory.learned_at is not None and now - memory.learned_at < LEARN_EVERY):
        return memory
    working = target.replicas if target.ready is None else min(target.ready, target.replicas)
    if working != memory.working:
        changed = memory.working is not None  # nothing older than the first look is known of what was consumed either
        memory = replace(memory, working=working, working_since=now if changed else None)
    return replace(memory, capacity=learn(memory.capacity, seen, working, memory, now), learned_at=now)


def follow_hot(memory: Memory, view: Outlook) -> Memory:
    """Which partitions are hot, so that the next look knows which were."""
    hot = frozenset(view.hot)
    return memory if hot == memory.hot else replace(memory, hot=hot)


def follow_calm(memory: Memory, view: Outlook, target: Target | None) -> Memory:
    """Fewer replicas need a whole window without a doubt: any unknown, any limit passed, any open step starts it anew."""
    step_open = view.memory.step is not None and view.memory.step.open
    doubt = step_open or not view.seen.exact or view.over is not False or view.seen.produced is None or view.seen.caution
    if target is None or doubt or not _moving(view, target):
        if memory.calm_since is None and memory.agreed_since is None and not memory.needs:
            return memory
        return replace(memory, calm_since=None, agreed_since=None, needs=())
    now, window = view.now, view.policy.stabilization
    need = view.need_down(target.replicas, HEADROOM)
    needs = _push(memory.needs, now, target.replicas if need is None else need, window)
    since = memory.calm_since if memory.calm_since is not None else now
    agreed = now - since >= window and needs[0][1] < target.replicas
    return replace(memory, calm_since=since, needs=needs, agreed_since=(memory.agreed_since or now) if agreed else None)


def _moving(view: Outlook, target: Target) -> bool:
    """Whether the consumers are at work, or have nothing to do: a group that does not move tells nothing of its need."""
    if target.replicas == 0:
        return True
    if view.seen.phase not in (None, GroupPhase.STABLE):
        return False
    waiting = sum(load.lag for load in view.seen.loads if not load.stalled)
    return waiting == 0 or bool(view.seen.consumed)


def _push(needs: Sequence[tuple[float, int]], now: float, need: int, window: float) -> tuple[tuple[float, int], ...]:
    """The falling maxima of the window with one more need: of equal or smaller earlier ones nothing can come any more."""
    kept = [(at, earlier) for at, earlier in needs if now - at <= window and earlier > need]
    return (*kept, (now, need))
