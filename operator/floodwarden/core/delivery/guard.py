"""Which groups stand to lose unread messages, and which have lost some.

Pure. ``keeping`` says how long topics keep messages, ``readers`` what groups have read; ``warnings`` puts it into words and
``extension`` says what is done about it. Kafka deletes whole segments, and none before the newest message in it is old enough:
what lies before the first message since a moment may go once that moment is out of the retention, and never earlier. That holds
whatever the clocks of producers say.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from floodwarden.core.delivery.keeping import Keeping, Moments
from floodwarden.core.delivery.readers import Commits, Extents, Firsts, GroupFound, GroupsFound
from floodwarden.core.observation import Partition, Unknown, UnknownReason

NEAR_SIZE: Final = 0.75  # of retention.bytes that is unread when it is told
POSITIONS_AT_MOST: Final = 40  # of which the messages' times are read in one audit

ExtentsOf = Mapping[str, Extents | Unknown]
"""The extents of some topics' partitions, by topic."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What was read of partitions: where logs begin and end, the first messages since moments, and how large logs are."""

    extents: ExtentsOf
    firsts: Firsts = field(default_factory=dict)
    sizes: Mapping[Partition, int | Unknown] = field(default_factory=dict)


@dataclass(slots=True)
class Late:
    """One group on one topic, by partition numbers.

    ``expiring``: where unread messages near their end begin, and how many they are; ``lost``: how many were deleted unread;
    ``crowded``: bytes unread where that is near to all that is kept. ``last``: some expire soon although the retention is
    extended; ``holds``: the extension must stay, because of this group or because it cannot be told. ``unknown``: what could
    not be read. ``beyond``: partitions whose commit lies behind their end, so that nobody can tell what is unread.
    """

    topic: str
    group: str
    expiring: dict[int, tuple[int, int]] = field(default_factory=dict)
    lost: dict[int, int] = field(default_factory=dict)
    crowded: dict[int, int] = field(default_factory=dict)
    last: bool = False
    holds: bool = False
    unknown: list[Unknown] = field(default_factory=list)
    beyond: list[int] = field(default_factory=list)

    @property
    def resource(self) -> str:
        """How violations name it."""
        return f"topic {self.topic}, group {self.group}"

    @property
    def count(self) -> int:
        """How many messages are near their end."""
        return sum(count for _, count in self.expiring.values())


def unread_of(group: GroupFound, extents: ExtentsOf) -> Iterator[Partition]:
    """The partitions of which a group has unread messages, or has lost some."""
    for partition, offset, (_, end) in _known(group, extents):
        if offset < end:
            yield partition


def partly_committed(found: GroupsFound, extents: ExtentsOf) -> Iterator[tuple[str, str]]:
    """Groups, each with a topic of which it has committed some partitions and never others that have messages."""
    for group in found.groups:
        if isinstance(group.committed, Unknown):
            continue
        for topic in sorted({partition.topic for partition in group.committed}):
            of_topic = extents.get(topic, {})
            if isinstance(of_topic, Unknown):
                continue
            filled = {one for one, extent in of_topic.items() if not isinstance(extent, Unknown) and extent[0] < extent[1]}
            if filled - group.committed.keys():
                yield group.name, topic


def below_start(found: GroupsFound, extents: ExtentsOf) -> list[str]:
    """The groups that have lost messages, if what they had committed before the logs' starts were read still holds."""
    return [group.name for group in found.groups if any(offset < start for _, offset, (start, _) in _known(group, extents))]


def with_commits(found: GroupsFound, again: Mapping[str, Commits | Unknown], extents: ExtentsOf) -> GroupsFound:
    """The groups with what some have committed since; a commit behind an end that was read before counts as that end."""
    groups = []
    for group in found.groups:
        if group.name in again:
            group = replace(group, committed=again[group.name])
            capped = {partition: min(offset, end) for partition, offset, (_, end) in _known(group, extents)}
            if not isinstance(group.committed, Unknown):
                group = replace(group, committed={**group.committed, **capped})
        groups.append(group)
    return replace(found, groups=tuple(groups))


