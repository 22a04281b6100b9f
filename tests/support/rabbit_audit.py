"""A fake management API for audits: what it tells of a queue, how it refuses, and an adapter that asks it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from floodwarden.brokers.rabbitmq import Access, RabbitSettings, settings
from floodwarden.core.delivery.survey import Change
from tests.support.rabbit import FakeManagement

PASSWORD = "hunter2-of-the-broker"
NAME = "floodwarden:shop/orders"
BODY = {"apply-to": "queues", "definition": {"delivery-limit": 5}, "pattern": "^(orders.*)$", "priority": -1}
WRITTEN = Change(NAME, "definition", json.dumps(BODY, sort_keys=True), "not set", "operator policy")
GONE = Change(NAME, "definition", None, "delivery-limit 5", "operator policy")
NODE = {"name": "rabbit@a", "running": True, "mem_alarm": False, "disk_free_alarm": False, "partitions": []}
COUNTED = [{"name": "other", "message_stats": {"drop_unroutable": 99}}, {"name": "shop", "message_stats": {"drop_unroutable": 7}}]


@pytest.fixture
async def fake() -> AsyncIterator[FakeManagement]:
    """A management API on which all is well."""
    server = FakeManagement()
    server.answers |= {"queues": [told()], "nodes": [NODE], "vhosts": COUNTED, "exchanges": [{"name": "", "type": "direct"}]}
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def adapter(fake: FakeManagement, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RabbitSettings]:
    """An adapter for the virtual host shop, which looks often whether what it wrote is shown."""
    monkeypatch.setattr(settings, "SHOWN_EVERY", 0.01)
    made = RabbitSettings(Access((fake.url,), "keeper", PASSWORD, vhost="shop"))
    yield made
    await made.close()


def told(name: str = "orders", **changes: Any) -> dict[str, Any]:
    """A quorum queue as the listing tells it; None leaves a part out."""
    whole = {
        "name": name,
        "type": "quorum",
        "durable": True,
        "auto_delete": False,
        "exclusive": False,
        "arguments": {"x-queue-type": "quorum"},
        "policy": None,
        "operator_policy": None,
        "effective_policy_definition": {},
        "state": "running",
        "node": "rabbit@a",
        "members": ["rabbit@b", "rabbit@a"],
        "online": ["rabbit@a"],
    } | changes
    return {key: value for key, value in whole.items() if value is not None}


def refusing(status: int, error: str = "", reason: str = "") -> Callable[[web.Request], Awaitable[web.Response]]:
    """Answers so, with RabbitMQ's words if there are any."""

    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"error": error, "reason": reason}, status=status) if error else web.Response(status=status)

    return answer


def asked(fake: FakeManagement, method: str) -> list[str]:
    """The paths of the requests of one kind."""
    return [request.rel_url.raw_path for request in fake.asked if request.method == method]
