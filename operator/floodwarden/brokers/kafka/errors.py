"""Translates what goes wrong with Kafka into reasons a person can act on; no driver's error passes beyond this package.

``REASONS`` answers for every error code that the protocol library knows (a unit test holds the two together).
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Mapping
from typing import Final

from floodwarden.brokers.kafka.protocol import error_name
from floodwarden.core.observation import Unknown, UnknownReason

# Codes by what they mean for a reader of offsets. NAMES are as in Kafka's Errors.java.
_BY_REASON: Final[Mapping[UnknownReason, frozenset[int]]] = {
    UnknownReason.BROKER_UNREACHABLE: frozenset({8, 13}),  # BROKER_NOT_AVAILABLE, NETWORK_EXCEPTION
    UnknownReason.TIMEOUT: frozenset({7}),  # REQUEST_TIMED_OUT
    # UNSUPPORTED_SASL_MECHANISM, ILLEGAL_SASL_STATE, SASL_AUTHENTICATION_FAILED, DELEGATION_TOKEN_*, UNACCEPTABLE_CREDENTIAL
    UnknownReason.AUTHENTICATION_FAILED: frozenset({33, 34, 58, 61, 62, 63, 64, 66, 67, 93, 97}),
    # TOPIC_, GROUP_, CLUSTER_, TRANSACTIONAL_ID_, DELEGATION_TOKEN_AUTHORIZATION_FAILED, SECURITY_DISABLED
    UnknownReason.AUTHORIZATION_FAILED: frozenset({29, 30, 31, 53, 54, 65}),
    # COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE, NOT_COORDINATOR
    UnknownReason.COORDINATOR_UNAVAILABLE: frozenset({14, 15, 16}),
    # LEADER_NOT_AVAILABLE, NOT_LEADER_OR_FOLLOWER, REPLICA_NOT_AVAILABLE, KAFKA_STORAGE_ERROR, LISTENER_NOT_FOUND,
    # FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH, OFFSET_NOT_AVAILABLE, PREFERRED_LEADER_ and ELIGIBLE_LEADERS_NOT_AVAILABLE,
    # INELIGIBLE_REPLICA, NEW_LEADER_ELECTED
    UnknownReason.NO_LEADER: frozenset({5, 6, 9, 56, 72, 74, 75, 78, 80, 83, 107, 108}),
    # UNKNOWN_TOPIC_OR_PARTITION, INVALID_TOPIC_EXCEPTION, UNKNOWN_TOPIC_ID, INCONSISTENT_TOPIC_ID
    UnknownReason.TOPIC_MISSING: frozenset({3, 17, 100, 103}),
    # UNSUPPORTED_VERSION, INVALID_REQUEST, UNSUPPORTED_FOR_MESSAGE_FORMAT
    UnknownReason.UNSUPPORTED: frozenset({35, 42, 43}),
}
# Answers to requests that only read never carry these: they belong to producing, transactions, changes of the cluster,
# membership of groups and share groups. Should one come all the same, it is a plain BrokerError with its name.
_OTHERS: Final = frozenset(
    {-1, 1, 2, 4, 10, 11, 12, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 32, 36, 37, 38, 39, 40, 41}
    | {44, 45, 46, 47, 48, 49, 50, 51, 52, 55, 57, 59, 60, 68, 69, 70, 71, 73, 76, 77, 79, 81, 82, 84, 85, 86, 87, 88, 89}
    | {90, 91, 92, 94, 95, 96, 98, 99, 101, 102, 104, 105, 106, 109, 110, 111, 112, 113, 114, 115, 116, 117, 118, 119}
    | {120, 121, 122, 123, 124, 125, 126, 127}
)
REASONS: Final[Mapping[int, UnknownReason]] = {
    **{code: reason for reason, codes in _BY_REASON.items() for code in codes},
    **dict.fromkeys(_OTHERS, UnknownReason.BROKER_ERROR),
}

GROUP_ID_NOT_FOUND: Final = 69
# The coordinator is elsewhere, or nowhere yet: what is remembered about it is wrong.
STALE_COORDINATOR: Final = frozenset({15, 16})
# The leader or the topic is not what is remembered: worth a look at the metadata and a second try.
STALE_METADATA: Final = frozenset({3, 5, 6, 9, 72, 74, 75, 100, 103})

_ADVICE: Final[Mapping[UnknownReason, str]] = {
    UnknownReason.AUTHORIZATION_FAILED: "allow Floodwarden's user to Describe the topic and the group (Kafka ACLs)",
    UnknownReason.COORDINATOR_UNAVAILABLE: "it comes back by itself when the coordinator has moved or loaded",
    UnknownReason.NO_LEADER: "it comes back by itself when a replica is elected; see kafka-topics --describe",
    UnknownReason.TOPIC_MISSING: "create the topic, or correct its name in the policy",
    UnknownReason.UNSUPPORTED: "Floodwarden needs Kafka 3.0 or newer",
}


class RequestError(Exception):
    """A request to one node failed, or could not be sent; ``unknown`` is what its answers are now."""

    def __init__(self, unknown: Unknown) -> None:
        super().__init__(unknown.detail)
        self.unknown = unknown


def failed(reason: UnknownReason, detail: str) -> RequestError:
    """A RequestError for that reason."""
    return RequestError(Unknown(reason, detail))


def from_code(code: int, what: str) -> Unknown:
    """What an error code in an answer means; ``what`` says what was asked, such as "group billing"."""
    reason = REASONS.get(code, UnknownReason.BROKER_ERROR)
    advice = _ADVICE.get(reason)
    return Unknown(reason, f"{what}: {error_name(code)}" + (f"; {advice}" if advice else ""))


def denied(code: int, what: str, right: str, said: str | None = None) -> Unknown:
    """The same where a right may be missing: ``right`` is what ACLs have to allow, ``said`` are the broker's own words."""
    unknown = from_code(code, what)
    if unknown.reason is UnknownReason.AUTHORIZATION_FAILED:
        return Unknown(unknown.reason, f"{what}: allow Floodwarden's user {right} (Kafka ACLs)")
    return Unknown(unknown.reason, f"{unknown.detail}: {said}") if said else unknown


