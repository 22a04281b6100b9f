"""Why messages wait, and what usually arrives: from the memory to the status, and back after a restart. ``report`` asks."""

from __future__ import annotations

from itertools import accumulate
from typing import Final

from floodwarden.api import backlogpolicy as api
from floodwarden.api.durations import Duration
from floodwarden.api.shared import MAX_NAMED, NAMES_BYTES
from floodwarden.core.diagnosis.cause import Cause, Finding, Verdict
from floodwarden.core.diagnosis.usual import Level, Usual
from floodwarden.core.text import plain
from floodwarden.sweep import clock

MESSAGE_BYTES: Final = 1024
TOPIC_BYTES: Final = 255
STALE_AFTER: Final = 3600.0  # seconds after which what was usual before a restart says nothing any more


def cause_of(verdict: Verdict | None) -> api.CauseStatus | None:
    """The cause that is told, if there is one."""
    if verdict is None or verdict.told.cause is Cause.NONE:
        return None
    told = verdict.told
    return api.CauseStatus(
        type=told.cause,
        message=plain(told.message, MESSAGE_BYTES),
        confidence=told.confidence,
        since=clock.wall(verdict.since).replace(microsecond=0),
    )


def verdict_from(status: api.CauseStatus | None) -> Verdict | None:
    """The same back. Its Event was posted by whoever wrote it."""
    if status is None:
        return None
    since = clock.monotonic(status.since)
    return Verdict(Finding(status.type, status.message, status.confidence), since, clock.now())


def usual_of(usual: Usual | None) -> api.UsualStatus | None:
    """The levels of the busiest topics, as many as there is room for."""
    if usual is None:
        return None
    busiest = sorted(usual.levels.items(), key=lambda item: (-item[1].rate, item[0]))[:MAX_NAMED]
    room = accumulate(len(topic.encode(errors="replace")) for topic, _ in busiest)
    return api.UsualStatus(
        at=clock.wall(usual.at).replace(microsecond=0),
        topics=tuple(_topic(topic, level) for (topic, level), used in zip(busiest, room, strict=True) if used <= NAMES_BYTES),
        per_replica=usual.per_replica,
        replicas=usual.replicas,
    )


def _topic(topic: str, level: Level) -> api.TopicUsual:
    watched = Duration.of(round(level.seconds))
    return api.TopicUsual(topic=plain(topic, TOPIC_BYTES), produced=level.rate, lately=level.lately, watched=watched)


def usual_from(status: api.UsualStatus | None) -> Usual | None:
    """The same back, unless it was learnt long ago."""
    if status is None:
        return None
    at = clock.monotonic(status.at)
    if clock.now() - at > STALE_AFTER:
        return None
    levels = {one.topic: Level(one.produced, one.lately, one.watched.seconds) for one in status.topics}
    return Usual(levels, at, status.per_replica, status.replicas)
