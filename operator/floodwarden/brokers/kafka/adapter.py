"""One sweep over a Kafka cluster: puts commits, topics and logs together into a snapshot.

Implements ``brokers.base.Broker``. Requests per sweep, once everything is known: one OffsetFetch per coordinator and one
ListOffsets per leader, with members one or two Describes per coordinator, with last stable offsets a second ListOffsets; every
few seconds metadata and log starts besides.

Where a subscription names no topics, topics that Floodwarden's user may not Describe are left out by the broker without a word;
a named topic that is forbidden makes its reading unknown.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from operator import is_
from typing import Final

from floodwarden.brokers.kafka.groups import Commits, Groups
from floodwarden.brokers.kafka.logs import Extent, Extents, Logs
from floodwarden.brokers.kafka.nodes import Nodes
from floodwarden.brokers.kafka.security import Security
from floodwarden.brokers.kafka.topics import Topic, Topics
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
# Asked for where nothing else is: brokers that are away are known only as long as a replica is mentioned on them.
OFFSETS: Final = ("__consumer_offsets",)
NOT_ASKED: Final[Mapping[Partition, int]] = {}  # always this one, so that a reading without last stable offsets is the same again


class KafkaBroker:
    """A Kafka cluster, reached through its bootstrap servers (``host:port``)."""

    def __init__(self, bootstrap_servers: Sequence[str], security: Security | None = None) -> None:
        self._nodes = Nodes(bootstrap_servers, security or Security())
        self._topics = Topics(self._nodes)
        self._groups = Groups(self._nodes)
        self._logs = Logs(self._nodes, self._topics)
        self._last: dict[Subscription, tuple[tuple[object, ...], Reading | Unknown]] = {}  # each reading, and what it was made of

    async def observe(self, queries: Collection[Query]) -> Snapshot:
        """See ``Broker.observe``; ends within 8 seconds."""
        sent_before = self._nodes.requests
        self._nodes.begin(asyncio.get_running_loop().time() + SWEEP_SECONDS)
        subscriptions = list(dict.fromkeys(query.subscription for query in queries))
        groups = {subscription.group for subscription in subscriptions}
        if not subscriptions:
            await self._topics.read(OFFSETS)
        elif not self._nodes.all:
            await self._topics.read(())
        self._groups.keep(groups)
        # Commits before log ends: the other way round a lag could come out negative.
        commits = await self._groups.commits(groups)
        described = await self._groups.describe({query.subscription.group for query in queries if query.members})
        topics = {topic for subscription in subscriptions for topic in _topics_of(subscription, commits)}
        await self._topics.refresh(topics)
        extents = await self._logs.read(topics)
        asked = {query.subscription for query in queries if query.stable}
        held = {topic for subscription in asked for topic in _topics_of(subscription, commits)}
        stable = await self._logs.stable(held) if held else {}
        self._last = {
            subscription: self._read(
                subscription, commits[subscription.group], extents, described, stable if subscription in asked else NOT_ASKED
            )
            for subscription in subscriptions
        }
        readings = {subscription: reading for subscription, (_, reading) in self._last.items()}
        return Snapshot(
            readings=readings,
            requests=self._nodes.requests - sent_before,
            nodes=self._nodes.all,
            unreachable=self._nodes.unreachable,
            version=self._nodes.version,
            cluster=self._nodes.cluster,
        )

    async def close(self) -> None:
        """See ``Broker.close``."""
        await self._nodes.close()

    def _read(
        self,
        subscription: Subscription,
        commits: Commits | Unknown,
        extents: Mapping[str, Extents],
        described: Mapping[str, Group | Unknown],
        stable: Mapping[Partition, int],
    ) -> tuple[tuple[object, ...], Reading | Unknown]:
        """A reading, the very one of the last sweep where it is made of the same parts."""
        names = () if isinstance(commits, Unknown) else _names(subscription, commits)
        parts: list[object] = [commits, described.get(subscription.group), stable]
        for name in names:
            parts += (self._topics[name], extents.get(name))
        last = self._last.get(subscription)
        if last is not None and len(parts) == len(last[0]) and all(map(is_, parts, last[0])):
            return last
        return tuple(parts), self._reading(subscription, commits, extents, described, stable)

    def _reading(
        self,
        subscription: Subscription,
        commits: Commits | Unknown,
        extents: Mapping[str, Extents],
        described: Mapping[str, Group | Unknown],
        stable: Mapping[Partition, int],
    ) -> Reading | Unknown:
        if isinstance(commits, Unknown):
            return commits
        partitions: dict[Partition, Offsets | Unknown] = {}
        incarnations: dict[str, str] = {}
        missing: set[str] = set()
        for name in _names(subscription, commits):
            topic = self._topics[name]
            if isinstance(topic, Topic):
                incarnations[name] = topic.id
                for partition in topic.leaders:
                    partitions[partition] = _offsets(extents[name][partition], commits.get(partition), stable.get(partition))
            elif topic.reason is not UnknownReason.TOPIC_MISSING:
                # Which partitions it has is not known, so nothing can be said of the whole.
                return topic
            elif subscription.topics:
                missing.add(name)
            else:
                # Deleted, and the coordinator has not dropped the group's offsets yet.
                partitions.update((partition, topic) for partition in commits if partition.topic == name)
        return Reading(
            partitions=partitions,
            incarnations={name: incarnation for name, incarnation in incarnations.items() if incarnation},
            missing_topics=frozenset(missing),
            group=described.get(subscription.group),
        )


def _names(subscription: Subscription, commits: Commits) -> Iterable[str]:
    """The topics a subscription reads: those it names, else all that its group has committed."""
    return subscription.topics or sorted({partition.topic for partition in commits})


def _topics_of(subscription: Subscription, commits: Mapping[str, Commits | Unknown]) -> Iterable[str]:
    committed = commits[subscription.group]
    return subscription.topics if isinstance(committed, Unknown) else _names(subscription, committed)


def _offsets(extent: Extent | Unknown, committed: int | Unknown | None, stable: int | None) -> Offsets | Unknown:
    if isinstance(extent, Unknown):
        return extent
    if isinstance(committed, Unknown):
        return committed
    return Offsets(extent.start, extent.end, committed, stable)
