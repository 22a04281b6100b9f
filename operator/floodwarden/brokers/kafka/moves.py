"""Reassignment of replicas on a Kafka cluster, and how much of the network it may take: ``brokers.abilities.ReplicaMoves``.

Reassignments go to any node, which passes them on to the controller. A node's own settings only the node itself reads and
writes; those of topics are read and written together.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

from floodwarden.brokers.base import BrokerError
from floodwarden.brokers.kafka import protocol, protocol_moves
from floodwarden.brokers.kafka.errors import RequestError, denied
from floodwarden.brokers.kafka.nodes import Nodes
from floodwarden.core.delivery.ledger import Place, Resource
from floodwarden.core.delivery.placement import Moving, UnderWay
from floodwarden.core.delivery.survey import Placement
from floodwarden.core.delivery.throttle import FOLLOWERS, LEADERS, RATES, Refusal, refusal, same
from floodwarden.core.observation import Partition, Unknown, UnknownReason

MOVE_SECONDS: Final = 30.0
SHOWN_SECONDS: Final = 5.0
SHOWN_EVERY: Final = 0.1  # seconds
_ASSIGN: Final = "Alter on the cluster"
_KINDS: Final = {Resource.TOPIC: protocol.TOPIC, Resource.BROKER: protocol.BROKER}
_KEYS: Final = {Resource.TOPIC: (LEADERS, FOLLOWERS), Resource.BROKER: RATES}
_ON: Final = {Resource.TOPIC: "topic", Resource.BROKER: "cluster"}  # what ACLs would have to allow

Settings = Mapping[Place, str | None]
Owner = tuple[Resource, str]  # a topic or a node


class KafkaMoves:
    """Shares the nodes of ``KafkaSettings``; every call ends within 30 seconds."""

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes

    async def under_way(self) -> Moving | Unknown:
        """See ``ReplicaMoves.under_way``."""
        self._begin()
        try:
            answer = await self._nodes.send_any(protocol_moves.list_reassignments())
        except RequestError as error:
            return error.unknown
        if answer.error_code:
            return denied(answer.error_code, "reassignments", "Describe on the cluster", answer.error_message)
        return {
            Partition(topic.name, one.partition_index): UnderWay(
                tuple(one.replicas), tuple(one.adding_replicas), tuple(one.removing_replicas)
            )
            for topic in answer.topics
            for one in topic.partitions
        }

    async def replicas(self, topics: Collection[str]) -> Mapping[str, tuple[Placement, ...] | Unknown]:
        """See ``ReplicaMoves.replicas``."""
        self._begin()
        try:
            answer = await self._nodes.send_any(protocol.metadata(topics))
        except RequestError as error:
            return dict.fromkeys(topics, error.unknown)
        left_out = Unknown(UnknownReason.BROKER_ERROR, "the broker left out topics")
        return dict.fromkeys(topics, left_out) | {topic.name: _placements(topic) for topic in answer.topics}

    async def throttles(self, brokers: Collection[int], topics: Collection[str]) -> Mapping[Place, str | Unknown | None]:
        """See ``ReplicaMoves.throttles``."""
        self._begin()
        owners = [*((Resource.TOPIC, name) for name in topics), *((Resource.BROKER, str(node)) for node in brokers)]
        return await self._read(owners)

    async def refusals(self, settings: Settings) -> Collection[Refusal]:
        """See ``ReplicaMoves.refusals``."""
        self._begin()
        refused = await self._alter(settings, protocol_moves.try_configs)
        allowed = await self._assign({})
        found = [refusal(resource, name, why) for (resource, name), why in refused.items()]
        return [*found, Refusal(None, allowed)] if isinstance(allowed, Unknown) else found

    async def throttle(self, settings: Settings) -> Mapping[Place, Unknown]:
        """See ``ReplicaMoves.throttle``."""
        self._begin()
        refused = await self._alter(settings, protocol.alter_configs)
        failed = {place: refused[place[:2]] for place in settings if place[:2] in refused}
        hidden = await self._not_shown({place: value for place, value in settings.items() if place not in failed})
        return {**failed, **hidden}

    async def move(self, targets: Mapping[Partition, Sequence[int]]) -> Mapping[Partition, Unknown] | Unknown:
        """See ``ReplicaMoves.move``."""
        self._begin()
        return await self._assign(targets)

    def _begin(self) -> None:
        self._nodes.begin(asyncio.get_running_loop().time() + MOVE_SECONDS)

    async def _assign(self, targets: Mapping[Partition, Sequence[int]]) -> dict[Partition, Unknown] | Unknown:
        """The partitions that were refused, or why all were."""
        try:
            answer = await self._nodes.send_any(protocol_moves.alter_reassignments(targets))
        except RequestError as error:
            return error.unknown
        except BrokerError as error:  # it may have arrived all the same
            return Unknown(error.reason, str(error))
        if answer.error_code:
            return denied(answer.error_code, "reassignments", _ASSIGN, answer.error_message)
        return {
            Partition(topic.name, one.partition_index): denied(
                one.error_code, f"partition {one.partition_index} of topic {topic.name}", _ASSIGN, one.error_message
            )
            for topic in answer.responses
            for one in topic.partitions
            if one.error_code
        }

    async def _read(self, owners: Collection[Owner]) -> dict[Place, str | Unknown | None]:
        """The throttles of topics and nodes."""
        topics = [name for resource, name in owners if resource is Resource.TOPIC]
        asked = [(Resource.BROKER, [name]) for resource, name in owners if resource is Resource.BROKER]
        if topics:
            asked.append((Resource.TOPIC, topics))
        answers = await asyncio.gather(*(self._describe(resource, names) for resource, names in asked))
        return {place: value for answer in answers for place, value in answer.items()}

    async def _describe(self, resource: Resource, names: Sequence[str]) -> dict[Place, str | Unknown | None]:
        keys = _KEYS[resource]
        left_out = Unknown(UnknownReason.BROKER_ERROR, f"the throttle of {resource} {', '.join(names)} was not told")
        found: dict[Place, str | Unknown | None] = {(resource, name, key): left_out for name in names for key in keys}
        try:
            answer = await self._send(resource, names, protocol.describe_configs(_KINDS[resource], names, keys))
        except RequestError as error:
            return dict.fromkeys(found, error.unknown)
        for result in answer.results:
            what, right = f"{resource} {result.resource_name}", f"DescribeConfigs on the {_ON[resource]}"
            failed = denied(result.error_code, what, right, result.error_message) if result.error_code else None
            values = {} if failed else {entry.name: entry.value for entry in result.configs}
            for key in keys:  # a node leaves out what is not set
                found[resource, result.resource_name, key] = failed or values.get(key) or None
        return found

    async def _alter(self, settings: Settings, build: Callable[..., protocol.Request]) -> dict[Owner, Unknown]:
        """The topics and nodes whose settings were refused, or about which nothing was answered."""
        by_owner: dict[Owner, dict[str, str | None]] = defaultdict(dict)
        for (resource, name, key), value in settings.items():
            by_owner[resource, name][key] = value
        topics = {name: values for (resource, name), values in by_owner.items() if resource is Resource.TOPIC}
        asked = [
            (Resource.BROKER, {name: values}) for (resource, name), values in by_owner.items() if resource is Resource.BROKER
        ]
        if topics:
            asked.append((Resource.TOPIC, topics))
        answers = await asyncio.gather(*(self._alter_some(resource, values, build) for resource, values in asked))
        return {owner: why for answer in answers for owner, why in answer.items()}

    async def _alter_some(
        self, resource: Resource, values: Mapping[str, Mapping[str, str | None]], build: Callable[..., protocol.Request]
    ) -> dict[Owner, Unknown]:
        names = list(values)
        try:
            answer = await self._send(resource, names, build(_KINDS[resource], values))
        except RequestError as error:
            return {(resource, name): error.unknown for name in names}
        except BrokerError as error:  # it may have arrived all the same
            return {(resource, name): Unknown(error.reason, str(error)) for name in names}
        left_out = Unknown(UnknownReason.BROKER_ERROR, "the broker did not answer for it")
        refused = {(resource, name): left_out for name in names}
        for result in answer.responses:
            what, right = f"{resource} {result.resource_name}", f"AlterConfigs on the {_ON[resource]}"
            refused.pop((resource, result.resource_name), None)
            if result.error_code:
                refused[resource, result.resource_name] = denied(result.error_code, what, right, result.error_message)
        return refused

    async def _send(self, resource: Resource, names: Sequence[str], request: protocol.Request) -> protocol.Response:
        return await (self._nodes.send(int(names[0]), request) if resource is Resource.BROKER else self._nodes.send_any(request))

    async def _not_shown(self, settings: Settings) -> dict[Place, Unknown]:
        """What does not read back as it was written, though it was accepted: a node hears of it a moment later."""
        clock = asyncio.get_running_loop()
        until = clock.time() + SHOWN_SECONDS
        missing = dict(settings)
        while missing:
            found = await self._read(list(dict.fromkeys((place[0], place[1]) for place in missing)))
            missing = {place: value for place, value in missing.items() if not _shows(found[place], value)}
            if missing and clock.time() > until:
                late = Unknown(UnknownReason.TIMEOUT, "the broker accepted it, but does not show it")
                return {place: found[place] if isinstance(found[place], Unknown) else late for place in missing}  # type: ignore[misc]
            if missing:
                await asyncio.sleep(SHOWN_EVERY)
        return {}


def _shows(found: str | Unknown | None, value: str | None) -> bool:
    return not isinstance(found, Unknown) and same(found, value)


def _placements(topic: protocol.Response) -> tuple[Placement, ...] | Unknown:
    if topic.error_code:
        return denied(topic.error_code, f"topic {topic.name}", "Describe on the topic")
    entries = sorted(topic.partitions, key=lambda entry: int(entry.partition_index))
    return tuple(Placement(entry.partition_index, tuple(entry.replica_nodes), tuple(entry.isr_nodes)) for entry in entries)
