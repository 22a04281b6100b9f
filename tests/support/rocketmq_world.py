"""A RocketMQ cluster of fake servers: name servers, and brokers whose topics, offsets and consumers a test sets as it likes.

Bodies are written as fastjson writes them. Queues of a topic on a broker are given as (minOffset, maxOffset), in their order.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from floodwarden.brokers.rocketmq import requests
from floodwarden.brokers.rocketmq.frames import Frame
from tests.support.rocketmq_server import Answer, FakeServer, ok, refused

NOT_SUPPORTED, NO_TOPIC, NOT_ONLINE = 3, 17, 206


@dataclass
class Consumers:
    """Who is connected for a group: ids, each with the queues of topic "orders" that it reads, or None where it is mute."""

    clients: Mapping[str, Sequence[tuple[str, int]] | None]
    model: str = "CLUSTERING"
    type: str = "CONSUME_PASSIVELY"
    popping: bool = False  # as its consumers tell


@dataclass
class FakeCluster:
    """What the servers answer from; change it while they run."""

    topics: dict[str, dict[str, list[tuple[int, int]]]] = field(default_factory=dict)  # topic → broker → queues
    perms: dict[str, int] = field(default_factory=dict)  # of topics, 6 without
    commits: dict[tuple[str, str], dict[str, dict[int, int]]] = field(default_factory=dict)  # (topic, group) → broker → offsets
    consumers: dict[str, Consumers] = field(default_factory=dict)
    registered: dict[str, dict[int, str]] = field(default_factory=dict)  # what name servers know
    versions: dict[str, str] = field(default_factory=dict)  # of brokers, V5_5_0 without
    static: set[str] = field(default_factory=set)
    instead: Callable[[str, Frame], Answer] | None = None  # what a broker answers instead, by its name; None: as usual
    brokers: dict[str, FakeServer] = field(default_factory=dict)
    names: list[FakeServer] = field(default_factory=list)

    async def start(self, *brokers: str, names: int = 1) -> FakeCluster:
        """Start name servers, and these brokers, which are registered."""
        for _ in range(names):
            self.names.append(await FakeServer(self._of_name_server).start())
        for name in brokers:
            self.brokers[name] = await FakeServer(self._of(name)).start()
            self.registered[name] = {0: self.brokers[name].address}
        return self

    async def stop(self) -> None:
        """Stop all that still run."""
        for server in (*self.names, *self.brokers.values()):
            await server.stop()

    @property
    def addresses(self) -> list[str]:
        """The name servers."""
        return [server.address for server in self.names]

    def asked(self, code: int) -> list[Frame]:
        """The requests of this code, to whomever."""
        return [frame for server in (*self.names, *self.brokers.values()) for frame in server.asked if frame.code == code]

    def forget(self) -> None:
        """Forget what was asked so far."""
        for server in (*self.names, *self.brokers.values()):
            server.asked.clear()

    def _of_name_server(self, request: Frame) -> Answer:
        if request.code == requests.GET_BROKER_CLUSTER_INFO:
            brokers = {name: f'{{"brokerAddrs":{_numbered(at)},"brokerName":"{name}"}}' for name, at in self.registered.items()}
            return ok(f'{{"brokerAddrTable":{_named(brokers)},"clusterAddrTable":{{"DefaultCluster":[]}}}}')
        if request.code != requests.GET_ROUTEINFO_BY_TOPIC:
            return refused(NOT_SUPPORTED)
        topic = request.fields["topic"]
        places = {name: queues for name, queues in self.topics.get(topic, {}).items() if self.registered.get(name)}
        if not places:
            return refused(NO_TOPIC, f"No topic route info in name server for the topic: {topic}")
        perm = self.perms.get(topic, 6)
        queues = [
            {"brokerName": name, "perm": perm, "readQueueNums": len(some), "writeQueueNums": len(some)}
            for name, some in places.items()
        ]
        mapping: dict[str, object] = {"topicQueueMappingByBroker": {"broker-a": {}}} if topic in self.static else {}
        return ok(json.dumps({"brokerDatas": [], "queueDatas": queues, **mapping}))

    def _of(self, name: str) -> Callable[[Frame], Answer]:
        def answer(request: Frame) -> Answer:
            other = self.instead(name, request) if self.instead is not None else None
            return other if other is not None else self._of_broker(name, request)

        return answer

    def _of_broker(self, name: str, request: Frame) -> Answer:
        match request.code:
            case requests.GET_BROKER_RUNTIME_INFO:
                return ok(json.dumps({"table": {"brokerVersionDesc": self.versions.get(name, "V5_5_0")}}))
            case requests.GET_ALL_CONSUMER_OFFSET:
                offsets = {f"{topic}@{group}": _numbered(at[name]) for (topic, group), at in self.commits.items() if name in at}
                return ok(f'{{"dataVersion":{{"counter":1}},"offsetTable":{_named(offsets)}}}')
            case requests.GET_CONSUME_STATS:
                return self._consumed(name, request.fields["consumerGroup"])
            case requests.GET_TOPIC_STATS_INFO:
                return self._stats(name, request.fields["topic"])
            case requests.GET_CONSUMER_CONNECTION_LIST:
                return self._connections(self.consumers.get(request.fields["consumerGroup"]))
            case requests.GET_CONSUMER_RUNNING_INFO:
                return self._running(self.consumers[request.fields["consumerGroup"]], request.fields["clientId"])
        return refused(NOT_SUPPORTED)

    def _consumed(self, name: str, group: str) -> Answer:
        """Of all topics the group has committed here: 0 where it never has."""
        rows = [
            f'{_queue(topic, name, number)}:{{"brokerOffset":{end},"consumerOffset":{at[name].get(number, 0)},"lastTimestamp":0}}'
            for (topic, of), at in self.commits.items()
            if of == group and name in at
            for number, (_, end) in enumerate(self.topics.get(topic, {}).get(name, []))
        ]
        return ok(f'{{"consumeTps":0.0,"offsetTable":{{{",".join(rows)}}}}}')

    def _stats(self, name: str, topic: str) -> Answer:
        queues = self.topics.get(topic, {}).get(name)
        if queues is None:
            return refused(NO_TOPIC, f"topic[{topic}] not exist")
        rows = ",".join(
            f'{_queue(topic, name, number)}:{{"lastUpdateTimestamp":0,"maxOffset":{end},"minOffset":{start}}}'
            for number, (start, end) in enumerate(queues)
        )
        return ok(f'{{"offsetTable":{{{rows}}},"topicPutTps":0.0}}')

    def _connections(self, consumers: Consumers | None) -> Answer:
        if consumers is None:
            return refused(NOT_ONLINE, "the consumer group[x] not online")
        connections = [{"clientAddr": "127.0.0.1:51234", "clientId": client} for client in consumers.clients]
        told = {"connectionSet": connections, "consumeType": consumers.type, "messageModel": consumers.model}
        return ok(json.dumps({**told, "subscriptionTable": {}}))

    def _running(self, consumers: Consumers, client: str) -> Answer:
        owned = consumers.clients[client]
        if owned is None:
            return refused(207, f"consumer <x> <{client}> Timeout")
        rows = ",".join(f'{_queue("orders", broker, number)}:{{"droped":false}}' for broker, number in owned)
        if consumers.popping:
            return ok(f'{{"mqPopTable":{{{rows}}},"mqTable":{{}}}}')
        return ok(f'{{"mqPopTable":{{}},"mqTable":{{{rows}}}}}')


def later(seconds: float) -> None:
    """Let time pass for whoever looks at the event loop's clock."""
    loop = asyncio.get_running_loop()
    ahead = loop.time() - time.monotonic() + seconds
    loop.time = lambda: time.monotonic() + ahead  # type: ignore[method-assign]


def _queue(topic: str, broker: str, number: int) -> str:
    return f'{{"brokerName":"{broker}","queueId":{number},"topic":"{topic}"}}'


def _named(items: Mapping[str, str]) -> str:
    return "{" + ",".join(f"{json.dumps(key)}:{value}" for key, value in items.items()) + "}"


def _numbered(items: Mapping[int, int | str]) -> str:
    return "{" + ",".join(f"{key}:{json.dumps(value)}" for key, value in items.items()) + "}"
