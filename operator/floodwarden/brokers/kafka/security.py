"""How connections are protected and how Floodwarden proves who it is, from what Secrets hold; nothing here is ever printed.

``connection`` uses it. Fields that hold secrets are left out of ``repr``.
"""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from floodwarden.brokers.secrets import UnusableSecret
from floodwarden.brokers.tls import trusting

PROTOCOLS: Final = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
MECHANISMS: Final = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")


class SecurityError(UnusableSecret):
    """What was given cannot be used; the text says what to correct and quotes no secret."""


@dataclass(frozen=True)
class Security:
    """Protocol, credentials and certificates of one cluster's listener.

    ``ca`` (authorities to trust; the system's without it), ``client_certificate`` (a chain) and ``client_key`` (without a
    password) are PEM as bytes. SecurityError where the combination is of no use.
    """

    protocol: str = "PLAINTEXT"
    mechanism: str | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca: bytes | None = field(default=None, repr=False)
    client_certificate: bytes | None = field(default=None, repr=False)
    client_key: bytes | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.protocol not in PROTOCOLS:
            raise SecurityError(f"protocol {self.protocol} is not known; use one of {', '.join(PROTOCOLS)}")
        if self.authenticated and self.mechanism not in MECHANISMS:
            raise SecurityError(f"mechanism {self.mechanism} is not known; use one of {', '.join(MECHANISMS)}")
        if self.authenticated and not (self.username and self.password):
            raise SecurityError("username or password is empty; fill both in the Secret of credentialsSecretRef")
        if (self.client_certificate is None) != (self.client_key is None):
            raise SecurityError("a client certificate and its key belong together; the Secret must hold both")
        if self.encrypted:
            self.tls  # noqa: B018 - made now, so that a wrong certificate is found before the first connection

    @property
    def encrypted(self) -> bool:
        """Whether connections use TLS."""
        return self.protocol in ("SSL", "SASL_SSL")

    @property
    def authenticated(self) -> bool:
        """Whether connections use SASL."""
        return self.protocol.startswith("SASL")

    @cached_property
    def tls(self) -> ssl.SSLContext | None:
        """What TLS connections are made with: at least TLS 1.2, host names checked; None without TLS."""
        if not self.encrypted:
            return None
        try:
            context = trusting(self.ca)
        except ValueError as error:
            raise SecurityError(str(error)) from None
        if self.client_certificate is not None and self.client_key is not None:
            _load_client_certificate(context, self.client_certificate, self.client_key)
        return context


def _load_client_certificate(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    # Python's ssl reads a chain from files only: an anonymous one in memory leaves nothing on any disk.
    handle = os.memfd_create("client-certificate", os.MFD_CLOEXEC)
    try:
        with open(handle, "wb", closefd=False) as file:
            file.write(certificate.rstrip() + b"\n" + key.rstrip() + b"\n")
        # An encrypted key would make OpenSSL ask at the terminal; an empty password makes it fail instead.
        context.load_cert_chain(f"/proc/self/fd/{handle}", password="")
    except (ssl.SSLError, ValueError):
        raise SecurityError(
            "the client certificate and key do not fit or are no PEM without a password;"
            " correct the Secret of clientCertificateSecretRef"
        ) from None
    finally:
        os.close(handle)
