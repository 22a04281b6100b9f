"""Looks at what groups have not read: messages that are about to expire, those that did, and groups that do not show it.

In mode Enforce the retention of a topic is extended for a group that is late, and put back once it has caught up (``extending``).
Reading goes step by step, each step asking only for what the one before left open; with no policy that asks for it, and nothing
extended, nothing is asked at all.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from floodwarden.brokers.abilities import UnreadMessages
from floodwarden.brokers.base import BrokerError
from floodwarden.core.assess import Gap
from floodwarden.core.conditions import Notice
from floodwarden.core.delivery.effective import gap_of
from floodwarden.core.delivery.expiry import Around, last_call, not_proven, of_late
from floodwarden.core.delivery.extension import Plan, plan
from floodwarden.core.delivery.guard import (
    Facts,
    Late,
    below_start,
    by_topic,
    lates,
    partly_committed,
    unread_of,
    with_commits,
    worst,
)
from floodwarden.core.delivery.keeping import SETTINGS, Keeping, Moments, keepings, moments
from floodwarden.core.delivery.ledger import Entry, Purpose
from floodwarden.core.delivery.readers import (
    NONE,
    OFFSETS_RETENTION,
    GroupFound,
    GroupsFound,
    Reads,
    not_seen,
    of_groups,
    spells,
)
from floodwarden.core.delivery.seen import Seen
from floodwarden.core.delivery.survey import BrokerFound
from floodwarden.core.delivery.violations import Action, name_of
from floodwarden.core.delivery.wishes import RETENTION, Wishes
from floodwarden.core.observation import Partition, Unknown, UnknownReason
from floodwarden.core.reasons import Reason
from floodwarden.sweep.ledger import BrokerLedger
from floodwarden.sweep.looks.base import Round
from floodwarden.sweep.looks.extending import Done, Extending

CANNOT = "this broker does not tell what groups have read: unread messages are not guarded"


@dataclass(slots=True)
class _Found:
    """What one look has read, and made of it."""

    groups: GroupsFound
    keepings: dict[str, Keeping]
    facts: Facts
    assigned: Mapping[str, frozenset[Partition] | Unknown]
    late: list[Late]
    missing: set[str]


class Guarding:
    """The guard of one MessageBroker; without a ledger it only looks."""

    def __init__(self, ledger: BrokerLedger | None = None) -> None:
        self._ledger = ledger
        self._extending = Extending(ledger) if ledger is not None else None
        self._spells = NONE
        self._named: dict[str, frozenset[str]] = {}  # the resources of each policy's violations: what stays told while unknown
        self._theirs: set[str] = set()  # topics whose retention somebody changed while it was extended, until they are not late
        self._called: set[tuple[str, str, str]] = set()  # policies, topics and groups for which the last call was made
        self._waited_for: set[str] = set()  # groups because of which something is extended, as of when they were last seen
        self._free: frozenset[str] = frozenset()  # topics whose extension nothing needed, by the last audit

    def settings(self, policies: Collection[Wishes]) -> Collection[str]:
        """See ``Look.settings``."""
        return SETTINGS if any(one.guarded for one in policies) or self._entries else ()

    async def look(self, round: Round) -> Mapping[str, Seen]:
        """See ``Look.look``."""
        asking = [one for one in round.policies if one.guarded or one.acknowledged_late]
        self._named = {one.name: self._named[one.name] for one in asking if one.name in self._named}
        if not asking and not self._entries:
            self._spells, self._named, self._waited_for = NONE, {}, set()
            return {}
        unread = round.adapter.abilities.unread
        if unread is None:
            return {one.name: Seen(unproven=(CANNOT,)) for one in asking}
        gaps: dict[str, list[Gap]] = defaultdict(list)
        free_before, self._free = self._free, frozenset()  # an audit that fails in between agrees with none
        try:
            found = await self._read(unread, round, asking, gaps)
            done = await self._act(found, round, free_before)
            around = await self._around(unread, found, round, done)
        except BrokerError as error:  # what was told stays told
            gap = Gap(Reason(error.reason.value), str(error))
            return {one.name: Seen(gaps=(gap,), unread=self._named.get(one.name, frozenset())) for one in asking}
        seen = {one.name: self._seen(one, found, round, around, done, gaps[one.name]) for one in asking}
        self._called &= {(one.name, late.topic, late.group) for late in found.late if late.last for one in asking}
        return seen

    @property
    def _entries(self) -> dict[str, Entry]:
        """What is extended, or was about to be, by topic."""
        entries = self._ledger.entries if self._ledger is not None else frozenset()
        return {entry.name: entry for entry in entries if entry.purpose is Purpose.GUARD}

    async def _read(self, unread: UnreadMessages, round: Round, asking: Collection[Wishes], gaps: dict[str, list[Gap]]) -> _Found:
        watched = keepings(round.survey, asking, self._entries, gaps)
        groups = await self._groups(unread, round)
        self._spells = spells(self._spells, groups, round.at)
        silent = [group.name for group in groups.groups if group.uncommitted]
        assigned = await unread.assigned(silent) if silent else {}
        topics = {topic for topic in _mentioned(groups, assigned) if _matched(topic, round, asking)} | self._entries.keys()
        extents = await unread.extents(sorted(topics)) if topics else {}
        missing = {
            name for name, one in extents.items() if isinstance(one, Unknown) and one.reason is UnknownReason.TOPIC_MISSING
        }
        doubtful = below_start(groups, extents)
        if doubtful:  # a commit may have come between the reading of commits and that of the logs
            groups = with_commits(groups, await unread.commits(doubtful), extents)
        when = self._moments(watched, round)
        behind = {partition for group in groups.groups for partition in unread_of(group, extents) if partition.topic in watched}
        asked = {one: moment.all for one in sorted(behind) if (moment := when[one.topic]) is not None}
        bounded = sorted(one for one in behind if watched[one.topic].largest is not None)
        firsts = await unread.first_since(asked) if asked else {}
        sizes = await unread.sizes(bounded) if bounded else {}
        facts = Facts(extents, firsts, sizes)
        return _Found(groups, watched, facts, assigned, list(lates(groups, watched, when, facts)), missing)

    async def _groups(self, unread: UnreadMessages, round: Round) -> GroupsFound:
        """All groups that are told, and those that are waited for and were not: that one is not listed does not say that it is
        gone, but its coordinator tells, or says why it does not."""
        groups = await unread.groups([broker.id for broker in round.survey.brokers])
        missing = sorted(self._waited_for - {group.name for group in groups.groups})
        commits = await unread.commits(missing) if missing else {}
        found = (GroupFound(name, None, commits[name]) for name in missing)
        return replace(groups, groups=(*groups.groups, *found))

    def _moments(self, watched: Mapping[str, Keeping], round: Round) -> dict[str, Moments | None]:
        acting = [one for one in round.policies if one.guarded and one.acts and one.extend_to is not None]
        now = int(round.at * 1000)
        return {
            topic: moments(keeping, now, acting=any(one.matches(topic) for one in acting)) for topic, keeping in watched.items()
        }

    async def _act(self, found: _Found, round: Round, free_before: Collection[str]) -> Done:
        """Extend and put back what may be; ``found.keepings`` then says how it is."""
        late = by_topic(found.late)
        self._theirs &= {topic for topic, some in late.items() if any(one.expiring for one in some)}
        if self._extending is None:
            return Done()
        planned: Plan = plan(
            [one for one in round.policies if one.acts and round.may_act(one.name)],
            found.keepings,
            late,
            self._entries.values(),
            found.groups,
            round.survey,
            missing=found.missing,
            hands_off={*round.owners, *self._theirs},
            disputed=_disputed(found, round),
            paused=round.paused,
            free_before=free_before,
        )
        done = await self._extending.carry_out(planned, round)
        self._free = planned.free
        self._wait_for(found)
        self._theirs |= done.theirs
        for topic, to in done.extended.items():
            found.keepings[topic] = replace(found.keepings[topic], extended=to)
        return done

    def _wait_for(self, found: _Found) -> None:
        unknown = {group.name for group in found.groups.groups if isinstance(group.committed, Unknown)}
        late = {one.group for one in found.late if one.topic in self._entries and (one.expiring or one.holds)}
        self._waited_for = late | (self._waited_for & unknown)

    async def _around(self, unread: UnreadMessages, found: _Found, round: Round, done: Done) -> Around:
        positions = worst(found.late)
        written = await unread.written_at(positions) if positions else {}
        return Around(int(round.at * 1000), written, round.owners, done.failed, self._theirs)

    def _seen(self, wishes: Wishes, found: _Found, round: Round, around: Around, done: Done, gaps: list[Gap]) -> Seen:
        """What one policy is told."""
        forgotten_after = _forgotten_after(round.survey.brokers)
        reads = _reads(wishes, found, round)
        gaps += map(gap_of, _unknown(wishes, found))
        violations = list(of_groups(reads, self._spells, forgotten_after, round.at))
        unproven = list(not_seen(reads, self._spells, found.groups, forgotten_after, round.at))
        notices = list(done.notices.get(wishes.name, ()))
        gaps += done.gaps.get(wishes.name, ())
        if wishes.guarded:
            mine = [one for one in found.late if _matched(one.topic, round, [wishes])]
            for one in mine:
                violations += of_late(wishes, one, found.keepings[one.topic], around)
                gaps += map(gap_of, one.unknown)
            notices += self._last_calls(wishes.name, mine, found, around)
            partly = [one for one in partly_committed(found.groups, found.facts.extents) if _matched(one[1], round, [wishes])]
            unproven += not_proven(wishes, mine, round.survey, forgotten_after, found.keepings.values(), partly)
        return self._kept(wishes.name, Seen(tuple(violations), tuple(dict.fromkeys(gaps)), tuple(unproven), tuple(notices)))

    def _last_calls(self, name: str, mine: Iterable[Late], found: _Found, around: Around) -> Iterator[Notice]:
        for one in mine:
            if one.last and one.expiring and (name, one.topic, one.group) not in self._called:
                self._called.add((name, one.topic, one.group))
                yield last_call(one, found.keepings[one.topic], around)

    def _kept(self, name: str, seen: Seen) -> Seen:
        """The same; where something is not known, what was told before is not taken for gone."""
        named = frozenset(violation.resource for violation in seen.violations)
        unread = self._named.get(name, frozenset()) if seen.gaps else frozenset()
        self._named[name] = named | unread
        return replace(seen, unread=unread)


def _mentioned(groups: GroupsFound, assigned: Mapping[str, frozenset[Partition] | Unknown]) -> set[str]:
    """The topics that groups have committed on, or read without."""
    known = [group.committed for group in groups.groups if not isinstance(group.committed, Unknown)]
    read = [partitions for partitions in assigned.values() if not isinstance(partitions, Unknown)]
    return {partition.topic for some in (*known, *read) for partition in some}


def _matched(topic: str, round: Round, policies: Iterable[Wishes]) -> bool:
    found = round.survey.topics.get(topic)
    return found is not None and not found.internal and any(one.matches(topic) for one in policies)


def _disputed(found: _Found, round: Round) -> set[str]:
    """Topics whose retention is not to be what policies ask for: others have them, or policies do not agree."""
    told = {
        violation.resource
        for findings in round.findings.values()
        for violation in findings.violations
        if violation.setting == RETENTION and violation.action in (Action.CONFLICT, Action.OWNER)
    }
    topics = round.survey.topics.values()
    return {*round.owners, *(topic.name for topic in topics if topic.name in found.keepings and name_of(topic) in told)}


def _unknown(wishes: Wishes, found: _Found) -> Iterator[Unknown]:
    """What of groups and of a policy's topics could not be read; ``Late`` has what is not known of single partitions."""
    yield from found.groups.failed
    yield from (group.committed for group in found.groups.groups if isinstance(group.committed, Unknown))
    yield from (partitions for partitions in found.assigned.values() if isinstance(partitions, Unknown))
    yield from (one for topic, one in found.facts.extents.items() if isinstance(one, Unknown) and wishes.matches(topic))


