"""The account of a backlog, and the levels that it is held against."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floodwarden.core.assess import assess
from floodwarden.core.diagnosis.balance import Balance, balance
from floodwarden.core.diagnosis.usual import HALF_LIFE, KNOWN_AFTER, Level, Usual, learnt
from floodwarden.core.history import History
from floodwarden.core.observation import Offsets, Partition, Reading
from tests.support.world import policy

ORDERS, MAILS = Partition("orders", 0), Partition("mails", 0)
KNOWN = Usual({"orders": Level(50.0, 60.0, 900.0), "mails": Level(5.0, 5.0, 300.0)}, 1000.0, 30.0, 2)


def history(before: tuple[int, int], after: tuple[int, int]) -> History:
    """Two readings twenty seconds apart, with the commit and the end of orders; nothing happens in mails."""
    found = History()
    for at, (done, end) in ((1000.0, before), (1020.0, after)):
        found.record(at, Reading({ORDERS: Offsets(0, end, done), MAILS: Offsets(0, 7, 7)}))
    return found


def account(usual: Usual | None = KNOWN, replicas: int | None = 2, *, orders: tuple[int, int]) -> Balance | None:
    return balance(history((100, 100), orders), usual, replicas, 1020.0)


def known(found: Balance | None) -> Balance:
    assert found is not None
    return found


def test_what_came_beyond_the_usual() -> None:
    """Of 4,000 messages in twenty seconds 1,300 are what came lately (65/s); the topic with the most is named first."""
    found = known(account(orders=(1300, 4100)))
    assert (found.seconds, found.produced, found.consumed, found.learnt) == (20.0, 200.0, 60.0, 300.0)
    assert found.excess == pytest.approx(4000 - 60 * 20 - 5 * 20)
    assert found.shortfall == pytest.approx(0.0)
    assert [topic.topic for topic in found.topics] == ["orders", "mails"]
    assert found.topics[0].excess == pytest.approx(2800)


def test_what_was_not_consumed() -> None:
    """Two replicas did thirty a second each; that they did ten is a shortfall of a thousand."""
    found = known(account(orders=(300, 1400)))
    assert found.excess == pytest.approx(0.0)
    assert found.shortfall == pytest.approx(1000.0)


REPLICAS = {"as many": (2, 60.0), "ours took one away": (1, 30.0), "more than before": (24, 60.0), "not known": (None, 60.0)}


@pytest.mark.parametrize(("replicas", "expected"), REPLICAS.values(), ids=REPLICAS)
def test_what_may_be_expected_of_replicas(replicas: int | None, expected: float) -> None:
    """What those that are left did; never more than was consumed before."""
    assert known(account(replicas=replicas, orders=(300, 1400))).expected == expected


UNKNOWN: dict[str, Usual | None] = {
    "nothing usual": None,
    "a topic is new": Usual({"orders": KNOWN.levels["orders"]}, 1000.0, 30.0, 2),
    "watched too short": Usual({**KNOWN.levels, "mails": Level(5.0, 5.0, KNOWN_AFTER - 1)}, 1000.0, 30.0, 2),
    "all was well just now": Usual(KNOWN.levels, 1020.0, 30.0, 2),
}


@pytest.mark.parametrize("usual", UNKNOWN.values(), ids=UNKNOWN)
def test_without_a_level_there_is_no_account(usual: Usual | None) -> None:
    """Of a topic that nobody watched it is not known what is usual, and not known is not zero."""
    assert account(usual, orders=(1300, 4100)) is None


@given(st.integers(0, 10_000), st.integers(0, 10_000), st.floats(0, 500), st.floats(0, 500))
def test_the_account_adds_up(produced: int, consumed: int, lately: float, each: float) -> None:
    """Excess and shortfall are the growth of the lag, but for what produced and consumed already differed by."""
    usual = Usual({"orders": Level(1.0, lately, 900.0), "mails": Level(0.0, 0.0, 900.0)}, 1000.0, each, 2)
    found = known(account(usual, orders=(100 + consumed, 100 + produced)))
    differed = (2 * each - lately) * found.seconds
    assert found.excess + found.shortfall == pytest.approx(produced - consumed + differed, abs=1e-6)


def watch(rate: float, seconds: int, usual: Usual | None = None, *, begin: float = 2000.0, lag: int = 0) -> Usual | None:
    """The levels after so many seconds at a rate, with so much waiting all the while."""
    found = History()
    for second in range(seconds + 1):
        now, end = begin + second, 10_000 + round(rate * second)
        found.record(now, Reading({ORDERS: Offsets(0, end, end - lag)}))
        seen = assess(Reading({ORDERS: Offsets(0, end, end - lag)}), found, now)
        usual = learnt(usual, policy(max_messages=1000), seen, 2, lag > 1000, now)
    return usual


def test_a_level_is_learnt_and_forgets() -> None:
    """A steady rate is the level; another one is half of the way there after its half-life, and lately sooner."""
    first = watch(40.0, 900)
    assert first is not None
    assert first.levels["orders"].rate == pytest.approx(40.0, rel=0.01)
    assert first.per_replica == pytest.approx(20.0, rel=0.01)
    later = watch(80.0, round(HALF_LIFE), first, begin=first.at + 10)
    assert later is not None
    assert later.levels["orders"].rate == pytest.approx(63.0, abs=4)
    assert later.levels["orders"].lately == pytest.approx(79.0, abs=2)


@pytest.mark.parametrize("lag", [400, 5000], ids=["it builds up", "over the limit"])
def test_a_backlog_is_not_learnt_from(lag: int) -> None:
    """While messages build up the levels stay as they are, or a long spike would become usual."""
    first = watch(40.0, 300)
    assert first is not None
    later = watch(80.0, 300, first, begin=first.at + 10, lag=lag)
    assert later is first


def test_nothing_is_learnt_where_the_lag_is_not_known() -> None:
    """Whether all is well cannot be told then."""
    first = watch(40.0, 300)
    assert first is not None
    found, now = History(), first.at + 60
    for at in (now - 1, now):
        found.record(at, Reading({ORDERS: Offsets(0, 100, 100)}))
    seen = assess(Reading({ORDERS: Offsets(0, 100, 100)}), found, now)
    assert learnt(first, policy(), seen, 2, None, now) is first
    assert learnt(first, policy(), seen, 2, False, now) is not first


def test_a_group_that_is_always_behind_is_learnt_from_late() -> None:
    """More waits than where consumers keep up, but far below the limit, and for long: that is how it is."""
    first = watch(40.0, 300)
    assert first is not None
    later = watch(80.0, 700, first, begin=first.at + 10, lag=400)
    assert later is not None
    assert later.at > first.at
