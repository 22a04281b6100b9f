"""Kafka's messages: with its parts the one module that touches kafka-python, of which only its sans-I/O parts are used.

Builds requests, chooses their version by what a node supports, turns them into bytes and answers into objects (kafka-python's,
with snake_case attributes named as in Kafka's schemas). ``connection`` carries the bytes. Kafka 3.0 is the oldest version
that answers them all. ``protocol_unread`` has the requests about what groups have not read, ``protocol_producers`` those about
producers and their transactions, ``protocol_moves`` those for reassignments.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from typing import Any, Final

from kafka.errors import IncompatibleBrokerVersion, for_code, kafka_errors
from kafka.net.sasl import get_sasl_mechanism
from kafka.protocol.admin import DescribeConfigsRequest, DescribeGroupsRequest, IncrementalAlterConfigsRequest
from kafka.protocol.api_message import ApiMessage
from kafka.protocol.broker_version_data import BrokerVersionData
from kafka.protocol.consumer import FetchRequest, ListOffsetsRequest, OffsetFetchRequest
from kafka.protocol.consumer.metadata import ConsumerProtocolAssignment
from kafka.protocol.metadata import ApiVersionsRequest, FindCoordinatorRequest, MetadataRequest
from kafka.protocol.sasl import SaslAuthenticateRequest, SaslHandshakeRequest
from kafka.version import __version__ as library_version

# kafka-python's objects have no types of their own worth naming: their attributes come from the schemas.
Request = Any
Response = Any

LATEST: Final = -1
EARLIEST: Final = -2
READ_UNCOMMITTED: Final = 0
READ_COMMITTED: Final = 1
FETCHED_BYTES: Final = 64 * 2**10  # of one partition: a batch as clients write it by default (16 KiB), and more
FETCHED_AT_MOST: Final = 4 * 2**20  # of one answer
NO_NODE: Final = -1
TOPIC: Final = 2  # kinds of resources that have settings
BROKER: Final = 4
SET: Final = 0  # what to do with a setting
DELETE: Final = 1
NEVER_COMMITTED: Final = -1
UNSUPPORTED_VERSION: Final = 35
_CORRELATION_AT: Final = 8  # bytes into every request: behind its length, key and version
# Abstract classes among them have no code.
KNOWN_ERROR_CODES: Final = frozenset(code for code in kafka_errors if code is not None)


class ConsumerGroupDescribeRequest(ApiMessage, load_json="floodwarden.brokers.kafka.schemas"):  # type: ignore[misc, call-arg]
    """Asks for groups of the new protocol (KIP-848), which kafka-python 3.0.12 lacks."""


class ConsumerGroupDescribeResponse(ApiMessage, load_json="floodwarden.brokers.kafka.schemas"):  # type: ignore[misc, call-arg]
    """The answer; kafka-python finds it by its API key."""


def metadata(topics: Iterable[str]) -> Request:
    """Asks for all broker nodes, and for the partitions of some topics (of none where there are no names)."""
    wanted = [MetadataRequest.MetadataRequestTopic(name=topic) for topic in topics]
    return MetadataRequest(topics=wanted, allow_auto_topic_creation=False, min_version=4)


def metadata_of_all() -> Request:
    """Asks for all broker nodes and all topics with their partitions."""
    return MetadataRequest(topics=None, allow_auto_topic_creation=False, min_version=4)


def describe_configs(kind: int, names: Iterable[str], keys: Iterable[str]) -> Request:
    """Asks for some settings of topics or of one broker node: of TOPIC or BROKER, which only that node itself answers."""
    wanted = sorted(keys)
    resource = DescribeConfigsRequest.DescribeConfigsResource
    resources = [resource(resource_type=kind, resource_name=name, configuration_keys=wanted) for name in names]
    return DescribeConfigsRequest(resources=resources, include_synonyms=False, include_documentation=False)


def alter_configs(kind: int, settings: Mapping[str, Mapping[str, str | None]]) -> Request:
    """Asks to change settings of topics or broker nodes (TOPIC, BROKER), by name and key: None takes one away. Others stay."""
    resource = IncrementalAlterConfigsRequest.AlterConfigsResource
    config = resource.AlterableConfig
    resources = [
        resource(
            resource_type=kind,
            resource_name=name,
            configs=[
                config(name=key, config_operation=DELETE if value is None else SET, value=value) for key, value in values.items()
            ],
        )
        for name, values in settings.items()
    ]
    return IncrementalAlterConfigsRequest(resources=resources, validate_only=False)


def find_coordinators(groups: Iterable[str]) -> Request:
    """Asks which node coordinates each group."""
    return FindCoordinatorRequest(key_type=0, coordinator_keys=list(groups), min_version=4)


def offset_fetch(groups: Iterable[str]) -> Request:
    """Asks for all that each group has committed."""
    # Version 10 would name topics by id only.
    wanted = [OffsetFetchRequest.OffsetFetchRequestGroup(group_id=group, topics=None) for group in groups]
    return OffsetFetchRequest(groups=wanted, require_stable=False, min_version=8, max_version=9)


def list_offsets(partitions: Mapping[str, Iterable[int]], at: int, *, isolation: int = READ_UNCOMMITTED) -> Request:
    """Asks for one offset of each partition, by topic: LATEST (with READ_COMMITTED the last stable offset) or EARLIEST."""
    return list_offsets_since({topic: dict.fromkeys(indexes, at) for topic, indexes in partitions.items()}, isolation=isolation)


def list_offsets_since(moments: Mapping[str, Mapping[int, int]], *, isolation: int = READ_UNCOMMITTED) -> Request:
    """Asks for the first message of each partition that is as new as a moment or newer: topic → partition → milliseconds."""
    topic_type = ListOffsetsRequest.ListOffsetsTopic
    partition_type = topic_type.ListOffsetsPartition
    # The epoch is its default: given, because the library is slow at looking defaults up, 10,000 times a second.
    topics = [
        topic_type(
            name=topic,
            partitions=[
                partition_type(partition_index=index, current_leader_epoch=-1, timestamp=at) for index, at in wanted.items()
            ],
        )
        for topic, wanted in moments.items()
    ]
    # Isolation is known since version 2. Version 10 adds a time limit for look-ups in remote storage, which nobody here needs.
    return ListOffsetsRequest(
        replica_id=-1, isolation_level=isolation, topics=topics, min_version=2 if isolation else 1, max_version=9
    )


def fetch(positions: Mapping[str, Mapping[int, int]]) -> Request:
    """Asks for the batch of messages at one offset of each partition, topic → partition → offset, and for no more than fits.

    Does not wait; a batch above FETCHED_BYTES comes empty, or whole where it is an answer's first.
    """
    topic_type = FetchRequest.FetchTopic
    partition_type = topic_type.FetchPartition
    topics = [
        topic_type(
            topic=topic,
            partitions=[
                partition_type(partition=index, fetch_offset=offset, partition_max_bytes=FETCHED_BYTES)
                for index, offset in wanted.items()
            ],
        )
        for topic, wanted in positions.items()
    ]
    # Version 13 would name topics by id only.
    return FetchRequest(max_wait_ms=0, min_bytes=0, max_bytes=FETCHED_AT_MOST, topics=topics, min_version=4, max_version=12)


def describe_classic_groups(groups: Iterable[str]) -> Request:
    """Asks for the state and members of groups that speak the classic protocol."""
    return DescribeGroupsRequest(groups=list(groups), include_authorized_operations=False)


def describe_consumer_groups(groups: Iterable[str]) -> Request:
    """Asks for the state and members of groups that speak the new protocol (KIP-848)."""
    return ConsumerGroupDescribeRequest(group_ids=list(groups), include_authorized_operations=False)


def api_versions() -> Request:
    """Asks which requests a node understands."""
    return ApiVersionsRequest(client_software_name="floodwarden", client_software_version=library_version)


def sasl_handshake(mechanism: str) -> Request:
    """Announces the SASL mechanism."""
    return SaslHandshakeRequest(mechanism=mechanism, min_version=1)


def sasl_authenticate(token: bytes) -> Request:
    """Carries one step of the SASL exchange."""
    return SaslAuthenticateRequest(auth_bytes=token)


def sasl_exchange(mechanism: str, username: str, password: str) -> Any:
    """The client's side of one SASL exchange: ``auth_bytes()``, ``receive(bytes)``, ``is_done()``, ``is_authenticated()``."""
    if mechanism.startswith("SCRAM"):
        # kafka-python sends the name as it is; RFC 5802 wants these two characters escaped.
        username = username.replace("=", "=3D").replace(",", "=2C")
    return get_sasl_mechanism(mechanism)(sasl_mechanism=mechanism, sasl_plain_username=username, sasl_plain_password=password)


