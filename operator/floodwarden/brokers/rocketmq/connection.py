"""One connection to one name server or broker: TLS, signed requests, many at once, and their answers in any order.

``links`` opens and replaces connections; ``frames`` knows the bytes. Every failure but a time-out is a RequestError. A caller
may be cancelled at any await: its answer is then read and dropped, and the connection stays good.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from typing import Final

from floodwarden.brokers.rocketmq import frames
from floodwarden.brokers.rocketmq.errors import GO_AWAY, NOT_SUPPORTED, RequestError, failed, from_exception
from floodwarden.brokers.rocketmq.frames import Frame, FrameError
from floodwarden.brokers.rocketmq.security import Security
from floodwarden.brokers.rocketmq.signing import signed
from floodwarden.core.observation import UnknownReason

READ_AT_ONCE: Final = 256 * 2**10
REQUEST_SECONDS: Final = 3.0
# Brokers queue what their few threads for administration do not get to: more at once would only wait there.
IN_FLIGHT: Final = 64


class Connection:
    """An open connection; made by :meth:`open`."""

    def __init__(
        self,
        address: str,
        security: Security,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        count: Callable[[], None],
    ) -> None:
        self.address = address
        self._credentials = security.credentials
        self._reader = reader
        self._writer = writer
        self._count = count
        self._opaque = 0
        self._waiting: dict[int, asyncio.Future[Frame]] = {}
        self._room = asyncio.Semaphore(IN_FLIGHT)
        self._failure: RequestError | None = None
        self._heard_at = asyncio.get_running_loop().time()
        self._receiver = asyncio.create_task(self._receive(), name=f"rocketmq {address}")

    @classmethod
    async def open(cls, address: str, security: Security, count: Callable[[], None]) -> Connection:
        """Connect to ``host:port``; ``count`` is called for every request sent. RequestError where it cannot be."""
        host, _, port = address.rpartition(":")
        host = host.strip("[]")
        try:
            if not host or not 0 < int(port) < 2**16:
                raise ValueError(address)
            name = host if security.tls is not None else None
            reader, writer = await asyncio.open_connection(host, int(port), ssl=security.tls, server_hostname=name)
        except (OSError, asyncio.IncompleteReadError) as error:  # first: a certificate that is not trusted is a ValueError, too
            raise from_exception(error, address) from error
        except ValueError as error:
            why = f"{address} is no address of the form host:port; correct nameServers, or brokerIP1 of the broker"
            raise failed(UnknownReason.BROKER_UNREACHABLE, why) from error
        return cls(address, security, reader, writer, count)

    @property
    def usable(self) -> bool:
        """Whether another request may be sent."""
        return self._failure is None

    @property
    def silent(self) -> bool:
        """Whether nothing at all has come for as long as one answer may take."""
        return asyncio.get_running_loop().time() - self._heard_at >= REQUEST_SECONDS

    async def send(self, code: int, fields: Mapping[str, str], body: bytes = b"") -> Frame:
        """Send a request and return the answer, whatever its code; waits where too many are under way.

        TimeoutError where the answer does not come within three seconds of being sent.
        """
        async with self._room:
            if self._failure is not None:
                raise RequestError(self._failure.unknown)
            self._opaque = (self._opaque + 1) % 2**31
            opaque = self._opaque
            data = self._encode(code, opaque, fields, body)
            answer: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()
            self._waiting[opaque] = answer
            self._count()
            self._writer.write(data)
            try:
                async with asyncio.timeout(REQUEST_SECONDS):
                    return await answer
            finally:
                self._waiting.pop(opaque, None)

    def abort(self, failure: RequestError) -> None:
        """Close at once; whoever waits for an answer gets the failure."""
        if self._failure is None:
            self._failure = failure
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(RequestError(self._failure.unknown))
        self._receiver.cancel()
        self._writer.transport.abort()

    async def close(self) -> None:
        """Close and wait until the socket is gone."""
        self.abort(failed(UnknownReason.BROKER_UNREACHABLE, f"the connection to {self.address} was closed"))
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()
        await asyncio.wait([self._receiver])

    def _encode(self, code: int, opaque: int, fields: Mapping[str, str], body: bytes) -> bytes:
        try:
            named = signed(fields, body, self._credentials) if self._credentials is not None else fields
            return frames.encode(Frame(code=code, opaque=opaque, fields=named, body=body))
        except (FrameError, UnicodeEncodeError):
            # From None: the chain would carry what was to be sent.
            raise failed(UnknownReason.BROKER_ERROR, f"a request to {self.address} cannot be written") from None

    async def _receive(self) -> None:
        """Hand every answer to whoever waits for it, until the connection ends."""
        decoder = frames.Decoder()
        try:
            while data := await self._reader.read(READ_AT_ONCE):
                self._heard_at = asyncio.get_running_loop().time()
                for frame in decoder.feed(data):
                    self._take(frame)
            raise ConnectionResetError
        except asyncio.CancelledError:
            raise
        except Exception as error:
            self.abort(from_exception(error, self.address))

    def _take(self, frame: Frame) -> None:
        if not frame.response:
            self._decline(frame)
            return
        # Nobody waits any more where the caller was cancelled.
        answer = self._waiting.get(frame.opaque)
        if frame.code == GO_AWAY:
            self.abort(failed(UnknownReason.BROKER_UNREACHABLE, f"{self.address} is shutting down"))
        elif answer is not None and not answer.done():
            answer.set_result(frame)

    def _decline(self, request: Frame) -> None:
        """Brokers ask clients too: whoever waits is told that Floodwarden does not know what is asked."""
        if not request.one_way:
            answer = Frame(NOT_SUPPORTED, request.opaque, remark="not supported by Floodwarden", flag=frames.RESPONSE)
            self._writer.write(frames.encode(answer))
