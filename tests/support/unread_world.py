"""Topics, groups and a ledger in memory, as the guard sees them: time passes, messages expire, and it may die at any await."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import cast

from floodwarden.brokers.abilities import Abilities
from floodwarden.brokers.base import BrokerError, SettingsBroker
from floodwarden.cluster.ledger import LedgerClient, LedgerProblem, Page
from floodwarden.core.delivery.audit import Findings
from floodwarden.core.delivery.ledger import Entry, loaded
from floodwarden.core.delivery.readers import Commits, Extents, Firsts, GroupFound, GroupsFound
from floodwarden.core.delivery.seen import Seen
from floodwarden.core.delivery.survey import Change, Survey
from floodwarden.core.delivery.wishes import RETENTION, Wishes
from floodwarden.core.observation import GroupPhase, Partition, Unknown, UnknownReason
from floodwarden.sweep.ledger import BrokerLedger
from floodwarden.sweep.looks.base import Round
from floodwarden.sweep.looks.guarding import Guarding
from tests.support.delivery import broker, survey, topic

NOW = 1_800_000_000.0  # seconds since 1970


class Killed(BaseException):
    """The process is gone: nobody may catch it."""


class _Pages:
    """What the API server has of the ledger."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.text, self.version = "", 0
        self.problem: LedgerProblem | None = None

    async def read(self, about: str) -> Page | LedgerProblem:
        self._world.step()
        return self.problem or Page(about, self.text, str(self.version or ""))

    async def write(self, page: Page, text: str) -> Page | LedgerProblem:
        self._world.step()
        if self.problem is not None:
            return self.problem
        assert page.version == str(self.version or ""), "it is fenced"
        self.text, self.version = text, self.version + 1
        self._world.step()
        return Page(page.about, text, str(self.version))


