"""Where Prometheus is and how Floodwarden proves who it is, from what Secrets hold; nothing here is ever printed.

``server`` uses it. Fields that hold secrets are left out of ``repr``.
"""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from floodwarden.brokers.http import AccessError, basic, check_url, check_user, tls_for

_TOKEN: Final = re.compile(r"[\x21-\x7e]+")  # what a header can carry, without blanks


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
        check_url(self.url, "url", "http://prometheus:9090")
        if self.username is not None:
            check_user(self.username, self.password)
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
            return basic(self.username, self.password)
        return None if self.token is None else f"Bearer {self.token}"

    @cached_property
    def tls(self) -> ssl.SSLContext | None:
        """What TLS connections are made with: at least TLS 1.2, host names checked; None where the address is not https."""
        return tls_for((self.url,), self.ca)
