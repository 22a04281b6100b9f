"""What the management API tells of queues, as positions: exact, never made of halves, and no consumption where there is none."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floodwarden.brokers.rabbitmq.queues import (
    LARGEST,
    LONGEST_INTERVAL,
    QUIET_SECONDS,
    Queues,
    Seen,
    decode,
    entries,
)
from floodwarden.core.history import History
from floodwarden.core.observation import Offsets, Partition, Reading, Unknown, UnknownReason
from tests.support.hostile import HOSTILE
from tests.support.rabbit import entry

A, B = "rabbit@a", "rabbit@b"


def watched(*answers: tuple[float, dict[str, Any] | None]) -> Seen:
    """What is known of a queue after these answers, each with its time."""
    queues, seen = Queues(), None
    for now, told in answers:
        seen = queues.see("orders", told, now)
    assert seen is not None
    return seen


READ = {
    "waiting": (entry(length=5), Offsets(0, 5, 0)),
    "acknowledged": (entry(length=5, ack=7), Offsets(7, 12, 7)),
    "handed over without acknowledgement": (entry(length=1, deliver_no_ack=3, get_no_ack=4), Offsets(7, 8, 7)),
    "all kinds": (entry(ack=1, deliver_no_ack=2, get_no_ack=3), Offsets(6, 6, 6)),
    "delivered, and not acknowledged yet": (entry(length=5, deliver=5), Offsets(0, 5, 0)),
    "never touched": (entry(message_stats=None), Offsets(0, 0, 0)),
    "empty statistics": (entry(message_stats=[]), Offsets(0, 0, 0)),
    "without reductions": (entry(length=5, reductions=None), Offsets(0, 5, 0)),
    "quorum": (entry(length=5, type="quorum", leader=A), Offsets(0, 5, 0)),
    "being synchronised": (entry(length=5, state="syncing"), Offsets(0, 5, 0)),
}


@pytest.mark.parametrize(("told", "offsets"), READ.values(), ids=READ)
def test_positions(told: dict[str, Any], offsets: Offsets) -> None:
    """Lag is what is in the queue; the position is what left it for good."""
    assert watched((0.0, told)).offsets == offsets


NOT_READ = {
    "stream": (entry(type="stream"), UnknownReason.UNSUPPORTED, "orders is a stream"),
    "node down": (entry(state="down"), UnknownReason.NO_LEADER, "start its nodes"),
    "minority": (entry(state="minority", leader=A), UnknownReason.NO_LEADER, "start its nodes"),
    "no leader": (entry(type="quorum", leader=None), UnknownReason.NO_LEADER, "start its nodes"),
    "no length": (entry(messages=None), UnknownReason.COORDINATOR_UNAVAILABLE, "no statistics yet"),
    "a former leader's length": (entry(length=0, consumers=None), UnknownReason.COORDINATOR_UNAVAILABLE, "no statistics yet"),
    "negative length": (entry(length=-1), UnknownReason.BROKER_ERROR, "no numbers"),
    "length as text": (entry(messages="5"), UnknownReason.BROKER_ERROR, "no numbers"),
    "length as fraction": (entry(messages=5.0), UnknownReason.BROKER_ERROR, "no numbers"),
    "length as truth": (entry(messages=True), UnknownReason.BROKER_ERROR, "no numbers"),
    "more than anybody counts": (entry(messages=LARGEST), UnknownReason.BROKER_ERROR, "no numbers"),
    "acknowledgements as text": (entry(ack="many"), UnknownReason.BROKER_ERROR, "no numbers"),
    "statistics as text": (entry(message_stats="none"), UnknownReason.BROKER_ERROR, "no numbers"),
}


@pytest.mark.parametrize(("told", "reason", "says"), NOT_READ.values(), ids=NOT_READ)
def test_unknown_is_never_zero(told: dict[str, Any], reason: UnknownReason, says: str) -> None:
    """What is not the queue's length and its counters is unknown, with what is the matter."""
    found = decode("orders", told)
    assert isinstance(found, Unknown)
    assert found.reason is reason
    assert says in found.detail


