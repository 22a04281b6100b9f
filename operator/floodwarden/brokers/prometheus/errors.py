"""Translates what goes wrong with Prometheus into reasons a person can act on; no HTTP library's error passes beyond.

``server`` asks. Every text says what to do next; none quotes an answer, which may come from anybody.
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from typing import Final

import aiohttp

from floodwarden.brokers.base import BrokerError
from floodwarden.core.observation import UnknownReason

_SECRETS: Final = "credentialsSecretRef or bearerTokenSecretRef"
_NARROW: Final = "narrow it with labels or in queries, or raise --query.max-samples of Prometheus"


def from_status(status: int, body: bytes, address: str, who: str) -> BrokerError:
    """What an answer means that says no."""
    kind = _error_type(body)
    if status == 401:
        why = f"{address} refused {who}; check the Secret of {_SECRETS}"
        return BrokerError(UnknownReason.AUTHENTICATION_FAILED, why)
    if status == 403:
        why = f"{address} does not let {who} query; give it the right to, or check {_SECRETS}"
        return BrokerError(UnknownReason.AUTHORIZATION_FAILED, why)
    if status == 400 and kind:
        why = f"{address} does not take the query; correct queries, by trying each on the page of Prometheus"
        return BrokerError(UnknownReason.BROKER_ERROR, why)
    if status == 422:
        why = f"{address} could not evaluate the query: too many samples, or labels that do not fit; {_NARROW}"
        return BrokerError(UnknownReason.BROKER_ERROR, why)
    if status == 503 and kind in ("timeout", "canceled"):
        why = f"{address} could not evaluate the query in time; {_NARROW.partition(',')[0]}, or check its load"
        return BrokerError(UnknownReason.TIMEOUT, why)
    if status == 429:
        why = f"{address} limits how often it is asked (429); raise sweepInterval, or that limit"
        return BrokerError(UnknownReason.BROKER_UNREACHABLE, why)
    if status in (502, 503, 504):
        why = f"{address} answered {status}: Prometheus starts, or none is behind it now; check that it runs"
        return BrokerError(UnknownReason.BROKER_UNREACHABLE, why)
    if status >= 500:
        return BrokerError(UnknownReason.BROKER_ERROR, f"{address} answered {status}; see the log of Prometheus")
    if 300 <= status < 400:
        # Following it would carry the password somewhere else.
        why = f"{address} sends on to another address ({status}); set url to that one"
        return BrokerError(UnknownReason.BROKER_ERROR, why)
    advice = "correct url: what /api/v1/query is put behind, and https where it wants it"
    why = f"{address} answered {status}, as no Prometheus does; {advice}"
    return BrokerError(UnknownReason.BROKER_ERROR, why)


def from_exception(error: BaseException, address: str) -> BrokerError:
    """What an exception of a socket, of TLS, of HTTP or of a time limit means."""
    match _cause(error):
        case BrokerError() as known:
            return known
        case TimeoutError():
            why = f"{address} did not answer in time; check the load of Prometheus and the network"
            return BrokerError(UnknownReason.TIMEOUT, why)
        case ssl.SSLCertVerificationError() as refused:
            advice = "check the CA in caSecretRef and the host name in url"
            why = f"the certificate of {address} is not trusted: {refused.verify_message}; {advice}"
            return BrokerError(UnknownReason.AUTHENTICATION_FAILED, why)
        case ssl.SSLError() as broken:
            why = getattr(broken, "reason", None) or "the handshake failed"
            advice = "check that url names a port of HTTPS"
            return BrokerError(UnknownReason.BROKER_UNREACHABLE, f"no TLS with {address}: {why}; {advice}")
        case socket.gaierror() as unresolved:
            why = f"{address} cannot be resolved: {unresolved.strerror}; check the host name in url"
            return BrokerError(UnknownReason.BROKER_UNREACHABLE, why)
        case ConnectionRefusedError():
            why = f"{address} refused the connection; check that Prometheus runs"
            return BrokerError(UnknownReason.BROKER_UNREACHABLE, why)
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientPayloadError() | asyncio.IncompleteReadError() | ConnectionError():
            why = f"{address} closed the connection; Prometheus stopped, or it wants https"
            return BrokerError(UnknownReason.BROKER_UNREACHABLE, why)
        case aiohttp.ClientResponseError():
            why = f"{address} does not speak HTTP; check the port in url, and whether it wants https"
            return BrokerError(UnknownReason.BROKER_UNREACHABLE, why)
        case OSError() as failed:
            why = failed.strerror or type(failed).__name__
            advice = "check the address and the network"
            return BrokerError(UnknownReason.BROKER_UNREACHABLE, f"no connection to {address}: {why}; {advice}")
    # The class's name only: a message of an unforeseen error could quote what was sent.
    return unreadable(address, type(error).__name__)


def unreadable(address: str, why: str, advice: str = "check url") -> BrokerError:
    """An answer that cannot be read."""
    return BrokerError(UnknownReason.BROKER_ERROR, f"{address} answered what cannot be read ({why}); {advice}")


def too_large(address: str, most: int) -> BrokerError:
    """An answer with more series than are taken."""
    return unreadable(address, f"more than {most // 2**20} MiB", "narrow it with labels, or in queries")


def _cause(error: BaseException) -> BaseException:
    """The error under aiohttp's own, which are errors of the system by their class whatever they wrap."""
    while isinstance(error, aiohttp.ClientError):
        under = getattr(error, "os_error", None) or getattr(error, "certificate_error", None)
        if not isinstance(under, Exception):
            break
        error = under
    return error


def _error_type(body: bytes) -> str:
    """The kind of error as Prometheus words it; empty where it did not write this."""
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    kind = told.get("errorType") if isinstance(told, dict) else None
    return kind if isinstance(kind, str) else ""
