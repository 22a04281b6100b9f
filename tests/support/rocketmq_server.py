"""A server on 127.0.0.1 that speaks RocketMQ's remoting protocol: it answers as told, and as badly as told."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from contextlib import suppress

from floodwarden.brokers.rocketmq.frames import RESPONSE, Decoder, Frame, HeaderKind, encode

Answer = Frame | bytes | None  # a frame; bytes that need not be one; nothing at all


def ok(body: str = "") -> Frame:
    """The answer to a request that went well."""
    return Frame(0, 0, body=body.encode())


def refused(code: int, remark: str = "") -> Frame:
    """Any other answer."""
    return Frame(code, 0, remark=remark)


class FakeServer:
    """Answers every request by calling ``answer``; notes what it was asked."""

    def __init__(self, answer: Callable[[Frame], Answer], kind: HeaderKind = HeaderKind.JSON) -> None:
        self.answer = answer
        self.asked: list[Frame] = []
        self.connections = 0  # so far
        self.address = ""
        self._kind = kind
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    async def start(self, port: int = 0, tls: ssl.SSLContext | None = None) -> FakeServer:
        """Listen, on a port of its own choice where none is given, for plain connections or for those with TLS."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port, ssl=tls)
        host, port = self._server.sockets[0].getsockname()
        self.address = f"{host}:{port}"
        return self

    async def stop(self) -> None:
        """Close the port and every connection."""
        if self._server is not None:
            self._server.close()
            self.drop()
            await self._server.wait_closed()
            self._server = None

    async def restart(self) -> None:
        """Listen at the same address again."""
        await self.start(int(self.address.rpartition(":")[2]))

    def drop(self) -> None:
        """End every connection, without a word."""
        for writer in self._writers:
            writer.transport.abort()

    def say(self, data: bytes) -> None:
        """Send bytes that nobody asked for to all that are connected."""
        for writer in self._writers:
            writer.write(data)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        decoder = Decoder()
        with suppress(ConnectionError):
            while data := await reader.read(2**16):
                for frame in decoder.feed(data):
                    self.asked.append(frame)
                    self._reply(frame, writer)
        self._writers.discard(writer)
        writer.close()

    def _reply(self, request: Frame, writer: asyncio.StreamWriter) -> None:
        if request.response:
            return
        answer = self.answer(request)
        if isinstance(answer, Frame):
            answer = encode(Frame(answer.code, request.opaque, answer.fields, answer.body, answer.remark, RESPONSE), self._kind)
        if answer:
            writer.write(answer)
