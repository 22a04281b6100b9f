"""Settings of a RocketMQ cluster: reads what matters to policies from every broker, and writes what takes effect while they run.

Implements ``brokers.base.DeliveryBroker``. ``configs`` asks single brokers, ``halves`` remembers what became of transactions.
Requests per survey: one to a name server, one for the topics of each set, and of sets that hold a matched topic one for each
broker, six for the master (RocketMQ 4: one more for each) and another to a name server: however many topics and groups there
are. Half messages that were given up since the last survey are read once, ten requests at the most.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from floodwarden.brokers.base import BrokerError
from floodwarden.brokers.rocketmq.bodies import Pairs
from floodwarden.brokers.rocketmq.brokers import Brokers, label
from floodwarden.brokers.rocketmq.configs import Committed, Configs
from floodwarden.brokers.rocketmq.halves import Halves
from floodwarden.brokers.rocketmq.links import Links
from floodwarden.brokers.rocketmq.names import NameServers, telling
from floodwarden.brokers.rocketmq.security import Security
from floodwarden.core.delivery.audit import Findings
from floodwarden.core.delivery.ledger import Resource
from floodwarden.core.delivery.rocketmq import judging
from floodwarden.core.delivery.rocketmq.found import MASTER, BrokerSet, RocketMQFound, Server, TopicOn, Transactions
from floodwarden.core.delivery.rocketmq.halves import STATE, WAITING
from floodwarden.core.delivery.rocketmq.needs import WRITABLE
from floodwarden.core.delivery.rocketmq.topics import RETRIES, WRITE, is_system
from floodwarden.core.delivery.survey import Change
from floodwarden.core.delivery.violations import NODES
from floodwarden.core.delivery.wishes import Wishes
from floodwarden.core.observation import Unknown, UnknownReason

_GONE: Final = "no name server knows it: if it was taken out of service, it is forgotten an hour after that"
SURVEY_SECONDS: Final = 8.0
# How far a slave may be behind without being out of sync, in bytes: where a broker does not tell its bound.
_BEHIND: Final = 256 * 2**20


@dataclass(frozen=True, slots=True)
class _Place:
    """One broker: where it is, and what people call it."""

    number: int
    address: str
    who: str
    here: bool


class RocketMQSettings:
    """The settings of a RocketMQ cluster, reached through its name servers (``host:port``)."""

    def __init__(self, name_servers: Sequence[str], security: Security | None = None) -> None:
        self._links = Links(security or Security())
        self._names = NameServers(name_servers, self._links)
        self._brokers = Brokers(self._names, self._links)
        self._configs = Configs(self._links)
        self._halves = Halves(self._configs)

    @property
    def requests(self) -> int:
        """See ``DeliveryBroker.requests``."""
        return self._links.requests

    async def survey(self, wanted: Callable[[str], bool]) -> RocketMQFound:
        """See ``DeliveryBroker.survey``; ends within 8 seconds."""
        self._begin()
        await self._brokers.refresh()
        places = self._places()
        self._halves.keep(places)
        sets = await asyncio.gather(*(self._of_set(name, among, wanted) for name, among in places.items()))
        silent = [some.topics for some in sets if isinstance(some.topics, Unknown)]
        if len(silent) == len(sets):
            why = telling(silent)
            raise BrokerError(why.reason, f"no broker could be read: {why.detail}")
        return RocketMQFound(tuple(sets), self._brokers.identity)

    def judge(
        self, found: RocketMQFound, policies: Collection[Wishes], beside: Collection[Wishes] = ()
    ) -> Mapping[str, Findings]:
        """See ``DeliveryBroker.judge``."""
        return judging.judge(found, policies, beside)

    def made(self, found: RocketMQFound) -> Mapping[str, Change]:
        """See ``DeliveryBroker.made``: all that is written are settings that brokers have anyway."""
        return {}

    async def write(self, changes: Collection[Change]) -> Mapping[Change, Unknown]:
        """See ``DeliveryBroker.write``. What would need a restart is refused."""
        self._begin()
        await self._brokers.refresh()
        of_brokers: dict[str, list[Change]] = defaultdict(list)
        of_groups: list[Change] = []
        of_halves: dict[str, Change] = {}
        failed: dict[Change, Unknown] = {}
        for change in changes:
            if change.kind == NODES and change.setting in WRITABLE and change.value is not None:
                of_brokers[change.name].append(change)
            elif change.kind == "group" and change.setting == RETRIES and change.value is not None:
                of_groups.append(change)
            elif change.kind == Resource.HALF_MESSAGE and (change.setting, change.value) == (STATE, WAITING):
                of_halves[change.name] = change
            else:
                why = f"{change.setting} of {change.resource} is not written while brokers run"
                failed[change] = Unknown(UnknownReason.UNSUPPORTED, why)
        written = await asyncio.gather(
            *(self._write(name, some) for name, some in of_brokers.items()), *self._writing_groups(of_groups)
        )
        for refused in written:
            failed.update(refused)
        lost = await self._halves.given_up.put_back(of_halves)
        return {**failed, **{of_halves[key]: why for key, why in lost.items()}}

    async def close(self) -> None:
        """See ``DeliveryBroker.close``."""
        await self._links.close()

    def _begin(self) -> None:
        self._links.begin(asyncio.get_running_loop().time() + SURVEY_SECONDS)

    def _places(self) -> dict[str, list[_Place]]:
        """Every broker known, by the name of its set: masters first, those that are away too."""
        found: dict[str, list[_Place]] = defaultdict(list)
        for (name, number), address in sorted(self._brokers.all.items()):
            found[name].append(_Place(number, address, label(name, number, address), self._brokers.here(name, number)))
        return dict(found)

    async def _of_set(self, name: str, places: Sequence[_Place], wanted: Callable[[str], bool]) -> BrokerSet:
        teller, topics = await self._topics(places)
        if not isinstance(topics, Unknown):
            topics = {topic: on for topic, on in topics.items() if wanted(topic) and not is_system(topic)}
        if isinstance(topics, Unknown):
            unread = topics if any(place.here for place in places) else Unknown(topics.reason, f"{topics.detail}; {_GONE}")
            servers = [Server(place.who, place.number, unread, here=place.here) for place in places]
            return BrokerSet(name, tuple(servers), unread, unread, unread, unread)
        if not topics:
            return BrokerSet(name, (), topics, {}, {}, Unknown(UnknownReason.TOPIC_MISSING, "no matched topic is there"))
        servers, groups, (committed, transactions), wiped = await asyncio.gather(
            self._servers(places),
            self._configs.groups(teller.address, teller.who),
            self._positions(name, teller),
            self._names.wiped(min(topics, key=lambda topic: (not topics[topic].perm & WRITE, topic))),
        )
        self._brokers.retire(name, retiring=_retiring(name, servers, topics, wiped))
        return BrokerSet(name, tuple(servers), topics, _retries(groups), _readers(committed), transactions)

    async def _topics(self, places: Sequence[_Place]) -> tuple[_Place, Mapping[str, TopicOn] | Unknown]:
        """Who tells the topics of a set, the first of its brokers that answers, the master before its slaves; and the topics."""
        failures: list[Unknown] = []
        for place in places:
            told = await self._configs.topics(place.address, place.who)
            if not isinstance(told, Unknown):
                return place, told
            failures.append(told)
        return places[0], telling(failures)

    async def _configured(self, place: _Place) -> Server:
        config = await self._configs.settings(place.address, place.who)
        return Server(place.who, place.number, config, here=place.here)

    async def _servers(self, places: Sequence[_Place]) -> list[Server]:
        configured = await asyncio.gather(*(self._configured(place) for place in places))
        return [
            Server(server.name, server.number, server.config, await self._in_sync(place, server, places), server.here)
            if place.number == MASTER
            else server
            for place, server in zip(places, configured, strict=True)
        ]

    async def _in_sync(self, master: _Place, server: Server, places: Sequence[_Place]) -> int | Unknown:
        """How many slaves follow a master. Brokers of RocketMQ 4 do not tell: there the ends of the logs are compared."""
        told = await self._configs.following(master.address, master.who)
        if not isinstance(told, Unknown) or told.reason is not UnknownReason.UNSUPPORTED:
            return told
        # The master first: what it gets meanwhile does not count against its slaves.
        end = await self._configs.log_end(master.address, master.who)
        slaves = [place for place in places if place.number != MASTER]
        ends = await asyncio.gather(*(self._configs.log_end(slave.address, slave.who) for slave in slaves))
        for one in (end, *ends):
            if isinstance(one, Unknown):
                return one
        assert not isinstance(end, Unknown), "it was looked at"
        bound = _bound(server)
        return sum(1 for one in ends if not isinstance(one, Unknown) and end - one < bound)

    async def _positions(self, name: str, teller: _Place) -> tuple[Committed | Unknown, Transactions | Unknown]:
        committed = await self._configs.committed(teller.address, teller.who)
        if teller.number != MASTER:
            return committed, self._brokers.lost(name)
        return committed, await self._halves.look(name, teller.address, teller.who, committed)

    async def _write(self, name: str, changes: Sequence[Change]) -> dict[Change, Unknown]:
        address = next((address for who, address in self._brokers.all.items() if label(*who, address) == name), None)
        if address is None:
            why = Unknown(UnknownReason.BROKER_UNREACHABLE, f"broker {name} is not known any more")
            return dict.fromkeys(changes, why)
        settings = {change.setting: change.value for change in changes if change.value is not None}
        refused = await self._configs.write(address, name, settings)
        return {} if refused is None else dict.fromkeys(changes, refused)

    def _writing_groups(self, changes: Sequence[Change]) -> Iterable[Any]:
        """A task for each master that may have these groups."""
        masters = self._brokers.masters.items() if changes else ()
        return (self._write_groups(label(name, MASTER, address), address, changes) for name, address in masters)

    async def _write_groups(self, who: str, address: str, changes: Sequence[Change]) -> dict[Change, Unknown]:
        """On one master, of those that it has and that differ there: all else of a group's configuration stays as it is."""
        groups = await self._configs.groups(address, who)
        if isinstance(groups, Unknown):
            return dict.fromkeys(changes, groups)
        failed: dict[Change, Unknown] = {}
        for change in changes:
            config, wanted = groups.get(change.name), int(change.value or 0)
            if config is None or config[RETRIES] <= wanted:
                continue
            if not _plain(config):
                why = f"the configuration of group {change.name} on broker {who} has parts that Floodwarden does not know"
                failed[change] = Unknown(UnknownReason.UNSUPPORTED, why)
                continue
            refused = await self._configs.write_group(address, who, {**config, RETRIES: wanted})
            if refused is not None:
                failed[change] = refused
        return failed


