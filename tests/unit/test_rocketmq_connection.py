"""Connections to RocketMQ's servers, good and bad ones: answers find who asked, failures are told, nothing hangs or is lost."""

from __future__ import annotations

import asyncio
import ssl
import struct
from collections.abc import AsyncIterator, Callable

import pytest

from floodhack.certificates import Authority
from floodwarden.brokers.rocketmq import connection as connections
from floodwarden.brokers.rocketmq.connection import IN_FLIGHT, Connection
from floodwarden.brokers.rocketmq.errors import GO_AWAY, NOT_SUPPORTED, RequestError
from floodwarden.brokers.rocketmq.frames import ONE_WAY, RESPONSE, Frame, HeaderKind, encode
from floodwarden.brokers.rocketmq.links import Links
from floodwarden.brokers.rocketmq.security import Security
from floodwarden.brokers.rocketmq.signing import Credentials, signed
from floodwarden.core.observation import UnknownReason
from tests.support.rocketmq_server import Answer, FakeServer, ok
from tests.support.rocketmq_world import later

SOON = 5.0  # seconds within which whatever is waited for must happen


def echo(request: Frame) -> Answer:
    """Answers with what was asked."""
    return ok(request.fields.get("say", ""))


@pytest.fixture
async def server() -> AsyncIterator[FakeServer]:
    """A server that answers well, until told otherwise."""
    server = await FakeServer(echo).start()
    yield server
    await server.stop()


@pytest.fixture
async def links() -> AsyncIterator[Links]:
    """Links in a sweep that has as long as it needs."""
    links = Links(Security())
    links.begin(asyncio.get_running_loop().time() + 3600)
    yield links
    await links.close()


async def opened(server: FakeServer, security: Security | None = None) -> Connection:
    return await Connection.open(server.address, security or Security(), lambda: None)


async def said(links: Links, server: FakeServer, say: str = "x") -> bytes:
    return (await links.send(server.address, 1, {"say": say})).body


async def failure(sent: Callable[[], object]) -> RequestError:
    """What a request fails with."""
    with pytest.raises(RequestError) as found:
        async with asyncio.timeout(SOON):
            await sent()  # type: ignore[misc]
    return found.value


@pytest.mark.parametrize("kind", HeaderKind)
async def test_many_at_once_on_one_connection(links: Links, kind: HeaderKind) -> None:
    """Each gets its own answer, whatever the order, whatever the kind of header; and one socket is enough."""
    kept: list[Frame] = []

    def late(request: Frame) -> Answer:
        kept.append(request)
        if len(kept) < 10:
            return None
        return b"".join(
            encode(Frame(0, one.opaque, body=one.fields["say"].encode(), flag=RESPONSE), kind) for one in reversed(kept)
        )

    server = await FakeServer(late).start()
    texts = [str(number) for number in range(10)]
    assert await asyncio.gather(*(said(links, server, text) for text in texts)) == [text.encode() for text in texts]
    assert server.connections == 1
    assert links.requests == 10
    await server.stop()


async def test_no_more_at_once_than_allowed(links: Links) -> None:
    """The others are sent as answers come."""
    server = await FakeServer(lambda request: None).start()
    tasks = [asyncio.create_task(said(links, server)) for _ in range(IN_FLIGHT + 5)]
    await until(lambda: len(server.asked) == IN_FLIGHT)
    first = server.asked[0]
    server.say(encode(Frame(0, first.opaque, flag=RESPONSE)))
    await until(lambda: len(server.asked) == IN_FLIGHT + 1)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await server.stop()


async def until(condition: Callable[[], bool]) -> None:
    """Let the event loop run until the condition holds."""
    async with asyncio.timeout(SOON):
        while not condition():
            await asyncio.sleep(0)


async def test_requests_are_signed(server: FakeServer) -> None:
    """With credentials every request carries them and its signature; without any it carries neither."""
    for security in (Security("me", "secret"), Security()):
        connection = await opened(server, security)
        await connection.send(1, {"say": "x"}, b"body")
        await connection.close()
    with_key, without = server.asked
    assert with_key.fields == signed({"say": "x"}, b"body", Credentials("me", "secret"))
    assert without.fields == {"say": "x"}


async def test_an_answer_in_many_pieces(server: FakeServer) -> None:
    """A large body comes whole."""
    server.answer = lambda request: ok("x" * 3_000_000)
    connection = await opened(server)
    assert (await connection.send(1, {})).body == b"x" * 3_000_000
    await connection.close()


