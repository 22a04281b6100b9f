"""An API server of a few objects, for tests of what is asked of it and how often. The real one is in tests/contract/cluster."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from typing import Any

from floodwarden.cluster.rest import JSON, STRATEGIC_MERGE_PATCH, ApiError, Failure, Rest

Object = dict[str, Any]
LISTED = ("deployments", "statefulsets", "daemonsets", "kafkatopics")


class FewObjects(Rest):
    """Keeps objects by their paths. ``requests`` are those it was sent, ``denied`` verbs and words of paths that it refuses."""

    def __init__(self) -> None:
        self.objects: dict[str, Object] = {}
        self.requests: list[str] = []
        self.denied: list[tuple[str, str]] = []
        self._version = 0

    def put(self, path: str, found: Object) -> None:
        """Keep an object, as somebody else would write it."""
        self._version += 1
        named = {"namespace": path.split("/")[-3], "name": path.split("/")[-1], "uid": f"uid-{path}", "generation": 1}
        metadata = {**named, **found.get("metadata", {}), "resourceVersion": str(self._version)}
        self.objects[path] = {**copy.deepcopy(found), "metadata": metadata}

    def written(self) -> list[str]:
        """The requests so far that were no reading."""
        return [request for request in self.requests if not request.startswith("GET")]

    async def send(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, str] | None = None,
        body: Any = None,
        content_type: str = JSON,
        accept: str = JSON,
    ) -> bytes:
        self.requests.append(f"{method} {path}")
        if any(method == verb and word in path for verb, word in self.denied):
            raise ApiError(Failure.FORBIDDEN, f"somebody cannot {method}, for a test")
        if method == "POST":
            path = f"{path}/{body['metadata']['name']}"
            self.put(path, body)
        elif method == "GET" and path.rpartition("/")[2] in LISTED:
            held = [found for where, found in self.objects.items() if where.rpartition("/")[0] == path]
            label = (query or {}).get("labelSelector")
            chosen = [found for found in held if label is None or label in (found["metadata"].get("labels") or {})]
            return json.dumps({"items": chosen}).encode()
        elif path not in self.objects:
            raise ApiError(Failure.MISSING, "not there, for a test")
        elif method == "PATCH":
            self._patch(path, body, lists_by_name=content_type == STRATEGIC_MERGE_PATCH)
        return json.dumps(self.objects[path]).encode()

    def _patch(self, path: str, body: Mapping[str, Any], *, lists_by_name: bool) -> None:
        before = self.objects[path]
        if body["metadata"]["resourceVersion"] != before["metadata"]["resourceVersion"]:
            raise ApiError(Failure.CONFLICT, "changed meanwhile, for a test")
        self.put(path, merged(before, body, lists_by_name=lists_by_name))


def merged(before: Any, patch: Any, *, lists_by_name: bool) -> Any:
    """What a merge patch makes of a value; ``lists_by_name`` as a strategic one does with containers and variables."""
    if isinstance(patch, Mapping):
        held = dict(before or {})
        for key, value in patch.items():
            held[key] = merged(held.get(key), value, lists_by_name=lists_by_name)
        return {key: value for key, value in held.items() if value is not None}
    if isinstance(patch, list) and lists_by_name:
        by_name = {one["name"]: one for one in before or []}
        for one in patch:
            by_name[one["name"]] = merged(by_name.get(one["name"]), one, lists_by_name=True)
        return list(by_name.values())
    return patch
