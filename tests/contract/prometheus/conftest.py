"""Fixtures of the contract tests of ``floodwarden.brokers.prometheus``: a real server, and adapters that ask it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from floodhack.instance import Instance
from floodwarden.api.messagebroker import MessageBroker
from floodwarden.brokers.base import BrokerError
from floodwarden.brokers.prometheus import PrometheusBroker
from floodwarden.brokers.secrets import Secrets
from floodwarden.cluster.secrets import HiddenValues, SecretData
from floodwarden.core.observation import Query, Reading, Subscription, Unknown
from floodwarden.sweep.connect import open_broker
from tests.contract.prometheus.real_prometheus import PASSWORD, USER, RealPrometheus
from tests.support.prometheus import ensure_prometheus
from tests.support.resources import prometheus as resource

PORT = 9491
Connect = Callable[..., PrometheusBroker]
Seen = Reading | Unknown | BrokerError
Await = Callable[[PrometheusBroker, Callable[[Seen], bool]], Awaitable[Seen]]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RealPrometheus]:
    """A server that is not started yet."""
    ensure_prometheus()
    prometheus = RealPrometheus(tmp_path, Instance.current().port(PORT))
    try:
        yield prometheus
    finally:
        prometheus.kill()


@pytest.fixture
async def connect(server: RealPrometheus) -> AsyncIterator[Connect]:
    """Opens adapters as the operator does, from the spec, and closes them after the test."""
    credentials = HiddenValues({"username": USER.encode(), "password": PASSWORD.encode(), "wrong": b"hunter2"})
    held = {"credentials": SecretData("1", credentials)}
    async with AsyncExitStack() as stack:

        def to(ca: bytes = b"", **spec: object) -> PrometheusBroker:
            broker: MessageBroker = resource(server.url, **spec)
            opened = open_broker(broker, Secrets({**held, "ca": SecretData("1", HiddenValues({"ca.crt": ca}))}))
            assert isinstance(opened, PrometheusBroker)
            stack.push_async_callback(opened.close)
            return opened

        yield to


async def seen(broker: PrometheusBroker, subscription: Subscription) -> Seen:
    """What one sweep says of a subscription."""
    try:
        return (await broker.observe([Query(subscription, members=True)])).readings[subscription]
    except BrokerError as error:
        return error


async def awaited(broker: PrometheusBroker, condition: Callable[[Seen], bool], subscription: Subscription | None = None) -> Seen:
    """What a sweep says once the condition holds, within half a minute."""
    what = subscription or Subscription("billing", ("orders",))
    last: Seen | None = None
    try:
        async with asyncio.timeout(30):
            while last is None or not condition(last):
                last = await seen(broker, what)
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise AssertionError(f"not within half a minute; the last was {last!r}") from None
    return last
