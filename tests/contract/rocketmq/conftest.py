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
from floodhack.rocketmq_jars import VERSIONS
from floodwarden.brokers.rocketmq import RocketMQBroker, Security
from tests.contract.rocketmq.real_rocketmq import RealRocketMQ, running

CONTRACTS = "FLOODWARDEN_CONTRACT_INSTANCE"
Connect = Callable[..., RocketMQBroker]


def _instance() -> Instance:
    return Instance(int(os.environ[CONTRACTS])) if CONTRACTS in os.environ else Instance.current()


@pytest.fixture(scope="session", params=VERSIONS)
def rocketmq(request: pytest.FixtureRequest) -> Iterator[RealRocketMQ]:
    """The servers of FLOODWARDEN_CONTRACT_INSTANCE, or of this one: tests of this folder stop them. They ask nobody who he is."""
    with running(_instance(), request.param, acl=False) as servers:
        yield servers


@pytest.fixture(scope="session", params=VERSIONS)
def guarded(request: pytest.FixtureRequest) -> Iterator[RealRocketMQ]:
    """Those with ACLs."""
    with running(_instance(), request.param, acl=True) as servers:
        yield servers


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
