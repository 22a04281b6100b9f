"""Brokers that copy replicas, in memory, with a ledger beside them: whoever talks to them may be killed at any moment."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, cast

import pytest

from floodwarden.brokers.abilities import Abilities, ReplicaMoves
from floodwarden.brokers.base import SettingsBroker
from floodwarden.cluster.ledger import LedgerClient, LedgerProblem, Page
from floodwarden.core.delivery.audit import audit
from floodwarden.core.delivery.ledger import Kept, Place, Resource, dumped
from floodwarden.core.delivery.placement import UnderWay
from floodwarden.core.delivery.seen import Seen
from floodwarden.core.delivery.survey import Placement, Survey
from floodwarden.core.delivery.throttle import FOLLOWERS, LEADERS, RATES, Refusal
from floodwarden.core.delivery.violations import FACTOR
from floodwarden.core.delivery.wishes import Wishes
from floodwarden.core.observation import Partition, Unknown, UnknownReason
from floodwarden.core.reasons import Reason
from floodwarden.sweep import clock
from floodwarden.sweep.ledger import BrokerLedger
from floodwarden.sweep.looks.base import Round
from floodwarden.sweep.looks.moving import Moving
from tests.support.delivery import broker, lost, topic, wishes

EMPTY = dumped(Kept())  # a ledger in which nothing is left
NAME = "shop/orders"
POLICY = replace(wishes(factor=3, name=NAME), move_rate=1000)
AUDIT = replace(POLICY, acts=False, enforces=False)
BY_HAND: dict[Place, str] = {
    (Resource.BROKER, "1", RATES[0]): "77",
    (Resource.TOPIC, "orders", LEADERS): "7:2",
    (Resource.TOPIC, "payments", FOLLOWERS): "*",
}
WRITES = {"throttle", "move"}  # calls that change something
GONE = Unknown(UnknownReason.TOPIC_MISSING, "gone, for a test")
DOWN = Unknown(UnknownReason.BROKER_UNREACHABLE, "down, for a test")


class Killed(BaseException):
    """The process is gone, at this very moment."""


@dataclass
class Brokers:
    """Three brokers that hold topics; implements ``ReplicaMoves``.

    ``moment`` is called before and after everything that is done: it may raise. ``advance`` ends what can be copied.
    """

    topics: dict[str, list[tuple[int, ...]]]
    limits: dict[Place, str] = field(default_factory=dict)
    moment: Callable[[str], None] = lambda what: None
    down: set[int] = field(default_factory=set)
    gone: set[int] = field(default_factory=set)  # not even among the brokers
    copying: dict[Partition, UnderWay] = field(default_factory=dict)
    denied: Unknown | None = None
    locked: dict[str, Unknown] = field(default_factory=dict)  # topics whose throttles may not be written
    immovable: dict[Partition, Unknown] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    forgetful: bool = False  # tells nothing of what is copied, as where the controller has just died
    asked: list[str] = field(default_factory=list)

    def survey(self) -> Survey:
        """What an audit finds: what is copied counts among the replicas, and is not in sync."""
        found = {
            name: replace(
                topic(name, on=[one.replicas for one in placements], in_sync=[one.in_sync for one in placements]),
                id=self.ids.get(name, ""),
            )
            for name, placements in ((name, self._placements(name)) for name in self.topics)
        }
        nodes = [node for node in range(3) if node not in self.gone]
        return Survey(found, tuple(lost(node) if node in self.down else broker(node) for node in nodes), 1)

    def advance(self) -> None:
        """Whatever can be copied has been copied."""
        for partition, one in list(self.copying.items()):
            if not self.down & set(one.replicas):
                del self.copying[partition]
                self.topics[partition.topic][partition.number] = tuple(node for node in one.replicas if node not in one.removing)

    def call_off(self) -> None:
        """Somebody calls off all that is copied."""
        self.copying.clear()

    def delete(self, name: str) -> None:
        """Somebody deletes a topic."""
        del self.topics[name]
        self.copying = {partition: one for partition, one in self.copying.items() if partition.topic != name}
        self.limits = {place: text for place, text in self.limits.items() if place[:2] != (Resource.TOPIC, name)}

    async def under_way(self) -> Mapping[Partition, UnderWay] | Unknown:
        self._called("under way")
        return self.denied or ({} if self.forgetful else dict(self.copying))

    async def replicas(self, topics: Collection[str]) -> Mapping[str, tuple[Placement, ...] | Unknown]:
        self._called("replicas")
        return {name: self._placements(name) if name in self.topics else GONE for name in topics}

    async def throttles(self, brokers: Collection[int], topics: Collection[str]) -> Mapping[Place, str | Unknown | None]:
        self._called("throttles")
        places: list[Place] = [(Resource.BROKER, str(node), key) for node in brokers for key in RATES]
        places += [(Resource.TOPIC, name, key) for name in topics for key in (LEADERS, FOLLOWERS)]
        return {place: self._away(place) or self.limits.get(place) for place in places}

    async def refusals(self, settings: Mapping[Place, str | None]) -> Collection[Refusal]:
        self._called("refusals")
        names = sorted({name for resource, name, _ in settings if resource is Resource.TOPIC})
        refused = [Refusal(name, self.locked[name]) for name in names if name in self.locked]
        return [*refused, Refusal(None, self.denied)] if self.denied is not None else refused

    async def throttle(self, settings: Mapping[Place, str | None]) -> Mapping[Place, Unknown]:
        failed = {}
        for place, value in settings.items():
            self._called("throttle")
            away = self._away(place)
            if away is not None:
                failed[place] = away
            elif value is None:
                self.limits.pop(place, None)
            else:
                self.limits[place] = value
            self.moment("throttle written")
        return failed

    async def move(self, targets: Mapping[Partition, Sequence[int]]) -> Mapping[Partition, Unknown] | Unknown:
        self._called("move")
        refused = {}
        for partition, target in targets.items():
            if partition.topic not in self.topics:
                refused[partition] = GONE
                continue
            if partition in self.immovable:
                refused[partition] = self.immovable[partition]
                continue
            held = self.topics[partition.topic][partition.number]
            assert partition not in self.copying, "doubled"
            assert set(held) < set(target), "a replica would be taken away, or nothing added"
            assert not self.down & set(target)
            assert self.limits.keys() >= {(Resource.BROKER, str(node), RATES[0]) for node in target}, "not throttled"
            self.copying[partition] = UnderWay(tuple(target), tuple(node for node in target if node not in held))
        self.moment("move asked for")
        return refused

    def _placements(self, name: str) -> tuple[Placement, ...]:
        found = []
        for number, held in enumerate(self.topics[name]):
            one = None if self.forgetful else self.copying.get(Partition(name, number))
            replicas = one.replicas if one is not None else held
            adding = one.adding if one is not None else ()
            found.append(Placement(number, replicas, tuple(node for node in replicas if node not in {*adding, *self.down})))
        return tuple(found)

    def _away(self, place: Place) -> Unknown | None:
        resource, name, _ = place
        if resource is Resource.BROKER:
            return DOWN if int(name) in self.down | self.gone else None
        return None if name in self.topics else GONE

    def _called(self, what: str) -> None:
        self.asked.append(what)
        self.moment(what)


@dataclass
class Shelf:
    """The API server's side of a ledger."""

    text: str = ""
    version: int = 0
    moment: Callable[[str], None] = lambda what: None
    broken: str = ""

    async def read(self, about: str) -> Page | LedgerProblem:
        self.moment("read ledger")
        return LedgerProblem(self.broken) if self.broken else Page(about, self.text, str(self.version))

    async def write(self, page: Page, text: str) -> Page | LedgerProblem:
        self.moment("write ledger")
        if self.broken:
            return LedgerProblem(self.broken)
        assert page.version == str(self.version), "fenced"
        self.text, self.version = text, self.version + 1
        self.moment("ledger written")
        return Page(page.about, text, str(self.version))


