"""What holds of every diagnosis: hypothesis makes the traffic and the trouble, the model world lives through it."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from floodwarden.core.assess import assess
from floodwarden.core.conditions import Condition, Type
from floodwarden.core.decide import Decision
from floodwarden.core.diagnosis.case import Case
from floodwarden.core.diagnosis.cause import NOTHING, Cause, Confidence, Finding, Verdict
from floodwarden.core.diagnosis.diagnose import diagnose
from floodwarden.core.diagnosis.verdict import judged
from floodwarden.core.history import History
from floodwarden.core.memory import Memory
from floodwarden.core.observation import Offsets, Partition, Reading, Unknown, UnknownReason
from floodwarden.core.reasons import Reason
from floodwarden.core.target import Pod, PodTrouble, Target
from tests.support.diagnosed import MEASURED, Diagnosed, PodWorld
from tests.support.world import policy

WORLDS = settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
OUTAGE = Unknown(UnknownReason.BROKER_UNREACHABLE, "for a test")
LENGTH = 200


@st.composite
def worlds(draw: st.DrawFn, totals: st.SearchStrategy[list[int]]) -> PodWorld:
    """Four partitions, some replicas that may not be enough, traffic that changes every half a minute."""
    rates = draw(totals)
    return PodWorld(
        policy(max_messages=draw(st.sampled_from([100, 1000])), max_replicas=draw(st.sampled_from([2, 4])), stabilization=30.0),
        lambda at, _: rates[min(int(at // 30), len(rates) - 1)] / 4,
        partitions=4,
        replicas=2,
        capacity=draw(st.sampled_from([20.0, 100.0])),
        noise=random.Random(draw(st.integers(0, 1000))),
        commit_every=draw(st.sampled_from([0.0, 5.0])),
        memory=draw(st.sampled_from([Memory(), MEASURED])),
    )


ANY = st.lists(st.sampled_from([0, 5, 30, 100, 500]), min_size=1, max_size=7)
STEADY = st.sampled_from([[5], [30], [100]])
SPANS = st.lists(st.tuples(st.integers(0, LENGTH), st.integers(1, 60)), max_size=3)


def during(spans: list[tuple[int, int]]) -> Callable[[float], bool]:
    return lambda at: any(begin <= at < begin + length for begin, length in spans)


@WORLDS
@given(worlds(ANY), SPANS, SPANS, SPANS)
def test_there_is_always_one_cause_and_none_without_a_backlog(
    world: PodWorld, lost: list[tuple[int, int]], poisoned: list[tuple[int, int]], troubled: list[tuple[int, int]]
) -> None:
    """Whatever happens: a cause with a sentence while there is one, and none soon after it is over."""
    gone, spoilt, crash = during(lost), during(poisoned), during(troubled)
    world.unreadable = lambda at: OUTAGE if gone(at) else None
    world.troubled = lambda at: (Pod("a", "", False, PodTrouble.CRASHING),) if crash(at) else ()

    def before(at: float) -> None:
        world.poisoned = frozenset({0}) if spoilt(at) else frozenset()

    told = Diagnosed(world, before)
    well_for = 0
    for _ in range(LENGTH):
        told.run(1)
        at, finding = told.causes[-1]
        decision = world.decisions[-1][1]
        assert (finding.cause is Cause.NONE) == (finding.message == "")
        well_for = well_for + 1 if decision.over is False and not told.shown[Type.STALLED].status else 0
        assert well_for < 5 or finding.cause is Cause.NONE, (at, finding)


@WORLDS
@given(worlds(STEADY), st.integers(70, 130), st.integers(200, 20_000), st.booleans())
def test_a_replay_is_never_a_rise_of_production(world: PodWorld, begins: int, messages: int, hide: bool) -> None:
    """Offsets are set back under steady traffic, also while nobody can look: whatever is told, nobody is said to produce more."""
    world.unreadable = lambda at: OUTAGE if hide and begins - 3 <= at < begins + 3 else None
    world.capacity = 100.0

    def before(at: float) -> None:
        if begins <= at < begins + 1:
            world.commits = [max(0.0, commit - messages / 4) for commit in world.commits]

    told = Diagnosed(world, before).run(LENGTH)
    assert Cause.PRODUCTION_ROSE not in told.story, told.story


@WORLDS
@given(worlds(ANY), st.integers(0, LENGTH))
def test_what_is_not_known_yields_no_claim(world: PodWorld, begins: int) -> None:
    """While nothing can be read no cause takes the place of another one, but that nothing can be read."""
    world.unreadable = lambda at: OUTAGE if at >= begins else None
    told = Diagnosed(world).run(LENGTH)
    causes = [finding.cause for at, finding in told.causes if at >= max(begins, 1)]
    assert all(after in (before, Cause.READING_LOST) for before, after in itertools.pairwise(causes))


UNKNOWNS = st.dictionaries(
    st.builds(Partition, st.just("orders"), st.integers(0, 3)),
    st.one_of(
        st.builds(Unknown, st.sampled_from(UnknownReason)),
        st.builds(Offsets, st.just(0), st.integers(50, 10_000), st.one_of(st.none(), st.integers(0, 40))),
    ),
    min_size=1,
)


@given(UNKNOWNS, st.sampled_from([None, Target("uid", 2, "app=billing", "1")]))
def test_one_look_claims_nothing_of_rates(partitions: dict[Partition, Offsets | Unknown], target: Target | None) -> None:
    """From a single reading, known or not, neither rates nor pods that nobody read are made up."""
    history, reading = History(), Reading(partitions)
    history.record(1000.0, reading)
    seen = assess(reading, history, 1000.0)
    decision = Decision(Reason.OVER_LIMIT, "", over=True if seen.lag else None)
    stalled = Condition(Type.STALLED, False, Reason.MOVING, "")
    found = diagnose(Case(seen, history, target, decision, stalled, Memory(unknown_since=900.0), 1000.0))
    assert found is None or found.cause in (Cause.NOT_KNOWN, Cause.READING_LOST, Cause.NONE)


@given(st.lists(st.tuples(st.sampled_from([None, *Cause]), st.integers(1, 20)), max_size=30))
def test_the_verdict_changes_only_to_what_lasted(found: list[tuple[Cause | None, int]]) -> None:
    """Whatever is found by turns, what is told was found without a break for three seconds before, or was lost for long."""
    verdict: Verdict | None = None
    now, last, since = 1000.0, None, 1000.0
    for cause, seconds in found:
        for _ in range(seconds):
            now += 1.0
            if cause is not last:
                last, since = cause, now
            before = verdict
            finding = None if cause is None else NOTHING if cause is Cause.NONE else Finding(cause, "x", Confidence.LOW)
            verdict = judged(verdict, finding, now)
            was = before.told.cause if before is not None else Cause.NONE
            if verdict is not None and verdict.told.cause is not was:
                assert verdict.told.cause is cause
                assert now - since >= 3.0 or cause is Cause.READING_LOST
