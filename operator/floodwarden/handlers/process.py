"""One process of the operator: puts the parts together, and takes them apart in order when it is told to end."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
from collections.abc import Collection
from contextlib import AsyncExitStack, suppress
from functools import partial
from uuid import uuid4

import structlog

from floodwarden.cluster.client import connect
from floodwarden.cluster.configmaps import ConfigMapClient
from floodwarden.cluster.events import Recorder
from floodwarden.cluster.kafkatopics import TopicOwners
from floodwarden.cluster.leases import LeaseClient
from floodwarden.cluster.ledger import LedgerClient
from floodwarden.cluster.owners import OwnerIndex
from floodwarden.cluster.rest import Rest
from floodwarden.cluster.scale import ScaleClient
from floodwarden.cluster.secrets import SecretReader
from floodwarden.cluster.status import StatusWriter
from floodwarden.cluster.workloads import WorkloadClient
from floodwarden.handlers.registry import watch
from floodwarden.sweep.http import serve
from floodwarden.sweep.intake import refresh
from floodwarden.sweep.metrics import Metrics
from floodwarden.sweep.resync import Resync
from floodwarden.sweep.services import Services
from floodwarden.sweep.shares import Shares
from floodwarden.sweep.store import Store
from floodwarden.sweep.supervisor import Supervisor

# All that a thousand policies hold is walked through for half a second whenever it is searched for garbage, of which there is
# hardly any: with Python's own thresholds (700, 10, 10) that was every five seconds.
GARBAGE = (10_000, 20, 50)
LEASE_LIMIT = 2.0  # seconds for a request about Leases: a renewal must not outlast the tenure

_log = structlog.get_logger(__name__)


async def run(listen: str, namespaces: Collection[str] | None, release: str, lease_namespace: str) -> None:
    """Run the operator until SIGTERM or SIGINT. ``namespaces`` None means all of them.

    Processes of one ``release`` share their work by Leases in ``lease_namespace``.
    """
    gc.set_threshold(*GARBAGE)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        client = await connect()
        stack.push_async_callback(client.close)
        store, pod = Store(), _pod()
        lease_client = await connect()  # connections of their own: a renewal waits behind nothing
        stack.push_async_callback(lease_client.close)
        leases = LeaseClient(Rest(lease_client, within=LEASE_LIMIT), lease_namespace, release)
        shares = Shares(leases, store, partial(refresh, Rest(client), store, namespaces), release=release, pod=pod)
        stack.push_async_callback(shares.close)
        rest = Rest(client, fence=shares.remaining)
        recorder = Recorder(rest, pod)
        stack.push_async_callback(recorder.close)
        services = Services(
            store=store,
            scale=ScaleClient(rest),
            owners=OwnerIndex(rest, namespaces),
            topic_owners=TopicOwners(rest, namespaces),
            recorder=recorder,
            status=StatusWriter(rest),
            secrets=SecretReader(rest),
            metrics=Metrics(),
            ledgers=LedgerClient(rest, lease_namespace, release),
            config_maps=ConfigMapClient(rest),
            workloads=WorkloadClient(rest),
            may_write=lambda: shares.remaining() > 0,
        )
        services.metrics.count_dropped_events(lambda: recorder.dropped)
        services.metrics.tell_shares(lambda: len(store.brokers), lambda: shares.count, lambda: shares.leading)
        supervisor = Supervisor(services, shares)
        resync = Resync(rest, store, namespaces)

        def not_alive() -> list[str]:
            return [*supervisor.problems, *(f"the watch streams have not told of {missed}" for missed in resync.stale)]

        def not_ready() -> list[str]:
            unlisted = [] if store.complete.is_set() else ["the resources have not been listed yet"]
            return [*not_alive(), *shares.problems, *unlisted]

        runner = await serve(listen, services.metrics.registry, not_alive, not_ready)
        stack.push_async_callback(runner.cleanup)
        _log.info("started", listen=listen, replica=shares.me, namespaces=sorted(namespaces) if namespaces else "all")
        parts = (supervisor.run(), shares.keep(), shares.follow(supervisor.end), resync.run())
        await _until_stopped(stop, *parts, watch(store, namespaces, stop))
        _log.info("ended")


def _pod() -> str:
    """The name of the pod: there is one process of that name at a time. Outside of pods, a name nobody else has."""
    return os.environ.get("POD_NAME") or f"{socket.gethostname()}-{uuid4().hex[:8]}"


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
