"""The look that makes copies: throttled, watched to the end, undone exactly, whoever is killed and whatever goes down."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from floodwarden.core.delivery.ledger import Resource
from floodwarden.core.delivery.moves import BATCH
from floodwarden.core.delivery.throttle import FOLLOWERS, RATES
from floodwarden.core.delivery.violations import IN_SYNC
from floodwarden.core.reasons import Reason
from floodwarden.sweep import clock
from floodwarden.sweep.looks.moving import UNLISTED
from tests.support.copying import (
    AUDIT,
    BY_HAND,
    EMPTY,
    NAME,
    POLICY,
    Killed,
    Process,
    Shelf,
    all_made,
    brokers,
    reasons,
    started,
    told,
)
from tests.support.copying import minutes as minutes

pytestmark = pytest.mark.usefixtures("minutes")


async def test_from_one_copy_to_three() -> None:
    """Begun and told, watched, told again once all are in sync; no throttle is left, and nothing is done twice."""
    of = brokers()
    process, shelf = started(of)
    first = await process.audit(POLICY)
    assert reasons(first) == [Reason.RAISING_REPLICATION] * 2
    assert "topic orders has 1 copy of partitions 0, 1; copies up to 3 are being made" in first[NAME].notices[0].message
    assert told(first) == "copies are being made: 2 of 2 partitions left, not in sync yet on brokers 1, 2"
    assert of.limits[Resource.TOPIC, "orders", FOLLOWERS] == "0:1,0:2,1:1,1:2"
    second = await process.audit(POLICY)
    assert reasons(second) == []
    of.advance()
    third = await process.audit(POLICY)
    assert reasons(third) == [Reason.REPLICATION_RAISED] * 2
    assert third[NAME].notices[0].message.startswith("topic orders had 1 copy of partitions 0, 1, and has 3 now")
    assert third[NAME].violations == ()
    assert (of.limits, shelf.text) == (BY_HAND, EMPTY)
    assert all_made(of)
    of.asked.clear()
    assert await process.audit(POLICY) == {}
    assert of.asked == []


def kills_at(moments: Sequence[int]) -> Callable[[str], None]:
    """Kills at each of these moments, counted from the one before."""
    left, countdown = list(moments), [0]

    def moment(what: str) -> None:
        countdown[0] += 1
        if left and countdown[0] > left[0]:
            left.pop(0)
            countdown[0] = 0
            raise Killed(what)

    return moment


def survives(moments: Sequence[int], *, gone: str = "") -> int:
    """Whatever moments the process is killed at, the next ones end with all copies and no throttle; how often it was killed."""
    of, shelf = brokers(), Shelf()
    of.moment = shelf.moment = kills_at(moments)
    process, killed = Process(of, shelf), 0

    async def lives() -> None:
        nonlocal process, killed
        for number in range(2 * len(moments) + 14):
            try:
                await process.audit(*([] if gone and number > 2 else [POLICY]))
            except Killed:
                process, killed = Process(of, shelf), killed + 1
            if number % 2:
                of.advance()

    asyncio.run(lives())
    assert of.limits == BY_HAND
    assert shelf.text in ("", EMPTY)
    assert not of.copying
    assert gone or all_made(of)
    return killed


def test_a_kill_at_any_moment() -> None:
    """Before and after each thing that is done, and each call: nothing is lost, doubled, half-done or left behind."""
    moments = 0
    while survives([moments]):
        moments += 1
    assert moments > 30


def test_a_kill_at_any_moment_of_a_policy_that_is_deleted() -> None:
    """What was begun ends, and its throttle goes, without it."""
    moments = 0
    while survives([moments], gone="deleted after some audits"):
        moments += 1
    assert moments > 30


@settings(max_examples=50)
@given(st.lists(st.integers(0, 40), max_size=6))
def test_many_kills(moments: list[int]) -> None:
    """However often."""
    survives(moments)


@pytest.mark.parametrize("then", [(), (AUDIT,)], ids=["deleted or paused", "edited to Audit"])
async def test_a_policy_that_goes_in_the_middle(then: Sequence[object]) -> None:
    """The copies that are being made are made; no new ones are begun, and the throttle is taken away."""
    of = brokers(topics={"a": [(0,)] * BATCH, "b": [(0,)]})
    process, shelf = started(of)
    await process.audit(POLICY)
    assert {partition.topic for partition in of.copying} == {"a"}
    await process.audit(*then)  # type: ignore[arg-type]
    assert len(of.copying) == BATCH
    assert of.limits != BY_HAND
    of.advance()
    await process.audit(*then)  # type: ignore[arg-type]
    assert (of.limits, shelf.text, of.copying) == (BY_HAND, EMPTY, {})
    assert of.topics["b"] == [(0,)]


async def test_one_batch_after_the_other() -> None:
    """The next one begins when the last has ended, not before."""
    of = brokers(topics={"a": [(0,)] * BATCH, "b": [(0,)]})
    process, _ = started(of)
    await process.audit(POLICY)
    found = await process.audit(POLICY)
    assert told(found, "b") == "copies are made once those before it are"
    assert len(of.copying) == BATCH
    of.advance()
    found = await process.audit(POLICY)
    assert reasons(found) == [Reason.REPLICATION_RAISED, Reason.RAISING_REPLICATION]
    assert {partition.topic for partition in of.copying} == {"b"}


async def test_a_broker_that_goes_down_in_the_middle() -> None:
    """It is named, all stays as it is until it is back, and then all ends."""
    of = brokers()
    process, shelf = started(of)
    await process.audit(POLICY)
    of.down = {2}
    of.advance()
    found = await process.audit(POLICY)
    assert "broker 2 cannot be reached: bring it back" in str(told(found))
    assert of.limits != BY_HAND
    of.down = set()
    of.advance()
    await process.audit(POLICY)
    assert (of.limits, shelf.text, all_made(of)) == (BY_HAND, EMPTY, True)


async def test_a_controller_that_forgets(monkeypatch: pytest.MonkeyPatch) -> None:
    """For a while nobody knows of copies that were asked for: they count as being made, but not for ever."""
    now = 100.0
    monkeypatch.setattr(clock, "now", lambda: now)
    of = brokers()
    process, shelf = started(of)
    await process.audit(POLICY)
    meanwhile = dict(of.limits)
    of.forgetful = True
    found = await process.audit(POLICY)
    assert "2 of 2 partitions left" in str(told(found))
    now += UNLISTED - 1
    await process.audit(POLICY)
    of.forgetful = False
    await process.audit(POLICY)
    of.forgetful = True
    now += UNLISTED - 1
    await process.audit()
    assert of.limits == meanwhile
    of.forgetful = False
    of.advance()
    assert reasons(await process.audit(POLICY)) == [Reason.REPLICATION_RAISED] * 2
    assert (of.limits, shelf.text, all_made(of)) == (BY_HAND, EMPTY, True)


async def test_copies_that_are_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """After half a minute they are not waited for any more."""
    now = 100.0
    monkeypatch.setattr(clock, "now", lambda: now)
    of = brokers()
    process, shelf = started(of)
    await process.audit(POLICY)
    of.forgetful = True
    await process.audit(POLICY)
    now += UNLISTED
    await process.audit(POLICY)
    assert (of.limits, shelf.text) == (BY_HAND, EMPTY)


async def test_a_broker_that_goes_down_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its throttle is taken away once it is back; until then that is told, and nothing new begins."""
    now = 100.0
    monkeypatch.setattr(clock, "now", lambda: now)
    of = brokers(topics={"orders": [(0,)], "zeta": [(0,)] * BATCH})
    process, shelf = started(of)
    await process.audit(POLICY)
    of.advance()
    of.down = {2}
    await process.audit(POLICY)
    now += UNLISTED
    found = await process.audit(POLICY)
    assert [gap.reason for gap in found[NAME].gaps] == [Reason.BROKER_UNREACHABLE]
    assert of.limits.keys() - BY_HAND.keys() == {(Resource.BROKER, "2", rate) for rate in RATES}
    assert of.copying == {}
    assert "it waits until" in str(told(found, "zeta"))
    of.down = set()
    found = await process.audit(POLICY)
    assert reasons(found) == [Reason.REPLICATION_RAISED, Reason.RAISING_REPLICATION]
    assert {partition.topic for partition in of.copying} == {"zeta"}
    of.advance()
    await process.audit(POLICY)
    assert (of.limits, shelf.text) == (BY_HAND, EMPTY)


