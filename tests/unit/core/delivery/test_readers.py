"""What groups show by themselves: only what lasts is told, and what is not known neither begins nor ends."""

from __future__ import annotations

from dataclasses import replace

import pytest

from floodwarden.core.delivery.expiry import CROWDED, LOST, UNREAD
from floodwarden.core.delivery.readers import (
    LASTING,
    LASTING_AUDITS,
    NONE,
    GroupFound,
    GroupsFound,
    Reads,
    Spell,
    State,
    not_seen,
    of_groups,
    span,
    spells,
)
from floodwarden.core.delivery.settings import explained
from floodwarden.core.delivery.violations import Action
from floodwarden.core.observation import GroupPhase, Partition
from tests.support.delivery import AWAY, the

AT = 1_800_000_000.0
WEEK = 7 * 86_400.0
ONE = Partition("orders", 0)
BILLING = GroupFound("billing", GroupPhase.STABLE, {ONE: 5})
READS = Reads({"billing": ["orders"]}, {"billing": ["orders"]}, {})


def in_phase(phase: GroupPhase | None) -> GroupsFound:
    return GroupsFound((replace(BILLING, phase=phase),))


@pytest.mark.parametrize(
    ("group", "states"),
    [
        pytest.param(BILLING, set(), id="all is well"),
        pytest.param(replace(BILLING, phase=GroupPhase.EMPTY), {State.EMPTY}, id="empty"),
        pytest.param(replace(BILLING, phase=GroupPhase.REBALANCING), {State.REBALANCING}, id="rebalancing"),
        pytest.param(replace(BILLING, committed={}), {State.UNCOMMITTED}, id="never committed"),
        pytest.param(replace(BILLING, committed={}, phase=GroupPhase.EMPTY), {State.EMPTY}, id="nobody who could commit"),
        pytest.param(replace(BILLING, committed={}, consumes=False), set(), id="workers, not consumers"),
        pytest.param(replace(BILLING, committed=AWAY), set(), id="commits not known"),
        pytest.param(replace(BILLING, phase=None), set(), id="phase not known"),
    ],
)
def test_states(group: GroupFound, states: set[State]) -> None:
    """What a group may be in for too long."""
    assert {state for _, state in spells(NONE, GroupsFound((group,)), AT)} == states


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(in_phase(GroupPhase.EMPTY), Spell(AT, 3), id="goes on"),
        pytest.param(in_phase(GroupPhase.STABLE), None, id="is over"),
        pytest.param(GroupsFound(()), None, id="the group is gone"),
        pytest.param(GroupsFound((), (AWAY,)), Spell(AT, 2), id="its node may be the one that is away"),
        pytest.param(in_phase(None), Spell(AT, 2), id="not known this time"),
        pytest.param(GroupsFound((BILLING,), (AWAY,)), None, id="a node is away, and it is not the group's"),
    ],
)
def test_a_spell(found: GroupsFound, expected: Spell | None) -> None:
    """It counts audits at which it was seen, and begins with the first of them."""
    before = {("billing", State.EMPTY): Spell(AT, 2)}
    assert spells(before, found, AT + 60).get(("billing", State.EMPTY)) == expected


@pytest.mark.parametrize(
    ("audits", "seconds", "told"),
    [
        pytest.param(LASTING_AUDITS, LASTING, True, id="long enough"),
        pytest.param(LASTING_AUDITS, LASTING - 1, False, id="too short"),
        pytest.param(LASTING_AUDITS - 1, LASTING, False, id="seen too seldom"),
    ],
)
@pytest.mark.parametrize("state", [State.REBALANCING, State.UNCOMMITTED])
def test_only_what_lasts_is_told(state: State, audits: int, seconds: float, told: bool) -> None:
    """A rebalance, or a group that has just begun, is nothing to tell of."""
    reads = replace(READS, waiting={}, uncommitted={"billing": ["orders"]} if state is State.UNCOMMITTED else {})
    found = list(of_groups(reads, {("billing", state): Spell(AT, audits)}, None, AT + seconds))
    assert bool(found) is told
    for violation in found:
        assert (violation.resource, violation.action) == ("group billing", Action.REPORT)
        assert "2027-01-15 08:00 UTC" in violation.found


def test_without_commits_at_first() -> None:
    """It is said that nobody can see what it has not read, until it is told as a difference."""
    reads = Reads({}, {}, {"billing": ["payments", "orders"]})
    standing = {("billing", State.UNCOMMITTED): Spell(AT, LASTING_AUDITS)}
    (sentence,) = not_seen(reads, standing, GroupsFound(()), WEEK, AT)
    assert sentence.startswith("group billing reads orders, payments and has not committed anything yet")
    assert list(not_seen(reads, standing, GroupsFound(()), WEEK, AT + LASTING)) == []
    assert the(list(of_groups(reads, standing, None, AT + LASTING))).found.startswith("none of orders, payments since")


def test_share_groups() -> None:
    """They are named, at most five."""
    found = GroupsFound(tuple(GroupFound(f"share-{number}", GroupPhase.STABLE, {}, shares=True) for number in range(7)))
    (sentence,) = not_seen(Reads({}, {}, {}), NONE, found, WEEK, AT)
    assert sentence.endswith("share-0, share-1, share-2, share-3, share-4 and 2 more")


@pytest.mark.parametrize(
    ("away", "reads", "forgotten_after", "found"),
    [
        pytest.param(0.75 * WEEK + 60, READS, WEEK, "forgotten by 2027-01-22 08:00 UTC", id="a quarter is left"),
        pytest.param(0.75 * WEEK - 60, READS, WEEK, None, id="more is left"),
        pytest.param(WEEK, READS, WEEK, "forgotten at any moment", id="it is time"),
        pytest.param(WEEK, replace(READS, waiting={}), WEEK, None, id="nothing unread"),
        pytest.param(WEEK, READS, None, None, id="not known for how long"),
    ],
)
def test_commits_that_will_be_forgotten(away: float, reads: Reads, forgotten_after: float | None, found: str | None) -> None:
    """Of a group that has been seen without members for so long, with messages that wait for it."""
    told = list(of_groups(reads, {("billing", State.EMPTY): Spell(AT, 5)}, forgotten_after, AT + away))
    assert [violation.found for violation in told] == ([found] if found else [])
    assert all((violation.setting, violation.resource) == ("committed offsets", "group billing") for violation in told)


@pytest.mark.parametrize(
    ("forgotten_after", "state", "said"),
    [
        pytest.param(None, State.EMPTY, True, id="not known"),
        pytest.param(WEEK, State.EMPTY, False, id="known"),
        pytest.param(None, State.REBALANCING, False, id="it has members"),
    ],
)
def test_when_commits_are_forgotten_may_not_be_known(forgotten_after: float | None, state: State, said: bool) -> None:
    """Then it is said of the groups that it matters to."""
    sentences = list(not_seen(READS, {("billing", state): Spell(AT, 1)}, GroupsFound((BILLING,)), forgotten_after, AT))
    assert [sentence.split(": ")[-1] for sentence in sentences] == (["billing"] if said else [])


@pytest.mark.parametrize("setting", [UNREAD, CROWDED, LOST, "commits", "committed offsets", "rebalance"])
def test_all_is_explained(setting: str) -> None:
    """What violations name as a setting has its words."""
    found = explained(setting)
    assert found is not None
    assert found.name == setting


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (-5, "0s"), (119, "119s"), (120, "2m"), (7199, "119m"), (7200, "2h"), (172_799, "47h"), (172_800, "2d")],
)
def test_spans(seconds: float, text: str) -> None:
    """Never told longer than they are."""
    assert span(seconds) == text
