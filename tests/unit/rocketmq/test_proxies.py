"""A proxy where a name server should be is told apart: it tells routes too, and never stands in for a name server or a broker."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from floodwarden.brokers.base import BrokerError
from floodwarden.brokers.rocketmq import RocketMQBroker, requests
from floodwarden.brokers.rocketmq.frames import Frame
from floodwarden.core.observation import UnknownReason
from tests.support.rocketmq_reading import BILLING, read
from tests.support.rocketmq_server import Answer, FakeServer, ok, refused
from tests.support.rocketmq_world import FakeCluster

# As a proxy of 5.5 answers: itself in the broker's place.
ROUTE = '{"brokerDatas":[],"queueDatas":[{"brokerName":"proxied","perm":6,"readQueueNums":9,"writeQueueNums":9}]}'


@dataclass
class Proxy:
    """The remoting port of one."""

    server: FakeServer = field(init=False)

    def __post_init__(self) -> None:
        self.server = FakeServer(self._answer)

    def _answer(self, request: Frame) -> Answer:
        if request.code == requests.GET_ROUTEINFO_BY_TOPIC:
            return ok(ROUTE)
        return refused(3, f" request type {request.code} not supported")


@pytest.fixture
async def proxy() -> AsyncIterator[str]:
    """Its address."""
    made = Proxy()
    await made.server.start()
    yield made.server.address
    await made.server.stop()


async def test_it_is_named(proxy: str) -> None:
    """The advice is about nameServers, and not about versions."""
    broker = RocketMQBroker([proxy])
    try:
        with pytest.raises(
            BrokerError, match=f"{proxy} is no name server, but a broker or a proxy: correct nameServers"
        ) as found:
            await broker.observe([])
        assert found.value.reason is UnknownReason.UNSUPPORTED
    finally:
        await broker.close()


@pytest.mark.parametrize("first", [True, False], ids=["named first", "named last"])
async def test_its_routes_are_not_believed(cluster: FakeCluster, proxy: str, first: bool) -> None:
    """Beside a name server, also where that knows no such topic."""
    del cluster.topics["orders"]
    broker = RocketMQBroker([proxy, *cluster.addresses] if first else [*cluster.addresses, proxy])
    try:
        reading = await read(broker, BILLING)
        assert (reading.partitions, reading.missing_topics) == ({}, frozenset({"orders"}))
    finally:
        await broker.close()
