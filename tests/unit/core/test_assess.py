"""What a reading says, and what it does not: every kind of not-knowing by its name."""

from __future__ import annotations

from dataclasses import replace

import pytest

from floodwarden.core.assess import Assessment, assess
from floodwarden.core.history import History
from floodwarden.core.observation import Group, GroupPhase, Member, Offsets, Partition, Reading, Unknown, UnknownReason
from floodwarden.core.reasons import Reason

NO_LEADER = Unknown(UnknownReason.NO_LEADER, "no leader")


def reading(*offsets: Offsets | Unknown, missing: frozenset[str] = frozenset(), incarnation: str = "a") -> Reading:
    partitions = {Partition("orders", n): one for n, one in enumerate(offsets)}
    return Reading(partitions, {"orders": incarnation}, missing_topics=missing)


def assessed(*readings: Reading | Unknown, interval: float = 1.0) -> Assessment:
    """The assessment of the last of several readings, taken one interval apart."""
    history = History()
    for index, one in enumerate(readings):
        history.lost() if isinstance(one, Unknown) else history.record(index * interval, one)
    return assess(readings[-1], history, (len(readings) - 1) * interval)


KNOWN = {
    "nothing waits": (reading(Offsets(0, 10, 10)), 0),
    "lag is end minus committed": (reading(Offsets(0, 100, 40), Offsets(0, 10, 10)), 60),
    "an empty partition never committed has no lag": (reading(Offsets(0, 100, 40), Offsets(7, 7, None)), 60),
}


@pytest.mark.parametrize(("one", "lag"), KNOWN.values(), ids=KNOWN)
def test_lag_that_is_known(one: Reading, lag: int) -> None:
    """Lag is exact when every partition is known."""
    seen = assessed(one)
    assert (seen.lag, seen.exact, seen.gaps) == (lag, True, ())


UNKNOWN = {
    "no answer at all": (Unknown(UnknownReason.BROKER_UNREACHABLE, "refused"), Reason.BROKER_UNREACHABLE, None),
    "coordinator moving": (Unknown(UnknownReason.COORDINATOR_UNAVAILABLE), Reason.COORDINATOR_UNAVAILABLE, None),
    "one partition without leader": (reading(Offsets(0, 100, 40), NO_LEADER), Reason.NO_LEADER, 60),
    "no partition known": (reading(NO_LEADER), Reason.NO_LEADER, None),
    "topic missing": (reading(missing=frozenset({"orders"})), Reason.TOPIC_MISSING, None),
    "no commit yet": (reading(Offsets(0, 100, None)), Reason.NO_COMMIT_YET, None),
    "no commit in one partition": (reading(Offsets(0, 100, 40), Offsets(0, 5, None)), Reason.NO_COMMIT_YET, 60),
    "group without any offset": (reading(), Reason.NO_COMMIT_YET, None),
    "committed behind the end": (reading(Offsets(0, 3, 500)), Reason.COMMITTED_BEYOND_END, None),
    "committed before the log start": (reading(Offsets(70, 100, 40)), Reason.OFFSET_BELOW_LOG_START, 30),
}


@pytest.mark.parametrize(("one", "reason", "at_least"), UNKNOWN.values(), ids=UNKNOWN)
def test_lag_that_is_not_known(one: Reading | Unknown, reason: Reason, at_least: int | None) -> None:
    """What is not known is named, never counted as zero; what is known of the rest is a lower bound."""
    seen = assessed(one)
    assert seen.gaps[0].reason is reason
    assert (seen.lag, seen.exact) == (at_least, False)


@pytest.mark.parametrize("every", [5, 15, 30, 60])
def test_rates_last_from_sample_to_sample(every: int) -> None:
    """A broker that tells something new once a minute has not stopped in between: what is not known anew is no zero."""
    history, told = History(), reading(Offsets(0, 0, 0))
    for second in range(5 * every):
        if second % every == 0:
            told = replace(reading(Offsets(0, 100 * second, 90 * second)), taken=float(second))
        history.record(float(second), told)
        seen = assess(told, history, float(second))
        if second >= 2 * every:
            assert (seen.produced, seen.consumed, seen.loads[0].arrival) == pytest.approx((100, 90, 100))