def from_exception(error: BaseException, address: str) -> RequestError:
    """What an exception of a socket, of TLS or of a time limit means."""
    match error:
        case RequestError():
            return error
        case TimeoutError():
            return failed(UnknownReason.TIMEOUT, f"{address} did not answer in time; check the broker and the network")
        case ssl.SSLCertVerificationError():
            advice = "check the CA in caSecretRef and the host name in bootstrapServers or advertised.listeners"
            why = f"the certificate of {address} is not trusted: {error.verify_message}; {advice}"
            return failed(UnknownReason.AUTHENTICATION_FAILED, why)
        case ssl.SSLError():
            return _from_tls(error, address)
        case socket.gaierror():
            advice = "check the host name in bootstrapServers or advertised.listeners"
            return failed(UnknownReason.BROKER_UNREACHABLE, f"{address} cannot be resolved: {error.strerror}; {advice}")
        case ConnectionRefusedError():
            return failed(UnknownReason.BROKER_UNREACHABLE, f"{address} refused the connection; check that the broker runs")
        case asyncio.IncompleteReadError() | ConnectionError():
            advice = "the broker stopped, or security.protocol is not that of the listener"
            return failed(UnknownReason.BROKER_UNREACHABLE, f"{address} closed the connection; {advice}")
        case OSError():
            why = error.strerror or type(error).__name__
            return failed(
                UnknownReason.BROKER_UNREACHABLE, f"no connection to {address}: {why}; check the address and the network"
            )
    # The class's name only: a message of an unforeseen error could quote what was sent.
    return failed(UnknownReason.BROKER_ERROR, f"{address} answered what cannot be read ({type(error).__name__})")


def _from_tls(error: ssl.SSLError, address: str) -> RequestError:
    # Absent where Python itself raises the error, not OpenSSL.
    why = getattr(error, "reason", None) or "the handshake failed"
    if "ALERT" in why:
        advice = "check the client certificate in clientCertificateSecretRef"
        return failed(UnknownReason.AUTHENTICATION_FAILED, f"{address} refused TLS: {why}; {advice}")
    advice = "check that security.protocol is that of the listener"
    return failed(UnknownReason.BROKER_UNREACHABLE, f"no TLS with {address}: {why}; {advice}")
