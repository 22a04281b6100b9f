"""Half messages that brokers gave up, in TRANS_CHECK_MAX_TIME_TOPIC: which there are, and how one is put back to be asked about.

``halves`` looks with every audit, ``settings`` puts back. What was read is remembered as long as the process lives. That none is
put back twice is not this module's: ``sweep`` writes down which were. A message is known by the key that its producer gave it
(UNIQ_KEY), which stays the same however often it is put back. RESUME_CHECK_HALF_MESSAGE copies what stands at a place of the
commit log to the half topic, whatever that is: so only places that were read here, from the same master, are named.
"""

from __future__ import annotations

import re
import time
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from floodwarden.brokers.rocketmq.configs import Configs
from floodwarden.brokers.rocketmq.stored import Stored
from floodwarden.core.delivery.ledger import REMEMBERED
from floodwarden.core.delivery.rocketmq.found import Dropped
from floodwarden.core.observation import Unknown, UnknownReason

HALF_TOPIC: Final = "RMQ_SYS_TRANS_HALF_TOPIC"
GIVEN_UP_TOPIC: Final = "TRANS_CHECK_MAX_TIME_TOPIC"
KEPT: Final = 2000  # messages of one set that are remembered, the newest
PULLS: Final = 10  # requests for the messages of one set with one audit
CONFIRMING: Final = 20  # requests that look whether what was put back is there
_KEY, _TOPIC = "UNIQ_KEY", "REAL_TOPIC"
# As clients make them. It is told to people and written down: nothing else a producer may have put there.
_KEYS: Final = re.compile(r"[0-9A-Za-z_.:-]{1,64}")


@dataclass(slots=True)
class _Shelf:
    """What was read of one master, the oldest first, and from where to read on."""

    address: str
    who: str
    next: int
    read: list[Stored] = field(default_factory=list)


class GivenUp:
    """Remembers."""

    def __init__(self, configs: Configs) -> None:
        self._configs = configs
        self._shelves: dict[str, _Shelf] = {}

    def keep(self, names: Collection[str]) -> None:
        """Forget all sets but these."""
        self._shelves = {name: shelf for name, shelf in self._shelves.items() if name in names}

    async def look(self, name: str, address: str, who: str, end: int) -> tuple[Dropped, ...] | Unknown:
        """Those on the master of a set, the oldest first; ``end`` is how many there ever were. Reads only what is new."""
        shelf = self._shelves.get(name)
        if shelf is None or shelf.address != address or end < shelf.next:  # another log, in which places are others
            shelf = self._shelves[name] = _Shelf(address, who, max(0, end - KEPT))
        for _ in range(PULLS):
            if shelf.next >= end:
                break
            told = await self._configs.read_from(address, who, GIVEN_UP_TOPIC, shelf.next)
            if isinstance(told, Unknown):
                return told
            read, following = told
            shelf.read += read
            shelf.next = max(following, shelf.next + 1)
        oldest = (time.time() - REMEMBERED) * 1000
        shelf.read = [one for one in shelf.read if one.born > oldest][-KEPT:]
        return tuple(_dropped(shelf.read))

    async def put_back(self, keys: Collection[str]) -> dict[str, Unknown]:
        """Put these back, each with one request that is never repeated; those that were not, or are not seen there, with why."""
        failed: dict[str, Unknown] = {}
        places: dict[str, list[Stored]] = defaultdict(list)
        known = {_key(one): (name, one) for name, shelf in self._shelves.items() for one in shelf.read}
        for key in keys:
            if key in known:
                places[known[key][0]].append(known[key][1])
            else:
                failed[key] = Unknown(UnknownReason.BROKER_ERROR, "it is not known any more where it is")
        for name, some in places.items():
            failed.update(await self._put_back(self._shelves[name], some))
        return failed

    async def _put_back(self, shelf: _Shelf, some: Sequence[Stored]) -> dict[str, Unknown]:
        begin = await self._configs.written(shelf.address, shelf.who, HALF_TOPIC)
        failed: dict[str, Unknown] = {}
        for one in some:
            refused = await self._configs.put_back(shelf.address, shelf.who, one.properties.get(_TOPIC, ""), one.id)
            if refused is not None:
                failed[_key(one)] = refused
        wanted = {_key(one) for one in some} - failed.keys()
        lost = await self._missing(shelf, wanted, begin) if wanted else None
        if isinstance(lost, Unknown):
            failed.update(dict.fromkeys(wanted, lost))
        elif lost:
            why = "the broker accepted it, but it is not among its half messages"
            failed.update(dict.fromkeys(lost, Unknown(UnknownReason.BROKER_ERROR, why)))
        return failed

    async def _missing(self, shelf: _Shelf, wanted: Collection[str], begin: int | Unknown) -> set[str] | Unknown:
        """Which are not among the half messages that were written from there on."""
        missing, at = set(wanted), begin
        for _ in range(CONFIRMING):
            if isinstance(at, Unknown):
                return Unknown(at.reason, f"it may have been put back, but could not be read back: {at.detail}")
            told = await self._configs.read_from(shelf.address, shelf.who, HALF_TOPIC, at)
            if isinstance(told, Unknown):
                at = told
                continue
            read, at = told
            missing -= {_key(one) for one in read}
            if not missing or not read:
                break
        return missing


def _key(one: Stored) -> str:
    """By what a message is known again; empty where there is nothing of the kind."""
    key = one.properties.get(_KEY, "")
    return key if _KEYS.fullmatch(key) else ""


def _dropped(read: Sequence[Stored]) -> Iterable[Dropped]:
    now, times = time.time(), Counter(map(_key, read))
    seen: set[str] = set()
    for one in read:
        key = _key(one)
        if key and key in seen:
            continue
        seen.add(key)
        yield Dropped(key, one.properties.get(_TOPIC, ""), now - one.born / 1000, again=bool(key) and times[key] > 1)
