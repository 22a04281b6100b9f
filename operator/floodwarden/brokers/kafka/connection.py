"""One connection to one broker node: TLS, negotiation of versions, SASL, then pipelined requests and their answers.

``nodes`` opens and replaces connections and sets the time limits; ``protocol`` knows the bytes. Every failure is a
RequestError. A caller may be cancelled at any await: its answer is then read and dropped, and the connection stays good.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from floodwarden.brokers.kafka import protocol
from floodwarden.brokers.kafka.errors import RequestError, failed, from_code, from_exception
from floodwarden.brokers.kafka.positions import Positions
from floodwarden.brokers.kafka.security import Security
from floodwarden.core.observation import UnknownReason

CLIENT_ID: Final = "floodwarden"
READ_BUFFER: Final = 4 * 2**20
# What a TLS listener answers to plain text, read as a length, is above this; real answers stay far below it.
LARGEST_ANSWER: Final = 100 * 2**20
# Brokers that limit a session's life (connections.max.reauth.ms) close it at its end: be gone before.
SESSION_SHARE: Final = 0.8
REPEATED: Final = frozenset({"ListOffsets", "OffsetFetch", "Metadata"})
KEPT: Final = 8  # requests whose bytes are kept


@dataclass(frozen=True, slots=True)
class _Waiting:
    request: protocol.Request
    answer: asyncio.Future[protocol.Response]


class Connection:
    """An open, authenticated connection; made by :meth:`open`."""

    def __init__(
        self, address: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, count: Callable[[], None]
    ) -> None:
        self.address = address
        self._reader = reader
        self._writer = writer
        self._count = count
        self._correlation = 0
        self._waiting: dict[int, _Waiting] = {}
        self._asked: dict[int, tuple[protocol.Request, bytes]] = {}  # by identity: the requests that come again, and their bytes
        self._answered: dict[str, tuple[int, bytes, protocol.Response]] = {}  # by name: version, bytes and what they say
        self._positions = Positions()
        self._failure: RequestError | None = None
        self._expires: float | None = None
        self._versions: protocol.Versions | None = None
        self._receiver = asyncio.create_task(self._receive(), name=f"kafka {address}")

    @classmethod
    async def open(cls, address: str, security: Security, count: Callable[[], None]) -> Connection:
        """Connect to ``host:port``; ``count`` is called for every request sent. RequestError where it cannot be."""
        host, _, port = address.rpartition(":")
        host = host.strip("[]")
        try:
            name = host if security.tls is not None else None
            reader, writer = await asyncio.open_connection(
                host, int(port), ssl=security.tls, server_hostname=name, limit=READ_BUFFER
            )
        except (OSError, ValueError, asyncio.IncompleteReadError) as error:
            raise from_exception(error, address) from error
        connection = cls(address, reader, writer, count)
        try:
            await connection._negotiate()
            if security.authenticated:
                await connection._authenticate(security)
        except BaseException:
            connection.abort(failed(UnknownReason.BROKER_UNREACHABLE, f"the connection to {address} was given up"))
            raise
        return connection

    @property
    def usable(self) -> bool:
        """Whether another request may be sent; False once it broke, or before its session ends."""
        expired = self._expires is not None and asyncio.get_running_loop().time() > self._expires
        return self._failure is None and not expired

    @property
    def release(self) -> tuple[int, ...]:
        """The release of Kafka that the node runs."""
        return self._versions.broker if self._versions is not None else ()

    @property
    def features(self) -> frozenset[str]:
        """What the cluster has switched on."""
        return self._versions.features if self._versions is not None else frozenset()

    def supports(self, request: protocol.Request) -> bool:
        """Whether the node understands the request in any version that the library knows."""
        return self._versions is not None and self._versions.choose(request) is not None

    async def send(self, request: protocol.Request) -> protocol.Response:
        """Send a request in the newest version both sides know, and return the answer."""
        version = self._versions.choose(request) if self._versions is not None else None
        if version is None:
            why = f"{self.address} does not understand {protocol.name(request)}; Floodwarden needs Kafka 3.0 or newer"
            raise failed(UnknownReason.UNSUPPORTED, why)
        return await self._exchange(request, version)

    def abort(self, failure: RequestError) -> None:
        """Close at once; whoever waits for an answer gets the failure."""
        if self._failure is None:
            self._failure = failure
        for waiting in self._waiting.values():
            if not waiting.answer.done():
                waiting.answer.set_exception(RequestError(self._failure.unknown))
        self._waiting.clear()
        self._receiver.cancel()
        self._writer.transport.abort()

    async def close(self) -> None:
        """Close and wait until the socket is gone."""
        self.abort(failed(UnknownReason.BROKER_UNREACHABLE, f"the connection to {self.address} was closed"))
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()
        await asyncio.wait([self._receiver])

    async def _exchange(self, request: protocol.Request, version: int) -> protocol.Response:
        if self._failure is not None:
            raise RequestError(self._failure.unknown)
        self._correlation = (self._correlation + 1) % 2**31
        correlation = self._correlation
        data = self._encode(request, version, correlation)
        answer: asyncio.Future[protocol.Response] = asyncio.get_running_loop().create_future()
        self._waiting[correlation] = _Waiting(request, answer)
        self._count()
        self._writer.write(data)
        return await answer

    def _encode(self, request: protocol.Request, version: int, correlation: int) -> bytes:
        """Sweeps ask with the same objects again and again: encoding one takes as long as reading the answer."""
        if protocol.name(request) not in REPEATED:
            return protocol.encode(request, version, correlation, CLIENT_ID)
        asked = self._asked.get(id(request))
        if asked is None:
            if len(self._asked) >= KEPT:
                self._asked.clear()
            # It is kept with its bytes, so that nothing else can have its identity.
            asked = self._asked[id(request)] = request, protocol.encode(request, version, correlation, CLIENT_ID)
        return protocol.numbered(asked[1], correlation)

    async def _receive(self) -> None:
        """Hand every answer to whoever waits for it, until the connection ends."""
        try:
            while True:
                length = int.from_bytes(await self._reader.readexactly(4), signed=True)
                if not 4 <= length <= LARGEST_ANSWER:
                    advice = "check that security.protocol is that of the listener"
                    self.abort(
                        failed(UnknownReason.BROKER_UNREACHABLE, f"{self.address} does not answer as Kafka does; {advice}")
                    )
                    return
                self._hand_over(await self._reader.readexactly(length))
        except asyncio.CancelledError:
            raise
        except Exception as error:
            self.abort(from_exception(error, self.address))

    def _hand_over(self, payload: bytes) -> None:
        waiting = self._waiting.pop(protocol.correlation_of(payload))
        # Nobody waits any more where the caller was cancelled.
        if not waiting.answer.done():
            read = self._positions.read(waiting.request, payload)
            waiting.answer.set_result(read if read is not None else self._decode(waiting.request, payload))

    def _decode(self, request: protocol.Request, payload: bytes) -> protocol.Response:
        """The answer; of metadata the very object of the last time where its bytes are the same."""
        name, version, body = protocol.name(request), request.API_VERSION, payload[4:]  # behind the correlation number
        if name != "Metadata":
            return protocol.decode(request, payload)
        last = self._answered.get(name)
        if last is None or last[:2] != (version, body):
            last = self._answered[name] = version, body, protocol.decode(request, payload)
        return last[2]

    async def _negotiate(self) -> None:
        """Ask which versions the node understands, in the newest version of that question it understands itself."""
        version = protocol.newest_api_versions()
        answer = await self._exchange(protocol.api_versions(), version)
        if answer.error_code == protocol.UNSUPPORTED_VERSION:
            answer = await self._exchange(protocol.api_versions(), min(version, protocol.api_versions_supported(answer)))
        if answer.error_code:
            raise RequestError(from_code(answer.error_code, f"{self.address}, asked for its versions"))
        self._versions = protocol.Versions(answer)

    async def _authenticate(self, security: Security) -> None:
        mechanism, user = security.mechanism or "", security.username or ""
        shaken = await self.send(protocol.sasl_handshake(mechanism))
        if shaken.error_code and not shaken.mechanisms:
            why = f"{self.address} asks nobody for {mechanism}: check that security.protocol is that of the listener"
            raise failed(UnknownReason.BROKER_UNREACHABLE, why)
        if shaken.error_code:
            offered = ", ".join(shaken.mechanisms)
            why = f"{self.address} does not accept {mechanism}, it offers {offered}; set security.mechanism to one of these"
            raise failed(UnknownReason.AUTHENTICATION_FAILED, why)
        exchange = protocol.sasl_exchange(mechanism, user, security.password or "")
        advice = "check username and password in the Secret of credentialsSecretRef"
        lifetime = 0
        while not exchange.is_done():
            answer = await self.send(protocol.sasl_authenticate(exchange.auth_bytes()))
            if answer.error_code:
                why = f"{self.address} refused user {user} with {mechanism}: {answer.error_message}; {advice}"
                raise failed(UnknownReason.AUTHENTICATION_FAILED, why)
            lifetime = answer.session_lifetime_ms or 0
            try:
                exchange.receive(answer.auth_bytes)
            except (ValueError, KeyError):
                # From None: the chain would carry the exchange.
                why = f"{self.address} could not prove that it knows the password of user {user}; {advice}"
                raise failed(UnknownReason.AUTHENTICATION_FAILED, why) from None
        if not exchange.is_authenticated():
            raise failed(UnknownReason.AUTHENTICATION_FAILED, f"{self.address} did not accept user {user}; {advice}")
        if lifetime > 0:
            self._expires = asyncio.get_running_loop().time() + lifetime / 1000 * SESSION_SHARE
