"""Topics and their queues: on which brokers they are, and which partition each of them is.

A topic's partitions are its queues that can be read, over all brokers, numbered from 0: at first sight by the names of their
brokers and their numbers there, later ones behind. A queue keeps its number as long as the topic is watched: also while its
broker is away, when name servers no longer know that it has it. ``adapter`` refreshes; ``offsets`` asks for the queues.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Final

from floodwarden.brokers.rocketmq.bodies import MessageQueue
from floodwarden.brokers.rocketmq.brokers import Brokers
from floodwarden.brokers.rocketmq.names import NameServers, Route
from floodwarden.core.observation import Partition, Unknown, UnknownReason

REFRESH_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic: its queues, and the partition that each is."""

    partitions: Mapping[MessageQueue, Partition]

    @property
    def brokers(self) -> frozenset[str]:
        """The names of the brokers that have queues of it."""
        return frozenset(queue.broker for queue in self.partitions)


class Topics:
    """What is known of the topics that somebody asked for."""

    def __init__(self, names: NameServers, brokers: Brokers) -> None:
        self._names = names
        self._brokers = brokers
        self._known: dict[str, Topic | Unknown] = {}
        self._numbers: dict[str, dict[MessageQueue, int]] = {}
        self._read_at: dict[str, float] = {}

    def __getitem__(self, name: str) -> Topic | Unknown:
        return self._known[name]

    @property
    def names(self) -> Collection[str]:
        """The topics that somebody asked for."""
        return self._known.keys()

    def get(self, name: str) -> Topic | None:
        """The topic where it is known."""
        topic = self._known.get(name)
        return topic if isinstance(topic, Topic) else None

    async def refresh(self, wanted: Collection[str]) -> None:
        """Know these topics and no others. What is known is asked again after some seconds, a few in each sweep.

        Topics that are not known are asked in every sweep.
        """
        for kept in (self._known, self._numbers, self._read_at):
            for name in kept.keys() - set(wanted):
                del kept[name]
        now = asyncio.get_running_loop().time()
        unknown = {name for name in wanted if self.get(name) is None}
        due = sorted((at, name) for name, at in self._read_at.items() if now - at >= REFRESH_SECONDS and name not in unknown)
        few = due[: ceil(len(wanted) / REFRESH_SECONDS)]
        await self.read({*unknown, *(name for _, name in few)})

    async def read(self, names: Iterable[str]) -> None:
        """Ask for these topics now."""
        asked = sorted(names)
        now = asyncio.get_running_loop().time()
        for name, route in zip(asked, await asyncio.gather(*map(self._names.route, asked)), strict=True):
            self._take(name, route)
            self._read_at[name] = now

    def _take(self, name: str, route: Route | Unknown) -> None:
        before = self.get(name)
        kept = {queue for queue in before.partitions if self._brokers.away(queue.broker)} if before else set()
        if isinstance(route, Unknown):
            if route.reason is not UnknownReason.TOPIC_MISSING:
                # What is known stays, where it was asked for in vain.
                self._known[name] = before or route
                return
            found: set[MessageQueue] = set()
        elif route.static:
            why = f"topic {name} is static: its queues move over brokers, which Floodwarden cannot follow; use another topic"
            self._known[name] = Unknown(UnknownReason.UNSUPPORTED, why)
            return
        else:
            found = {MessageQueue(name, broker, number) for broker, count in route.readable.items() for number in range(count)}
        if found or kept:
            self._known[name] = self._numbered(name, found | kept)
        elif isinstance(route, Unknown):
            self._known[name] = route
        else:
            why = f"topic {name}: none of its queues can be read; give it perm 6 (mqadmin updateTopicPerm)"
            self._known[name] = Unknown(UnknownReason.NO_LEADER, why)

    def _numbered(self, name: str, queues: Collection[MessageQueue]) -> Topic:
        numbers = self._numbers.setdefault(name, {})
        for queue in sorted(queues):
            numbers.setdefault(queue, len(numbers))
        partitions = {queue: Partition(name, numbers[queue]) for queue in sorted(queues, key=numbers.__getitem__)}
        before = self.get(name)
        return before if before is not None and before.partitions == partitions else Topic(partitions)
