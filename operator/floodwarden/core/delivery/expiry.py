"""What a policy is told of messages that expire unread: violations, sentences, and when an Event is due again. Pure.

Numbers are rounded where they change with every audit, so that a status is not written for that alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from floodwarden.core.conditions import Notice
from floodwarden.core.delivery.guard import Late
from floodwarden.core.delivery.keeping import Keeping, compacted
from floodwarden.core.delivery.readers import coarse, span
from floodwarden.core.delivery.survey import Survey
from floodwarden.core.delivery.violations import Action, Violation, listed
from floodwarden.core.delivery.wishes import RETENTION, Wishes, worded
from floodwarden.core.observation import Partition, Unknown
from floodwarden.core.reasons import Reason

UNREAD, CROWDED, LOST = "unread messages", "unread bytes", "lost messages"
WHERE: Final = "committed offsets"
_ADVICE: Final = "start or speed up its consumers, or lengthen the topic's retention"


@dataclass(frozen=True, slots=True)
class Around:
    """What else matters: ``now`` in milliseconds since 1970, when messages were ``written``, who has topics (``owners``), and why
    the retention of some could not be extended; ``theirs`` are topics whose retention somebody changed while it was extended."""

    now: int
    written: Mapping[Partition, int | Unknown] = field(default_factory=dict)
    owners: Mapping[str, str] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)
    theirs: Collection[str] = ()


def of_late(wishes: Wishes, late: Late, keeping: Keeping, around: Around) -> Iterator[Violation]:
    """What a group on a topic stands to lose, and what it has lost."""
    if late.lost:
        counts = late.lost if len(late.lost) > 1 else None  # of a single one it is said already
        found = f"{_about(sum(late.lost.values()))} in {_partitions(late.lost, counts)}"
        reason = "they were deleted before the group had read them: lengthen the retention, or delete the group if nobody uses it"
        yield Violation(late.resource, LOST, "none", found, WHERE, Action.REPORT, reason, Reason.UNREAD_EXPIRED)
    if late.expiring:
        action, reason = _answer(wishes, late, keeping, around)
        found = f"{_about(late.count)} in {_partitions(late.expiring)} expire {left(late, keeping, around)}"
        yield Violation(late.resource, UNREAD, "read before they expire", found, WHERE, action, reason, Reason.UNREAD_EXPIRING)
    if late.crowded and keeping.largest is not None:
        unread, kept = _size(max(late.crowded.values()), rough=True), _size(keeping.largest)
        found = f"about {unread} of the {kept} that are kept in {_partitions(late.crowded)}"
        reason = (
            "new messages will push unread ones out: speed up its consumers, or raise retention.bytes, which is left to people"
        )
        wanted = "less than three quarters of retention.bytes"
        yield Violation(late.resource, CROWDED, wanted, found, WHERE, Action.REPORT, reason, Reason.UNREAD_EXPIRING)


def _answer(wishes: Wishes, late: Late, keeping: Keeping, around: Around) -> tuple[Action, str]:
    """What becomes of it, and why."""
    if keeping.extended is not None:
        extended = worded(RETENTION, str(keeping.extended))
        if late.last:
            return Action.REPORT, f"retention.ms is extended to {extended}, and is not extended again: start its consumers now"
        return Action.REPAIR, f"retention.ms is extended to {extended} until the group has caught up"
    if wishes.extend_to is None:
        return Action.REPORT, _ADVICE
    if keeping.usual is not None and wishes.extend_to <= keeping.usual:
        return Action.REPORT, f"they are kept for as long as extendTo says already: {_ADVICE}"
    if keeping.topic in around.owners:
        return Action.OWNER, f"{around.owners[keeping.topic]} has this topic: lengthen retention.ms there"
    if keeping.topic in around.theirs:
        return Action.REPORT, f"retention.ms was set anew while it was extended, and is left so: {_ADVICE}"
    if keeping.topic in around.failed:
        return Action.REPORT, f"retention.ms could not be extended: {around.failed[keeping.topic]}"
    to = worded(RETENTION, str(wishes.extend_to))
    if wishes.enforces:
        return Action.REPAIR, f"retention.ms is extended to {to} as soon as it may be written"
    return Action.REPAIR, f"mode Enforce would extend retention.ms to {to}"


def left(late: Late, keeping: Keeping, around: Around) -> str:
    """When the first of the unread messages may be deleted: by their own times where those could be read, else a bound."""
    assert keeping.usual is not None, "else nothing expires"
    in_force = keeping.extended if keeping.extended is not None else keeping.usual
    most = in_force - keeping.usual + keeping.usual // 4  # milliseconds; what is near its end has no more
    times = [around.written.get(Partition(late.topic, number)) for number in late.expiring]
    known = [time for time in times if time is not None and not isinstance(time, Unknown)]
    if len(known) < len(times):
        return f"within {span(most / 1000)}"
    step = coarse(min(min(known) + in_force - around.now, most) / 1000)
    return f"in {span(step)} at the earliest" if step else "at any moment"


def last_call(late: Late, keeping: Keeping, around: Around) -> Notice:
    """The Event for a group that falls behind even an extended retention: that it is late was told long before."""
    extended, when = worded(RETENTION, str(keeping.extended)), left(late, keeping, around)
    text = (
        f"unread messages of {late.resource} expire {when}, although retention.ms is extended to {extended}: "
        "start its consumers now, or lengthen the retention by hand"
    )
    return Notice(True, Reason.UNREAD_EXPIRING, text)


def not_proven(
    wishes: Wishes,
    late: Collection[Late],
    survey: Survey,
    forgotten_after: float | None,
    watched: Iterable[Keeping],
    partly: Iterable[tuple[str, str]] = (),
) -> Iterator[str]:
    """What a guard cannot promise, in sentences. ``forgotten_after``: seconds for which brokers keep an empty group's commits;
    ``partly``: groups and topics of which they have never committed some partitions."""
    squeezed = sorted(
        one.name for one in survey.topics.values() if not one.internal and wishes.matches(one.name) and compacted(one)
    )
    if squeezed:
        yield f"compacted topics may lose a message to a newer one of the same key before it is read: {listed(squeezed)}"
    some = [f"{group} on {topic}" for group, topic in sorted(partly)]
    if some:
        yield f"partitions with messages that a group has never committed are not guarded: {listed(some)}"
    for one in late:
        if one.beyond:
            where = f"the end of {_partitions(one.beyond)}"
            yield f"{one.resource} is beyond {where}: what is unread cannot be seen; reset its offsets"
    kept = [max(one.usual, wishes.extend_to or 0) for one in watched if one.usual is not None and wishes.matches(one.topic)]
    if forgotten_after is not None and max(kept, default=0) > 1000 * forgotten_after:
        yield (
            f"a group without members for {span(forgotten_after)} loses its place (offsets.retention.minutes), though messages "
            f"are kept for up to {span(max(kept) / 1000)}: it may skip what it has not read"
        )


def _partitions(numbers: Collection[int], counts: Mapping[int, int] | None = None) -> str:
    shown = [f"{number} ({_about(counts[number])})" if counts is not None else str(number) for number in sorted(numbers)]
    return f"partition{'s' if len(shown) > 1 else ''} {listed(shown)}"


def _about(count: int) -> str:
    """Exact below a hundred, above it two digits."""
    return str(count) if count < 100 else f"about {_rough(count):,}"


def _rough(count: int) -> int:
    """Two digits of it, rounded down."""
    digits = int(10 ** max(0, len(str(count)) - 2))
    return count // digits * digits


def _size(count: int, *, rough: bool = False) -> str:
    for unit, size in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if count >= size:
            shown = str(_rough(count // size)) if rough and count >= 100 * size else f"{count / size:.1f}".removesuffix(".0")
            return f"{shown} {unit}"
    return f"{_rough(count) if rough else count} bytes"
