"""Short ways to look at the snapshot of one queue."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from floodwarden.brokers.rabbitmq import RabbitBroker
from floodwarden.core.observation import Group, Offsets, Partition, Query, Reading, Snapshot, Subscription, Unknown


def watching(queue: str, *, members: bool = False) -> Query:
    """The question for one queue."""
    return Query(Subscription("", (queue,)), members=members)


def reading_of(snapshot: Snapshot, queue: str) -> Reading:
    """The reading of that question, which must be known."""
    reading = snapshot.readings[watching(queue).subscription]
    assert isinstance(reading, Reading), reading
    return reading


def found_of(snapshot: Snapshot, queue: str) -> Offsets | Unknown | None:
    """The queue's positions, why they are not known, or None where it is missing."""
    return reading_of(snapshot, queue).partitions.get(Partition(queue, 0))


def lag_of(snapshot: Snapshot, queue: str) -> int | None:
    """The queue's lag; None where it is not known."""
    found = found_of(snapshot, queue)
    return found.end - (found.committed or 0) if isinstance(found, Offsets) else None


def at(queue: str, committed: int, lag: int) -> Callable[[Snapshot], bool]:
    """Whether the queue has handed over so many messages and holds so many, for ``eventually``."""
    return lambda seen: found_of(seen, queue) == Offsets(committed, committed + lag, committed)


def group_of(snapshot: Snapshot, queue: str) -> Group:
    """The queue's consumers, which must be known."""
    group = reading_of(snapshot, queue).group
    assert isinstance(group, Group), group
    return group


def sweeping(broker: RabbitBroker, *queries: Query) -> Callable[[], Awaitable[Snapshot]]:
    """One sweep after the other, for ``eventually``."""
    return lambda: broker.observe(queries)
