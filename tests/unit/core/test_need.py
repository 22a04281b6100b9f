"""The arithmetic of rule 2: even spreads, the ceiling, monotony."""

from __future__ import annotations

from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floodwarden.core.need import Demand, even_at_least, replicas_needed


def uniform(partitions: int, arrival: float, drain: float = 0.0) -> list[Demand]:
    return [Demand(arrival, drain)] * partitions


CASES = {  # demands, partitions, capacity, ceiling and the replicas they need
    "nothing to do": (uniform(24, 0), 24, 50.0, 24, 0),
    "a trickle needs one": (uniform(24, 0.01), 24, 50.0, 24, 1),
    "fits one exactly": (uniform(10, 5.0), 10, 50.0, 10, 1),
    "a little more than one": (uniform(24, 2.5), 24, 50.0, 24, 2),
    "two partitions each": (uniform(24, 20.0), 24, 50.0, 24, 12),
    "the demo's spike": (uniform(24, 700 / 24), 24, 50.0, 24, 24),
    "arrivals and drain add up": (uniform(12, 10.0, 15.0), 12, 50.0, 12, 6),
    "more than everybody together": (uniform(6, 1000.0), 6, 50.0, 6, 6),
    "ceiling below the need": (uniform(24, 20.0), 24, 50.0, 10, 8),
    "ceiling of one": (uniform(24, 20.0), 24, 50.0, 1, 1),
    "ceiling of none": (uniform(24, 20.0), 24, 50.0, 0, 0),
    "an odd count spreads by threes": (uniform(7, 15.0), 7, 50.0, 7, 3),
    "one busy partition is one replica's work": ([Demand(500.0), *uniform(11, 1.0)], 12, 50.0, 12, 2),
    "a deep backlog in one partition asks no more than a replica": ([Demand(1.0, 900.0), *uniform(11, 0.0)], 12, 50.0, 12, 1),
    "a busy partition's replica drains too": ([Demand(40.0, 17.0), *uniform(23, 2.5)], 24, 50.0, 24, 6),
    "a needy one among busier ones": ([Demand(1.0, 30.0), *uniform(3, 17.0), *uniform(8, 0.0)], 12, 50.0, 12, 6),
    "all lag alike, so that the mean tells all": (uniform(24, 10.0, 2.0), 24, 50.0, 24, 6),
    "busiest two must not meet": ([*uniform(2, 40.0), *uniform(4, 1.0)], 6, 50.0, 6, 6),
}


@pytest.mark.parametrize(("demands", "partitions", "capacity", "ceiling", "expected"), CASES.values(), ids=CASES)
def test_replicas_needed(demands: list[Demand], partitions: int, capacity: float, ceiling: int, expected: int) -> None:
    """⌈P / m⌉ with m the partitions that one replica can carry."""
    assert replicas_needed(demands, partitions, capacity, ceiling) == expected


demand = st.builds(Demand, st.floats(0, 200), st.floats(0, 200))
world = st.tuples(st.lists(demand, min_size=1, max_size=60), st.floats(0.5, 500), st.integers(1, 80))


def is_even(replicas: int, partitions: int) -> bool:
    return any(ceil(partitions / each) == replicas for each in range(1, partitions + 1))


@given(world)
def test_never_above_partitions_or_ceiling_and_always_even(case: tuple[list[Demand], float, int]) -> None:
    """Whatever is asked for, a step is an even spread below both bounds."""
    demands, capacity, ceiling = case
    replicas = replicas_needed(demands, len(demands), capacity, min(ceiling, len(demands)))
    assert 0 <= replicas <= min(ceiling, len(demands))
    assert replicas == 0 or is_even(replicas, len(demands))


@given(world, st.data())
def test_more_demand_never_means_fewer_replicas(case: tuple[list[Demand], float, int], data: st.DataObject) -> None:
    """Monotone in every demand, as long as no partition's arrivals pass a replica's capacity on the way."""
    demands, capacity, ceiling = case
    ceiling = min(ceiling, len(demands))
    index = data.draw(st.integers(0, len(demands) - 1))
    before = demands[index]
    room = max(before.arrival, capacity * 0.999) if before.arrival < capacity else before.arrival * 2
    raised = Demand(data.draw(st.floats(before.arrival, room)), before.drain + data.draw(st.floats(0, 100)))
    more = [*demands[:index], raised, *demands[index + 1 :]]
    assert replicas_needed(more, len(more), capacity, ceiling) >= replicas_needed(demands, len(demands), capacity, ceiling)


@given(world)
def test_enough_for_what_is_asked(case: tuple[list[Demand], float, int]) -> None:
    """With no ceiling in the way, an evenly spread mean fits each replica."""
    demands, capacity, _ = case
    replicas = replicas_needed(demands, len(demands), capacity, len(demands))
    total = sum(min(one.total, capacity) for one in demands)
    assert replicas * capacity >= total * (1 - 1e-6) or total < 1e-6


@given(st.integers(0, 200), st.integers(0, 300), st.integers(0, 300))
def test_even_at_least(partitions: int, replicas: int, ceiling: int) -> None:
    """At least what was asked where the ceiling allows, else the largest even spread below it."""
    got = even_at_least(partitions, replicas, ceiling)
    assert got <= min(partitions, ceiling)
    if 0 < replicas <= min(partitions, ceiling) and ceiling >= partitions:
        assert got >= replicas
