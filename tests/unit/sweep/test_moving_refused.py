"""The look that makes copies, where some topics are refused: they are told, remembered, and hold up no others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from floodwarden.core.delivery.ledger import Resource
from floodwarden.core.delivery.moves import BATCH, EVENTS_AT_MOST
from floodwarden.core.delivery.seen import Seen
from floodwarden.core.delivery.violations import FACTOR, Action, Violation
from floodwarden.core.observation import Partition, Unknown, UnknownReason
from floodwarden.core.reasons import Reason
from floodwarden.sweep.looks.moving import CALLED_OFF, PLANS, REFUSED
from tests.support.copying import AUDIT, EMPTY, GONE, NAME, POLICY, WRITES, brokers, reasons, started, told
from tests.support.copying import minutes as minutes

pytestmark = pytest.mark.usefixtures("minutes")

LOCKED = Unknown(UnknownReason.AUTHORIZATION_FAILED, "topic legacy: allow it AlterConfigs on the topic (Kafka ACLs)")
IMMOVABLE = Unknown(UnknownReason.BROKER_ERROR, "partition 0 of topic legacy: no, for a test")
LEGACY = Partition("legacy", 0)


def about(found: Mapping[str, Seen], topic: str) -> Violation:
    return next(one for one in found[NAME].violations if one.key == (f"topic {topic}", FACTOR))


async def test_a_right_that_is_missing_on_one_topic() -> None:
    """The others are copied in the same audit; nothing of it is written, and the right is named as long as it is missing."""
    of = brokers(topics={"legacy": [(0,)], "orders": [(0,)]}, limits={}, locked={"legacy": LOCKED})
    process, shelf = started(of)
    for at in (0.0, 60.0):
        found = await process.audit(POLICY, at=at)
        assert {partition.topic for partition in of.copying} == {"orders"}
        assert about(found, "legacy").action is Action.REPORT
        assert about(found, "legacy").reason.startswith(f"copies cannot be made: {LOCKED.detail}")
        assert [gap.message for gap in found[NAME].gaps] == [LOCKED.detail]
        assert "copies are being made" in about(found, "orders").reason
    assert "legacy" not in shelf.text
    assert not any(place[:2] == (Resource.TOPIC, "legacy") for place in of.limits)


async def test_a_right_that_is_given() -> None:
    """It is tried again after a while, or at once with a policy that was edited."""
    of = brokers(topics={"legacy": [(0,)]}, limits={}, locked={"legacy": LOCKED})
    process, _ = started(of)
    await process.audit(POLICY)
    of.locked.clear()
    await process.audit(POLICY, at=REFUSED - 1.0)
    assert of.copying == {}
    await process.audit(POLICY, at=REFUSED)
    assert of.copying.keys() == {LEGACY}


async def test_a_right_that_is_given_with_a_policy_that_is_edited() -> None:
    """It is not waited for."""
    of = brokers(topics={"legacy": [(0,)]}, limits={}, locked={"legacy": LOCKED})
    process, _ = started(of)
    await process.audit(POLICY)
    of.locked.clear()
    await process.audit(replace(POLICY, move_rate=2000))
    assert of.copying.keys() == {LEGACY}


async def test_many_topics_without_a_right() -> None:
    """An audit plans a few times, and the next one goes on behind what was refused."""
    locked = {f"legacy-{number}": LOCKED for number in range(PLANS)}
    of = brokers(topics={**{name: [(0,)] * BATCH for name in locked}, "orders": [(0,)]}, limits={}, locked=locked)
    process, _ = started(of)
    await process.audit(POLICY)
    assert (of.asked.count("refusals"), of.copying) == (PLANS, {})
    await process.audit(POLICY)
    assert {partition.topic for partition in of.copying} == {"orders"}


async def test_rights_that_are_missing_on_many_topics() -> None:
    """The first few are gaps as well; each topic is told."""
    locked = {f"legacy-{number}": replace(LOCKED, detail=f"legacy-{number}: no right") for number in range(8)}
    of = brokers(topics={name: [(0,)] for name in locked}, limits={}, locked=locked)
    process, _ = started(of)
    found = await process.audit(POLICY)
    assert len(found[NAME].gaps) == EVENTS_AT_MOST
    assert all(str(told(found, name)).startswith(f"copies cannot be made: {name}: no right") for name in locked)


async def test_a_topic_that_is_gone_for_a_moment() -> None:
    """It is left out, and not remembered: it may be made anew."""
    of = brokers(topics={"legacy": [(0,)], "orders": [(0,)]}, limits={}, locked={"legacy": GONE})
    process, _ = started(of)
    await process.audit(POLICY)
    assert {partition.topic for partition in of.copying} == {"orders"}
    of.advance()
    of.locked.clear()
    await process.audit(POLICY)
    assert {partition.topic for partition in of.copying} == {"legacy"}


@pytest.mark.parametrize("reason", [UnknownReason.TIMEOUT, UnknownReason.BROKER_UNREACHABLE])
async def test_what_is_no_fault_of_a_topic(reason: UnknownReason) -> None:
    """Where the brokers do not answer, nothing is planned again nor remembered."""
    of = brokers(limits={}, denied=None)
    process, _ = started(of)

    def moment(what: str) -> None:
        of.denied = Unknown(reason, "away, for a test") if what == "refusals" else None

    of.moment = moment
    found = await process.audit(POLICY)
    assert [gap.message for gap in found[NAME].gaps] == ["away, for a test"]
    assert of.asked.count("refusals") == 1
    assert not WRITES & set(of.asked)
    of.moment, of.denied = lambda what: None, None
    await process.audit(POLICY)
    assert {partition.topic for partition in of.copying} == {"orders", "payments"}


async def test_copies_that_are_refused() -> None:
    """They are not asked for again before an hour has passed: others come to their turn, and no throttle is left."""
    of = brokers(topics={"legacy": [(0,)] * BATCH, "orders": [(0,)]}, limits={})
    of.immovable = {Partition("legacy", number): IMMOVABLE for number in range(BATCH)}
    process, shelf = started(of)
    found = await process.audit(POLICY)
    assert (of.copying, reasons(found)) == ({}, [])
    assert about(found, "legacy").reason.startswith(f"copies cannot be made: {IMMOVABLE.detail}")
    assert about(found, "legacy").action is Action.REPORT
    for at in (60.0, 120.0):
        found = await process.audit(POLICY, at=at)
    assert {partition.topic for partition in of.copying} == {"orders"}
    of.advance()
    await process.audit(POLICY, at=180.0)
    assert (of.limits, shelf.text) == ({}, EMPTY)
    of.immovable.clear()
    await process.audit(POLICY, at=CALLED_OFF)
    assert len(of.copying) == BATCH


async def test_copies_of_which_some_are_refused() -> None:
    """The rest is made; why those are not is told then, and not that somebody called them off."""
    of = brokers(topics={"legacy": [(0,), (0,)]}, limits={}, immovable={LEGACY: IMMOVABLE})
    process, shelf = started(of)
    found = await process.audit(POLICY)
    assert reasons(found) == [Reason.RAISING_REPLICATION]
    assert [gap.message for gap in found[NAME].gaps] == [IMMOVABLE.detail]
    of.advance()
    for at in (60.0, 120.0):
        found = await process.audit(POLICY, at=at)
    assert str(told(found, "legacy")).startswith(f"copies cannot be made: {IMMOVABLE.detail}")
    assert (of.limits, shelf.text) == ({}, EMPTY)


async def test_a_topic_that_is_made_anew_in_the_middle() -> None:
    """Its copies were not called off: they are asked for again as soon as the throttles are undone."""
    of = brokers(topics={"orders": [(0,)]}, limits={}, ids={"orders": "one"})
    process, _ = started(of)
    await process.audit(POLICY)
    of.delete("orders")
    of.topics["orders"], of.ids["orders"] = [(1,)], "another"
    for _ in range(3):
        found = await process.audit(POLICY)
    assert "copies are being made" in str(told(found))
    of.call_off()
    for _ in range(3):
        found = await process.audit(POLICY)
    assert str(told(found)).startswith("somebody called its copies off")


async def test_a_policy_that_only_looks_is_told_of_no_right() -> None:
    """Nothing was tried for it."""
    of = brokers(topics={"legacy": [(0,)]}, limits={}, locked={"legacy": LOCKED})
    process, _ = started(of)
    await process.audit(POLICY)
    found = await process.audit(AUDIT)
    assert (found[NAME].gaps, found[NAME].violations) == ((), ())
