"""The look that makes copies, with others beside it: who reassigns too, denies, deletes, calls off, edits, owns."""

from __future__ import annotations

from dataclasses import replace

import pytest

from floodwarden.core.delivery.ledger import Place, Resource
from floodwarden.core.delivery.placement import UnderWay
from floodwarden.core.delivery.throttle import RATES
from floodwarden.core.delivery.violations import Action
from floodwarden.core.observation import Partition, Unknown, UnknownReason
from floodwarden.core.reasons import Reason
from floodwarden.sweep.looks.moving import CALLED_OFF
from tests.support.copying import (
    BY_HAND,
    EMPTY,
    NAME,
    POLICY,
    WRITES,
    Process,
    all_made,
    brokers,
    reasons,
    started,
    told,
)
from tests.support.copying import minutes as minutes

pytestmark = pytest.mark.usefixtures("minutes")

DENIED = Unknown(UnknownReason.AUTHORIZATION_FAILED, "allow Floodwarden's user Alter on the cluster (Kafka ACLs)")


async def test_somebody_elses_reassignment() -> None:
    """It is told and left alone, nothing is begun beside it, and once it has ended all goes on."""
    of = brokers()
    of.copying = {Partition("whole", 0): UnderWay((2, 1, 0, 7), (7,)), Partition("orders", 0): UnderWay((0, 1), (1,))}
    theirs = dict(of.copying)
    process, shelf = started(of)
    found = await process.audit(POLICY)
    assert str(told(found)).startswith("somebody else is moving partitions 0, which is left to them")
    assert told(found, "payments") == (
        "somebody else is moving partitions of orders, whole (see kafka-reassign-partitions --list): it waits for that"
    )
    assert not WRITES & set(of.asked)
    assert (of.copying, of.limits, shelf.text) == (theirs, BY_HAND, "")
    del of.copying[Partition("whole", 0)]
    of.advance()
    await process.audit(POLICY)
    of.advance()
    await process.audit(POLICY)
    assert all_made(of)


@pytest.mark.parametrize("change", ["begun", "made", "begun elsewhere"])
async def test_somebody_is_quicker(change: str) -> None:
    """What they begin, or have made, while the throttles are written is not undone, nor joined."""
    of = brokers(topics={"orders": [(0,)], "whole": [(2, 1, 0)]})
    process, shelf = started(of)

    def moment(what: str) -> None:
        if what == "throttle written" and change == "begun":
            of.copying.setdefault(Partition("orders", 0), UnderWay((0, 2), (2,)))
        if what == "throttle written" and change == "made":
            of.topics["orders"] = [(0, 2)]
        if what == "throttle written" and change == "begun elsewhere":
            of.copying.setdefault(Partition("whole", 0), UnderWay((2, 1, 0)))

    of.moment = moment
    await process.audit(POLICY)
    assert "move" not in of.asked
    of.moment = lambda what: None
    if change == "begun":
        assert str(told(await process.audit(POLICY))).startswith("somebody else is moving partitions 0")
    for _ in range(4):
        of.advance()
        await process.audit(POLICY)
    assert (of.limits, shelf.text, all_made(of)) == (BY_HAND, EMPTY, True)


async def test_not_allowed() -> None:
    """The right that is missing is named; nothing is written, not even into the ledger."""
    of = brokers()
    process, shelf = started(of)

    def moment(what: str) -> None:
        of.denied = DENIED if what == "refusals" else None

    of.moment = moment
    found = await process.audit(POLICY)
    assert [gap.message for gap in found[NAME].gaps] == [DENIED.detail]
    violation = next(one for one in found[NAME].violations if one.resource == "topic orders")
    assert (violation.reason, violation.action) == (f"copies cannot be made: {DENIED.detail}", Action.REPORT)
    assert (of.limits, shelf.text) == (BY_HAND, "")
    assert not WRITES & set(of.asked)


async def test_not_known_what_is_under_way() -> None:
    """Nothing is done, and nothing is taken for made."""
    of = brokers(denied=DENIED)
    process, _ = started(of)
    found = await process.audit(POLICY)
    assert [gap.message for gap in found[NAME].gaps] == [DENIED.detail]
    assert {"topic orders", "topic payments"} <= found[NAME].unread
    assert of.asked == ["under way"]


async def test_a_ledger_that_cannot_be_written_or_read() -> None:
    """Without it nothing is begun; what was begun is nobody else's, and all goes on once it is back."""
    of = brokers()
    process, shelf = started(of)

    def moment(what: str) -> None:
        shelf.broken = "away, for a test" if what == "refusals" else shelf.broken

    of.moment = moment
    found = await process.audit(POLICY)
    assert [gap.message for gap in found[NAME].gaps] == ["away, for a test"]
    assert not WRITES & set(of.asked)
    of.moment, shelf.broken = lambda what: None, ""
    await process.audit(POLICY)
    assert of.copying
    shelf.broken = "away, for a test"
    process, asked = Process(of, shelf), len(of.asked)
    await process.audit(POLICY)
    assert len(of.asked) == asked
    shelf.broken = ""
    of.advance()
    await process.audit(POLICY)
    assert (of.limits, shelf.text, all_made(of)) == (BY_HAND, EMPTY, True)


