"""Short ways to look at a snapshot."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from floodwarden.brokers.kafka import KafkaBroker
from floodwarden.core.observation import Group, Offsets, Partition, Query, Reading, Snapshot, Subscription, Unknown


def reading_of(snapshot: Snapshot, subscription: Subscription) -> Reading:
    """The reading of a subscription, which must be known."""
    reading = snapshot.readings[subscription]
    assert isinstance(reading, Reading), reading
    return reading


def offsets_of(snapshot: Snapshot, subscription: Subscription) -> dict[Partition, Offsets]:
    """All offsets of a subscription, which must be known."""
    offsets = {}
    for partition, found in reading_of(snapshot, subscription).partitions.items():
        assert isinstance(found, Offsets), found
        offsets[partition] = found
    return offsets


def group_of(snapshot: Snapshot, subscription: Subscription) -> Group:
    """The group of a subscription, which must be known."""
    group = reading_of(snapshot, subscription).group
    assert isinstance(group, Group), group
    return group


def settled(snapshot: Snapshot) -> bool:
    """Whether every reading and every partition in it is known."""
    return all(
        isinstance(reading, Reading) and not any(isinstance(found, Unknown) for found in reading.partitions.values())
        for reading in snapshot.readings.values()
    )


def sweeping(broker: KafkaBroker, *queries: Query) -> Callable[[], Awaitable[Snapshot]]:
    """One sweep after the other, for ``eventually``."""
    return lambda: broker.observe(queries)