async def test_a_broker_that_is_taken_out_of_the_cluster() -> None:
    """It holds up nothing, and is put right should it come back."""
    of = brokers(topics={"orders": [(0,)], "payments": [(0, 1)]}, limits={})
    process, shelf = started(of)
    await process.audit(POLICY)
    of.delete("orders")
    of.advance()
    of.topics["payments"] = [(0, 1)]
    of.gone = {2}
    two = replace(POLICY, factor=2)
    await process.audit(two)
    found = await process.audit(two)
    assert found[NAME].gaps == ()
    assert of.limits.keys() == {(Resource.BROKER, "2", rate) for rate in RATES}
    of.topics["refunds"] = [(0,)]
    found = await process.audit(two)
    assert {partition.topic for partition in of.copying} == {"refunds"}
    of.advance()
    await process.audit(two)
    assert of.limits.keys() == {(Resource.BROKER, "2", rate) for rate in RATES}
    of.gone = set()
    await process.audit(two)
    assert (of.limits, shelf.text) == ({}, EMPTY)


async def test_what_the_audit_found_is_older() -> None:
    """Copies that were made since the survey are made, and not asked for anew."""
    of = brokers()
    process, _ = started(of)
    await process.audit(POLICY)
    stale = of.survey()
    of.advance()
    found = await process.audit(POLICY, survey=stale)
    assert found[NAME].violations == ()
    assert found[NAME].explained == {("topic orders", IN_SYNC), ("topic payments", IN_SYNC)}
    assert reasons(found) == [Reason.REPLICATION_RAISED] * 2
    assert of.copying == {}


async def test_a_policy_that_only_looks() -> None:
    """It is told whose copies are being made, and writes nothing."""
    of = brokers()
    process, shelf = started(of)
    await process.audit(AUDIT)
    assert of.asked == ["under way"]
    assert (of.limits, shelf.text) == (BY_HAND, "")
