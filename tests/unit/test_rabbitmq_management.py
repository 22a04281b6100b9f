"""The management API over real HTTP on loopback: every kind of answer has a reason, no node down blinds, no secret is told."""

from __future__ import annotations

import asyncio
import gzip
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from floodhack.certificates import Authority
from floodwarden.brokers.base import BrokerError
from floodwarden.brokers.rabbitmq import Access, management
from floodwarden.brokers.rabbitmq.management import Management
from floodwarden.core.observation import UnknownReason
from tests.support.http_answers import answering, hanging_up, silence
from tests.support.rabbit import FakeManagement

PASSWORD = "hunter2-of-the-broker"

Serve = Callable[..., Awaitable[FakeManagement]]
Connect = Callable[..., Management]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Starts servers, and stops them after the test."""
    async with AsyncExitStack() as stack:

        async def one(answers: Any = None, tls: ssl.SSLContext | None = None) -> FakeManagement:
            fake = FakeManagement()
            if answers is not None:
                fake.whatever(answers)
            await fake.start(tls)
            stack.push_async_callback(fake.stop)
            return fake

        yield one


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Makes clients for some addresses, whose sweep has begun, and closes them after the test."""
    async with AsyncExitStack() as stack:

        def to(*urls: str, seconds: float = 8.0, **changes: Any) -> Management:
            client = Management(Access(urls, "watcher", PASSWORD, **changes))
            client.begin(asyncio.get_running_loop().time() + seconds)
            stack.push_async_callback(client.close)
            return client

        yield to


async def half(request: web.Request) -> web.StreamResponse:
    """Announces more than it sends."""
    answer = web.StreamResponse(headers={"Content-Length": "1000"})
    await answer.prepare(request)
    await answer.write(b'[{"name":')
    assert request.transport is not None
    request.transport.close()
    return answer


async def endless(request: web.Request) -> web.StreamResponse:
    """Sends for as long as anybody listens, and never says how much."""
    answer = web.StreamResponse()
    await answer.prepare(request)
    while True:
        await answer.write(b"[" + b"0," * 2**19)


async def refused(client: Management) -> BrokerError:
    """What became of a question."""
    with pytest.raises(BrokerError) as caught:
        await client.get("queues", "/", columns="name")
    told, seen = caught.value, set()
    error: BaseException | None = caught.value
    while error is not None and error not in seen:
        seen.add(error)
        assert PASSWORD not in f"{error} {error!r}"
        assert "hunter2" not in f"{error} {error!r}"
        error = error.__cause__ or error.__context__
    return told


LOGIN = '{"error":"not_authorized","reason":"Login failed"}'
REFUSALS = {
    "wrong password": (answering(401, LOGIN), UnknownReason.AUTHENTICATION_FAILED, "check username and password"),
    "a proxy's refusal": (answering(401, "Denied"), UnknownReason.AUTHENTICATION_FAILED, "check username and password"),
    "no tag": (
        answering(401, '{"error":"not_authorised","reason":"Not management user"}'),
        UnknownReason.AUTHORIZATION_FAILED,
        "give user watcher the tag monitoring",
    ),
    "too small a tag": (
        answering(401, '{"error":"not_authorised","reason":"Not monitor user"}'),
        UnknownReason.AUTHORIZATION_FAILED,
        "give user watcher the tag monitoring",
    ),
    "no permission": (
        answering(401, '{"error":"not_authorised","reason":"User not authorised to access virtual host"}'),
        UnknownReason.AUTHORIZATION_FAILED,
        "give user watcher a permission on virtual host /",
    ),
    "forbidden": (answering(403, "{}"), UnknownReason.AUTHORIZATION_FAILED, "monitoring"),
    "guest from afar": (
        answering(401, '{"error":"not_authorised","reason":"User can only log in via localhost"}'),
        UnknownReason.AUTHORIZATION_FAILED,
        "make a user for Floodwarden",
    ),
    "no passwords taken": (
        answering(401, '{"error":"not_authorised","reason":"HTTP access denied: basic auth disabled"}'),
        UnknownReason.AUTHORIZATION_FAILED,
        "disable_basic_auth",
    ),
    "no such virtual host": (
        answering(404, '{"error":"Object Not Found","reason":"Not Found"}'),
        UnknownReason.BROKER_ERROR,
        "no virtual host /",
    ),
    "no management API": (answering(404, "<html>"), UnknownReason.BROKER_ERROR, "correct managementURL"),
    "no statistics": (
        answering(400, '{"error":"bad_request","reason":"Stats in management UI are disabled on this node"}'),
        UnknownReason.UNSUPPORTED,
        "disable_metrics_collector",
    ),
    "too many requests": (answering(429), UnknownReason.BROKER_ERROR, "answered 429"),
    "internal error": (answering(500, "hunter2"), UnknownReason.BROKER_ERROR, "see the log"),
    "a balancer without nodes": (answering(503), UnknownReason.BROKER_UNREACHABLE, "no node is behind it"),
    "somewhere else": (answering(302, Location="http://hunter2/"), UnknownReason.BROKER_ERROR, "set managementURL to that one"),
    "text": (answering(200, "hunter2"), UnknownReason.BROKER_ERROR, "no JSON"),
    "nothing": (answering(200), UnknownReason.BROKER_ERROR, "no JSON"),
    "half of it": (answering(200, '[{"name": "hunter2'), UnknownReason.BROKER_ERROR, "no JSON"),
    "bytes that are no text": (answering(200, b"\xff\xfe\x00"), UnknownReason.BROKER_ERROR, "no JSON"),
    "nested without end": (answering(200, "[" * 200_000), UnknownReason.BROKER_ERROR, "no JSON"),
    "a number without end": (answering(200, "9" * 100_000), UnknownReason.BROKER_ERROR, "no JSON"),
    "a compressed answer": (
        answering(200, gzip.compress(b"[]"), **{"Content-Encoding": "gzip"}),
        UnknownReason.BROKER_ERROR,
        "no JSON",
    ),
    "hanging up": (hanging_up, UnknownReason.BROKER_UNREACHABLE, "closed the connection"),
    "less than announced": (half, UnknownReason.BROKER_UNREACHABLE, "closed the connection"),
}


