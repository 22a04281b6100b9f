"""Fixtures of the contract tests of ``floodwarden.brokers.rabbitmq``: three real nodes, and an adapter connected to them."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack

import pytest

from floodhack.instance import Instance
from floodwarden.brokers.rabbitmq import Access, RabbitBroker, RabbitSettings
from tests.contract.rabbitmq.auditing import operator_policies
from tests.contract.rabbitmq.real_rabbit import RealRabbit, running

CONTRACTS = "FLOODWARDEN_CONTRACT_INSTANCE"
Connect = Callable[[Access], RabbitBroker]


@pytest.fixture(scope="session")
def rabbit() -> Iterator[RealRabbit]:
    """The nodes of FLOODWARDEN_CONTRACT_INSTANCE, or of this one: tests of this folder stop them."""
    instance = Instance(int(os.environ[CONTRACTS])) if CONTRACTS in os.environ else Instance.current()
    with running(instance) as rabbit:
        yield rabbit


@pytest.fixture
async def connect(rabbit: RealRabbit) -> AsyncIterator[Connect]:
    """Makes adapters, and closes them after the test."""
    async with AsyncExitStack() as stack:

        def to(access: Access) -> RabbitBroker:
            broker = RabbitBroker(access)
            stack.push_async_callback(broker.close)
            return broker

        yield to


@pytest.fixture
def broker(rabbit: RealRabbit, connect: Connect) -> RabbitBroker:
    """An adapter that comes as the user for monitoring, which may do nothing on the virtual host."""
    return connect(rabbit.access("monitoring"))


@pytest.fixture
async def settings(rabbit: RealRabbit) -> AsyncIterator[RabbitSettings]:
    """An adapter that comes as an administrator."""
    made = RabbitSettings(rabbit.access())
    yield made
    await made.close()


@pytest.fixture
def clean(rabbit: RealRabbit) -> Iterator[None]:
    """Operator policies are gone after the test."""
    yield
    for policy in operator_policies(rabbit):
        rabbit.tool("rabbitmqctl", "clear_operator_policy", policy)
