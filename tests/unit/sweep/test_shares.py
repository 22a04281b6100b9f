"""``sweep.shares``: never two that may write for one MessageBroker, whatever the network and the API server do to them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from floodwarden.cluster.leases import Lease, LeaseClient, LeaseProblem, LeaseProblemReason
from floodwarden.sweep.shares import HOLDS, Shares, Superseded
from floodwarden.sweep.store import Key, Store
from tests.support import virtual_time
from tests.support.resources import broker

T = TypeVar("T")
NEVER = 1e9  # seconds
LIMIT = 2.0  # seconds a request waits for its answer
TAKEN_OVER_WITHIN = 18.0  # seconds; with a sweep after it less than the twenty that are promised


class Server:
    """Leases as an API server keeps them, behind a network that ``delay`` may slow down on either way, or cut (infinity)."""

    def __init__(self) -> None:
        self.leases: dict[str, Lease] = {}
        self._version = 0

    def write(self, wanted: Lease, before: Lease | None) -> Lease | None:
        found = self.leases.get(wanted.name)
        if found is not None and (before is None or found.version != before.version):
            return None  # what is not there is made, also by a write over an older state
        self._version += 1
        self.leases[wanted.name] = replace(wanted, version=str(self._version))
        return self.leases[wanted.name]

    def delete(self, lease: Lease) -> bool:
        found = self.leases.get(lease.name)
        if found is not None and found.version == lease.version:
            del self.leases[lease.name]
        return found is None or found.version == lease.version


class Network(LeaseClient):
    """One replica's way to it. A request whose answer does not come in time may still arrive."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._under_way: set[asyncio.Future[Any]] = set()
        self.delay: Callable[[], float] = lambda: 0.01

    async def list(self) -> list[Lease] | LeaseProblem:
        return await self._call(lambda: list(self._server.leases.values()))

    async def read(self, name: str) -> Lease | LeaseProblem | None:
        return await self._call(lambda: self._server.leases.get(name))

    async def write(self, wanted: Lease, before: Lease | None) -> Lease | LeaseProblem:
        written = await self._call(lambda: self._server.write(wanted, before))
        return LeaseProblem(LeaseProblemReason.CONFLICT, "changed") if written is None else written

    async def delete(self, lease: Lease) -> LeaseProblem | None:
        done = await self._call(lambda: self._server.delete(lease))
        return done if isinstance(done, LeaseProblem) else None

    async def _call(self, act: Callable[[], T]) -> T | LeaseProblem:
        there, back = self.delay(), self.delay()

        async def travel() -> T:
            await asyncio.sleep(min(there, NEVER))
            result = act()
            await asyncio.sleep(min(back, NEVER))
            return result

        task = asyncio.ensure_future(travel())
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        try:
            async with asyncio.timeout(LIMIT):  # wait_for may swallow a cancellation
                return await asyncio.shield(task)
        except TimeoutError:
            return LeaseProblem(LeaseProblemReason.UNREACHABLE, "no answer")


class Replica:
    """One process: its shares, and what it would write for. ``kill`` ends it at once, wherever it is."""

    def __init__(self, server: Server, name: str, brokers: Collection[Key], *, ready: bool = True) -> None:
        self.network = Network(server)
        self.store = Store()
        for key in brokers:
            self.store.put(broker(key.name, key.namespace))
        if ready:
            self.store.complete.set()
        self.shares = Shares(self.network, self.store, self._refresh, release="floodwarden", pod=name)
        self.acts: set[Key] = set()
        self.dead = False
        self._tasks = [
            asyncio.ensure_future(part) for part in (self.shares.keep(), self.shares.follow(self._end), self._act(brokers))
        ]

    async def _refresh(self) -> bool:
        await asyncio.sleep(min(self.network.delay(), 3.0))
        return self.network.delay() < LIMIT

    async def _end(self, key: Key | None) -> None:
        await asyncio.sleep(min(self.network.delay(), 3.0))  # a loop takes a while to end
        if key is not None:
            self.acts.discard(key)

    async def _act(self, brokers: Collection[Key]) -> None:
        while True:
            self.acts |= {key for key in brokers if self.shares.holds(key)}
            await asyncio.sleep(0.1)

    @property
    def writes_for(self) -> set[Key]:
        """What it could write for at this moment."""
        return self.acts if self.shares.remaining() > 0 and not self.dead else set()

    async def kill(self) -> None:
        self.dead = True
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)

    async def leave(self) -> None:
        await self.kill()
        await self.shares.close()


