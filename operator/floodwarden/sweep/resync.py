"""Proves that the watch streams are alive: compares the store with a fresh list now and then.

A watch can stall for ever without an error, and a deletion while it was down is never told. So the list (metadata only)
is compared with the store: what is gone is dropped; what the store has missed for two looks in a row
means that the streams are dead, and ``/healthz`` says so until the process is started again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass

import structlog

from floodwarden.api.resource import GROUP, VERSION
from floodwarden.cluster.listing import Listed, list_objects
from floodwarden.cluster.rest import Rest
from floodwarden.sweep import clock
from floodwarden.sweep.store import KINDS, Key, Kinds, Object, Refused, Store

LOOK_EVERY = 60.0  # seconds
LOOK_AGAIN = 10.0  # seconds, while something is missing: a live watch tells it within that
LOOK_FIRST = 0.5  # seconds, until the store is complete
COMPLETE_WITHIN = 20.0  # seconds after the first list

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Seen:
    key: Key
    uid: str
    generation: int


class Resync:
    """Runs until cancelled. At the beginning it tells when the store is ``complete``: nothing is decided on half of it."""

    def __init__(self, rest: Rest, store: Store, namespaces: Collection[str] | None) -> None:
        self._rest = rest
        self._store = store
        self._namespaces = namespaces
        self._missed: set[_Seen] = set()
        self.stale: list[str] = []  # what the watch streams have not told for two looks

    async def run(self) -> None:
        await self._begin()
        while True:
            missed = await self._missing()
            if missed is not None:
                self.stale = sorted(f"{seen.key} (generation {seen.generation})" for seen in missed & self._missed)
                self._missed = missed
                if self.stale:
                    _log.error("watch streams are stale", missed=self.stale[:5])
            await asyncio.sleep(LOOK_AGAIN if self._missed else LOOK_EVERY)

    async def _begin(self) -> None:
        """Look often until the watch streams have told all that is there, or are too slow to be waited for."""
        late: float | None = None
        while not self._store.complete.is_set():
            missed = await self._missing()
            if missed is not None:
                late = late or clock.now() + COMPLETE_WITHIN
                if not missed or clock.now() >= late:
                    self._store.complete.set()
                    return
            await asyncio.sleep(LOOK_FIRST)

    async def _missing(self) -> set[_Seen] | None:
        """What the store does not have; None where that cannot be told."""
        told = [await self._look(kind) for kind in KINDS]
        return None if any(part is None for part in told) else {seen for part in told if part is not None for seen in part}

    async def _look(self, kind: Kinds) -> set[_Seen] | None:
        """What the store does not have as listed; None where that cannot be told. What is gone is dropped."""
        held = self._store.held(kind)
        before = dict(held)
        listed = await list_objects(self._rest, f"{GROUP}/{VERSION}", kind.definition.plural, self._namespaces)
        if listed is None:
            return None
        seen = {_seen(item) for item in listed}
        uids = {item.uid for item in listed}
        for key, resource in before.items():
            if resource.metadata.uid not in uids:
                self._store.drop(kind, key, resource.metadata.uid)
        for refused in [one for one in self._store.refused.values() if one.kind == kind.__name__ and one.uid not in uids]:
            self._store.drop(kind, refused.key, refused.uid)
        return {one for one in seen if not _told(held.get(one.key) or self._store.refused.get((kind.__name__, one.key)), one)}


def _seen(item: Listed) -> _Seen:
    return _Seen(Key(item.namespace, item.name), item.uid, item.generation)


def _told(held: Object | Refused | None, seen: _Seen) -> bool:
    if held is None:
        return False
    known = held if isinstance(held, Refused) else held.metadata
    return known.uid == seen.uid and known.generation >= seen.generation
