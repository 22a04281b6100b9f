"""What is slowed down while copies are made, written down so that it can be undone exactly, and known again after a restart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floodwarden.core.delivery.ledger import Entry, Kept, Place, Purpose, Resource, dumped, loaded
from floodwarden.core.delivery.placement import Raise
from floodwarden.core.delivery.throttle import (
    COPIES,
    FOLLOWERS,
    LEADERS,
    RATES,
    Refusal,
    asked_for,
    cleared,
    entries_for,
    refusal,
    settings_of,
    undoing,
)
from floodwarden.core.observation import Partition, Unknown, UnknownReason

POLICY = "shop/orders"
BATCH = (
    Raise(Partition("orders", 0), (0,), (1, 0, 2)),
    Raise(Partition("orders", 1), (1, 0), (1, 0, 2)),
    Raise(Partition("payments", 10), (2,), (2, 0)),
)
ORDERS_LEADERS: Place = (Resource.TOPIC, "orders", LEADERS)
ORDERS_FOLLOWERS: Place = (Resource.TOPIC, "orders", FOLLOWERS)
NOTHING: dict[Place, str | None] = {
    **{(Resource.BROKER, str(node), rate): None for node in range(3) for rate in RATES},
    **{(Resource.TOPIC, topic, setting): None for topic in ("orders", "payments") for setting in (LEADERS, FOLLOWERS)},
}


def written(found: dict[Place, str | None]) -> dict[Place, str | None]:
    """What is set, by place."""
    return {entry.place: entry.written for entry in settings_of(entries_for(BATCH, POLICY, 1000, found))}


def test_as_the_tool_of_kafka_does() -> None:
    """Both rates of every broker; on each topic those that send, and those that get a copy."""
    assert written(NOTHING) == {
        **{(Resource.BROKER, str(node), rate): "1000" for node in range(3) for rate in RATES},
        ORDERS_LEADERS: "0:0,1:0,1:1",
        ORDERS_FOLLOWERS: "0:1,0:2,1:2",
        (Resource.TOPIC, "payments", LEADERS): "10:2",
        (Resource.TOPIC, "payments", FOLLOWERS): "10:0",
    }


@pytest.mark.parametrize(
    ("place", "before", "after"),
    [
        pytest.param((Resource.BROKER, "1", RATES[0]), "77", None, id="a broker's rate is left"),
        pytest.param(ORDERS_LEADERS, "*", None, id="all of a topic is slowed down already"),
        pytest.param(ORDERS_LEADERS, "1:1,0:0,1:0", None, id="so is just what would be"),
        pytest.param(ORDERS_LEADERS, "7:2", "0:0,1:0,1:1,7:2", id="what is slowed down already stays so"),
    ],
)
def test_what_somebody_else_has_set(place: Place, before: str, after: str | None) -> None:
    """It stays, and is put back as it was where something was added; what is left alone is not written down."""
    entries = entries_for(BATCH, POLICY, 1000, {**NOTHING, place: before})
    found = {entry.place: (entry.before, entry.written) for entry in entries}
    assert found.get(place) == (None if after is None else (before, after))
    assert len(entries) == len(NOTHING) + 2 - (after is None)


def test_known_again_after_a_restart() -> None:
    """The ledger tells what was asked for, and for whom."""
    kept = Kept(frozenset(entries_for(BATCH, POLICY, 1000, NOTHING)))
    entries = loaded(dumped(kept)).entries
    assert asked_for(entries) == {one.partition: one for one in BATCH}
    assert {entry.policy for entry in entries} == {POLICY}
    assert {entry.purpose for entry in entries} == {Purpose.MOVE}


@pytest.mark.parametrize("text", ["", "0", "0:a", "0:1:2", "x:1", ":", "0:"])
def test_a_ledger_that_was_edited(text: str) -> None:
    """What cannot be understood was not asked for."""
    assert asked_for([Entry(Purpose.MOVE, Resource.TOPIC, "orders", COPIES, "0:0", text, POLICY)]) == {}


def test_undoing() -> None:
    """All is as before; what somebody changed meanwhile is theirs, and so is what was never set."""
    entries = settings_of(entries_for(BATCH, POLICY, 1000, {**NOTHING, ORDERS_LEADERS: "7:2"}))
    found = {entry.place: entry.written for entry in entries}
    assert undoing(entries, found) == {**{entry.place: None for entry in entries}, ORDERS_LEADERS: "7:2"}
    found |= {ORDERS_FOLLOWERS: "1:2,0:2,0:1", (Resource.BROKER, "0", RATES[0]): "2000", (Resource.BROKER, "1", RATES[0]): None}
    undone = undoing(entries, found)
    assert ORDERS_FOLLOWERS in undone  # another order is the same
    assert len(undone) == len(entries) - 2
    assert undoing(entries, {}) == {}


@pytest.mark.parametrize(
    ("now", "again"),
    [
        pytest.param(None, True, id="not set any more"),
        pytest.param("1000", False, id="as it was written"),
        pytest.param("2000", False, id="somebody's"),
        pytest.param(Unknown(UnknownReason.TIMEOUT, "away"), False, id="not known"),
    ],
)
def test_cleared(now: str | Unknown | None, again: bool) -> None:
    """What is not set any more is set again; what is not known is not, nor is what nobody looked at."""
    entries = settings_of(entries_for(BATCH, POLICY, 1000, NOTHING))
    place: Place = (Resource.BROKER, "1", RATES[0])
    assert [entry.place for entry in cleared(entries, {place: now})] == [place] * again


@pytest.mark.parametrize(
    ("resource", "reason", "topic"),
    [
        pytest.param(Resource.TOPIC, UnknownReason.AUTHORIZATION_FAILED, "1", id="a right on a topic"),
        pytest.param(Resource.TOPIC, UnknownReason.TOPIC_MISSING, "1", id="a topic that is gone"),
        pytest.param(Resource.TOPIC, UnknownReason.BROKER_ERROR, "1", id="a rule of the brokers' own"),
        pytest.param(Resource.TOPIC, UnknownReason.TIMEOUT, None, id="whoever answers for topics does not"),
        pytest.param(Resource.BROKER, UnknownReason.AUTHORIZATION_FAILED, None, id="a right on the cluster"),
        pytest.param(Resource.BROKER, UnknownReason.BROKER_UNREACHABLE, None, id="a broker that is down"),
    ],
)
def test_what_a_refusal_is_about(resource: Resource, reason: UnknownReason, topic: str | None) -> None:
    """One topic, where others would not be refused for the same; else all."""
    why = Unknown(reason, "no, for a test")
    assert refusal(resource, "1", why) == Refusal(topic, why)


@given(st.dictionaries(st.sampled_from(sorted(NOTHING)), st.sampled_from(["5", "*", "1:1", "3:1,0:0"])))
def test_there_and_back(set_already: dict[Place, str]) -> None:
    """Whatever was set before: written, and undone, all is as it was."""
    before = {**NOTHING, **set_already}
    entries = settings_of(entries_for(BATCH, POLICY, 1000, before))
    meanwhile = before | {entry.place: entry.written for entry in entries}
    assert meanwhile | undoing(entries, meanwhile) == before
    assert not any(entry.resource is Resource.BROKER and entry.before is not None for entry in entries)
