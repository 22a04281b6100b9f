"""Where Prometheus is and how Floodwarden proves who it is, from what Secrets hold; nothing here is ever printed.

``server`` uses it. Fields that hold secrets are left out of ``repr``.
"""

from __future__ import annotations

import re
import ssl
from base64 import b64encode
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from floodwarden.brokers.http import fault_of
from floodwarden.brokers.secrets import UnusableSecret
from floodwarden.brokers.tls import trusting

_TOKEN: Final = re.compile(r"[\x21-\x7e]+")  # what a header can carry, without blanks


class AccessError(UnusableSecret):
    """What was given cannot be used; the text says what to correct and quotes no secret."""


@dataclass(frozen=True)
class Access:
    """The way to one server, or to what answers as Prometheus does.

    ``url`` is what ``/api/v1/query`` is put behind. Either a user and a password, or a bearer token, or nothing. ``ca``
    (authorities to trust; the system's without it) is PEM as bytes. AccessError where it is of no use.
    """

    url: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    ca: bytes | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        _check(self.url)
        if self.username is not None and not (self.username and self.password):
            raise AccessError("username or password is empty; fill both in the Secret of credentialsSecretRef")
        if self.username is not None and ":" in self.username:
            raise AccessError("the username holds a colon, which HTTP cannot send; use another user")
        if self.token is not None and not _TOKEN.fullmatch(self.token):
            raise AccessError("the token is empty or holds what HTTP cannot send; correct the Secret of bearerTokenSecretRef")
        self.tls  # noqa: B018 - made now, so that a wrong certificate is found before the first connection

    @property
    def address(self) -> str:
        """For people."""
        return self.url.partition("://")[2].rstrip("/")

    @property
    def who(self) -> str:
        """As whom it is asked, for people."""
        if self.username is not None:
            return f"user {self.username}"
        return "the bearer token" if self.token is not None else "somebody who shows nothing"

    @property
    def authorization(self) -> str | None:
        """The header that proves who asks."""
        if self.username is not None:
            return f"Basic {b64encode(f'{self.username}:{self.password}'.encode()).decode()}"
        return None if self.token is None else f"Bearer {self.token}"

    @cached_property
    def tls(self) -> ssl.SSLContext | None:
        """What TLS connections are made with: at least TLS 1.2, host names checked; None where the address is not https."""
        if not self.url.startswith("https"):
            return None
        try:
            return trusting(self.ca)
        except ValueError as error:
            raise AccessError(str(error)) from None


def _check(url: str) -> None:
    fault = fault_of(url)
    if fault is not None:
        raise AccessError(f"url {fault}{' such as http://prometheus:9090' if fault.endswith('address') else ''}")
