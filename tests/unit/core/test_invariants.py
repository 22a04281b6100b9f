"""What holds in every world: hypothesis makes the traffic, the real decision code answers it in the model."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import pairwise
from math import ceil

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from floodwarden.core.memory import Basis, Capacity, Memory
from floodwarden.core.observation import Unknown, UnknownReason
from floodwarden.core.reasons import Reason
from tests.support.world import World, policy

WORLDS = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
OUTAGE = Unknown(UnknownReason.BROKER_UNREACHABLE, "for a test")


@st.composite
def traffic(draw: st.DrawFn) -> Callable[[float, int], float]:
    """Total rates that change every half a minute, spread evenly or onto some partitions."""
    totals = draw(st.lists(st.sampled_from([0, 1, 30, 100, 400, 1500]), min_size=1, max_size=8))
    skew = draw(st.sampled_from([1, 1, 4]))

    def arrivals(at: float, number: int) -> float:
        total = totals[min(int(at // 30), len(totals) - 1)]
        return total / 12 * skew if number % skew == 0 else 0.0

    return arrivals


@st.composite
def worlds(draw: st.DrawFn, *, outages: bool = False) -> World:
    """A world of twelve partitions with random traffic, consumers and limits."""
    minimum = draw(st.integers(0, 3))
    lost = draw(st.lists(st.tuples(st.integers(0, 200), st.integers(1, 60)), max_size=3)) if outages else []
    known = draw(st.booleans())
    capacity = draw(st.sampled_from([5.0, 50.0, 300.0]))
    return World(
        policy(
            min_replicas=minimum,
            max_replicas=draw(st.sampled_from([None, 3, 5, 8])),
            stabilization=draw(st.sampled_from([10.0, 30.0])),
            max_messages=draw(st.sampled_from([100, 5000])),
            max_seconds=draw(st.sampled_from([None, 10.0])),
        ),
        draw(traffic()),
        partitions=12,
        capacity=capacity,
        downstream=draw(st.sampled_from([float("inf"), 120.0])),
        replicas=draw(st.integers(max(minimum, 1), 12)),
        poisoned=frozenset(draw(st.lists(st.integers(0, 11), max_size=1))),
        noise=random.Random(draw(st.integers(0, 1000))),
        commit_every=draw(st.sampled_from([0.0, 0.0, 5.0])),
        memory=Memory(capacity=Capacity(capacity, 1000.0, Basis.MEASURED) if known else None),
        unreadable=lambda at: OUTAGE if any(begin <= at < begin + length for begin, length in lost) else None,
    )


@WORLDS
@given(worlds(outages=True))
def test_every_step_keeps_the_bounds(world: World) -> None:
    """Never above the ceiling, never below the minimum, always an even spread (or the minimum itself)."""
    world.run(260)
    ceiling, floor = world.policy.ceiling(12), world.policy.floor(12)
    even = {0, floor, *(ceil(12 / each) for each in range(1, 13))}
    for _, start, goal in world.steps:
        assert floor <= goal <= ceiling
        # A step that is taken back returns to where it came from.
        assert goal in even or any(goal == earlier for _, earlier, _ in world.steps if earlier != start)


@WORLDS
@given(worlds(outages=True))
def test_an_unknown_reading_never_lowers(world: World) -> None:
    """No step down is made while the reading is unknown, nor before the window after it has passed."""
    world.run(260)
    reasons = {at: decision.reason for at, decision in world.decisions if decision.replicas is not None}
    for at, start, goal in world.steps:
        if goal >= start:
            continue
        assert world.unreadable(at) is None
        since = [begin for begin in range(int(at)) if world.unreadable(float(begin)) is not None]
        if since and reasons[at] in (Reason.SCALED_DOWN, Reason.PUT_TO_SLEEP):
            assert at - max(since) >= world.policy.stabilization


@WORLDS
@given(st.sampled_from([20, 90, 145, 150, 300, 590, 600]), st.integers(0, 10_000), st.sampled_from([2, 6, 12]))
def test_at_most_one_turn_on_steady_traffic(total: int, seed: int, replicas: int) -> None:
    """With a known capacity and an even load, also just at what some replicas carry: the steps turn at most once."""
    noise = random.Random(seed)
    world = World(
        policy(stabilization=20.0, max_messages=500),
        lambda _, __: total / 12,
        partitions=12,
        capacity=50.0,
        replicas=replicas,
        noise=noise,
        memory=Memory(capacity=Capacity(50.0, 1000.0, Basis.MEASURED)),
    ).run(600)
    turns = [goal > start for _, start, goal in world.steps]
    changes = sum(1 for one, other in pairwise(turns) if one != other)
    assert changes <= 1, world.steps
    # Just at what the replicas can carry, chance may take the lag over its limit late: once, and then there is room.
    assert len([step for step in world.steps if step[0] > 400]) <= (1 if total == replicas * 50 else 0), world.steps


@WORLDS
@given(worlds())
def test_a_backlog_that_can_be_drained_is(world: World) -> None:
    """Once traffic ends, every partition that moves is drained in the time that a single replica would need."""
    busy = world.arrivals
    world.arrivals = lambda at, number: min(busy(at, number), 10.0) if at < 60 else 0.0
    world.downstream = float("inf")
    world.capacity = max(world.capacity, 50.0)
    world.run(60)
    world.run(60 + world.lag / world.capacity)
    waiting = sum(world.ends[n] - world.commits[n] for n in range(12) if n not in world.poisoned)
    assert waiting < 1, (waiting, world.steps)


@WORLDS
@given(st.integers(0, 10_000), st.sampled_from([60, 300, 590]))
def test_commits_in_steps_make_no_noise(seed: int, total: int) -> None:
    """Kafka's consumers commit every five seconds by default: what is done but not committed yet is no backlog."""
    world = World(
        policy(stabilization=20.0),
        lambda _, __: total / 12,
        partitions=12,
        capacity=60.0,
        replicas=12,
        noise=random.Random(seed),
        commit_every=5.0,
        memory=Memory(capacity=Capacity(60.0, 1000.0, Basis.MEASURED)),
    ).run(300)
    over = [decision.over for at, decision in world.decisions if at > 60]
    assert sum(1 for one, other in pairwise(over) if one is not other) <= 2
    assert len(world.steps) <= 2, world.steps
