"""Prometheus over real HTTP on loopback: every kind of answer has a reason, all is bounded, no secret is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from floodwarden.brokers.base import BrokerError
from floodwarden.brokers.prometheus import Access, AccessError, PrometheusBroker, server
from floodwarden.brokers.prometheus.questions import KAFKA_EXPORTER
from floodwarden.brokers.prometheus.server import Server
from floodwarden.core.observation import Query, Subscription, UnknownReason
from tests.support.http_answers import Answering, answering, hanging_up, silence

TOKEN = "hunter2-of-the-proxy"


class Fake:
    """Answers as it is told, and keeps what was asked."""

    def __init__(self) -> None:
        self.answering: Answering = answering(200, '{"status":"success","data":{"resultType":"vector","result":[]}}')
        self.asked: list[tuple[str, dict[str, str], str | None]] = []
        app = web.Application()
        app.router.add_route("*", "/{any:.*}", self._answer)
        self.server = TestServer(app, host="127.0.0.1")

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        form = {key: str(value) for key, value in (await request.post()).items()}
        self.asked.append((request.path, form, request.headers.get("Authorization")))
        return await self.answering(request)


async def endless(request: web.Request) -> web.StreamResponse:
    """A million series and more, for as long as anybody listens."""
    answer = web.StreamResponse()
    await answer.prepare(request)
    await answer.write(b'{"status":"success","data":{"resultType":"vector","result":[')
    row = {"metric": {"floodwarden": "end", "topic": "orders", "partition": "1"}, "value": [1700000000.1, "1"]}
    rows = (json.dumps(row) + ",").encode() * 10_000
    while True:
        await answer.write(rows)


@pytest.fixture
async def fake() -> AsyncIterator[Fake]:
    fake = Fake()
    await fake.server.start_server()
    yield fake
    await fake.server.close()


@pytest.fixture
async def client(fake: Fake) -> AsyncIterator[Server]:
    async with AsyncExitStack() as stack:
        client = Server(Access(f"http://127.0.0.1:{fake.server.port}/prom/", token=TOKEN))
        stack.push_async_callback(client.close)
        yield client


async def refused(client: Server) -> BrokerError:
    """What became of a question; nothing of the token is in it."""
    with pytest.raises(BrokerError) as caught:
        await client.query("up")
    error: BaseException | None = caught.value
    while error is not None:
        assert "hunter2" not in f"{error} {error!r}"
        error = error.__cause__ or error.__context__
    return caught.value


def failing(kind: str) -> str:
    return json.dumps({"status": "error", "errorType": kind, "error": f"you sent {TOKEN}"})


REFUSALS: dict[str, tuple[Answering, UnknownReason, str]] = {
    "a wrong token": (answering(401, TOKEN), UnknownReason.AUTHENTICATION_FAILED, "check the Secret of"),
    "no right": (answering(403), UnknownReason.AUTHORIZATION_FAILED, "does not let the bearer token query"),
    "a wrong query": (answering(400, failing("bad_data")), UnknownReason.BROKER_ERROR, "correct queries"),
    "another server's 400": (answering(400, "<html>"), UnknownReason.BROKER_ERROR, "correct url"),
    "not to be evaluated": (answering(422, failing("execution")), UnknownReason.BROKER_ERROR, "too many samples"),
    "too slow": (answering(503, failing("timeout")), UnknownReason.TIMEOUT, "in time"),
    "starting": (answering(503, "Service Unavailable"), UnknownReason.BROKER_UNREACHABLE, "Prometheus starts"),
    "none behind it": (answering(502), UnknownReason.BROKER_UNREACHABLE, "check that it runs"),
    "too often": (answering(429), UnknownReason.BROKER_UNREACHABLE, "raise sweepInterval"),
    "broken": (answering(500), UnknownReason.BROKER_ERROR, "see the log"),
    "elsewhere": (answering(302, Location="http://127.0.0.1:1/"), UnknownReason.BROKER_ERROR, "set url to that one"),
    "no Prometheus": (answering(404), UnknownReason.BROKER_ERROR, "correct url"),
    "hangs up": (hanging_up, UnknownReason.BROKER_UNREACHABLE, "closed the connection"),
    "no JSON": (answering(200, "<html>"), UnknownReason.BROKER_ERROR, "no JSON"),
    "nested without end": (answering(200, "[" * 100_000), UnknownReason.BROKER_ERROR, "no JSON"),
    "a million series": (endless, UnknownReason.BROKER_ERROR, "more than 16 MiB"),
}


@pytest.mark.parametrize(("answer", "reason", "says"), REFUSALS.values(), ids=REFUSALS)
async def test_every_answer_has_a_reason(fake: Fake, client: Server, answer: Answering, reason: UnknownReason, says: str) -> None:
    """And says what to do, without the token."""
    fake.answering = answer
    error = await refused(client)
    assert error.reason is reason
    assert says in str(error)


async def test_what_is_asked(fake: Fake, client: Server) -> None:
    """Behind the path that is given, with the token, a time limit, and no part left out."""
    await client.query("up")
    form = {"query": "up", "timeout": "5s", "partial_response": "false"}
    assert fake.asked == [("/prom/api/v1/query", form, f"Bearer {TOKEN}")]


async def test_silence_ends(fake: Fake, client: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within the limit."""
    monkeypatch.setattr(server, "REQUEST_SECONDS", 0.2)
    fake.answering = silence
    assert (await refused(client)).reason is UnknownReason.TIMEOUT


