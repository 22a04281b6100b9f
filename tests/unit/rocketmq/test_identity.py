"""RocketMQ gives a cluster no id: two ways to the same brokers are known by the first of them, by name and address."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping

import pytest

from floodwarden.brokers.rocketmq import RocketMQBroker, RocketMQSettings, Security
from floodwarden.brokers.rocketmq.brokers import AWAY_SECONDS, IDENTITY_BYTES, Brokers
from floodwarden.brokers.rocketmq.links import Links
from floodwarden.brokers.rocketmq.names import NameServers
from tests.support.rocketmq_settings import SetBroker
from tests.support.rocketmq_world import FakeCluster, later

A, B, C = "10.0.0.1:10911", "10.0.0.2:10911", "10.0.0.3:10911"


class World:
    """A name server, and who asks it."""

    def __init__(self, cluster: FakeCluster) -> None:
        self.cluster = cluster
        self._links = Links(Security())
        self._brokers = Brokers(NameServers(cluster.addresses, self._links), self._links)

    async def told(self, registered: Mapping[str, Mapping[int, str]]) -> str:
        """The id, once these are registered."""
        self.cluster.registered = {name: dict(at) for name, at in registered.items()}
        later(10)
        self._links.begin(asyncio.get_running_loop().time() + 5)
        await self._brokers.refresh()
        return self._brokers.identity

    async def close(self) -> None:
        await self._links.close()


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """Without brokers: who they are is the name server's to tell."""
    made = World(await FakeCluster().start())
    yield made
    await made.close()
    await made.cluster.stop()


async def test_both_adapters_tell_the_same() -> None:
    """A sweep, and an audit by way of another name server."""
    of = SetBroker(topics={"orders": (6, 1, 1)})
    cluster = FakeCluster(instead=lambda name, request: of.answer(request))
    await cluster.start("broker-b", "broker-a", names=2)
    broker, settings = RocketMQBroker(cluster.addresses[:1]), RocketMQSettings(cluster.addresses[1:])
    try:
        told = (await broker.observe([])).cluster
        assert told == f"broker-a {cluster.brokers['broker-a'].address}"
        assert (await settings.survey(lambda topic: True)).cluster == told
    finally:
        await broker.close()
        await settings.close()
        await cluster.stop()


STAYS: Mapping[str, Mapping[str, Mapping[int, str]]] = {
    "another set": {"broker-a": {0: A, 1: B}, "broker-b": {0: C}},
    "a master that has changed": {"broker-a": {0: B, 2: A}},
    "a slave that is away": {"broker-a": {0: A}},
    "a master that is away": {"broker-a": {1: B}},
    "a set that is away": {"broker-b": {0: C}},
}


@pytest.mark.parametrize("after", STAYS.values(), ids=STAYS.keys())
async def test_it_stays(world: World, after: Mapping[str, Mapping[int, str]]) -> None:
    """Whatever happens to brokers that are the same."""
    assert await world.told({"broker-a": {0: A, 1: B}}) == f"broker-a {A}"
    assert await world.told(after) == f"broker-a {A}"


async def test_others_are_told_apart(world: World) -> None:
    """Names alone are the same in many clusters. What is gone for an hour is forgotten."""
    assert await world.told({"broker-a": {0: A}}) == f"broker-a {A}"
    await world.told({"broker-b": {0: C}})
    later(AWAY_SECONDS + 10)
    assert await world.told({"broker-b": {0: C}}) == f"broker-b {C}"


async def test_a_long_one_is_not_cut_off(world: World) -> None:
    """Two that begin alike would be the same."""
    host = "a" * 60 + ".broker.shop.svc:10911"
    told = await world.told({"broker-a": {0: host}})
    assert len(told.encode()) == IDENTITY_BYTES
    other = FakeCluster()
    await other.start()
    beside = World(other)
    try:
        assert await beside.told({"broker-a": {0: host.replace("10911", "10912")}}) != told
    finally:
        await beside.close()
        await other.stop()
