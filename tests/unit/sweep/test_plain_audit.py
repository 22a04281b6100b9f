"""Audits of brokers whose adapter judges: what goes with its policy is written down first, and taken away with it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

from floodwarden.api.resource import ObjectMeta
from floodwarden.core.assess import Gap
from floodwarden.core.conditions import Notice
from floodwarden.core.delivery.audit import Findings
from floodwarden.core.delivery.ledger import Entry, Purpose, Resource
from floodwarden.core.delivery.story import Audited
from floodwarden.core.delivery.survey import Change
from floodwarden.core.delivery.wishes import Wishes
from floodwarden.core.observation import Unknown, UnknownReason
from floodwarden.core.reasons import Reason
from floodwarden.sweep.audits.base import Asked
from floodwarden.sweep.audits.plain import PlainAudit
from floodwarden.sweep.store import Key
from tests.support.delivery import wishes
from tests.unit.sweep.test_ledger import Kept, ledger

OURS = "floodwarden:shop/safe"
ENTRY = Entry(Purpose.POLICY, Resource.OPERATOR_POLICY, OURS, "definition", None, "limit 5", "shop/safe")
GUARDED = Entry(Purpose.GUARD, Resource.TOPIC, "orders", "retention.ms", "1000", "2000", "shop/gone")
META = ObjectMeta(namespace="shop", name="main", uid="1")
SAFE = replace(wishes(), name="shop/safe")
REFUSED = Unknown(UnknownReason.AUTHORIZATION_FAILED, "not allowed to set operator policies")


@dataclass(frozen=True)
class Seen:
    cluster: str
    there: Mapping[str, str]


@dataclass
class Rabbit:
    """Brokers with operator policies in memory; each acting policy wants its own to say ``wanted``, None for none."""

    kept: Kept
    wanted: str | None = "limit 5"
    there: dict[str, str] = field(default_factory=dict)
    refuses: bool = False
    forgets: bool = False  # it accepts what it does not keep
    requests: int = 0
    cluster: str = "rabbit"
    judged_by: set[threading.Thread] = field(default_factory=set)
    written_down: list[bool] = field(default_factory=list)  # whether it stood in the ledger when it was written

    async def survey(self, wanted: Callable[[str], bool]) -> Seen:
        self.requests += 1
        return Seen(self.cluster, dict(self.there))

    def judge(self, found: Seen, policies: Collection[Wishes], beside: Collection[Wishes] = ()) -> Mapping[str, Findings]:
        self.judged_by.add(threading.current_thread())
        return {one.name: Findings(1, 3, changes=tuple(self._changes(one, found))) for one in policies}

    def made(self, found: Seen) -> Mapping[str, Change]:
        return {
            name.removeprefix("floodwarden:"): Change(name, "definition", text, "not set", "operator policy")
            for name, text in found.there.items()
            if name.startswith("floodwarden:")
        }

    def _changes(self, one: Wishes, found: Seen) -> list[Change]:
        name = f"floodwarden:{one.name}"
        there = found.there.get(name)
        differs = one.acts and there != self.wanted
        return [Change(name, "definition", self.wanted, there or "not set", "operator policy")] if differs else []

    async def write(self, changes: Collection[Change]) -> Mapping[Change, Unknown]:
        self.requests += len(changes)
        if self.refuses:
            return dict.fromkeys(changes, REFUSED)
        for change in changes:
            self.written_down.append(change.name in self.kept.text)
            if self.forgets:
                continue
            if change.value is None:
                self.there.pop(change.name, None)
            else:
                self.there[change.name] = change.value
        return {}

    async def close(self) -> None: ...


class World:
    """One audit after the other, each by a new process."""

    def __init__(self, *entries: Entry, **rabbit: Any) -> None:
        self.kept = Kept(*entries)
        self.rabbit = Rabbit(self.kept, **rabbit)
        self.told: list[Notice] = []
        self.may_write = True
        self.edited = False  # the policies, since the audit began
        self.unwatched: list[Wishes] = []  # policies that are there, and are not audited
        self.refused: dict[tuple[str, Key], object] = {}
        self.beside: list[Wishes] = []

    async def audit(self, *policies: Wishes, paused: frozenset[str] = frozenset(), times: int = 1) -> dict[str, Audited]:
        there = [*policies, *(replace(SAFE, name=name, enforces=False) for name in paused), *self.unwatched]
        bound = [SimpleNamespace(metadata=META, wishes=one, paused=one.name in paused) for one in there]
        store = SimpleNamespace(
            deliveries_beside=lambda key, cluster: [SimpleNamespace(wishes=one) for one in self.beside],
            deliveries_of=lambda key: bound,
            holds=lambda policy: not self.edited,
            refused=self.refused,
        )
        tell = lambda notice, *about: self.told.append(notice)  # noqa: E731
        services: Any = SimpleNamespace(store=store, may_write=lambda: self.may_write, tell=tell)
        book = ledger(self.kept)
        unread = await book.read()
        link: Any = SimpleNamespace(adapter=self._adapter)
        broker: Any = SimpleNamespace(metadata=META, allows=lambda namespace: True)
        watches: Any = [SimpleNamespace(policy=SimpleNamespace(wishes=one)) for one in policies]
        process = PlainAudit(services, book, link, broker)
        for _ in range(times):
            outcomes = await process.outcomes(Asked(services, watches, unread, paused))
        found: dict[str, Audited] = {}
        for name, outcome in outcomes.items():
            assert isinstance(outcome, Audited), outcome
            found[name] = outcome
        return found

    async def _adapter(self, *, leaving: bool) -> Rabbit | Gap:
        return self.rabbit


async def test_it_is_written_down_before_it_is_made() -> None:
    """So that whoever comes after a crash knows what to take away."""
    world = World()
    found = (await world.audit(SAFE))["shop/safe"]
    assert (world.rabbit.there, world.rabbit.written_down) == ({OURS: "limit 5"}, [True])
    assert [change.name for change in found.written] == [OURS]
    assert ENTRY.name in world.kept.text


async def test_judging_holds_up_nobody() -> None:
    """It may take a tenth of a second, in which sweeps go on: another thread does it."""
    world = World()
    await world.audit(SAFE)
    assert world.rabbit.judged_by
    assert threading.main_thread() not in world.rabbit.judged_by


async def test_what_cannot_be_written_down_is_not_made() -> None:
    """Nobody would take it away."""
    world = World()
    world.kept.lost = ["write"]
    found = (await world.audit(SAFE))["shop/safe"]
    assert world.rabbit.there == {}
    assert ["written down" in why.detail for why in found.failed.values()] == [True]


async def test_an_edited_policy_writes_nothing() -> None:
    """What its old spec asked for is not what is wanted now."""
    world = World()
    world.edited = True
    await world.audit(SAFE)
    assert world.rabbit.there == {}


async def test_what_reads_back_otherwise_is_told() -> None:
    """That a broker accepted is not the proof."""
    world = World(forgets=True)
    found = (await world.audit(SAFE))["shop/safe"]
    assert found.written == ()
    assert ["reads back as not set" in why.detail for why in found.failed.values()] == [True]


async def test_it_goes_with_its_policy() -> None:
    """Also after a crash; that is told once, and what else the ledger has is left."""
    world = World(ENTRY, GUARDED, there={OURS: "limit 5"})
    await world.audit()
    assert world.rabbit.there == {}
    assert [notice.reason for notice in world.told] == [Reason.UNDONE]
    assert (OURS in world.kept.text, GUARDED.name in world.kept.text) == (False, True)
    await world.audit()
    assert len(world.told) == 1


async def test_it_goes_when_the_policy_only_looks() -> None:
    world = World(ENTRY, there={OURS: "limit 5"})
    await world.audit(replace(SAFE, acts=False, enforces=False))
    assert world.rabbit.there == {}


async def test_it_stays_while_the_policy_is_paused() -> None:
    world = World(ENTRY, there={OURS: "limit 5"})
    await world.audit(paused=frozenset({"shop/safe"}))
    assert world.rabbit.there == {OURS: "limit 5"}
    assert world.told == []


async def test_what_cannot_be_audited_for_now_is_not_gone() -> None:
    """A policy that asks for what the brokers lack, or that this version does not understand, is there all the same."""
    world = World(ENTRY, there={OURS: "limit 5"})
    world.unwatched = [SAFE]
    await world.audit()
    assert world.rabbit.there == {OURS: "limit 5"}
    world.unwatched, world.refused = [], {("DeliveryPolicy", Key("shop", "safe")): None}
    await world.audit()
    assert world.rabbit.there == {OURS: "limit 5"}
    world.refused = {}
    await world.audit()
    assert world.rabbit.there == {}


async def test_brokers_that_do_not_tell_who_they_are() -> None:
    """They may be others than those that were changed."""
    world = World()
    await world.audit(SAFE)
    world.rabbit.cluster = ""
    await world.audit()
    assert world.rabbit.there == {OURS: "limit 5"}
    world.rabbit.cluster = "rabbit"
    await world.audit()
    assert world.rabbit.there == {}


async def test_nothing_is_taken_away_without_the_share() -> None:
    world = World(ENTRY, there={OURS: "limit 5"})
    world.may_write = False
    await world.audit()
    assert world.rabbit.there == {OURS: "limit 5"}


async def test_a_refused_removal_is_tried_again() -> None:
    """It stays written down, and is told only once it is done."""
    world = World(ENTRY, there={OURS: "limit 5"}, refuses=True)
    await world.audit()
    assert (OURS in world.kept.text, world.told) == (True, [])
    world.rabbit.refuses = False
    await world.audit()
    assert (world.rabbit.there, OURS in world.kept.text) == ({}, False)


async def test_a_policy_that_asks_for_less_takes_its_own_away() -> None:
    """And the ledger forgets it."""
    world = World(ENTRY, there={OURS: "limit 5"}, wanted=None)
    found = (await world.audit(SAFE))["shop/safe"]
    assert (world.rabbit.there, OURS in world.kept.text) == ({}, False)
    assert [change.value for change in found.written] == [None]


async def test_a_refusal_is_told() -> None:
    world = World(refuses=True)
    found = (await world.audit(SAFE))["shop/safe"]
    assert list(found.failed.values()) == [REFUSED]
    assert OURS not in world.kept.text, "it was never there"
    await world.audit()
    assert world.told == []


async def test_other_brokers_are_left_alone() -> None:
    """The ledger is about another cluster than the one that answers."""
    world = World()
    await world.audit(SAFE)
    world.kept.text = world.kept.text.replace('"cluster": "rabbit"', '"cluster": "another"')
    world.rabbit.there.clear()
    found = (await world.audit(SAFE))["shop/safe"]
    assert world.rabbit.there == {}
    assert found.hindered is not None
    assert found.hindered.reason is Reason.LEFT_CHANGED


async def test_what_a_lost_ledger_does_not_know_is_adopted() -> None:
    """It is there as it should be, so that nothing would be written: it goes with its policy all the same."""
    world = World(there={OURS: "limit 5"})
    await world.audit(SAFE)
    assert (OURS in world.kept.text, world.rabbit.written_down, world.told) == (True, [], [])
    await world.audit()
    assert world.rabbit.there == {}


async def test_what_is_adopted_and_taken_away_at_once() -> None:
    """The policy asks for nothing of the kind any more."""
    world = World(there={OURS: "limit 5"}, wanted=None)
    await world.audit(SAFE)
    assert (world.rabbit.there, OURS in world.kept.text) == ({}, False)


async def test_what_may_be_another_clusters_is_told_and_left() -> None:
    """It says that it is Floodwarden's, and nothing here knows of it; told once by each process."""
    world = World(there={"floodwarden:other/gone": "limit 7", OURS: "limit 5"})
    await world.audit(replace(SAFE, acts=False, enforces=False), times=2)
    assert world.rabbit.there == {"floodwarden:other/gone": "limit 7", OURS: "limit 5"}
    assert {notice.reason for notice in world.told} == {Reason.LEFT_CHANGED}
    assert [notice.message.partition(" says")[0] for notice in world.told] == [
        "operator policy floodwarden:other/gone",
        f"operator policy {OURS}",
    ]
    assert world.kept.text == "" or OURS not in world.kept.text


async def test_what_others_here_have_made_is_no_stranger() -> None:
    """A policy that is paused, one that cannot be audited for now, and one that comes by way of another MessageBroker."""
    there = {"floodwarden:shop/paused": "limit 5", "floodwarden:shop/odd": "limit 5", "floodwarden:shop/beside": "limit 5"}
    world = World(there=dict(there))
    world.unwatched = [replace(SAFE, name="shop/odd")]
    world.beside = [replace(SAFE, name="shop/beside")]
    await world.audit(SAFE, paused=frozenset({"shop/paused"}))
    assert world.rabbit.there == {**there, OURS: "limit 5"}
    assert world.told == []
    assert "paused" not in world.kept.text


async def test_nothing_is_adopted_or_told_without_the_share() -> None:
    """Another replica does it."""
    world = World(there={OURS: "limit 5", "floodwarden:other/gone": "limit 7"})
    world.may_write = False
    await world.audit(SAFE)
    assert (OURS in world.kept.text, world.told) == (False, [])
