"""Translates what goes wrong with RocketMQ into reasons a person can act on; no other error passes beyond this package.

``REASONS`` answers for every code in RocketMQ's lists of answers, 4.9's and 5's. Some codes mean several things: then the
server's own words (``remark``) decide.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Mapping
from typing import Final

from floodwarden.brokers.rocketmq.bodies import BodyError
from floodwarden.brokers.rocketmq.frames import Frame, FrameError
from floodwarden.core.observation import Unknown, UnknownReason

# Names and numbers as in RemotingSysResponseCode and ResponseCode.
OK: Final = 0
SYSTEM_ERROR: Final = 1
NOT_SUPPORTED: Final = 3
NO_PERMISSION: Final = 16
TOPIC_NOT_EXIST: Final = 17
NOT_FOUND: Final = 19
READ_ON: Final = 20
OFFSET_MOVED: Final = 21
CONSUMER_NOT_ONLINE: Final = 206
GO_AWAY: Final = 1500
NAMES: Final[Mapping[int, str]] = {
    SYSTEM_ERROR: "SYSTEM_ERROR",
    2: "SYSTEM_BUSY",
    NOT_SUPPORTED: "REQUEST_CODE_NOT_SUPPORTED",
    4: "TRANSACTION_FAILED",
    10: "FLUSH_DISK_TIMEOUT",
    11: "SLAVE_NOT_AVAILABLE",
    12: "FLUSH_SLAVE_TIMEOUT",
    13: "MESSAGE_ILLEGAL",
    14: "SERVICE_NOT_AVAILABLE",
    15: "VERSION_NOT_SUPPORTED",
    NO_PERMISSION: "NO_PERMISSION",
    TOPIC_NOT_EXIST: "TOPIC_NOT_EXIST",
    18: "TOPIC_EXIST_ALREADY",
    22: "QUERY_NOT_FOUND",
    26: "SUBSCRIPTION_GROUP_NOT_EXIST",
    29: "INVALID_PARAMETER",
    205: "NOT_IN_CURRENT_UNIT",
    CONSUMER_NOT_ONLINE: "CONSUMER_NOT_ONLINE",
    207: "CONSUME_MSG_TIMEOUT",
    211: "BROKER_NOT_EXIST",
    215: "FLOW_CONTROL",
    501: "NOT_LEADER_FOR_QUEUE",
    604: "ILLEGAL_OPERATION",
    GO_AWAY: "GO_AWAY",
    2007: "CONTROLLER_NOT_LEADER",
    3001: "USER_NOT_EXIST",
    3002: "POLICY_NOT_EXIST",
}
REASONS: Final[Mapping[int, UnknownReason]] = {
    **dict.fromkeys(NAMES, UnknownReason.BROKER_ERROR),
    2: UnknownReason.TIMEOUT,
    NOT_SUPPORTED: UnknownReason.UNSUPPORTED,
    14: UnknownReason.BROKER_UNREACHABLE,
    15: UnknownReason.UNSUPPORTED,
    NO_PERMISSION: UnknownReason.AUTHORIZATION_FAILED,
    TOPIC_NOT_EXIST: UnknownReason.TOPIC_MISSING,
    207: UnknownReason.TIMEOUT,
    211: UnknownReason.BROKER_UNREACHABLE,
    215: UnknownReason.TIMEOUT,
    501: UnknownReason.NO_LEADER,
    GO_AWAY: UnknownReason.BROKER_UNREACHABLE,
    3001: UnknownReason.AUTHENTICATION_FAILED,
}
_ADVICE: Final[Mapping[UnknownReason, str]] = {
    UnknownReason.TIMEOUT: "the broker has too much to do, or limits how much it is asked; look at its load",
    UnknownReason.AUTHENTICATION_FAILED: "check accessKey and secretKey in the Secret of aclSecretRef",
    UnknownReason.AUTHORIZATION_FAILED: "allow Floodwarden's user to Get the topic and the group (RocketMQ ACLs)",
    UnknownReason.NO_LEADER: "it comes back by itself when the broker has a master again; see mqadmin clusterList",
    UnknownReason.TOPIC_MISSING: "create the topic, or correct its name in the policy",
    UnknownReason.UNSUPPORTED: "Floodwarden needs RocketMQ 4.9 or newer",
}
# 4.9 answers SYSTEM_ERROR with this where ACLs refuse; 5 answers NO_PERMISSION, whoever is refused and for what.
_ACL: Final = "AclException"
# Of a user that is not the one he says he is; all other refusals are of what he may do. In RocketMQ's own words, lower case.
_NOT_PROVEN: Final = ("authentication", "signature", "accesskey", "user:", "no acl config", "credential", "username", "subject")
_MAY_NOT: Final = ("has no permission", "no default permission", "need admin permission")
SAID_AT_MOST: Final = 200


class RequestError(Exception):
    """A request to one server failed, or could not be sent; ``unknown`` is what its answers are now."""

    def __init__(self, unknown: Unknown) -> None:
        super().__init__(unknown.detail)
        self.unknown = unknown


def failed(reason: UnknownReason, detail: str) -> RequestError:
    """A RequestError for that reason."""
    return RequestError(Unknown(reason, detail))


def from_answer(answer: Frame, what: str) -> Unknown:
    """What an answer that is not OK means; ``what`` says what was asked of whom, such as "group billing on broker-a"."""
    reason = _reason(answer)
    name = NAMES.get(answer.code, f"code {answer.code}")
    advice = _ADVICE.get(reason)
    said = _said(answer.remark)
    return Unknown(reason, f"{what}: {name}" + (f" ({said})" if said else "") + (f"; {advice}" if advice else ""))


def _reason(answer: Frame) -> UnknownReason:
    if answer.code == NO_PERMISSION or (answer.code == SYSTEM_ERROR and _ACL in answer.remark):
        words = answer.remark.lower()
        unproven = any(word in words for word in _NOT_PROVEN) and not any(word in words for word in _MAY_NOT)
        return UnknownReason.AUTHENTICATION_FAILED if unproven else UnknownReason.AUTHORIZATION_FAILED
    return REASONS.get(answer.code, UnknownReason.BROKER_ERROR)


def _said(remark: str) -> str:
    """A server's words for people: the first line, without the place in its source."""
    first = remark.strip().splitlines()[:1]
    text = "".join(first).split(", org.apache.rocketmq")[0]
    return text if len(text) <= SAID_AT_MOST else f"{text[: SAID_AT_MOST - 1]}…"


