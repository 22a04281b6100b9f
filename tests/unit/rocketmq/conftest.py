"""A small RocketMQ cluster of fake servers, and an adapter for it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from floodwarden.brokers.rocketmq import RocketMQBroker
from tests.support.rocketmq_reading import two_brokers
from tests.support.rocketmq_world import FakeCluster


@pytest.fixture
async def cluster() -> AsyncIterator[FakeCluster]:
    """Two brokers with two queues of a topic each; one group has committed some."""
    cluster = await two_brokers().start("broker-a", "broker-b")
    yield cluster
    await cluster.stop()


@pytest.fixture
async def broker(cluster: FakeCluster) -> AsyncIterator[RocketMQBroker]:
    """An adapter for it."""
    broker = RocketMQBroker(cluster.addresses)
    yield broker
    await broker.close()
