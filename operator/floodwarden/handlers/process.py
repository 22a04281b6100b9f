"""One process of the operator: puts the parts together, and takes them apart in order when it is told to end."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Collection
from contextlib import AsyncExitStack, suppress

import structlog

from floodwarden.cluster.client import connect
from floodwarden.cluster.events import Recorder
from floodwarden.cluster.owners import OwnerIndex
from floodwarden.cluster.rest import Rest
from floodwarden.cluster.scale import ScaleClient
from floodwarden.cluster.secrets import SecretReader
from floodwarden.cluster.status import StatusWriter
from floodwarden.handlers.registry import watch
from floodwarden.sweep.http import serve
from floodwarden.sweep.metrics import Metrics
from floodwarden.sweep.resync import Resync
from floodwarden.sweep.services import Services
from floodwarden.sweep.store import Store
from floodwarden.sweep.supervisor import Supervisor

_log = structlog.get_logger(__name__)


async def run(listen: str, namespaces: Collection[str] | None) -> None:
    """Run the operator until SIGTERM or SIGINT. ``namespaces`` None means all of them."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        client = await connect()
        stack.push_async_callback(client.close)
        rest = Rest(client)
        recorder = Recorder(rest, os.environ.get("POD_NAME") or socket.gethostname())
        stack.push_async_callback(recorder.close)
        services = Services(
            store=Store(),
            scale=ScaleClient(rest),
            owners=OwnerIndex(rest, namespaces),
            recorder=recorder,
            status=StatusWriter(rest),
            secrets=SecretReader(rest),
            metrics=Metrics(),
        )
        services.metrics.count_dropped_events(lambda: recorder.dropped)
        supervisor = Supervisor(services)
        resync = Resync(rest, services.store, namespaces)

        def not_alive() -> list[str]:
            return [*supervisor.problems, *(f"the watch streams have not told of {missed}" for missed in resync.stale)]

        def not_ready() -> list[str]:
            return [*not_alive(), *([] if services.store.complete.is_set() else ["the resources have not been listed yet"])]

        runner = await serve(listen, services.metrics.registry, not_alive, not_ready)
        stack.push_async_callback(runner.cleanup)
        _log.info("started", listen=listen, namespaces=sorted(namespaces) if namespaces else "all")
        await _until_stopped(stop, supervisor.run(), resync.run(), watch(services.store, namespaces, stop))
        _log.info("ended")


async def _until_stopped(stop: asyncio.Event, *parts: object) -> None:
    """Run the parts until ``stop``; should one end by itself, all end and its error is raised."""
    tasks = [asyncio.ensure_future(part) for part in parts]  # type: ignore[call-overload]
    stopping = asyncio.create_task(stop.wait())
    try:
        done, _ = await asyncio.wait([*tasks, stopping], return_when=asyncio.FIRST_COMPLETED)
        if stopping not in done:
            for task in done:
                task.result()
            if not stop.is_set():
                raise RuntimeError("a part of the operator ended by itself")
    finally:
        stop.set()
        for task in tasks:
            task.cancel()
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.gather(*tasks, stopping, return_exceptions=True), 10)
