"""When a topic's retention is extended, when it is put back, and what else becomes of what the ledger has. Pure.

An entry is written down before the retention is, and dropped once it is put back. So whatever was cut short in between, the
topic's own value says how far it came: it is what we wrote, what was there before, or what somebody else has set since.

It is put back only once two audits in a row have found that nothing unread needs it. One alone may be wrong without knowing:
brokers leave groups out of their lists without a word, where the user may not see them or their coordinator just moves.
``guarding`` asks for those that were late by name; but what was seen before a restart is not known after it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from floodwarden.core.delivery.guard import Late
from floodwarden.core.delivery.keeping import ENDLESS, Keeping, own_retention
from floodwarden.core.delivery.ledger import Entry, Purpose, Resource
from floodwarden.core.delivery.readers import GroupsFound
from floodwarden.core.delivery.survey import Survey, TopicFound
from floodwarden.core.delivery.wishes import RETENTION, Wishes
from floodwarden.core.observation import Unknown


@dataclass(frozen=True, slots=True)
class Extension:
    """A topic's retention is to be ``to`` milliseconds for a while, because of some groups."""

    topic: str
    policy: str
    groups: tuple[str, ...]
    to: int

    def entry(self, own: str | None) -> Entry:
        """What is written down before; ``own`` is what the topic sets itself now."""
        return Entry(Purpose.GUARD, Resource.TOPIC, self.topic, RETENTION, own, str(self.to), self.policy)


@dataclass(frozen=True, slots=True)
class Restoring:
    """A topic's retention is to be what it was before: ``value``, None for what brokers give it. It is more than that where a
    policy that acts has asked for more since: with less, messages would go that the next repair comes too late for."""

    entry: Entry
    value: str | None


class Standing(StrEnum):
    """How far an extension came."""

    IN_FORCE = "in force"
    NOT_YET = "not yet"  # or not any more: the topic's own value is what it was before
    THEIRS = "theirs"  # somebody else has set another value since
    GONE = "gone"  # the topic does not exist any more
    UNKNOWN = "unknown"


def standing(entry: Entry, topic: TopicFound | None, *, missing: bool) -> Standing:
    """``missing``: whether the broker says that there is no such topic; that it is not found may have other reasons."""
    if topic is None:
        return Standing.GONE if missing else Standing.UNKNOWN
    own = own_retention(topic)
    if isinstance(own, Unknown):
        return Standing.UNKNOWN
    if own == entry.written:
        return Standing.IN_FORCE
    return Standing.NOT_YET if own == entry.before else Standing.THEIRS


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done now. ``drop`` are entries of which nothing is left to be undone, with how they stand; ``free`` are
    topics whose extension nothing needs by this audit."""

    extend: tuple[Extension, ...] = ()
    restore: tuple[Restoring, ...] = ()
    drop: Mapping[Entry, Standing] | None = None
    free: frozenset[str] = frozenset()


def plan(
    acting: Collection[Wishes],
    keepings: Mapping[str, Keeping],
    late: Mapping[str, Sequence[Late]],
    entries: Collection[Entry],
    found: GroupsFound,
    survey: Survey,
    *,
    missing: Collection[str],
    hands_off: Collection[str],
    disputed: Collection[str] = (),
    paused: Collection[str] = (),
    free_before: Collection[str] = (),
) -> Plan:
    """``acting``: the policies that may write; ``late``: by topic; ``hands_off``: topics that others have, or have changed;
    ``disputed``: those whose retention may be put back to what it was before only; ``paused``: policies whose extensions stay;
    ``free_before``: ``Plan.free`` of the audit before."""
    extend = tuple(
        extension
        for topic, some in late.items()
        if topic not in hands_off and (extension := _extension(keepings[topic], some, acting)) is not None
    )
    wanted = {extension.topic for extension in extend}
    restore: list[Restoring] = []
    drop: dict[Entry, Standing] = {}
    free: set[str] = set()
    for entry in sorted(entries):
        stands = standing(entry, survey.topics.get(entry.name), missing=entry.name in missing)
        if stands is Standing.IN_FORCE and _free(entry.name, keepings, late.get(entry.name, ()), found):
            free.add(entry.name)
            if entry.name in free_before and entry.policy not in paused:
                asking = acting if entry.name not in disputed else ()
                restore.append(Restoring(entry, _value(entry, keepings[entry.name], asking)))
        elif stands in (Standing.THEIRS, Standing.GONE) or (stands is Standing.NOT_YET and entry.name not in wanted):
            drop[entry] = stands
    # What somebody has just changed is left to them.
    changed = {entry.name for entry, stands in drop.items() if stands is Standing.THEIRS}
    return Plan(tuple(one for one in extend if one.topic not in changed), tuple(restore), drop, frozenset(free))


def _extension(keeping: Keeping, late: Iterable[Late], acting: Collection[Wishes]) -> Extension | None:
    """The longest that any of the policies allows: each of them alone would have it, and messages are kept for all of them."""
    groups = tuple(sorted(one.group for one in late if one.expiring))
    if not groups or keeping.extended is not None or keeping.usual is None:
        return None
    able = [
        one for one in acting if one.guarded and one.extend_to and one.extend_to > keeping.usual and one.matches(keeping.topic)
    ]
    best = max(able, key=lambda one: (one.extend_to or 0, one.name), default=None)
    return Extension(keeping.topic, best.name, groups, best.extend_to) if best is not None and best.extend_to else None


def _value(entry: Entry, keeping: Keeping, acting: Collection[Wishes]) -> str | None:
    """What is to be there once the extension is over."""
    usual = str(keeping.usual if keeping.usual is not None else ENDLESS)
    needs = [need for one in acting if one.matches(entry.name) for need in one.requirements if need.setting == RETENTION]
    unmet = [int(need.value) for need in needs if need.met_by(usual) is False]
    return str(max(unmet)) if unmet else entry.before


def _free(topic: str, keepings: Mapping[str, Keeping], late: Iterable[Late], found: GroupsFound) -> bool:
    """Whether nothing unread needs the extension; not while it is not known of every group."""
    all_known = not found.failed and not any(isinstance(group.committed, Unknown) for group in found.groups)
    return all_known and topic in keepings and not any(one.holds for one in late)
