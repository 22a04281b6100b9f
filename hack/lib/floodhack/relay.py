"""A TCP relay: what connects to ADDRESS at one of the ports is passed on to 127.0.0.1 at the same port.

Run as a program by `floodhack.kind`: relay.py ADDRESS PORT...
"""

from __future__ import annotations

import asyncio
import contextlib
import sys

CHUNK_BYTES = 64 * 1024


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await reader.read(CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()
    writer.close()


async def serve(listen: str, target: str, port: int) -> asyncio.Server:
    """Relay connections to `listen:port` on to `target:port`; the listening server."""

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there_reader, there_writer = await asyncio.open_connection(target, port)
        except OSError:
            writer.close()
            return
        await asyncio.gather(_copy(reader, there_writer), _copy(there_reader, writer))

    return await asyncio.start_server(pass_on, listen, port)


async def _main(listen: str, ports: list[int]) -> None:
    servers = [await serve(listen, "127.0.0.1", port) for port in ports]
    print(f"relaying {listen} to 127.0.0.1, ports {', '.join(map(str, ports))}", flush=True)
    await asyncio.gather(*(server.serve_forever() for server in servers))


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], [int(port) for port in sys.argv[2:]]))
