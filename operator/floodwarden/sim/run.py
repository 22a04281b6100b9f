"""One scaler through one scenario, second by second, and what was seen on the way."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Protocol

from floodwarden.core.policy import Policy
from floodwarden.sim.keda import KedaLike, usual_threshold
from floodwarden.sim.scenario import Scenario, Setting
from floodwarden.sim.warden import Warden
from floodwarden.sim.world import World

FLOODWARDEN, KEDA_LIKE = "Floodwarden", "KEDA-like"
LONGEST_TICK = 1.0  # seconds
SPARE = 1.2  # times the first rate that the first replicas can do


class Scaler(Protocol):
    """Whoever scales. It looks ``every`` so many seconds."""

    steps: list[tuple[float, int, int]]

    @property
    def every(self) -> float: ...

    def look(self, world: World) -> None: ...


@dataclass(frozen=True, slots=True)
class Sample:
    """One moment: the lag in messages, the age of the oldest of them in seconds, replicas asked for and pods that run."""

    at: float
    lag: float
    seconds: float
    replicas: int
    ready: int
    arriving: float
    over: bool


@dataclass(frozen=True, slots=True)
class Run:
    """What one scaler did. ``steps`` holds (second, from, to)."""

    name: str
    tick: float
    samples: Sequence[Sample]
    steps: Sequence[tuple[float, int, int]]
    rebalances: int


class Ages:
    """Since when the oldest message of each partition has waited."""

    def __init__(self, partitions: int) -> None:
        self._arrived: list[deque[tuple[float, float]]] = [deque() for _ in range(partitions)]

    def oldest(self, world: World) -> float:
        """Seconds that the oldest message has waited; to be asked after every move of the world."""
        oldest = world.now
        for arrived, end, done in zip(self._arrived, world.ends, world.commits, strict=True):
            if not arrived or arrived[-1][1] < end:
                arrived.append((world.now, end))
            while arrived and arrived[0][1] <= done + 1e-6:
                arrived.popleft()
            if arrived:
                oldest = min(oldest, arrived[0][0])
        return world.now - oldest


def over(policy: Policy, lag: float, seconds: float) -> bool:
    """Whether a lag breaks a limit of the policy."""
    by_count = policy.max_messages is not None and lag > policy.max_messages
    return by_count or (policy.max_seconds is not None and seconds > policy.max_seconds)


def first_replicas(scenario: Scenario, setting: Setting, policy: Policy) -> int:
    """As many replicas as somebody would have running before: enough for the first rate with some to spare."""
    enough = ceil(SPARE * scenario.total(0.0, setting.partitions) / setting.capacity)
    return max(policy.floor(setting.partitions), min(enough, policy.ceiling(setting.partitions)))


def run(scenario: Scenario, setting: Setting, policy: Policy, scaler: Scaler, name: str) -> Run:
    """Everything from the beginning to the end of the scenario. The limit is held against what is really waiting."""
    world = scenario.begin(setting, first_replicas(scenario, setting, policy))
    ages = Ages(setting.partitions)
    looks = ceil(scaler.every / LONGEST_TICK)
    tick = scaler.every / looks
    samples = []
    for index in range(1, ceil(scenario.seconds / tick) + 1):
        before = sum(world.ends)
        scenario.pass_time(world, setting, tick)
        if index % looks == 0:
            scaler.look(world)
        lag, oldest = max(0.0, world.lag), ages.oldest(world)
        arriving = (sum(world.ends) - before) / tick
        samples.append(Sample(world.elapsed, lag, oldest, world.replicas, world.ready, arriving, over(policy, lag, oldest)))
    return Run(name, tick, samples, tuple(scaler.steps), world.rebalances)


def run_floodwarden(scenario: Scenario, setting: Setting, policy: Policy) -> Run:
    """Floodwarden, which knows nothing of these consumers yet."""
    return run(scenario, setting, policy, Warden(policy), FLOODWARDEN)


def run_keda_like(scenario: Scenario, setting: Setting, policy: Policy, threshold: float | None = None) -> Run:
    """The KEDA-like scaler, with the usual ``lagThreshold`` for the policy's limits unless one is given."""
    threshold = threshold or usual_threshold(policy, setting.partitions, scenario.peak)
    # Its timers run since long before: where they stand when trouble begins is as good as random, but not always at the
    # very moment of a commit, when the lag looks like nothing at all.
    phase = 5.0 * (setting.seed % 6) + 1 + setting.seed % 4
    return run(scenario, setting, policy, KedaLike(policy, threshold, phase), KEDA_LIKE)
