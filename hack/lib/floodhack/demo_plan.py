"""What the demo does and with which numbers: names, rates, durations, limits. `FULL` for people, `FAST` for tests.

Everything else of the demo (`demo_*.py`, `hack/demo_manifests/`) takes its numbers from here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Plan:
    """One story: steady traffic, a spike, steady traffic again. Rates in messages a second, durations in seconds."""

    steady_seconds: int
    spike_seconds: int
    # How long lag must stay under the limit after it came back, before it counts.
    calm_seconds: int
    # Whether to stay and watch Floodwarden take the extra replicas away again.
    watch_lowering: bool

    # How long to look on once they are gone, to see that the rest is enough.
    after_seconds: int = 10

    namespace: str = "demo"
    topic: str = "orders"
    group: str = "billing"
    deployment: str = "billing"
    policy: str = "billing"
    producer: str = "shop"
    partitions: int = 24
    steady_rate: int = 60
    spike_rate: int = 700
    # What one consumer pod can process; two of them carry the steady rate, and fourteen the spike.
    capacity: int = 50
    min_replicas: int = 2
    max_replicas: int = 24
    max_lag_messages: int = 1000
    max_lag_seconds: int = 30
    catch_up_seconds: int = 60
    stabilization_seconds: int = 45

    # How long each act may take before the demo calls it a failure.
    scale_patience: float = 60.0
    ready_patience: float = 120.0
    drain_patience: float = 180.0
    lower_patience: float = 180.0

    def slower(self, times: int) -> Plan:
        """The same story with so many times fewer messages: as many pods carry them."""
        return replace(
            self,
            steady_rate=self.steady_rate // times,
            spike_rate=self.spike_rate // times,
            capacity=self.capacity // times,
            max_lag_messages=self.max_lag_messages // times,
        )


FULL = Plan(steady_seconds=30, spike_seconds=75, calm_seconds=5, watch_lowering=True)
FAST = Plan(steady_seconds=12, spike_seconds=40, calm_seconds=2, watch_lowering=False)
