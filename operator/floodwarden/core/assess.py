"""From a reading and its history to what can be said of it: lag, rates, what stands still, what is not known.

Pure, apart from reading the history. ``core.need`` and ``core.decide`` build on the Assessment.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from floodwarden.core.history import SMOOTH_WINDOW, History, Track
from floodwarden.core.members import MemberLoad, awaits_turn, member_load
from floodwarden.core.observation import Group, GroupPhase, Offsets, Partition, Reading, Unknown
from floodwarden.core.reasons import Reason

STALL_AFTER = 30.0  # seconds without a commit under lag, at the least, before a partition counts as standing still
STALL_GAPS = 5.0  # or this many times the usual time between two of its commits, where that is longer
DOUBT_AFTER = 10.0  # seconds after which a partition that may turn out to stand still is no sign of slow consumers
DOUBT_GAPS = 2.0  # or this many times the usual time between two of its commits, where that is longer
SELDOM = 2.0  # seconds between commits from which what is done but not committed counts
SELDOM_AT_MOST = 30.0  # seconds for which a lag may be taken for uncommitted work
RECREATED_FOR = 60.0  # seconds for which a missing commit is put down to the topic's re-creation
NAMED_AT_MOST = 5  # names in one sentence


@dataclass(frozen=True, slots=True)
class Gap:
    """Something about a reading that is not known, or was lost: a reason and a sentence."""

    reason: Reason
    message: str


class PartitionLoad(NamedTuple):
    """What one partition asks for: lag in messages and in seconds, arrivals in messages per second.

    ``seconds`` is only a lower bound unless ``aged``: where what waits is older than all that has been seen. ``doubtful`` is
    what may turn out to be ``stalled``: it has stood still for a while in which others moved. ``held`` is how many positions lie
    between the group and a transaction that is open; None where none is, or nobody asked.
    """

    partition: Partition
    lag: int
    seconds: float
    aged: bool
    arrival: float
    stalled: bool
    doubtful: bool = False
    held: int | None = None


@dataclass(frozen=True, slots=True)
class Assessment:
    """What is known of a subscription at one moment.

    ``lag`` and ``seconds`` are sums and maxima over the known partitions, and only lower bounds unless ``exact``;
    both are None where nothing is known, and ``aged`` tells that ``seconds`` is all of it. ``settled_lag`` and
    ``settled_seconds`` leave out what is done but not committed yet. Rates are messages per second, None before the second
    reading.
    ``surge`` is the arrival rate of the last interval where it stands out, and ``surge_confirmed`` whether that interval
    lay wholly inside the rise.
    """

    partitions: int
    loads: tuple[PartitionLoad, ...]
    lag: int | None
    seconds: float | None
    settled_lag: int | None
    settled_seconds: float | None
    aged: bool
    exact: bool
    gaps: tuple[Gap, ...]
    expired: int  # messages that were deleted before the group read them
    unread: bool  # there are messages in partitions the group has never committed
    produced: float | None
    consumed: float | None
    consumed_before: float | None  # the same, one smoothing window earlier
    consumed_lately: float | None  # the same, over the newest half of the window
    surge: float | None
    surge_confirmed: bool
    commit_gap: float
    group: Group | None
    caution: Gap | None = None  # why replicas are not lowered although the lag is known: a part of the brokers is away
    members: tuple[MemberLoad, ...] = ()  # what each member of the group does; empty where they are not known
    group_gap: Gap | None = None
    competing: bool = False  # see Reading; ``members`` are then the consumers taken together, as one
    sampled: bool = False  # whether the broker takes its numbers now and then, and sweeps in between bring nothing new

    @property
    def parallel(self) -> int | None:
        """How many replicas can share the work: one for each partition; None where any number can."""
        return None if self.competing else self.partitions

    @property
    def stalled(self) -> tuple[Partition, ...]:
        return tuple(load.partition for load in self.loads if load.stalled)

    @property
    def phase(self) -> GroupPhase | None:
        return self.group.phase if self.group else None


def nothing_known(gap: Gap) -> Assessment:
    """The assessment of a sweep that could not read the subscription at all."""
    return Assessment(
        0, (), None, None, None, None, False, False, (gap,), 0, False, None, None, None, None, None, False, 0.0, None
    )


def assess(reading: Reading | Unknown, history: History, now: float, caution: Gap | None = None) -> Assessment:
    """What a reading means, given the history in which it was recorded already.

    ``now`` is the time of the reading; ``caution`` says what was amiss with the brokers although they answered.
    """
    if isinstance(reading, Unknown):
        return nothing_known(Gap(Reason(reading.reason.value), reading.detail))
    group = reading.group if isinstance(reading.group, Group) else None
    known = {p: o for p, o in reading.partitions.items() if isinstance(o, Offsets)}
    sampled = reading.taken is not None
    # Between two samples nothing new is known: rates stay those of the last one, however seldom samples come.
    rated = history.sweeps[-1] if sampled and history.sweeps else now
    gaps = tuple(_gaps(reading, history, now))
    positions = ((p, o, _position(o)) for p, o in known.items())
    loads = tuple(_load(p, o, position, history, group, now, rated) for p, o, position in positions if position is not None)
    surge = history.surge()
    lag = sum(load.lag for load in loads) if loads else None
    seconds = max((load.seconds for load in loads), default=None)
    # Steps of a sampled counter are the broker's, and not those in which consumers commit.
    commit_gap = 0.0 if sampled else history.consumed.step_gap(now - 6 * SMOOTH_WINDOW) or 0.0
    settled = _settled(lag, history, commit_gap, now)
    return Assessment(
        partitions=len(reading.partitions),
        loads=loads,
        lag=lag,
        seconds=seconds,
        settled_lag=settled,
        settled_seconds=seconds * settled / lag if lag and settled is not None and seconds is not None else seconds,
        aged=all(load.aged for load in loads),
        exact=bool(loads) and not gaps,
        gaps=gaps,
        expired=sum(max(0, o.log_start - o.committed) for o in known.values() if o.committed is not None),
        unread=any(o.committed is None and o.end > o.log_start for o in known.values()),
        produced=history.produced_rate(rated),
        consumed=history.consumed_rate(rated),
        consumed_before=history.consumed.rate(rated - 2 * SMOOTH_WINDOW, rated - SMOOTH_WINDOW),
        consumed_lately=history.consumed_rate(rated, window=SMOOTH_WINDOW / 2),
        surge=surge[0] if surge else None,
        surge_confirmed=surge is not None and surge[1],
        commit_gap=commit_gap,
        group=group,
        caution=caution,
        members=_members(group, known, history, now, competing=reading.competing),
        group_gap=_group_gap(reading.group),
        competing=reading.competing,
        sampled=sampled,
    )


def _position(offsets: Offsets) -> int | None:
    """Where the group will go on reading; None where that is not known.

    An empty partition has nothing to read whether committed or not. A commit below the log start goes on at the start.
    """
    if offsets.committed is None:
        return offsets.end if offsets.end == offsets.log_start else None
    if offsets.committed > offsets.end:
        return None
    return max(offsets.committed, offsets.log_start)


def _load(
    partition: Partition, offsets: Offsets, position: int, history: History, group: Group | None, now: float, rated: float
) -> PartitionLoad:
    lag = offsets.end - position
    track = history.tracks[partition]
    seconds, aged = _seconds(track, position, lag, now)
    doubtful = lag > 0 and _stalled(partition, position, history, group, now, DOUBT_AFTER, DOUBT_GAPS)
    return PartitionLoad(
        partition=partition,
        lag=lag,
        seconds=seconds,
        aged=aged,
        arrival=max(0.0, track.end.rate(rated - SMOOTH_WINDOW, rated) or 0.0),
        stalled=doubtful and _stalled(partition, position, history, group, now, STALL_AFTER, STALL_GAPS),
        doubtful=doubtful,
        held=_held(offsets, position),
    )


def _held(offsets: Offsets, position: int) -> int | None:
    stable = offsets.stable
    return stable - position if stable is not None and position <= stable < offsets.end else None


def _members(
    group: Group | None, known: Collection[Partition], history: History, now: float, *, competing: bool
) -> tuple[MemberLoad, ...]:
    """What each member does. Nobody can tell that of consumers that share a queue: they are one here."""
    if group is None or not group.members:
        return ()
    owned = [known] if competing else [member.partitions for member in group.members]
    return tuple(member_load([history.tracks[p] for p in partitions if p in history.tracks], now) for partitions in owned)


def _settled(lag: int | None, history: History, commit_gap: float, now: float) -> int | None:
    """The least lag since the last commit but one: what a consumer that commits seldom has done already is no backlog.

    Between two commits the lag rises by all that arrives, however fast it is worked off.
    """
    first = history.consumed.first_at
    if lag is None or first is None or commit_gap < SELDOM:
        return lag
    produced, consumed = history.produced.at(now) or 0.0, history.consumed.at(now) or 0.0
    times = [at for at in history.consumed.changes(now - min(1.5 * commit_gap, SELDOM_AT_MOST)) if at >= first]
    earlier = [
        lag - (produced - (history.produced.at(at) or 0.0)) + (consumed - (history.consumed.at(at) or 0.0)) for at in times
    ]
    return max(0, int(min([lag, *earlier])))


def _seconds(track: Track, position: int, lag: int, now: float) -> tuple[float, bool]:
    """How long the oldest unread message has waited: since the end of the log passed the group's position; and if that is all.

    Where that was before the history began, the length of the history is a lower bound.
    """
    if lag == 0:
        return 0.0, True
    passed = track.end.passed(position)
    if passed is not None:
        return now - passed, True
    return now - (track.end.first_at if track.end.first_at is not None else now), False


def _stalled(
    partition: Partition, position: int, history: History, group: Group | None, now: float, after: float, gaps: float
) -> bool:
    """Whether a partition stands still that somebody should move: not while the group is empty or rebalances.

    That its owner cannot be told at this moment (the members could not be read, or the partition is just passed on) does not
    make it move.
    """
    if group is not None and group.phase is not GroupPhase.STABLE:
        return False
    track = history.tracks[partition]
    if not _stands(track, position, now, after, gaps):
        return False
    owner = next((member for member in group.members if partition in member.partitions), None) if group else None
    if owner is None:
        return True
    others = [history.tracks[p] for p in owner.partitions if p != partition and p in history.tracks]
    return not awaits_turn(track, others, now, after)


def _stands(track: Track, position: int, now: float, after: float, gaps: float) -> bool:
    """No commit for longer than this partition usually needs, although there was something to read all the while."""
    usual = track.committed.step_gap(now - 20 * STALL_AFTER) or 0.0
    bound = max(after, gaps * usual)
    flat_since = track.committed.flat_since
    if flat_since is None or now - flat_since < bound:
        return False
    passed = track.end.passed(position)
    waiting_since = passed if passed is not None else track.end.first_at
    return waiting_since is not None and now - waiting_since >= bound


def _gaps(reading: Reading, history: History, now: float) -> Iterator[Gap]:
    """What is not known, one gap for each reason, worst first."""
    if reading.missing_topics:
        yield Gap(Reason.TOPIC_MISSING, f"topic {_names(sorted(reading.missing_topics))} does not exist")
    unknown: dict[Reason, list[str]] = {}
    details: dict[Reason, str] = {}
    recreated = history.recreated_at is not None and now - history.recreated_at < RECREATED_FOR
    for partition, offsets in reading.partitions.items():
        if isinstance(offsets, Unknown):
            reason = Reason(offsets.reason.value)
            details.setdefault(reason, offsets.detail)
        elif _position(offsets) is not None:
            if offsets.committed is None or offsets.committed >= offsets.log_start:
                continue
            reason = Reason.OFFSET_BELOW_LOG_START
        elif offsets.committed is not None:
            reason = Reason.COMMITTED_BEYOND_END
        else:
            reason = Reason.TOPIC_RECREATED if recreated else Reason.NO_COMMIT_YET
        unknown.setdefault(reason, []).append(str(partition))
    for reason, names in unknown.items():
        detail = f": {details[reason]}" if details.get(reason) else ""
        yield Gap(reason, f"{_names(names)} of {len(reading.partitions)} partitions{detail}")
    if not reading.partitions and not reading.missing_topics:
        yield Gap(Reason.NO_COMMIT_YET, "the group has not committed any offset")


def _group_gap(group: Group | Unknown | None) -> Gap | None:
    return Gap(Reason(group.reason.value), group.detail) if isinstance(group, Unknown) else None


def _names(names: list[str]) -> str:
    shown = ", ".join(names[:NAMED_AT_MOST])
    return shown if len(names) <= NAMED_AT_MOST else f"{shown} and {len(names) - NAMED_AT_MOST} more"