BAD: dict[str, tuple[bytes, str]] = {
    "HTTP": (b"HTTP/1.1 400 Bad Request\r\n\r\n", "does not answer as RocketMQ does"),
    "an oversized frame": (struct.pack(">i", 2**30), "does not answer as RocketMQ does"),
    "a malformed header": (struct.pack(">iI", 6, 2) + b"{]", "does not answer as RocketMQ does"),
}


@pytest.mark.parametrize(("sent", "says"), BAD.values(), ids=BAD)
async def test_answers_that_are_none(server: FakeServer, links: Links, sent: bytes, says: str) -> None:
    """The connection is given up, with a reason; the next request gets a new one."""
    server.answer = lambda request: sent
    error = await failure(lambda: said(links, server))
    assert error.unknown.reason is UnknownReason.BROKER_UNREACHABLE
    assert says in error.unknown.detail
    assert server.address in links.failed
    server.answer = echo
    await recovered(links, server)
    assert not links.failed


async def recovered(links: Links, server: FakeServer) -> None:
    """Ask until there is an answer: after failures there is a pause."""
    async with asyncio.timeout(SOON):
        while True:
            try:
                assert await said(links, server) == b"x"
                return
            except RequestError:
                await asyncio.sleep(0.02)


async def test_an_answer_cut_off(server: FakeServer, links: Links) -> None:
    """A server that ends in the middle of a frame is gone."""

    def cut(request: Frame) -> Answer:
        asyncio.get_running_loop().call_soon(server.drop)
        return encode(Frame(0, request.opaque, body=b"x" * 100, flag=RESPONSE))[:50]

    server.answer = cut
    error = await failure(lambda: said(links, server))
    assert error.unknown.reason is UnknownReason.BROKER_UNREACHABLE
    assert "closed the connection" in error.unknown.detail


async def test_a_kept_connection_that_was_closed_meanwhile(server: FakeServer, links: Links) -> None:
    """Idle connections are closed by brokers: the next request goes over a new one at once."""
    await said(links, server)
    server.drop()
    assert await said(links, server) == b"x"
    assert server.connections == 2


async def test_a_server_that_restarts(server: FakeServer, links: Links) -> None:
    """While it is down requests fail at once, without a try each; afterwards it is found again."""
    await said(links, server)
    await server.stop()
    error = await failure(lambda: said(links, server))
    assert "refused the connection" in error.unknown.detail
    again = await failure(lambda: said(links, server))
    assert again.unknown is error.unknown
    await server.restart()
    await recovered(links, server)
    server.drop()
    assert await said(links, server) == b"x"


