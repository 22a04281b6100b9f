"""The scaler to compare with does what KEDA and the HorizontalPodAutoscaler document, no better and no worse."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from floodwarden.core.observation import Unknown, UnknownReason
from floodwarden.sim.keda import KedaLike, usual_threshold
from floodwarden.sim.world import World
from tests.support.world import policy

THRESHOLD = 10.0


def waiting(lag: int, replicas: int, partitions: int = 24) -> World:
    """So many messages in the first partition, and nobody who could read them."""
    world = World(lambda _, __: 0.0, partitions=partitions, replicas=replicas, capacity=0.0)
    world.ends[0] = float(lag)
    return world


def look(world: World, scaler: KedaLike, seconds: int, lag: Callable[[int], int] | None = None) -> list[tuple[float, int, int]]:
    """Its steps within so many seconds; ``lag`` gives what waits at a second."""
    for second in range(1, seconds + 1):
        world.move(1.0)
        if lag is not None:
            world.ends[0] = world.commits[0] + lag(second)
        scaler.look(world)
    return scaler.steps


def scaler(**changes: object) -> KedaLike:
    return KedaLike(policy(**changes), THRESHOLD)


def test_up_by_a_hundred_percent_or_four_pods_every_fifteen_seconds() -> None:
    """The HPA's default scale-up: whichever is more."""
    assert look(waiting(10_000, 2), scaler(), 60) == [(1.0, 2, 6), (15.0, 6, 12), (30.0, 12, 24)]


@pytest.mark.parametrize(
    ("lag", "goal"),
    [(55, 6), (50, 5), (61, 7), (54, 5), (46, 5), (10_000, 9)],
    ids=["rounded up", "what there is", "one more", "within tolerance above", "within tolerance below", "four more"],
)
def test_as_many_as_the_lag_has_thresholds(lag: int, goal: int) -> None:
    """⌈lag / threshold⌉, unless the ratio is within a tenth of one."""
    world = waiting(lag, 5)
    look(world, scaler(min_replicas=1), 1)
    assert world.replicas == (10 if lag == 10_000 else goal)


def test_never_above_partitions_or_maximum() -> None:
    """KEDA caps the metric at the partitions, the HPA the replicas at its maximum."""
    assert look(waiting(10_000, 2, partitions=7), scaler(), 60)[-1][2] == 7
    assert look(waiting(10_000, 2), scaler(max_replicas=9), 60)[-1][2] == 9


def test_down_to_the_most_of_the_last_five_minutes() -> None:
    """The default scale-down window is 300 s."""
    world = waiting(80, 8)
    steps = look(world, scaler(), 400, lambda second: 80 if second < 60 else 45 if second < 200 else 0)
    assert steps == [(345.0, 8, 5)]


def test_from_zero_at_its_own_poll_only() -> None:
    """KEDA polls every 30 s, and the HPA does nothing at zero."""
    world = waiting(0, 0)
    steps = look(world, scaler(min_replicas=0), 120, lambda second: 5 if second > 32 else 0)
    assert steps == [(60.0, 0, 1)]


def test_to_zero_after_the_cooldown() -> None:
    """Five minutes after it was last active."""
    world = waiting(0, 1)
    steps = look(world, scaler(min_replicas=0), 600, lambda second: 5 if second < 100 else 0)
    assert steps == [(390.0, 1, 0)]


def test_not_to_zero_while_messages_come() -> None:
    """Where consumers keep up the model's lag is zero; in reality some message is always under way."""
    world = World(lambda _, __: 1.0, replicas=1)
    assert look(world, scaler(min_replicas=0), 900) == []


def test_an_unknown_lag_changes_nothing() -> None:
    """Like the real ones it does nothing while its metric cannot be read."""
    world = waiting(10_000, 2)
    world.unreadable = lambda _: Unknown(UnknownReason.TIMEOUT)
    assert look(world, scaler(), 60) == []


def test_the_usual_threshold_asks_for_all_when_the_limit_is_reached() -> None:
    """The limit is shared out over the most replicas; seconds count as what arrives in them; the lesser limit holds."""
    both = policy(max_messages=10_000, max_seconds=30.0)
    assert usual_threshold(replace(both, max_seconds=None), 24, 700.0) == pytest.approx(416.7, abs=0.1)
    assert usual_threshold(replace(both, max_messages=None), 24, 240.0) == 300.0
    assert usual_threshold(both, 24, 240.0) == 300.0
    assert usual_threshold(replace(both, max_messages=5), 24, 240.0) == 1.0
