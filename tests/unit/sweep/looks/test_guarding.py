"""The guard, against topics and groups in memory: extended before anything is lost, put back once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from floodwarden.cluster.ledger import LedgerProblem
from floodwarden.core.conditions import Notice
from floodwarden.core.delivery.expiry import LOST, UNREAD
from floodwarden.core.delivery.ledger import Entry, Purpose, Resource
from floodwarden.core.delivery.seen import Seen
from floodwarden.core.delivery.violations import Action, Violation
from floodwarden.core.delivery.wishes import Wishes
from floodwarden.core.observation import GroupPhase
from floodwarden.core.reasons import Reason
from tests.support.delivery import DAY, DENIED, HOUR, KEPT, the, wishes
from tests.support.unread_world import World

HOURS = 3600.0  # in seconds
NAME = "shop/orders"


def guard(extend_to: int | None = 7 * DAY, *, enforces: bool = True, name: str = NAME) -> Wishes:
    """A policy with a guard, of all topics."""
    return replace(wishes(name=name, enforces=enforces), guarded=True, extend_to=extend_to)


def late_world(own: str | None = None) -> World:
    """A day of retention, and a group that has still to read messages of which the oldest is 20 hours old."""
    world = World(DAY)
    world.own["orders"] = own
    world.produce(23 * HOURS, 20 * HOURS, 10 * HOURS, 1 * HOURS)
    world.commit("billing", 1)
    return world


async def seen(world: World, policy: Wishes) -> Seen:
    return (await world.audit(policy))[policy.name]


async def agreed(world: World, policy: Wishes) -> Seen:
    """What the second of two audits brings: by one alone nothing is put back."""
    assert reasons(await seen(world, policy)) == []
    return await seen(world, policy)


def entry(before: str | None = None, to: int = 7 * DAY) -> Entry:
    return Entry(Purpose.GUARD, Resource.TOPIC, "orders", "retention.ms", before, str(to), NAME)


def reasons(one: Seen) -> list[Reason]:
    return [notice.reason for notice in one.notices]


@pytest.mark.parametrize("own", [None, str(DAY)], ids=["inherited", "its own"])
async def test_extended_until_the_group_has_caught_up(own: str | None) -> None:
    """Written down before it is written; put back to exactly what was there once half of the usual time is left."""
    world, policy = late_world(own), guard()
    first = await seen(world, policy)
    assert world.own["orders"] == str(7 * DAY)
    assert world.entries == {entry(own)}
    (notice,) = first.notices
    assert (notice.warning, notice.reason) == (False, Reason.RETENTION_EXTENDED)
    assert "retention.ms of topic orders was" in notice.message
    assert notice.message.endswith("it is 604800000 (7d) until group billing has caught up")
    violation = the(first.violations)
    assert (violation.action, violation.event) == (Action.REPAIR, Reason.UNREAD_EXPIRING)
    assert violation.reason == "retention.ms is extended to 604800000 (7d) until the group has caught up"

    world.commit("billing", 2)  # the next is 10 hours old
    second = await agreed(world, policy)
    assert reasons(second) == [Reason.RETENTION_RESTORED]
    assert second.violations == ()
    assert world.own["orders"] == own
    assert world.entries == frozenset()
    assert [change.value for change in world.writes] == [str(7 * DAY), own]


async def test_not_put_back_too_early() -> None:
    """Between a half and a quarter of the usual time it stays, so that it is not extended again at once."""
    world, policy = late_world(), guard()
    world.produce(15 * HOURS)
    world.messages["orders"].sort()  # 23, 20, 15, 10, 1 hours old
    await seen(world, policy)
    world.commit("billing", 2)
    between = await seen(world, policy)
    assert (between.violations, between.notices) == ((), ())
    assert world.own["orders"] == str(7 * DAY)
    world.commit("billing", 3)
    assert reasons(await agreed(world, policy)) == [Reason.RETENTION_RESTORED]


@pytest.mark.parametrize(
    ("policy", "action", "says"),
    [
        pytest.param(
            guard(enforces=False), Action.REPAIR, "mode Enforce would extend retention.ms to 604800000 (7d)", id="Audit"
        ),
        pytest.param(guard(None), Action.REPORT, "start or speed up its consumers, or lengthen", id="no extendTo"),
        pytest.param(guard(DAY), Action.REPORT, "they are kept for as long as extendTo says already", id="no longer"),
    ],
)
async def test_only_told(policy: Wishes, action: Action, says: str) -> None:
    """How many, where, and when at the earliest; nothing is written, not even to the ledger."""
    world = late_world()
    one = await seen(world, policy)
    violation = the(one.violations)
    assert violation == Violation(
        "topic orders, group billing",
        UNREAD,
        "read before they expire",
        "1 in partition 0 expire in 4h at the earliest",
        "committed offsets",
        action,
        violation.reason,
        Reason.UNREAD_EXPIRING,
    )
    assert violation.reason.startswith(says)
    assert (world.writes, world.pages.version, one.notices) == ([], 0, ())


async def test_a_topic_that_another_controller_has() -> None:
    """It is told whose it is."""
    world = late_world()
    world.owners = {"orders": "KafkaTopic shop/orders"}
    violation = the((await seen(world, guard())).violations)
    assert (violation.action, violation.reason) == (
        Action.OWNER,
        "KafkaTopic shop/orders has this topic: lengthen retention.ms there",
    )
    assert world.writes == []


async def test_not_where_it_may_not_write() -> None:
    """The share is lost, or the policy was edited meanwhile: neither extended nor put back."""
    world, policy = late_world(), guard()
    world.may = False
    assert "as soon as it may be written" in the((await seen(world, policy)).violations).reason
    assert (world.writes, world.entries) == ([], frozenset())
    world.may = True
    await seen(world, policy)
    world.commit("billing", 4)
    world.may = False
    assert reasons(await seen(world, policy)) == []
    assert world.own["orders"] == str(7 * DAY)


async def test_lost_messages() -> None:
    """Told with partition and count, beside what is next to be lost; a commit that came meanwhile is no loss."""
    world = late_world()
    world.starts["orders"] = 2
    world.commit("slow", 0)
    one = await seen(world, guard())
    lost = {violation.resource: violation for violation in one.violations if violation.setting == LOST}
    assert {name: violation.found for name, violation in lost.items()} == {
        "topic orders, group billing": "1 in partition 0",
        "topic orders, group slow": "2 in partition 0",
    }
    assert {violation.event for violation in lost.values()} == {Reason.UNREAD_EXPIRED}
    assert world.asked.count("commits") == 1


async def test_a_commit_between_two_readings_is_no_loss() -> None:
    """What has been committed since the logs' starts were read counts."""
    world = late_world()
    world.starts["orders"] = 2
    ask = world.extents

    async def extents_and_commit(topics: object) -> object:
        found = await ask(topics)  # type: ignore[arg-type]
        world.commit("billing", 4)
        return found

    world.extents = extents_and_commit  # type: ignore[method-assign,assignment]
    one = await seen(world, guard())
    assert (one.violations, world.asked.count("commits")) == ((), 1)


