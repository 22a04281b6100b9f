"""Kafka's messages about producers and their transactions: a part of ``protocol``, which has the rest.

Batches of records are read no further than their header (Kafka's DefaultRecordBatch): who wrote one stands there.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from typing import Final

from kafka.protocol.admin import (
    DescribeAclsRequest,
    DescribeProducersRequest,
    DescribeTransactionsRequest,
    ListTransactionsRequest,
)
from kafka.protocol.consumer import FetchRequest, ListOffsetsRequest
from kafka.protocol.producer import WriteTxnMarkersRequest

from floodwarden.brokers.kafka.protocol import LATEST, Request

NO_PRODUCER: Final = -1
NO_TRANSACTION: Final = -1
NO_TIME: Final = -1
NO_AUTHORIZER: Final = 54  # SECURITY_DISABLED
NOT_ALLOWED: Final = 53  # TRANSACTIONAL_ID_AUTHORIZATION_FAILED
TOPIC_UNKNOWN: Final = 3  # UNKNOWN_TOPIC_OR_PARTITION
PREFIXED: Final = 4  # how an ACL names what it is about: all that begins so
EVERYTHING: Final = "*"  # what an ACL about all is about
READ_COMMITTED: Final = 1
FETCHED_AT_MOST: Final = 4 * 2**20  # bytes of one answer, except that its first batch always comes whole
BATCH_AT_MOST: Final = 64 * 2**10  # bytes of one partition
_TRANSACTIONAL_ID: Final = 5  # the kind of resource in ACLs
_ANY: Final = 1
_MAGIC_AT: Final = 16
_MAGIC: Final = 2
_PRODUCER: Final = struct.Struct(">q")
_PRODUCER_AT: Final = 43


def describe_producers(partitions: Mapping[str, Iterable[int]]) -> Request:
    """Asks a leader for the producers with an id that have written to its partitions within a day, by topic."""
    topic_type = DescribeProducersRequest.TopicRequest
    topics = [topic_type(name=topic, partition_indexes=list(indexes)) for topic, indexes in partitions.items()]
    return DescribeProducersRequest(topics=topics)


def list_transactions(producers: Iterable[int]) -> Request:
    """Asks a coordinator for the transactions of these producers; those whose id the user may not describe are left out."""
    return ListTransactionsRequest(state_filters=[], producer_id_filters=sorted(producers), max_version=0)


def describe_transactions(ids: Iterable[str]) -> Request:
    """Asks a coordinator for its transactions."""
    return DescribeTransactionsRequest(transactional_ids=sorted(ids))


def describe_transactional_acls() -> Request:
    """Asks which rules there are about ids of transactions, whomever they are for."""
    return DescribeAclsRequest(
        resource_type_filter=_TRANSACTIONAL_ID,
        resource_name_filter=None,
        pattern_type_filter=_ANY,
        principal_filter=None,
        host_filter=None,
        operation=_ANY,
        permission_type=_ANY,
        min_version=1,
    )


def stable_offsets(partitions: Mapping[str, Iterable[int]]) -> Request:
    """Asks for the last stable offset of each partition, by topic: how far those get who read committed messages."""
    topic_type = ListOffsetsRequest.ListOffsetsTopic
    partition_type = topic_type.ListOffsetsPartition
    topics = [
        topic_type(
            name=topic,
            partitions=[partition_type(partition_index=index, current_leader_epoch=-1, timestamp=LATEST) for index in indexes],
        )
        for topic, indexes in partitions.items()
    ]
    return ListOffsetsRequest(replica_id=-1, isolation_level=READ_COMMITTED, topics=topics, min_version=2, max_version=9)


def fetch(offsets: Mapping[str, Mapping[int, int]]) -> Request:
    """Asks for the batch at an offset of each partition, by topic, and for no more than fits; does not wait."""
    topic_type = FetchRequest.FetchTopic
    partition_type = topic_type.FetchPartition
    topics = [
        topic_type(
            topic=topic,
            partitions=[
                partition_type(partition=index, fetch_offset=offset, partition_max_bytes=BATCH_AT_MOST)
                for index, offset in of_topic.items()
            ],
        )
        for topic, of_topic in offsets.items()
    ]
    # Version 13 would name topics by id only.
    return FetchRequest(max_wait_ms=0, min_bytes=0, max_bytes=FETCHED_AT_MOST, topics=topics, min_version=4, max_version=12)


def producer_of(records: bytes | None) -> int | None:
    """The id of the producer that wrote the first batch, NO_PRODUCER where it has none; None where there is no batch."""
    if not records or len(records) < _PRODUCER_AT + _PRODUCER.size or records[_MAGIC_AT] != _MAGIC:
        return None
    (producer,) = _PRODUCER.unpack_from(records, _PRODUCER_AT)
    return int(producer)


def abort_markers(markers: Iterable[tuple[int, int, int, Mapping[str, Iterable[int]]]]) -> Request:
    """Asks a leader to end transactions as aborted: producer's id and epoch, coordinator's epoch, and partitions by topic."""
    marker_type = WriteTxnMarkersRequest.WritableTxnMarker
    topic_type = marker_type.WritableTxnMarkerTopic
    return WriteTxnMarkersRequest(
        markers=[
            marker_type(
                producer_id=producer,
                producer_epoch=epoch,
                transaction_result=False,
                coordinator_epoch=coordinator_epoch,
                topics=[topic_type(name=topic, partition_indexes=list(indexes)) for topic, indexes in partitions.items()],
            )
            for producer, epoch, coordinator_epoch, partitions in markers
        ],
        min_version=1,
    )
