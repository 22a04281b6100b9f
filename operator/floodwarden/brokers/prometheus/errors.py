"""Translates what goes wrong with Prometheus into reasons a person can act on; no HTTP library's error passes beyond.

``server`` asks. Every text says what to do next; none quotes an answer, which may come from anybody.
"""

from __future__ import annotations

import json
from typing import Final

from floodwarden.brokers import http
from floodwarden.brokers.base import BrokerError
from floodwarden.core.observation import UnknownReason

_SECRETS: Final = "credentialsSecretRef or bearerTokenSecretRef"
_NARROW: Final = "narrow it with labels or in queries, or raise --query.max-samples of Prometheus"

_WORDS: Final = http.Words(field="url", server="Prometheus", runs="Prometheus runs", https="url names a port of HTTPS")


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
    return http.from_exception(error, address, _WORDS)


def unreadable(address: str, why: str, advice: str = "check url") -> BrokerError:
    """An answer that cannot be read."""
    return http.unreadable(address, why, advice)


def too_large(address: str, most: int) -> BrokerError:
    """An answer with more series than are taken."""
    return unreadable(address, f"more than {most // 2**20} MiB", "narrow it with labels, or in queries")


def _error_type(body: bytes) -> str:
    """The kind of error as Prometheus words it; empty where it did not write this."""
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    kind = told.get("errorType") if isinstance(told, dict) else None
    return kind if isinstance(kind, str) else ""
