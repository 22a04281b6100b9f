"""Consumers that share a queue: any number of them helps, and the broker tells its numbers every few seconds only."""

from __future__ import annotations

import random
from math import ceil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from floodwarden.core.history import History
from floodwarden.core.memory import Basis, Capacity, Memory, Phase
from floodwarden.core.need import Demand, shared
from floodwarden.core.observation import Group, GroupPhase, Offsets, Partition, Reading
from floodwarden.core.reasons import Reason
from tests.support.queues import Queues
from tests.support.world import policy, step_shaped

MEASURED = Capacity(50.0, 1000.0, Basis.MEASURED)
QUEUE = Partition("orders", 0)


def flooded(high: float = 700.0, *, begin: float = 20, end: float = 10_000, known: bool = True, **given: object) -> Queues:
    """Two replicas on one queue, and a rise to ``high`` messages per second; at most 24 replicas."""
    wanted = policy(**{"max_replicas": 24, **given})
    return Queues(wanted, step_shaped(60, high, begin, end, 1), memory=Memory(capacity=MEASURED if known else None))


@pytest.mark.parametrize(
    ("demands", "capacity", "ceiling", "replicas"),
    [
        pytest.param([Demand(700, 0)], 50.0, 24, 14, id="one queue takes as many as it needs"),
        pytest.param([Demand(100, 20), Demand(30, 0)], 50.0, 24, 3, id="queues are added up"),
        pytest.param([Demand(700, 0)], 50.0, 10, 10, id="never past the ceiling"),
        pytest.param([Demand(0.1, 0)] * 3, 0.3, 24, 1, id="what fits exactly"),
        pytest.param([], 50.0, 24, 0, id="nothing"),
    ],
)
def test_replicas_that_share_their_work(demands: list[Demand], capacity: float, ceiling: int, replicas: int) -> None:
    assert shared(demands, capacity, ceiling) == replicas


def test_a_spike_is_answered_with_what_it_takes_within_one_statistics_interval() -> None:
    """Not with an even spread over queues, of which there is one. The first numbers that show the rise may show a part of it."""
    world = flooded().run(27)
    ((at, start, goal),) = world.steps
    assert start == 2
    assert at <= 20 + 5 + 2
    assert 5 <= goal <= 24
    world.run(200)
    assert len([goal for _, start, goal in world.steps if goal > start]) <= 2
    assert ceil(700 / 50) <= world.replicas <= 24
    assert world.lag < 1000


def test_a_queue_is_never_hot() -> None:
    """However much arrives in one: more replicas do help."""
    world = Queues(policy(max_replicas=30), step_shaped(1000, 1000, 0, 0, 1), partitions=2, memory=Memory(capacity=MEASURED))
    world.run(120)
    assert all(decision.hot == () for _, decision in world.decisions)
    assert world.replicas == 30
    assert world.decisions[-1][1].reason is Reason.AT_CEILING


@pytest.mark.parametrize(("least", "ceiling"), [(2, 4), (6, 6)], ids=["a replica for each queue", "minReplicas is more"])
def test_without_a_limit_there_is_one_for_each_queue(least: int, ceiling: int) -> None:
    """Where nobody has said how many may share the queues, nobody's replicas are taken away for that."""
    wanted = policy(min_replicas=least, max_replicas=None)
    world = Queues(wanted, step_shaped(400, 400, 0, 0, 4), partitions=4, memory=Memory(capacity=MEASURED)).run(60)
    assert {decision.ceiling for _, decision in world.decisions[1:]} == {ceiling}
    assert world.replicas == ceiling
    assert Reason.ABOVE_CEILING not in {decision.reason for _, decision in world.decisions}


def test_capacity_is_learnt_from_all_of_them_together() -> None:
    """A first step without it is bold; the next one goes to what is needed."""
    world = flooded(300.0, known=False).run(240)
    capacity = world.memory.capacity
    assert capacity is not None
    assert capacity.per_replica == pytest.approx(50, rel=0.15)
    assert 6 <= world.replicas <= 12
    assert world.lag < 1000


def test_consumers_that_are_not_told() -> None:
    """A step does not wait for members where the broker tells of none: its pods are there, and that has to do."""
    world = flooded()
    world._consumers = lambda: Group(GroupPhase.STABLE)  # type: ignore[method-assign]
    world.run(100)
    step = world.memory.step
    assert step is not None
    assert step.phase is not Phase.SETTLING


def test_a_sampled_lag_is_all_of_it() -> None:
    """What a consumer of Kafka has done and not committed is no backlog; here what waits does wait."""
    world = flooded(begin=21.5, known=False).run(26.5)
    assert world.seen is not None
    assert world.seen.settled_lag == world.seen.lag
    assert world.decisions[-1][1].over
    assert world.steps


def test_scaled_down_once_the_window_agrees() -> None:
    """In one step, to what the arrivals need."""
    world = flooded(500.0, end=200).run(200)
    high = world.replicas
    world.run(200)
    assert high >= 10
    assert [goal for at, _, goal in world.steps if at > 200] == [2]


def test_numbers_that_were_not_taken_anew_are_no_new_reading() -> None:
    """Rates neither fall to nothing between two statistics nor double with the next one."""
    history = History()
    for second in range(31):
        taken = second // 5 * 5
        history.record(float(second), Reading({QUEUE: Offsets(0, 100 * taken, 80 * taken)}, taken=float(taken)))
        if second >= 10:
            assert history.produced_rate(float(second)) == pytest.approx(100)
            assert history.consumed_rate(float(second)) == pytest.approx(80)
    assert history.surge() is None


def test_numbers_after_a_gap_are_new() -> None:
    """Also where the broker has not taken them anew since before it."""
    history = History()
    reading = Reading({QUEUE: Offsets(0, 100, 80)}, taken=5.0)
    history.record(5.0, reading)
    history.lost()
    history.record(7.0, reading)
    assert history.sweeps == (7.0,)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    high=st.floats(10, 3000),
    ceiling=st.integers(1, 40),
    capacity=st.floats(5, 200),
    queues=st.integers(1, 4),
)
def test_the_ceiling_is_exact_and_the_limit_kept_where_that_is_possible(
    seed: int, high: float, ceiling: int, capacity: float, queues: int
) -> None:
    wanted = policy(max_replicas=ceiling, min_replicas=1)
    world = Queues(
        wanted,
        step_shaped(10, high, 30, 100_000, queues),
        partitions=queues,
        replicas=1,
        capacity=capacity,
        noise=random.Random(seed),
    )
    world.run(600)
    assert all(goal <= ceiling for _, _, goal in world.steps)
    if high * 1.3 <= ceiling * capacity:
        assert world.lag <= max(1000, 8 * high)
    ups = [goal for _, start, goal in world.steps if goal > start]
    assert len(ups) <= 5, world.steps
