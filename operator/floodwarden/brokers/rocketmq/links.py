"""Connections to all servers of one cluster: one for each address, opened when needed, with time limits and backoff.

``names`` and ``brokers`` send through it. It remembers which addresses failed in this sweep, and why.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

from floodwarden.brokers.rocketmq.connection import REQUEST_SECONDS, Connection
from floodwarden.brokers.rocketmq.errors import RequestError, failed, from_exception
from floodwarden.brokers.rocketmq.frames import Frame
from floodwarden.brokers.rocketmq.security import Security
from floodwarden.core.observation import Unknown, UnknownReason

FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 2.0
# A certificate that is not trusted seldom mends itself.
LONGEST_PAUSE_REFUSED: Final = 15.0


@dataclass(slots=True)
class _Link:
    """What is known of one address."""

    address: str
    connection: Connection | None = None
    failure: Unknown | None = None
    failures: int = 0
    retry_at: float = 0.0
    opening: asyncio.Lock = field(default_factory=asyncio.Lock)


class Links:
    """The connections to name servers and brokers (``host:port``)."""

    def __init__(self, security: Security) -> None:
        self._security = security
        self._links: dict[str, _Link] = {}
        self._deadline = 0.0
        self.failed: dict[str, Unknown] = {}  # what failed in this sweep, by address
        self.troubled = False  # whether something failed in the sweep before
        self.requests = 0

    def begin(self, deadline: float) -> None:
        """Start a sweep that ends at ``deadline`` (the event loop's time)."""
        self._deadline = deadline
        self.troubled = bool(self.failed)
        self.failed = {}

    def keep(self, addresses: Collection[str]) -> None:
        """Close the connections to all other addresses."""
        for address in self._links.keys() - set(addresses):
            self._drop(self._links.pop(address))

    async def send(self, address: str, code: int, fields: Mapping[str, str], body: bytes = b"") -> Frame:
        """Ask one server and return its answer, whatever its code; RequestError where there is none in time."""
        link = self._links.setdefault(address, _Link(address))
        loop = asyncio.get_running_loop()
        if link.failure is not None and loop.time() < link.retry_at:
            self.failed[address] = link.failure
            raise RequestError(link.failure)
        remaining = self._deadline - loop.time()
        if remaining <= 0:
            raise failed(UnknownReason.TIMEOUT, f"the sweep's time was used up before {address} was asked; see the other servers")
        try:
            async with asyncio.timeout(remaining):
                answer = await self._ask(link, code, fields, body)
        except (RequestError, TimeoutError) as error:
            failure = from_exception(error, address)
            # One answer that is late among others that come is no reason to lose them all.
            if link.connection is None or not link.connection.usable or link.connection.silent:
                self._note_failure(link, failure)
            raise failure from None
        link.failure, link.failures = None, 0
        self.failed.pop(address, None)
        return answer

    async def close(self) -> None:
        """Close every connection."""
        links, self._links = list(self._links.values()), {}
        await asyncio.gather(*(link.connection.close() for link in links if link.connection is not None))

    async def _ask(self, link: _Link, code: int, fields: Mapping[str, str], body: bytes) -> Frame:
        kept = link.connection
        if kept is not None and kept.usable:
            try:
                return await kept.send(code, fields, body)
            except RequestError:
                # A kept connection may have been closed by the server since (idle, restarted): try a new one.
                if kept.usable or link.failure is not None:
                    raise
        return await (await self._connected(link)).send(code, fields, body)

    async def _connected(self, link: _Link) -> Connection:
        async with link.opening:
            if link.connection is None or not link.connection.usable:
                self._drop(link)
                async with asyncio.timeout(REQUEST_SECONDS):
                    link.connection = await Connection.open(link.address, self._security, self._count_request)
            return link.connection

    def _note_failure(self, link: _Link, failure: RequestError) -> None:
        now = asyncio.get_running_loop().time()
        # Of many requests that fail together the first one counts.
        if link.failure is None or now >= link.retry_at:
            refused = failure.unknown.reason is UnknownReason.AUTHENTICATION_FAILED
            link.retry_at = now + min(FIRST_PAUSE * 2**link.failures, LONGEST_PAUSE_REFUSED if refused else LONGEST_PAUSE)
            link.failures += 1
        self._drop(link, failure)
        link.failure = self.failed[link.address] = failure.unknown

    def _drop(self, link: _Link, failure: RequestError | None = None) -> None:
        if link.connection is not None:
            why = f"the connection to {link.address} was closed"
            link.connection.abort(failure or failed(UnknownReason.BROKER_UNREACHABLE, why))
            link.connection = None

    def _count_request(self) -> None:
        self.requests += 1