@pytest.mark.parametrize(("answer", "reason", "says"), REFUSALS.values(), ids=REFUSALS)
async def test_every_answer_has_a_reason(serve: Serve, connect: Connect, answer: Any, reason: UnknownReason, says: str) -> None:
    """With the address and what to do next; neither the answer nor the password is quoted."""
    fake = await serve(answer)
    told = await refused(connect(fake.url))
    assert told.reason is reason
    assert says in str(told)
    assert fake.url.removeprefix("http://") in str(told)


async def test_silence_ends_with_the_time_for_it(serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that does not answer is given up."""
    monkeypatch.setattr(management, "REQUEST_SECONDS", 0.1)
    told = await asyncio.wait_for(refused(connect((await serve(silence)).url)), 4)
    assert told.reason is UnknownReason.TIMEOUT


async def test_the_sweep_ends_in_time_too(serve: Serve, connect: Connect) -> None:
    """With what is left of the sweep, whatever a request may take."""
    told = await asyncio.wait_for(refused(connect((await serve(silence)).url, seconds=0.1)), 2)
    assert told.reason is UnknownReason.TIMEOUT
    over = await refused(connect((await serve()).url, seconds=0.0))
    assert "time was used up" in str(over)


async def test_endless_answers_are_cut_off(serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    """No answer takes more memory than is meant for it."""
    monkeypatch.setattr(management, "LARGEST_ANSWER", 2**21)
    told = await refused(connect((await serve(endless)).url))
    assert told.reason is UnknownReason.BROKER_ERROR
    assert "more than 2 MiB" in str(told)


async def test_another_node_answers(serve: Serve, connect: Connect, unused_tcp_port: int) -> None:
    """One that is down, one that hangs up and one that fails do not blind; the one that answered is asked first then."""
    good = await serve()
    bad = [await serve(hanging_up), await serve(answering(500))]
    client = connect(f"http://127.0.0.1:{unused_tcp_port}", *(one.url for one in bad), good.url)
    assert await client.get("queues", "/", columns="name") == []
    assert client.requests == 4
    asked = [len(one.asked) for one in bad]
    assert await client.get("queues", "/", columns="name") == []
    assert client.requests == 5
    assert [len(one.asked) for one in bad] == asked


async def test_all_that_failed_are_named(serve: Serve, connect: Connect) -> None:
    """The failure that says most in full, and the addresses of those alike."""
    nodes = [await serve(answering(401, LOGIN)), await serve(hanging_up), await serve(answering(401, LOGIN))]
    told = await refused(connect(*(one.url for one in nodes)))
    assert told.reason is UnknownReason.AUTHENTICATION_FAILED
    addresses = [one.url.removeprefix("http://") for one in nodes]
    assert f"{addresses[0]} refused user watcher" in str(told)
    assert f"likewise {addresses[2]}" in str(told)


async def test_missing_rights_are_missing_everywhere(serve: Serve, connect: Connect) -> None:
    """No other node is asked, and none is left alone for it."""
    denied = await serve(answering(403))
    other = await serve()
    client = connect(denied.url, other.url)
    await refused(client)
    await refused(client)
    assert (len(denied.asked), len(other.asked)) == (2, 0)


async def test_a_node_that_failed_is_left_alone_for_a_while(serve: Serve, connect: Connect) -> None:
    """The failure is told again without asking; afterwards it is asked again."""
    fake = await serve(answering(503))
    client = connect(fake.url)
    first = await refused(client)
    assert str(await refused(client)) == str(first)
    assert len(fake.asked) == 1
    fake.whatever(answering(200, "[]"))

    async def answered() -> None:
        while True:
            try:
                await client.get("queues", "/", columns="name")
            except BrokerError:
                await asyncio.sleep(0.01)
            else:
                return

    await asyncio.wait_for(answered(), 5)


async def test_paths(serve: Serve, connect: Connect) -> None:
    """What is special in a URL is quoted, a path before /api is kept, and no more columns are asked for than named."""
    fake = await serve()
    client = connect(f"{fake.url}/rabbit/", vhost="a/b?c#d %2f")
    await client.get("queues", "a/b?c#d %2f", columns="name,message_stats.ack")
    assert str(fake.asked[0].rel_url) == "/rabbit/api/queues/a%2Fb%3Fc%23d%20%252f?columns=name,message_stats.ack"
    assert fake.asked[0].headers["Accept-Encoding"] == "identity"


async def test_the_same_answer_is_the_same_object(serve: Serve, connect: Connect) -> None:
    """What is the same byte for byte is not read again."""
    fake = await serve()
    client = connect(fake.url)
    first = await client.get("nodes", columns="name")
    assert await client.get("nodes", columns="name") is first
    fake.answers["nodes"] = []
    assert await client.get("nodes", columns="name") == []


async def test_a_cancelled_question_does_no_harm(serve: Serve, connect: Connect) -> None:
    """The next one is answered."""
    fake = await serve(silence)
    client = connect(fake.url)
    asking = asyncio.create_task(client.get("queues", "/", columns="name"))
    while not fake.asked:
        await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    fake.whatever(answering(200, "[]"))
    assert await client.get("queues", "/", columns="name") == []


async def test_closing_twice(serve: Serve, connect: Connect) -> None:
    """Also of one that was never used."""
    client = connect((await serve()).url)
    await client.close()
    await client.get("queues", "/", columns="name")
    await client.close()
    await client.close()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority for certificates of 127.0.0.1."""
    made = Authority(tmp_path_factory.mktemp("authority"))
    made.create()
    return made


def server_side(authority: Authority, address: str = "127.0.0.1") -> ssl.SSLContext:
    """TLS as a server for an address."""
    pair = authority.issue(f"server-{address}", "rabbit", addresses=[f"IP:{address}"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    return context


def pem(authority: Authority) -> bytes:
    """The authority's certificate."""
    return Path(authority.pair.certificate).read_bytes()


async def test_https(serve: Serve, connect: Connect, authority: Authority) -> None:
    """With the CA that was given."""
    fake = await serve(tls=server_side(authority))
    assert await connect(fake.url, ca=pem(authority)).get("queues", "/", columns="name") == []
    assert fake.url.startswith("https")


async def test_certificates_are_checked(serve: Serve, connect: Connect, authority: Authority) -> None:
    """One of an authority that is not trusted, and one of another host, are refused before anything secret is sent."""
    fake = await serve(tls=server_side(authority))
    told = await refused(connect(fake.url))
    assert told.reason is UnknownReason.AUTHENTICATION_FAILED
    assert "caSecretRef" in str(told)
    elsewhere = await serve(tls=server_side(authority, "127.0.0.9"))
    told = await refused(connect(elsewhere.url, ca=pem(authority)))
    assert told.reason is UnknownReason.AUTHENTICATION_FAILED
    assert "host name in managementURL" in str(told)
    assert not fake.asked
    assert not elsewhere.asked


async def test_the_wrong_scheme(serve: Serve, connect: Connect, authority: Authority) -> None:
    """HTTPS to a port of HTTP and the other way round say which is wrong."""
    plain, encrypted = await serve(), await serve(tls=server_side(authority))
    told = await refused(connect(plain.url.replace("http:", "https:")))
    assert told.reason is UnknownReason.BROKER_UNREACHABLE
    assert "port of HTTPS" in str(told)
    told = await refused(connect(encrypted.url.replace("https:", "http:")))
    assert told.reason is UnknownReason.BROKER_UNREACHABLE
    assert "wants https" in str(told)


async def test_an_address_that_does_not_exist(connect: Connect, unused_tcp_port: int) -> None:
    """A port nobody listens on, and a name nobody knows."""
    told = await refused(connect(f"http://127.0.0.1:{unused_tcp_port}"))
    assert told.reason is UnknownReason.BROKER_UNREACHABLE
    assert "refused the connection" in str(told)
    told = await refused(connect("http://rabbitmq.invalid:15672"))
    assert told.reason is UnknownReason.BROKER_UNREACHABLE
    assert "cannot be resolved" in str(told)
