"""One sweep over a virtual host of RabbitMQ: puts queues and their consumers together into a snapshot.

Implements ``brokers.base.Broker``. A subscription names queues, each a topic with one partition; its group has no name and is
all who consume from them. Requests per sweep: two for all queues, one for all consumers where members are asked for; every few
seconds one for nodes, and one for exchanges while a queue is missing, since it may be a super stream, with one more for the
bindings if it is; seldom the overview.

All queues come in one answer, about 300 bytes each, which the broker keeps for five times as long as it took to make: pages would
be cut at different moments. The other answer is made without statistics (disable_stats and enable_queue_totals): it has lengths
that are younger, and tells nothing of acknowledgements. It wakes each classic queue.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from operator import is_
from typing import Any, Final, TypeVar

from floodwarden.brokers.base import BrokerError
from floodwarden.brokers.rabbitmq import consumers, queues
from floodwarden.brokers.rabbitmq.access import Access
from floodwarden.brokers.rabbitmq.cluster import Cluster, SuperStream
from floodwarden.brokers.rabbitmq.consumers import Consumers
from floodwarden.brokers.rabbitmq.management import Management
from floodwarden.brokers.rabbitmq.queues import Counted, Entry, Seen
from floodwarden.core.observation import (
    Group,
    Offsets,
    Partition,
    Query,
    Reading,
    Snapshot,
    Subscription,
    Unknown,
    UnknownReason,
)

SWEEP_SECONDS: Final = 8.0
# What is not cached by the broker is left alone for three times as long as it took: it asks every queue.
COUNTING_SHARE: Final = 3.0
COUNTING_SECONDS: Final = 1.5  # for the slowest queue: it is no fault of the address, and nothing else waits for it any longer
NO_ANSWER: Final = object()  # an answer may be null

T = TypeVar("T")
Parts = tuple[object, ...]


class RabbitBroker:
    """A virtual host of a RabbitMQ cluster, reached through the management API of its nodes."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._management = Management(access)
        self._cluster = Cluster(self._management, access.vhost)
        self._queues = queues.Queues()
        self._answer: tuple[Any, dict[str, Entry]] = (NO_ANSWER, {})  # the last, and what it says
        self._counted: tuple[Any, dict[str, Counted]] = (NO_ANSWER, {})
        self._count_at = 0.0  # when lengths without statistics are asked for again
        self._consumers: tuple[Any, Consumers] = (NO_ANSWER, {})
        self._last: dict[Subscription, tuple[Parts, Reading | Unknown]] = {}  # each reading, and what it was made of

    async def observe(self, queries: Collection[Query]) -> Snapshot:
        """See ``Broker.observe``; ends within 8 seconds."""
        sent_before = self._management.requests
        loop = asyncio.get_running_loop()
        self._management.begin(loop.time() + SWEEP_SECONDS)
        subscriptions = dict.fromkeys(query.subscription for query in queries)
        names = {name for subscription in subscriptions for name in subscription.topics}
        seen = await self._see(names)
        asked = {query.subscription for query in queries if query.members}
        found = await self._found() if asked else None
        await self._cluster.refresh([name for name, one in seen.items() if one is None])
        self._last = {
            subscription: self._read(subscription, seen, found if subscription in asked else None)
            for subscription in subscriptions
        }
        return Snapshot(
            readings={subscription: reading for subscription, (_, reading) in self._last.items()},
            requests=self._management.requests - sent_before,
            nodes=self._cluster.nodes,
            unreachable=self._cluster.unreachable,
            version=self._cluster.version,
            cluster=self._cluster.id,
        )

    async def close(self) -> None:
        """See ``Broker.close``."""
        await self._management.close()

    async def _see(self, names: Collection[str]) -> Mapping[str, Seen | None]:
        answer = await self._management.get("queues", self._access.vhost, columns=queues.COLUMNS)
        if answer is not self._answer[0]:
            self._answer = answer, _understood(queues.entries, answer)
        counted = await self._count() if self._last else {}  # not at first, when much else is asked for
        now, entries = asyncio.get_running_loop().time(), self._answer[1]
        self._queues.keep(names)
        return {name: self._queues.see(name, entries.get(name), now, counted.get(name)) for name in names}

    async def _count(self) -> Mapping[str, Counted]:
        """Lengths that are younger than those of the statistics, where they can be had for no more than a share of the time."""
        clock = asyncio.get_running_loop()
        began = clock.time()
        if began < self._count_at:
            return {}
        try:
            async with asyncio.timeout(COUNTING_SECONDS):
                answer = await self._management.get("queues", self._access.vhost, columns=queues.COUNTED, **queues.COUNTED_HOW)
            if answer is not self._counted[0]:
                self._counted = answer, _understood(queues.counted, answer)
        except (BrokerError, TimeoutError):
            return {}  # the statistics are known without
        finally:
            self._count_at = clock.time() + COUNTING_SHARE * (clock.time() - began)
        return self._counted[1]

    async def _found(self) -> Consumers | Unknown:
        """All consumers, those of a queue the very object of the last time where they are the same; queues are known without."""
        try:
            answer = await self._management.get("consumers", self._access.vhost, columns=consumers.COLUMNS)
            if answer is not self._consumers[0]:
                found, last = _understood(consumers.consumers, answer), self._consumers[1]
                kept = {queue: last[queue] if last.get(queue) == members else members for queue, members in found.items()}
                self._consumers = answer, kept
        except BrokerError as error:
            return Unknown(error.reason, str(error))
        return self._consumers[1]

    def _read(
        self, subscription: Subscription, seen: Mapping[str, Seen | None], found: Consumers | Unknown | None
    ) -> tuple[Parts, Reading | Unknown]:
        """A reading, the very one of the last sweep where it is made of the same parts."""
        names = subscription.topics
        told = [seen[name] or self._cluster.super_streams.get(name) for name in names]
        members = [found] if found is None or isinstance(found, Unknown) else [found.get(name, ()) for name in names]
        parts: Parts = (*told, *members)
        last = self._last.get(subscription)
        if last is not None and len(parts) == len(last[0]) and all(map(is_, parts, last[0])):
            return last
        group = found if found is None or isinstance(found, Unknown) else consumers.group(names, found)
        return parts, _reading(dict(zip(names, told, strict=True)), group)


