"""What RocketMQ answers and what sockets raise, in reasons a person can act on."""

from __future__ import annotations

import asyncio
import socket
import ssl

import pytest

from floodwarden.brokers.rocketmq.errors import NAMES, REASONS, failed, from_answer, from_exception
from floodwarden.brokers.rocketmq.frames import Frame, FrameError
from floodwarden.core.observation import UnknownReason

DENIED_49 = (
    "org.apache.rocketmq.acl.common.AclException: {}, org.apache.rocketmq.acl.plain.PlainPermissionManager.validate(Plain.java:1)"
)
ANSWERS = [
    ("no route", 17, "No topic route info in name server for the topic: orders", UnknownReason.TOPIC_MISSING, "create the topic"),
    ("busy", 2, "[OVERLOAD]system busy, start flow control for a while", UnknownReason.TIMEOUT, "look at its load"),
    ("flow control", 215, "", UnknownReason.TIMEOUT, "look at its load"),
    ("an old broker", 3, " request type 4711 not supported", UnknownReason.UNSUPPORTED, "4.9 or newer"),
    ("an error", 1, "boom\n\tat org.apache", UnknownReason.BROKER_ERROR, "SYSTEM_ERROR (boom)"),
    ("a code of later", 31999, "", UnknownReason.BROKER_ERROR, "code 31999"),
    ("no master", 501, "", UnknownReason.NO_LEADER, "clusterList"),
    ("5: wrong secret", 16, "check signature failed.", UnknownReason.AUTHENTICATION_FAILED, "aclSecretRef"),
    ("5: nobody", 16, "User:mallory is not found.", UnknownReason.AUTHENTICATION_FAILED, "aclSecretRef"),
    (
        "5: generic",
        16,
        "Authentication failed. Please verify the credentials and try again.",
        UnknownReason.AUTHENTICATION_FAILED,
        "aclSecretRef",
    ),
    (
        "5: no right",
        16,
        "User:reader has no permission to access Topic:orders from 10.0.0.7, no match",
        UnknownReason.AUTHORIZATION_FAILED,
        "Get the topic",
    ),
    ("5: no reason", 16, "", UnknownReason.AUTHORIZATION_FAILED, "Get the topic"),
    ("4.9: no key", 1, DENIED_49.format("No accessKey is configured"), UnknownReason.AUTHENTICATION_FAILED, "aclSecretRef"),
    ("4.9: nobody", 1, DENIED_49.format("No acl config for mallory"), UnknownReason.AUTHENTICATION_FAILED, "aclSecretRef"),
    (
        "4.9: wrong secret",
        1,
        DENIED_49.format("Check signature failed for accessKey=reader"),
        UnknownReason.AUTHENTICATION_FAILED,
        "(org.apache.rocketmq.acl.common.AclException: Check signature failed for accessKey=reader); check",
    ),
    (
        "4.9: no right",
        1,
        DENIED_49.format("Need admin permission for request code=17, but accessKey=reader is not"),
        UnknownReason.AUTHORIZATION_FAILED,
        "Get the topic",
    ),
]


@pytest.mark.parametrize(("code", "remark", "reason", "says"), [case[1:] for case in ANSWERS], ids=[case[0] for case in ANSWERS])
def test_answers(code: int, remark: str, reason: UnknownReason, says: str) -> None:
    """An answer's reason, with what was asked, its name, the server's words and what to do."""
    unknown = from_answer(Frame(code, 1, remark=remark), "topic orders")
    assert unknown.reason is reason
    assert unknown.detail.startswith(f"topic orders: {NAMES.get(code, f'code {code}')}")
    assert says in unknown.detail


def test_long_words_are_cut() -> None:
    """A broker's stack of words does not fill a status."""
    assert len(from_answer(Frame(1, 1, remark="x" * 100_000), "topic orders").detail) < 300


def test_every_name_has_a_reason() -> None:
    """No code that has a name is forgotten, and none is answered twice."""
    assert REASONS.keys() == NAMES.keys()


EXCEPTIONS = [
    (ConnectionRefusedError(111, "refused"), UnknownReason.BROKER_UNREACHABLE, "check that it runs"),
    (ConnectionResetError(104, "reset"), UnknownReason.BROKER_UNREACHABLE, "closed the connection"),
    (asyncio.IncompleteReadError(b"", 4), UnknownReason.BROKER_UNREACHABLE, "closed the connection"),
    (socket.gaierror(-2, "Name or service not known"), UnknownReason.BROKER_UNREACHABLE, "cannot be resolved"),
    (OSError(113, "No route to host"), UnknownReason.BROKER_UNREACHABLE, "No route to host"),
    (TimeoutError(), UnknownReason.TIMEOUT, "did not answer in time"),
    (FrameError("a frame of 3 bytes"), UnknownReason.BROKER_UNREACHABLE, "does not answer as RocketMQ does: a frame of 3 bytes"),
    (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER]"), UnknownReason.BROKER_UNREACHABLE, "TLS switched on"),
    (ssl.SSLCertVerificationError(1, "self-signed"), UnknownReason.AUTHENTICATION_FAILED, "caSecretRef"),
    (ValueError("secret bytes"), UnknownReason.BROKER_ERROR, "ValueError"),
]


@pytest.mark.parametrize(("error", "reason", "says"), EXCEPTIONS, ids=[type(error).__name__ for error, _, _ in EXCEPTIONS])
def test_exceptions(error: Exception, reason: UnknownReason, says: str) -> None:
    """An exception's reason, with the address and what to do; unforeseen ones are not quoted."""
    if isinstance(error, ssl.SSLCertVerificationError):
        error.verify_message = "self-signed certificate"
    unknown = from_exception(error, "10.0.0.7:10911").unknown
    assert unknown.reason is reason
    assert "10.0.0.7:10911" in unknown.detail
    assert says in unknown.detail
    assert "secret bytes" not in unknown.detail


def test_a_request_error_passes_as_it_is() -> None:
    """What was translated once is not translated again."""
    error = failed(UnknownReason.UNSUPPORTED, "too old")
    assert from_exception(error, "anywhere") is error