def unreadable(error: BodyError, what: str) -> Unknown:
    """What a body means that cannot be read."""
    return Unknown(UnknownReason.BROKER_ERROR, f"{what}: the answer cannot be read: {error}")


def from_exception(error: BaseException, address: str) -> RequestError:
    """What an exception of a socket, of TLS, of a time limit or of a frame means."""
    match error:
        case RequestError():
            return error
        case TimeoutError():
            return failed(UnknownReason.TIMEOUT, f"{address} did not answer in time; check the broker and the network")
        case FrameError():
            advice = "check that a name server or broker of RocketMQ listens there, and whether it asks for TLS"
            return failed(UnknownReason.BROKER_UNREACHABLE, f"{address} does not answer as RocketMQ does: {error}; {advice}")
        case ssl.SSLCertVerificationError():
            advice = "check the CA in caSecretRef, and the host names and addresses in the certificate"
            why = f"the certificate of {address} is not trusted: {error.verify_message}; {advice}"
            return failed(UnknownReason.AUTHENTICATION_FAILED, why)
        case ssl.SSLError():
            why = getattr(error, "reason", None) or "the handshake failed"
            return failed(UnknownReason.BROKER_UNREACHABLE, f"no TLS with {address}: {why}; check that it has TLS switched on")
        case socket.gaierror():
            advice = "check the host name in nameServers, or brokerIP1 of the broker"
            return failed(UnknownReason.BROKER_UNREACHABLE, f"{address} cannot be resolved: {error.strerror}; {advice}")
        case ConnectionRefusedError():
            return failed(UnknownReason.BROKER_UNREACHABLE, f"{address} refused the connection; check that it runs")
        case asyncio.IncompleteReadError() | ConnectionError():
            advice = "it stopped, or its TLS is not as given here"
            return failed(UnknownReason.BROKER_UNREACHABLE, f"{address} closed the connection; {advice}")
        case OSError():
            why = error.strerror or type(error).__name__
            return failed(
                UnknownReason.BROKER_UNREACHABLE, f"no connection to {address}: {why}; check the address and the network"
            )
    # The class's name only: a message of an unforeseen error could quote what was sent.
    return failed(UnknownReason.BROKER_ERROR, f"{address} answered what cannot be read ({type(error).__name__})")