def _reading(told: Mapping[str, Seen | SuperStream | None], group: Group | Unknown | None) -> Reading | Unknown:
    """A reading of these queues; None is one that does not exist. A super stream has a partition for each of its streams."""
    if not told:
        return Unknown(UnknownReason.UNSUPPORTED, "RabbitMQ has no groups to find queues by; name them in the subscription")
    seen = {name: one for name, one in told.items() if isinstance(one, Seen)}
    partitions: dict[Partition, Offsets | Unknown] = {Partition(name, 0): one.offsets for name, one in seen.items()}
    for one in told.values():
        if isinstance(one, SuperStream):
            if not one.partitions:
                return one.lag  # a partition in its place would be a ceiling that nobody knows
            partitions.update({Partition(stream, 0): one.lag for stream in one.partitions})
    return Reading(
        partitions=partitions,
        incarnations={name: str(one.incarnation) for name, one in seen.items()},
        missing_topics=frozenset(name for name, one in told.items() if one is None),
        group=group,
        # With one that has a single consumer at a time, no more consumers than queues are sure to have work.
        competing=not any(isinstance(one, SuperStream) or (one is not None and one.single) for one in told.values()),
        taken=max((one.taken for one in seen.values() if isinstance(one.offsets, Offsets)), default=None),
    )


def _understood(read: Callable[[Any], T], answer: Any) -> T:
    try:
        return read(answer)
    except ValueError as error:
        why = f"the management API answered what cannot be read ({error}); correct managementURL"
        raise BrokerError(UnknownReason.BROKER_ERROR, why) from None
