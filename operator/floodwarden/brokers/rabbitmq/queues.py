"""What the management API tells of queues, as positions of messages: pure, apart from remembering what was told last.

``adapter`` hands over each answer of ``/api/queues``. RabbitMQ counts no offsets, so they are made here:

    committed  what the queue has handed over for good: message_stats.ack + deliver_no_ack + get_no_ack
    end        committed + messages (ready and unacknowledged)
    log_start  committed

The lag is therefore exact, as old as the statistics. What a channel counted just before it was closed RabbitMQ may forget: then
positions are too low by it, never too high. Messages that leave in any other way (expired, purged, dropped at a limit, rejected)
make ``end`` fall, and that is left so: the readers of ``end`` take a fall for no arrivals and start that queue's age anew, while
``committed`` does not move, so none of it looks like consumption. Raised positions would look like consumed messages, and a new
incarnation would forget the rates of a queue whose messages expire all the time. While messages both arrive and expire, arrivals
come out lower by what expired.

How old the numbers are. The queue's process tells its length every ``collect_statistics_interval`` (5 s) while it works and once
before it rests; channels count acknowledgements at once; and each node samples both every 5 s. Nothing in an answer bears the
time of a sample: with ``lengths_age`` and the like, times are rounded to the interval asked for, samples are padded, and the
answer is neither cached by the broker nor small. What does show a new sample of the length is ``reductions``, the work of the
queue's process, which no process tells its length without. So a queue's numbers are taken anew when it has told its length anew;
or when nothing at all has moved for longer than the interval, as with a queue at rest, which tells nothing but is as it was.
In between they stay the same, since acknowledgements without the length that belongs to them would let ``end`` go up and down.

A length of the statistics is up to two intervals old by that. A younger one is in the other answer of ``/api/queues``, without
statistics (``COUNTED``): classic queues are asked by the broker there and then, and of quorum queues it is what the leader told
last, every 5 s. Where a queue is in both answers with the same leader its length is taken from that one, always, or a new length
would be followed by an old one; and a rise that stands out of chance is not left waiting for the statistics. Acknowledgements are
as old then as they were: arrivals come out too low by them, and come in later. A leader that has told nothing yet has 0 there,
which ``_settles`` keeps out.

Length and acknowledgements are up to an interval apart: where consumption changes by so many messages a second, arrivals
are wrong by as many for so many seconds, once. And that distance jitters, so that ``end`` could fall by a few messages while a
queue is drained, and its age be lost each time: a fall of no more than was acknowledged meanwhile is left out, and the lag is so
much too large, until the queue rests or as many have arrived.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from math import sqrt
from typing import Any, Final, NamedTuple, TypeGuard

from floodwarden.core.observation import Offsets, Unknown, UnknownReason

COLUMNS: Final = (
    "name,type,state,node,leader,arguments,consumers,messages,reductions"
    ",message_stats.ack,message_stats.deliver_no_ack,message_stats.get_no_ack"
)
COUNTED: Final = "name,leader,node,messages"
COUNTED_HOW: Final = {"disable_stats": "true", "enable_queue_totals": "true"}
QUIET_SECONDS: Final = 6.0  # a sample every 5 s, and some time to come through
# A queue of which only acknowledgements move has not told its length yet, unless its interval is longer than any sensible one.
LONGEST_INTERVAL: Final = 60.0
LONGEST_SETTLING: Final = 30.0  # for a new leader to tell the length
OLDEST_LENGTH: Final = 12.0  # of the statistics: two samples every 5 s, and some time to come through
CHANCE: Final = 3.0  # standard deviations of a Poisson count up to which a rise may be chance
# What it tells of consumers of streams is what was sent to them: see hack/adr/0010-lag-of-streams.md.
NOT_TOLD: Final = "the management API does not tell what consumers of streams have processed; watch a classic or a quorum queue"
LARGEST: Final = 2**60  # nobody counts so many messages; sums of four still are what core counts with
_GOOD: Final = ("ack", "deliver_no_ack", "get_no_ack")
_NOT_RUNNING: Final = frozenset({"down", "stopped", "crashed", "minority", "terminated"})

Entry = Mapping[str, Any]


class Told(NamedTuple):
    """What one answer says of one queue: messages in it, and messages handed over for good since the statistics began."""

    leader: str
    length: int
    reductions: int
    handed: int


class Counted(NamedTuple):
    """A queue's length without statistics, and who told it."""

    leader: str
    length: int


