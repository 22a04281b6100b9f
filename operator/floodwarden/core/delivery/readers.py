"""What is found of consumer groups, and what they show by themselves: a rebalance that does not end, no commits, commits that
will be forgotten before the group is back. Pure; ``guard`` tells what they stand to lose.

How long a state has lasted can only be watched: ``spells`` goes from one audit to the next, and a restart begins anew.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from floodwarden.core.delivery.violations import Action, Violation, listed
from floodwarden.core.observation import GroupPhase, Partition, Unknown

LASTING: Final = 300.0  # seconds, and so many audits, after which a state is no passing one
LASTING_AUDITS: Final = 3
LEFT_SHARE: Final = 0.25  # of offsets.retention.minutes that is left when it is told
OFFSETS_RETENTION: Final = "offsets.retention.minutes"
# Of times left, in seconds: none, minutes, hours and days.
_STEPS: Final = (
    0.0,
    *(60.0 * minutes for minutes in (1, 2, 5, 10, 20, 30)),
    *(3_600.0 * hours for hours in (1, 2, 3, 4, 6, 8, 12, 18)),
    *(86_400.0 * days for days in (1, 2, 3, 4, 5, 6, 7, 10, 14, 21, 30, 60, 90, 180, 360)),
)

Commits = Mapping[Partition, int | Unknown]
"""The next offset that a group will read of each partition; those it never committed are not among them."""

Extents = Mapping[Partition, tuple[int, int] | Unknown]
"""Of each partition the first offset that is still stored, and the one that the next message gets."""

Firsts = Mapping[tuple[Partition, int], int | Unknown | None]
"""The offset of the first message of a partition that is as new as a moment or newer; None where all are older."""


@dataclass(frozen=True, slots=True)
class GroupFound:
    """One group. ``phase`` is None where the broker's word for it is not known. ``consumes``: its members are consumers, as
    opposed to, say, Kafka Connect's workers; ``shares``: it is a share group, which has no committed offsets."""

    name: str
    phase: GroupPhase | None
    committed: Commits | Unknown
    consumes: bool = True
    shares: bool = False

    @property
    def uncommitted(self) -> bool:
        """Whether it has members and never committed anything."""
        return self.consumes and self.phase is GroupPhase.STABLE and self.committed == {}


@dataclass(frozen=True, slots=True)
class GroupsFound:
    """All groups that were told, by name; ``failed`` says of which nodes they are not known."""

    groups: tuple[GroupFound, ...]
    failed: tuple[Unknown, ...] = ()


class State(StrEnum):
    """What a group may be in for too long."""

    EMPTY = "without members"
    REBALANCING = "rebalancing"
    UNCOMMITTED = "without commits"


@dataclass(frozen=True, slots=True)
class Spell:
    """A state in which a group was found at each of so many audits, the first of them at ``since`` (wall clock, in seconds)."""

    since: float
    audits: int

    def lasted(self, at: float) -> bool:
        """Whether it is no passing one."""
        return at - self.since >= LASTING and self.audits >= LASTING_AUDITS


Spells = Mapping[tuple[str, State], Spell]
NONE: Spells = {}


def spells(before: Spells, found: GroupsFound, at: float) -> Spells:
    """The states that go on, and those that have just begun. What is not known this time goes on as it was."""
    now: dict[tuple[str, State], Spell] = {}
    listed_now = {group.name for group in found.groups}
    for group in found.groups:
        for state in _states(group):
            earlier = before.get((group.name, state))
            now[group.name, state] = Spell(earlier.since, earlier.audits + 1) if earlier else Spell(at, 1)
    unknown = {group.name for group in found.groups if group.phase is None or isinstance(group.committed, Unknown)}
    for key, spell in before.items():
        if key not in now and (key[0] in unknown or (found.failed and key[0] not in listed_now)):
            now[key] = spell
    return now


