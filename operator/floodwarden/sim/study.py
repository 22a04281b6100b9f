"""A whole simulation: what was asked for, completed with what is usual, run, and put side by side."""

from __future__ import annotations

from dataclasses import dataclass, replace

from floodwarden.core.policy import Policy
from floodwarden.sim.keda import usual_threshold
from floodwarden.sim.manifests import Subject
from floodwarden.sim.report import Report
from floodwarden.sim.run import run_floodwarden, run_keda_like
from floodwarden.sim.scenario import Scenario, Setting, WrongInput
from floodwarden.sim.shapes import Shape, scenario, usual_rates
from floodwarden.sim.trace import Trace

PARTITIONS = 24  # where nothing tells how many
SECONDS = 1200.0  # of a shape
SHORTEST, LONGEST = 60.0, 24 * 3600.0  # seconds
MOST_WORK = 10_000_000  # partitions × seconds: some minutes


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to simulate. A ``trace`` goes before the ``shape``; what is None, or 0 partitions, becomes what is usual.

    ``low`` and ``high`` in messages per second, ``seconds`` the length.
    """

    setting: Setting
    shape: Shape = Shape.STEP
    trace: Trace | None = None
    low: float | None = None
    high: float | None = None
    seconds: float | None = None
    baseline: bool = True
    threshold: float | None = None


def study(subject: Subject, wanted: Wanted) -> Report:
    """Run it; WrongInput where what is wanted does not go together."""
    policy = subject.policy
    setting = replace(wanted.setting, partitions=_partitions(policy, wanted))
    story = _scenario(policy, setting, wanted)
    if not SHORTEST <= story.seconds <= LONGEST:
        raise WrongInput(f"a simulation lasts from {SHORTEST:g} s to {LONGEST / 3600:g} h, this one {story.seconds:g} s")
    if setting.partitions * story.seconds > MOST_WORK:
        raise WrongInput(f"{setting.partitions} partitions for {story.seconds:,.0f} s take too long; ask for less of either")
    threshold = wanted.threshold or usual_threshold(policy, setting.partitions, story.peak)
    return Report(
        subject=subject.name,
        scenario=story.name,
        policy=policy,
        setting=setting,
        seconds=story.seconds,
        ours=run_floodwarden(story, setting, policy),
        baseline=run_keda_like(story, setting, policy, threshold) if wanted.baseline else None,
        threshold=threshold,
        notes=subject.notes,
    )


def _partitions(policy: Policy, wanted: Wanted) -> int:
    given = wanted.setting.partitions
    recorded = wanted.trace.partitions if wanted.trace is not None else None
    if recorded is not None and given not in (0, recorded):
        raise WrongInput(f"the trace has columns for {recorded} partitions, --partitions says {given}: leave --partitions out")
    return recorded or given or max(PARTITIONS, policy.max_replicas or 0)


def _scenario(policy: Policy, setting: Setting, wanted: Wanted) -> Scenario:
    if wanted.trace is not None:
        if wanted.low is not None or wanted.high is not None:
            raise WrongInput("--low and --high are for shapes; a trace has its own rates: leave them out")
        return wanted.trace.scenario(setting.partitions, wanted.seconds)
    floor, ceiling = policy.floor(setting.partitions), policy.ceiling(setting.partitions)
    low, high = usual_rates(setting, floor, ceiling)
    # Where only one of the two is given, the other must not turn the shape upside down.
    low = wanted.low if wanted.low is not None else min(low, high if wanted.high is None else wanted.high)
    high = wanted.high if wanted.high is not None else max(low, high)
    if low > high:
        raise WrongInput(f"--low {low:g} is above --high {high:g}: exchange them")
    return scenario(wanted.shape, setting, low, high, wanted.seconds or SECONDS)
