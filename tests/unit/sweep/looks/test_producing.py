"""The looks at producers: what they ask, what they remember from one audit to the next, and when they write."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

import pytest

from floodwarden.brokers.abilities import Abilities
from floodwarden.core.delivery.producers import SAMPLE, Newest
from floodwarden.core.delivery.seen import Seen
from floodwarden.core.delivery.survey import Change, Survey
from floodwarden.core.delivery.transactions import (
    HUNG,
    OPEN,
    Active,
    Coordinated,
    Forgotten,
    OpenTransaction,
    Standing,
)
from floodwarden.core.delivery.wishes import TransactionWishes, Wishes
from floodwarden.core.observation import Partition, Unknown
from floodwarden.core.reasons import Reason
from floodwarden.sweep.looks.base import Look, Round
from floodwarden.sweep.looks.producing import SURE_AFTER, Acks, Transactions
from tests.support.delivery import AWAY, survey, topic, wishes

AT = 1_800_000_000.0
PARTITION = Partition("orders", 0)
STRAY = OpenTransaction(PARTITION, 7, 100, 0, written_at=AT - 3600)
ANOTHER = OpenTransaction(Partition("orders", 1), 8, 5, 0, written_at=AT - 3600)
BILLING = Coordinated("billing", "Ongoing", AT - 3600)
Answers = list[Mapping[OpenTransaction, Standing]]


@dataclass
class Producers:
    """Brokers with these open transactions, of which coordinators say ``standings``, one after the other; the last stays."""

    opened: Collection[OpenTransaction] = ()
    dark: Collection[Partition] = ()
    standings_told: Answers = field(default_factory=list)
    refusals: Mapping[OpenTransaction, Unknown] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    aborted: list[OpenTransaction] = field(default_factory=list)
    sampled: list[Partition] = field(default_factory=list)

    async def active(self, partitions: Collection[Partition]) -> Mapping[Partition, Active | Unknown]:
        self.asked.append("active")
        found: dict[Partition, Active | Unknown] = {
            partition: Active(open=tuple(one for one in self.opened if one.partition == partition)) for partition in partitions
        }
        return found | dict.fromkeys(self.dark, AWAY)

    async def newest(
        self, partitions: Collection[Partition], known: Mapping[Partition, Newest | Unknown]
    ) -> Mapping[Partition, Newest | Unknown]:
        self.asked.append("newest")
        self.sampled += partitions
        return {partition: Newest(1, True, (7,)) for partition in partitions}

    async def stable(self, partitions: Collection[Partition]) -> Mapping[Partition, int | Unknown]:
        self.asked.append("stable")
        return dict.fromkeys(partitions, 100)

    async def standings(self, opened: Collection[OpenTransaction]) -> Mapping[OpenTransaction, Standing]:
        self.asked.append("standings")
        told = self.standings_told.pop(0) if len(self.standings_told) > 1 else self.standings_told[0] if opened else {}
        return {one: standing for one, standing in told.items() if one in opened}

    async def abort(self, opened: Collection[OpenTransaction]) -> Mapping[OpenTransaction, Unknown]:
        self.asked.append("abort")
        self.aborted += opened
        return {one: why for one, why in self.refusals.items() if one in opened}


@dataclass
class Adapter:
    """A broker of which nothing is asked here but its producers."""

    abilities: Abilities
    requests: int = 0

    async def survey(self, wanted: Callable[[str], bool], settings: Collection[str]) -> Survey:
        raise NotImplementedError

    async def write(self, changes: Collection[Change]) -> Mapping[Change, Unknown]:
        raise NotImplementedError

    async def close(self) -> None:
        raise NotImplementedError


class Clock:
    now = 5000.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock that goes on when it is told to."""
    clock = Clock()
    monkeypatch.setattr("floodwarden.sweep.clock.now", lambda: clock.now)
    return clock


def asking(*, aborts: bool = True, acts: bool = True, name: str = "shop/orders", hung_after: float = 1200.0) -> Wishes:
    return replace(wishes(name=name, acts=acts), transactions=TransactionWishes(None, hung_after, aborts))


async def seen_by(
    look: Look,
    producers: Producers | None,
    *policies: Wishes,
    may_act: Callable[[str], bool] = lambda _: True,
    at: float = AT,
    found: Survey | None = None,
) -> Mapping[str, Seen]:
    """One audit."""
    default = survey(topic(on=[[0], [1]]), topic("__consumer_offsets", internal=True))
    return await look.look(Round(Adapter(Abilities(producers=producers)), found or default, policies, {}, at, may_act=may_act))


