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
    asked_for,
    entries_for,
    settings_of,
    undoing,
)
from floodwarden.core.observation import Partition

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


@given(st.dictionaries(st.sampled_from(sorted(NOTHING)), st.sampled_from(["5", "*", "1:1", "3:1,0:0"])))
def test_there_and_back(set_already: dict[Place, str]) -> None:
    """Whatever was set before: written, and undone, all is as it was."""
    before = {**NOTHING, **set_already}
    entries = settings_of(entries_for(BATCH, POLICY, 1000, before))
    meanwhile = before | {entry.place: entry.written for entry in entries}
    assert meanwhile | undoing(entries, meanwhile) == before
    assert not any(entry.resource is Resource.BROKER and entry.before is not None for entry in entries)
