"""Looks at producers: how they write, which transactions stay open, and which of those nobody will ever end.

Deciding is in ``core.delivery.producers`` and ``core.delivery.transactions``. The only write is the end of a hung transaction
that every audit of SURE_AFTER seconds has found so, right after it was found so once more: a coordinator that was just elected,
and has not heard of it, answers as if it had nothing. There is nothing to undo, so nothing is in the ledger: killed before that
write, the next audits find the transaction as it was; killed after it, they find it gone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Final

import structlog

from floodwarden.brokers.abilities import Producers
from floodwarden.core.conditions import Notice
from floodwarden.core.delivery.producers import Newest, evidence, sample, writers
from floodwarden.core.delivery.seen import Seen
from floodwarden.core.delivery.transactions import (
    OFFSETS_TOPIC,
    Active,
    Forgotten,
    Found,
    OpenTransaction,
    aborted,
    may_be_aborted,
    of_transactions,
    suspects,
)
from floodwarden.core.delivery.wishes import Wishes
from floodwarden.core.observation import Partition, Unknown
from floodwarden.sweep import clock
from floodwarden.sweep.looks.base import Round

SURE_AFTER: Final = 10.0  # seconds

_log = structlog.get_logger(__name__)


class Acks:
    """A sample of partitions with every audit; remembers what their newest batches told."""

    def __init__(self) -> None:
        self._newest: dict[Partition, Newest | Unknown] = {}
        self._last: Partition | None = None  # of the last sample

    def settings(self, policies: Collection[Wishes]) -> Collection[str]:
        """See ``Look.settings``."""
        return ()

    async def look(self, round: Round) -> Mapping[str, Seen]:
        """See ``Look.look``."""
        asking = [wishes for wishes in round.policies if wishes.acks is not None]
        by_topic = _partitions(round, asking)
        partitions = sorted(chain(*by_topic.values()))
        self._newest = {partition: self._newest[partition] for partition in partitions if partition in self._newest}
        producers = round.adapter.abilities.producers if partitions else None
        if producers is None:
            return {}
        sampled = sample(partitions, self._last)
        self._newest.update(await producers.newest(sampled, self._newest))
        self._last = sampled[-1]
        seen = {partition: self._newest[partition] for partition in sampled if partition in self._newest}
        return {wishes.name: self._told(wishes, _matched(wishes, by_topic), seen) for wishes in asking}

    def _told(self, wishes: Wishes, partitions: Collection[Partition], sampled: Mapping[Partition, Newest | Unknown]) -> Seen:
        """What is known of all partitions, and who wrote to those of this audit's sample."""
        return Seen(unproven=evidence(wishes, partitions, self._newest), writers=writers(partitions, sampled))


class Transactions:
    """All partitions with every audit; remembers how long each open transaction has been seen, and for how long as hung."""

    def __init__(self) -> None:
        self._since: dict[OpenTransaction, float] = {}  # by the clock that never jumps
        self._hung: dict[OpenTransaction, float] = {}  # likewise

    def settings(self, policies: Collection[Wishes]) -> Collection[str]:
        """See ``Look.settings``."""
        return ()

    async def look(self, round: Round) -> Mapping[str, Seen]:
        """See ``Look.look``."""
        asking = [wishes for wishes in round.policies if wishes.transactions is not None]
        producers = round.adapter.abilities.producers if asking else None
        if producers is None:
            self._since, self._hung = {}, {}
            return {}
        known = set(self._since)
        partitions = [*chain(*_partitions(round, asking).values()), *_offsets(round)]
        active = await producers.active(partitions) if partitions else {}
        unread = {partition: found for partition, found in active.items() if isinstance(found, Unknown)}
        self._watch(active)
        found = await self._found(round, producers, asking)
        now = clock.now()
        self._hung = {one: self._hung.get(one, now) for one in found if isinstance(found[one].standing, Forgotten)}
        notices = await self._abort(round, producers, asking, found)
        return {
            wishes.name: replace(
                of_transactions(wishes, round.survey.brokers, found.values(), unread, known, round.at),
                notices=tuple(notices[wishes.name]),
            )
            for wishes in asking
        }

    def _watch(self, active: Mapping[Partition, Active | Unknown]) -> None:
        """Know what is open now, and since when at the least; what cannot be read now is not forgotten."""
        now = clock.now()
        opened = [one for found in active.values() if isinstance(found, Active) for one in found.open]
        dark = {one: since for one, since in self._since.items() if isinstance(active.get(one.partition), Unknown)}
        self._since = {**{one: self._since.get(one, now) for one in opened}, **dark}

    async def _found(self, round: Round, producers: Producers, asking: Sequence[Wishes]) -> dict[OpenTransaction, Found]:
        """Those that are old enough to matter, with what coordinators know of them."""
        now = clock.now()
        watched = {one: now - since for one, since in self._since.items()}
        standings = await producers.standings(suspects(watched, asking, round.at))
        if not standings:
            return {}
        stable = await producers.stable({one.partition for one in standings})
        return {
            one: Found(one, standing, watched.get(one, 0.0), _number(stable[one.partition]))
            for one, standing in standings.items()
        }

    async def _abort(
        self, round: Round, producers: Producers, asking: Sequence[Wishes], found: dict[OpenTransaction, Found]
    ) -> Mapping[str, list[Notice]]:
        """End the hung ones that policies have ended, if they still are: ``found`` keeps those that are left."""
        notices: dict[str, list[Notice]] = defaultdict(list)
        now = clock.now()
        sure = [one for one, since in self._hung.items() if now - since >= SURE_AFTER]
        wanted = {one: wishes for wishes in asking for one in sure if may_be_aborted(wishes, found[one], round.at)}
        if not any(round.may_act(wishes.name) for wishes in wanted.values()):
            return notices
        again = await producers.standings(list(wanted))
        for one in wanted:
            if one in again:
                found[one] = replace(found[one], standing=again[one])
            else:
                del found[one]
        ended = [one for one, standing in again.items() if isinstance(standing, Forgotten) and round.may_act(wanted[one].name)]
        failed = await producers.abort(ended) if ended else {}
        for one in ended:
            if one in failed:
                found[one] = replace(found[one], failure=failed[one])
                continue
            wishes = wanted[one]
            assert wishes.transactions is not None, "it asked for this"
            notices[wishes.name].append(aborted(wishes.transactions, found.pop(one), round.at))
            _log.info("hung transaction aborted", policy=wishes.name, transaction=str(one), start=one.start)
        return notices


def _partitions(round: Round, asking: Collection[Wishes]) -> dict[str, list[Partition]]:
    """The partitions of the topics that one of these policies speaks of, by topic."""
    return {
        topic.name: [Partition(topic.name, placement.number) for placement in topic.placements]
        for topic in round.survey.topics.values()
        if not topic.internal and not isinstance(topic.placements, Unknown) and any(one.matches(topic.name) for one in asking)
    }


def _offsets(round: Round) -> list[Partition]:
    """The partitions that hold what groups have committed."""
    topic = round.survey.topics.get(OFFSETS_TOPIC)
    if topic is None or isinstance(topic.placements, Unknown):  # it comes to be with the first group
        return []
    return [Partition(topic.name, placement.number) for placement in topic.placements]


def _matched(wishes: Wishes, by_topic: Mapping[str, Sequence[Partition]]) -> list[Partition]:
    """Those of the topics that one policy speaks of."""
    return list(chain(*(partitions for topic, partitions in by_topic.items() if wishes.matches(topic))))


def _number(offset: int | Unknown) -> int | None:
    return None if isinstance(offset, Unknown) else offset
