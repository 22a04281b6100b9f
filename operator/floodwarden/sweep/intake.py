"""From objects as the API server tells them to the store: the one way in, for the watch streams and for a fresh look."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from typing import Any

import structlog

from floodwarden.api.resource import GROUP, VERSION, InvalidManifest
from floodwarden.cluster.listing import read_objects
from floodwarden.cluster.rest import Rest
from floodwarden.cluster.status import written_by_others
from floodwarden.sweep.store import KINDS, Key, Kinds, Object, Refused, Store

AT_ONCE = 100  # objects taken in before others get their turn

_log = structlog.get_logger(__name__)


def take_in(store: Store, kind: Kinds, body: Mapping[str, Any]) -> None:
    """Put an object into the store, or say there that it cannot be understood."""
    try:
        store.put(understand(kind, body))
    except InvalidManifest as error:
        meta, definition = body["metadata"], kind.definition
        key = Key(meta["namespace"], meta["name"])
        _log.error("manifest not understood", kind=kind.__name__, object=str(key), why=str(error))
        refused = Refused(definition.kind, definition.plural, key, meta["uid"], meta.get("generation", 0), str(error))
        store.refuse(kind, refused)


def understand(kind: Kinds, body: Mapping[str, Any]) -> Object:
    """The typed object. A status that somebody edited is no memory of ours, and one that another version wrote may be unknown
    to us: such a status is left out, and ours to write anew."""
    bare = {name: value for name, value in body.items() if name != "status"}
    if written_by_others(body):
        return kind.parse(bare)
    try:
        return kind.parse(body)
    except InvalidManifest:
        return kind.parse(bare)


async def refresh(rest: Rest, store: Store, namespaces: Collection[str] | None) -> bool:
    """Read all objects that are held, with what another replica wrote a moment ago; False where the API server did not answer.

    What comes and goes is for the watch to tell: a list may be older.
    """
    for kind in KINDS:
        bodies = await read_objects(rest, f"{GROUP}/{VERSION}", kind.definition.plural, namespaces)
        if bodies is None:
            return False
        held = store.held(kind)
        for number, body in enumerate(bodies):
            found = held.get(Key(body["metadata"]["namespace"], body["metadata"]["name"]))
            if found is not None and found.metadata.uid == body["metadata"]["uid"]:
                take_in(store, kind, body)
            if number % AT_ONCE == AT_ONCE - 1:
                await asyncio.sleep(0)
    return True
