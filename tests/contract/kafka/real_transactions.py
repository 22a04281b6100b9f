"""Transactions as tests need them: open ones of a producer that goes on, and hung ones, which no sound producer leaves behind.

A hung one is a batch in a transaction of which no coordinator was told. Brokers refuse that since Kafka 3.6, unless
``transaction.partition.verification.enable`` is false: see ``unverified``.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self
from uuid import uuid4

from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from kafka.protocol.metadata import FindCoordinatorRequest
from kafka.protocol.producer import InitProducerIdRequest, ProduceRequest, TxnOffsetCommitRequest
from kafka.record.default_records import DefaultRecordBatchBuilder

from floodwarden.brokers.kafka import Security
from floodwarden.brokers.kafka.nodes import Nodes
from floodwarden.brokers.kafka.topics import Topic, Topics
from floodwarden.core.observation import Partition
from tests.contract.cluster.eventually import eventually
from tests.contract.kafka.real_kafka import RealKafka

COLUMNS: Final = {
    "find-hanging": ("Topic", "Partition", "ProducerId", "ProducerEpoch", "CoordinatorEpoch", "StartOffset"),
    "describe-producers": ("ProducerId", "ProducerEpoch", "LatestCoordinatorEpoch", "CurrentTransactionStartOffset"),
}


@dataclass(frozen=True)
class Stray:
    """A hung transaction: whose it is, and the offset of its message."""

    producer: int
    epoch: int
    start: int


@contextmanager
def unverified(kafka: RealKafka) -> Iterator[None]:
    """Brokers take a transaction's word that its coordinator knows it, as those before Kafka 3.6 did."""
    entity = ("--entity-type", "brokers", "--entity-default", "--alter")
    key = "transaction.partition.verification.enable"
    kafka.tool("kafka-configs", *entity, "--add-config", f"{key}=false")
    try:
        yield
    finally:
        kafka.tool("kafka-configs", *entity, "--delete-config", key)


def leave_hung(kafka: RealKafka, topic: str, partition: int, *, age: float = 0.0, known: bool = False) -> Stray:
    """Write one message of a hung transaction, dated ``age`` seconds back; ``unverified`` must hold.

    With ``known``, a coordinator has its transactional id, but knows of no transaction.
    """
    return asyncio.run(_leave_hung(kafka, topic, partition, age, known))


async def _leave_hung(kafka: RealKafka, topic: str, partition: int, age: float, known: bool) -> Stray:
    nodes = Nodes(kafka.bootstrap, Security())
    nodes.begin(asyncio.get_running_loop().time() + 60)
    try:
        topics = Topics(nodes)
        await topics.read([topic])
        found = topics[topic]
        assert isinstance(found, Topic), found
        leader = found.leaders[Partition(topic, partition)]
        assert isinstance(leader, int), leader
        transactional_id = f"stray-{uuid4().hex[:8]}"
        granted = await _producer_id(nodes, transactional_id if known else None)
        request = _batch(topic, partition, transactional_id, granted.producer_id, granted.producer_epoch, age)

        async def sent() -> Any:
            answer = await nodes.send(leader, request)
            return answer.responses[0].partition_responses[0]

        # The node may not have heard yet that it is not to ask the coordinator.
        taken = await eventually(sent, lambda told: told.error_code == 0)
        return Stray(granted.producer_id, granted.producer_epoch, taken.base_offset)
    finally:
        await nodes.close()


def leave_offsets_hung(kafka: RealKafka, topic: str) -> int:
    """Commit an offset of a new group in a hung transaction; the producer's id. ``unverified`` must hold."""
    return asyncio.run(_leave_offsets_hung(kafka, topic))


