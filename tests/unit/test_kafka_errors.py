"""What Kafka answers and what sockets raise, in reasons a person can act on."""

from __future__ import annotations

import asyncio
import socket
import ssl

import pytest

from floodwarden.brokers.kafka.errors import _BY_REASON, REASONS, failed, from_code, from_exception
from floodwarden.brokers.kafka.protocol import KNOWN_ERROR_CODES, error_name
from floodwarden.core.observation import UnknownReason

NO_ERROR = 0


def test_every_code_of_the_library_has_a_reason() -> None:
    """A new version of the library cannot bring an error code that nobody has thought about."""
    assert set(REASONS) == KNOWN_ERROR_CODES - {NO_ERROR}


def test_no_code_has_two_reasons() -> None:
    """The sets that the table is made from do not overlap."""
    told = sum(len(codes) for codes in _BY_REASON.values())
    plain = sum(reason is UnknownReason.BROKER_ERROR for reason in REASONS.values())
    assert told + plain == len(REASONS)


CODES = [
    ("NOT_COORDINATOR", 16, UnknownReason.COORDINATOR_UNAVAILABLE),
    ("COORDINATOR_LOAD_IN_PROGRESS", 14, UnknownReason.COORDINATOR_UNAVAILABLE),
    ("NOT_LEADER_FOR_PARTITION", 6, UnknownReason.NO_LEADER),
    ("OFFSET_NOT_AVAILABLE", 78, UnknownReason.NO_LEADER),
    ("UNKNOWN_TOPIC_OR_PARTITION", 3, UnknownReason.TOPIC_MISSING),
    ("UNKNOWN_TOPIC_ID", 100, UnknownReason.TOPIC_MISSING),
    ("TOPIC_AUTHORIZATION_FAILED", 29, UnknownReason.AUTHORIZATION_FAILED),
    ("GROUP_AUTHORIZATION_FAILED", 30, UnknownReason.AUTHORIZATION_FAILED),
    ("SASL_AUTHENTICATION_FAILED", 58, UnknownReason.AUTHENTICATION_FAILED),
    ("REQUEST_TIMED_OUT", 7, UnknownReason.TIMEOUT),
    ("NETWORK_EXCEPTION", 13, UnknownReason.BROKER_UNREACHABLE),
    ("UNSUPPORTED_VERSION", 35, UnknownReason.UNSUPPORTED),
    ("UNKNOWN", -1, UnknownReason.BROKER_ERROR),
    ("error code 31999", 31999, UnknownReason.BROKER_ERROR),
]


@pytest.mark.parametrize(("name", "code", "reason"), CODES, ids=[name for name, _, _ in CODES])
def test_codes(name: str, code: int, reason: UnknownReason) -> None:
    """A code's reason, with its name and what was asked in the text; also of a code from a newer broker."""
    unknown = from_code(code, "group billing")
    assert unknown.reason is reason
    assert unknown.detail.startswith(f"group billing: {name}")
    assert error_name(code) == name


EXCEPTIONS = [
    (ConnectionRefusedError(111, "refused"), UnknownReason.BROKER_UNREACHABLE, "check that the broker runs"),
    (ConnectionResetError(104, "reset"), UnknownReason.BROKER_UNREACHABLE, "closed the connection"),
    (asyncio.IncompleteReadError(b"", 4), UnknownReason.BROKER_UNREACHABLE, "closed the connection"),
    (socket.gaierror(-2, "Name or service not known"), UnknownReason.BROKER_UNREACHABLE, "cannot be resolved"),
    (OSError(113, "No route to host"), UnknownReason.BROKER_UNREACHABLE, "No route to host"),
    (TimeoutError(), UnknownReason.TIMEOUT, "did not answer in time"),
    (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER]"), UnknownReason.BROKER_UNREACHABLE, "security.protocol"),
    (ssl.SSLCertVerificationError(1, "self-signed"), UnknownReason.AUTHENTICATION_FAILED, "caSecretRef"),
    (ValueError("secret bytes"), UnknownReason.BROKER_ERROR, "ValueError"),
]


@pytest.mark.parametrize(("error", "reason", "says"), EXCEPTIONS, ids=[type(error).__name__ for error, _, _ in EXCEPTIONS])
def test_exceptions(error: Exception, reason: UnknownReason, says: str) -> None:
    """An exception's reason, with the address and what to do; unforeseen ones are not quoted."""
    if isinstance(error, ssl.SSLCertVerificationError):
        error.verify_message = "self-signed certificate"
    unknown = from_exception(error, "10.0.0.7:9092").unknown
    assert unknown.reason is reason
    assert "10.0.0.7:9092" in unknown.detail
    assert says in unknown.detail
    assert "secret bytes" not in unknown.detail


def test_a_request_error_passes_as_it_is() -> None:
    """What was translated once is not translated again."""
    error = failed(UnknownReason.UNSUPPORTED, "too old")
    assert from_exception(error, "anywhere") is error
