"""Kafka's messages about what groups have not read yet; a part of ``protocol``, and like it touching kafka-python.

``unread`` sends them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from typing import Final

from kafka.protocol.admin import DescribeLogDirsRequest, ListGroupsRequest
from kafka.protocol.consumer import FetchRequest, ListOffsetsRequest

from floodwarden.brokers.kafka.protocol import Request

# Bytes of one partition in an answer: the first batch with its messages, as clients write it by default (16 KiB), and some.
FETCHED_BYTES: Final = 32 * 1024
NO_TIMESTAMP: Final = -1
# Batches as they are stored (DefaultRecordBatch, LegacyRecord): offset, length, epoch or checksum, magic; then of magic 2
# checksum, attributes, last offset, first and newest timestamp, of magic 1 attributes and timestamp.
_HEAD, _BATCH, _LEGACY = struct.Struct(">qiib"), struct.Struct(">ihiqq"), struct.Struct(">bq")


def list_groups() -> Request:
    """Asks a node for all groups it coordinates, with their state."""
    return ListGroupsRequest(states_filter=[], types_filter=[], min_version=4)


def list_offsets_since(moments: Mapping[str, Mapping[int, int]]) -> Request:
    """Asks for the first message of each partition that is as new as a moment or newer: topic → partition → milliseconds."""
    topic_type = ListOffsetsRequest.ListOffsetsTopic
    partition_type = topic_type.ListOffsetsPartition
    topics = [
        topic_type(
            name=topic,
            partitions=[
                partition_type(partition_index=index, current_leader_epoch=-1, timestamp=at) for index, at in wanted.items()
            ],
        )
        for topic, wanted in moments.items()
    ]
    return ListOffsetsRequest(replica_id=-1, isolation_level=0, topics=topics, min_version=1, max_version=9)


def describe_log_dirs(partitions: Mapping[str, Iterable[int]]) -> Request:
    """Asks a node how many bytes it holds of each partition, by topic."""
    topic_type = DescribeLogDirsRequest.DescribableLogDirTopic
    return DescribeLogDirsRequest(topics=[topic_type(topic=topic, partitions=list(some)) for topic, some in partitions.items()])


def fetch_batches(positions: Mapping[str, Mapping[int, int]]) -> Request:
    """Asks for the batch of messages at one offset of each partition: topic → partition → offset. Large ones come empty."""
    topic_type = FetchRequest.FetchTopic
    topics = [
        topic_type(
            topic=topic,
            partitions=[
                topic_type.FetchPartition(partition=index, fetch_offset=offset, partition_max_bytes=FETCHED_BYTES)
                for index, offset in wanted.items()
            ],
        )
        for topic, wanted in positions.items()
    ]
    # Version 13 would name topics by id only.
    return FetchRequest(max_wait_ms=0, min_bytes=0, topics=topics, forgotten_topics_data=[], min_version=4, max_version=12)


def newest_in_batch(records: bytes | None) -> int | None:
    """The time of the newest message in the first of some batches, in milliseconds; None where it has none, or is cut off.

    Messages of one batch are deleted together, and not before the newest of them is old enough.
    """
    if records is None or len(records) < _HEAD.size:
        return None
    _offset, _length, _epoch, magic = _HEAD.unpack_from(records)
    try:
        if magic == 2:
            *_, newest = _BATCH.unpack_from(records, _HEAD.size)
        elif magic == 1:
            _attributes, newest = _LEGACY.unpack_from(records, _HEAD.size)
        else:
            return None
    except struct.error:
        return None
    return int(newest) if newest > NO_TIMESTAMP else None
