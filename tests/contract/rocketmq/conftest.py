"""Fixtures of the contract tests of ``floodwarden.brokers.rocketmq``: real servers of every version, and adapters for them.

Every test runs against each version in ``floodhack.rocketmq_jars.VERSIONS``, one after the other: the servers of a version run
only while tests use them, unless they ran before.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from uuid import uuid4

import pytest

from floodhack.instance import Instance
from floodhack.rocketmq import RocketMQ
from floodhack.rocketmq_jars import VERSIONS
from floodwarden.brokers.rocketmq import RocketMQBroker, Security
from tests.contract.rocketmq.real_rocketmq import RealRocketMQ

CONTRACTS = "FLOODWARDEN_CONTRACT_INSTANCE"
Connect = Callable[..., RocketMQBroker]


def running(version: str, *, acl: bool) -> Iterator[RealRocketMQ]:
    """The servers of that version, taken down again unless they ran before."""
    instance = Instance(int(os.environ[CONTRACTS])) if CONTRACTS in os.environ else Instance.current()
    servers = RocketMQ(instance, version, acl=acl)
    found = servers.status() == 0
    servers.up()
    yield RealRocketMQ(servers)
    if not found:
        servers.down()


@pytest.fixture(scope="session", params=VERSIONS)
def rocketmq(request: pytest.FixtureRequest) -> Iterator[RealRocketMQ]:
    """The servers of FLOODWARDEN_INSTANCE, which ask nobody who he is."""
    yield from running(request.param, acl=False)


@pytest.fixture(scope="session", params=VERSIONS)
def guarded(request: pytest.FixtureRequest) -> Iterator[RealRocketMQ]:
    """Those with ACLs."""
    yield from running(request.param, acl=True)


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Makes adapters, and closes them after the test."""
    async with AsyncExitStack() as stack:

        def to(servers: RealRocketMQ, security: Security | None = None) -> RocketMQBroker:
            broker = RocketMQBroker(servers.name_servers, security)
            stack.push_async_callback(broker.close)
            return broker

        yield to


@pytest.fixture
def broker(rocketmq: RealRocketMQ, connect: Connect) -> RocketMQBroker:
    """An adapter."""
    return connect(rocketmq)


@pytest.fixture
def group() -> str:
    """The name of a group nobody has used."""
    return f"group-{uuid4().hex[:8]}"
