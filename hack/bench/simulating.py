"""What the simulator finds: how long limits are broken and what that costs, Floodwarden against a KEDA-like scaler.

The same policy, the same world with the same arrivals, over all shapes and some seeds; the sums are compared. What the
KEDA-like scaler does, and where each of its rules comes from, is in ``floodwarden.sim.keda``: KEDA's documentation of the
Apache Kafka scaler and of ScaledObject, and Kubernetes' of the HorizontalPodAutoscaler, with their defaults throughout. Its
lagThreshold is the limit shared out over the most replicas there can be, so that all of them are asked for by the time the lag
is at its limit. Floodwarden knows nothing of the consumers at the beginning.
"""

from __future__ import annotations

from floodwarden.core.observation import Subscription
from floodwarden.core.policy import Policy
from floodwarden.sim.run import Run, run_floodwarden, run_keda_like
from floodwarden.sim.scenario import Setting
from floodwarden.sim.shapes import Shape, scenario, usual_rates
from floodwarden.sim.summary import summarize

# The policy of the README, with a MessageBroker that is swept once a second.
POLICY = Policy(Subscription("billing", ("orders",)), 10_000, 30.0, 60.0, 2, None, 120.0, 1.0)
SEEDS = (1, 2, 3)
SECONDS = 1200.0


def run() -> dict[str, float]:
    """Seconds over the limit and replica-hours, each as Floodwarden's share of the KEDA-like scaler's."""
    ours: list[Run] = []
    theirs: list[Run] = []
    for seed in SEEDS:
        setting = Setting(seed=seed)
        low, high = usual_rates(setting, POLICY.floor(setting.partitions), POLICY.ceiling(setting.partitions))
        for shape in Shape:
            story = scenario(shape, setting, low, high, SECONDS)
            ours.append(run_floodwarden(story, setting, POLICY))
            theirs.append(run_keda_like(story, setting, POLICY))
    return {
        "sim_violation_ratio_vs_keda_like": round(_seconds_over(ours) / _seconds_over(theirs), 3),
        "sim_replica_hours_ratio_vs_keda_like": round(_replica_hours(ours) / _replica_hours(theirs), 3),
    }


def _seconds_over(runs: list[Run]) -> float:
    return sum(summarize(run).seconds_over for run in runs)


def _replica_hours(runs: list[Run]) -> float:
    return sum(summarize(run).replica_hours for run in runs)
