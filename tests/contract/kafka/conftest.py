"""Fixtures of the contract tests of ``floodwarden.brokers.kafka``: three real nodes, and an adapter connected to them.

Every test that uses the brokers runs against each version in ``floodhack.kafka_jars.VERSIONS``, unless it names one itself
(``OLDEST``, ``NEWEST``). The brokers of the older versions run only while tests use them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from uuid import uuid4

import pytest

from floodhack.instance import Instance
from floodhack.kafka_jars import VERSIONS, release
from floodwarden.brokers.kafka import KafkaBroker, Security
from tests.contract.kafka.real_kafka import RealKafka, hack_brokers

CONTRACTS = "FLOODWARDEN_CONTRACT_INSTANCE"
Connect = Callable[..., KafkaBroker]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run the tests of this folder against every version; those elsewhere that borrow ``kafka`` get the newest one."""
    named = any("kafka" in mark.args[0] for mark in metafunc.definition.iter_markers("parametrize"))
    if "kafka" in metafunc.fixturenames and not named:
        metafunc.parametrize("kafka", VERSIONS, indirect=True, scope="session")


@pytest.fixture(scope="session")
def kafka(request: pytest.FixtureRequest) -> Iterator[RealKafka]:
    """The brokers of FLOODWARDEN_INSTANCE: those that run, or some made for as long as tests use them.

    The tests of this folder stop nodes, so they may have brokers of their own beside other tests: FLOODWARDEN_CONTRACT_INSTANCE.
    """
    named = getattr(request, "param", None)
    version, instance = release(named), Instance.current()
    if named is not None and CONTRACTS in os.environ:
        instance = Instance(int(os.environ[CONTRACTS]))
    found = hack_brokers(version, instance, "status", "kafka", stdout=sys.stderr).returncode == 0
    if hack_brokers(version, instance, "up", "kafka", stdout=sys.stderr).returncode != 0:
        pytest.fail(
            f"FLOODWARDEN_KAFKA={version} hack/brokers up kafka failed: run it by hand, and see `hack/brokers logs kafka`"
        )
    yield RealKafka(version, instance)
    if not found:
        hack_brokers(version, instance, "down", "kafka", stdout=sys.stderr)


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
