"""Answers of a fake HTTP server, in ways that real ones have as well."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web

Answering = Callable[[web.Request], Awaitable[web.StreamResponse]]


def answering(status: int, body: str | bytes = "", **headers: str) -> Answering:
    """Gives everything this answer."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status, body=body, headers=headers)

    return answer


async def silence(_: web.Request) -> web.Response:
    """Never answers."""
    await asyncio.Event().wait()
    return web.Response()


async def hanging_up(request: web.Request) -> web.Response:
    """Closes the connection instead of an answer."""
    assert request.transport is not None
    request.transport.close()
    return web.Response()
