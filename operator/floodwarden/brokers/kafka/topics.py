"""Topics, their partitions and who leads them: Kafka's metadata, remembered and read again every few seconds or on errors.

``adapter`` asks for the topics of a sweep, ``settings`` passes on all that an audit reads; ``logs`` and ``unread`` ask for the
leaders. Reading metadata also tells ``nodes`` who the brokers are.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from floodwarden.brokers.kafka import protocol
from floodwarden.brokers.kafka.errors import from_code
from floodwarden.brokers.kafka.nodes import Nodes
from floodwarden.core.observation import Partition, Unknown, UnknownReason

REFRESH_SECONDS: Final = 5.0
NO_ID: Final = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic as the metadata has it: the id of this incarnation, and each partition's leader or why it has none."""

    id: str
    leaders: Mapping[Partition, int | Unknown]
    nodes: frozenset[int]

    @property
    def complete(self) -> bool:
        """Whether every partition has a leader."""
        return not any(isinstance(leader, Unknown) for leader in self.leaders.values())


class Topics:
    """What is known of the topics that somebody asked for."""

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes
        self._known: dict[str, Topic | Unknown] = {}
        self._read_at: float | None = None
        self._request: tuple[list[str], protocol.Request] | None = None  # the last one, and what it asks for
        self._taken: protocol.Response = None  # the last answer

    async def refresh(self, wanted: Collection[str]) -> None:
        """Know these topics and no others, with one request at most; all are read again when their time has come.

        Topics that do not exist or lack a leader are read again each time. BrokerError where no node answers.
        """
        now = asyncio.get_running_loop().time()
        if self._read_at is None or now - self._read_at >= REFRESH_SECONDS:
            await self.read(wanted)
            self._known = {name: self._known[name] for name in wanted if name in self._known}
            self._read_at = now
        elif unsettled := [name for name in wanted if self._unsettled(name)]:
            await self.read(unsettled)

    async def read(self, names: Collection[str]) -> None:
        """Read the brokers and these topics now. BrokerError where no node answers."""
        wanted = sorted(names)
        if self._request is None or self._request[0] != wanted:
            self._request = wanted, protocol.metadata(wanted)
        answer = await self._nodes.send_any(self._request[1])
        if answer is not self._taken:  # else it is byte by byte what was taken the last time
            self._take(answer)

    def learn(self, answer: protocol.Response) -> None:
        """Know all topics and no others, by the metadata of all of them that somebody has read."""
        if answer is not self._taken:
            there = {topic.name for topic in answer.topics}
            self._known = {name: topic for name, topic in self._known.items() if name in there}
            self._take(answer)

    def __getitem__(self, name: str) -> Topic | Unknown:
        """A topic that was refreshed."""
        missing = Unknown(UnknownReason.BROKER_ERROR, f"topic {name}: the broker's metadata left it out")
        return self._known.get(name, missing)

    def led(self, partitions: Iterable[Partition]) -> tuple[dict[int, list[Partition]], dict[Partition, Unknown]]:
        """Whom to ask about each partition, by node; and the partitions that nobody leads or that are gone, with why."""
        by_node: dict[int, list[Partition]] = defaultdict(list)
        lost: dict[Partition, Unknown] = {}
        for partition in partitions:
            topic = self[partition.topic]
            gone = Unknown(UnknownReason.TOPIC_MISSING, f"partition {partition} does not exist")
            leader = topic if isinstance(topic, Unknown) else topic.leaders.get(partition, gone)
            if isinstance(leader, Unknown):
                lost[partition] = leader
            else:
                by_node[leader].append(partition)
        return by_node, lost

    def _unsettled(self, name: str) -> bool:
        topic = self._known.get(name)
        return not isinstance(topic, Topic) or not topic.complete

    def _take(self, answer: protocol.Response) -> None:
        self._taken = answer
        brokers = {broker.node_id: address(broker.host, broker.port) for broker in answer.brokers}
        for topic in answer.topics:
            found = _topic(topic)
            if found != self._known.get(topic.name):  # else what was made of the same metadata still holds
                self._known[topic.name] = found
        known = [topic for topic in self._known.values() if isinstance(topic, Topic)]
        self._nodes.learn(brokers, frozenset().union(*(topic.nodes for topic in known)), answer.cluster_id)


def _topic(found: protocol.Response) -> Topic | Unknown:
    if found.error_code:
        return from_code(found.error_code, f"topic {found.name}")
    incarnation = str(found.topic_id)
    leaders: dict[Partition, int | Unknown] = {}
    for entry in sorted(found.partitions, key=lambda entry: int(entry.partition_index)):
        partition = Partition(found.name, entry.partition_index)
        leaders[partition] = entry.leader_id if entry.leader_id != protocol.NO_NODE else _leaderless(partition, entry)
    nodes = frozenset(node for entry in found.partitions for node in entry.replica_nodes)
    return Topic("" if incarnation == NO_ID else incarnation, leaders, nodes)


def _leaderless(partition: Partition, entry: protocol.Response) -> Unknown:
    replicas = ", ".join(map(str, entry.replica_nodes))
    detail = f"partition {partition} has no leader; start one of the nodes that hold it: {replicas}"
    return Unknown(UnknownReason.NO_LEADER, detail)


def address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
