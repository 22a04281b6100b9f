"""Settings of a Kafka cluster's topics and brokers, read for an audit and written for a repair.

Implements ``brokers.base.SettingsBroker``. An audit takes one request for the metadata of all topics, one for the settings of
BATCH topics, and one for those of each broker node, which only the node itself can tell.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import chain
from typing import Final

from floodwarden.brokers.abilities import Abilities
from floodwarden.brokers.base import BrokerError
from floodwarden.brokers.kafka import protocol
from floodwarden.brokers.kafka.errors import RequestError, denied, from_code
from floodwarden.brokers.kafka.moves import KafkaMoves
from floodwarden.brokers.kafka.nodes import Nodes
from floodwarden.brokers.kafka.producers import KafkaProducers
from floodwarden.brokers.kafka.protocol_producers import TOPIC_UNKNOWN
from floodwarden.brokers.kafka.security import Security
from floodwarden.brokers.kafka.topics import NO_ID, Topics, address
from floodwarden.brokers.kafka.unread import KafkaUnread
from floodwarden.core.delivery.survey import BrokerFound, Change, Placement, Source, Survey, TopicFound, Value, Values
from floodwarden.core.observation import Unknown, UnknownReason

AUDIT_SECONDS: Final = 30.0
SHOWN_SECONDS: Final = 5.0
SHOWN_EVERY: Final = 0.1  # seconds
BATCH: Final = 200  # topics in one request: what a node answers within a request's time
INTERNAL: Final = frozenset({"__consumer_offsets", "__transaction_state"})
INTERNAL_SETTINGS: Final = ("min.insync.replicas",)
OWN: Final = (
    "auto.create.topics.enable",
    "default.replication.factor",
    "log.flush.interval.messages",
    "log.flush.interval.ms",
    "min.insync.replicas",
    "offsets.retention.minutes",
    "offsets.topic.replication.factor",
    "process.roles",
    "transaction.max.timeout.ms",
    "transaction.state.log.min.isr",
    "transaction.state.log.replication.factor",
    "unclean.leader.election.enable",
)
_MINUTE, _HOUR = 60_000, 3_600_000
# A topic's key → the broker's keys it comes from where the topic does not set it, the first that is set, with their unit in the
# topic's (LogConfig and KafkaConfig in Kafka's source).
INHERITED: Final[Mapping[str, Mapping[str, int]]] = {
    "cleanup.policy": {"log.cleanup.policy": 1},
    "flush.messages": {"log.flush.interval.messages": 1},
    "flush.ms": {"log.flush.interval.ms": 1, "log.flush.scheduler.interval.ms": 1},
    "message.timestamp.type": {"log.message.timestamp.type": 1},
    "min.insync.replicas": {"min.insync.replicas": 1},
    "retention.bytes": {"log.retention.bytes": 1},
    "retention.ms": {"log.retention.ms": 1, "log.retention.minutes": _MINUTE, "log.retention.hours": _HOUR},
    "unclean.leader.election.enable": {"unclean.leader.election.enable": 1},
}
_BROKER_KEYS: Final = frozenset(chain(OWN, *INHERITED.values()))
# ConfigSource of DescribeConfigs; dynamic ones are of one broker or of the cluster.
_SOURCES: Final = {1: Source.TOPIC, 2: Source.DYNAMIC, 3: Source.DYNAMIC, 4: Source.FILE, 5: Source.DEFAULT}


class KafkaSettings:
    """The settings of a Kafka cluster, reached through its bootstrap servers (``host:port``)."""

    def __init__(self, bootstrap_servers: Sequence[str], security: Security | None = None) -> None:
        self._nodes = Nodes(bootstrap_servers, security or Security())
        self._topics = Topics(self._nodes)
        self.abilities = Abilities(
            moves=KafkaMoves(self._nodes),
            unread=KafkaUnread(self._nodes, self._topics),
            producers=KafkaProducers(self._nodes, self._topics),
        )

    @property
    def requests(self) -> int:
        """See ``SettingsBroker.requests``."""
        return self._nodes.requests

    async def survey(self, wanted: Callable[[str], bool], settings: Collection[str]) -> Survey:
        """See ``SettingsBroker.survey``; ends within 30 seconds."""
        sent_before = self._nodes.requests
        self._nodes.begin(asyncio.get_running_loop().time() + AUDIT_SECONDS)
        known = await self._nodes.send_any(protocol.metadata_of_all())
        present = {broker.node_id: broker for broker in known.brokers}
        holders = {node for topic in known.topics for entry in topic.partitions for node in entry.replica_nodes}
        addresses = {node: address(broker.host, broker.port) for node, broker in present.items()}
        self._nodes.learn(addresses, holders, known.cluster_id)
        self._topics.learn(known)
        nodes = sorted({*present, *holders})  # a node that is down is not among the brokers
        topics = [topic for topic in known.topics if topic.is_internal or wanted(topic.name)]
        by_name = await self._values_of([topic.name for topic in topics], {*settings, *INTERNAL_SETTINGS})
        values = await asyncio.gather(*(self._broker_values(node) for node in nodes))
        return Survey(
            topics={**await self._hidden(known), **{topic.name: _topic(topic, by_name[topic.name]) for topic in topics}},
            brokers=tuple(_broker(node, present.get(node), found) for node, found in zip(nodes, values, strict=True)),
            requests=self._nodes.requests - sent_before,
            cluster=self._nodes.cluster,
            features=self._nodes.features,
        )

    async def _hidden(self, known: protocol.Response) -> dict[str, TopicFound]:
        """Kafka's own topics that the user may not see: metadata of all topics leaves them out without a word."""
        missing = INTERNAL - {topic.name for topic in known.topics}
        if not missing:
            return {}
        answer = await self._nodes.send_any(protocol.metadata(sorted(missing)))
        refused = {
            topic.name: denied(topic.error_code, f"topic {topic.name}", "Describe and DescribeConfigs on it")
            for topic in answer.topics
            if topic.error_code not in (0, TOPIC_UNKNOWN)  # there is none before the first commit or transaction
        }
        return {name: TopicFound(name, why, why, internal=True) for name, why in refused.items()}

    async def write(self, changes: Collection[Change]) -> Mapping[Change, Unknown]:
        """See ``SettingsBroker.write``; ends within 30 seconds."""
        self._nodes.begin(asyncio.get_running_loop().time() + AUDIT_SECONDS)
        by_topic: dict[str, list[Change]] = defaultdict(list)
        for change in changes:
            by_topic[change.name].append(change)
        failed: dict[Change, Unknown] = {}
        for names in _batches(list(by_topic)):
            refused = await self._alter({name: by_topic[name] for name in names})
            failed.update((change, why) for name, why in refused.items() for change in by_topic[name])
        await self._shown([change for change in changes if change not in failed])
        return failed

    async def close(self) -> None:
        """See ``SettingsBroker.close``."""
        await self._nodes.close()

    async def _shown(self, changes: Collection[Change]) -> None:
        """Wait until the node that is asked shows what the controller accepted: it hears of it up to half a second later."""
        clock = asyncio.get_running_loop()
        until = clock.time() + SHOWN_SECONDS
        missing = list(changes)
        while missing and clock.time() < until:
            try:
                topics = list(dict.fromkeys(change.name for change in missing))
                found = await self._values_of(topics, {change.setting for change in missing})
            except BrokerError:
                return  # whoever reads it back will say so
            missing = [change for change in missing if not _shows(found[change.name], change)]
            if missing:
                await asyncio.sleep(SHOWN_EVERY)

    async def _values_of(self, names: Sequence[str], keys: Collection[str]) -> dict[str, Values | Unknown]:
        """The settings of each topic, asked in batches at once."""
        answers = await asyncio.gather(*(self._batch(batch, keys) for batch in _batches(names)))
        return {name: found for answer in answers for name, found in answer.items()}

    async def _batch(self, names: Sequence[str], keys: Collection[str]) -> dict[str, Values | Unknown]:
        try:
            answer = await self._nodes.send_any(protocol.describe_configs(protocol.TOPIC, names, keys))
        except RequestError as error:
            return dict.fromkeys(names, error.unknown)
        found = dict(_values(answer, "topic {}", "the topic"))
        left_out = Unknown(UnknownReason.BROKER_ERROR, "the broker left out settings of topics")
        return {name: found.get(name, left_out) for name in names}

    async def _broker_values(self, node: int) -> Values | Unknown:
        try:
            answer = await self._nodes.send(node, protocol.describe_configs(protocol.BROKER, [str(node)], _BROKER_KEYS))
        except RequestError as error:
            return error.unknown
        left_out = Unknown(UnknownReason.BROKER_ERROR, f"broker {node} left out its settings")
        return next((found for _, found in _values(answer, "settings of broker {}", "the cluster")), left_out)

    async def _alter(self, changes: Mapping[str, Sequence[Change]]) -> dict[str, Unknown]:
        """The topics whose changes were refused, or about which nothing was answered."""
        settings = {topic: {change.setting: change.value for change in of_topic} for topic, of_topic in changes.items()}
        try:
            answer = await self._nodes.send_any(protocol.alter_configs(protocol.TOPIC, settings))
        except RequestError as error:
            return dict.fromkeys(changes, error.unknown)
        except BrokerError as error:  # it may have arrived all the same
            return dict.fromkeys(changes, Unknown(error.reason, str(error)))
        results = {result.resource_name: result for result in answer.responses}
        left_out = Unknown(UnknownReason.BROKER_ERROR, "the broker did not answer for it")
        refused = {
            topic: denied(result.error_code, f"topic {topic}", "AlterConfigs on the topic", result.error_message)
            for topic, result in results.items()
            if result.error_code
        }
        return {**dict.fromkeys(changes.keys() - results.keys(), left_out), **refused}


