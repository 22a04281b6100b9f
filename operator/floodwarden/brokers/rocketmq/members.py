"""Phase and members of groups, put together from who is connected and what consumers say that they read.

Brokers know no rebalancing: consumers agree among themselves who reads which queue, within 20 seconds. So a group is taken for
rebalancing while members have come or gone lately and not every queue is read by just one of them. ``adapter`` asks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from typing import Final

from floodwarden.brokers.rocketmq.bodies import MessageQueue
from floodwarden.brokers.rocketmq.groups import Connected, Groups, Manner, Owned
from floodwarden.brokers.rocketmq.topics import Topics
from floodwarden.core.observation import Group, GroupPhase, Member, Partition, Unknown

# Consumers may leave queues unread on purpose: after this that is how it is.
REBALANCE_SECONDS: Final = 30.0


class Members:
    """Describes groups, and remembers since when each has the members that it has."""

    def __init__(self, topics: Topics, groups: Groups) -> None:
        self._topics = topics
        self._groups = groups
        self._known: dict[str, tuple[frozenset[str], float]] = {}

    async def describe(
        self,
        looked: Mapping[str, Connected | Unknown],
        reads: Mapping[str, Collection[str]],
        committed: Mapping[str, Collection[str]],
    ) -> dict[str, Group | Unknown]:
        """The groups that were looked at; by group ``reads`` has the topics it reads, ``committed`` those it has committed."""
        connected = {group: found for group, found in looked.items() if isinstance(found, Connected)}
        self._known = {group: known for group, known in self._known.items() if group in connected}
        owned = await self._groups.owned(connected)
        described: dict[str, Group | Unknown] = {group: found for group, found in looked.items() if isinstance(found, Unknown)}
        for group, found in connected.items():
            said = {client.id: owned.get((group, client.id), Owned(None)) for client in found.clients}
            if said:
                described[group] = self._group(group, found, said, reads.get(group, ()))
            elif group not in committed:
                described[group] = Group(GroupPhase.DEAD)
            else:
                # Nobody can tell who is behind a proxy, nor how many.
                hidden = self._groups.manner(group) is Manner.HIDDEN
                described[group] = Group(GroupPhase.STABLE if hidden else GroupPhase.EMPTY)
        return described

    def _group(self, group: str, connected: Connected, said: Mapping[str, Owned], read: Collection[str]) -> Group:
        members = tuple(
            Member(client.id, client.id, client.host, self._partitions(said[client.id].queues or ()))
            for client in sorted(connected.clients, key=lambda client: client.id)
        )
        recent = self._changed_lately(group, frozenset(said))
        told = self._groups.manner(group) is Manner.BOUND and all(owned.queues is not None for owned in said.values())
        rebalancing = recent and told and not self._each_read_once(members, read)
        return Group(GroupPhase.REBALANCING if rebalancing else GroupPhase.STABLE, members)

    def _changed_lately(self, group: str, ids: frozenset[str]) -> bool:
        """Whether members have come or gone; a group that is seen for the first time is taken for settled."""
        now = asyncio.get_running_loop().time()
        before, since = self._known.get(group, (ids, now - REBALANCE_SECONDS))
        self._known[group] = ids, since if ids == before else now
        return now - self._known[group][1] < REBALANCE_SECONDS

    def _each_read_once(self, members: Collection[Member], read: Collection[str]) -> bool:
        """Whether every queue of these topics is read by just one member."""
        topics = (topic for name in read if (topic := self._topics.get(name)))
        every = sorted(partition for topic in topics for partition in topic.partitions.values())
        return sorted(partition for member in members for partition in member.partitions if partition.topic in read) == every

    def _partitions(self, queues: Collection[MessageQueue]) -> frozenset[Partition]:
        topics = ((queue, self._topics.get(queue.topic)) for queue in queues)
        return frozenset(topic.partitions[queue] for queue, topic in topics if topic is not None and queue in topic.partitions)
