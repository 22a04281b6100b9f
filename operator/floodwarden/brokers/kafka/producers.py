"""Who writes to a Kafka cluster's partitions: producers with an id, their newest batches, and their open transactions.

Implements ``brokers.abilities.Producers``. Every question is one request for each leader, for all of its partitions; ``topics``
knows who leads since the last survey, and ``transactions`` asks coordinators.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Final, TypeVar

from floodwarden.brokers.kafka import protocol, protocol_producers
from floodwarden.brokers.kafka.errors import RequestError, denied, from_code
from floodwarden.brokers.kafka.nodes import Nodes
from floodwarden.brokers.kafka.topics import Topics
from floodwarden.brokers.kafka.transactions import Coordinators
from floodwarden.core.delivery.producers import PRODUCERS_KEPT, Newest
from floodwarden.core.delivery.transactions import Active, OpenTransaction, Standing
from floodwarden.core.observation import Partition, Unknown, UnknownReason

CALL_SECONDS: Final = 30.0
OFFSET_OUT_OF_RANGE: Final = 1
READ: Final = "Read on the topic"

ByTopic = Mapping[str, list[int]]
T = TypeVar("T")


class KafkaProducers:
    """Reads through the nodes and the topics that ``settings`` knows."""

    def __init__(self, nodes: Nodes, topics: Topics) -> None:
        self._nodes = nodes
        self._topics = topics
        self._coordinators = Coordinators(nodes)

    async def active(self, partitions: Collection[Partition]) -> Mapping[Partition, Active | Unknown]:
        """See ``Producers.active``; ends within 30 seconds. One request for each leader."""
        self._begin()
        return await self._active(partitions)

    async def newest(
        self, partitions: Collection[Partition], known: Mapping[Partition, Newest | Unknown]
    ) -> Mapping[Partition, Newest | Unknown]:
        """See ``Producers.newest``; ends within 30 seconds. Three requests for each leader, one where nothing was written."""
        self._begin()
        ends = await self._ends(partitions, lambda wanted: protocol.list_offsets(wanted, protocol.LATEST))
        found: dict[Partition, Newest | Unknown] = {}
        moved: dict[Partition, int] = {}
        for partition, end in ends.items():
            before = known.get(partition)
            if isinstance(end, Unknown):
                found[partition] = end
            elif isinstance(before, Newest) and before.end == end:
                found[partition] = before
            elif end == 0:
                found[partition] = Newest(0, None)
            else:
                moved[partition] = end
        writers, active = await asyncio.gather(self._writers(moved), self._active(moved))
        found.update((partition, _newest(end, writers[partition], active[partition])) for partition, end in moved.items())
        return found

    async def stable(self, partitions: Collection[Partition]) -> Mapping[Partition, int | Unknown]:
        """See ``Producers.stable``; ends within 30 seconds. One request for each leader."""
        self._begin()
        committed = protocol.READ_COMMITTED
        return await self._ends(partitions, lambda wanted: protocol.list_offsets(wanted, protocol.LATEST, isolation=committed))

    async def standings(self, opened: Collection[OpenTransaction]) -> Mapping[OpenTransaction, Standing]:
        """See ``Producers.standings``; ends within 30 seconds. Two requests for each coordinator, and five at the most."""
        if not opened:
            return {}
        self._begin()
        told = await self._coordinators.ask({one.producer for one in opened})
        # Whoever is open still, with the coordinators' answers in, was so when they answered.
        now = await self._active({one.partition for one in opened})
        standings: dict[OpenTransaction, Standing] = {}
        for one in opened:
            active = now[one.partition]
            if isinstance(active, Unknown):
                standings[one] = active
            else:
                standings.update((same, told.standing(same)) for same in active.open if same == one)
        return standings

    async def abort(self, opened: Collection[OpenTransaction]) -> Mapping[OpenTransaction, Unknown]:
        """See ``Producers.abort``; ends within 30 seconds. Two requests for each leader."""
        self._begin()
        by_partition: dict[Partition, list[OpenTransaction]] = defaultdict(list)
        for one in opened:
            by_partition[one.partition].append(one)
        failed: dict[OpenTransaction, Unknown] = {}
        lost: dict[Partition, Unknown] = {}

        def markers(wanted: ByTopic) -> protocol.Request:
            return protocol_producers.abort_markers(
                # Where no coordinator has ever ended one of that producer, 0 is older than all of them, as Kafka's tool has it.
                (one.producer, one.epoch, max(0, one.coordinator_epoch), {one.partition.topic: [one.partition.number]})
                for partition in _partitions(wanted)
                for one in by_partition[partition]
            )

        answers = await self._each_leader(by_partition, markers, lost)
        codes = {
            (marker.producer_id, Partition(topic.name, entry.partition_index)): entry.error_code
            for answer in answers
            for marker in answer.markers
            for topic in marker.topics
            for entry in topic.partitions
        }
        now = await self._active(by_partition)
        for one in opened:
            active, code = now[one.partition], codes.get((one.producer, one.partition))
            if isinstance(active, Active) and one not in active.open:
                continue
            if one.partition in lost:
                failed[one] = lost[one.partition]
            elif code:
                failed[one] = denied(code, f"the transaction of {one}", "Alter on the cluster (ClusterAction before Kafka 3.8)")
            elif isinstance(active, Unknown):
                failed[one] = Unknown(active.reason, f"it was accepted, but could not be read back: {active.detail}")
            else:
                failed[one] = Unknown(UnknownReason.BROKER_ERROR, "the broker accepted it, but the transaction is still open")
        return failed

    def _begin(self) -> None:
        self._nodes.begin(asyncio.get_running_loop().time() + CALL_SECONDS)

    async def _active(self, partitions: Collection[Partition]) -> dict[Partition, Active | Unknown]:
        found: dict[Partition, Active | Unknown] = {}
        for answer in await self._each_leader(partitions, protocol_producers.describe_producers, found):
            for topic in answer.topics:
                for entry in topic.partitions:
                    partition = Partition(topic.name, entry.partition_index)
                    found[partition] = _active(partition, entry)
        return _complete(partitions, found)

    async def _ends(
        self, partitions: Collection[Partition], request: Callable[[ByTopic], protocol.Request]
    ) -> dict[Partition, int | Unknown]:
        found: dict[Partition, int | Unknown] = {}
        for answer in await self._each_leader(partitions, request, found):
            for topic in answer.topics:
                for entry in topic.partitions:
                    code = entry.error_code
                    why = from_code(code, f"topic {topic.name}") if code else None
                    found[Partition(topic.name, entry.partition_index)] = why or entry.offset
        return _complete(partitions, found)

    async def _writers(self, ends: Mapping[Partition, int]) -> dict[Partition, int | Unknown | None]:
        """The id of the producer of the batch before each end; None where there is none to be read."""
        found: dict[Partition, int | Unknown | None] = {}

        def request(wanted: ByTopic) -> protocol.Request:
            return protocol.fetch(
                {topic: {index: ends[Partition(topic, index)] - 1 for index in indexes} for topic, indexes in wanted.items()}
            )

        for answer in await self._each_leader(ends, request, found):
            for topic in answer.responses:
                for entry in topic.partitions:
                    code = entry.error_code
                    why = denied(code, f"topic {topic.topic}", READ) if code not in (0, OFFSET_OUT_OF_RANGE) else None
                    writer = protocol_producers.producer_of(entry.records) if not code else None
                    found[Partition(topic.topic, entry.partition_index)] = why or writer
        return _complete(ends, found)

    async def _each_leader(
        self,
        partitions: Iterable[Partition],
        request: Callable[[ByTopic], protocol.Request],
        failed: dict[Partition, T | Unknown],
    ) -> list[protocol.Response]:
        """The answers of all leaders, each asked for its own partitions; ``failed`` gets those that could not be asked for."""
        led, lost = self._topics.led(partitions)
        failed.update(lost)
        by_node = {node: _by_topic(wanted) for node, wanted in led.items()}
        answers = await asyncio.gather(*(self._ask(node, request(wanted)) for node, wanted in by_node.items()))
        for wanted, answer in zip(by_node.values(), answers, strict=True):
            if isinstance(answer, Unknown):
                failed.update(dict.fromkeys(_partitions(wanted), answer))
        return [answer for answer in answers if not isinstance(answer, Unknown)]

    async def _ask(self, node: int, request: protocol.Request) -> protocol.Response | Unknown:
        try:
            return await self._nodes.send(node, request)
        except RequestError as error:
            return error.unknown


def _by_topic(partitions: Iterable[Partition]) -> dict[str, list[int]]:
    by_topic: dict[str, list[int]] = defaultdict(list)
    for topic, index in partitions:
        by_topic[topic].append(index)
    return by_topic


def _partitions(by_topic: ByTopic) -> Iterator[Partition]:
    return (Partition(topic, index) for topic, indexes in by_topic.items() for index in indexes)


def _complete(partitions: Iterable[Partition], found: Mapping[Partition, T | Unknown]) -> dict[Partition, T | Unknown]:
    """What was found of each partition, also where the broker left it out."""
    left_out = Unknown(UnknownReason.BROKER_ERROR, "the broker left partitions out")
    return {partition: found.get(partition, left_out) for partition in partitions}


def _active(partition: Partition, entry: protocol.Response) -> Active | Unknown:
    if entry.error_code:
        return denied(entry.error_code, f"producers of topic {partition.topic}", READ)
    if not entry.active_producers:
        return _NOBODY
    last = sorted(entry.active_producers, key=lambda one: -int(one.last_timestamp))[:PRODUCERS_KEPT]
    return Active(
        producers=tuple(one.producer_id for one in last),
        open=tuple(
            OpenTransaction(
                partition=partition,
                producer=one.producer_id,
                start=one.current_txn_start_offset,
                epoch=one.producer_epoch,
                coordinator_epoch=one.coordinator_epoch,
                written_at=one.last_timestamp / 1000 if one.last_timestamp != protocol_producers.NO_TIME else None,
            )
            for one in entry.active_producers
            if one.current_txn_start_offset != protocol_producers.NO_TRANSACTION
        ),
    )


_NOBODY: Final = Active()


def _newest(end: int, writer: int | Unknown | None, active: Active | Unknown) -> Newest | Unknown:
    if isinstance(writer, Unknown):
        return writer
    others = active.producers if isinstance(active, Active) else ()
    if writer is None or writer == protocol_producers.NO_PRODUCER:
        return Newest(end, None if writer is None else False, others)
    return Newest(end, True, (writer, *(one for one in others if one != writer))[:PRODUCERS_KEPT])