def test_a_recreated_topic_is_named_until_it_is_committed() -> None:
    """After a topic was created anew a missing commit is put down to that, not to the consumer."""
    before, after = reading(Offsets(0, 100, 100)), reading(Offsets(0, 5, None), incarnation="b")
    assert assessed(before, after).gaps[0].reason is Reason.TOPIC_RECREATED
    committed = reading(Offsets(0, 5, 2), incarnation="b")
    assert assessed(before, after, committed).exact


def test_expired_messages_are_counted_as_lost_not_as_lag() -> None:
    """From a commit of 40 to a log start of 70, thirty messages are gone; thirty more wait."""
    seen = assessed(reading(Offsets(70, 100, 40)))
    assert (seen.expired, seen.lag) == (30, 30)


def test_lag_in_seconds_is_the_age_of_the_oldest_waiting_message() -> None:
    """At 10 messages/s, 50 behind is 5 seconds behind."""
    readings = [reading(Offsets(0, 10 * at, max(0, 10 * at - 50))) for at in range(30)]
    assert assessed(*readings).seconds == pytest.approx(5.0)


def test_lag_in_seconds_does_not_swing_at_low_traffic() -> None:
    """One message a minute, read at once: the age counts from the message, not from the last quiet reading."""
    readings = [reading(Offsets(0, 1 if at < 60 else 2, 1)) for at in range(66)]
    assert assessed(*readings).seconds == pytest.approx(5.5, abs=0.6)


def test_lag_in_seconds_from_before_watching_is_a_lower_bound() -> None:
    """A backlog older than our own past has waited at least as long as that past."""
    readings = [reading(Offsets(0, 1000 + 10 * at, 0)) for at in range(21)]
    seen = assessed(*readings)
    assert (seen.seconds, seen.aged) == (20, False)


def _owned(committed: int, end: int, phase: GroupPhase = GroupPhase.STABLE) -> Reading:
    partitions = {Partition("orders", 0): Offsets(0, end, committed), Partition("orders", 1): Offsets(0, end, end)}
    members = (Member("m", "c", "h", frozenset(partitions)),)
    return Reading(partitions, {}, group=Group(phase, members if phase is GroupPhase.STABLE else ()))


def test_a_partition_that_stands_still_is_named() -> None:
    """No commit for half a minute under lag, in a stable group that owns it: that is a stalled partition."""
    seen = assessed(*(_owned(5, 10 + at) for at in range(40)))
    assert seen.stalled == (Partition("orders", 0),)


@pytest.mark.parametrize(
    "group",
    [Unknown(UnknownReason.TIMEOUT), Group(GroupPhase.STABLE, (Member("m", "c", "h", frozenset()),))],
    ids=["unread", "passed on"],
)
def test_a_stalled_partition_whose_owner_cannot_be_told(group: Group | Unknown) -> None:
    """For a moment nobody is known to own it: that does not make it move."""
    last = _owned(5, 50)
    seen = assessed(*(_owned(5, 10 + at) for at in range(40)), Reading(last.partitions, {}, group=group))
    assert seen.stalled == (Partition("orders", 0),)


NOT_STALLED = {
    "only just": [_owned(5, 10 + at) for at in range(20)],
    "moving slowly": [_owned(5 + at // 10, 100 + at) for at in range(40)],
    "nobody is there to move it": [_owned(5, 10 + at, GroupPhase.EMPTY) for at in range(40)],
    "rebalancing": [_owned(5, 10 + at, GroupPhase.REBALANCING) for at in range(40)],
    "nothing waited until now": [_owned(5, 5 if at < 35 else 10) for at in range(40)],
    "used to commit every minute": [_owned(100 * (at // 60), 1000 + at) for at in range(220)],
}


@pytest.mark.parametrize("readings", NOT_STALLED.values(), ids=NOT_STALLED)
def test_a_partition_that_only_looks_still(readings: list[Reading]) -> None:
    """Slow, empty or unowned is not stalled."""
    assert assessed(*readings).stalled == ()