@pytest.mark.parametrize(
    "kept",
    [
        pytest.param((), id="deleted"),
        pytest.param((guard(enforces=False),), id="Audit"),
        pytest.param((replace(guard(), guarded=False, extend_to=None),), id="without a guard"),
    ],
)
async def test_a_policy_that_is_gone(kept: tuple[Wishes, ...]) -> None:
    """Put back by what was there before, but not while that would delete messages that are unread."""
    world = late_world()
    await world.audit(guard())
    world.now += 8 * HOURS  # the oldest unread one is 28 hours old
    await world.audit(*kept)
    assert world.own["orders"] == str(7 * DAY)
    world.expire()
    assert world.unread("billing") == 3
    world.commit("billing", 2)  # the next is 18 hours old: it does not expire by this
    for _ in range(2):
        await world.audit(*kept)
    assert world.own["orders"] is None
    assert world.entries == frozenset()
    world.expire()
    assert world.unread("billing") == 2


async def test_two_policies() -> None:
    """The longer one counts, whoever comes first; it is put back once."""
    world = late_world()
    short, long = guard(2 * DAY, name="shop/a"), guard(3 * DAY, name="shop/b")
    found = await world.audit(short, long)
    assert world.own["orders"] == str(3 * DAY)
    assert (reasons(found["shop/a"]), reasons(found["shop/b"])) == ([], [Reason.RETENTION_EXTENDED])
    assert {the(one.violations).action for one in found.values()} == {Action.REPAIR}
    world.commit("billing", 4)
    for _ in range(2):
        await world.audit(short)
    assert [change.value for change in world.writes] == [str(3 * DAY), None]