def _known(group: GroupFound, extents: ExtentsOf) -> Iterator[tuple[Partition, int, tuple[int, int]]]:
    """The partitions of which both the group's position and the log's are known."""
    if isinstance(group.committed, Unknown):
        return
    for partition, offset in group.committed.items():
        extent = _extent(partition, extents)
        if not isinstance(offset, Unknown) and extent is not None and not isinstance(extent, Unknown):
            yield partition, offset, extent


def _extent(partition: Partition, extents: ExtentsOf) -> tuple[int, int] | Unknown | None:
    of_topic = extents.get(partition.topic)
    return of_topic if of_topic is None or isinstance(of_topic, Unknown) else of_topic.get(partition)


def lates(
    found: GroupsFound, keepings: Mapping[str, Keeping], when: Mapping[str, Moments | None], facts: Facts
) -> Iterator[Late]:
    """Every group on every topic that is watched, where there is something to say of it."""
    for group in found.groups:
        if isinstance(group.committed, Unknown):
            continue
        by_topic: dict[str, Late] = {}
        for partition, offset in group.committed.items():
            keeping = keepings.get(partition.topic)
            extent = _extent(partition, facts.extents)
            if keeping is None or extent is None:  # nobody asks for it, or it is gone with its topic
                continue
            late = by_topic.setdefault(keeping.topic, Late(keeping.topic, group.name))
            if isinstance(offset, Unknown) or isinstance(extent, Unknown):
                late.unknown += [one for one in (offset, extent) if isinstance(one, Unknown)]
                late.holds = True
            else:
                _add(late, partition, offset, extent, keeping, when.get(keeping.topic), facts)
        empty = Late("", "")
        yield from (late for late in by_topic.values() if late != replace(empty, topic=late.topic, group=late.group))


def _add(
    late: Late, partition: Partition, offset: int, extent: tuple[int, int], keeping: Keeping, when: Moments | None, facts: Facts
) -> None:
    """Add what there is to say of one partition."""
    start, end = extent
    if offset > end:
        late.beyond.append(partition.number)
    if offset < start:
        late.lost[partition.number] = start - offset
        offset = start
    if offset >= end:
        return
    if when is not None:
        near = _older_up_to(partition, when.near, end, facts)
        if isinstance(near, Unknown):
            late.unknown.append(near)
        elif offset < near:
            late.expiring[partition.number] = offset, near - offset
        if when.hold is not None:
            hold = _older_up_to(partition, when.hold, end, facts)
            late.holds |= isinstance(hold, Unknown) or offset < hold
        if when.last is not None:
            last = _older_up_to(partition, when.last, end, facts)
            late.last |= not isinstance(last, Unknown) and offset < last
    size = facts.sizes.get(partition)
    if isinstance(size, Unknown):
        late.unknown.append(size)
    elif size is not None and keeping.largest is not None:
        unread = size * (end - offset) // (end - start)
        if unread > NEAR_SIZE * keeping.largest:
            late.crowded[partition.number] = unread


def _older_up_to(partition: Partition, moment: int, end: int, facts: Facts) -> int | Unknown:
    """The offset up to which messages are older than a moment."""
    first = facts.firsts.get((partition, moment), Unknown(UnknownReason.BROKER_ERROR, f"partition {partition} was not asked"))
    if isinstance(first, Unknown):
        return first
    return end if first is None else min(first, end)


def worst(found: Iterable[Late]) -> dict[Partition, int]:
    """The positions whose messages' times are worth reading: of whole groups, those with the most messages first.

    Of several groups on one partition the earliest counts: what it has not read goes first.
    """
    positions: dict[Partition, int] = {}
    for late in sorted(found, key=lambda late: late.count, reverse=True):
        wanted = {Partition(late.topic, number): offset for number, (offset, _) in late.expiring.items()}
        if len(positions.keys() | wanted.keys()) <= POSITIONS_AT_MOST:
            for partition, offset in wanted.items():
                positions[partition] = min(offset, positions.get(partition, offset))
    return positions


def by_topic(found: Iterable[Late]) -> dict[str, list[Late]]:
    """The same, by topic."""
    sorted_out: dict[str, list[Late]] = defaultdict(list)
    for late in found:
        sorted_out[late.topic].append(late)
    return sorted_out
