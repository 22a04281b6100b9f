"""The management API of one cluster over HTTP: several addresses tried in turn, with time limits, backoff and bounded answers.

``adapter`` and ``settings`` ask through it; ``errors`` translates. Every failure is a BrokerError. A caller may be cancelled at
any await.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from urllib.parse import quote

import aiohttp

from floodwarden.brokers import http
from floodwarden.brokers.base import BrokerError
from floodwarden.brokers.rabbitmq.access import Access
from floodwarden.brokers.rabbitmq.errors import absent, from_exception, from_status, unreadable
from floodwarden.core.observation import UnknownReason

REQUEST_SECONDS: Final = 3.0
FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 2.0
# Refused credentials seldom mend themselves, and each try is a warning in RabbitMQ's log.
LONGEST_PAUSE_REFUSED: Final = 15.0
# Room for 40,000 queues; what is decoded may take twenty times as much memory.
LARGEST_ANSWER: Final = 16 * 2**20
LARGEST_REFUSAL: Final = 64 * 2**10
HEADERS: Final = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "floodwarden"}
_WRITTEN: Final = frozenset({200, 201, 204})
# What is wrong with the question is so at every address.
_OF_THE_QUESTION: Final = frozenset({UnknownReason.AUTHORIZATION_FAILED, UnknownReason.UNSUPPORTED})
# These are the address's fault whatever is asked: it is left alone for a while.
_OF_THE_ADDRESS: Final = frozenset(
    {UnknownReason.BROKER_UNREACHABLE, UnknownReason.TIMEOUT, UnknownReason.AUTHENTICATION_FAILED},
)
# Which of several failures says most about what to do.
_TELLING: Final = (
    UnknownReason.AUTHENTICATION_FAILED,
    UnknownReason.BROKER_ERROR,
    UnknownReason.TIMEOUT,
    UnknownReason.BROKER_UNREACHABLE,
)

T = TypeVar("T")


@dataclass(slots=True)
class _Node:
    """What is known of one address."""

    url: str
    failure: BrokerError | None = None
    failures: int = 0
    retry_at: float = 0.0

    @property
    def address(self) -> str:
        return self.url.partition("://")[2].rstrip("/")


@dataclass(frozen=True, slots=True)
class _Answer:
    body: bytes
    content: Any


class Management:
    """The addresses of one cluster's management API."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._nodes = [_Node(url) for url in dict.fromkeys(access.urls)]
        self._session: aiohttp.ClientSession | None = None
        self._deadline = 0.0
        self._answers: dict[str, _Answer] = {}  # by path: the last ones
        self.requests = 0

    def begin(self, deadline: float) -> None:
        """Start a sweep that ends at ``deadline`` (the event loop's time)."""
        self._deadline = deadline

    async def get(self, *segments: str, columns: str, **asked: str) -> Any:
        """What ``/api`` tells under a path, with no more than these columns, ``asked`` for so: the very object of the last time
        where it is the same byte for byte. The address that answered last is asked first. BrokerError where none answers."""
        path = f"{_path(segments)}?{'&'.join(f'{key}={value}' for key, value in {'columns': columns, **asked}.items())}"
        return await self._first(lambda node: self._get(node, path))

    async def put(self, *segments: str, body: Mapping[str, Any]) -> None:
        """Have what is under a path of ``/api`` be so. BrokerError where it was refused, or may not have arrived anywhere."""
        await self._first(lambda node: self._write(node, "PUT", _path(segments), body))

    async def delete(self, *segments: str) -> None:
        """Have nothing be under a path of ``/api``; as ``put``."""
        await self._first(lambda node: self._write(node, "DELETE", _path(segments)))

    async def _first(self, ask: Callable[[_Node], Awaitable[T]]) -> T:
        """What the first address answers that does: the one that did so last is asked first."""
        failures: dict[str, BrokerError] = {}
        for node in list(self._nodes):
            try:
                content = await self._ask(node, ask)
            except BrokerError as error:
                if error.reason in _OF_THE_QUESTION:
                    raise
                failures[node.address] = error
                continue
            self._nodes.remove(node)
            self._nodes.insert(0, node)
            return content
        raise _most_telling(failures)

    async def close(self) -> None:
        """Close every connection."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _ask(self, node: _Node, ask: Callable[[_Node], Awaitable[T]]) -> T:
        loop = asyncio.get_running_loop()
        if node.failure is not None and loop.time() < node.retry_at:
            raise node.failure
        remaining = self._deadline - loop.time()
        if remaining <= 0:
            why = f"the sweep's time was used up before {node.address} was asked; see the other nodes"
            raise BrokerError(UnknownReason.TIMEOUT, why)
        try:
            async with asyncio.timeout(min(REQUEST_SECONDS, remaining)):
                content = await ask(node)
        except (BrokerError, aiohttp.ClientError, OSError, ValueError) as error:
            failure = from_exception(error, node.address)
            if failure.reason in _OF_THE_ADDRESS:
                _note_failure(node, failure, loop.time())
            # From None: the chain would carry the request, and with it the password.
            raise failure from None
        node.failure, node.failures = None, 0
        return content

    async def _get(self, node: _Node, path: str) -> Any:
        return self._decoded(node, path, await self._fetch(node, path))

    async def _write(self, node: _Node, method: str, path: str, content: Mapping[str, Any] | None = None) -> None:
        self.requests += 1
        url = node.url.rstrip("/") + path
        async with self._opened().request(method, url, json=content, allow_redirects=False) as answer:
            told = await http.bounded(answer, LARGEST_REFUSAL) or b""
        if answer.status in _WRITTEN or (method == "DELETE" and absent(answer.status, told)):
            return
        user, vhost = self._access.username, self._access.vhost
        raise from_status(answer.status, told, node.address, user, vhost, doing="write this")

    async def _fetch(self, node: _Node, path: str) -> bytes:
        self.requests += 1
        async with self._opened().get(node.url.rstrip("/") + path, allow_redirects=False) as answer:
            if answer.status != 200:
                refusal = await http.bounded(answer, LARGEST_REFUSAL) or b""
                raise from_status(answer.status, refusal, node.address, self._access.username, self._access.vhost)
            body = await http.bounded(answer, LARGEST_ANSWER)
        if body is None:
            raise unreadable(node.address, f"more than {LARGEST_ANSWER // 2**20} MiB")
        return body

    def _decoded(self, node: _Node, path: str, body: bytes) -> Any:
        last = self._answers.get(path)
        if last is None or last.body != body:
            try:
                last = self._answers[path] = _Answer(body, json.loads(body))
            except (ValueError, RecursionError):
                raise unreadable(node.address, "no JSON") from None
        return last.content

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = http.session({**HEADERS, "Authorization": self._access.authorization}, self._access.tls)
        return self._session


def _path(segments: Iterable[str]) -> str:
    return f"/api/{'/'.join(quote(segment, safe='') for segment in segments)}"


def _note_failure(node: _Node, failure: BrokerError, now: float) -> None:
    refused = failure.reason is UnknownReason.AUTHENTICATION_FAILED
    longest = LONGEST_PAUSE_REFUSED if refused else LONGEST_PAUSE
    node.retry_at = now + min(FIRST_PAUSE * 2**node.failures, longest)
    node.failure = failure
    node.failures += 1


def _most_telling(failures: Mapping[str, BrokerError]) -> BrokerError:
    """The failure that says most, in full; of those alike only the addresses."""
    found = {failure.reason for failure in failures.values()}
    reason = next(telling for telling in _TELLING if telling in found)
    alike = [address for address, failure in failures.items() if failure.reason is reason]
    others = f" (likewise {', '.join(alike[1:])})" if alike[1:] else ""
    return BrokerError(reason, f"nothing could be read: {failures[alike[0]]}{others}")
