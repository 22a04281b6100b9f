"""What the guard does not know, and whose topics they are: it neither puts back too early nor writes what it must not."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

import pytest

from floodwarden.brokers.base import BrokerError
from floodwarden.core.delivery.audit import Findings
from floodwarden.core.delivery.readers import Extents
from floodwarden.core.delivery.violations import Action, Violation
from floodwarden.core.delivery.wishes import Wishes
from floodwarden.core.observation import Partition, Unknown
from floodwarden.core.reasons import Reason
from tests.support.delivery import AWAY, DAY, DENIED, KEPT
from tests.unit.sweep.looks.test_guarding import HOURS, NAME, agreed, entry, guard, late_world, reasons, seen


@pytest.mark.parametrize(
    "unknown",
    [
        pytest.param(lambda world: setattr(world, "failed", (AWAY,)), id="a node's groups"),
        pytest.param(lambda world: world.commit("other", AWAY), id="a group's offset"),
    ],
)
async def test_unknown_does_not_put_back(unknown: object) -> None:
    """Somebody who is not seen may be late: it stays, and what was told stays told."""
    world, policy = late_world(), guard()
    told = await seen(world, policy)
    world.commit("billing", 4)
    assert callable(unknown)
    unknown(world)
    one = await seen(world, policy)
    assert one.gaps != ()
    assert one.unread == {violation.resource for violation in told.violations}
    assert world.own["orders"] == str(7 * DAY)
    world.failed = ()
    world.committed.pop("other", None)
    assert reasons(await agreed(world, policy)) == [Reason.RETENTION_RESTORED]


@pytest.mark.parametrize("kept", [(), (guard(name="shop/other"),)], ids=["alone", "beside another policy"])
async def test_a_paused_policy(kept: tuple[Wishes, ...]) -> None:
    """Its extension stays, so that nothing goes that would be there still if it were not paused; what comes after, goes on."""
    world = late_world()
    await world.audit(guard())
    world.paused = frozenset({NAME})
    for _ in range(3):
        world.now += 3 * HOURS
        world.expire()
        await world.audit(*kept)
    assert world.unread("billing") == 3
    world.commit("billing", 4)
    for _ in range(3):
        await world.audit(*kept)
    assert world.own["orders"] == str(7 * DAY)
    assert world.entries == {entry()}
    assert len(world.writes) == 1
    world.paused = frozenset()
    assert reasons(await seen(world, guard())) == [Reason.RETENTION_RESTORED]  # the audits meanwhile have found the same
    assert world.entries == frozenset()


async def test_a_paused_policy_asks_for_no_more() -> None:
    """Nothing is extended for it."""
    world = late_world()
    world.paused = frozenset({NAME})
    await world.audit()
    assert (world.writes, world.entries) == ([], frozenset())


@pytest.mark.parametrize("says", [AWAY, DENIED], ids=["its coordinator moves", "the user may not see it any more"])
async def test_a_late_group_that_is_not_listed(says: Unknown) -> None:
    """It counts as late until its coordinator tells what it has read, and it is said why that is not known."""
    world, policy = late_world(), guard()
    await world.audit(policy)
    world.hidden = {"billing": says}
    for _ in range(3):
        one = await seen(world, policy)
        assert says.detail in {gap.message for gap in one.gaps}
    assert world.own["orders"] == str(7 * DAY)
    world.hidden = {}
    world.commit("billing", 4)
    assert reasons(await agreed(world, policy)) == [Reason.RETENTION_RESTORED]


async def test_a_late_group_that_is_not_listed_and_tells() -> None:
    """What its coordinator has of it counts."""
    world, policy = late_world(), guard()
    await world.audit(policy)
    world.hidden = {"billing": None}
    for _ in range(3):
        assert reasons(await seen(world, policy)) == []
    assert world.own["orders"] == str(7 * DAY)


async def test_a_late_group_that_is_gone() -> None:
    """Once two audits in a row have not found it, nobody needs the messages any more."""
    world, policy = late_world(), guard()
    await world.audit(policy)
    del world.committed["billing"]
    assert reasons(await agreed(world, policy)) == [Reason.RETENTION_RESTORED]
    asked = world.asked.count("commits")
    await world.audit(policy)
    assert (asked, world.asked.count("commits")) == (1, 1)


async def test_a_restart_knows_of_no_group() -> None:
    """What one audit does not see may be seen by the next one."""
    world, policy = late_world(), guard()
    await world.audit(policy)
    world.restart()
    world.hidden = {"billing": AWAY}
    assert reasons(await seen(world, policy)) == []
    world.hidden = {}
    for _ in range(2):
        assert reasons(await seen(world, policy)) == []
    assert world.own["orders"] == str(7 * DAY)


async def test_an_audit_that_fails_agrees_with_none() -> None:
    """Two in a row are two with none in between."""
    world, policy = late_world(), guard()
    await world.audit(policy)
    world.commit("billing", 4)
    await world.audit(policy)
    ask, world.groups = world.groups, unanswered  # type: ignore[method-assign,assignment]
    await world.audit(policy)
    world.groups = ask  # type: ignore[method-assign]
    assert reasons(await agreed(world, policy)) == [Reason.RETENTION_RESTORED]


async def unanswered(nodes: object) -> object:
    raise BrokerError(AWAY.reason, AWAY.detail)


def told(action: Action) -> dict[str, Findings]:
    """What an audit found of the topic's retention."""
    violation = Violation("topic orders", "retention.ms", "≥ 2d", "1d", "topic", action, "for a test")
    return {NAME: Findings(1, 1, (violation,))}


