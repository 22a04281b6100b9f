"""What came of a run, in a few numbers and one sentence."""

from __future__ import annotations

from dataclasses import dataclass

from floodwarden.sim.run import Run


@dataclass(frozen=True, slots=True)
class Summary:
    """``peak_lag`` in messages, ``peak_seconds`` the longest wait; ``seconds_over`` how long a limit was broken."""

    peak_lag: int
    peak_seconds: float
    seconds_over: float
    steps: int
    rebalances: int
    replica_hours: float
    max_replicas: int


def summarize(run: Run) -> Summary:
    """The numbers of a run. Replica-hours count every replica asked for, whether it is ready or not: it is paid for."""
    return Summary(
        peak_lag=round(max(sample.lag for sample in run.samples)),
        peak_seconds=round(max(sample.seconds for sample in run.samples), 1),
        seconds_over=round(sum(run.tick for sample in run.samples if sample.over), 1),
        steps=len(run.steps),
        rebalances=run.rebalances,
        replica_hours=round(sum(sample.replicas for sample in run.samples) * run.tick / 3600, 4),
        max_replicas=max(sample.replicas for sample in run.samples),
    )