async def after_first_audits(clock: Clock, *ones: OpenTransaction) -> Transactions:
    """A look that has found these hung, for long enough."""
    look = Transactions()
    await seen_by(look, Producers(ones, standings_told=[dict.fromkeys(ones, Forgotten())]), asking(aborts=False))
    clock.now += SURE_AFTER
    return look


def told(seen: Mapping[str, Seen], name: str = "shop/orders") -> list[tuple[str, str]]:
    return [violation.key for violation in seen[name].violations]


def told_hung(*ones: OpenTransaction) -> list[tuple[str, str]]:
    return [(str(one), HUNG) for one in ones]


async def test_nothing_is_asked_that_no_policy_asks_for() -> None:
    """Neither of brokers that cannot tell."""
    producers = Producers()
    for look in (Acks(), Transactions()):
        assert await seen_by(look, producers, wishes()) == {}
        assert await seen_by(look, None, asking(), wishes(name="shop/acks", acks="All")) == {}
    assert producers.asked == []


async def test_offsets_of_groups_are_looked_at(clock: Clock) -> None:
    """A hung transaction there is told, and never aborted."""
    stray = OpenTransaction(Partition("__consumer_offsets", 0), 9, 1, 0, written_at=AT - 3600)
    look = await after_first_audits(clock, stray)
    producers = Producers([stray], standings_told=[{stray: Forgotten()}])
    assert told(await seen_by(look, producers, asking())) == told_hung(stray)
    assert producers.aborted == []


async def test_coordinators_are_not_asked_about_what_is_young() -> None:
    """Nothing old is open: the leaders alone are asked."""
    producers = Producers([replace(STRAY, written_at=AT)], standings_told=[{}])
    assert await seen_by(Transactions(), producers, asking()) == {"shop/orders": Seen()}
    assert producers.asked == ["active", "standings"]


async def test_a_hung_transaction_is_aborted(clock: Clock) -> None:
    """Once it was found so for long enough, and once more; it is told as done and no longer as a difference."""
    look = await after_first_audits(clock, STRAY, ANOTHER)
    producers = Producers([STRAY, ANOTHER], standings_told=[{STRAY: Forgotten(), ANOTHER: BILLING}])
    seen = await seen_by(look, producers, asking())
    assert producers.aborted == [STRAY]
    assert producers.asked == ["active", "standings", "stable", "standings", "abort"]
    assert told(seen) == [(str(ANOTHER), OPEN)]
    assert [notice.reason for notice in seen["shop/orders"].notices] == [Reason.TRANSACTION_ABORTED]


@pytest.mark.parametrize("between", [{STRAY: BILLING}, {STRAY: AWAY}, {}], ids=["known", "not known", "ended"])
async def test_a_coordinator_that_has_just_been_elected(clock: Clock, between: Mapping[OpenTransaction, Standing]) -> None:
    """It may not have heard of it: nothing is aborted that was not found hung by every audit for a while."""
    look, hung = Transactions(), {STRAY: Forgotten()}
    producers = Producers([STRAY])
    for standings in (hung, between, hung):
        producers.standings_told = [standings]
        await seen_by(look, producers, asking())
        assert producers.aborted == []
        clock.now += SURE_AFTER - 1
    await seen_by(look, producers, asking())
    assert producers.aborted == []
    clock.now += 1
    await seen_by(look, producers, asking())
    assert producers.aborted == [STRAY]


@pytest.mark.parametrize(
    ("policy", "may_act"),
    [
        pytest.param(asking(acts=False), True, id="mode Audit"),
        pytest.param(asking(aborts=False), True, id="not asked for"),
        pytest.param(asking(), False, id="edited meanwhile"),
    ],
)
async def test_nothing_is_written(clock: Clock, policy: Wishes, may_act: bool) -> None:
    """Where it is not allowed, or not any more; it is told."""
    look = await after_first_audits(clock, STRAY)
    producers = Producers([STRAY], standings_told=[{STRAY: Forgotten()}])
    seen = await seen_by(look, producers, policy, may_act=lambda _: may_act)
    assert "abort" not in producers.asked
    assert told(seen) == told_hung(STRAY)
    assert seen["shop/orders"].notices == ()


async def test_a_policy_edited_between_the_second_look_and_the_write(clock: Clock) -> None:
    """It is asked right before the write whether it may be."""
    look = await after_first_audits(clock, STRAY)
    producers = Producers([STRAY], standings_told=[{STRAY: Forgotten()}])
    seen = await seen_by(look, producers, asking(), may_act=lambda _: producers.asked.count("standings") < 2)
    assert producers.asked == ["active", "standings", "stable", "standings"]
    assert told(seen) == told_hung(STRAY)


