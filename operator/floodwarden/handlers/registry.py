"""The kopf side: watches the resources and feeds the store; nothing else happens here.

Handlers take raw watch events only, so that kopf writes nothing to any object: no finalizers, no progress, no annotations.
"""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import os
from collections.abc import Collection, Iterator, Mapping
from itertools import chain, repeat
from typing import Any

import kopf
import structlog

from floodwarden.api.resource import GROUP, VERSION
from floodwarden.sweep import clock
from floodwarden.sweep.intake import take_in
from floodwarden.sweep.store import KINDS, Key, Kinds, Store

# For peering, which is off; without one kopf looks for the user's name, which a container's user need not have.
IDENTITY: Any = "floodwarden"
SERVER_TIMEOUT = 600  # whole seconds after which the API server ends a watch and it is taken up where it was
INACTIVE_AFTER = 90.0  # seconds without even a bookmark after which a stream counts as dead
CONNECT_WITHIN = 5.0
STEADY_AFTER = 20.0  # seconds for which watching must have gone well for a failure to be worth another try
PAUSE = 1.0  # seconds before that
LONGEST_BACKOFF = 5.0  # seconds between two tries of a request


_log = structlog.get_logger(__name__)


def registry_for(store: Store) -> kopf.OperatorRegistry:
    """A registry of our own, with one handler for each kind."""
    registry = kopf.OperatorRegistry()
    kopf.on.login(registry=registry)(_login)
    for kind in KINDS:
        handler = _feeder(store, kind)
        kopf.on.event(GROUP, VERSION, kind.definition.plural, registry=registry)(handler)
    return registry


class Patience:
    """The pauses between the tries of one request, in seconds, without an end.

    kopf's own end after a minute, and with them the process: rights that are taken away, or an API server that answers with
    errors for longer, must not be worth a restart. They also grow to 21 s, for which nothing is known once it is back.
    """

    def __iter__(self) -> Iterator[float]:
        return chain((0.5, 1.0, 2.0, 3.0), repeat(LONGEST_BACKOFF))


def settings() -> kopf.OperatorSettings:
    """Time limits on every watch (without them streams have been seen to stall for ever), and no writes by kopf."""
    chosen = kopf.OperatorSettings()
    chosen.networking.error_backoffs = Patience()
    chosen.watching.server_timeout = SERVER_TIMEOUT
    chosen.watching.client_timeout = SERVER_TIMEOUT + 60
    chosen.watching.connect_timeout = CONNECT_WITHIN
    chosen.watching.inactivity_timeout = INACTIVE_AFTER
    chosen.posting.enabled = False
    chosen.scanning.disabled = True
    return chosen


async def watch(store: Store, namespaces: Collection[str] | None, stop: asyncio.Event) -> None:
    """Watch until cancelled, or until kopf ends, which sets ``stop`` for the others: it takes SIGTERM and SIGINT for itself.

    kopf gives up where a stream is cut in the middle of an event, or tells of an error. That is no reason to stop the sweeps:
    watching is begun again, with a list of everything, unless it fails again right away.
    """
    while True:
        began = clock.now()
        try:
            await _watch(store, namespaces)
        except Exception:
            if clock.now() - began < STEADY_AFTER:
                raise
            _log.warning("watching failed and is begun again")
        else:
            stop.set()
            return
        gc.collect()  # what kopf leaves behind complains when it is collected: better now than when logging has ended
        await asyncio.sleep(PAUSE)


async def _watch(store: Store, namespaces: Collection[str] | None) -> None:
    """Watch until cancelled, or until kopf ends; its failure is raised.

    kopf's tasks are ours to end. Its own way would take every task of the process for one of its own: it would wait five
    seconds for the sweeps, then cancel them in no order, and raise whatever they had failed with.
    """
    tasks = await kopf.spawn_tasks(
        registry=registry_for(store),
        settings=settings(),
        identity=IDENTITY,
        standalone=True,
        clusterwide=namespaces is None,
        namespaces=namespaces or (),
    )
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)  # before the others end: cancelled twice, kopf leaves things open
        await _end_streams()
    for task in done:
        task.result()


async def _end_streams() -> None:
    """When one stream has failed kopf leaves the others behind: they would go on for ever, and so would the process."""
    left = [task for task in asyncio.all_tasks() if task.get_name().startswith("watcher for ")]
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)


def _login(**kwargs: Any) -> kopf.ConnectionInfo | None:
    account = kopf.login_with_service_account(**kwargs)
    if account is None:
        return kopf.login_with_kubeconfig(**kwargs)
    # kopf goes by the service's DNS name; the environment, as client-go reads it, also holds for pods on their node's network.
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
    return dataclasses.replace(account, server=f"https://{f'[{host}]' if ':' in host else host}:{port}")


def _feeder(store: Store, kind: Kinds) -> Any:
    async def feed(event: Mapping[str, Any], **_: Any) -> None:
        body = event["object"]
        if event["type"] == "DELETED":
            meta = body["metadata"]
            store.drop(kind, Key(meta["namespace"], meta["name"]), meta.get("uid"))
        else:
            take_in(store, kind, body)

    return feed
