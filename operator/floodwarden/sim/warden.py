"""Floodwarden in the model: the decision code of the operator, unchanged, at every sweep.

What ``sweep.watch`` does around a decision against real brokers and a real API server is done here against a ``World``.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from floodwarden.core.assess import Assessment, assess
from floodwarden.core.decide import Decision, applied, decide
from floodwarden.core.history import History
from floodwarden.core.memory import Memory
from floodwarden.core.observation import Unknown
from floodwarden.core.policy import Policy
from floodwarden.sim.world import World


@dataclass
class Warden:
    """One policy under watch. ``decisions`` holds (elapsed, decision) of every sweep, ``steps`` (elapsed, from, to)."""

    policy: Policy
    memory: Memory = field(default_factory=Memory)
    history: History = field(default_factory=History)
    decisions: list[tuple[float, Decision]] = field(default_factory=list)
    steps: list[tuple[float, int, int]] = field(default_factory=list)
    seen: Assessment | None = None
    attend: bool = True

    @property
    def every(self) -> float:
        """Seconds between two sweeps."""
        return self.policy.sweep_interval

    def look(self, world: World) -> None:
        """One sweep: read, record, decide, and scale where that was decided (never in DryRun)."""
        reading = world.reading(members=self.attend)
        if isinstance(reading, Unknown):
            self.history.lost()
        else:
            self.history.record(world.now, reading)
        self.seen = assess(reading, self.history, world.now, world.caution(world.elapsed))
        target = world.target(pods=self.attend)
        decision, self.memory = decide(self.policy, self.seen, target, None, self.memory, world.now)
        self.decisions.append((world.elapsed, decision))
        self.attend = decision.attend or decision.replicas is not None
        if decision.replicas is not None and not self.policy.dry_run:
            self.memory = applied(self.memory, decision, world.replicas, self.seen, world.now)
            self.steps.append((world.elapsed, world.replicas, decision.replicas))
            world.scale(decision.replicas)
