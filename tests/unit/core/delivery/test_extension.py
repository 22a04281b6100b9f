"""How far an extension came, by what the ledger and the topic say; and which one is made."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import pytest

from floodwarden.core.delivery.extension import Extension, Plan, Restoring, Standing, plan, standing
from floodwarden.core.delivery.guard import Late
from floodwarden.core.delivery.keeping import Keeping
from floodwarden.core.delivery.ledger import Entry, Purpose, Resource
from floodwarden.core.delivery.readers import GroupFound, GroupsFound
from floodwarden.core.delivery.survey import Survey, TopicFound
from floodwarden.core.delivery.wishes import Wishes
from floodwarden.core.observation import GroupPhase
from tests.support.delivery import AWAY, DAY, DENIED, KEPT, survey, topic, wishes

ENTRY = Entry(Purpose.GUARD, Resource.TOPIC, "orders", "retention.ms", str(DAY), str(4 * DAY), "shop/orders")
LATE = Late("orders", "billing", expiring={0: (5, 1)})
HELD = Late("orders", "billing", holds=True)
LONG = replace(KEPT, value=str(2 * DAY))


def orders(retention: str | None) -> TopicFound:
    return topic("orders", {"retention.ms": retention} if retention is not None else None)


@pytest.mark.parametrize(
    ("entry", "found", "missing", "expected"),
    [
        pytest.param(ENTRY, orders(str(4 * DAY)), False, Standing.IN_FORCE, id="as written"),
        pytest.param(ENTRY, orders(str(DAY)), False, Standing.NOT_YET, id="as before"),
        pytest.param(replace(ENTRY, before=None), orders(None), False, Standing.NOT_YET, id="as before: inherited"),
        pytest.param(ENTRY, orders(None), False, Standing.THEIRS, id="taken away by hand"),
        pytest.param(replace(ENTRY, before=None), orders(str(DAY)), False, Standing.THEIRS, id="set by hand"),
        pytest.param(ENTRY, topic("orders", DENIED), False, Standing.UNKNOWN, id="not known"),
        pytest.param(ENTRY, None, False, Standing.UNKNOWN, id="not found, for whatever reason"),
        pytest.param(ENTRY, None, True, Standing.GONE, id="deleted"),
    ],
)
def test_how_far_it_came(entry: Entry, found: TopicFound | None, missing: bool, expected: Standing) -> None:
    """By the topic's own value alone."""
    assert standing(entry, found, missing=missing) is expected


def planned(
    *late: Late,
    acting: Collection[Wishes] = (),
    entries: Collection[Entry] = (),
    found: GroupsFound | None = None,
    seen: Survey | None = None,
    keeping: Keeping | None = None,
    missing: Collection[str] = (),
    hands_off: Collection[str] = (),
    disputed: Collection[str] = (),
    paused: Collection[str] = (),
    free_before: Collection[str] = ("orders",),
) -> Plan:
    """Of one topic, which usually keeps messages for a day."""
    extended = 4 * DAY if entries else None
    groups = found or GroupsFound((GroupFound("billing", GroupPhase.STABLE, {}),))
    return plan(
        acting,
        {"orders": keeping or Keeping("orders", DAY, None, extended)},
        {"orders": late} if late else {},
        entries,
        groups,
        seen or survey(orders(str(4 * DAY if entries else DAY))),
        missing=missing,
        hands_off=hands_off,
        disputed=disputed,
        paused=paused,
        free_before=free_before,
    )


def guard(days: int, name: str = "shop/orders", names: Sequence[str] = ("*",)) -> Wishes:
    return replace(wishes(name=name, names=names), guarded=True, extend_to=days * DAY)


@pytest.mark.parametrize(
    ("acting", "expected"),
    [
        pytest.param([guard(4)], ("shop/orders", 4), id="one"),
        pytest.param([guard(4), guard(9, "shop/b"), guard(5, "shop/c")], ("shop/b", 9), id="the longest"),
        pytest.param([guard(4, "shop/a"), guard(4, "shop/b")], ("shop/b", 4), id="alike: always the same one"),
        pytest.param([guard(9, names=["other"]), guard(4, "shop/b")], ("shop/b", 4), id="of those that match"),
        pytest.param([guard(1)], None, id="no longer than it is"),
        pytest.param([replace(guard(4), extend_to=None)], None, id="only told"),
        pytest.param([], None, id="nobody acts"),
    ],
)
def test_whose_extension(acting: list[Wishes], expected: tuple[str, int] | None) -> None:
    """That of one policy, for all groups that are late."""
    made = planned(LATE, replace(LATE, group="audit"), HELD, acting=acting).extend
    assert made == ((Extension("orders", expected[0], ("audit", "billing"), expected[1] * DAY),) if expected else ())