@pytest.mark.parametrize(
    ("findings", "owners", "value"),
    [
        pytest.param({}, {}, str(2 * DAY), id="nobody's"),
        pytest.param(told(Action.REPAIR), {}, str(2 * DAY), id="a difference"),
        pytest.param(told(Action.CONFLICT), {}, str(DAY), id="policies do not agree"),
        pytest.param(told(Action.OWNER), {}, str(DAY), id="another controller's, by the audit"),
        pytest.param({}, {"orders": "KafkaTopic shop/orders"}, str(DAY), id="another controller's"),
    ],
)
async def test_what_is_put_back(findings: dict[str, Findings], owners: dict[str, str], value: str) -> None:
    """What was there before, wherever an audit would not write what its policies ask for."""
    world = late_world(str(DAY))
    await world.audit(guard())
    world.commit("billing", 4)
    world.findings, world.owners = findings, owners
    policy = replace(guard(), requirements=(replace(KEPT, value=str(2 * DAY)),))
    assert reasons(await agreed(world, policy)) == [Reason.RETENTION_RESTORED]
    assert [change.value for change in world.writes] == [str(7 * DAY), value]


async def test_a_status_that_stays() -> None:
    """While nothing is read it is worded alike for hours."""
    world, policy = late_world(), guard(None)
    world.messages["orders"][1:1] = [int((world.now - 20 * HOURS) * 1000)] * 1234
    world.now += 60
    first = (await seen(world, policy)).violations
    world.produce(0)
    world.now += 50 * 60
    assert (await seen(world, policy)).violations == first
    assert first[0].found == "about 1,200 in partition 0 expire in 3h at the earliest"


async def test_a_partition_that_was_never_committed() -> None:
    """It is said that nobody guards it."""
    world = late_world()
    ask = world.extents

    async def one_partition_more(topics: Collection[str]) -> Mapping[str, Extents | Unknown]:
        found = await ask(topics)
        return {name: one if isinstance(one, Unknown) else {**one, Partition(name, 1): (0, 5)} for name, one in found.items()}

    world.extents = one_partition_more  # type: ignore[method-assign]
    (sentence,) = (await seen(world, guard())).unproven
    assert sentence == "partitions with messages that a group has never committed are not guarded: billing on orders"