async def test_changed_by_hand_while_it_is_extended() -> None:
    """Theirs stays, it is said once, and it is not extended again before the group has caught up."""
    world, policy = late_world(), guard()
    await seen(world, policy)
    world.own["orders"] = str(DAY + HOUR)
    one = await seen(world, policy)
    (notice,) = one.notices
    assert notice == Notice(
        True,
        Reason.RETENTION_RESTORED,
        "retention.ms of topic orders was set anew while it was extended to 604800000 (7d): it is left so",
    )
    again = await seen(world, policy)
    assert "is left so" in the(again.violations).reason
    assert (world.own["orders"], world.entries, again.notices) == (str(DAY + HOUR), frozenset(), ())
    world.commit("billing", 4)
    await seen(world, policy)
    world.commit("billing", 1)  # rewound: it is late anew
    assert reasons(await seen(world, policy)) == [Reason.RETENTION_EXTENDED]
    assert world.entries == {entry(str(DAY + HOUR))}


async def test_changed_by_hand_in_the_last_moment() -> None:
    """Between the survey and the write a repair, or a person, may have written: then it is looked at anew."""
    world, policy = late_world(), guard()
    stale = world.own["orders"]
    survey = world.survey

    async def survey_and_change(*arguments: object) -> object:
        found = await survey(*arguments)  # type: ignore[arg-type]
        world.own["orders"] = str(2 * DAY)
        return found

    world.survey = survey_and_change  # type: ignore[method-assign,assignment]
    await world.audit(policy)
    assert stale is None
    assert (world.own["orders"], world.entries, world.writes) == (str(2 * DAY), frozenset(), [])


async def test_more_is_asked_for_meanwhile() -> None:
    """It is put back to what is asked for by then, so that nothing goes before a repair comes."""
    world = late_world(str(DAY))
    await world.audit(guard())
    world.commit("billing", 4)
    policy = replace(guard(), requirements=(replace(KEPT, value=str(2 * DAY)),))
    (notice,) = (await agreed(world, policy)).notices
    assert notice.message.endswith("it is 172800000 (2d) now: a policy asks for that")
    assert (world.own["orders"], world.entries) == (str(2 * DAY), frozenset())


async def test_a_ledger_that_cannot_be_written() -> None:
    """Nothing is changed that could not be undone; it is told why."""
    world, policy = late_world(), guard()
    await world.ledger.read()
    world.pages.problem = LedgerProblem("no ledger, for a test")
    one = await seen(world, policy)
    assert world.writes == []
    assert [gap.message for gap in one.gaps] == ["no ledger, for a test"]
    assert "could not be extended: no ledger, for a test" in the(one.violations).reason


async def test_a_refused_write() -> None:
    """It is told in the broker's words, tried again with the next audit, and forgotten once it is not needed any more."""
    world, policy = late_world(), guard()
    world.refuses = DENIED
    one = await seen(world, policy)
    assert the(one.violations).reason == f"retention.ms could not be extended: {DENIED.detail}"
    assert one.notices == ()
    world.refuses = None
    assert reasons(await seen(world, policy)) == [Reason.RETENTION_EXTENDED]
    world.commit("billing", 4)
    world.refuses = DENIED
    refused = await agreed(world, policy)
    assert [gap.reason for gap in refused.gaps] == [Reason.AUTHORIZATION_FAILED]
    assert world.entries == {entry()}
    world.refuses = None
    assert reasons(await seen(world, policy)) == [Reason.RETENTION_RESTORED]
    assert world.entries == frozenset()


