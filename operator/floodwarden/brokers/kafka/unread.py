"""What groups have not read yet, and how old it is. Implements ``brokers.abilities.UnreadMessages`` for Kafka.

Requests go by node: every node lists the groups it coordinates, coordinators tell what was committed (``groups``), leaders
where logs begin and end (``logs``), which message is the first since a moment, how large a log is, and how old a message.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final, TypeVar

from floodwarden.brokers.base import BrokerError
from floodwarden.brokers.kafka import protocol, protocol_unread
from floodwarden.brokers.kafka.errors import RequestError, denied, from_code
from floodwarden.brokers.kafka.groups import PHASES, Groups
from floodwarden.brokers.kafka.logs import Logs
from floodwarden.brokers.kafka.nodes import Nodes
from floodwarden.brokers.kafka.topics import Topic, Topics
from floodwarden.core.delivery.readers import Commits, Extents, Firsts, GroupFound, GroupsFound
from floodwarden.core.observation import Partition, Unknown, UnknownReason

LOOK_SECONDS: Final = 30.0
BATCH: Final = 1000  # partitions in one request that makes a node look into its logs: what it answers within a request's time
SHARE: Final = "share"
CONSUMER: Final = "consumer"  # the protocol of consumers; Kafka Connect's workers and others have their own

T = TypeVar("T")


class KafkaUnread:
    """Reads through the nodes and the topics that ``settings`` knows; one look at a time."""

    def __init__(self, nodes: Nodes, topics: Topics) -> None:
        self._nodes = nodes
        self._topics = topics
        self._groups = Groups(nodes)
        self._logs = Logs(nodes, topics)

    async def groups(self, nodes: Collection[int]) -> GroupsFound:
        """See ``UnreadMessages.groups``."""
        self._begin()
        answers = await asyncio.gather(*(self._listed(node) for node in nodes))
        failed = tuple(answer for answer in answers if isinstance(answer, Unknown))
        if failed and len(failed) == len(answers):
            raise BrokerError(failed[0].reason, failed[0].detail)
        listed = {row.group_id: row for answer in answers if not isinstance(answer, Unknown) for row in answer}
        readable = sorted(name for name, row in listed.items() if _kind(row) != SHARE)
        self._groups.keep(readable)
        commits = await self._groups.commits(readable)
        return GroupsFound(tuple(_group(row, commits.get(name, {})) for name, row in sorted(listed.items())), failed)

    async def commits(self, groups: Collection[str]) -> Mapping[str, Commits | Unknown]:
        """See ``UnreadMessages.commits``."""
        self._begin()
        return await self._groups.commits(groups)

    async def assigned(self, groups: Collection[str]) -> Mapping[str, frozenset[Partition] | Unknown]:
        """See ``UnreadMessages.assigned``."""
        self._begin()
        found = await self._groups.describe(groups)
        return {
            name: group
            if isinstance(group, Unknown)
            else frozenset(partition for member in group.members for partition in member.partitions)
            for name, group in found.items()
        }

    async def extents(self, topics: Collection[str]) -> Mapping[str, Extents | Unknown]:
        """See ``UnreadMessages.extents``."""
        self._begin()
        new = [name for name in topics if not isinstance(self._topics[name], Topic)]
        if new:
            await self._topics.read(new)
        known = [name for name in topics if isinstance(self._topics[name], Topic)]
        found: dict[str, Extents | Unknown] = dict(await self._logs.read(known))
        for name in topics:
            topic = self._topics[name]
            if isinstance(topic, Unknown):
                found[name] = topic
        return found

    async def first_since(self, moments: Mapping[Partition, Sequence[int]]) -> Firsts:
        """See ``UnreadMessages.first_since``."""
        self._begin()
        found: dict[tuple[Partition, int], int | Unknown | None] = {}
        # A request may name a partition once only.
        for turn in range(max(map(len, moments.values()), default=0)):
            asked = {partition: some[turn] for partition, some in moments.items() if turn < len(some)}
            answers = await self._ask_leaders(asked, self._first_since)
            found.update(((partition, asked[partition]), answer) for partition, answer in answers.items())
        return found

    async def sizes(self, partitions: Collection[Partition]) -> Mapping[Partition, int | Unknown]:
        """See ``UnreadMessages.sizes``."""
        self._begin()
        return await self._ask_leaders(dict.fromkeys(partitions, 0), self._sizes)

    async def written_at(self, positions: Mapping[Partition, int]) -> Mapping[Partition, int | Unknown]:
        """See ``UnreadMessages.written_at``."""
        self._begin()
        return await self._ask_leaders(positions, self._written_at)

    def _begin(self) -> None:
        self._nodes.begin(asyncio.get_running_loop().time() + LOOK_SECONDS)

    async def _listed(self, node: int) -> Sequence[protocol.Response] | Unknown:
        try:
            answer = await self._nodes.send(node, protocol_unread.list_groups())
        except RequestError as error:
            return Unknown(error.unknown.reason, f"the groups that node {self._nodes.label(node)} has: {error.unknown.detail}")
        if answer.error_code:
            return from_code(answer.error_code, f"the groups that node {self._nodes.label(node)} has")
        groups: Sequence[protocol.Response] = answer.groups
        return groups

    async def _ask_leaders(
        self,
        asked: Mapping[Partition, int],
        ask: Callable[[int, Mapping[Partition, int]], Awaitable[Mapping[Partition, T | Unknown]]],
    ) -> dict[Partition, T | Unknown]:
        """What each partition's leader answers; leaders at once, and one after another what is too much for one request."""
        by_node, lost = self._topics.led(asked)
        found: dict[Partition, T | Unknown] = dict(lost)

        async def ask_node(node: int, wanted: Mapping[Partition, int]) -> None:
            for batch in _batches(wanted):
                left_out = Unknown(UnknownReason.BROKER_ERROR, f"node {self._nodes.label(node)} left out what it was asked")
                found.update(dict.fromkeys(batch, left_out))
                try:
                    found.update(await ask(node, batch))
                except RequestError as error:
                    found.update(dict.fromkeys(batch, error.unknown))

        await asyncio.gather(*(ask_node(node, {one: asked[one] for one in wanted}) for node, wanted in by_node.items()))
        return found

    async def _first_since(self, node: int, moments: Mapping[Partition, int]) -> Mapping[Partition, int | Unknown | None]:
        answer = await self._nodes.send(node, protocol.list_offsets_since(_by_topic(moments)))
        found: dict[Partition, int | Unknown | None] = {}
        for topic in answer.topics:
            for entry in topic.partitions:
                partition = Partition(topic.name, entry.partition_index)
                if entry.error_code:
                    found[partition] = from_code(entry.error_code, f"partition {partition} on node {self._nodes.label(node)}")
                else:
                    found[partition] = entry.offset if entry.offset >= 0 else None
        return found

    async def _sizes(self, node: int, wanted: Mapping[Partition, int]) -> Mapping[Partition, int | Unknown]:
        answer = await self._nodes.send(node, protocol_unread.describe_log_dirs(_by_topic(wanted)))
        # Until version 3 a user that may not ask got an empty answer.
        failure = getattr(answer, "error_code", 0) or next((one.error_code for one in answer.results if one.error_code), 0)
        found: dict[Partition, int | Unknown] = {}
        if failure:
            found.update(
                dict.fromkeys(wanted, denied(failure, f"sizes on node {self._nodes.label(node)}", "Describe on the cluster"))
            )
        for directory in answer.results:
            for topic in directory.topics:
                found.update(
                    (Partition(topic.name, entry.partition_index), entry.partition_size)
                    for entry in topic.partitions
                    if not entry.is_future_key
                )
        return found

    async def _written_at(self, node: int, positions: Mapping[Partition, int]) -> Mapping[Partition, int | Unknown]:
        answer = await self._nodes.send(node, protocol.fetch(_by_topic(positions)))
        if answer.error_code:
            return dict.fromkeys(positions, from_code(answer.error_code, f"messages on node {self._nodes.label(node)}"))
        found: dict[Partition, int | Unknown] = {}
        for topic in answer.responses:
            for entry in topic.partitions:
                partition = Partition(topic.topic, entry.partition_index)
                newest = protocol_unread.newest_in_batch(entry.records)
                if entry.error_code:
                    found[partition] = denied(entry.error_code, f"messages of topic {topic.topic}", "Read on the topic")
                elif newest is None:
                    found[partition] = Unknown(UnknownReason.BROKER_ERROR, f"partition {partition} did not tell a message's time")
                else:
                    found[partition] = newest
        return found


def _kind(row: protocol.Response) -> str:
    """The group's protocol, in small letters; brokers before 3.8 do not tell it."""
    return (getattr(row, "group_type", None) or "").lower()


def _group(row: protocol.Response, commits: Commits | Unknown) -> GroupFound:
    kind = _kind(row)
    return GroupFound(
        name=row.group_id,
        phase=PHASES.get(row.group_state),
        committed=commits,
        shares=kind == SHARE,
        consumes=row.protocol_type == CONSUMER and kind != SHARE,
    )


def _by_topic(about: Mapping[Partition, int]) -> dict[str, dict[int, int]]:
    by_topic: dict[str, dict[int, int]] = defaultdict(dict)
    for partition, value in about.items():
        by_topic[partition.topic][partition.number] = value
    return by_topic


def _batches(wanted: Mapping[Partition, int]) -> Iterator[dict[Partition, int]]:
    rest = iter(wanted.items())
    while batch := dict(islice(rest, BATCH)):
        yield batch
