"""What one DeliveryPolicy asks for, as requirements on the broker's own settings; ``api.deliverypolicy`` makes it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Set
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import translate
from functools import lru_cache
from typing import Final

from floodwarden.core.delivery.violations import MIN_IN_SYNC

RETENTION: Final = "retention.ms"
TIMESTAMPS: Final = "message.timestamp.type"
_UNITS: Final = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000}  # in milliseconds


class Relation(StrEnum):
    """How a value must compare with the one asked for."""

    AT_LEAST = "≥"
    AT_MOST = "≤"
    EXACTLY = "="


@dataclass(frozen=True, slots=True)
class Requirement:
    """One setting by its key on topics, such as ``min.insync.replicas``, and what it must be.

    ``value`` is a number for AT_LEAST and AT_MOST; with ``endless``, -1 in the broker stands for no bound at all and fulfils
    AT_LEAST. ``writable`` is False for what is only ever reported: it follows from the wish, but nobody named it.
    """

    setting: str
    relation: Relation
    value: str
    endless: bool = False
    writable: bool = True

    def met_by(self, text: str | None) -> bool | None:
        """Whether a value fulfils this; None where it is not known or no number."""
        if text is None:
            return None
        if self.relation is Relation.EXACTLY:
            return text == self.value
        try:
            found = int(text)
        except ValueError:
            return None
        if self.endless and found == -1:
            return self.relation is Relation.AT_LEAST
        return found >= int(self.value) if self.relation is Relation.AT_LEAST else found <= int(self.value)

    @property
    def bound(self) -> bool:
        """Whether it is a number that others may surpass."""
        return self.relation is not Relation.EXACTLY

    def strictest(self, texts: Iterable[str]) -> str:
        """What fulfils this, and any stricter one of these values as well: all must be numbers where it is a bound."""
        if not self.bound:
            return self.value
        found = {int(self.value), *map(int, texts)}
        if self.endless and -1 in found:
            if self.relation is Relation.AT_LEAST:
                return "-1"
            found.discard(-1)
        return str(max(found) if self.relation is Relation.AT_LEAST else min(found))

    def __str__(self) -> str:
        text = worded(self.setting, self.value)
        return text if self.relation is Relation.EXACTLY else f"{self.relation} {text}"


def worded(setting: str, text: str) -> str:
    """A value as people read it: milliseconds also in days, hours, minutes or seconds, where they are whole ones."""
    if not setting.endswith(".ms") or not text.isdecimal():
        return text
    milliseconds = int(text)
    for unit, length in _UNITS.items():
        if milliseconds >= length and milliseconds % length == 0:
            return f"{text} ({milliseconds // length}{unit})"
    return text


@dataclass(frozen=True, slots=True)
class TransactionWishes:
    """How long transactions may be open, in seconds. ``timeout`` is what producers are to set; None where that is not asked.

    ``check_interval`` and ``check_max``: how long and how often a broker asks what became of one. ``resumes``: those that were
    given up are put back once, where the policy acts.
    """

    timeout: float | None
    hung_after: float
    aborts: bool = False  # hung ones, where the policy acts
    check_interval: float | None = None
    check_max: int | None = None
    resumes: bool = False


@dataclass(frozen=True, slots=True)
class ReadingWishes:
    """How consumers read: what is asked of queues. ``delivery_limit`` is in deliveries of one message, ``prefetch`` in messages
    that one consumer holds. ``dead_letters``: those who are taken out go somewhere; ``dead_safely``: and none is lost on its way.
    """

    delivery_limit: int | None = None
    prefetch: int | None = None
    dead_letters: bool = False
    dead_safely: bool = False


@dataclass(frozen=True, slots=True)
class Wishes:
    """One policy. ``name`` is namespace/name; ``enforces``: whether it would write (Enforce, and not paused); ``acts``: whether
    it may, now and here.

    ``factor``, ``min_in_sync`` are copies; None where nothing is asked for. ``acks`` is what producers are to wait for.
    ``move_rate`` is in bytes per second of each broker while copies are made. ``guarded``: unread messages that are about to
    expire are told, and the retention is extended to ``extend_to`` milliseconds for them. ``acknowledged_late``: consumers commit
    after processing. ``patches``: labelled Deployments may be corrected. ``kept_for`` is in milliseconds. ``clean``: no copy that
    lacks messages may lead.
    """

    name: str
    acts: bool
    names: tuple[str, ...]
    exclude: tuple[str, ...] = ()
    requirements: tuple[Requirement, ...] = ()
    factor: int | None = None
    min_in_sync: int | None = None
    acks: str | None = None
    flush: str | None = None
    enforces: bool = True
    move_rate: int | None = None
    guarded: bool = False
    extend_to: int | None = None
    acknowledged_late: bool = False
    transactions: TransactionWishes | None = None
    patches: bool = False
    kept_for: int | None = None
    clean: bool = False
    reading: ReadingWishes = ReadingWishes()

    @property
    def settings(self) -> frozenset[str]:
        """Which settings of topics an audit needs to know."""
        asked = {need.setting for need in self.requirements}
        if RETENTION in asked:
            asked.add(TIMESTAMPS)
        if self.factor is not None:  # how few in sync stop the writes
            asked.add(MIN_IN_SYNC)
        return frozenset(asked)

    def matches(self, topic: str) -> bool:
        """Whether a topic is one that the policy speaks of: ``*`` and ``?`` stand for any characters, case counts."""
        return _any(self.names, topic) and not _any(self.exclude, topic)

    def among(self, topics: Set[str]) -> Iterable[str]:
        """Those of some topics that the policy speaks of."""
        asked = topics if any(map(_stands_for_many, self.names)) else topics & set(self.names)
        return (topic for topic in asked if self.matches(topic))

    @property
    def literal(self) -> list[str]:
        """The names that stand for one topic each."""
        return [name for name in self.names if not _stands_for_many(name)]


def _stands_for_many(name: str) -> bool:
    return not set("*?[").isdisjoint(name)


def _any(patterns: tuple[str, ...], name: str) -> bool:
    return bool(patterns) and _compiled(patterns).match(name) is not None


@lru_cache(maxsize=10_000)
def _compiled(patterns: tuple[str, ...]) -> re.Pattern[str]:
    """Once for each policy: every audit asks about every topic."""
    return re.compile("|".join(map(translate, patterns)))
