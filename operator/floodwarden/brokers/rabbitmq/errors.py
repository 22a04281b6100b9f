"""Translates what goes wrong with the management API into reasons a person can act on; no HTTP library's error passes beyond.

``management`` asks. Every text says what to do next; none quotes an answer, which may come from anybody.
"""

from __future__ import annotations

import json
from typing import Final

from floodwarden.brokers import http
from floodwarden.brokers.base import BrokerError
from floodwarden.core.observation import UnknownReason

# What the words of a refusal (rabbit_mgmt_util, rabbit_web_dispatch_access_control) come from, and what helps.
_PERMISSION: Final = "give user {user} a permission on virtual host {vhost}, be it for nothing (rabbitmqctl set_permissions)"
_TAG: Final = "give user {user} the tag monitoring (rabbitmqctl set_user_tags)"
_ADVICE: Final = (
    ("virtual host", _PERMISSION),
    ("localhost", "user {user} may come from the broker's own machine only; make a user for Floodwarden"),
    ("administrator", "operator policies are for administrators: give user {user} that tag (rabbitmqctl set_user_tags)"),
    ("basic auth", "the management API takes no passwords (management.disable_basic_auth); allow them"),
)
NO_STATISTICS: Final = "set management_agent.disable_metrics_collector and management.disable_stats to false in rabbitmq.conf"
_WORDS: Final = http.Words(
    field="managementURL",
    server="the node",
    runs="RabbitMQ and its management plugin run",
    https="managementURL names the port of HTTPS (management.ssl.port)",
)
_BALANCER: Final = frozenset({502, 503, 504})


def from_status(status: int, body: bytes, address: str, user: str, vhost: str, doing: str = "read this") -> BrokerError:
    """What an answer means that says no; ``doing`` is what was asked for."""
    error, reason = _told(body)
    if status == 401 and error != "not_authorised":
        why = f"{address} refused user {user}; check username and password in the Secret of credentialsSecretRef"
        return BrokerError(UnknownReason.AUTHENTICATION_FAILED, why)
    if status in (401, 403):
        advice = next((advice for words, advice in _ADVICE if words in reason), _TAG)
        why = f"{address} does not let user {user} {doing}: {advice.format(user=user, vhost=vhost)}"
        return BrokerError(UnknownReason.AUTHORIZATION_FAILED, why)
    if status == 404 and error:
        why = f"{address} has no virtual host {vhost}; create it, or correct vhost"
        return BrokerError(UnknownReason.BROKER_ERROR, why)
    if status == 400 and "not recognised" in reason:
        why = f"{address} allows a setting of this in no operator policy: RabbitMQ is too old there"
        return BrokerError(UnknownReason.UNSUPPORTED, why)
    if status == 400 and "disabled" in reason:
        return BrokerError(UnknownReason.UNSUPPORTED, f"{address} keeps no statistics; {NO_STATISTICS}")
    if status in _BALANCER:
        why = f"{address} answered {status}: no node is behind it now; check that RabbitMQ and its management plugin run"
        return BrokerError(UnknownReason.BROKER_UNREACHABLE, why)
    if status >= 500:
        why = f"{address} answered {status}; see the log of that node"
        return BrokerError(UnknownReason.BROKER_ERROR, why)
    if 300 <= status < 400:
        # Following it would carry the password somewhere else.
        why = f"{address} sends on to another address ({status}); set managementURL to that one"
        return BrokerError(UnknownReason.BROKER_ERROR, why)
    why = f"{address} answered {status}, as no management API does; correct managementURL"
    return BrokerError(UnknownReason.BROKER_ERROR, why)


def absent(status: int, body: bytes) -> bool:
    """Whether RabbitMQ itself says that what was asked for is not there."""
    return status == 404 and bool(_told(body)[0])


def from_exception(error: BaseException, address: str) -> BrokerError:
    """What an exception of a socket, of TLS, of HTTP or of a time limit means."""
    return http.from_exception(error, address, _WORDS)


def unreadable(address: str, why: str) -> BrokerError:
    """An answer that cannot be read."""
    return http.unreadable(address, why, "check managementURL")


def _told(body: bytes) -> tuple[str, str]:
    """Error and reason as RabbitMQ words them; empty where it did not write this."""
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return "", ""
    error, reason = (told.get("error"), told.get("reason")) if isinstance(told, dict) else (None, None)
    return (error, reason) if isinstance(error, str) and isinstance(reason, str) else ("", "")
