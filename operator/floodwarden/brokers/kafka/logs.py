"""The logs' ends and starts: one request per leader for all of its partitions, all leaders at once.

The end (high watermark) is read in every sweep. The start moves by retention only, so it is read every few seconds, and at
once for partitions that are new, were truncated or belong to a re-created topic. ``adapter`` asks; ``topics`` knows the leaders.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Final, NamedTuple

from floodwarden.brokers.kafka import protocol
from floodwarden.brokers.kafka.errors import STALE_METADATA, RequestError, from_code
from floodwarden.brokers.kafka.nodes import Nodes
from floodwarden.brokers.kafka.topics import Topic, Topics
from floodwarden.core.observation import Partition, Unknown, UnknownReason

START_SECONDS: Final = 10.0


class Extent(NamedTuple):
    """The first offset still stored, and the offset the next message gets."""

    start: int
    end: int


class Logs:
    """Reads the extent of partitions' logs."""

    def __init__(self, nodes: Nodes, topics: Topics) -> None:
        self._nodes = nodes
        self._topics = topics
        self._starts: dict[Partition, int] = {}
        self._ends: dict[Partition, int] = {}
        self._incarnations: dict[str, str] = {}
        self._requests: dict[tuple[int, int], tuple[Mapping[str, list[int]], protocol.Request]] = {}  # by node and what for
        self._starts_read_at: float | None = None

    async def read(self, names: Collection[str]) -> dict[Partition, Extent | Unknown]:
        """The extent of every partition of these topics, as far as the metadata has them.

        Where the metadata turns out to be old, it is read again and the topics concerned are asked once more.
        """
        self._forget_old(names)
        extents, doubtful = await self._read(names)
        if doubtful:
            await self._topics.read(doubtful)
            self._forget_recreated(doubtful)
            extents = {partition: extent for partition, extent in extents.items() if partition.topic not in doubtful}
            extents.update((await self._read(doubtful))[0])
        return extents

    async def _read(self, names: Iterable[str]) -> tuple[dict[Partition, Extent | Unknown], set[str]]:
        """One round: the extents, and the topics whose metadata may be old."""
        leaders: dict[Partition, int | Unknown] = {}
        for name in names:
            topic = self._topics[name]
            if isinstance(topic, Topic):
                leaders.update(topic.leaders)
        led = {partition: leader for partition, leader in leaders.items() if not isinstance(leader, Unknown)}
        startless = {partition: leader for partition, leader in led.items() if partition not in self._starts}
        ends, starts = await asyncio.gather(self._ask(led, protocol.LATEST), self._ask(startless, protocol.EARLIEST))
        doubtful = {partition.topic for answers in (ends, starts) for partition in answers.stale}
        extents: dict[Partition, Extent | Unknown] = {}
        self._starts.update(starts.offsets)
        for partition, leader in leaders.items():
            if isinstance(leader, Unknown):
                extents[partition] = leader
                continue
            end, start = ends.offsets.get(partition), self._starts.get(partition)
            if end is None or start is None:
                failure = ends.failures.get(partition) or starts.failures.get(partition)
                extents[partition] = failure or Unknown(UnknownReason.BROKER_ERROR, f"{partition}: the broker left it out")
                continue
            if end < self._ends.get(partition, 0):
                # The topic was re-created, or its log cut: neither its start nor its id may be what is remembered.
                doubtful.add(partition.topic)
                del self._starts[partition]
            self._ends[partition] = end
            # A start read after the end may have overtaken it: then all up to there is gone, and the end is at least there.
            extents[partition] = Extent(start, max(start, end))
        return extents, doubtful

    async def _ask(self, leaders: Mapping[Partition, int], at: int) -> _Answers:
        by_node: dict[int, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        for (topic, index), node in leaders.items():
            by_node[node][topic].append(index)
        answers = _Answers()
        await asyncio.gather(*(self._ask_node(node, wanted, at, answers) for node, wanted in by_node.items()))
        return answers

    def _request(self, node: int, wanted: Mapping[str, list[int]], at: int) -> protocol.Request:
        """The request that was sent last time, where it asks for the same: making one takes as long as reading the answer."""
        known = self._requests.get((node, at))
        if known is None or known[0] != wanted:
            known = self._requests[node, at] = (wanted, protocol.list_offsets(wanted, at))
        return known[1]

    async def _ask_node(self, node: int, wanted: Mapping[str, list[int]], at: int, answers: _Answers) -> None:
        try:
            answer = await self._nodes.send(node, self._request(node, wanted, at))
        except RequestError as error:
            lost = [Partition(topic, index) for topic, indexes in wanted.items() for index in indexes]
            answers.failures.update(dict.fromkeys(lost, error.unknown))
            answers.stale.extend(lost)
            return
        for topic in answer.topics:
            name = topic.name
            for entry in topic.partitions:
                partition = Partition(name, entry.partition_index)
                if entry.error_code:
                    what = f"partition {partition} on node {self._nodes.label(node)}"
                    answers.failures[partition] = from_code(entry.error_code, what)
                    if entry.error_code in STALE_METADATA:
                        answers.stale.append(partition)
                else:
                    answers.offsets[partition] = entry.offset

    def _forget_old(self, names: Collection[str]) -> None:
        """Drop what is remembered of other topics, of other incarnations, and all starts when their time has come."""
        now = asyncio.get_running_loop().time()
        if self._starts_read_at is None or now - self._starts_read_at >= START_SECONDS:
            self._starts, self._starts_read_at = {}, now
            self._ends = {partition: end for partition, end in self._ends.items() if partition.topic in names}
        self._forget_recreated(names)

    def _forget_recreated(self, names: Iterable[str]) -> None:
        for name in names:
            topic = self._topics[name]
            if isinstance(topic, Topic) and self._incarnations.get(name) != topic.id:
                self._incarnations[name] = topic.id
                for partition in topic.leaders:
                    self._starts.pop(partition, None)
                    self._ends.pop(partition, None)


class _Answers:
    """What came back for each partition asked about, from all nodes."""

    def __init__(self) -> None:
        self.offsets: dict[Partition, int] = {}
        self.failures: dict[Partition, Unknown] = {}
        self.stale: list[Partition] = []
