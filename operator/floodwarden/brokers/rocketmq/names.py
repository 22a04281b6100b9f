"""The name servers: who the brokers are, and where a topic's queues are. Each knows all, so they are asked in turn.

A name server that has just started knows nothing yet: before "there is none" is believed, all that answer have said so.
``brokers`` and ``topics`` ask.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from floodwarden.brokers.rocketmq import bodies, requests
from floodwarden.brokers.rocketmq.bodies import BodyError, Pairs
from floodwarden.brokers.rocketmq.errors import NOT_SUPPORTED, OK, RequestError, from_answer, unreadable
from floodwarden.brokers.rocketmq.frames import Frame
from floodwarden.brokers.rocketmq.links import Links
from floodwarden.core.observation import Unknown, UnknownReason

READABLE: Final = 4  # bits of a topic's perm
WRITABLE: Final = 2
MOST_QUEUES: Final = 10_000  # of a topic on one broker
# Which of several failures says most about what to do.
_TELLING: Final = (
    UnknownReason.AUTHENTICATION_FAILED,
    UnknownReason.AUTHORIZATION_FAILED,
    UnknownReason.TOPIC_MISSING,
    UnknownReason.UNSUPPORTED,
    UnknownReason.BROKER_ERROR,
    UnknownReason.TIMEOUT,
)
T = TypeVar("T")

Addresses = Mapping[str, Mapping[int, str]]  # by the name of a broker: its master (0) and slaves, each with its address


@dataclass(frozen=True, slots=True)
class Route:
    """How many queues of a topic can be read on each broker, by the broker's name. ``static``: its queues move over brokers."""

    readable: Mapping[str, int]
    static: bool = False


class NameServers:
    """The name servers of one cluster (``host:port``)."""

    def __init__(self, addresses: Sequence[str], links: Links) -> None:
        self.addresses = tuple(dict.fromkeys(addresses))
        self._links = links
        self._last = 0  # who answered last
        self._proven: set[str] = set()  # those that are name servers

    async def brokers(self) -> Addresses | Unknown:
        """Every broker that is registered; Unknown where none is, too."""
        return await self._ask(requests.GET_BROKER_CLUSTER_INFO, {}, "the brokers", _addresses)

    async def route(self, topic: str) -> Route | Unknown:
        """Where the topic's queues are; TOPIC_MISSING where no name server knows it."""
        fields = {"topic": topic, "acceptStandardJsonOnly": "true"}
        return await self._ask(requests.GET_ROUTEINFO_BY_TOPIC, fields, f"topic {topic}", _route)

    async def wiped(self, topic: str) -> frozenset[str] | Unknown:
        """The names of the brokers that have a topic and to which producers are not sent with it (mqadmin wipeWritePerm)."""
        fields = {"topic": topic, "acceptStandardJsonOnly": "true"}
        return await self._ask(requests.GET_ROUTEINFO_BY_TOPIC, fields, f"topic {topic}", _wiped)

    async def _ask(self, code: int, fields: Mapping[str, str], what: str, read: Callable[[bytes], T]) -> T | Unknown:
        """The first good answer, beginning with whoever gave the last one; else the failure that says most."""
        failures: list[Unknown] = []
        count = len(self.addresses)
        for index in ((self._last + step) % count for step in range(count)):
            address = self.addresses[index]
            try:
                answer = await self._answer(address, code, fields)
                if answer.code == NOT_SUPPORTED:
                    why = f"{address} is no name server, but a broker or a proxy: correct nameServers"
                    failures.append(Unknown(UnknownReason.UNSUPPORTED, why))
                    continue
                if answer.code == OK:
                    found = read(answer.body)
                    self._last = index
                    return found
                failures.append(from_answer(answer, f"{what} at name server {address}"))
            except RequestError as error:
                failures.append(error.unknown)
            except BodyError as error:
                failures.append(unreadable(error, f"{what} at name server {address}"))
        return telling(failures)

    async def _answer(self, address: str, code: int, fields: Mapping[str, str]) -> Frame:
        """What is answered there; what a proxy says to a question that only name servers know, where it is one.

        Proxies tell routes as well, with themselves in the brokers' place: what they say is nobody else's word.
        """
        if code != requests.GET_BROKER_CLUSTER_INFO and address not in self._proven:
            first = await self._links.send(address, requests.GET_BROKER_CLUSTER_INFO, {})
            if first.code == NOT_SUPPORTED:
                return first
        answer = await self._links.send(address, code, fields)
        if answer.code != NOT_SUPPORTED:
            self._proven.add(address)
        return answer


def telling(failures: Sequence[Unknown]) -> Unknown:
    """The failure that says most about what to do."""
    if not failures:
        return Unknown(UnknownReason.BROKER_UNREACHABLE, "there is no name server to ask; fill nameServers")
    return min(failures, key=lambda failure: _TELLING.index(failure.reason) if failure.reason in _TELLING else len(_TELLING))


def _addresses(body: bytes) -> Addresses:
    found: dict[str, dict[int, str]] = {}
    for name, broker in bodies.table(body, "brokerAddrTable"):
        if not isinstance(name, str):
            raise BodyError("a body has something else where the name of a broker belongs")
        listed = bodies.entries(bodies.member(broker, "brokerAddrs", (dict, Pairs), {}))
        found[name] = {bodies.number(key): address for key, address in listed if isinstance(address, str)}
    if not any(found.values()):
        raise BodyError("no broker is registered there; check that brokers run and that their namesrvAddr names it")
    return found


def _route(body: bytes) -> Route:
    told = bodies.read(body)
    readable: dict[str, int] = {}
    for queues in bodies.member(told, "queueDatas", list):
        count = bodies.member(queues, "readQueueNums", int)
        if not 0 <= count <= MOST_QUEUES:
            raise BodyError(f"a topic has {count} queues on one broker; {MOST_QUEUES} are the most")
        if bodies.member(queues, "perm", int) & READABLE and count:
            readable[bodies.member(queues, "brokerName", str)] = count
    return Route(readable, static=bool(bodies.member(told, "topicQueueMappingByBroker", (dict, Pairs), {})))


def _wiped(body: bytes) -> frozenset[str]:
    queues = bodies.member(bodies.read(body), "queueDatas", list)
    return frozenset(bodies.member(one, "brokerName", str) for one in queues if bodies.member(one, "perm", int) & WRITABLE == 0)