async def served(replicas: Collection[Replica], brokers: Collection[Key], *, within: float) -> float:
    """Wait until each broker has exactly one replica that may write for it; the seconds it took. Never are there two."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    while True:
        holders = one_each(replicas, brokers)
        if all(holders.values()):
            return loop.time() - began
        assert loop.time() - began <= within, {str(key): count for key, count in holders.items() if not count}
        await asyncio.sleep(0.05)


def one_each(replicas: Collection[Replica], brokers: Collection[Key]) -> dict[Key, int]:
    """How many may write for each broker; two are a fault."""
    holders = {key: sum(key in replica.writes_for for replica in replicas) for key in brokers}
    assert max(holders.values()) <= 1, "two replicas may write for one MessageBroker"
    return holders


def keys(count: int) -> list[Key]:
    return [Key("shop", f"broker-{number}") for number in range(count)]


def test_a_lone_replica_takes_all_and_leaves_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Within seconds of its start; and when it leaves, the next one need not wait for anything to run out."""

    async def program() -> None:
        server, brokers = Server(), keys(3)
        first = Replica(server, "a", brokers)
        await served([first], brokers, within=3)
        assert first.shares.leading
        await first.leave()
        assert first.shares.remaining() == 0
        second = Replica(server, "b", brokers)
        assert await served([second], brokers, within=3) < 3
        await second.leave()

    virtual_time.run(monkeypatch, program())


def test_a_killed_replica_is_followed_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """At whatever moment of its renewals it dies, another one has its MessageBrokers before the promised time."""

    async def program() -> None:
        server, brokers = Server(), keys(4)
        replicas = [Replica(server, "a", brokers), Replica(server, "b", brokers)]
        for number in range(24):
            await served(replicas, brokers, within=TAKEN_OVER_WITHIN)
            await asyncio.sleep(40 + number * 0.53)
            victim = next(replica for replica in replicas if replica.shares.count)
            await victim.kill()
            replicas.remove(victim)
            await served(replicas, brokers, within=TAKEN_OVER_WITHIN)
            replicas.append(Replica(server, f"after-{number}", brokers))
        for replica in replicas:
            await replica.leave()

    virtual_time.run(monkeypatch, program())


def test_a_second_replica_takes_half(monkeypatch: pytest.MonkeyPatch) -> None:
    """Adding a replica adds capacity: once it has settled it has its part, and there is never a broker with two."""

    async def program() -> None:
        server, brokers = Server(), keys(6)
        first = Replica(server, "a", brokers)
        await served([first], brokers, within=3)
        second = Replica(server, "b", brokers)
        replicas = [first, second]
        while second.shares.count < 3:
            one_each(replicas, brokers)
            await asyncio.sleep(0.05)
        await served(replicas, brokers, within=2)
        assert (first.shares.count, first.shares.leading, second.shares.leading) == (3, True, False)
        for replica in replicas:
            await replica.leave()

    virtual_time.run(monkeypatch, program())


def test_the_api_server_is_away_for_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody may write meanwhile; afterwards everything is where it was, because nobody was dead."""

    async def program() -> None:
        server, brokers = Server(), keys(4)
        replicas = [Replica(server, "a", brokers), Replica(server, "b", brokers)]
        await served(replicas, brokers, within=3)
        before = {replica: set(replica.acts) for replica in replicas}
        for replica in replicas:
            replica.network.delay = lambda: float("inf")
        await asyncio.sleep(60)
        assert not any(replica.writes_for for replica in replicas)
        for replica in replicas:
            replica.network.delay = lambda: 0.01
        await served(replicas, brokers, within=5)
        assert {replica: set(replica.acts) for replica in replicas} == before
        for replica in replicas:
            await replica.leave()

    virtual_time.run(monkeypatch, program())


def test_a_cut_off_replica_stops_before_another_one_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    """And ends what was taken from it before it may write again."""

    async def program() -> None:
        server, brokers = Server(), keys(1)
        replicas = [Replica(server, "a", brokers)]
        await served(replicas, brokers, within=3)
        replicas.append(Replica(server, "b", brokers))
        await asyncio.sleep(5)
        replicas[0].network.delay = lambda: float("inf")
        await asyncio.sleep(0)
        while not replicas[1].writes_for:
            one_each(replicas, brokers)
            await asyncio.sleep(0.05)
        replicas[0].network.delay = lambda: 0.01
        for _ in range(400):
            one_each(replicas, brokers)
            await asyncio.sleep(0.05)
        assert replicas[0].acts == set()
        for replica in replicas:
            await replica.leave()

    virtual_time.run(monkeypatch, program())


def test_a_process_of_the_same_name_ends_the_older_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container that was started again takes over from its predecessor without waiting."""

    async def program() -> None:
        server, brokers = Server(), keys(2)
        first = Replica(server, "a", brokers)
        await served([first], brokers, within=3)
        await first.kill()
        second = Replica(server, "a", brokers)
        await served([second], brokers, within=3)
        with pytest.raises(Superseded, match="another process"):
            await asyncio.gather(first.shares.keep(), first.shares.follow(first._end))
        await second.leave()

    virtual_time.run(monkeypatch, program())


