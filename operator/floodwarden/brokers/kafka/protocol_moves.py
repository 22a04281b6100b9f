"""Kafka's messages for reassignments, and for settings that are only tried. ``protocol`` has the others, and turns
all of them into bytes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from kafka.protocol.admin import AlterPartitionReassignmentsRequest, ListPartitionReassignmentsRequest

from floodwarden.brokers.kafka.protocol import Request, alter_configs
from floodwarden.core.observation import Partition

_CONTROLLER_MS = 2_500  # what the controller may take: less than a request may


def list_reassignments() -> Request:
    """Asks for every reassignment that is under way."""
    return ListPartitionReassignmentsRequest(timeout_ms=_CONTROLLER_MS, topics=None)


def alter_reassignments(targets: Mapping[Partition, Sequence[int]]) -> Request:
    """Asks for these lists of replicas, and no others; with none it only tells whether that would be allowed."""
    topic_type = AlterPartitionReassignmentsRequest.ReassignableTopic
    by_topic = defaultdict(list)
    for partition, replicas in targets.items():
        entry = topic_type.ReassignablePartition(partition_index=partition.number, replicas=list(replicas))
        by_topic[partition.topic].append(entry)
    topics = [topic_type(name=topic, partitions=partitions) for topic, partitions in by_topic.items()]
    return AlterPartitionReassignmentsRequest(timeout_ms=_CONTROLLER_MS, topics=topics)


def try_configs(kind: int, settings: Mapping[str, Mapping[str, str | None]]) -> Request:
    """As ``protocol.alter_configs``, but nothing is changed: the answer tells what would be refused."""
    request = alter_configs(kind, settings)
    request.validate_only = True
    return request