@pytest.mark.parametrize("left", ["orders", None], ids=["one of two", "all"])
async def test_a_topic_that_is_deleted_in_the_middle(left: str | None) -> None:
    """There is nothing to wait for, and no throttle is left."""
    of = brokers(limits={})
    process, shelf = started(of)
    await process.audit(POLICY)
    for name in ("payments", "orders"):
        if name != left:
            of.delete(name)
    of.advance()
    found = await process.audit(POLICY)
    assert (of.limits, shelf.text) == ({}, EMPTY)
    assert reasons(found) == ([Reason.REPLICATION_RAISED] if left else [])


async def test_a_topic_that_is_deleted_just_before() -> None:
    """The others are copied."""
    of = brokers(limits={})
    process, shelf = started(of)

    def moment(what: str) -> None:
        if what == "move":
            of.topics.pop("payments", None)

    of.moment = moment
    found = await process.audit(POLICY)
    assert {partition.topic for partition in of.copying} == {"orders"}
    assert reasons(found) == [Reason.RAISING_REPLICATION]
    of.moment = lambda what: None
    of.advance()
    await process.audit(POLICY)
    assert shelf.text == EMPTY


async def test_copies_that_somebody_calls_off() -> None:
    """They are not asked for again before an hour has passed, or the policy was edited."""
    of = brokers(topics={"orders": [(0,)]})
    process, _ = started(of)
    await process.audit(POLICY)
    of.call_off()
    await process.audit(POLICY, at=4.0)
    found = await process.audit(POLICY, at=5.0)
    assert str(told(found)).startswith("somebody called its copies off")
    assert of.limits == BY_HAND
    await process.audit(POLICY, at=CALLED_OFF)
    assert of.copying == {}
    await process.audit(POLICY, at=CALLED_OFF + 5.0)
    assert of.copying
    of.call_off()
    await process.audit(POLICY, at=CALLED_OFF + 6.0)
    await process.audit(POLICY, at=CALLED_OFF + 6.0)
    assert of.copying == {}
    await process.audit(replace(POLICY, move_rate=2000), at=CALLED_OFF + 7.0)
    assert of.copying


async def test_a_topic_that_is_made_anew() -> None:
    """Copies of it that were never begun were not called off."""
    of = brokers(topics={"orders": [(0,)]}, limits={})
    process, _ = started(of)
    await process.audit(POLICY)
    of.advance()
    await process.audit(POLICY)
    of.topics["orders"] = [(1,)]
    of.asked.clear()
    await process.audit(POLICY, may_act=lambda name: "throttle" not in of.asked)
    await process.audit(POLICY)
    found = await process.audit(POLICY)
    assert "move" in of.asked
    assert "copies are being made" in str(told(found))


async def test_a_throttle_that_somebody_changes_meanwhile() -> None:
    """It is theirs from then on."""
    of = brokers(topics={"orders": [(0,)]}, limits={})
    process, shelf = started(of)
    await process.audit(POLICY)
    theirs: dict[Place, str] = {(Resource.BROKER, "0", RATES[1]): "5"}
    of.limits |= theirs
    of.advance()
    await process.audit(POLICY)
    assert (of.limits, shelf.text) == (theirs, EMPTY)


@pytest.mark.parametrize("number", range(1, 24))
async def test_it_may_not_act_any_more(number: int) -> None:
    """From the moment on at which the policy is edited, or the share lost, nothing is begun; all is undone later."""
    of = brokers(limits={})
    process, shelf = started(of)
    moments: list[str] = []

    def moment(what: str) -> None:
        moments.append(what)

    of.moment = shelf.moment = moment
    await process.audit(POLICY, may_act=lambda name: len(moments) < number)
    before, after = set(moments[:number]), set(moments[number:])
    for write in ("write ledger", "throttle", "move"):
        assert write in before or write not in after, moments
    of.advance()
    await process.audit()
    await process.audit()
    assert (of.limits, shelf.text in ("", EMPTY)) == ({}, True)


async def test_it_may_not_undo() -> None:
    """Whoever has lost the share leaves the rest to the next one."""
    of = brokers()
    process, shelf = started(of)
    await process.audit(POLICY)
    of.advance()
    before, text = dict(of.limits), shelf.text
    await process.audit(POLICY, may_undo=lambda: False)
    assert (of.limits, shelf.text) == (before, text)
    answers = [True]
    await process.audit(POLICY, may_undo=lambda: bool(answers and answers.pop()))
    assert of.limits == before


async def test_somebody_else_owns_it() -> None:
    """A topic that a KafkaTopic has is left to it."""
    of = brokers()
    process, _ = started(of)
    await process.audit(POLICY, owners={"orders": "KafkaTopic kafka/orders"})
    assert {partition.topic for partition in of.copying} == {"payments"}