async def _leave_offsets_hung(kafka: RealKafka, topic: str) -> int:
    nodes = Nodes(kafka.bootstrap, Security())
    nodes.begin(asyncio.get_running_loop().time() + 60)
    try:
        await Topics(nodes).read([topic])  # tells where the nodes are
        group = f"stray-{uuid4().hex[:8]}"
        granted = await _producer_id(nodes, None)
        wanted = TxnOffsetCommitRequest.TxnOffsetCommitRequestTopic
        request = TxnOffsetCommitRequest(
            transactional_id=group,
            group_id=group,
            producer_id=granted.producer_id,
            producer_epoch=granted.producer_epoch,
            generation_id=-1,
            member_id="",
            group_instance_id=None,
            topics=[
                wanted(
                    name=topic,
                    partitions=[
                        wanted.TxnOffsetCommitRequestPartition(
                            partition_index=0, committed_offset=0, committed_leader_epoch=-1, committed_metadata=None
                        )
                    ],
                )
            ],
            max_version=3,  # from version 5 on, committing is itself how a coordinator is told
        )

        async def sent() -> Any:
            where = await nodes.send_any(FindCoordinatorRequest(key_type=0, coordinator_keys=[group], min_version=4))
            (coordinator,) = where.coordinators
            if coordinator.error_code:
                return coordinator
            answer = await nodes.send(coordinator.node_id, request)
            return answer.topics[0].partitions[0]

        await eventually(sent, lambda told: told.error_code == 0)
        return int(granted.producer_id)
    finally:
        await nodes.close()


async def _producer_id(nodes: Nodes, transactional_id: str | None) -> Any:
    request = InitProducerIdRequest(transactional_id=transactional_id, transaction_timeout_ms=60_000, max_version=4)

    async def asked() -> Any:
        if transactional_id is None:
            return await nodes.send_any(request)
        where = await nodes.send_any(FindCoordinatorRequest(key_type=1, coordinator_keys=[transactional_id], min_version=4))
        (coordinator,) = where.coordinators
        return await nodes.send(coordinator.node_id, request) if not coordinator.error_code else coordinator

    return await eventually(asked, lambda answer: answer.error_code == 0)


def _batch(topic: str, partition: int, transactional_id: str, producer: int, epoch: int, age: float) -> ProduceRequest:
    builder = DefaultRecordBatchBuilder(2, 0, True, producer, epoch, 0, 2**14)
    builder.append(0, round((time.time() - age) * 1000), None, b"never committed", [])
    topic_type = ProduceRequest.TopicProduceData
    data = topic_type.PartitionProduceData(index=partition, records=bytes(builder.build()))
    # From version 12 on, writing is itself how a coordinator is told.
    return ProduceRequest(
        transactional_id=transactional_id,
        acks=-1,
        timeout_ms=10_000,
        topic_data=[topic_type(name=topic, partition_data=[data])],
        max_version=9,
    )


class Transaction:
    """An open transaction with one message in each partition, dated ``age`` seconds back.

    It is aborted at the end of a ``with``, and by the brokers ``timeout`` seconds after its begin.
    """

    def __init__(self, kafka: RealKafka, topic: str, *partitions: int, age: float = 0.0, timeout: float = 60.0) -> None:
        self.id = f"billing-{uuid4().hex[:8]}"
        self._open = True
        self._producer = Producer(
            {
                "bootstrap.servers": ",".join(kafka.bootstrap),
                "transactional.id": self.id,
                "transaction.timeout.ms": round(1000 * timeout),
            }
        )
        self._producer.init_transactions(60)
        self._producer.begin_transaction()
        for partition in partitions:
            self._producer.produce(topic, self.id, partition=partition, timestamp=round((time.time() - age) * 1000))
        assert self._producer.flush(30) == 0, "messages not acknowledged in time"

    def commit(self) -> None:
        """End it; its messages are read from now on."""
        self._producer.commit_transaction(60)
        self._open = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._open:
            self._producer.abort_transaction(60)


def committed_messages(kafka: RealKafka, topic: str, partition: int) -> list[str]:
    """What those read who read committed messages, from the start on to where they have to wait."""
    consumer = Consumer(
        {
            "bootstrap.servers": ",".join(kafka.bootstrap),
            "group.id": f"reader-{uuid4().hex[:8]}",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
        }
    )
    try:
        consumer.assign([TopicPartition(topic, partition, 0)])
        read: list[str] = []
        while True:
            message = consumer.poll(30)
            assert message is not None, f"neither a message nor the end, after {read}"
            error = message.error()
            if error is not None and error.code() == KafkaError._PARTITION_EOF:
                return read
            assert error is None, error
            read.append((message.value() or b"").decode())
    finally:
        consumer.close()


def tool_rows(kafka: RealKafka, command: str, *args: str) -> set[tuple[str, ...]]:
    """What Kafka's own kafka-transactions shows, as far as COLUMNS name it."""
    header, *rows = (line.split() for line in kafka.tool("kafka-transactions", command, *args).splitlines() if line.strip())
    return {tuple(row[header.index(column)] for column in COLUMNS[command]) for row in rows}