def _shows(values: Values | Unknown, change: Change) -> bool:
    """Whether a change is there, or nobody can tell."""
    if isinstance(values, Unknown):
        return True
    shown = values.get(change.setting)
    if change.value is None:
        return shown is None or shown.source is not Source.TOPIC
    return shown is not None and shown.text == change.value


def _batches(names: Sequence[str]) -> Iterator[Sequence[str]]:
    return (names[start : start + BATCH] for start in range(0, len(names), BATCH))


def _values(answer: protocol.Response, what: str, resource: str) -> Iterator[tuple[str, Values | Unknown]]:
    """The settings of each resource of an answer, or why they were not told; ``resource`` is what ACLs would have to allow."""
    for result in answer.results:
        if result.error_code:
            yield (
                result.resource_name,
                denied(result.error_code, what.format(result.resource_name), f"DescribeConfigs on {resource}"),
            )
        else:
            yield result.resource_name, {entry.name: _value(entry) for entry in result.configs}


def _value(entry: protocol.Response) -> Value:
    text = None if entry.is_sensitive else entry.value
    return Value(text, _SOURCES.get(entry.config_source, Source.DYNAMIC), live=not entry.read_only)


def _topic(found: protocol.Response, values: Values | Unknown) -> TopicFound:
    if found.error_code:
        return TopicFound(found.name, from_code(found.error_code, f"topic {found.name}"), values, internal=found.is_internal)
    entries = sorted(found.partitions, key=lambda entry: int(entry.partition_index))
    placements = tuple(map(_placement, entries))
    incarnation = str(found.topic_id)
    return TopicFound(found.name, placements, values, internal=found.is_internal, id="" if incarnation == NO_ID else incarnation)


def _placement(entry: protocol.Response) -> Placement:
    led = entry.leader_id != protocol.NO_NODE
    return Placement(entry.partition_index, tuple(entry.replica_nodes), tuple(entry.isr_nodes), led)


def _broker(node: int, found: protocol.Response | None, values: Values | Unknown) -> BrokerFound:
    rack = (found.rack or None) if found is not None else None
    if isinstance(values, Unknown):
        return BrokerFound(node, rack, values, values)
    own = {key: values[key] for key in OWN if key in values}
    return BrokerFound(node, rack, own, dict(_defaults(values)))


def _defaults(values: Values) -> Iterator[tuple[str, Value]]:
    """What topics get that set nothing themselves, by the topics' keys and in their units."""
    for topic_key, keys in INHERITED.items():
        for key, unit in keys.items():
            value = values.get(key)
            if value is None or value.text is None:
                continue
            text = value.text if unit == 1 or value.text == "-1" else str(int(value.text) * unit)
            yield topic_key, Value(text, value.source, value.live, key)
            break
