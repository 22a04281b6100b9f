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
from kafka.protocol.producer import WriteTxnMarkersRequest

from floodwarden.brokers.kafka.protocol import Request

NO_PRODUCER: Final = -1
NO_TRANSACTION: Final = -1
NO_TIME: Final = -1
NO_AUTHORIZER: Final = 54  # SECURITY_DISABLED
NOT_ALLOWED: Final = 53  # TRANSACTIONAL_ID_AUTHORIZATION_FAILED
TOPIC_UNKNOWN: Final = 3  # UNKNOWN_TOPIC_OR_PARTITION
PREFIXED: Final = 4  # how an ACL names what it is about: all that begins so
EVERYTHING: Final = "*"  # what an ACL about all is about
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