def assigned_partitions(assignment: bytes) -> list[tuple[str, list[int]]]:
    """What a member of a classic group was assigned, by topic; empty where it tells nothing readable.

    The bytes are the group leader's own: brokers pass on whatever a client has sent.
    """
    if not assignment:
        return []
    try:
        decoded = ConsumerProtocolAssignment.decode(assignment)
    except (ValueError, struct.error, IndexError):
        return []
    return [(topic.topic, list(topic.partitions or ())) for topic in decoded.assigned_partitions or () if topic.topic]


class Versions:
    """Which version of each request one node understands, as it told itself."""

    def __init__(self, answer: Response) -> None:
        self._table = BrokerVersionData(api_versions={key.api_key: (key.min_version, key.max_version) for key in answer.api_keys})
        told = answer.finalized_features or ()
        self.features = frozenset(str(feature.name) for feature in told if feature.max_version_level > 0)
        """What the cluster has switched on, such as ``eligible.leader.replicas.version``; nothing where the node tells none."""

    @property
    def broker(self) -> tuple[int, ...]:
        """The release of Kafka that answers these versions, such as (4, 3)."""
        release: tuple[int, ...] = self._table.broker_version
        return release

    def choose(self, request: Request) -> int | None:
        """The newest version that node and library share, None where there is none."""
        try:
            version: int = self._table.api_version(request)
        except IncompatibleBrokerVersion:
            return None
        return version


