"""One Prometheus over HTTP: instant queries with time limits, growing pauses and bounded answers.

``adapter`` asks through it; ``errors`` translates. Every failure is a BrokerError. A caller may be cancelled at any await.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any, Final

import aiohttp

from floodwarden.brokers import http
from floodwarden.brokers.base import BrokerError
from floodwarden.brokers.prometheus.access import Access
from floodwarden.brokers.prometheus.errors import from_exception, from_status, too_large, unreadable
from floodwarden.core.observation import UnknownReason

REQUEST_SECONDS: Final = 5.0
FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 2.0
LONGEST_PAUSE_REFUSED: Final = 15.0  # refused credentials seldom mend themselves
# Room for 40,000 partitions; what is decoded may take twenty times as much memory.
LARGEST_ANSWER: Final = 16 * 2**20
LARGEST_REFUSAL: Final = 64 * 2**10
HEADERS: Final = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "floodwarden"}


class Server:
    """One Prometheus, asked by one caller at a time."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._session: aiohttp.ClientSession | None = None
        self._failure: BrokerError | None = None
        self._failures = 0
        self._retry_at = 0.0
        self.requests = 0

    async def query(self, expression: str) -> Any:
        """What an instant query answers, as JSON. BrokerError where it answers nothing of use, and while a pause goes on."""
        loop = asyncio.get_running_loop()
        if self._failure is not None and loop.time() < self._retry_at:
            raise self._failure
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                body = await self._ask(expression)
            content = json.loads(body)
        except (BrokerError, aiohttp.ClientError, OSError) as error:
            failure = from_exception(error, self._access.address)
            self._note(failure, loop.time())
            # From None: the chain would carry the request, and with it the password.
            raise failure from None
        except (ValueError, RecursionError):
            raise unreadable(self._access.address, "no JSON") from None
        self._failure, self._failures = None, 0
        return content

    async def close(self) -> None:
        """Close every connection."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _ask(self, expression: str) -> bytes:
        self.requests += 1
        # Thanos leaves parts out in silence unless it is told; Prometheus takes no notice.
        form = {"query": expression, "timeout": f"{REQUEST_SECONDS:g}s", "partial_response": "false"}
        url = self._access.url.rstrip("/") + "/api/v1/query"
        async with self._opened().post(url, data=form, allow_redirects=False) as answer:
            if answer.status != 200:
                refusal = await http.bounded(answer, LARGEST_REFUSAL) or b""
                raise from_status(answer.status, refusal, self._access.address, self._access.who)
            body = await http.bounded(answer, LARGEST_ANSWER)
        if body is None:
            raise too_large(self._access.address, LARGEST_ANSWER)
        return body

    def _note(self, failure: BrokerError, now: float) -> None:
        refused = failure.reason is UnknownReason.AUTHENTICATION_FAILED
        self._retry_at = now + min(FIRST_PAUSE * 2**self._failures, LONGEST_PAUSE_REFUSED if refused else LONGEST_PAUSE)
        self._failure = failure
        self._failures = min(self._failures + 1, 16)

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            proof = self._access.authorization
            self._session = http.session({**HEADERS, **({"Authorization": proof} if proof else {})}, self._access.tls)
        return self._session
