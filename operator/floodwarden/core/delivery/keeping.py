"""For how long, and in how many bytes, topics keep their messages, with and without an extension of ours. Pure; for ``guard``."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Final

from floodwarden.core.assess import Gap
from floodwarden.core.delivery.effective import effective
from floodwarden.core.delivery.ledger import Entry
from floodwarden.core.delivery.survey import BrokerFound, Source, Survey, TopicFound, Value
from floodwarden.core.delivery.violations import name_of
from floodwarden.core.delivery.wishes import RETENTION, Relation, Requirement, Wishes
from floodwarden.core.observation import Unknown
from floodwarden.core.reasons import Reason

SIZE: Final = "retention.bytes"
CLEANUP: Final = "cleanup.policy"
SETTINGS: Final = (CLEANUP, SIZE, RETENTION)  # what a guard must know of a topic
ENDLESS: Final = -1


@dataclass(frozen=True, slots=True)
class Keeping:
    """One topic. ``usual`` is its retention in milliseconds without any extension of ours, ``extended`` the one in force where
    there is one; ``largest`` is in bytes of a partition. None stands for no bound, or no extension."""

    topic: str
    usual: int | None
    largest: int | None
    extended: int | None = None


@dataclass(frozen=True, slots=True)
class Moments:
    """For one topic, in milliseconds since 1970: messages older than ``near`` expire within a quarter of the usual retention;
    while it is extended, messages older than ``hold`` keep it so, and those older than ``last`` expire nevertheless."""

    near: int
    hold: int | None = None
    last: int | None = None

    @property
    def all(self) -> tuple[int, ...]:
        """Each once."""
        return tuple(dict.fromkeys(one for one in (self.near, self.hold, self.last) if one is not None))


def moments(keeping: Keeping, now: int, *, acting: bool) -> Moments | None:
    """None where nothing expires by its age. ``acting``: whether a policy is there that would extend the retention again.

    Then it is put back only once what is unread has half of it left, so that it is not extended again at once. Without one it
    is put back as soon as nothing that is unread would be deleted by that.
    """
    if keeping.usual is None:
        return None
    near = _before(now, keeping.usual - keeping.usual // 4)
    if keeping.extended is None:
        return Moments(near)
    hold = _before(now, keeping.usual // 2 if acting else keeping.usual)
    return Moments(near, hold, _before(now, keeping.extended - keeping.extended // 4))


def _before(now: int, age: int) -> int:
    return max(0, now - age)


def keepings(
    survey: Survey, policies: Collection[Wishes], entries: Mapping[str, Entry], gaps: Mapping[str, list[Gap]]
) -> dict[str, Keeping]:
    """The topics that guards watch, and those whose retention is extended, as far as they are known; ``gaps`` gets the rest, by
    the policy's name. Of topics that are only compacted nothing expires."""
    found: dict[str, Keeping] = {}
    for topic in survey.topics.values():
        watching = [one for one in policies if one.guarded and not topic.internal and one.matches(topic.name)]
        entry = entries.get(topic.name)
        if not watching and entry is None:
            continue
        unknown: list[Gap] = []
        keeping = _keeping(topic, survey.brokers, entry, unknown)
        if keeping is not None:
            found[topic.name] = keeping
        for one in watching:
            gaps[one.name].extend(unknown)
    return found


def own_retention(topic: TopicFound) -> str | Unknown | None:
    """What the topic sets as its retention itself; None where it does not."""
    if isinstance(topic.values, Unknown):
        return topic.values
    value = topic.values.get(RETENTION)
    return value.text if value is not None and value.source is Source.TOPIC else None


def compacted(topic: TopicFound) -> bool:
    """Whether some of its messages go once there is a newer one of the same key; False where that is not known."""
    return "compact" in _cleanup(topic)


def _cleanup(topic: TopicFound) -> list[str]:
    value = None if isinstance(topic.values, Unknown) else topic.values.get(CLEANUP)
    return (value.text or "").split(",") if value is not None else []


def _keeping(topic: TopicFound, brokers: Collection[BrokerFound], entry: Entry | None, gaps: list[Gap]) -> Keeping | None:
    extended = None
    if entry is not None and entry.written is not None and own_retention(topic) == entry.written:
        extended = int(entry.written)
        topic = _with_own(topic, entry.before)
    if _cleanup(topic) == ["compact"]:
        return Keeping(topic.name, None, None, extended)
    usual = _least(topic, RETENTION, brokers, gaps)
    largest = _least(topic, SIZE, brokers, gaps)
    if usual is None or largest is None:
        return None
    return Keeping(topic.name, _bound(usual), _bound(largest), extended)


def _with_own(topic: TopicFound, before: str | None) -> TopicFound:
    """The topic as it was before its retention was extended: with its own value, or without."""
    assert not isinstance(topic.values, Unknown), "its retention is known"
    value = Value(before, Source.TOPIC) if before is not None else Value(None, Source.DEFAULT)
    return replace(topic, values={**topic.values, RETENTION: value})


def _least(topic: TopicFound, setting: str, brokers: Collection[BrokerFound], gaps: list[Gap]) -> int | None:
    """The least that any node gives it, ENDLESS where none bounds it; None where nobody tells.

    A node that is away deletes nothing meanwhile: while it is, the others' values count, and messages are guarded by them.
    """
    known, need = len(gaps), Requirement(setting, Relation.AT_LEAST, "0", endless=True)
    found = effective(topic, need, tuple(brokers), gaps)
    told = [one.value.text for one in found.held if need.met_by(one.value.text) is not None] if found is not None else []
    if not told:
        if len(gaps) == known:
            gaps.append(Gap(Reason.BROKER_ERROR, f"{setting} of {name_of(topic)} is not known"))
        return None
    values = [int(text or ENDLESS) for text in told]
    return min((value for value in values if value != ENDLESS), default=ENDLESS)


def _bound(value: int) -> int | None:
    return value if value != ENDLESS else None
