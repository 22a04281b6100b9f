"""A way to the API server that can be watched and disturbed: it counts requests, ends watches, and lets them go silent.

A reverse proxy on 127.0.0.1 in a thread of its own, for tests and the soak. It speaks plain HTTP to the operator and asks the
API server as the administrator.
"""

from __future__ import annotations

import asyncio
import base64
import ssl
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
import yaml
from aiohttp import web

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "host", "content-length", "content-encoding", "accept-encoding"}


class ApiProxy:
    """``counts`` maps (verb, resource) to requests, with the verbs as RBAC names them, and ``lists`` the agents that list to how
    often they did. Both may be read while it runs and after."""

    def __init__(self, kubeconfig: Path) -> None:
        self._behind = yaml.safe_load(kubeconfig.read_text())
        self.counts: Counter[tuple[str, str]] = Counter()
        self.lists: Counter[str] = Counter()
        self._ends: set[asyncio.Event] = set()  # one for each watch that is open
        self._silent = 0  # watches of this generation or older pass nothing on any more
        self._broken = 0  # watches of this generation or older end with half an event
        self._generation = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self.address = asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(30)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def kubeconfig(self, path: Path) -> Path:
        """A kubeconfig that leads here, written to a path."""
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "proxy", "cluster": {"server": f"http://{self.address}"}}],
            "users": [{"name": "anybody", "user": {}}],
            "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "anybody"}}],
            "current-context": "proxy",
        }
        path.write_text(yaml.safe_dump(config))
        return path

    def silence_watches(self) -> None:
        """From now on the watches that are open pass nothing on, and are not closed; those begun later work."""
        self._silent = self._generation
        self._generation += 1

    def end_watches(self) -> None:
        """End the watches that are open in order, as the API server does when their time is over."""
        for end in list(self._ends):
            self._loop.call_soon_threadsafe(end.set)

    def break_watches(self) -> None:
        """End the watches that are open in the middle of an event, as a proxy or an API server that is killed may do."""
        self._broken = self._generation
        self._generation += 1
        self.end_watches()

    def count(self, *verbs: str, resource: str = "") -> int:
        """Requests with one of these verbs, of all resources or of one (``backlogpolicies/status`` for a subresource)."""
        return sum(number for (verb, what), number in self.counts.items() if verb in verbs and resource in ("", what))

    async def _open(self) -> str:
        self._generation = 1
        cluster = self._behind["clusters"][0]["cluster"]
        self._server = cluster["server"].rstrip("/")
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=_context(cluster, self._behind["users"][0]["user"])),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=5),
            auto_decompress=False,
        )
        app = web.Application(client_max_size=16 * 2**20)
        app.router.add_route("*", "/{tail:.*}", self._pass_on)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        return f"{host}:{port}"

    async def _close(self) -> None:
        await self._runner.cleanup()
        await self._session.close()

    async def _pass_on(self, request: web.Request) -> web.StreamResponse:
        verb, resource = _verb(request)
        self.counts[verb, resource] += 1
        if verb == "list":
            self.lists[request.headers.get("User-Agent", "")] += 1
        headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP_BY_HOP}
        headers["Accept-Encoding"] = "identity"  # long lists would come compressed, and are passed on as they come
        generation = self._generation
        try:
            async with self._session.request(
                request.method, f"{self._server}{request.raw_path}", headers=headers, data=await request.read() or None
            ) as answer:
                kept = {name: value for name, value in answer.headers.items() if name.lower() not in HOP_BY_HOP}
                response = web.StreamResponse(status=answer.status, headers=kept)
                await response.prepare(request)
                if verb == "watch":
                    await self._watch(answer, response, generation)
                else:
                    async for chunk in answer.content.iter_any():
                        await response.write(chunk)
                await response.write_eof()
                return response
        except aiohttp.ClientError:
            if request.transport is not None:
                request.transport.abort()  # as where nobody listens
            return web.Response(status=502)

    async def _watch(self, answer: aiohttp.ClientResponse, response: web.StreamResponse, generation: int) -> None:
        """Pass events on until either side ends, or ``end_watches``; a silent watch ends when the client gives up."""
        end = asyncio.Event()
        self._ends.add(end)
        waiting: list[asyncio.Task[Any]] = [asyncio.create_task(end.wait())]
        whole = True  # what was passed on ends where an event does
        try:
            while True:
                waiting[1:] = [asyncio.create_task(answer.content.readany())]
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                if end.is_set() and whole:
                    if generation <= self._broken:
                        await response.write(b'{"type": "MODIFIED", "object": {"metadata": {"name": "half')
                    return
                chunk = await waiting[1]
                if generation <= self._silent:
                    if not chunk:
                        await asyncio.Event().wait()
                elif chunk:
                    await response.write(chunk)
                    whole = chunk.endswith(b"\n")
                else:
                    return
        finally:
            self._ends.discard(end)
            for task in waiting:
                task.cancel()


def _verb(request: web.Request) -> tuple[str, str]:
    """The verb and the resource of a request, as RBAC names them; resource is empty for what is not about objects."""
    parts = request.path.strip("/").split("/")
    parts = parts[2:] if parts[0] == "api" else parts[3:]
    if parts[:1] == ["namespaces"] and len(parts) > 2:
        parts = parts[2:]
    resource = "/".join([*parts[:1], *parts[2:3]])
    named = len(parts) > 1
    if request.method == "GET":
        watching = request.query.get("watch") in ("true", "1")
        return ("watch" if watching else "get" if named or not parts else "list"), resource
    verbs = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete" if named else "deletecollection"}
    return verbs[request.method], resource


def _context(cluster: dict[str, Any], user: dict[str, Any]) -> ssl.SSLContext:
    with _file(cluster, "certificate-authority") as ca:
        context = ssl.create_default_context(cafile=ca)
    with _file(user, "client-certificate") as certificate, _file(user, "client-key") as key:
        context.load_cert_chain(certificate, key)
    return context


@contextmanager
def _file(where: dict[str, Any], name: str) -> Iterator[str]:
    """A file of the kubeconfig, whether it is named there or held."""
    if name in where:
        yield where[name]
        return
    with tempfile.NamedTemporaryFile() as file:
        file.write(base64.b64decode(where[f"{name}-data"]))
        file.flush()
        yield file.name
