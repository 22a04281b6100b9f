"""How connections are protected and how Floodwarden proves who it is, from what Secrets hold; nothing here is ever printed.

``connection`` uses it. Fields that hold secrets are left out of ``repr``.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from functools import cached_property

from floodwarden.brokers.rocketmq.signing import Credentials
from floodwarden.brokers.secrets import UnusableSecret
from floodwarden.brokers.tls import trusting


class SecurityError(UnusableSecret):
    """What was given cannot be used; the text says what to correct and quotes no secret."""


@dataclass(frozen=True)
class Security:
    """Credentials and certificates of one cluster's name servers and brokers.

    ``ca`` (authorities to trust; the system's without it) is PEM as bytes. SecurityError where the combination is of no use.
    """

    access_key: str | None = None
    secret_key: str | None = field(default=None, repr=False)
    encrypted: bool = False
    ca: bytes | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if bool(self.access_key) != bool(self.secret_key):
            raise SecurityError("accessKey or secretKey is empty; fill both in the Secret of aclSecretRef")
        if self.ca is not None and not self.encrypted:
            raise SecurityError("a CA is given, but connections are to be plain; turn TLS on or take caSecretRef away")
        self.tls  # noqa: B018 - made now, so that a wrong certificate is found before the first connection

    @property
    def credentials(self) -> Credentials | None:
        """Who signs requests; None where nobody asks."""
        return Credentials(self.access_key, self.secret_key) if self.access_key and self.secret_key else None

    @cached_property
    def tls(self) -> ssl.SSLContext | None:
        """What TLS connections are made with: at least TLS 1.2, host names checked; None without TLS."""
        if not self.encrypted:
            return None
        try:
            return trusting(self.ca)
        except ValueError as error:
            raise SecurityError(str(error)) from None
