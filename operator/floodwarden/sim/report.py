"""Runs side by side, as data: for ``--output json``, and for whoever draws them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from floodwarden.core.policy import Policy
from floodwarden.sim.run import Run, Sample
from floodwarden.sim.scenario import Setting
from floodwarden.sim.summary import Summary, summarize

MOST_POINTS = 600  # of a series in JSON; in between, the highest lag is kept


@dataclass(frozen=True, slots=True)
class Report:
    """What is told of one simulation. ``baseline`` is the KEDA-like run, or None; ``threshold`` its lagThreshold."""

    subject: str
    scenario: str
    policy: Policy
    setting: Setting
    seconds: float
    ours: Run
    baseline: Run | None
    threshold: float
    notes: tuple[str, ...] = ()

    @property
    def runs(self) -> list[Run]:
        """Floodwarden's first."""
        return [self.ours] if self.baseline is None else [self.ours, self.baseline]


def as_json(report: Report) -> dict[str, Any]:
    """Plain data with camelCase names as in the resources; times in seconds, rates in messages per second."""
    setting = report.setting
    said = {
        "policy": report.subject,
        "scenario": report.scenario,
        "setting": {
            "seconds": report.seconds,
            "partitions": setting.partitions,
            "capacityPerReplica": setting.capacity,
            "podStartSeconds": setting.start_delay,
            "rebalanceSeconds": setting.rebalance,
            "commitSeconds": setting.commit_every,
            "seed": setting.seed,
            "sweepIntervalSeconds": report.policy.sweep_interval,
        },
        "notes": list(report.notes),
        "floodwarden": _run(report.ours),
    }
    if report.baseline is not None:
        said["kedaLike"] = {"lagThreshold": round(report.threshold, 3), **_run(report.baseline)}
    return {**said, "verdict": verdict(report)}


def _run(run: Run) -> dict[str, Any]:
    summary = {_camel(name): value for name, value in asdict(summarize(run)).items()}
    steps = [{"at": round(at, 3), "from": start, "to": goal} for at, start, goal in run.steps]
    return {"summary": summary, "steps": steps, "samples": [_sample(sample) for sample in thinned(run)]}


def thinned(run: Run, at_most: int = MOST_POINTS) -> list[Sample]:
    """The run in at most so many samples: of those that fall together, the one with the highest lag."""
    size = -(-len(run.samples) // at_most)
    groups = (run.samples[begin : begin + size] for begin in range(0, len(run.samples), size))
    return [max(group, key=lambda sample: sample.lag) for group in groups]


def _sample(sample: Sample) -> dict[str, Any]:
    return {
        "at": round(sample.at, 3),
        "lag": round(sample.lag),
        "seconds": round(sample.seconds, 1),
        "arriving": round(sample.arriving, 1),
        "replicas": sample.replicas,
        "ready": sample.ready,
        "over": sample.over,
    }


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def verdict(report: Report) -> str:
    """One sentence: is the limit kept, and what does that take."""
    ours = summarize(report.ours)
    kept = "keeps the lag within its limit" if not ours.seconds_over else f"is over the limit for {_seconds(ours.seconds_over)}"
    steps = f"{ours.steps} step{'' if ours.steps == 1 else 's'}"
    if report.baseline is None:
        return f"Floodwarden {kept}, with {steps} and {ours.replica_hours:.2f} replica-hours."
    theirs = summarize(report.baseline)
    return (
        f"Floodwarden {kept}{_against(ours, theirs)}, with {steps} instead of {theirs.steps}"
        f" and {_hours(ours, theirs)} replica-hours."
    )


def _against(ours: Summary, theirs: Summary) -> str:
    if ours.seconds_over == theirs.seconds_over:
        return ", as the KEDA-like scaler does" if not ours.seconds_over else ", and so is the KEDA-like scaler"
    return (
        f"; the KEDA-like scaler is over it for {_seconds(theirs.seconds_over)}"
        if theirs.seconds_over
        else ("; the KEDA-like scaler keeps it")
    )


def _hours(ours: Summary, theirs: Summary) -> str:
    if not theirs.replica_hours:
        return f"{ours.replica_hours:.2f}"
    more = ours.replica_hours / theirs.replica_hours - 1
    return "as many" if abs(more) < 0.005 else f"{abs(more):.0%} {'more' if more > 0 else 'fewer'}"


def _seconds(seconds: float) -> str:
    return f"{seconds:,.0f} s" if seconds >= 10 else f"{seconds:g} s"
