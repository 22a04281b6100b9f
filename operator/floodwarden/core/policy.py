"""What one BacklogPolicy wants, in the units deciding works with. ``sweep`` builds it from the resource."""

from __future__ import annotations

from dataclasses import dataclass

from floodwarden.core.observation import Subscription


@dataclass(frozen=True, slots=True)
class Policy:
    """Limits in messages and seconds (None: no such limit), times in seconds, replicas as counts."""

    subscription: Subscription
    max_messages: int | None
    max_seconds: float | None
    catch_up: float
    min_replicas: int
    max_replicas: int | None
    stabilization: float
    sweep_interval: float
    dry_run: bool = False

    def ceiling(self, partitions: int, *, shared: bool = False) -> int:
        """The most replicas that can be useful: one for each partition, and never more than maxReplicas.

        ``shared``: any number of replicas can share a partition, so that maxReplicas alone counts. Where nobody has set it, one
        for each partition is sure to find work.
        """
        if shared:
            return self.max_replicas if self.max_replicas is not None else max(1, partitions, self.min_replicas)
        return partitions if self.max_replicas is None else min(partitions, self.max_replicas)

    def floor(self, partitions: int, *, shared: bool = False) -> int:
        """The fewest replicas: minReplicas, unless there are fewer partitions than that."""
        return min(self.min_replicas, self.ceiling(partitions, shared=shared))

    @property
    def limits(self) -> str:
        """The limits as people write them, such as ``10,000 messages or 30 s``."""
        parts = [f"{self.max_messages:,} messages"] if self.max_messages is not None else []
        parts += [f"{self.max_seconds:g} s"] if self.max_seconds is not None else []
        return " or ".join(parts)
