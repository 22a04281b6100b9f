"""Fixtures of the contract tests of ``floodwarden.brokers.kafka``: three real nodes, and an adapter connected to them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from uuid import uuid4

import pytest

from floodhack.instance import CHECKOUT, Instance
from floodwarden.brokers.kafka import KafkaBroker, Security
from tests.contract.kafka.real_kafka import RealKafka

Connect = Callable[..., KafkaBroker]


def _hack_brokers(*args: str) -> int:
    command = [sys.executable, str(CHECKOUT / "hack" / "brokers"), *args]
    return subprocess.run(command, stdout=sys.stderr, check=False).returncode


@pytest.fixture(scope="session")
def kafka() -> Iterator[RealKafka]:
    """The brokers of FLOODWARDEN_INSTANCE: those that run, or some made for this session and ended with it."""
    found = _hack_brokers("status", "kafka") == 0
    if _hack_brokers("up", "kafka") != 0:
        pytest.fail("hack/brokers up kafka failed: run it by hand, and see `hack/brokers logs kafka`")
    yield RealKafka(Instance.current())
    if not found:
        _hack_brokers("down", "kafka")


@pytest.fixture
async def connect(kafka: RealKafka) -> AsyncIterator[Connect]:
    """Makes adapters, by default to the plain listener, and closes them after the test."""
    async with AsyncExitStack() as stack:

        def to(bootstrap: list[str] | None = None, security: Security | None = None) -> KafkaBroker:
            broker = KafkaBroker(bootstrap or kafka.bootstrap, security)
            stack.push_async_callback(broker.close)
            return broker

        yield to


@pytest.fixture
def broker(connect: Connect) -> KafkaBroker:
    """An adapter on the plain listener."""
    return connect()


@pytest.fixture
def group() -> str:
    """The name of a group nobody has used."""
    return f"group-{uuid4().hex[:8]}"
