"""Consumer groups: who is connected, how they consume, and which queues each reads.

Brokers know who is connected, but not who reads which queue: that is agreed on among the consumers of a group, and asked of
each of them, through a broker. How a group consumes is looked at now and then, since it changes what its offsets mean:

* push and pull: a queue has one consumer at a time, so the queues are the ceiling;
* POP, and every client of the gRPC proxy: consumers share each queue, so there is no ceiling;
* broadcast: every consumer reads everything and keeps its offsets itself, so brokers know no backlog.

A group that nobody is connected to consumes as it did when somebody was. Where there are proxies of their own ("cluster mode"),
brokers never hear of their clients: a group that was never seen is then taken for one of theirs. ``adapter`` asks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum
from itertools import islice
from math import ceil
from typing import Any, Final

from floodwarden.brokers.rocketmq import bodies, requests
from floodwarden.brokers.rocketmq.bodies import BodyError, MessageQueue, Pairs
from floodwarden.brokers.rocketmq.brokers import Brokers
from floodwarden.brokers.rocketmq.errors import CONSUMER_NOT_ONLINE, OK, RequestError, from_answer, unreadable
from floodwarden.brokers.rocketmq.names import NameServers, Route
from floodwarden.core.observation import Unknown, UnknownReason

LOOK_SECONDS: Final = 10.0  # between two looks at how a group consumes
OWNED_SECONDS: Final = 5.0  # between two looks at who reads which queue
# A consumer that does not answer holds up one of the broker's few threads for ten seconds: not again so soon.
MUTE_SECONDS: Final = 60.0
PROXY_SECONDS: Final = 60.0  # between two looks for proxies
PROXYS_TOPIC: Final = "DefaultHeartBeatSyncerTopic"  # through which proxies of their own tell each other of their clients
MOST_ASKED: Final = 64  # consumers that are asked in one sweep


class Manner(Enum):
    """How a group consumes."""

    BOUND = "bound"  # push and pull: a queue has one consumer at a time
    SHARED = "shared"  # POP
    HIDDEN = "hidden"  # POP through a proxy: brokers do not know by whom
    BROADCAST = "broadcast"


@dataclass(frozen=True, slots=True)
class Client:
    """One connected consumer."""

    id: str
    host: str


@dataclass(frozen=True, slots=True)
class Connected:
    """Who is connected to the brokers for a group, and how they consume; nobody where ``clients`` is empty."""

    clients: Mapping[Client, str]  # with the name of a broker that each is connected to
    manner: Manner | None = None


@dataclass(frozen=True, slots=True)
class Owned:
    """What a consumer says that it reads, and whether it does so by POP; ``queues`` is None where it does not say."""

    queues: frozenset[MessageQueue] | None
    popping: bool = False


class Groups:
    """Reads groups, and remembers how they consume."""

    def __init__(self, names: NameServers, brokers: Brokers) -> None:
        self._names = names
        self._brokers = brokers
        self._proxies = False
        self._proxies_looked: float | None = None
        self._manners: dict[str, Manner] = {}
        self._looked: dict[str, float] = {}
        self._owned: dict[tuple[str, str], tuple[Owned, float]] = {}  # by group and id: what was said, and until when it is kept

    def manner(self, group: str) -> Manner:
        """How the group consumes; until somebody was seen, through a proxy where there are some, else push."""
        return self._manners.get(group, Manner.HIDDEN if self._proxies else Manner.BOUND)

    async def look(self, groups: Collection[str], wanted: Collection[str]) -> dict[str, Connected | Unknown]:
        """Who is connected for the ``wanted`` ones of these groups; and see how all of them consume, some in each sweep."""
        for kept in (self._manners, self._looked):
            for group in kept.keys() - set(groups):
                del kept[group]
        await self._look_for_proxies()
        now = asyncio.get_running_loop().time()
        self._owned = {who: kept for who, kept in self._owned.items() if now < kept[1] and who[0] in groups}
        new = {group for group in groups if group not in self._looked}
        due = sorted((at, group) for group, at in self._looked.items() if now - at >= LOOK_SECONDS and group not in wanted)
        asked = sorted({*wanted, *new, *(group for _, group in due[: ceil(len(groups) / LOOK_SECONDS)])})
        found = dict(zip(asked, await asyncio.gather(*map(self._connected, asked)), strict=True))
        known = {group: connected for group, connected in found.items() if isinstance(connected, Connected)}
        # One consumer is enough to tell how its group consumes; where members are wanted, each is asked for its queues.
        said = await self.owned({group: _some(one, None if group in wanted else 1) for group, one in known.items()})
        popping: dict[str, bool] = {}
        for (group, _), owned in said.items():
            if owned.queues is not None:
                popping[group] = popping.get(group, False) or owned.popping
        for group, connected in known.items():
            self._looked[group] = now
            if connected.manner is not None:
                # Consumers that do not say now have said before.
                before = self._manners.get(group) is Manner.SHARED
                bound = connected.manner is Manner.BOUND
                self._manners[group] = Manner.SHARED if bound and popping.get(group, before) else connected.manner
        return {group: found[group] for group in wanted}

    async def owned(self, connected: Mapping[str, Connected]) -> dict[tuple[str, str], Owned]:
        """What each consumer of these groups reads, by group and id, as far as they are bound to queues."""
        whom = [
            (group, client.id, broker)
            for group, found in connected.items()
            if found.manner is Manner.BOUND
            for client, broker in found.clients.items()
        ]
        asked = [one for one in whom if one[:2] not in self._owned][:MOST_ASKED]
        now = asyncio.get_running_loop().time()
        for (group, client, _), owned in zip(asked, await asyncio.gather(*(self._ask(*one) for one in asked)), strict=True):
            self._owned[group, client] = owned, now + (MUTE_SECONDS if owned.queues is None else OWNED_SECONDS)
        return {one[:2]: self._owned[one[:2]][0] if one[:2] in self._owned else Owned(None) for one in whom}

    async def _look_for_proxies(self) -> None:
        now = asyncio.get_running_loop().time()
        if self._proxies_looked is None or now - self._proxies_looked >= PROXY_SECONDS:
            route = await self._names.route(PROXYS_TOPIC)
            if isinstance(route, Route) or route.reason is UnknownReason.TOPIC_MISSING:
                self._proxies, self._proxies_looked = isinstance(route, Route), now

    async def _connected(self, group: str) -> Connected | Unknown:
        """Who is connected to any master. Consumers connect to all that have queues for them: one that answers is enough."""
        names = list(self._brokers.masters)
        answers = await asyncio.gather(*(self._connected_to(name, group) for name in names))
        clients: dict[Client, str] = {}
        manner: Manner | None = None
        for name, answer in zip(names, answers, strict=True):
            if isinstance(answer, Unknown):
                continue
            found, seen = answer
            clients = {**dict.fromkeys(found, name), **clients}
            manner = seen or manner
        failure = next((answer for answer in answers if isinstance(answer, Unknown)), None)
        return failure if failure is not None and not clients else Connected(clients, manner)

    async def _connected_to(self, name: str, group: str) -> tuple[tuple[Client, ...], Manner | None] | Unknown:
        what = f"group {group} on broker {name}"
        try:
            answer = await self._brokers.send(name, requests.GET_CONSUMER_CONNECTION_LIST, {"consumerGroup": group})
            if answer.code == CONSUMER_NOT_ONLINE:
                return (), None
            return _connections(answer.body) if answer.code == OK else from_answer(answer, what)
        except RequestError as error:
            return error.unknown
        except BodyError as error:
            return unreadable(error, what)

    async def _ask(self, group: str, client: str, broker: str) -> Owned:
        fields = {"consumerGroup": group, "clientId": client, "jstackEnable": "false"}
        try:
            answer = await self._brokers.send(broker, requests.GET_CONSUMER_RUNNING_INFO, fields)
            return _running(answer.body) if answer.code == OK else Owned(None)
        except (RequestError, BodyError):
            return Owned(None)


def _some(connected: Connected, most: int | None) -> Connected:
    """The same with no more than so many consumers."""
    return Connected(dict(islice(connected.clients.items(), most)), connected.manner)


def _connections(body: bytes) -> tuple[tuple[Client, ...], Manner | None]:
    told = bodies.read(body)
    clients = tuple(
        Client(bodies.member(one, "clientId", str), _host(bodies.member(one, "clientAddr", str, "")))
        for one in bodies.member(told, "connectionSet", list, [])
    )
    if not clients:
        return (), None
    if bodies.member(told, "messageModel", str, "") == "BROADCASTING":
        return clients, Manner.BROADCAST
    popping = bodies.member(told, "consumeType", str, "") == "CONSUME_POP" or any(_of_proxy(client.id) for client in clients)
    return clients, Manner.SHARED if popping else Manner.BOUND


def _of_proxy(client: str) -> bool:
    """Whether it is a gRPC client's id, whom the proxy serves by POP: host@process@count@time; others are ip@process#time."""
    return client.count("@") >= 3 and "#" not in client


def _running(body: bytes) -> Owned:
    told = bodies.read(body)
    bound = bodies.entries(bodies.member(told, "mqTable", (dict, Pairs), {}))
    return Owned(
        queues=frozenset(bodies.queue(key) for key, state in bound if not _dropped(state)),
        popping=bool(bodies.member(told, "mqPopTable", (dict, Pairs), {})),
    )


def _dropped(state: Any) -> bool:
    # As RocketMQ spells it.
    return isinstance(state, dict) and state.get("droped") is True


def _host(address: str) -> str:
    # Java prints addresses as /10.0.0.7:51234, or with the name before the slash.
    return address.rpartition("/")[2].rpartition(":")[0].strip("[]")
