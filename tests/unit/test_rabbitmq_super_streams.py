"""Super streams in a sweep over a virtual host: not missing, with the partitions that are bound to them, and without a lag."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web

from floodwarden.brokers.rabbitmq import RabbitBroker, cluster
from floodwarden.core.assess import assess
from floodwarden.core.decide import decide
from floodwarden.core.history import History
from floodwarden.core.memory import Memory
from floodwarden.core.observation import Partition, Query, Subscription, Unknown, UnknownReason
from floodwarden.core.target import Target
from tests.support.rabbit import FakeManagement
from tests.support.world import policy
from tests.unit.test_rabbitmq_sweep import BOTH, ORDERS, reading
from tests.unit.test_rabbitmq_sweep import broker as broker
from tests.unit.test_rabbitmq_sweep import fake as fake


def bound(source: str, queue: str, kind: str = "queue") -> dict[str, Any]:
    """One binding in an answer of ``/api/bindings``."""
    return {"source": source, "destination": queue, "destination_type": kind}


SUPER_STREAM = [{"name": "orders", "arguments": {"x-super-stream": True}}, {"name": "billing", "arguments": {}}]
PARTITIONS = [bound("orders", "orders-1"), bound("orders", "orders-0"), bound("", "orders-0"), bound("orders", "e", "exchange")]


async def test_a_super_stream(fake: FakeManagement, broker: RabbitBroker) -> None:
    """It is an exchange and no queue: not missing; its streams are partitions of which the lag is not told."""
    fake.answers |= {"exchanges": SUPER_STREAM, "bindings": [*PARTITIONS, bound("billing", "bills"), {}, None, {"source": []}]}
    found = reading(await broker.observe([Query(BOTH)]), BOTH)
    assert found.missing_topics == {"billing"}
    assert not found.competing
    assert set(found.partitions) == {Partition("orders-0", 0), Partition("orders-1", 0)}
    for told in found.partitions.values():
        assert isinstance(told, Unknown)
        assert told.reason is UnknownReason.UNSUPPORTED
        assert "orders is a super stream" in told.detail
    assert reading(await broker.observe([Query(BOTH)]), BOTH) is found


async def test_the_partitions_of_a_super_stream_are_the_ceiling(fake: FakeManagement, broker: RabbitBroker) -> None:
    """It is told although the lag is not, and no replicas are changed for it."""
    fake.answers |= {"exchanges": SUPER_STREAM, "bindings": PARTITIONS}
    seen = assess(reading(await broker.observe([Query(ORDERS)])), History(), 0.0)
    assert (seen.parallel, seen.lag, seen.exact) == (2, None, False)
    target = Target("uid", 5, "app=billing", "1", 5)
    decision, _ = decide(policy(max_replicas=10), seen, target, None, Memory(), 0.0)
    assert (decision.ceiling, decision.replicas, decision.over) == (2, None, None)


@pytest.mark.parametrize("bindings", [None, 7, {}, [], [bound("other", "stream")]], ids=str)
async def test_a_super_stream_without_partitions(fake: FakeManagement, broker: RabbitBroker, bindings: Any) -> None:
    """Where none are told there is no ceiling to tell either."""
    fake.answers |= {"exchanges": SUPER_STREAM, "bindings": bindings}
    found = (await broker.observe([Query(ORDERS)])).readings[ORDERS]
    assert isinstance(found, Unknown)
    assert found.reason is UnknownReason.UNSUPPORTED


async def test_partitions_that_cannot_be_read_again(
    fake: FakeManagement, broker: RabbitBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are taken to be those of before; one that is added is seen."""

    async def failing(_: web.Request) -> web.Response:
        return web.Response(status=500)

    monkeypatch.setattr(cluster, "NODES_SECONDS", 0.0)
    fake.answers |= {"exchanges": SUPER_STREAM, "bindings": PARTITIONS}
    before = reading(await broker.observe([Query(ORDERS)]))
    fake.answers["bindings"] = failing
    assert reading(await broker.observe([Query(ORDERS)])) is before
    fake.answers["bindings"] = [*PARTITIONS, bound("orders", "orders-2")]
    assert len(reading(await broker.observe([Query(ORDERS)])).partitions) == 3


async def test_bindings_are_asked_for_only_for_super_streams(fake: FakeManagement, broker: RabbitBroker) -> None:
    """A virtual host may have many."""
    fake.answers["exchanges"] = SUPER_STREAM
    await broker.observe([Query(Subscription("", ("billing",)))])
    assert not any("bindings" in path for path in fake.paths)
