"""RabbitMQ's management API as tests need it: entries of its answers, and a server that answers as it is told."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

Answering = Callable[[web.Request], Awaitable[web.StreamResponse]]


def entry(
    length: int = 0,
    *,
    ack: object = 0,
    deliver: int = 0,
    deliver_no_ack: int = 0,
    get_no_ack: int = 0,
    **changes: Any,
) -> dict[str, Any]:
    """One queue in an answer of ``/api/queues``; ``changes`` replaces parts; None leaves one out, except the leader."""
    stats = {"ack": ack, "deliver": deliver, "deliver_no_ack": deliver_no_ack, "get_no_ack": get_no_ack}
    whole: dict[str, Any] = {
        "name": "orders",
        "type": "classic",
        "state": "running",
        "node": "rabbit@a",
        "arguments": {},
        "consumers": 1,
        "messages": length,
        "reductions": 1,
        "message_stats": stats,
    } | changes
    return {key: value for key, value in whole.items() if value is not None or key == "leader"}


def consumer(
    queue: str = "orders", tag: str = "ctag1.1", channel: str = "10.0.0.7:40001 -> 10.0.0.1:5672 (1)", **changes: Any
) -> Any:
    """One consumer in an answer of ``/api/consumers``."""
    connection, _, _ = channel.rpartition(" ")
    details = {"name": channel, "connection_name": connection, "peer_host": channel.partition(":")[0]}
    whole = {"queue": {"name": queue}, "consumer_tag": tag, "active": True, "channel_details": details}
    return whole | changes


NODES = [{"name": "rabbit@a", "running": True}, {"name": "rabbit@b", "running": True}]
OVERVIEW = {"rabbitmq_version": "3.10.8", "cluster_name": "shop", "rates_mode": "basic", "disable_stats": False}


class FakeManagement:
    """Answers by what is asked for (queues, consumers, nodes, overview, exchanges, …): JSON, or whatever a function makes."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {
            "queues": [],
            "consumers": [],
            "nodes": NODES,
            "overview": OVERVIEW,
            "exchanges": [],
            "bindings": [],
            "operator-policies": [],
            "channels": [],
            "connections": [],
            "vhosts": [],
        }
        self.asked: list[web.Request] = []
        app = web.Application()
        app.router.add_route("*", "/{any:.*}", self._answer)
        self._server = TestServer(app, host="127.0.0.1")

    async def start(self, tls: ssl.SSLContext | None = None) -> None:
        """Listen on a port that is free."""
        await self._server.start_server(ssl=tls)

    @property
    def url(self) -> str:
        """What to put into ``Access.urls``."""
        return str(self._server.make_url("")).rstrip("/")

    @property
    def paths(self) -> list[str]:
        """The paths asked for, as they were sent."""
        return [request.rel_url.raw_path for request in self.asked]

    def whatever(self, answering: Answering) -> None:
        """Have everything answered by this function."""
        self.answers = dict.fromkeys(self.answers, answering)

    async def stop(self) -> None:
        """Listen no longer."""
        await self._server.close()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        path = request.rel_url.raw_path
        last = path.rpartition("/")[2]
        kind = last if last in ("channels", "connections") else path.partition("/api/")[2].partition("/")[0]
        answer = self.answers.get(kind)
        if callable(answer):
            made: web.StreamResponse = await answer(request)
            return made
        return web.json_response(answer)
