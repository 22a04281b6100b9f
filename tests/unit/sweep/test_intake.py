"""``sweep.intake``: a fresh list brings what another replica wrote, and nothing that the watch has not told or has taken back."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from kubernetes.aio.client import ApiClient, Configuration

from floodwarden.api.backlogpolicy import BacklogPolicy
from floodwarden.cluster.rest import Rest
from floodwarden.sweep.intake import refresh, understand
from floodwarden.sweep.store import Store, key_of
from tests.support.resources import backlog_policy


def body(name: str, version: str, state: str) -> dict[str, Any]:
    """A policy as a list has it."""
    policy = backlog_policy(name, version=version, status={"state": state})
    meta = policy.metadata
    identity = {"name": name, "namespace": meta.namespace, "uid": meta.uid, "resourceVersion": version, "generation": 1}
    return {"metadata": identity, "spec": policy.spec.to_api(), "status": {"state": state}}


async def refreshed(store: Store, status: int, *policies: dict[str, Any]) -> bool:
    """Refresh a store from an API server that answers so."""

    async def answer(request: web.Request) -> web.Response:
        items = list(policies) if "backlogpolicies" in request.path else []
        return web.json_response({"items": items}, status=status)

    app = web.Application()
    app.router.add_get("/{any:.*}", answer)
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(TestServer(app, host="127.0.0.1"))
        client = await stack.enter_async_context(ApiClient(Configuration(host=str(server.make_url("")).rstrip("/"))))
        return await refresh(Rest(client), store, None)


async def test_a_list_renews_what_is_held_and_adds_nothing() -> None:
    """A policy that is gone since does not come back, and a newer status is known to whoever begins to act."""
    store = Store()
    held = understand(BacklogPolicy, body("billing", "10", "Steady"))
    store.put(held)
    assert await refreshed(store, 200, body("billing", "12", "OverLimit"), body("gone", "11", "Steady"))
    assert list(store.policies) == [key_of(held)]
    renewed = store.renewed(store.policies[key_of(held)])
    assert renewed.status.state == "OverLimit"


async def test_no_answer_is_no_refresh() -> None:
    """Nothing begins on what may be old."""
    assert not await refreshed(Store(), 503)
