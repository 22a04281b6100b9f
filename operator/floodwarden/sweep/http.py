"""What the process serves: ``/metrics`` for Prometheus, ``/healthz`` and ``/readyz`` for the kubelet."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

Problems = Callable[[], list[str]]
"""What is wrong, in words; an empty list means that all is well."""


async def serve(listen: str, registry: CollectorRegistry, alive: Problems, ready: Problems) -> web.AppRunner:
    """Listen on ``host:port`` (IPv6 hosts in brackets); end with ``await runner.cleanup()``. OSError where the port is taken."""

    async def metrics(request: web.Request) -> web.Response:
        named = request.query.getall("name[]", [])  # only these, as Prometheus' own clients let one ask
        chosen = registry.restricted_registry(named) if named else registry
        return web.Response(body=generate_latest(chosen), headers={"Content-Type": CONTENT_TYPE_LATEST})

    def probe(problems: Problems) -> Callable[[web.Request], object]:
        async def answer(_: web.Request) -> web.Response:
            found = problems()
            return web.Response(status=503 if found else 200, text="\n".join(found or ["ok"]) + "\n")

        return answer

    app = web.Application()
    app.router.add_get("/metrics", metrics)
    app.router.add_get("/healthz", probe(alive))  # type: ignore[arg-type]
    app.router.add_get("/readyz", probe(ready))  # type: ignore[arg-type]
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    host, _, port = listen.rpartition(":")
    await web.TCPSite(runner, host.strip("[]") or None, int(port)).start()
    return runner
