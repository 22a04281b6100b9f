"""Lists objects: by their metadata only, which tells which exist and how new they are, or whole.

``list_objects(rest, api_version, plural, namespaces) -> [Listed] | None``, and ``read_objects(…) -> [object] | None``.
RBAC needed: list on the resource.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from floodwarden.cluster.rest import JSON, ApiError, Rest, path

METADATA_ONLY = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"


@dataclass(frozen=True, slots=True)
class Listed:
    namespace: str
    name: str
    uid: str
    generation: int


async def list_objects(rest: Rest, api_version: str, plural: str, namespaces: Collection[str] | None) -> list[Listed] | None:
    """All objects of a kind in the namespaces (None: in all), as they are now; None where it did not answer."""
    items = await _list(rest, api_version, plural, namespaces, METADATA_ONLY)
    if items is None:
        return None
    return [
        Listed(meta["namespace"], meta["name"], meta["uid"], meta.get("generation", 0))
        for meta in (item["metadata"] for item in items)
    ]


async def read_objects(
    rest: Rest, api_version: str, plural: str, namespaces: Collection[str] | None
) -> list[dict[str, Any]] | None:
    """The same objects whole, as plain dictionaries."""
    return await _list(rest, api_version, plural, namespaces, JSON)


async def _list(
    rest: Rest, api_version: str, plural: str, namespaces: Collection[str] | None, accept: str
) -> list[dict[str, Any]] | None:
    scopes = [[]] if namespaces is None else [["namespaces", namespace] for namespace in namespaces]
    try:
        pages = await asyncio.gather(*(rest.get(path(api_version, *scope, plural), accept=accept) for scope in scopes))
    except ApiError:
        return None
    return [item for page in pages for item in page["items"] or []]  # null where there is none