async def test_a_write_that_could_not_be_read_back() -> None:
    """Whether it arrived is told with the next audit, once; and so it is when it is put back."""
    world, policy = late_world(), guard()
    for offset, reason in ((1, Reason.RETENTION_EXTENDED), (4, Reason.RETENTION_RESTORED)):
        world.commit("billing", offset)
        if reason is Reason.RETENTION_RESTORED:
            await world.audit(policy)
        world.between = lambda: setattr(world, "away", 1)  # the survey after the write
        assert reasons(await seen(world, policy)) == []
        assert reasons(await seen(world, policy)) == [reason]
        assert reasons(await seen(world, policy)) == []
    assert (world.own["orders"], world.entries) == (None, frozenset())


async def test_refused_and_not_needed_any_more() -> None:
    """The entry is dropped, and nothing is said to have been put back."""
    world, policy = late_world(), guard()
    world.refuses = DENIED
    await seen(world, policy)
    world.commit("billing", 4)
    assert reasons(await seen(world, policy)) == []
    assert (world.entries, world.writes) == (frozenset(), [])


async def test_a_topic_that_is_deleted_while_it_is_extended() -> None:
    """Its entry goes with it."""
    world, policy = late_world(), guard()
    await seen(world, policy)
    del world.own["orders"]
    await seen(world, policy)
    assert world.entries == frozenset()


async def test_behind_even_the_extended_retention() -> None:
    """A last Event, once: the first was long ago."""
    world, policy = late_world(), guard(2 * DAY)
    await seen(world, policy)
    world.now += 17 * HOURS  # 37 hours old: less than a quarter of two days is left
    one = await seen(world, policy)
    (notice,) = one.notices
    assert (notice.warning, notice.reason) == (True, Reason.UNREAD_EXPIRING)
    assert "expire in 8h at the earliest, although retention.ms is extended to 172800000 (2d)" in notice.message
    assert the(one.violations).action is Action.REPORT
    assert (await seen(world, policy)).notices == ()


async def test_nothing_is_asked_where_nobody_asks() -> None:
    """A policy without a guard costs no request."""
    world = late_world()
    await world.audit(wishes())
    assert world.asked == []


async def test_groups_alone() -> None:
    """A policy that asks for late acknowledgement is told of groups, and not of messages that expire."""
    world, policy = late_world(), replace(wishes(), acknowledged_late=True)
    world.phases["billing"] = GroupPhase.REBALANCING
    assert (await seen(world, policy)).violations == ()
    world.now += 200
    await seen(world, policy)
    world.now += 100
    violation = the((await seen(world, policy)).violations)
    assert (violation.resource, violation.setting) == ("group billing", "rebalance")
    assert "firsts" not in world.asked


async def test_a_group_without_commits() -> None:
    """At first it is only said that it cannot be seen: it may have just begun."""
    world, policy = late_world(), guard()
    world.committed = {"new": {}}
    one = await seen(world, policy)
    assert one.unproven == ("group new reads orders and has not committed anything yet: what it has not read cannot be seen",)
    world.now += 150
    await seen(world, policy)
    world.now += 150
    two = await seen(world, policy)
    violation = the(two.violations)
    assert (violation.resource, violation.setting, violation.action) == ("group new", "commits", Action.REPORT)
    assert two.unproven == ()


async def test_a_broker_that_cannot_tell() -> None:
    """It is said."""
    world, policy = late_world(), guard()
    world.abilities = replace(world.abilities, unread=None)
    assert "does not tell" in (await seen(world, policy)).unproven[0]