@dataclass
class _Adapter:
    abilities: Abilities


class Process:
    """One process that looks; another one on the same brokers and shelf is what comes after a crash.

    Where a test has ``minutes`` pass, there is one before each audit.
    """

    now: ClassVar[float] = 1000.0

    def __init__(self, brokers: ReplicaMoves, shelf: Shelf) -> None:
        self._moves = brokers
        self.ledger = BrokerLedger(cast(LedgerClient, shelf), "for a test")
        self._look = Moving(self.ledger)

    async def audit(
        self,
        *policies: Wishes,
        at: float = 0.0,
        may_act: Callable[[str], bool] = lambda name: True,
        may_undo: Callable[[], bool] = lambda: True,
        owners: Mapping[str, str] | None = None,
        survey: Survey | None = None,
    ) -> Mapping[str, Seen]:
        """One look, as an audit makes it; ``survey`` is what these brokers tell, unless given."""
        Process.now += 60.0
        unread = await self.ledger.read()
        found = survey or cast(Brokers, self._moves).survey()
        asking = [one if unread is None else replace(one, acts=False) for one in policies]
        adapter = _Adapter(Abilities(moves=self._moves))
        round = Round(
            adapter=cast(SettingsBroker, adapter),
            survey=found,
            policies=asking,
            findings=audit(found, asking, owners or {}),
            at=at,
            owners=owners or {},
            may_act=may_act,
            may_undo=may_undo,
        )
        return await self._look.look(round)


@pytest.fixture
def minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A minute passes before each audit."""
    monkeypatch.setattr(clock, "now", lambda: Process.now)


def brokers(**changed: object) -> Brokers:
    """Two topics that lack copies, and one that does not; some throttles that somebody has set."""
    topics = {"orders": [(0,), (0,)], "payments": [(1, 2)], "whole": [(2, 1, 0)]}
    return Brokers(**{"topics": topics, "limits": dict(BY_HAND), **changed})  # type: ignore[arg-type]


def started(of: Brokers) -> tuple[Process, Shelf]:
    shelf = Shelf()
    return Process(of, shelf), shelf


def reasons(found: Mapping[str, Seen]) -> list[Reason]:
    return [notice.reason for notice in found[NAME].notices]


def told(found: Mapping[str, Seen], topic: str = "orders") -> str | None:
    """What is said of one topic's copies."""
    return next((one.reason for one in found[NAME].violations if one.key == (f"topic {topic}", FACTOR)), None)


def all_made(of: Brokers) -> bool:
    return not of.copying and all(set(held) == {0, 1, 2} for placements in of.topics.values() for held in placements)
