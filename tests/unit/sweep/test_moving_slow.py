"""The look that makes copies, while they are made: slowed down all the time, and told where they get no further."""

from __future__ import annotations

import pytest

from floodwarden.core.delivery.ledger import Place, Resource
from floodwarden.core.delivery.moves import STALLED
from floodwarden.core.delivery.throttle import FOLLOWERS, RATES
from floodwarden.core.delivery.violations import Action
from floodwarden.core.observation import Partition
from tests.support.copying import AUDIT, BY_HAND, EMPTY, NAME, POLICY, brokers, started, told
from tests.support.copying import minutes as minutes

pytestmark = pytest.mark.usefixtures("minutes")

RATE: Place = (Resource.BROKER, "0", RATES[0])


async def test_throttles_that_somebody_clears() -> None:
    """As kafka-reassign-partitions --verify does: they are set again with the next audit, and undone at the end."""
    of = brokers()
    process, shelf = started(of)
    await process.audit(POLICY)
    meanwhile = dict(of.limits)
    of.limits = {place: text for place, text in of.limits.items() if place in BY_HAND and place[0] is Resource.BROKER}
    of.limits[Resource.TOPIC, "payments", FOLLOWERS] = "*"
    await process.audit(POLICY)
    assert of.limits == meanwhile
    of.advance()
    await process.audit(POLICY)
    assert (of.limits, shelf.text) == (BY_HAND, EMPTY)


async def test_a_throttle_that_somebody_changes() -> None:
    """It is theirs: nothing is written."""
    of = brokers()
    process, _ = started(of)
    await process.audit(POLICY)
    of.limits[RATE] = "5"
    of.asked.clear()
    await process.audit(POLICY)
    assert of.limits[RATE] == "5"
    assert (of.asked.count("throttles"), of.asked.count("throttle")) == (1, 0)


@pytest.mark.parametrize("who", ["edited to Audit", "deleted or paused", "share lost"])
async def test_throttles_that_may_not_be_set_again(who: str) -> None:
    """Nothing is written for a policy that does not act any more, nor by who has lost the share."""
    of = brokers()
    process, _ = started(of)
    await process.audit(POLICY)
    del of.limits[RATE]
    policies = {"edited to Audit": [AUDIT], "deleted or paused": [], "share lost": [POLICY]}[who]
    await process.audit(*policies, may_act=lambda name: False)
    assert RATE not in of.limits


async def test_a_broker_that_is_down_meanwhile() -> None:
    """It is not asked; the others' throttles are set again."""
    of = brokers()
    process, _ = started(of)
    await process.audit(POLICY)
    of.down = {2}
    del of.limits[RATE]
    found = await process.audit(POLICY)
    assert RATE in of.limits
    assert found[NAME].gaps == ()


async def test_copies_that_get_no_further() -> None:
    """After half an hour without a partition that has ended, people are told what to do; once one ends, no more."""
    of = brokers()
    process, _ = started(of)
    await process.audit(POLICY)
    await process.audit(POLICY, at=60.0)
    found = await process.audit(POLICY, at=STALLED + 59.0)
    assert {one.action for one in found[NAME].violations} == {Action.REPAIR}
    found = await process.audit(POLICY, at=STALLED + 60.0)
    assert {one.action for one in found[NAME].violations} == {Action.REPORT}
    assert "more may be written than moveRate allows: raise it" in str(told(found))
    done = of.copying.pop(Partition("orders", 0))
    of.topics["orders"][0] = done.replicas
    found = await process.audit(POLICY, at=STALLED + 120.0)
    assert {one.action for one in found[NAME].violations} == {Action.REPAIR}
    assert "moveRate" not in str(told(found))


async def test_copies_that_get_no_further_for_a_broker_that_is_down() -> None:
    """That is what is told, and no rate."""
    of = brokers()
    process, _ = started(of)
    await process.audit(POLICY)
    of.down = {2}
    await process.audit(POLICY, at=60.0)
    found = await process.audit(POLICY, at=STALLED + 60.0)
    assert str(told(found)).endswith("broker 2 cannot be reached: bring it back")


async def test_the_next_batch_has_its_own_time() -> None:
    """What was made before does not count."""
    of = brokers(topics={"orders": [(0,)]}, limits={})
    process, _ = started(of)
    await process.audit(POLICY)
    await process.audit(POLICY, at=60.0)
    of.advance()
    await process.audit(POLICY, at=120.0)
    of.topics["refunds"] = [(0,)]
    await process.audit(POLICY, at=2 * STALLED)
    found = await process.audit(POLICY, at=3 * STALLED - 1.0)
    assert {one.action for one in found[NAME].violations} == {Action.REPAIR}
