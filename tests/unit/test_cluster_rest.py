"""``cluster.rest``: what becomes of every kind of answer, over real HTTP on loopback."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from kubernetes.aio.client import ApiClient, Configuration

from floodwarden.cluster.rest import MESSAGE_LENGTH, ApiError, Failure, Rest, parse, path

Serve = Callable[[web.Response], Awaitable[Rest]]

NOT_FOUND = '{"kind":"Status","message":"deployments.apps \\"x\\" not found","code":404}'

FAILURES = [
    pytest.param(400, "{}", Failure.REFUSED, id="bad request"),
    pytest.param(401, "Unauthorized", Failure.FORBIDDEN, id="credentials refused"),
    pytest.param(403, "{}", Failure.FORBIDDEN, id="RBAC"),
    pytest.param(404, NOT_FOUND, Failure.MISSING, id="no such object"),
    pytest.param(404, "404 page not found", Failure.MISSING, id="no such path"),
    pytest.param(405, "{}", Failure.REFUSED, id="not here"),
    pytest.param(409, "{}", Failure.CONFLICT, id="conflict"),
    pytest.param(422, "{}", Failure.REFUSED, id="invalid"),
    pytest.param(429, "{}", Failure.UNREACHABLE, id="too many requests"),
    pytest.param(500, "oops", Failure.UNREACHABLE, id="internal error"),
    pytest.param(503, "<html>no backend</html>", Failure.UNREACHABLE, id="load balancer"),
    pytest.param(504, "{}", Failure.UNREACHABLE, id="timeout"),
]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """``await serve(answer)``: a connection to a server that answers everything so."""
    async with AsyncExitStack() as stack:

        async def answering(answer: web.Response) -> Rest:
            async def handle(_: web.Request) -> web.Response:
                return answer

            app = web.Application()
            app.router.add_route("*", "/{any:.*}", handle)
            server = await stack.enter_async_context(TestServer(app, host="127.0.0.1"))
            client = ApiClient(Configuration(host=str(server.make_url("")).rstrip("/")))
            return Rest(await stack.enter_async_context(client))

        yield answering


@pytest.mark.parametrize(("status", "body", "failure"), FAILURES)
async def test_every_refusal_has_a_name(serve: Serve, status: int, body: str, failure: Failure) -> None:
    """Each HTTP status that an API server, or something before it, gives."""
    rest = await serve(web.Response(status=status, text=body))
    with pytest.raises(ApiError) as caught:
        await rest.get("/api/v1/anything")
    assert caught.value.failure is failure
    assert caught.value.status == status
    assert str(caught.value)


def test_the_table_of_refusals_is_complete() -> None:
    """Every name that a failure can have is in it."""
    assert {case.values[2] for case in FAILURES} == set(Failure)


async def test_the_words_are_the_servers_own(serve: Serve) -> None:
    """The message of the Status object, and a sensible length of anything else."""
    rest = await serve(web.Response(status=404, text=NOT_FOUND))
    with pytest.raises(ApiError, match=r'^deployments.apps "x" not found$'):
        await rest.get("/x")
    rest = await serve(web.json_response({"message": "x" * 10_000}, status=422))
    with pytest.raises(ApiError) as caught:
        await rest.get("/x")
    assert len(str(caught.value)) == MESSAGE_LENGTH


@pytest.mark.parametrize("body", ["password: hunter2", '["hunter2"]', '{"password": "hunter2"'])
async def test_an_answer_that_is_none_is_not_passed_on(serve: Serve, body: str) -> None:
    """What is not a JSON object did not come from an API server; its text may be a secret and stays out of the error."""
    rest = await serve(web.Response(text=body))
    with pytest.raises(ApiError) as caught:
        await rest.get("/x")
    assert caught.value.failure is Failure.UNREACHABLE
    assert "hunter2" not in str(caught.value)
    assert caught.value.__context__ is None, "a JSONDecodeError carries the whole text"


@pytest.mark.parametrize(
    ("api_version", "segments", "expected"),
    [
        ("v1", ("pods",), "/api/v1/pods"),
        ("apps/v1", ("namespaces", "shop", "deployments", "billing", "scale"), None),
        (
            "rbac.authorization.k8s.io/v1",
            ("roles", "system:a b?c#d"),
            "/apis/rbac.authorization.k8s.io/v1/roles/system%3Aa%20b%3Fc%23d",
        ),
    ],
)
def test_paths(api_version: str, segments: tuple[str, ...], expected: str | None) -> None:
    """The core group lies apart; what is special in a URL is quoted."""
    assert path(api_version, *segments) == (expected or f"/apis/{api_version}/{'/'.join(segments)}")


@pytest.mark.parametrize("segment", ["", ".", "..", "a/b", "%2e%2e"])
def test_nothing_climbs_out_of_a_path(segment: str) -> None:
    """A name that users wrote cannot reach another resource."""
    for parts in [("apps/v1", segment), (f"{segment}/v1", "pods") if "/" not in segment else ("a/b/../v1", "pods")]:
        with pytest.raises(ApiError) as caught:
            path(*parts)
        assert caught.value.failure is Failure.MISSING


async def test_no_write_passes_the_fence(serve: Serve) -> None:
    """Once a replica's time is over it may read, and writes nothing."""
    in_time = Rest((await serve(web.json_response({"ok": True})))._client, fence=lambda: 5.0)
    assert parse(await in_time.send("PUT", "/api/v1/anything", body={})) == {"ok": True}
    too_late = Rest((await serve(web.json_response({"ok": True})))._client, fence=lambda: 0.0)
    for method in ("PUT", "POST", "PATCH", "DELETE"):
        with pytest.raises(ApiError, match="Lease has run out") as caught:
            await too_late.send(method, "/api/v1/anything", body={})
        assert caught.value.failure is Failure.UNREACHABLE
    assert await too_late.get("/api/v1/anything") == {"ok": True}


async def test_a_write_waits_no_longer_than_the_fence_allows() -> None:
    """A server that does not answer is given up when the time to write is over, not when the usual limit is."""

    async def silent(_: web.Request) -> web.Response:
        await asyncio.Event().wait()
        return web.Response()

    app = web.Application()
    app.router.add_route("*", "/{any:.*}", silent)
    async with TestServer(app, host="127.0.0.1") as server:
        client = ApiClient(Configuration(host=str(server.make_url("")).rstrip("/")))
        async with client:
            began = time.monotonic()
            with pytest.raises(ApiError):
                await Rest(client, fence=lambda: 0.2).send("PUT", "/api/v1/anything", body={})
            assert time.monotonic() - began < 5