async def test_silence(server: FakeServer, links: Links, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that wait fail together, the connection is given up, and that counts as one failure: the pause is short."""
    short(monkeypatch)
    await said(links, server)
    server.answer = lambda request: None
    errors = await asyncio.gather(*(failure(lambda: said(links, server)) for _ in range(IN_FLIGHT * 3)))
    assert UnknownReason.TIMEOUT in {error.unknown.reason for error in errors}
    assert server.connections == 1
    server.answer = echo
    later(0.2)
    assert await said(links, server) == b"x"
    assert server.connections == 2


def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers may take a fifth of a second."""
    monkeypatch.setattr(connections, "REQUEST_SECONDS", 0.2)


async def test_one_late_answer_among_others(server: FakeServer, links: Links, monkeypatch: pytest.MonkeyPatch) -> None:
    """It alone has failed; its connection is as good as before, and its answer disturbs nobody when it comes."""
    short(monkeypatch)
    server.answer = lambda request: None if request.fields["say"] == "late" else echo(request)
    late = asyncio.create_task(failure(lambda: said(links, server, "late")))
    while not late.done():
        assert await said(links, server) == b"x"
    assert (await late).unknown.reason is UnknownReason.TIMEOUT
    asked = next(frame for frame in server.asked if frame.fields["say"] == "late")
    server.say(encode(Frame(0, asked.opaque, body=b"late", flag=RESPONSE)))
    assert await said(links, server) == b"x"
    assert server.connections == 1


async def test_a_cancelled_caller(server: FakeServer, links: Links) -> None:
    """Its answer is dropped when it comes; nobody else notices."""
    server.answer = lambda request: None
    waiting = asyncio.create_task(said(links, server))
    await until(lambda: bool(server.asked))
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    server.say(encode(Frame(0, server.asked[0].opaque, flag=RESPONSE)))
    server.answer = echo
    assert await said(links, server) == b"x"
    assert server.connections == 1


async def test_answers_nobody_asked_for(server: FakeServer, links: Links) -> None:
    """They are dropped."""
    await said(links, server)
    server.say(encode(Frame(0, 4711, body=b"what", flag=RESPONSE)))
    assert await said(links, server) == b"x"


async def test_requests_of_the_server(server: FakeServer, links: Links) -> None:
    """Who waits for an answer is told that this is not supported; one-way requests are passed over."""
    await said(links, server)
    server.say(encode(Frame(40, 1, flag=ONE_WAY)) + encode(Frame(307, 99)))
    await until(lambda: any(frame.response for frame in server.asked))
    assert [(frame.opaque, frame.code) for frame in server.asked if frame.response] == [(99, NOT_SUPPORTED)]
    assert await said(links, server) == b"x"
    assert server.connections == 1


async def test_a_server_that_is_shutting_down(server: FakeServer, links: Links) -> None:
    """Told to go away, the request goes over a new connection."""
    server.answer = lambda request: Frame(GO_AWAY, 0) if server.connections == 1 else echo(request)
    error = await failure(lambda: said(links, server))
    assert "shutting down" in error.unknown.detail
    await recovered(links, server)
    assert server.connections == 2


@pytest.mark.parametrize("address", ["broker", "broker:http", "127.0.0.1:99999", ":10911", "", "a\0b:10911"])
async def test_addresses_that_are_none(links: Links, address: str) -> None:
    """Name servers pass on what brokers call themselves: what is no address fails, and says which."""
    error = await failure(lambda: links.send(address, 1, {}))
    assert error.unknown.reason is UnknownReason.BROKER_UNREACHABLE
    assert error.unknown.detail.startswith(f"{address} is no address of the form host:port")


async def test_what_cannot_be_written(server: FakeServer, links: Links) -> None:
    """A text that is no Unicode fails alone: before it is sent, and without being quoted."""
    signing = Links(Security("me", "secret"))
    signing.begin(asyncio.get_running_loop().time() + 3600)
    error = await failure(lambda: signing.send(server.address, 1, {"say": "\udcff"}))
    assert "cannot be written" in error.unknown.detail
    assert (await signing.send(server.address, 1, {"say": "x"})).body == b"x"
    await signing.close()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> tuple[Authority, Authority]:
    """Two authorities that know nothing of each other."""
    first, second = (Authority(tmp_path_factory.mktemp(name)) for name in ("first", "second"))
    first.create()
    second.create()
    return first, second


def encrypted(authority: Authority, address: str = "IP:127.0.0.1") -> ssl.SSLContext:
    """What a server listens with whose certificate names this address."""
    pair = authority.issue(address.replace(":", "-"), "server", addresses=[address])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    return context


async def test_tls(certificates: tuple[Authority, Authority]) -> None:
    """A server is trusted whose certificate is of the authority and names its address; requests over it are answered."""
    trusted, other = certificates
    security = Security(encrypted=True, ca=trusted.pair.certificate.read_bytes())
    good = await FakeServer(echo).start(tls=encrypted(trusted))
    connection = await opened(good, security)
    assert (await connection.send(1, {"say": "x"})).body == b"x"
    await connection.close()
    await good.stop()
    for tls in (encrypted(other), encrypted(trusted, "IP:127.0.0.2")):
        bad = await FakeServer(echo).start(tls=tls)
        error = await failure(lambda bad=bad: opened(bad, security))  # type: ignore[misc]
        assert error.unknown.reason is UnknownReason.AUTHENTICATION_FAILED
        assert "caSecretRef" in error.unknown.detail
        await bad.stop()


async def test_one_side_without_tls(certificates: tuple[Authority, Authority], links: Links) -> None:
    """Either way round it fails, and TLS is named."""
    trusted, _ = certificates
    plain = await FakeServer(echo).start()
    error = await failure(lambda: opened(plain, Security(encrypted=True, ca=trusted.pair.certificate.read_bytes())))
    assert "TLS" in error.unknown.detail
    await plain.stop()
    strict = await FakeServer(echo).start(tls=encrypted(trusted))
    error = await failure(lambda: said(links, strict))
    assert "TLS" in error.unknown.detail
    await strict.stop()


async def test_the_end_of_a_sweep(server: FakeServer, links: Links) -> None:
    """What is not answered by then has failed; what is asked later is not sent."""
    server.answer = lambda request: None
    links.begin(asyncio.get_running_loop().time() + 0.1)
    error = await failure(lambda: said(links, server))
    assert error.unknown.reason is UnknownReason.TIMEOUT
    links.begin(asyncio.get_running_loop().time() - 1)
    error = await failure(lambda: said(links, server))
    assert "time was used up" in error.unknown.detail


async def test_connections_to_others_are_closed(server: FakeServer, links: Links) -> None:
    """Addresses that are no longer kept have no connection; closing twice does no harm."""
    await said(links, server)
    links.keep([])
    await said(links, server)
    assert server.connections == 2
    await links.close()
    await links.close()