@pytest.mark.parametrize(
    ("late", "changes"),
    [
        pytest.param(HELD, {}, id="nobody is late"),
        pytest.param(LATE, {"hands_off": ["orders"]}, id="somebody else's topic"),
        pytest.param(LATE, {"keeping": Keeping("orders", DAY, None, 2 * DAY)}, id="extended already"),
        pytest.param(LATE, {"keeping": Keeping("orders", None, None)}, id="kept for ever"),
        pytest.param(LATE, {"entries": [ENTRY], "seen": survey(orders(str(2 * DAY)))}, id="just changed by hand"),
    ],
)
def test_not_extended(late: Late, changes: dict[str, object]) -> None:
    """Where there is no reason, or it is not ours."""
    assert planned(late, acting=[guard(9)], **changes).extend == ()  # type: ignore[arg-type]


SOMEBODY = GroupFound("somebody", GroupPhase.STABLE, AWAY)


@pytest.mark.parametrize(
    ("late", "changes", "restored"),
    [
        pytest.param([], {}, True, id="nobody needs it"),
        pytest.param([replace(HELD, holds=False)], {}, True, id="read far enough"),
        pytest.param([HELD], {}, False, id="somebody does"),
        pytest.param([], {"found": GroupsFound((), (AWAY,))}, False, id="a node's groups are not known"),
        pytest.param([], {"found": GroupsFound((SOMEBODY,))}, False, id="a group's commits are not known"),
        pytest.param([], {"seen": survey(topic("orders", DENIED))}, False, id="the topic's own value is not known"),
        pytest.param([], {"seen": survey(orders(str(DAY)))}, False, id="it is as it was"),
        pytest.param([], {"free_before": []}, False, id="the audit before does not agree"),
        pytest.param([], {"paused": ["shop/orders"]}, False, id="its policy is paused"),
        pytest.param([], {"paused": ["shop/other"]}, True, id="another policy is paused"),
    ],
)
def test_put_back(late: list[Late], changes: dict[str, object], restored: bool) -> None:
    """Only where it is known that nothing unread needs it."""
    assert planned(*late, entries=[ENTRY], **changes).restore == ((Restoring(ENTRY, str(DAY)),) if restored else ())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("before", "acting", "disputed", "value"),
    [
        pytest.param(str(DAY), [], [], str(DAY), id="its own"),
        pytest.param(None, [], [], None, id="inherited"),
        pytest.param(str(DAY), [wishes(KEPT)], [], str(DAY), id="as much as is asked for"),
        pytest.param(str(DAY), [wishes(LONG)], [], LONG.value, id="more is asked for by now"),
        pytest.param(None, [wishes(KEPT), wishes(LONG, name="shop/b")], [], LONG.value, id="more is asked for than brokers give"),
        pytest.param(str(DAY), [wishes(LONG, names=["other"])], [], str(DAY), id="of another topic"),
        pytest.param(str(DAY), [wishes(LONG)], ["orders"], str(DAY), id="more is asked for, and disputed"),
        pytest.param(None, [wishes(LONG)], ["orders"], None, id="more than brokers give, and disputed"),
    ],
)
def test_what_is_put_back(before: str | None, acting: list[Wishes], disputed: list[str], value: str | None) -> None:
    """What was there, unless a policy that acts asks for more: its repair would come an audit too late for some messages."""
    entry = replace(ENTRY, before=before)
    assert planned(acting=acting, entries=[entry], disputed=disputed).restore == (Restoring(entry, value),)


@pytest.mark.parametrize(
    ("late", "seen", "free"),
    [
        pytest.param([], orders(str(4 * DAY)), {"orders"}, id="nobody needs it"),
        pytest.param([HELD], orders(str(4 * DAY)), set(), id="somebody does"),
        pytest.param([], orders(str(DAY)), set(), id="it is not extended"),
    ],
)
def test_what_the_next_audit_is_told(late: list[Late], seen: TopicFound, free: set[str]) -> None:
    """The topics of which one more audit like this is enough."""
    assert planned(*late, entries=[ENTRY], seen=survey(seen), free_before=[]).free == free


def test_not_put_back_while_the_retention_is_not_known() -> None:
    """Without it nobody can tell what would expire."""
    groups, seen = GroupsFound(()), survey(orders(str(4 * DAY)))
    assert plan([], {}, {}, [ENTRY], groups, seen, missing=(), hands_off=()).restore == ()


@pytest.mark.parametrize(
    ("late", "seen", "missing", "dropped"),
    [
        pytest.param([], survey(orders(str(DAY))), (), Standing.NOT_YET, id="as it was, and not needed"),
        pytest.param([LATE], survey(orders(str(DAY))), (), None, id="as it was, and needed: it is gone on with"),
        pytest.param([HELD], survey(orders(str(2 * DAY))), (), Standing.THEIRS, id="changed by hand"),
        pytest.param([], survey(), ("orders",), Standing.GONE, id="deleted"),
        pytest.param([], survey(), (), None, id="not found"),
        pytest.param([HELD], survey(orders(str(4 * DAY))), (), None, id="in force"),
    ],
)
def test_forgotten(late: list[Late], seen: Survey, missing: Collection[str], dropped: Standing | None) -> None:
    """Entries of which nothing is left to be undone."""
    kept = Keeping("orders", DAY, None)
    made = planned(*late, acting=[guard(4)], entries=[ENTRY], seen=seen, keeping=kept, missing=missing)
    assert made.drop == ({ENTRY: dropped} if dropped else {})
