"""What happens in a simulation: the traffic, and what becomes of the consumers. ``shapes`` and ``trace`` make scenarios."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from floodwarden.sim.world import Traffic, World

PODS_START = 5.0  # seconds; seen with small images on a warm node
GROUP_REBALANCES = 4.0  # seconds from the first join until all consume again; seen with Kafka's default settings
COMMITS_EVERY = 5.0  # seconds: the default of auto.commit.interval.ms


class WrongInput(ValueError):
    """What was given cannot be simulated; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What stays the same all through: partitions, messages per second of one replica, and how long things take in seconds."""

    partitions: int = 24
    capacity: float = 50.0
    start_delay: float = PODS_START
    rebalance: float = GROUP_REBALANCES
    commit_every: float = COMMITS_EVERY
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Scenario:
    """``arrivals`` in messages per second by (second, partition); ``speed`` is the share of its capacity that a replica does at
    a time; ``poisoned`` the partitions that do not move at a time. ``peak`` is the highest total rate, ``seconds`` the length.
    """

    name: str
    arrivals: Traffic
    seconds: float
    peak: float
    speed: Callable[[float], float] = lambda _: 1.0
    poisoned: Callable[[float], frozenset[int]] = lambda _: frozenset()

    def total(self, at: float, partitions: int) -> float:
        """Messages per second of all partitions together."""
        return sum(self.arrivals(at, number) for number in range(partitions))

    def begin(self, setting: Setting, replicas: int) -> World:
        """The world at its beginning. The same seed gives the same arrivals, whoever scales."""
        return World(
            self.arrivals,
            partitions=setting.partitions,
            capacity=setting.capacity,
            replicas=replicas,
            start_delay=setting.start_delay,
            rebalance=setting.rebalance,
            commit_every=setting.commit_every,
            noise=random.Random(setting.seed),  # noqa: S311 - a model's dice, no secret
        )

    def pass_time(self, world: World, setting: Setting, seconds: float) -> None:
        """Let so many seconds pass in a world of this scenario."""
        at = world.elapsed + seconds
        world.capacity = setting.capacity * self.speed(at)
        world.poisoned = self.poisoned(at)
        world.move(seconds)