def _reads(wishes: Wishes, found: _Found, round: Round) -> Reads:
    """Which groups read a policy's topics, and of which topics they have unread messages."""
    mine = {topic for topic in found.facts.extents if _matched(topic, round, [wishes])}
    topics: dict[str, set[str]] = {}
    waiting: dict[str, set[str]] = {}
    for group in found.groups.groups:
        if not isinstance(group.committed, Unknown) and (read := {one.topic for one in group.committed} & mine):
            topics[group.name] = read
            if behind := {one.topic for one in unread_of(group, found.facts.extents)} & mine:
                waiting[group.name] = behind
    uncommitted = {
        group: read
        for group, partitions in found.assigned.items()
        if not isinstance(partitions, Unknown)
        and (read := {one.topic for one in partitions if one.topic in mine and _written_to(one, found.facts)})
    }
    return Reads(topics, waiting, uncommitted)


def _written_to(partition: Partition, facts: Facts) -> bool:
    """Whether there ever was a message in it: else there is nothing to commit yet."""
    extents = facts.extents.get(partition.topic, {})
    extent = extents.get(partition) if not isinstance(extents, Unknown) else None
    return extent is not None and not isinstance(extent, Unknown) and extent[1] > 0


def _forgotten_after(brokers: Iterable[BrokerFound]) -> float | None:
    """Seconds for which brokers keep what an empty group has committed: the least of those that are known."""
    told = [broker.values.get(OFFSETS_RETENTION) for broker in brokers if not isinstance(broker.values, Unknown)]
    texts = [value.text for value in told if value is not None and value.text is not None]
    return min((60.0 * int(text) for text in texts if text.isdecimal()), default=None)
