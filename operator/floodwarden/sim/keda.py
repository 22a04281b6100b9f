"""What to compare with: a scaler that does what KEDA and the HorizontalPodAutoscaler are documented to do with Kafka lag.

Every rule has its source; where a setting is free, the default is taken, and of the threshold the one that is kindest to it.

- The metric is Σ lag, capped at partitions × lagThreshold: KEDA's Apache Kafka scaler, ``lagThreshold`` and
  ``allowIdleConsumers: false`` (keda.sh/docs, Scalers, Apache Kafka).
- KEDA polls every 30 s (``pollingInterval``), which matters between 0 and 1 replicas only: it activates at its own poll
  when the lag is above ``activationLagThreshold`` (0), and goes to zero 300 s (``cooldownPeriod``) after it was active last.
  While messages come something is always under way in reality, so they count as lag here even when the model has none.
- From 1 on the HorizontalPodAutoscaler that KEDA makes decides every 15 s (``--horizontal-pod-autoscaler-sync-period``). It
  asks for the metric then and is answered live (``useCachedMetrics: false``).
- desired = ⌈metric / lagThreshold⌉, the metric being an ``AverageValue``; no change while metric / (threshold × replicas)
  is within 1 ± 0.1, ``--horizontal-pod-autoscaler-tolerance`` (kubernetes.io/docs, Horizontal Pod Autoscaling).
- Up: by 100 % or 4 pods per 15 s, whichever is more, without stabilization. Down: to the highest that was desired in the
  last 300 s (ibid., Default Behavior).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from floodwarden.core.observation import Offsets, Unknown
from floodwarden.core.policy import Policy
from floodwarden.sim.world import World

POLL = 30.0  # seconds
COOLDOWN = 300.0  # seconds
SYNC = 15.0  # seconds
TOLERANCE = 0.1
MOST_UP_SHARE = 2.0  # times the present replicas
MOST_UP_PODS = 4
DOWN_WINDOW = 300.0  # seconds


def usual_threshold(policy: Policy, partitions: int, peak: float) -> float:
    """The ``lagThreshold`` (messages per replica) of a user with the same limits, partitions and ``peak`` (messages per second).

    The metric counts for each replica, so a user who wants all replicas at work by the time the lag is at its limit divides
    the limit by the replicas there can be. A limit in seconds becomes messages by the highest rate there is. Taking
    maxLag.messages itself, a replica's share would be the whole limit, and the limit always broken.
    """
    limits = [float(policy.max_messages)] if policy.max_messages is not None else []
    limits += [policy.max_seconds * peak] if policy.max_seconds is not None else []
    return max(1.0, min(limits) / max(1, policy.ceiling(partitions)))


@dataclass
class KedaLike:
    """A ScaledObject with the policy's bounds. ``phase``, in seconds, is when its timers begin to count.

    ``steps`` holds (elapsed, from, to).
    """

    policy: Policy
    threshold: float
    phase: float = 0.0
    every: float = 1.0  # seconds between two looks at the clock

    def __post_init__(self) -> None:
        self.steps: list[tuple[float, int, int]] = []
        self._desired: list[tuple[float, int]] = []  # of the last DOWN_WINDOW
        self._next_sync = self._next_poll = self.phase
        self._active_at = 0.0
        self._ends_polled = 0.0

    def look(self, world: World) -> None:
        """Do what is due at this moment."""
        at = world.elapsed
        if at >= self._next_poll:
            self._next_poll += POLL
            self._poll(world, at)
        if at >= self._next_sync:
            self._next_sync += SYNC
            self._sync(world, at)

    def _poll(self, world: World, at: float) -> None:
        lag = _lag(world)
        if lag is None:
            return
        came, self._ends_polled = sum(world.ends) - self._ends_polled, sum(world.ends)
        if lag > 0 or came > 0:
            self._active_at = at
            if world.replicas == 0:
                self._scale(world, max(1, self.policy.min_replicas))
        elif self.policy.min_replicas == 0 and world.replicas > 0 and at - self._active_at >= COOLDOWN:
            self._scale(world, 0)

    def _sync(self, world: World, at: float) -> None:
        lag, current = _lag(world), world.replicas
        if lag is None or current == 0:
            return
        metric = min(float(lag), world.partitions * self.threshold)
        ratio = metric / (self.threshold * current)
        wanted = current if abs(ratio - 1) <= TOLERANCE else ceil(metric / self.threshold)
        ceiling = self.policy.ceiling(world.partitions)
        wanted = max(min(wanted, ceiling), self.policy.floor(world.partitions), 1)
        self._desired = self._desired or [(at, current)]  # its first look takes what it finds for wanted
        self._desired = [(when, desired) for when, desired in self._desired if at - when < DOWN_WINDOW] + [(at, wanted)]
        if wanted > current:
            self._scale(world, min(wanted, max(int(current * MOST_UP_SHARE), current + MOST_UP_PODS)))
        elif wanted < current:
            self._scale(world, min(current, max(desired for _, desired in self._desired)))

    def _scale(self, world: World, replicas: int) -> None:
        if replicas != world.replicas:
            self.steps.append((world.elapsed, world.replicas, replicas))
            world.scale(replicas)


def _lag(world: World) -> int | None:
    """What the scaler is told: Σ (end − committed); None where the brokers do not answer."""
    reading = world.reading(members=False)
    if isinstance(reading, Unknown):
        return None
    known = [offsets for offsets in reading.partitions.values() if isinstance(offsets, Offsets)]
    return sum(offsets.end - (offsets.committed or 0) for offsets in known)
