"""What Floodwarden promises, held against hundreds of random traces in the model.

Every trace goes through a random world: partitions, capacity, pod starts, rebalances, commits, limits and bounds of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from floodwarden.core.memory import Basis, Capacity, Memory
from floodwarden.core.observation import Unknown, UnknownReason
from floodwarden.core.policy import Policy
from floodwarden.core.reasons import Reason
from floodwarden.sim.run import FLOODWARDEN, Run, first_replicas, run
from floodwarden.sim.scenario import Scenario, Setting
from floodwarden.sim.trace import Trace
from floodwarden.sim.warden import Warden
from floodwarden.sim.world import World
from tests.support.world import policy

TRACES = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
PIECE = 60.0  # seconds between two changes of the traffic
NOTICED = 10.0  # seconds in which a rise is noticed and decided on, with commits at once
LONG_PIECE = 240.0  # seconds in which also a backlog is drained and what is too much is lowered
MOST_STEPS = 4  # in answer to one change of the traffic
POSSIBLE = 0.65  # of what the most useful replicas can do: traffic that they carry with some room to drain


@dataclass(frozen=True)
class Trial:
    """One random trace, and what it meets."""

    setting: Setting
    policy: Policy
    scenario: Scenario
    memory: Memory
    most: int  # the largest even spread below the ceiling

    def run(self) -> tuple[Run, Warden]:
        warden = Warden(self.policy, self.memory)
        return run(self.scenario, self.setting, self.policy, warden, FLOODWARDEN), warden


@st.composite
def trials(draw: st.DrawFn, *, most_load: float = POSSIBLE, spread: bool = True, levels: int = 5, piece: float = PIECE) -> Trial:
    """Traffic up to ``most_load`` of what can be carried, on all partitions alike or (not ``spread``) on some more than others.

    It changes up to so many times, every ``piece`` seconds."""
    partitions = draw(st.sampled_from([6, 12, 20]))
    setting = Setting(
        partitions=partitions,
        capacity=draw(st.sampled_from([5.0, 50.0, 300.0])),
        start_delay=draw(st.sampled_from([1.0, 5.0, 20.0])),
        rebalance=draw(st.sampled_from([1.0, 4.0])),
        commit_every=draw(st.sampled_from([0.0, 5.0])),
        seed=draw(st.integers(0, 10_000)),
    )
    wanted = replace(
        policy(),
        min_replicas=draw(st.integers(0, 3)),
        max_replicas=draw(st.sampled_from([None, None, partitions // 2, partitions - 1])),
        stabilization=draw(st.sampled_from([20.0, 60.0])),
        sweep_interval=draw(st.sampled_from([0.5, 1.0, 1.0, 5.0])),
        max_seconds=draw(st.sampled_from([None, 10.0, 30.0])),
    )
    ceiling = wanted.ceiling(partitions)
    most = next(n for n in range(ceiling, 0, -1) if n in even_spreads(partitions))
    carried = most * setting.capacity
    if wanted.max_seconds is None or draw(st.booleans()):
        wanted = replace(wanted, max_messages=round(carried * draw(st.sampled_from([2, 6, 20]))))
    else:
        wanted = replace(wanted, max_messages=None)
    shares = draw(st.lists(st.sampled_from([0.0, 0.03, 0.15, 0.5, 1.0]), min_size=2, max_size=levels))
    weights = [1.0] * partitions if spread else [draw(st.sampled_from([0.2, 1.0, 3.0])) for _ in range(partitions)]
    totals = [share * most_load * carried for share in shares]
    rows = [tuple(total * weight / sum(weights) for weight in weights) for total in totals]
    trace = Trace([piece * index for index in range(len(rows) + 1)], [*rows, rows[-1]])
    known = draw(st.booleans())
    memory = Memory(capacity=Capacity(setting.capacity, 1000.0, Basis.MEASURED)) if known else Memory()
    return Trial(setting, wanted, trace.scenario(partitions), memory, most)


def even_spreads(partitions: int) -> set[int]:
    return {ceil(partitions / each) for each in range(1, partitions + 1)}


@TRACES
@given(trials(most_load=1.5, spread=False))
def test_the_ceiling_is_exact_and_every_step_spreads_evenly(trial: Trial) -> None:
    """Whatever comes: never above partitions or maxReplicas, never below the floor, and never a lopsided spread."""
    done, _ = trial.run()
    ceiling, floor = trial.policy.ceiling(trial.setting.partitions), trial.policy.floor(trial.setting.partitions)
    first = first_replicas(trial.scenario, trial.setting, trial.policy)
    assert max(sample.replicas for sample in done.samples) <= ceiling
    for _, _, goal in done.steps:
        assert floor <= goal <= ceiling
        # A step that did not help is taken back to where it came from, however that was.
        assert goal in even_spreads(trial.setting.partitions) | {0, floor, first}


@TRACES
@given(trials())
def test_a_limit_is_kept_when_that_is_possible(trial: Trial) -> None:
    """Where the most useful replicas carry the traffic with room to spare, the limit is broken only after a rise, and not for
    longer than it takes to notice it, to start pods, to rebalance, and to drain within ``catchUp``."""
    done, _ = trial.run()
    setting = trial.setting
    noticed = NOTICED + 3 * setting.commit_every + 3 * trial.policy.sweep_interval
    allowed = noticed + setting.start_delay + setting.rebalance + trial.policy.catch_up
    broken_since: float | None = None
    for sample in done.samples:
        if not sample.over:
            broken_since = None
        elif broken_since is None:
            broken_since = sample.at
        else:
            event("over the limit for a while")
            assert sample.at - broken_since <= allowed, done.steps


@TRACES
@given(trials(levels=3, piece=LONG_PIECE, spread=False))
def test_no_oscillation(trial: Trial) -> None:
    """While the traffic stays as it is, replicas go up as far as a backlog needs, then down to what arrives, and then rest.

    Never up again after they went down, and never more than a few steps. (To sleep and to be woken is no such turn: with hardly
    any messages each one wakes, as minReplicas 0 wants it.)"""
    done, _ = trial.run()
    for begin in range(0, round(trial.scenario.seconds), round(LONG_PIECE)):
        steps = [(at, goal > start) for at, start, goal in done.steps if begin <= at < begin + LONG_PIECE and start and goal]
        ups = [up for _, up in steps]
        assert ups == sorted(ups, reverse=True), (begin, done.steps)
        assert len(ups) <= MOST_STEPS, (begin, done.steps)


@TRACES
@given(trials(), st.lists(st.tuples(st.integers(0, 240), st.integers(1, 60)), min_size=1, max_size=3))
def test_unknown_readings_are_harmless(trial: Trial, lost: list[tuple[int, int]]) -> None:
    """Replicas are never lowered while the reading is unknown, nor before a whole window was known again."""
    setting, wanted = trial.setting, trial.policy
    warden = Warden(wanted, trial.memory)
    away = [(float(begin), float(begin + length)) for begin, length in lost]

    class Unreadable(Scenario):
        """The same scenario, with brokers that do not answer at times."""

        def begin(self, setting: Setting, replicas: int) -> World:
            world = super().begin(setting, replicas)
            world.unreadable = lambda at: GONE if any(begin <= at < end for begin, end in away) else None
            return world

    scenario = trial.scenario
    faulty = Unreadable(scenario.name, scenario.arrivals, scenario.seconds, scenario.peak)
    done = run(faulty, setting, wanted, warden, FLOODWARDEN)
    reasons = {at: decision.reason for at, decision in warden.decisions if decision.replicas is not None}
    for at, start, goal in done.steps:
        assert not any(begin <= at < end for begin, end in away)
        if goal < start and reasons[at] in (Reason.SCALED_DOWN, Reason.PUT_TO_SLEEP):
            assert all(at - end >= wanted.stabilization - wanted.sweep_interval for _, end in away if end <= at), (at, away)


GONE = Unknown(UnknownReason.BROKER_UNREACHABLE, "for a test")
