"""Half messages that RocketMQ's brokers gave up: those that a policy asks for are put back once, and no others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from floodwarden.core.delivery.rocketmq.found import BrokerSet, Dropped, RocketMQFound, Server, TopicOn, Transactions
from floodwarden.core.delivery.rocketmq.judging import GIVEN_UP, judge
from floodwarden.core.delivery.survey import Change
from floodwarden.core.delivery.wishes import TransactionWishes, Wishes
from floodwarden.core.observation import Unknown
from floodwarden.core.reasons import Reason
from tests.support.delivery import DENIED

HOUR = 3600.0
ASKS = Wishes("shop/orders", acts=True, names=("orders*",), transactions=TransactionWishes(None, 60, resumes=True))
LOOKS = replace(ASKS, acts=False, enforces=False)
NEVER = replace(ASKS, transactions=TransactionWishes(None, 60))
ONE = Dropped("K", "orders-eu", 60.0)


def found(*dropped: Dropped, hours: str = "72", **given: Any) -> RocketMQFound:
    """One master that gave these up."""
    server = Server("broker-a (10.0.0.1:10911)", 0, {"fileReservedTime": hours})
    told = Transactions(**{"waiting": 0, "quiet": 0.0, "given_up": 1, "dropped": dropped, **given})
    return RocketMQFound((BrokerSet("broker-a", (server,), {"orders": TopicOn(6, 4, 4)}, {}, {}, told),))


CASES: Mapping[str, tuple[Wishes, RocketMQFound, bool]] = {
    "one that was given up": (ASKS, found(ONE), True),
    "a policy that only looks": (LOOKS, found(ONE), False),
    "a policy that does not ask for it": (NEVER, found(ONE), False),
    "for a topic of others": (ASKS, found(replace(ONE, topic="bills")), False),
    "given up again": (ASKS, found(replace(ONE, again=True)), False),
    "without a key": (ASKS, found(replace(ONE, key="")), False),
    "almost as old as messages get": (ASKS, found(replace(ONE, age=71.1 * HOUR)), False),
    "younger than that": (ASKS, found(replace(ONE, age=70.9 * HOUR)), True),
    "where messages are kept for long": (ASKS, found(replace(ONE, age=166.9 * HOUR), hours="999"), True),
    "older than a week": (ASKS, found(replace(ONE, age=168 * HOUR), hours="999"), False),
    "nobody knows how long messages are kept": (ASKS, found(ONE, hours="?"), False),
}


@pytest.mark.parametrize(("policy", "what", "back"), CASES.values(), ids=CASES.keys())
def test_which_are_put_back(policy: Wishes, what: RocketMQFound, back: bool) -> None:
    """By the key that is known again."""
    changes = judge(what, [policy])[policy.name].changes
    assert changes == ((Change("K", "state", "waiting", "given up on broker-a", "half message"),) if back else ())


SAYS = {
    "not asked for": (NEVER, ONE, "look in TRANS_CHECK_MAX_TIME_TOPIC"),
    "only looks": (LOOKS, ONE, "mode Enforce would put each back once: "),
    "acts": (ASKS, ONE, "; each is put back once: "),
    "again": (ASKS, replace(ONE, again=True), "given up again, which stay"),
}


@pytest.mark.parametrize(("policy", "one", "says"), SAYS.values(), ids=SAYS.keys())
def test_the_growth_stays_told(policy: Wishes, one: Dropped, says: str) -> None:
    """With what becomes of them."""
    (told,) = judge(found(one), [policy])[policy.name].violations
    assert told.setting == GIVEN_UP
    assert says in told.reason
    assert len(told.reason.encode()) <= 256


def test_what_cannot_be_read() -> None:
    """It matters to those who have them put back, and to nobody else."""
    lost: Unknown = DENIED
    what = found(dropped=lost)
    assert [gap.reason for gap in judge(what, [ASKS])[ASKS.name].gaps] == [Reason(lost.reason.value)]
    assert judge(what, [ASKS])[ASKS.name].unread == {"half message"}
    assert judge(what, [NEVER])[NEVER.name].gaps == ()