class Seen(NamedTuple):
    """What is known of one queue.

    ``taken`` is when its numbers were, in seconds of the caller's clock; ``incarnation`` changes when its counters went back or
    it was away; ``single``: no more than one consumer reads it at a time.
    """

    offsets: Offsets | Unknown
    taken: float
    incarnation: int
    single: bool


class Queues:
    """The queues that are asked for, as they were told last."""

    def __init__(self) -> None:
        self._known: dict[str, _Queue] = {}

    def keep(self, names: Collection[str]) -> None:
        """Forget all other queues."""
        for name in self._known.keys() - set(names):
            del self._known[name]

    def see(self, name: str, entry: Entry | None, now: float, counted: Counted | None = None) -> Seen | None:
        """What is known of a queue now that an answer of ``now`` says this of it, None: it does not exist.

        The very object of the last time where nothing was taken anew.
        """
        known = self._known.get(name)
        if entry is None:
            if known is not None:
                known.gone = True
            return None
        if known is None:
            known = self._known[name] = _Queue(name)
        return known.see(entry, now, counted)


class _Queue:
    """One queue, and what was told of it."""

    __slots__ = (
        "_counted_at",
        "_entry",
        "_fresh",
        "_highest",
        "_incarnation",
        "_last",
        "_led_since",
        "_moved_at",
        "_name",
        "_seen",
        "_settling",
        "_told",
        "gone",
    )

    def __init__(self, name: str) -> None:
        self._name = name
        self._entry: Entry | None = None
        self._told: Told | Unknown | None = None  # what that entry says
        self._last: Told | None = None  # the last that could be read
        self._seen: Seen | None = None
        self._fresh = False  # what is told has not been shown yet
        self._counted_at: float | None = None  # when the length was last told without statistics
        self._incarnation = 0
        self._highest = 0  # the most that was handed over before the counters went back
        self._moved_at = 0.0
        self._led_since: float | None = None  # when another leader was found, until it has told the length
        self._settling = 0  # the reductions while what is told may still be the old leader's
        self.gone = False  # it did not exist when it was looked for last

    def see(self, entry: Entry, now: float, counted: Counted | None) -> Seen:
        """See ``Queues.see``."""
        if self._told is None or entry != self._entry:
            self._entry, self._told = entry, decode(self._name, entry)
        told = self._told
        if isinstance(told, Unknown):
            return self._show(told, now)
        last, self._last = self._last, told
        if self.gone:
            # Declared again: nothing goes on from before.
            self.gone, last, self._highest, self._counted_at = False, None, 0, None
            self._incarnation += 1
        length = self._length(told, counted, now)
        if last is None:
            return self._show(self._positions(told.handed, told.length if length is None else length), now)
        if told.leader != last.leader:
            self._led_since = now
        back = self._went_back(told.handed, last.handed)
        if self._settles(told.reductions, now):
            why = f"queue {self._name} has a new leader, {told.leader}, which has not told the length yet; it does within seconds"
            return self._show(Unknown(UnknownReason.COORDINATOR_UNAVAILABLE, why), now)
        length_told = (told.reductions, told.length) != (last.reductions, last.length)
        if length_told or told.handed != last.handed:
            self._moved_at = now
        seen, self._fresh = self._seen, self._fresh or back or length_told
        if seen is None or isinstance(seen.offsets, Unknown):
            return self._show(self._positions(told.handed, told.length if length is None else length), now)
        if length is not None and (self._fresh or self._rests(seen.taken, now) or _risen(length, seen.offsets)):
            return self._show(self._positions(told.handed, length), now)
        return seen

    def _length(self, told: Told, counted: Counted | None, now: float) -> int | None:
        """The youngest length there is; None where only one is left that may be older than what was seen already."""
        if counted is not None and counted.leader == told.leader:
            self._counted_at = now
            return counted.length
        if self._counted_at is not None and now - self._counted_at < OLDEST_LENGTH:
            return None
        return told.length

    def _went_back(self, handed: int, before: int) -> bool:
        """Whether the counters are not those of before, and a new incarnation if so.

        They lack what a node counted that is away, and have it again when that node is only heard again: neither is consumption.
        """
        if handed < before:
            self._highest = max(self._highest, before)
        elif not before < self._highest <= handed:
            return False
        self._incarnation += 1
        return True

    def _settles(self, reductions: int, now: float) -> bool:
        """Whether the length may be that of an old leader, that of both added up, or none at all.

        A node leaves out what it leads no longer with its next sample. What is told anew after that is the new leader's.
        """
        if self._led_since is None:
            return False
        passed = now - self._led_since
        if passed < QUIET_SECONDS:
            self._settling = reductions
        elif reductions != self._settling or passed >= LONGEST_SETTLING:
            self._led_since = None
        return self._led_since is not None

    def _positions(self, handed: int, length: int) -> Offsets:
        end, seen = handed + length, self._seen
        if seen is not None and isinstance(seen.offsets, Offsets) and seen.incarnation == self._incarnation:
            acknowledged = handed - (seen.offsets.committed or 0)
            if end < seen.offsets.end <= end + acknowledged:
                end = seen.offsets.end
        return Offsets(handed, end, handed)

    def _rests(self, taken: float, now: float) -> bool:
        """Whether the same numbers hold for a later time."""
        return now - max(self._moved_at, taken) >= QUIET_SECONDS or now - taken >= LONGEST_INTERVAL

    def _show(self, offsets: Offsets | Unknown, now: float) -> Seen:
        seen, self._fresh = self._seen, False
        if seen is not None and seen.offsets == offsets and seen.incarnation == self._incarnation:
            if isinstance(offsets, Unknown):
                return seen
            offsets = seen.offsets
        self._seen = Seen(offsets, now, self._incarnation, _single(self._entry or {}))
        return self._seen


