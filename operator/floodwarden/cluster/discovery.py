"""Which kinds the API server serves, and which of them can be scaled; used by ``cluster.scale``.

The library's own discovery keeps its cache in a shared temporary file and reads every group again on a miss; this reads
one document per apiVersion, once, and again when a kind is not in it, so that CRDs installed later are found.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

from floodwarden.cluster.rest import ApiError, Failure, Rest, path

LOOK_AGAIN = 5.0  # seconds between two looks for a kind that was not there


@dataclass(frozen=True, slots=True)
class Served:
    """A namespaced kind as the API server serves it."""

    plural: str
    scalable: bool


@dataclass(slots=True)
class _Version:
    kinds: dict[str, Served] = field(default_factory=dict)
    read_at: float | None = None  # monotonic seconds
    reading: asyncio.Task[None] | None = None


class Discovery:
    """Remembers what is served; asks again at most every LOOK_AGAIN seconds for what it does not find."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest
        self._versions: dict[str, _Version] = {}

    async def find(self, api_version: str, kind: str) -> Served | None:
        """How a namespaced kind is served; None when it is not. ApiError when that cannot be told."""
        version = self._versions.get(api_version)
        served = version.kinds.get(kind) if version else None
        return served if served is not None and served.scalable else await self.look_again(api_version, kind)

    async def look_again(self, api_version: str, kind: str) -> Served | None:
        """As ``find``, but not from memory older than LOOK_AGAIN: for when what was found does not hold."""
        version = self._versions.setdefault(api_version, _Version())
        if version.read_at is None or time.monotonic() - version.read_at >= LOOK_AGAIN:
            # A thousand policies that miss together ask once, and hear of one failure together.
            if version.reading is None:
                version.reading = asyncio.create_task(self._read(api_version, version))
            await asyncio.shield(version.reading)
        return version.kinds.get(kind)

    async def _read(self, api_version: str, version: _Version) -> None:
        try:
            listed = await self._rest.get(path(api_version))
        except ApiError as error:
            if error.failure is not Failure.MISSING:
                raise
            listed = {}
        finally:
            version.reading = None
        resources = listed.get("resources", [])
        names = {resource["name"] for resource in resources}
        version.kinds = {
            resource["kind"]: Served(resource["name"], f"{resource['name']}/scale" in names)
            for resource in resources
            if resource["namespaced"] and "/" not in resource["name"]
        }
        version.read_at = time.monotonic()