def name(request: Request) -> str:
    """The request's name in Kafka's documentation, without what it asks."""
    return str(request.name).removesuffix("Request")


def newest_api_versions() -> int:
    """The newest version of ApiVersions that the library knows: where negotiation starts."""
    newest: int = ApiVersionsRequest.max_version
    return newest


def api_versions_supported(answer: Response) -> int:
    """The version of ApiVersions to try next, after a node refused a newer one."""
    key: int = ApiVersionsRequest.API_KEY
    return next((int(supported.max_version) for supported in answer.api_keys if supported.api_key == key), 0)


def encode(request: Request, version: int, correlation: int, client_id: str) -> bytes:
    """The request as it goes over the wire, length first."""
    request.API_VERSION = version
    request.with_header(correlation_id=correlation, client_id=client_id)
    data: bytes = request.encode(framed=True, header=True)
    return data


def numbered(data: bytes, correlation: int) -> bytes:
    """An encoded request once more, under another correlation number."""
    return data[:_CORRELATION_AT] + struct.pack(">i", correlation) + data[_CORRELATION_AT + 4 :]


def correlation_of(payload: bytes) -> int:
    """Which request an answer (without its length) belongs to."""
    (correlation,) = struct.unpack_from(">i", payload)
    return int(correlation)


def decode(request: Request, payload: bytes) -> Response:
    """The answer to an encoded request; ValueError, struct.error or IndexError where it cannot be read."""
    return request.header.get_response_class().decode(payload, header=True)


def error_name(code: int) -> str:
    """An error code's name in Kafka's documentation."""
    return str(for_code(code).message) if code in KNOWN_ERROR_CODES else f"error code {code}"
