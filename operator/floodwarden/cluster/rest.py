"""Raw JSON to and from the API server, and its errors by name.

Every adapter of this package sends through ``Rest``: bytes in and out without typed models, because scales are read
hundreds of times a second; a time limit on every request; whatever goes wrong is an ``ApiError`` that the adapters turn
into their own typed results. No ApiError leaves the package.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from enum import Enum, auto
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp
from kubernetes.aio.client import ApiClient
from kubernetes.aio.config import ConfigException

FIELD_MANAGER = "floodwarden"
JSON = "application/json"
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_MERGE_PATCH = "application/strategic-merge-patch+json"  # of built-in kinds only: lists by their keys
MESSAGE_LENGTH = 500  # characters; the API server may quote a whole object
AWAY_FOR = 1.0  # seconds after a request without an answer in which no other is sent: a thousand time limits would add up
TIME_LIMIT = 10.0  # seconds for a request, waiting for a connection included
CONNECT_LIMIT = 3.0  # seconds


class Failure(Enum):
    """What an answer, or the lack of one, means for the request."""

    MISSING = auto()  # no such object, or no such path
    FORBIDDEN = auto()  # credentials refused or RBAC says no
    CONFLICT = auto()  # changed meanwhile, or already there
    REFUSED = auto()  # validation or an admission webhook says no
    UNREACHABLE = auto()  # no answer, or one that says "later"


class ApiError(Exception):
    """A request that failed. The text is the API server's own words, or why there are none."""

    def __init__(
        self, failure: Failure, message: str, *, status: int | None = None, details: dict[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.failure = failure
        self.status = status  # of HTTP; None without an answer
        self.details = details or {}  # of the Status object: which object, and the causes


def lacks_right(error: ApiError) -> bool:
    """Whether RBAC refused it; admission (quotas, webhooks, a namespace that is going) says "forbidden" as well."""
    return error.failure is Failure.FORBIDDEN and " cannot " in str(error)


def path(api_version: str, *segments: str) -> str:
    """``/apis/GROUP/VERSION/…`` (``/api/v1/…`` for the core group) with each segment quoted.

    What users write (kinds, names) ends up here, so what would climb out of its place in the path is MISSING:
    nothing in Kubernetes can be called that.
    """
    parts = [*api_version.split("/"), *segments]
    if any(part in ("", ".", "..") or "/" in part or "%" in part for part in parts):
        name = "/".join(parts)
        raise ApiError(Failure.MISSING, f"there can be nothing called {name!r}")
    return "/".join(["/apis" if "/" in api_version else "/api", *(quote(part, safe="") for part in parts)])


class Rest:
    """Requests with raw bodies through one ``ApiClient``. Safe to use from many tasks of its event loop at once."""

    def __init__(self, client: ApiClient, *, within: float = TIME_LIMIT, fence: Callable[[], float] | None = None) -> None:
        """``within`` seconds every request is answered or given up. ``fence`` tells for how many seconds this process may still
        write: no write is sent when they are over, nor waits longer than that."""
        self._client = client
        self._within = within
        self._fence = fence
        self._away_until = 0.0  # monotonic seconds

    async def send(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, str] | None = None,
        body: Any = None,
        content_type: str = JSON,
        accept: str = JSON,
    ) -> bytes:
        """The answer's body as it came; ApiError for anything but success, within the time limit."""
        if time.monotonic() < self._away_until:
            raise ApiError(Failure.UNREACHABLE, "the API server did not answer a moment ago")
        headers = {"Accept": accept, "Content-Type": content_type, "User-Agent": self._client.user_agent}
        url = f"{self._client.configuration.host}{path}"
        if query:
            url = f"{url}?{urlencode(query)}"
        try:
            await self._client.update_params_for_auth(headers, [], ["BearerToken"], path, method, body)
            limit = self._limit(method)
            response = await self._client.rest_client.request(  # type: ignore[no-untyped-call]
                method, url, headers=headers, body=body, _request_timeout=limit
            )
            data: bytes = await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError, ConfigException) as error:
            if isinstance(error, TimeoutError):  # a refusal is quick, and tried again at once
                self._away_until = time.monotonic() + AWAY_FOR
            why = str(error) or f"no answer within {self._within:g} s"
            raise ApiError(Failure.UNREACHABLE, f"the API server cannot be reached: {why}") from error
        if not 200 <= response.status < 300:
            raise _error(response.status, data)
        return data

    def _limit(self, method: str) -> aiohttp.ClientTimeout:
        total = self._within
        if self._fence is not None and method != "GET":
            total = min(total, self._fence())
            if total <= 0:
                raise ApiError(Failure.UNREACHABLE, "this replica's Lease has run out: another one may act now")
        return aiohttp.ClientTimeout(total=total, sock_connect=min(total, CONNECT_LIMIT))

    async def get(self, path: str, *, accept: str = JSON, **query: str) -> dict[str, Any]:
        """One object or list as plain dictionaries."""
        return parse(await self.send("GET", path, query=query, accept=accept))


def parse(data: bytes) -> dict[str, Any]:
    """The object in an answer; ApiError UNREACHABLE when something else than an API server spoke."""
    try:
        value = json.loads(data)
    except ValueError:
        value = None  # the error would carry the whole text along, which may be a Secret
    if not isinstance(value, dict):
        raise ApiError(Failure.UNREACHABLE, "the answer is not a JSON object: is there a proxy before the API server?")
    return value


def _error(status: int, data: bytes) -> ApiError:
    try:
        answer = parse(data)
    except ApiError:
        answer = {"message": data[:200].decode(errors="replace").strip()}
    message = answer.get("message") or f"HTTP status {status}"
    details = answer.get("details")
    return ApiError(_failure(status), message[:MESSAGE_LENGTH], status=status, details=details)


def _failure(status: int) -> Failure:
    match status:
        case 404:
            return Failure.MISSING
        case 401 | 403:
            return Failure.FORBIDDEN
        case 409:
            return Failure.CONFLICT
        case 408 | 429:
            return Failure.UNREACHABLE
        case _ if status >= 500:
            return Failure.UNREACHABLE
        case _:
            return Failure.REFUSED
