"""The logs' ends and starts: one request per leader for all of its partitions, all leaders at once.

The end (high watermark) is read in every sweep. The start moves by retention only, so it is read every few seconds, and at
once for partitions that are new, were truncated or belong to a re-created topic. ``adapter`` asks; ``topics`` knows the leaders.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
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


Extents = Mapping[Partition, Extent | Unknown]


@dataclass(frozen=True, slots=True)
class _Plan:
    """Whom to ask for what: the same as long as the metadata is."""

    topics: Mapping[str, Topic]
    led: Mapping[Partition, int]
    by_node: Mapping[int, Mapping[str, list[int]]]


@dataclass(slots=True)
class _Answers:
    """What came back, from all nodes: for each topic what each of its leaders listed, and what failed."""

    listed: dict[str, list[protocol.Response]] = field(default_factory=lambda: defaultdict(list))
    failures: dict[Partition, Unknown] = field(default_factory=dict)
    stale: list[Partition] = field(default_factory=list)

    def offsets(self, topic: str) -> dict[int, int]:
        """What was told of a topic, by partition."""
        return {
            entry.partition_index: entry.offset
            for part in self.listed[topic]
            for entry in part.partitions
            if not entry.error_code
        }


class Logs:
    """Reads the extent of partitions' logs."""

    def __init__(self, nodes: Nodes, topics: Topics) -> None:
        self._nodes = nodes
        self._topics = topics
        self._starts: dict[Partition, int] = {}
        self._ends: dict[Partition, int] = {}
        self._incarnations: dict[str, str] = {}
        self._requests: dict[tuple[int, int, int], tuple[Mapping[str, list[int]], protocol.Request]] = {}  # by node and what for
        self._starts_read_at: float | None = None
        self._due = True  # all starts are to be read again
        self._started: dict[str, list[protocol.Response]] = {}  # each topic's starts as they were listed
        self._planned: _Plan | None = None
        self._known: dict[
            str, tuple[Topic, list[protocol.Response], Extents]
        ] = {}  # each topic's extents, and what they were made of

    async def read(self, names: Collection[str]) -> dict[str, Extents]:
        """The extent of every partition of these topics, as far as the metadata has them, by topic.

        As long as nothing of a topic moves, its extents are the same object. Where the metadata turns out to be old, it is read
        again and the topics concerned are asked once more.
        """
        self._forget_old(names)
        extents, doubtful = await self._read(names)
        if doubtful:
            await self._topics.read(doubtful)
            self._forget_recreated(doubtful)
            extents.update((await self._read(doubtful))[0])
        return extents

    async def stable(self, names: Collection[str]) -> dict[Partition, int]:
        """The last stable offsets of these topics, of those that were read before; what did not answer is left out.

        One request more for each leader: asked for only where something stands still.
        """
        led = self._planned.led if self._planned is not None else {}
        wanted = _by_node({partition: leader for partition, leader in led.items() if partition.topic in names})
        answers = await self._ask(wanted, protocol.LATEST, protocol.READ_COMMITTED)
        return {Partition(name, index): offset for name in names for index, offset in answers.offsets(name).items()}

    async def _read(self, names: Iterable[str]) -> tuple[dict[str, Extents], set[str]]:
        """One round: the extents, and the topics whose metadata may be old."""
        plan = self._plan(names)
        due, self._due = self._due, False
        startless = {partition: leader for partition, leader in plan.led.items() if partition not in self._starts}
        ends, starts = await asyncio.gather(
            self._ask(plan.by_node, protocol.LATEST),
            self._ask(plan.by_node if due else _by_node(startless), protocol.EARLIEST),
        )
        self._take_starts(plan.topics if due else {partition.topic for partition in startless}, starts, whole=due)
        doubtful = {partition.topic for answers in (ends, starts) for partition in answers.stale}
        failed = {partition.topic for answers in (ends, starts) for partition in answers.failures}
        extents: dict[str, Extents] = {}
        for name, topic in plan.topics.items():
            known, listed = self._known.get(name), ends.listed.get(name, [])
            if known is not None and name not in failed and known[0] is topic and _same(known[1], listed):
                extents[name] = known[2]
                continue
            extents[name] = found = self._extents_of(name, topic, ends, starts, doubtful)
            self._known.pop(name, None)
            if name not in failed:
                self._known[name] = topic, listed, found
        return extents, doubtful

    def _take_starts(self, asked: Iterable[str], starts: _Answers, *, whole: bool) -> None:
        """Remember the starts of these topics; ``whole``: of all their partitions, so that what was not told is not known."""
        for name in asked:
            listed = starts.listed.get(name, [])
            if whole and listed and _same(self._started.get(name, []), listed):
                continue
            self._started[name] = listed
            told = {Partition(name, index): offset for index, offset in starts.offsets(name).items()}
            before = {partition: self._starts.pop(partition, None) for partition in self._of(name) if whole or partition in told}
            self._starts.update(told)
            if told != before:
                self._known.pop(name, None)

    def _of(self, name: str) -> Iterable[Partition]:
        topic = self._topics[name]
        return topic.leaders if isinstance(topic, Topic) else ()

    def _plan(self, names: Iterable[str]) -> _Plan:
        topics = {name: topic for name in names if isinstance(topic := self._topics[name], Topic)}
        before = self._planned
        if before is not None and before.topics.keys() == topics.keys() and all(before.topics[n] is topics[n] for n in topics):
            return before
        leaders = {partition: leader for topic in topics.values() for partition, leader in topic.leaders.items()}
        led = {partition: leader for partition, leader in leaders.items() if not isinstance(leader, Unknown)}
        self._planned = _Plan(topics, led, _by_node(led))
        return self._planned

    def _extents_of(self, name: str, topic: Topic, ends: _Answers, starts: _Answers, doubtful: set[str]) -> Extents:
        offsets = ends.offsets(name)
        extents: dict[Partition, Extent | Unknown] = {}
        for partition, leader in topic.leaders.items():
            if isinstance(leader, Unknown):
                extents[partition] = leader
                continue
            end, start = offsets.get(partition.number), self._starts.get(partition)
            if end is None or start is None:
                failure = ends.failures.get(partition) or starts.failures.get(partition)
                extents[partition] = failure or Unknown(UnknownReason.BROKER_ERROR, f"{partition}: the broker left it out")
                continue
            if end < self._ends.get(partition, 0):
                # The topic was re-created, or its log cut: neither its start nor its id may be what is remembered.
                doubtful.add(name)
                del self._starts[partition]
                self._started.pop(name, None)
            self._ends[partition] = end
            # A start read after the end may have overtaken it: then all up to there is gone, and the end is at least there.
            extents[partition] = Extent(start, max(start, end))
        return extents

    async def _ask(
        self, by_node: Mapping[int, Mapping[str, list[int]]], at: int, isolation: int = protocol.READ_UNCOMMITTED
    ) -> _Answers:
        answers = _Answers()
        await asyncio.gather(
            *(
                self._ask_node(node, wanted, self._request(node, wanted, at, isolation), answers)
                for node, wanted in by_node.items()
            )
        )
        return answers

    def _request(self, node: int, wanted: Mapping[str, list[int]], at: int, isolation: int) -> protocol.Request:
        """The request that was sent last time, where it asks for the same: making one takes as long as reading the answer."""
        known = self._requests.get((node, at, isolation))
        if known is None or (known[0] is not wanted and known[0] != wanted):
            known = self._requests[node, at, isolation] = (wanted, protocol.list_offsets(wanted, at, isolation=isolation))
        return known[1]

    async def _ask_node(self, node: int, wanted: Mapping[str, list[int]], request: protocol.Request, answers: _Answers) -> None:
        try:
            answer = await self._nodes.send(node, request)
        except RequestError as error:
            lost = [Partition(topic, index) for topic, indexes in wanted.items() for index in indexes]
            answers.failures.update(dict.fromkeys(lost, error.unknown))
            answers.stale.extend(lost)
            return
        for topic in answer.topics:
            answers.listed[topic.name].append(topic)
            for entry in topic.partitions:
                if entry.error_code:
                    partition = Partition(topic.name, entry.partition_index)
                    what = f"partition {partition} on node {self._nodes.label(node)}"
                    answers.failures[partition] = from_code(entry.error_code, what)
                    if entry.error_code in STALE_METADATA:
                        answers.stale.append(partition)

    def _forget_old(self, names: Collection[str]) -> None:
        """Drop what is remembered of other topics and of other incarnations; starts are due when their time has come."""
        now = asyncio.get_running_loop().time()
        if self._starts_read_at is None or now - self._starts_read_at >= START_SECONDS:
            self._due, self._starts_read_at = True, now
            self._starts = {partition: start for partition, start in self._starts.items() if partition.topic in names}
            self._started = {name: listed for name, listed in self._started.items() if name in names}
            self._ends = {partition: end for partition, end in self._ends.items() if partition.topic in names}
            self._known = {name: known for name, known in self._known.items() if name in names}
        self._forget_recreated(names)

    def _forget_recreated(self, names: Iterable[str]) -> None:
        for name in names:
            topic = self._topics[name]
            if isinstance(topic, Topic) and self._incarnations.get(name) != topic.id:
                self._incarnations[name] = topic.id
                self._known.pop(name, None)
                self._started.pop(name, None)
                for partition in topic.leaders:
                    self._starts.pop(partition, None)
                    self._ends.pop(partition, None)


def _by_node(leaders: Mapping[Partition, int]) -> dict[int, dict[str, list[int]]]:
    by_node: dict[int, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for (topic, index), node in leaders.items():
        by_node[node][topic].append(index)
    return by_node


def _same(before: list[protocol.Response], now: list[protocol.Response]) -> bool:
    """Whether these are the very objects of the last answers: nothing moved. Answers come in any order."""
    return len(before) == len(now) and {id(part) for part in before} == {id(part) for part in now}
