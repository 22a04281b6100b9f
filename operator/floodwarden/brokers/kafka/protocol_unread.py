"""Kafka's messages about what groups have not read yet; a part of ``protocol``, and like it touching kafka-python.

``unread`` sends them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from typing import Final

from kafka.protocol.admin import DescribeLogDirsRequest, ListGroupsRequest

from floodwarden.brokers.kafka.protocol import Request

NO_TIMESTAMP: Final = -1
# Batches as they are stored (DefaultRecordBatch, LegacyRecord): offset, length, epoch or checksum, magic; then of magic 2
# checksum, attributes, last offset, first and newest timestamp, of magic 1 attributes and timestamp.
_HEAD, _BATCH, _LEGACY = struct.Struct(">qiib"), struct.Struct(">ihiqq"), struct.Struct(">bq")


def list_groups() -> Request:
    """Asks a node for all groups it coordinates, with their state."""
    return ListGroupsRequest(states_filter=[], types_filter=[], min_version=4)


def describe_log_dirs(partitions: Mapping[str, Iterable[int]]) -> Request:
    """Asks a node how many bytes it holds of each partition, by topic."""
    topic_type = DescribeLogDirsRequest.DescribableLogDirTopic
    return DescribeLogDirsRequest(topics=[topic_type(topic=topic, partitions=list(some)) for topic, some in partitions.items()])


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
