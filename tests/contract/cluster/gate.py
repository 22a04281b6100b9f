"""A way to the API server that a test can shut, open and stall, so that the cluster itself need not be disturbed."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Self


class Gate:
    """Forwards TCP connections from a port of its own on 127.0.0.1; TLS passes through untouched."""

    def __init__(self, host: str, port: int) -> None:
        self._behind = (host, port)
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0
        self.stalled = False  # True: connections are accepted, and nothing passes

    async def open(self) -> Self:
        """Let connections through, on the same port as before."""
        self._server = await asyncio.start_server(self._forward, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def shut(self) -> None:
        """Refuse connections and break those there are."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in self._writers:
            writer.transport.abort()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind_reader, behind_writer = await asyncio.open_connection(*self._behind)
        self._writers |= {writer, behind_writer}
        await asyncio.gather(self._pump(reader, behind_writer), self._pump(behind_reader, writer))
        self._writers -= {writer, behind_writer}

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                if not self.stalled:
                    writer.write(data)
                    await writer.drain()
        writer.close()