async def test_one_that_fails_is_left_alone_for_a_while(fake: Fake, client: Server) -> None:
    """And asked again by itself; what answers ends that."""
    works, fake.answering = fake.answering, answering(401)
    first = await refused(client)
    assert await refused(client) is first
    assert client.requests == 1
    fake.answering = works
    async with asyncio.timeout(5):
        while client.requests == 1:
            try:
                await client.query("up")
            except BrokerError:
                await asyncio.sleep(0.02)
    await client.query("up")
    assert client.requests == 3


async def test_nothing_answered_is_unknown(fake: Fake) -> None:
    """Not a group without backlog."""
    broker = PrometheusBroker(Access(f"http://127.0.0.1:{fake.server.port}"), KAFKA_EXPORTER, {}, 90)
    subscription = Subscription("billing")
    snapshot = await broker.observe([Query(subscription)])
    assert "no series tells of group billing" in str(snapshot.readings[subscription])
    assert fake.asked[0][2] is None
    fake.answering = answering(200, "[]")
    with pytest.raises(BrokerError, match="not what the API of Prometheus answers; check url"):
        await broker.observe([Query(subscription)])
    await broker.close()
    await broker.close()


UNUSABLE: dict[str, tuple[dict[str, str], str]] = {
    "no address": ({"url": "prometheus:9090"}, "no address"),
    "a port that is none": ({"url": "http://prometheus:99999"}, "no address"),
    "a user in it": ({"url": "http://anna:hunter2@prometheus"}, "belong into the Secret"),
    "a query in it": ({"url": "http://prometheus?x=1"}, "leave them away"),
    "no password": ({"username": "anna", "password": ""}, "empty"),
    "a colon": ({"username": "an:na", "password": "hunter2"}, "colon"),
    "an empty token": ({"token": ""}, "the token is empty"),
    "a token of two lines": ({"token": "hunter2\nX-Forged: 1"}, "HTTP cannot send"),
}


@pytest.mark.parametrize(("given", "says"), UNUSABLE.values(), ids=UNUSABLE)
def test_what_is_of_no_use(given: dict[str, str], says: str) -> None:
    """Is said before anything is sent, and not quoted."""
    with pytest.raises(AccessError, match=says) as caught:
        Access(**{"url": "http://prometheus:9090", **given})  # type: ignore[arg-type]
    assert "hunter2" not in str(caught.value)


def test_no_secret_is_shown() -> None:
    """In a traceback or a log."""
    assert "hunter2" not in repr(Access("http://prometheus", token="hunter2"))
    assert "hunter2" not in repr(Access("http://prometheus", "anna", "hunter2"))