class World:
    """Topics of one partition, by name; a message is its time in milliseconds. Topics that set nothing keep ``usual`` ms."""

    def __init__(self, usual: int, *names: str) -> None:
        self.usual = usual
        self.now = NOW
        self.messages: dict[str, list[int]] = {name: [] for name in names or ("orders",)}
        self.starts: dict[str, int] = dict.fromkeys(self.messages, 0)
        self.own: dict[str, str | None] = dict.fromkeys(self.messages, None)
        self.committed: dict[str, dict[str, int | Unknown]] = {}
        self.phases: dict[str, GroupPhase] = {}
        self.failed: tuple[Unknown, ...] = ()
        self.hidden: dict[str, Unknown | None] = {}  # groups that are not listed, and what their coordinator says instead of them
        self.findings: dict[str, Findings] = {}
        self.paused: frozenset[str] = frozenset()
        self.owners: dict[str, str] = {}
        self.refuses: Unknown | None = None
        self.away = 0  # surveys that find nobody there
        self.asked: list[str] = []  # what was asked, in order
        self.writes: list[Change] = []  # those that had an effect
        self.may = True
        self.pages = _Pages(self)
        self.dies_at: int | None = None  # steps from now
        self.between: Callable[[], None] | None = None  # done once, right before the next write
        self.abilities = Abilities(unread=self)
        self.requests = 0
        self.restart()

    def restart(self) -> None:
        """The operator anew: it knows the ledger alone."""
        self.dies_at = None
        self.ledger = BrokerLedger(cast(LedgerClient, self.pages), "broker shop/main")
        self.look = Guarding(self.ledger)

    @property
    def entries(self) -> frozenset[Entry]:
        """What the ledger has, whoever asks."""
        return loaded(self.pages.text).entries if self.pages.text else frozenset()

    def produce(self, *ages: float, topic: str = "orders") -> None:
        """Messages that are so many seconds old."""
        self.messages[topic] += [int((self.now - age) * 1000) for age in ages]

    def commit(self, group: str, offset: int | Unknown, topic: str = "orders") -> None:
        self.committed.setdefault(group, {})[topic] = offset

    def retention(self, topic: str = "orders") -> int:
        """What is in force, in milliseconds."""
        return int(self.own[topic] or self.usual)

    def unread(self, group: str, topic: str = "orders") -> int:
        """How many messages a group has still to read and can."""
        offset = self.committed[group][topic]
        assert isinstance(offset, int)
        return len(self.messages[topic]) - max(offset, self.starts[topic])

    def expire(self) -> None:
        """Delete what is too old, message by message: sooner than Kafka does, which waits for whole segments."""
        for name, messages in self.messages.items():
            while self.starts[name] < len(messages) and messages[self.starts[name]] + self.retention(name) < self.now * 1000:
                self.starts[name] += 1

    async def audit(self, *policies: Wishes) -> Mapping[str, Seen]:
        """One look of one audit."""
        await self.ledger.read()
        settings = self.look.settings(policies)
        found = await self.survey(lambda _: True, settings)
        round = Round(
            adapter=cast(SettingsBroker, self),
            survey=found,
            policies=policies,
            findings=self.findings,
            at=self.now,
            owners=self.owners,
            may_act=lambda _: self.may,
            may_undo=lambda: self.may,
            paused=self.paused,
        )
        return await self.look.look(round)

    async def audit_or_die(self, *policies: Wishes) -> bool:
        """Whether the process lived on."""
        try:
            await self.audit(*policies)
        except Killed:
            return False
        return True

    def step(self) -> None:
        """One more moment at which it may be killed."""
        if self.dies_at is not None:
            if self.dies_at == 0:
                raise Killed
            self.dies_at -= 1

    # The broker

    async def write(self, changes: Collection[Change]) -> Mapping[Change, Unknown]:
        self.step()
        if self.between is not None:
            between, self.between = self.between, None
            between()
        if self.refuses is not None:
            return dict.fromkeys(changes, self.refuses)
        for change in changes:
            assert change.setting == RETENTION
            if self.own[change.name] != change.value:
                self.own[change.name] = change.value
                self.writes.append(change)
        self.step()
        return {}

    async def survey(self, wanted: Callable[[str], bool], settings: Collection[str]) -> Survey:
        self.step()
        if self.away:
            self.away -= 1
            raise BrokerError(UnknownReason.BROKER_UNREACHABLE, "nobody there, for a test")
        found = [
            topic(name, {RETENTION: own} if own is not None else None, on=[(0, 1)])
            for name, own in self.own.items()
            if wanted(name)
        ]
        return survey(
            *found, brokers=[broker(0, None, {RETENTION: str(self.usual)}), broker(1, None, {RETENTION: str(self.usual)})]
        )

    async def groups(self, nodes: Collection[int]) -> GroupsFound:
        self._ask("groups")
        told = [name for name in self.committed if name not in self.hidden]
        found = [GroupFound(name, self.phases.get(name, GroupPhase.STABLE), self._commits(name)) for name in told]
        return GroupsFound(tuple(found), self.failed)

    async def commits(self, groups: Collection[str]) -> Mapping[str, Commits | Unknown]:
        self._ask("commits")
        return {name: self.hidden.get(name) or self._commits(name) for name in groups}

    def _commits(self, group: str) -> Commits:
        return {Partition(name, 0): offset for name, offset in self.committed.get(group, {}).items()}

    async def assigned(self, groups: Collection[str]) -> Mapping[str, frozenset[Partition] | Unknown]:
        self._ask("assigned")
        return {name: frozenset(Partition(one, 0) for one in self.messages) for name in groups}

    async def extents(self, topics: Collection[str]) -> Mapping[str, Extents | Unknown]:
        self._ask("extents")
        missing = Unknown(UnknownReason.TOPIC_MISSING, "no such topic, for a test")
        return {
            name: {Partition(name, 0): (self.starts[name], len(self.messages[name]))} if name in self.own else missing
            for name in topics
        }

    async def first_since(self, moments: Mapping[Partition, Sequence[int]]) -> Firsts:
        self._ask("firsts")
        return {
            (partition, moment): next(
                (
                    offset
                    for offset, time in enumerate(self.messages[partition.topic])
                    if offset >= self.starts[partition.topic] and time >= moment
                ),
                None,
            )
            for partition, some in moments.items()
            for moment in some
        }

    async def sizes(self, partitions: Collection[Partition]) -> Mapping[Partition, int | Unknown]:
        raise AssertionError("no topic here has a bound")

    async def written_at(self, positions: Mapping[Partition, int]) -> Mapping[Partition, int | Unknown]:
        self._ask("times")
        return {partition: self.messages[partition.topic][offset] for partition, offset in positions.items()}

    async def close(self) -> None:
        pass

    def _ask(self, what: str) -> None:
        self.step()
        self.asked.append(what)
