"""All broker nodes of one cluster: a connection each, opened when needed, with time limits and backoff.

``topics``, ``groups`` and ``logs`` send through it, by node id or to any node. It remembers who answered and who did not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from floodwarden.brokers.base import BrokerError
from floodwarden.brokers.kafka import protocol
from floodwarden.brokers.kafka.connection import Connection
from floodwarden.brokers.kafka.errors import RequestError, failed, from_exception
from floodwarden.brokers.kafka.security import Security
from floodwarden.core.observation import Unknown, UnknownReason

REQUEST_SECONDS: Final = 3.0
FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 2.0
# Refused credentials seldom mend themselves, and brokers may lock a user out.
LONGEST_PAUSE_REFUSED: Final = 15.0
# Which of several failures says most about what to do.
_TELLING: Final = (UnknownReason.AUTHENTICATION_FAILED, UnknownReason.UNSUPPORTED, UnknownReason.TIMEOUT)


@dataclass(slots=True)
class _Link:
    """What is known of one address."""

    address: str
    connection: Connection | None = None
    failure: Unknown | None = None
    failures: int = 0
    retry_at: float = 0.0
    opening: asyncio.Lock = field(default_factory=asyncio.Lock)


class Nodes:
    """The broker nodes, found through the bootstrap addresses (``host:port``)."""

    def __init__(self, bootstrap: Sequence[str], security: Security) -> None:
        self._bootstrap = tuple(bootstrap)
        self._security = security
        self._links: dict[str, _Link] = {}
        self._addresses: dict[int, str] = {}
        self._present: frozenset[int] = frozenset()
        self._nameless: frozenset[int] = frozenset()  # that hold replicas, and whose addresses nobody tells
        self._deadline = 0.0
        self._failed: dict[str, Unknown] = {}
        self.cluster = ""  # its id, as metadata told it last
        self.requests = 0

    def begin(self, deadline: float) -> None:
        """Start a sweep that ends at ``deadline`` (the event loop's time)."""
        self._deadline = deadline
        self._failed = {}

    def learn(self, brokers: Mapping[int, str], mentioned: Iterable[int], cluster: str | None) -> None:
        """Take over the nodes of new metadata; those gone from it stay known while a replica is ``mentioned`` on them."""
        self.cluster = cluster or ""
        absent = frozenset(mentioned) - brokers.keys()
        gone = {node: self._addresses[node] for node in absent if node in self._addresses}
        self._nameless = absent - gone.keys()
        self._addresses = {**gone, **brokers}
        self._present = frozenset(brokers)
        # One connection per node: a bootstrap address that is not a node's own has served its purpose.
        for address in self._links.keys() - set(self._addresses.values()):
            self._drop(self._links.pop(address))

    @property
    def all(self) -> tuple[str, ...]:
        """Every node known, as ``id (host:port)``."""
        return tuple(self.label(node) for node in sorted({*self._addresses, *self._nameless}))

    @property
    def unreachable(self) -> tuple[str, ...]:
        """Those of ``all`` that the cluster has lost, or that failed in this sweep."""
        lost = (node for node, address in self._addresses.items() if node not in self._present or address in self._failed)
        return tuple(self.label(node) for node in sorted({*lost, *self._nameless}))

    @property
    def version(self) -> str | None:
        """The oldest release among the nodes connected now, such as 4.3; None without a connection."""
        releases = [link.connection.release for link in self._links.values() if link.connection is not None]
        return ".".join(map(str, min(releases))) if releases else None

    @property
    def features(self) -> frozenset[str]:
        """What the cluster has switched on, by the nodes connected now."""
        return frozenset().union(*(link.connection.features for link in self._links.values() if link.connection is not None))

    def label(self, node: int) -> str:
        """A node's name for people."""
        return f"{node} ({self._addresses.get(node, 'address not known')})"

    async def send(self, node: int, request: protocol.Request) -> protocol.Response:
        """Ask one node; RequestError where it does not answer."""
        address = self._addresses.get(node)
        if address is None:
            raise failed(UnknownReason.BROKER_UNREACHABLE, f"node {node} is not among the brokers; check that it runs")
        return await self._send(address, request)

    async def send_any(self, request: protocol.Request) -> protocol.Response:
        """Ask a connected node, else all others at once and take the first answer; BrokerError where none answers."""
        failures: dict[str, Unknown] = {}
        for link in [link for link in self._links.values() if link.connection is not None and link.connection.usable]:
            try:
                return await self._send(link.address, request)
            except RequestError as error:
                failures[link.address] = error.unknown
        others = dict.fromkeys((*self._addresses.values(), *self._bootstrap))
        tasks = {asyncio.create_task(self._send(address, request)): address for address in others if address not in failures}
        try:
            for done in asyncio.as_completed(tasks):
                try:
                    return await done
                except RequestError:
                    continue
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for task, address in tasks.items():
            if isinstance(failure := task.exception(), RequestError):
                failures[address] = failure.unknown
        raise _nothing_reached(failures)

    async def close(self) -> None:
        """Close every connection."""
        links, self._links = list(self._links.values()), {}
        await asyncio.gather(*(link.connection.close() for link in links if link.connection is not None))

    async def _send(self, address: str, request: protocol.Request) -> protocol.Response:
        link = self._links.setdefault(address, _Link(address))
        loop = asyncio.get_running_loop()
        if link.failure is not None and loop.time() < link.retry_at:
            self._failed[address] = link.failure
            raise RequestError(link.failure)
        remaining = self._deadline - loop.time()
        if remaining <= 0:
            raise failed(UnknownReason.TIMEOUT, f"the sweep's time was used up before {address} was asked; see the other nodes")
        try:
            async with asyncio.timeout(min(REQUEST_SECONDS, remaining)):
                answer = await self._ask(link, request)
        except (RequestError, TimeoutError) as error:
            failure = from_exception(error, address)
            if isinstance(error, TimeoutError) or link.connection is None or not link.connection.usable:
                self._note_failure(link, failure)
            raise failure from None
        link.failure, link.failures = None, 0
        self._failed.pop(address, None)
        return answer

    async def _ask(self, link: _Link, request: protocol.Request) -> protocol.Response:
        kept = link.connection
        if kept is not None and kept.usable:
            try:
                return await kept.send(request)
            except RequestError:
                # A kept connection may have been closed by the broker since (idle, restarted): try a new one.
                if kept.usable:
                    raise
        return await (await self._connected(link)).send(request)

    async def _connected(self, link: _Link) -> Connection:
        async with link.opening:
            if link.connection is None or not link.connection.usable:
                self._drop(link)
                link.connection = await Connection.open(link.address, self._security, self._count_request)
            return link.connection

    def _note_failure(self, link: _Link, failure: RequestError) -> None:
        self._drop(link, failure)
        refused = failure.unknown.reason is UnknownReason.AUTHENTICATION_FAILED
        longest = LONGEST_PAUSE_REFUSED if refused else LONGEST_PAUSE
        pause = min(FIRST_PAUSE * 2**link.failures, longest)
        link.failure = failure.unknown
        link.failures += 1
        link.retry_at = asyncio.get_running_loop().time() + pause
        self._failed[link.address] = failure.unknown

    def _drop(self, link: _Link, failure: RequestError | None = None) -> None:
        if link.connection is not None:
            why = f"the connection to {link.address} was closed"
            link.connection.abort(failure or failed(UnknownReason.BROKER_UNREACHABLE, why))
            link.connection = None

    def _count_request(self) -> None:
        self.requests += 1


def _nothing_reached(failures: Mapping[str, Unknown]) -> BrokerError:
    """The failure that says most, in full; of those alike only the addresses."""
    found = {failure.reason for failure in failures.values()}
    reason = next((telling for telling in _TELLING if telling in found), UnknownReason.BROKER_UNREACHABLE)
    alike = [address for address, failure in failures.items() if failure.reason is reason]
    if not alike:
        return BrokerError(reason, "no broker could be read: there is no address to try")
    others = f" (likewise {', '.join(alike[1:])})" if alike[1:] else ""
    return BrokerError(reason, f"no broker could be read: {failures[alike[0]].detail}{others}")
