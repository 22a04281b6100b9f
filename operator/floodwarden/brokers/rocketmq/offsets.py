"""Where queues begin and end: topic by topic (GET_TOPIC_STATS_INFO), those of quiet retry topics seldom.

``adapter`` asks; ``commits`` has the other half of a lag.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple
from zlib import crc32

from floodwarden.brokers.rocketmq import bodies, requests
from floodwarden.brokers.rocketmq.bodies import BodyError, MessageQueue
from floodwarden.brokers.rocketmq.brokers import Brokers
from floodwarden.brokers.rocketmq.commits import Commits, Numbers
from floodwarden.brokers.rocketmq.errors import OK, RequestError, from_answer, unreadable
from floodwarden.core.observation import Unknown

RETRY: Final = "%RETRY%"  # what begins the name of a group's retry topic
QUIET_SECONDS: Final = 10.0


class Extent(NamedTuple):
    """The first offset still stored, and the offset the next message gets."""

    start: int
    end: int


Extents = Mapping[MessageQueue, Extent]


@dataclass(frozen=True, slots=True)
class _Quiet:
    """A retry topic on a broker in which nothing waited, and until when that is believed as long as nobody commits."""

    commits: list[Numbers]
    extents: Extents
    until: float


class ExtentReader:
    """Reads extents."""

    def __init__(self, brokers: Brokers) -> None:
        self._brokers = brokers
        self._quiet: dict[tuple[str, str], _Quiet] = {}

    async def read(self, wanted: Mapping[str, Collection[str]], commits: Commits) -> dict[str, dict[str, Extents | Unknown]]:
        """The extents of each topic's queues on each of these brokers: topic → broker → queue.

        Of retry topics in which nothing waited, and for which nobody has committed since, they are some seconds old.
        """
        now = asyncio.get_running_loop().time()
        asked = [(topic, broker) for topic, brokers in wanted.items() for broker in brokers]
        committed: dict[tuple[str, str], list[Numbers]] = defaultdict(list)
        for (_, topic), brokers in commits.offsets.items():
            if topic.startswith(RETRY):
                for broker, numbers in brokers.items():
                    committed[topic, broker].append(numbers)
        self._quiet = {place: quiet for place, quiet in self._quiet.items() if now < quiet.until}
        still = {place: quiet for place in asked if (quiet := self._quiet.get(place)) and quiet.commits == committed[place]}
        due = [place for place in asked if place not in still]
        found: dict[str, dict[str, Extents | Unknown]] = defaultdict(dict)
        for (topic, broker), quiet in still.items():
            found[topic][broker] = quiet.extents
        for (topic, broker), told in zip(due, await asyncio.gather(*(self._extents(*place) for place in due)), strict=True):
            found[topic][broker] = told
            if not isinstance(told, Unknown) and topic.startswith(RETRY) and _nothing_waits(told, committed[topic, broker]):
                # Not all at once: they are spread over half of the time.
                share = 1 - crc32(f"{topic}@{broker}".encode(errors="replace")) / 2**33
                self._quiet[topic, broker] = _Quiet(committed[topic, broker], told, now + QUIET_SECONDS * share)
        return found

    async def _extents(self, topic: str, broker: str) -> Extents | Unknown:
        what = f"topic {topic} on broker {broker}"
        try:
            answer = await self._brokers.send(broker, requests.GET_TOPIC_STATS_INFO, {"topic": topic})
            return dict(_listed(answer.body)) if answer.code == OK else from_answer(answer, what)
        except RequestError as error:
            return error.unknown
        except BodyError as error:
            return unreadable(error, what)


def _listed(body: bytes) -> Iterator[tuple[MessageQueue, Extent]]:
    for key, offsets in bodies.table(body, "offsetTable"):
        start, end = bodies.member(offsets, "minOffset", int), bodies.member(offsets, "maxOffset", int)
        # A start read after the end may have overtaken it: then all up to there is gone, and the end is at least there.
        yield bodies.queue(key), Extent(start, max(start, end))


def _nothing_waits(extents: Extents, committed: list[Numbers]) -> bool:
    return all(
        extent.end == (extent.start if (at := numbers.get(queue.number)) is None else at)
        for numbers in committed or [{}]
        for queue, extent in extents.items()
    )
