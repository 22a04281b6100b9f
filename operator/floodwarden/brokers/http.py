"""What brokers that are read over HTTP have in common: addresses, sessions, bounded answers, and what goes wrong on the way.

RabbitMQ's management API and Prometheus use it. Every text says what to do next; none quotes an answer, which may be anybody's.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import aiohttp

from floodwarden.brokers.base import BrokerError
from floodwarden.brokers.secrets import UnusableSecret
from floodwarden.brokers.tls import trusting
from floodwarden.core.observation import UnknownReason


@dataclass(frozen=True, slots=True)
class Words:
    """What people call the parts of one service."""

    field: str
    """Of the spec: where the address is."""
    server: str
    """Whose load matters, and who stops."""
    runs: str
    """What to check where nobody listens."""
    https: str
    """What to check where TLS fails."""


class AccessError(UnusableSecret):
    """What was given cannot be used; the text says what to correct and quotes no secret."""


def check_url(url: str, field: str, example: str) -> None:
    """AccessError where an address cannot be used. It is not quoted: people do write passwords into them."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise AccessError(f"{field} is no address such as {example}")
    if "@" in parts.netloc:
        raise AccessError(f"{field} holds a user or a password; these belong into the Secret of credentialsSecretRef")
    if "?" in url or "#" in url:
        raise AccessError(f"{field} holds a query or a fragment; leave them away")


def check_user(username: str, password: str | None) -> None:
    """AccessError where HTTP cannot send them."""
    if not (username and password):
        raise AccessError("username or password is empty; fill both in the Secret of credentialsSecretRef")
    if ":" in username:
        raise AccessError("the username holds a colon, which HTTP cannot send; use another user")


def basic(username: str, password: str | None) -> str:
    """The header that proves a user."""
    return f"Basic {b64encode(f'{username}:{password}'.encode()).decode()}"


def tls_for(urls: Iterable[str], ca: bytes | None) -> ssl.SSLContext | None:
    """What TLS connections are made with: at least TLS 1.2, host names checked; None where no address is https.

    ``ca`` (authorities to trust; the system's without it) is PEM; AccessError where it is none.
    """
    if not any(url.startswith("https") for url in urls):
        return None
    try:
        return trusting(ca)
    except ValueError as error:
        raise AccessError(str(error)) from None


def session(headers: Mapping[str, str], tls: ssl.SSLContext | None) -> aiohttp.ClientSession:
    """Connections for one service.

    Time limits are the caller's; compressed answers are not asked for, so none is inflated; nothing of the environment counts.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=tls or True),
        headers=headers,
        timeout=aiohttp.ClientTimeout(total=None),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
    )


async def bounded(answer: aiohttp.ClientResponse, most: int) -> bytes | None:
    """The body; None where it is longer than ``most`` bytes. The connection is then of no more use."""
    body = bytearray()
    async for piece in answer.content.iter_any():
        body += piece
        if len(body) > most:
            answer.close()
            return None
    return bytes(body)


def from_exception(error: BaseException, address: str, words: Words) -> BrokerError:
    """What an exception of a socket, of TLS, of HTTP or of a time limit means."""
    match _cause(error):
        case BrokerError() as known:
            return known
        case TimeoutError():
            why = f"{address} did not answer in time; check the load of {words.server} and the network"
            return BrokerError(UnknownReason.TIMEOUT, why)
        case ssl.SSLCertVerificationError() as refused:
            advice = f"check the CA in caSecretRef and the host name in {words.field}"
            why = f"the certificate of {address} is not trusted: {refused.verify_message}; {advice}"
            return BrokerError(UnknownReason.AUTHENTICATION_FAILED, why)
        case ssl.SSLError() as broken:
            why = getattr(broken, "reason", None) or "the handshake failed"
            return BrokerError(UnknownReason.BROKER_UNREACHABLE, f"no TLS with {address}: {why}; check that {words.https}")
        case socket.gaierror() as unresolved:
            why = f"{address} cannot be resolved: {unresolved.strerror}; check the host name in {words.field}"
            return BrokerError(UnknownReason.BROKER_UNREACHABLE, why)
        case ConnectionRefusedError():
            return BrokerError(UnknownReason.BROKER_UNREACHABLE, f"{address} refused the connection; check that {words.runs}")
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientPayloadError() | asyncio.IncompleteReadError() | ConnectionError():
            why = f"{address} closed the connection; {words.server} stopped, or it wants https"
            return BrokerError(UnknownReason.BROKER_UNREACHABLE, why)
        case aiohttp.ClientResponseError():
            why = f"{address} does not speak HTTP; check the port in {words.field}, and whether it wants https"
            return BrokerError(UnknownReason.BROKER_UNREACHABLE, why)
        case OSError() as failed:
            why = failed.strerror or type(failed).__name__
            advice = "check the address and the network"
            return BrokerError(UnknownReason.BROKER_UNREACHABLE, f"no connection to {address}: {why}; {advice}")
    # The class's name only: a message of an unforeseen error could quote what was sent.
    return unreadable(address, type(error).__name__, f"check {words.field}")


def unreadable(address: str, why: str, advice: str) -> BrokerError:
    """An answer that cannot be read."""
    return BrokerError(UnknownReason.BROKER_ERROR, f"{address} answered what cannot be read ({why}); {advice}")


def _cause(error: BaseException) -> BaseException:
    """The error under aiohttp's own, which are errors of the system by their class whatever they wrap."""
    while isinstance(error, aiohttp.ClientError):
        under = getattr(error, "os_error", None) or getattr(error, "certificate_error", None)
        if not isinstance(under, Exception):
            break
        error = under
    return error