def _retiring(name: str, servers: Sequence[Server], topics: Mapping[str, TopicOn], wiped: frozenset[str] | Unknown) -> bool:
    """Whether nobody is to write to a set any more: by its brokerPermission, or by what name servers were told (wipeWritePerm)
    where its own topics may be written."""
    configs = [server.config for server in servers if not isinstance(server.config, Unknown) and server.takes_messages]
    shut = bool(configs) and all(_shut(config.get("brokerPermission", "")) for config in configs)
    return shut or (not isinstance(wiped, Unknown) and name in wiped and any(one.perm & WRITE for one in topics.values()))


def _shut(permission: str) -> bool:
    return permission.isdecimal() and not int(permission) & WRITE


def _bound(server: Server) -> int:
    """How many bytes a slave may be behind."""
    told = "" if isinstance(server.config, Unknown) else server.config.get("haSlaveFallbehindMax", "")
    return int(told) if told.isdecimal() else _BEHIND


def _retries(groups: Mapping[str, Mapping[str, Any]] | Unknown) -> dict[str, int] | Unknown:
    return groups if isinstance(groups, Unknown) else {name: config[RETRIES] for name, config in groups.items()}


def _readers(committed: Committed | Unknown) -> dict[str, frozenset[str]] | Unknown:
    if isinstance(committed, Unknown):
        return committed
    found: dict[str, set[str]] = defaultdict(set)
    for group, topic in committed:
        found[topic].add(group)
    return {topic: frozenset(groups) for topic, groups in found.items()}


def _plain(value: Any) -> bool:
    """Whether it can be written as it was read."""
    if isinstance(value, Pairs):
        return False
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return all(map(_plain, parts))