def test_a_replica_that_is_not_ready_is_given_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that could not list all resources yet counts as nobody: what it were given would be swept by none."""

    async def program() -> None:
        server, brokers = Server(), keys(6)
        replicas = [Replica(server, "a", brokers), Replica(server, "b", brokers, ready=False)]
        await served(replicas, brokers, within=3)
        for _ in range(1000):
            assert all(one_each(replicas, brokers).values())
            await asyncio.sleep(0.1)
        assert replicas[1].shares.problems
        replicas[1].store.complete.set()
        while replicas[1].shares.count < 3:
            one_each(replicas, brokers)
            await asyncio.sleep(0.05)
        for replica in replicas:
            await replica.leave()

    virtual_time.run(monkeypatch, program())


def test_touched_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leases that somebody deletes or edits are made anew, never with two at once."""

    async def program() -> None:
        server, brokers = Server(), keys(2)
        replicas = [Replica(server, "a", brokers), Replica(server, "b", brokers)]
        await served(replicas, brokers, within=3)
        server.leases.clear()
        for _ in range(20 * HOLDS):
            one_each(replicas, brokers)
            await asyncio.sleep(0.05)
        await served(replicas, brokers, within=5)
        for name, lease in list(server.leases.items()):
            if lease.about.startswith("MessageBroker"):
                server.write(replace(lease, holder="nobody"), lease)
                assert server.leases[name].holder == "nobody"
        await asyncio.sleep(2)
        await served(replicas, brokers, within=5)
        for replica in replicas:
            await replica.leave()

    virtual_time.run(monkeypatch, program())


def test_brokers_come_and_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """A deleted MessageBroker leaves no Lease behind, and a new one is taken."""

    async def program() -> None:
        server, brokers = Server(), keys(2)
        replica = Replica(server, "a", brokers)
        await served([replica], brokers, within=3)
        replica.store.drop(type(replica.store.brokers[brokers[0]]), brokers[0])
        await asyncio.sleep(3)
        assert sorted(lease.about for lease in server.leases.values()) == ["MessageBroker shop/broker-1", "leader", "replica"]
        await replica.leave()
        assert {lease.holder for lease in server.leases.values() if lease.about == "replica"} == {""}

    virtual_time.run(monkeypatch, program())


@given(st.integers(0, 10**9))
@settings(deadline=None)
def test_never_two_whatever_happens(seed: int) -> None:
    """Answers that come late or never, writes that arrive long after, replicas cut off, killed and started: never two at
    once, and in the end everything is served."""
    chance = random.Random(seed)

    def rough() -> float:
        return chance.choice([0.01, 0.05, 0.3, 1.0, 1.3, 1.6, 1.9, 2.5, 8.0, 20.0, float("inf")])

    async def program() -> None:
        server, brokers = Server(), keys(3)
        replicas = [Replica(server, name, brokers) for name in "abc"]
        for _ in range(12):
            replica = chance.choice(replicas)
            match chance.randrange(4):
                case 0:
                    await replica.kill()
                    replicas.remove(replica)
                    replicas.append(Replica(server, f"r{chance.randrange(10**6)}", brokers))
                case 1:
                    replica.network.delay = rough
                case 2:
                    replica.network.delay = lambda: 0.02
                case 3:
                    replica.network.delay = lambda: float("inf")
            for _ in range(chance.randrange(20, 600)):
                one_each(replicas, brokers)
                await asyncio.sleep(0.05)
        for replica in replicas:
            replica.network.delay = lambda: 0.02
        await asyncio.sleep(60)  # until what is under way has arrived
        await served(replicas, brokers, within=30)
        for replica in replicas:
            with suppress(asyncio.CancelledError):
                await replica.leave()

    with pytest.MonkeyPatch.context() as monkeypatch:
        virtual_time.run(monkeypatch, program())