def decode(name: str, entry: Entry) -> Told | Unknown:
    """What an entry of the answer says of a queue; Unknown where that is not its length and its counters."""
    if entry.get("type") == "stream":
        return Unknown(UnknownReason.UNSUPPORTED, f"{name} is a stream: {NOT_TOLD}")
    state, leader = entry.get("state"), entry.get("leader", entry.get("node"))
    down = state if isinstance(state, str) and state in _NOT_RUNNING else None
    if down or ("leader" in entry and not leader):
        why = f"queue {name} has no leader (state {down or 'not known'}): start its nodes; see rabbitmqctl list_queues name state"
        return Unknown(UnknownReason.NO_LEADER, why)
    length, stats = entry.get("messages"), entry.get("message_stats") or {}
    # Without consumers, which come from the leader, a length is what is left of a former leader's statistics.
    if length is None or entry.get("consumers") is None:
        why = f"queue {name} has no statistics yet; they come within seconds of its declaration, or of a new leader"
        return Unknown(UnknownReason.COORDINATOR_UNAVAILABLE, why)
    counted = [value for key in _GOOD if _counts(value := stats.get(key, 0))] if isinstance(stats, dict) else []
    if not _counts(length) or len(counted) < len(_GOOD):
        return Unknown(UnknownReason.BROKER_ERROR, f"queue {name} has statistics that are no numbers; see the management UI")
    reductions = entry.get("reductions")
    return Told(str(leader), length, reductions if _counts(reductions) else 0, sum(counted))


def entries(answer: Any) -> dict[str, Entry]:
    """The entries of an answer by their queue's name; ValueError where it is no list of queues."""
    if not isinstance(answer, list):
        raise ValueError("no list of queues")
    return {entry["name"]: entry for entry in answer if isinstance(entry, dict) and isinstance(entry.get("name"), str)}


def counted(answer: Any) -> dict[str, Counted]:
    """The lengths in an answer without statistics by their queue's name; ValueError where it is no list of queues."""
    found: dict[str, Counted] = {}
    for name, entry in entries(answer).items():
        leader, length = entry.get("leader", entry.get("node")), entry.get("messages")
        if isinstance(leader, str) and _counts(length):
            found[name] = Counted(leader, length)
    return found


def _risen(length: int, seen: Offsets) -> bool:
    """Whether so many more wait than were seen as chance does not bring."""
    lag = seen.end - seen.log_start
    return length - lag > CHANCE * sqrt(max(lag, 1))


def _single(entry: Entry) -> bool:
    arguments = entry.get("arguments")
    alone = isinstance(arguments, dict) and arguments.get("x-single-active-consumer") is True
    return alone or entry.get("type") == "stream"


def _counts(value: object) -> TypeGuard[int]:
    return type(value) is int and 0 <= value < LARGEST
