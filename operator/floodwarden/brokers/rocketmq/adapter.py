"""One sweep over a RocketMQ cluster: puts commits, topics, extents and groups together into a snapshot.

Implements ``brokers.base.Broker``. Requests per sweep, once everything is known: one for the offsets of all groups per master,
one for the extents of each topic per master that has queues of it; every few seconds, spread over sweeps, one for each route,
for each group's connections, and for each quiet retry topic.

Messages that could not be consumed come again through the group's retry topic (``%RETRY%group``; with POP one for each topic).
They are part of the backlog of a subscription that names no topics, which reads all the group has committed; one that names
topics has these and no others, so that its partitions are the queues of these topics, which are the ceiling.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from floodwarden.brokers.base import BrokerError
from floodwarden.brokers.rocketmq.bodies import MessageQueue
from floodwarden.brokers.rocketmq.brokers import Brokers
from floodwarden.brokers.rocketmq.commits import CommitReader, Commits
from floodwarden.brokers.rocketmq.groups import Groups, Manner
from floodwarden.brokers.rocketmq.links import Links
from floodwarden.brokers.rocketmq.members import Members
from floodwarden.brokers.rocketmq.names import NameServers, telling
from floodwarden.brokers.rocketmq.offsets import ExtentReader, Extents
from floodwarden.brokers.rocketmq.security import Security
from floodwarden.brokers.rocketmq.topics import Topic, Topics
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


class RocketMQBroker:
    """A RocketMQ cluster, reached through its name servers (``host:port``)."""

    def __init__(self, name_servers: Sequence[str], security: Security | None = None) -> None:
        self._links = Links(security or Security())
        names = NameServers(name_servers, self._links)
        self._brokers = Brokers(names, self._links)
        self._topics = Topics(names, self._brokers)
        self._commits = CommitReader(self._brokers)
        self._ends = ExtentReader(self._brokers)
        self._groups = Groups(names, self._brokers)
        self._members = Members(self._topics, self._groups)
        self._last: dict[Subscription, Reading | Unknown] = {}

    async def observe(self, queries: Collection[Query]) -> Snapshot:
        """See ``Broker.observe``; ends within 8 seconds."""
        sent_before = self._links.requests
        self._links.begin(asyncio.get_running_loop().time() + SWEEP_SECONDS)
        await self._brokers.refresh()
        await self._brokers.read_versions()
        subscriptions = list(dict.fromkeys(query.subscription for query in queries))
        groups = {subscription.group for subscription in subscriptions}
        # Commits before extents: the other way round a lag could come out negative.
        commits = await self._commits.read(groups)
        if commits.failures and commits.failures.keys() >= self._brokers.masters.keys():
            why = telling(list(commits.failures.values()))
            raise BrokerError(why.reason, f"no broker could be read: {why.detail}")
        names = self._names(subscriptions, commits)
        await self._topics.refresh({name for read in names.values() if not isinstance(read, Unknown) for name in read})
        extents = await self._extents(commits)
        looked = await self._groups.look(groups, {query.subscription.group for query in queries if query.members})
        described = await self._members.describe(looked, _reads(names), commits.topics())
        self._last = {
            subscription: self._kept(subscription, self._reading(subscription, names[subscription], commits, extents, described))
            for subscription in subscriptions
        }
        return Snapshot(
            readings=self._last,
            requests=self._links.requests - sent_before,
            nodes=self._brokers.nodes,
            unreachable=self._brokers.unreachable,
            version=self._brokers.version,
            cluster=self._brokers.identity,
        )

    async def close(self) -> None:
        """See ``Broker.close``."""
        await self._links.close()

    def _names(self, subscriptions: Collection[Subscription], commits: Commits) -> dict[Subscription, tuple[str, ...] | Unknown]:
        """The topics each subscription reads: those it names, else all that its group has committed.

        A broker that does not tell may know of more: of those that were read before, what may be there stays. Where nothing was
        read before, what the group reads is not known.
        """
        committed = commits.topics()
        found: dict[Subscription, tuple[str, ...] | Unknown] = {}
        for subscription in subscriptions:
            last = self._last.get(subscription)
            if subscription.topics:
                found[subscription] = subscription.topics
            elif not isinstance(last, Reading) and (failures := self._failures(subscription.group, commits)):
                found[subscription] = telling(failures)
            else:
                before = {partition.topic for partition in last.partitions} if isinstance(last, Reading) else set()
                silent = {name for name in before if self._silent(name, subscription.group, commits)}
                found[subscription] = tuple(sorted(committed.get(subscription.group, set()) | silent))
        return found

    def _failures(self, group: str, commits: Commits) -> list[Unknown]:
        failures = (commits.failure(group, broker) for broker in self._brokers.masters)
        return [failure for failure in failures if failure is not None]

    def _silent(self, name: str, group: str, commits: Commits) -> bool:
        """Whether a broker that has queues of the topic did not tell what the group has committed."""
        topic = self._topics.get(name)
        masters = self._brokers.masters
        return topic is not None and any(
            broker not in masters or commits.failure(group, broker) is not None for broker in topic.brokers
        )

    async def _extents(self, commits: Commits) -> dict[str, dict[str, Extents | Unknown]]:
        """The extents of all topics that are known. Topics that a broker does not find are looked for again."""
        extents = await self._ends.read(self._places(self._topics.names), commits)
        moved = {
            name
            for name, told in extents.items()
            if any(isinstance(one, Unknown) and one.reason is UnknownReason.TOPIC_MISSING for one in told.values())
        }
        if moved:
            await self._topics.read(moved)
            extents.update(await self._ends.read(self._places(moved), commits))
        return extents

    def _places(self, names: Collection[str]) -> dict[str, list[str]]:
        """Where to ask for each topic: the brokers that have queues of it, and a master."""
        known = {name: topic for name in names if (topic := self._topics.get(name)) is not None}
        return {name: sorted(topic.brokers & self._brokers.masters.keys()) for name, topic in known.items()}

    def _kept(self, subscription: Subscription, reading: Reading | Unknown) -> Reading | Unknown:
        """A reading, the very one of the last sweep where it says the same."""
        last = self._last.get(subscription)
        return last if last == reading else reading

    def _reading(
        self,
        subscription: Subscription,
        names: Sequence[str] | Unknown,
        commits: Commits,
        extents: Mapping[str, Mapping[str, Extents | Unknown]],
        described: Mapping[str, Group | Unknown],
    ) -> Reading | Unknown:
        group, manner = subscription.group, self._groups.manner(subscription.group)
        if manner is Manner.BROADCAST:
            why = (
                "each consumer reads every message and keeps its own offsets: brokers know no backlog; consume in clustering mode"
            )
            return Unknown(UnknownReason.UNSUPPORTED, f"group {group} is in broadcast mode: {why}")
        if isinstance(names, Unknown):
            return names
        partitions: dict[Partition, Offsets | Unknown] = {}
        missing: set[str] = set()
        for name in names:
            topic = self._topics[name]
            if isinstance(topic, Topic):
                for queue, partition in topic.partitions.items():
                    partitions[partition] = self._offsets(queue, extents.get(name, {}), commits.of(group, queue))
            elif topic.reason is not UnknownReason.TOPIC_MISSING:
                # Which queues it has is not known, so nothing can be said of the whole.
                return topic
            elif subscription.topics:
                missing.add(name)
            # Else it was deleted, and brokers have not dropped what the group committed there.
        return Reading(
            partitions=partitions,
            missing_topics=frozenset(missing),
            group=described.get(group),
            competing=manner in (Manner.SHARED, Manner.HIDDEN),
        )

    def _offsets(
        self, queue: MessageQueue, extents: Mapping[str, Extents | Unknown], committed: int | Unknown | None
    ) -> Offsets | Unknown:
        if queue.broker not in self._brokers.masters:
            return self._brokers.lost(queue.broker)
        told = extents.get(queue.broker, {})
        if isinstance(told, Unknown):
            return told
        if isinstance(committed, Unknown):
            return committed
        extent = told.get(queue)
        if extent is None:
            why = "it is not told: before 5.0 brokers leave out queues that are only read; give the topic as many of both"
            return Unknown(UnknownReason.UNSUPPORTED, f"queue {queue.number} of {queue.topic} on broker {queue.broker}: {why}")
        return Offsets(extent.start, extent.end, committed)


def _reads(names: Mapping[Subscription, Collection[str] | Unknown]) -> dict[str, set[str]]:
    """The topics that each group reads, as far as that is known."""
    found: dict[str, set[str]] = defaultdict(set)
    for subscription, topics in names.items():
        if not isinstance(topics, Unknown):
            found[subscription.group].update(topics)
    return found