def _states(group: GroupFound) -> Iterator[State]:
    if group.phase is GroupPhase.EMPTY:
        yield State.EMPTY
    elif group.phase is GroupPhase.REBALANCING:
        yield State.REBALANCING
    if group.uncommitted:
        yield State.UNCOMMITTED


@dataclass(frozen=True, slots=True)
class Reads:
    """What the groups that read a policy's topics show. ``topics`` of each group are those, ``waiting`` the ones of them of which
    it has unread messages; ``uncommitted`` are groups that read without ever having committed, with the topics."""

    topics: Mapping[str, Collection[str]]
    waiting: Mapping[str, Collection[str]]
    uncommitted: Mapping[str, Collection[str]]


def of_groups(reads: Reads, standing: Spells, forgotten_after: float | None, at: float) -> Iterator[Violation]:
    """The violations of groups. ``forgotten_after``: seconds for which brokers keep what an empty group has committed."""
    for group in sorted(reads.topics):
        spell = standing.get((group, State.REBALANCING))
        if spell is not None and spell.lasted(at):
            reason = "nothing is read meanwhile: look for consumers that crash, or exceed max.poll.interval.ms"
            yield _of_group(group, "rebalance", "an end", f"none at any audit since {_time(spell.since)}", reason)
    for group, topics in sorted(reads.uncommitted.items()):
        spell = standing.get((group, State.UNCOMMITTED))
        if spell is not None and spell.lasted(at):
            reason = (
                "what it has not read cannot be seen, and after a restart it may skip it: let it commit what it has processed"
            )
            yield _of_group(
                group, "commits", "one of each partition", f"none of {_named(topics)} since {_time(spell.since)}", reason
            )
    for group, topics in sorted(reads.waiting.items()):
        spell = standing.get((group, State.EMPTY))
        if spell is None or forgotten_after is None:
            continue
        left = spell.since + forgotten_after - at
        if left < LEFT_SHARE * forgotten_after:
            found = f"forgotten by {_time(spell.since + forgotten_after)}" if left > 0 else "forgotten at any moment"
            since = f"no members since {_time(spell.since)} at the latest"
            reason = f"{since}: start it, or it may skip what is unread in {_named(topics)}"
            yield _of_group(group, "committed offsets", "kept until it is back", found, reason, OFFSETS_RETENTION)


def not_seen(reads: Reads, standing: Spells, found: GroupsFound, forgotten_after: float | None, at: float) -> Iterator[str]:
    """What groups do not show, in sentences."""
    away = sorted(group for group in reads.waiting if (group, State.EMPTY) in standing)
    if away and forgotten_after is None:
        yield f"{OFFSETS_RETENTION} is not known, so neither is when the commits of groups without members go: {listed(away)}"
    for group, topics in sorted(reads.uncommitted.items()):
        spell = standing.get((group, State.UNCOMMITTED))
        if spell is None or not spell.lasted(at):
            yield f"group {group} reads {_named(topics)} and has not committed anything yet: what it has not read cannot be seen"
    share = sorted(group.name for group in found.groups if group.shares)
    if share:
        yield f"share groups have no committed offsets, so nobody can tell here what they have not read: {listed(share)}"


def span(seconds: float) -> str:
    """A time left, in the largest unit of which there are two: rounded down, so that it is not told too long, nor ever anew."""
    for unit, length in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= 2 * length:
            return f"{int(seconds // length)}{unit}"
    return f"{max(0, int(seconds))}s"


def coarse(seconds: float) -> float:
    """A time left, rounded down to a step of few, so that a status does not change with every audit; 0 for what is next to
    nothing."""
    return max(step for step in _STEPS if step <= max(0.0, seconds))


def _of_group(group: str, setting: str, wanted: str, found: str, reason: str, where: str = "coordinator") -> Violation:
    return Violation(f"group {group}", setting, wanted, found, where, Action.REPORT, reason)


def _named(topics: Collection[str]) -> str:
    return listed(sorted(topics))


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")