@given(
    st.dictionaries(
        st.sampled_from(list(entry())),
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text("ab0", max_size=3)
        | st.lists(st.integers())
        | st.just({}),
    )
)
def test_any_entry(told: dict[str, Any]) -> None:
    """Whatever an entry holds, it is read or it is unknown; what is read are positions."""
    seen = Queues().see("orders", entry() | told, 0.0)
    assert seen is not None
    if isinstance(seen.offsets, Offsets):
        assert 0 <= seen.offsets.log_start <= seen.offsets.end < 2**63
        assert seen.offsets.log_start == seen.offsets.committed
        assert all(type(one) is int for one in (seen.offsets.log_start, seen.offsets.committed, seen.offsets.end))


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
def test_hostile_names(name: str) -> None:
    """A queue is found by its name whatever that holds."""
    assert entries([entry(name=name, length=3)])[name]["messages"] == 3


ANSWERS = {
    "an object": {"error": "x"},
    "pages": {"items": [entry()]},
    "nothing": None,
    "text": "queues",
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_answers_that_are_none(answer: Any) -> None:
    """Only a list is an answer: none of these is an empty virtual host."""
    with pytest.raises(ValueError, match="no list"):
        entries(answer)


def test_odd_entries_do_not_spoil_the_others() -> None:
    """Entries without a name are left out."""
    assert list(entries([None, 7, {}, {"name": 7}, entry(name="orders")])) == ["orders"]


def test_the_same_numbers_are_the_same_reading() -> None:
    """Between two samples nothing is taken anew, and the very object comes back."""
    queues = Queues()
    first = queues.see("orders", entry(length=5), 10.0)
    assert queues.see("orders", entry(length=5), 11.0) is first
    assert first is not None
    assert first.taken == 10.0


HELD = {
    "length told anew": ([entry(length=5, reductions=1), entry(length=9, reductions=2)], Offsets(0, 9, 0), 1.0),
    "the same length told anew": ([entry(length=5, reductions=1), entry(length=5, ack=8, reductions=2)], Offsets(8, 13, 8), 1.0),
    "length of a process that counts no work": (
        [entry(length=5, reductions=None), entry(length=9, reductions=None)],
        Offsets(0, 9, 0),
        1.0,
    ),
    "acknowledgements without the length that belongs to them": (
        [entry(length=5, reductions=1), entry(length=5, ack=3, reductions=1)],
        Offsets(0, 5, 0),
        0.0,
    ),
}


@pytest.mark.parametrize(("told", "offsets", "taken"), HELD.values(), ids=HELD)
def test_length_and_acknowledgements_are_taken_together(told: list[dict[str, Any]], offsets: Offsets, taken: float) -> None:
    """The queue telling its length is what makes a new reading."""
    seen = watched(*((float(now), one) for now, one in enumerate(told)))
    assert (seen.offsets, seen.taken) == (offsets, taken)


def test_a_queue_at_rest_is_read_again() -> None:
    """Where nothing at all has moved for an interval, it still is as it was: a later time, and the same positions."""
    told = entry(length=5)
    assert watched((0.0, told), (QUIET_SECONDS - 0.1, told)).taken == 0.0
    seen = watched((0.0, told), (QUIET_SECONDS, told))
    assert (seen.offsets, seen.taken) == (Offsets(0, 5, 0), QUIET_SECONDS)


def test_what_was_unknown_is_known_as_soon_as_it_is_told() -> None:
    """Also where nothing has moved meanwhile; and while it stays unknown, that is the very object."""
    queues = Queues()
    told, none = entry(length=5), entry(messages=None)
    queues.see("orders", told, 0.0)
    unknown = queues.see("orders", none, 1.0)
    assert unknown is not None
    assert isinstance(unknown.offsets, Unknown)
    assert queues.see("orders", none, 2.0) is unknown
    again = queues.see("orders", told, 3.0)
    assert again is not None
    assert (again.offsets, again.taken) == (Offsets(0, 5, 0), 3.0)


def test_the_last_acknowledgements_of_a_queue_that_goes_to_rest() -> None:
    """They count an interval after they were told, although the queue tells no length any more."""
    before, after = entry(length=0, ack=95), entry(length=0, ack=100)
    assert watched((0.0, before), (4.0, after), (6.0, after)).offsets == Offsets(95, 95, 95)
    assert watched((0.0, before), (4.0, after), (4.0 + QUIET_SECONDS, after)).offsets == Offsets(100, 100, 100)


def test_a_long_interval() -> None:
    """Where collect_statistics_interval is long, acknowledgements wait for the length; but not for ever."""
    told = [(5.0 * turn, entry(length=500, ack=10 * turn, reductions=1)) for turn in range(13)]
    assert watched(*told[:-1]).taken == 0.0
    assert told[-1][0] == LONGEST_INTERVAL
    assert watched(*told).offsets == Offsets(120, 620, 120)


def test_steady_draining_makes_no_arrivals() -> None:
    """Length and acknowledgements that are sampled at different times do not make the end go up and down."""
    queues, ends = Queues(), set()
    for now in range(5, 60):
        told, acked = (now // 5) * 5, (now - 2) // 5 * 5  # the length at each fifth second, acknowledgements two seconds later
        seen = queues.see("orders", entry(length=9000 - 100 * told, ack=100 * acked, reductions=told), float(now))
        assert seen is not None
        assert isinstance(seen.offsets, Offsets)
        ends.add(seen.offsets.end)
    assert len(ends) == 1


def recorded(*answers: tuple[float, dict[str, Any]]) -> History:
    """A history of all that was taken anew."""
    queues, history, last = Queues(), History(), None
    for now, told in answers:
        seen = queues.see("orders", told, now)
        if seen is None or seen is last:
            continue
        last = seen
        history.record(seen.taken, Reading({Partition("orders", 0): seen.offsets}, {"orders": str(seen.incarnation)}))
    return history


# Length and acknowledgements 5 s apart, from 100 and 0 on.
FALLS = {
    "jitter of the samples": ([(48, 50)], Offsets(50, 100, 50)),
    "more than was acknowledged": ([(0, 40)], Offsets(40, 40, 40)),
    "jitter that adds up": ([(48, 50), (0, 60)], Offsets(60, 60, 60)),
    "jitter, and arrivals": ([(48, 50), (60, 60)], Offsets(60, 120, 60)),
    "nothing acknowledged": ([(98, 0)], Offsets(0, 98, 0)),
    "jitter, and rest": ([(48, 50), (48, 50)], Offsets(50, 98, 50)),
}


@pytest.mark.parametrize(("told", "offsets"), FALLS.values(), ids=FALLS)
def test_ends_that_fall(told: list[tuple[int, int]], offsets: Offsets) -> None:
    """A little while a queue is drained is no fall; messages that went unread are, and at rest the lag is exact."""
    answers = [entry(length=length, ack=ack, reductions=turn) for turn, (length, ack) in enumerate([(100, 0), *told])]
    assert watched(*((5.0 * turn, one) for turn, one in enumerate(answers))).offsets == offsets


LEAVING = {
    "purged": [entry(length=9000, ack=50, reductions=1), entry(length=9100, ack=100, reductions=2), entry(ack=150, reductions=3)],
    "expired": [entry(length=9000 - 10 * turn, ack=50 * (turn + 1), reductions=turn) for turn in range(3)],
}


@pytest.mark.parametrize("told", LEAVING.values(), ids=LEAVING)
def test_messages_that_leave_unread_are_no_consumption(told: list[dict[str, Any]]) -> None:
    """Consumption is what was acknowledged; what a queue lost in another way arrived nowhere and was consumed by nobody."""
    history = recorded(*((5.0 * turn, one) for turn, one in enumerate(told)))
    assert history.consumed_rate(10.0) == pytest.approx(10.0)
    assert history.produced_rate(10.0) is not None


BACK = {
    "a node is away": ([entry(ack=900, reductions=1), entry(ack=400, reductions=2)], 1),
    "statistics start anew": ([entry(ack=900, reductions=1), entry(message_stats=None, reductions=2)], 1),
    "the node is heard again": ([entry(ack=900), entry(ack=400), entry(ack=450), entry(ack=960)], 2),
    "and goes on": ([entry(ack=900), entry(ack=400), entry(ack=960), entry(ack=990)], 2),
    "forwards only": ([entry(ack=900), entry(ack=910), entry(ack=9000)], 0),
    "a queue that is purged": ([entry(length=70, ack=9), entry(ack=9)], 0),
}


@pytest.mark.parametrize(("told", "incarnations"), BACK.values(), ids=BACK)
def test_counters_that_go_back(told: list[dict[str, Any]], incarnations: int) -> None:
    """They belong to another incarnation, also when they come back: no consumption is made of either."""
    seen = watched(*((float(now), one) for now, one in enumerate(told)))
    assert seen.incarnation == incarnations


def test_declared_again() -> None:
    """A queue that was away is another one, also where no counter tells."""
    assert watched((0.0, entry(length=3)), (1.0, None), (2.0, entry(length=3))).incarnation == 1
    assert watched((0.0, entry(length=3)), (1.0, entry(length=3))).incarnation == 0


def test_a_queue_that_is_away() -> None:
    """It is nothing, and others are forgotten once nobody asks."""
    queues = Queues()
    assert queues.see("orders", None, 0.0) is None
    before = queues.see("orders", entry(ack=9), 1.0)
    queues.keep(["billing"])
    after = queues.see("orders", entry(ack=3), 2.0)
    assert before is not None
    assert after is not None
    assert before.incarnation == after.incarnation == 0


def led(leader: str, length: int, reductions: int) -> dict[str, Any]:
    """A quorum queue in an answer."""
    return entry(length=length, type="quorum", leader=leader, reductions=reductions)


# As RabbitMQ 3.10.8 told when the leader of a queue with 500 messages was changed: seconds since, length, reductions.
SETTLING = {
    "the old leader's, then none, then the new one's": [(0.1, 500, 667), (0.5, 0, 667), (8.4, 0, 667), (9.2, 500, 979)],
    "the old leader told it once more": [(0.1, 500, 666), (0.9, 500, 667), (5.9, 0, 667), (8.4, 0, 667), (9.2, 500, 979)],
    "both, then the new one's": [(0.1, 500, 667), (1.0, 1000, 979), (4.0, 500, 979), (6.1, 500, 984)],
    "a leader that told nothing new": [(0.1, 500, 667), (0.5, 0, 667), (29.9, 0, 667), (30.2, 500, 667)],
}


@pytest.mark.parametrize("told", SETTLING.values(), ids=SETTLING)
def test_a_new_leader(told: list[tuple[float, int, int]]) -> None:
    """The length is unknown until it is the new leader's: neither none at all nor twice the lag is told."""
    queues = Queues()
    queues.see("orders", led(A, 500, 666), 99.9)
    found = [queues.see("orders", led(B, length, reductions), 100 + after) for after, length, reductions in told]
    for seen in found[:-1]:
        assert seen is not None
        assert isinstance(seen.offsets, Unknown)
        assert seen.offsets.reason is UnknownReason.COORDINATOR_UNAVAILABLE
        assert B in seen.offsets.detail
    last = found[-1]
    assert last is not None
    assert (last.offsets, last.incarnation, last.taken) == (Offsets(0, 500, 0), 0, 100 + told[-1][0])


def test_a_leader_found_after_none_counts_as_new() -> None:
    """The time without a leader does not hide that it changed."""
    old, none, new = (entry(type="quorum", leader=leader) for leader in (A, None, B))
    seen = watched((0.0, old), (1.0, none), (3.0, new), (4.0, new))
    assert isinstance(seen.offsets, Unknown)
    assert seen.offsets.reason is UnknownReason.COORDINATOR_UNAVAILABLE


SINGLE = {
    "classic": (entry(), False),
    "single active consumer": (entry(arguments={"x-single-active-consumer": True}), True),
    "switched off": (entry(arguments={"x-single-active-consumer": False}), False),
    "as text": (entry(arguments={"x-single-active-consumer": "true"}), False),
    "arguments as a list": (entry(arguments=[]), False),
    "stream": (entry(type="stream"), True),
    "single active consumer without statistics": (entry(messages=None, arguments={"x-single-active-consumer": True}), True),
}


@pytest.mark.parametrize(("told", "single"), SINGLE.values(), ids=SINGLE)
def test_who_may_read_at_a_time(told: dict[str, Any], single: bool) -> None:
    """Whether more than one consumer has work, also where the length is not known."""
    assert watched((0.0, told)).single is single
