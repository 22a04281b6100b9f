"""What the numbers must be: the bounds of `make bench`, the verdict on each, and the table that people read.

Pure. `bench` fills the results; a unit test holds keys and bounds to what the project promises.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

ALIKE = 0.1  # the share by which two numbers that should be equal may differ


@dataclass(frozen=True)
class Bound:
    """One promised number: at most ``most``, at least ``least``, or as much as the number of another key (``like``)."""

    key: str
    what: str
    most: float | None = None
    least: float | None = None
    like: str | None = None

    def holds(self, results: Mapping[str, float]) -> bool | None:
        """Whether the promise is kept; None where a number it needs was not measured."""
        value = results.get(self.key)
        other = results.get(self.like) if self.like else None
        if value is None or (self.like and other is None):
            return None
        if other is not None:
            return abs(value - other) <= ALIKE * other
        return (self.most is None or value <= self.most) and (self.least is None or value >= self.least)

    @property
    def text(self) -> str:
        """The bound as people write it."""
        if self.like:
            return f"± {ALIKE:.0%}"
        return f"≤ {self.most:g}" if self.most is not None else f"≥ {self.least:g}"


BOUNDS = (
    Bound("spike_to_scale_seconds_median", "from a spike's first message to the new scale, median of ten", most=2.0),
    Bound("spike_to_scale_seconds_max", "the slowest of the ten", most=4.0),
    Bound("one_step_share", "spikes answered by one change of replicas", least=0.9),
    Bound("replicas_over_partitions_max", "replicas asked for beyond the partitions", most=0.0),
    Bound("sweep_seconds_p99_1000", "sweeps of 1,000 policies, 10,000 partitions, 99 of 100", most=1.0),
    Bound("operator_cores_1000", "CPU seconds per second meanwhile", most=0.6),
    Bound("operator_rss_mib_1000", "resident memory at its highest, MiB", most=350.0),
    Bound("requests_per_sweep_100", "requests to the brokers, 100 policies", like="requests_per_sweep_1000"),
    Bound("requests_per_sweep_1000", "requests to the brokers, 1,000 policies", like="requests_per_sweep_100"),
    Bound("broker_connections_1000", "connections to the brokers", most=12.0),
    Bound("api_writes_per_minute_idle_1000", "writes to the API server while nothing changes", most=6.0),
    Bound("start_to_first_decision_seconds_1000", "from the process's start until each policy was decided once", most=10.0),
    Bound("failover_seconds_max", "from kill -9 until the other replica decides, slowest of ten", most=20.0),
    Bound("audit_seconds_2000_topics", "an audit of 2,000 topics, 12,000 partitions, on three nodes", most=5.0),
    Bound("audit_requests_2000_topics", "requests to the brokers for it", most=60.0),
    Bound("audit_idle_cores_2000_topics", "CPU that audits add, one a minute", most=0.02),
    Bound("status_kib_max", "a DeliveryPolicy's status, every topic in violation, KiB", most=64.0),
    Bound("rabbitmq_sweep_seconds_p99_1000_queues", "sweeps of 1,000 policies, 1,000 queues of RabbitMQ, 99 of 100", most=1.0),
    Bound("rabbitmq_requests_per_sweep_1000_queues", "requests to its management API", most=5.0),
    Bound("rabbitmq_operator_cores_1000_queues", "CPU seconds per second meanwhile", most=0.6),
    Bound("rabbitmq_operator_rss_mib_1000_queues", "resident memory at its highest, MiB", most=350.0),
    Bound("rocketmq_sweep_seconds_p99_500_groups", "sweeps of 500 policies, 500 groups of RocketMQ, 8 queues each", most=1.5),
    Bound("rocketmq_operator_cores_500_groups", "CPU seconds per second meanwhile", most=0.6),
    Bound("rocketmq_operator_rss_mib_500_groups", "resident memory at its highest, MiB", most=350.0),
    Bound("sim_violation_ratio_vs_keda_like", "violations of the limit, simulated, beside a KEDA-like scaler's", most=0.5),
    Bound("sim_replica_hours_ratio_vs_keda_like", "replica-hours, likewise", most=1.1),
)


def table(results: Mapping[str, float]) -> str:
    """Every bound with its number and verdict, then what was measured besides."""
    rows = [("number", "measured", "bound", "verdict", "what it is")]
    for bound in BOUNDS:
        value, holds = results.get(bound.key), bound.holds(results)
        verdict = "not measured" if holds is None else "kept" if holds else "MISSED"
        rows.append((bound.key, "" if value is None else f"{value:.4g}", bound.text, verdict, bound.what))
    promised = {bound.key for bound in BOUNDS}
    rows += [(key, f"{value:.4g}", "", "", "") for key, value in results.items() if key not in promised]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = [
        f"{row[0]:<{widths[0]}}  {row[1]:>{widths[1]}}  {row[2]:<{widths[2]}}  {row[3]:<{widths[3]}}  {row[4]}" for row in rows
    ]
    return "\n".join(line.rstrip() for line in lines)


def missed(results: Mapping[str, float]) -> list[str]:
    """The keys whose bounds were measured and not kept."""
    return [bound.key for bound in BOUNDS if bound.holds(results) is False]