@pytest.mark.parametrize(
    ("again", "left"),
    [
        pytest.param({}, [], id="it has ended"),
        pytest.param({STRAY: BILLING}, [(str(STRAY), OPEN)], id="its coordinator knows it"),
        pytest.param({STRAY: AWAY}, [(str(STRAY), OPEN)], id="its coordinator may know it"),
    ],
)
async def test_the_second_look_counts(
    clock: Clock, again: Mapping[OpenTransaction, Standing], left: Iterable[tuple[str, str]]
) -> None:
    """What is not hung any more is not aborted, and told as what it is."""
    look = await after_first_audits(clock, STRAY)
    producers = Producers([STRAY], standings_told=[{STRAY: Forgotten()}, again])
    seen = await seen_by(look, producers, asking())
    assert producers.aborted == []
    assert told(seen) == left


async def test_an_abort_that_fails(clock: Clock) -> None:
    """It stays told, with why; the next audit tries again, and then it is not told any more."""
    look = await after_first_audits(clock, STRAY)
    producers = Producers([STRAY], standings_told=[{STRAY: Forgotten()}], refusals={STRAY: AWAY})
    seen = await seen_by(look, producers, asking())
    assert told(seen) == told_hung(STRAY)
    assert AWAY.detail in seen["shop/orders"].violations[0].reason
    producers.refusals = {}
    assert told(await seen_by(look, producers, asking())) == []
    assert producers.aborted == [STRAY, STRAY]


async def test_of_two_policies_the_one_that_may_acts(clock: Clock) -> None:
    """It gets the Event; the other is not told of what is gone."""
    look = await after_first_audits(clock, STRAY)
    producers = Producers([STRAY], standings_told=[{STRAY: Forgotten()}])
    looks, acts = asking(acts=False, name="shop/looks"), asking(name="shop/acts")
    seen = await seen_by(look, producers, looks, acts)
    assert producers.aborted == [STRAY]
    assert [len(seen[name].notices) for name in ("shop/looks", "shop/acts")] == [0, 1]
    assert told(seen, "shop/looks") == told(seen, "shop/acts") == []


async def test_times_that_producers_give_are_not_needed(clock: Clock) -> None:
    """A transaction that was seen open for long is old, whatever its messages say; another one at its place is not."""
    look, dated = Transactions(), replace(STRAY, written_at=AT + 9e6)
    producers = Producers([dated], standings_told=[{dated: Forgotten()}])
    assert told(await seen_by(look, producers, asking(aborts=False))) == []
    clock.now += 1200
    assert told(await seen_by(look, producers, asking(aborts=False))) == told_hung(STRAY)
    later = replace(dated, start=200)
    producers.opened, producers.standings_told = [later], [{later: Forgotten()}]
    assert told(await seen_by(look, producers, asking(aborts=False))) == []


async def test_what_cannot_be_read_is_not_forgotten(clock: Clock) -> None:
    """While its leader is away it counts as not read, and it is as old as before once it is seen again."""
    look, dated = Transactions(), replace(STRAY, written_at=AT)
    producers = Producers([dated], standings_told=[{}])
    await seen_by(look, producers, asking(aborts=False))
    producers.dark = [PARTITION]
    seen = await seen_by(look, producers, asking(aborts=False))
    assert seen["shop/orders"].unread == {str(STRAY)}
    assert [gap.message for gap in seen["shop/orders"].gaps] == [AWAY.detail]
    clock.now += 1200
    producers.dark, producers.standings_told = (), [{dated: Forgotten()}]
    assert told(await seen_by(look, producers, asking(aborts=False))) == told_hung(STRAY)


async def test_acks_are_told_by_samples() -> None:
    """A bounded number with every audit, all of them in turn; Kafka's own topics, and those of others, are left alone."""
    look, producers = Acks(), Producers()
    many = survey(topic(on=[[0]] * (SAMPLE + 10)), topic("other"), topic("__consumer_offsets", internal=True))
    policy = wishes(acks="All", exclude=["other"])
    first = await seen_by(look, producers, policy, wishes(name="shop/other"), found=many)
    assert len(producers.sampled) == SAMPLE
    assert list(first) == ["shop/orders"]
    assert "in every partition that was looked at" in first["shop/orders"].unproven[0]
    second = await seen_by(look, producers, policy, found=many)
    assert len(producers.sampled) == 2 * SAMPLE
    assert len(set(producers.sampled)) == SAMPLE + 10
    assert {partition.topic for partition in producers.sampled} == {"orders"}
    assert second["shop/orders"].unproven == first["shop/orders"].unproven
    assert [one.producers for one in second["shop/orders"].writers] == [(7,)] * SAMPLE
