"""How far groups have got: what they have committed, queue by queue, and where they never have.

It is read from each master in one request for all groups (GET_ALL_CONSUMER_OFFSET): that costs as much for 500 groups as for
one, and it tells who has never committed, where GET_CONSUME_STATS, group by group, answers 0. Only where that table is very large
for the groups that are watched, or refused, they are asked for one by one, and the table seldom: then it tells what a 0 means.
``adapter`` asks; ``offsets`` has the other half of a lag.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from floodwarden.brokers.rocketmq import bodies, requests
from floodwarden.brokers.rocketmq.bodies import BodyError, MessageQueue
from floodwarden.brokers.rocketmq.brokers import Brokers
from floodwarden.brokers.rocketmq.errors import NOT_SUPPORTED, OK, RequestError, from_answer, unreadable
from floodwarden.core.observation import Unknown, UnknownReason

LARGE: Final = 2**20  # bytes of a table that is read in every sweep, however few groups are watched
LARGE_FOR_EACH: Final = 4 * 2**10  # bytes for each group that is watched; its own answer would be half of that
TABLE_SECONDS: Final = 60.0  # between two looks at a table that is too large

Numbers = Mapping[int, int]  # the number of a queue on its broker → offset
Told = Mapping[tuple[str, str], Numbers]  # (group, topic) → what one master tells


@dataclass(frozen=True, slots=True)
class Commits:
    """What every master tells of some groups: (group, topic) → broker → queue → offset; and who does not tell, with why.

    ``failures`` has masters that tell nothing, ``refused`` those that tell nothing of one group.
    """

    offsets: Mapping[tuple[str, str], Mapping[str, Numbers]]
    failures: Mapping[str, Unknown]
    refused: Mapping[tuple[str, str], Unknown]  # by broker and group

    def failure(self, group: str, broker: str) -> Unknown | None:
        """Why it is not known what the group has committed on a broker."""
        return self.failures.get(broker) or self.refused.get((broker, group))

    def of(self, group: str, queue: MessageQueue) -> int | Unknown | None:
        """The next offset that the group will read there, None where it has never committed."""
        failure = self.failure(group, queue.broker)
        return failure or self.offsets.get((group, queue.topic), {}).get(queue.broker, {}).get(queue.number)

    def topics(self) -> dict[str, set[str]]:
        """The topics for which each group has committed offsets."""
        found: dict[str, set[str]] = defaultdict(set)
        for group, topic in self.offsets:
            found[group].add(topic)
        return found


@dataclass(frozen=True, slots=True)
class _Table:
    """A master's table: its bytes, what they say, and when they came. ``body`` is empty where it refuses to show it."""

    body: bytes
    told: Told
    at: float
    refused: bool = False

    def too_large(self, groups: int) -> bool:
        return self.refused or len(self.body) > max(LARGE, groups * LARGE_FOR_EACH)


class CommitReader:
    """Reads what groups have committed."""

    def __init__(self, brokers: Brokers) -> None:
        self._brokers = brokers
        self._tables: dict[str, _Table] = {}

    async def read(self, groups: Collection[str]) -> Commits:
        """What these groups have committed, by all masters. Asks even where there is no group: it proves that they answer."""
        names = list(self._brokers.masters)
        self._tables = {name: self._tables[name] for name in names if name in self._tables}
        offsets: dict[tuple[str, str], dict[str, Numbers]] = defaultdict(dict)
        failures: dict[str, Unknown] = {}
        refused: dict[tuple[str, str], Unknown] = {}
        for name, found in zip(names, await asyncio.gather(*(self._of(name, groups) for name in names)), strict=True):
            if isinstance(found, Unknown):
                failures[name] = found
                continue
            told, without = found
            refused.update(((name, group), why) for group, why in without.items())
            for (group, topic), numbers in told.items():
                if group in groups:
                    offsets[group, topic][name] = numbers
        return Commits(offsets, failures, refused)

    async def _of(self, name: str, groups: Collection[str]) -> tuple[Told, Mapping[str, Unknown]] | Unknown:
        """What one master tells, and of which groups it does not."""
        now = asyncio.get_running_loop().time()
        known = self._tables.get(name)
        if known is None or not groups or now - known.at >= TABLE_SECONDS or not known.too_large(len(groups)):
            read = await self._table(name, now)
            if isinstance(read, Unknown):
                return read
            known = self._tables[name] = read
            if not known.refused:
                return known.told, {}
        asked = sorted(groups)
        answers = await asyncio.gather(*(self._group(name, group, known.told) for group in asked))
        without = {group: told for group, told in zip(asked, answers, strict=True) if isinstance(told, Unknown)}
        if without and len(without) == len(asked):
            return next(iter(without.values()))
        found = {place: numbers for told in answers if not isinstance(told, Unknown) for place, numbers in told.items()}
        return found, without

    async def _table(self, name: str, now: float) -> _Table | Unknown:
        what = f"the offsets of all groups on broker {name}"
        try:
            answer = await self._brokers.send(name, requests.GET_ALL_CONSUMER_OFFSET, {})
            if answer.code == OK:
                last = self._tables.get(name)
                same = last is not None and not last.refused and last.body == answer.body
                return _Table(answer.body, last.told if last and same else dict(table_of(answer.body)), now)
            failure = from_answer(answer, what)
            if answer.code == NOT_SUPPORTED or failure.reason is UnknownReason.AUTHORIZATION_FAILED:
                return _Table(b"", {}, now, refused=True)
            return failure
        except RequestError as error:
            return error.unknown
        except BodyError as error:
            return unreadable(error, what)

    async def _group(self, name: str, group: str, table: Told) -> Told | Unknown:
        """What one master tells of one group. Where it says 0, the table knows whether that was ever committed."""
        what = f"group {group} on broker {name}"
        try:
            answer = await self._brokers.send(name, requests.GET_CONSUME_STATS, {"consumerGroup": group, "topic": ""})
            if answer.code != OK:
                return from_answer(answer, what)
            stats = list(_consumed(answer.body))
        except RequestError as error:
            return error.unknown
        except BodyError as error:
            return unreadable(error, what)
        # Before 5.0 topics are left out that those who are connected do not read: the table has them.
        found = {place: dict(numbers) for place, numbers in table.items() if place[0] == group}
        for queue, offset in stats:
            numbers = found.setdefault((group, queue.topic), {})
            if offset > 0 or queue.number in numbers:
                numbers[queue.number] = offset
        return found


def table_of(body: bytes) -> Iterator[tuple[tuple[str, str], Numbers]]:
    """The entries of a table; neither groups nor topics have an @ in their names."""
    for key, numbers in bodies.table(body, "offsetTable"):
        topic, mark, group = key.partition("@") if isinstance(key, str) else ("", "", "")
        if mark:
            offsets = {bodies.number(number): offset for number, offset in bodies.entries(numbers)}
            if not all(type(offset) is int for offset in offsets.values()):
                raise BodyError("a body has something else where an offset belongs")
            yield (group, topic), {number: offset for number, offset in offsets.items() if offset >= 0}


def _consumed(body: bytes) -> Iterator[tuple[MessageQueue, int]]:
    for key, offsets in bodies.table(body, "offsetTable"):
        yield bodies.queue(key), bodies.member(offsets, "consumerOffset", int)
