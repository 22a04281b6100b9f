"""Where a cluster's management API is and how Floodwarden proves who it is, from what Secrets hold; nothing here is ever printed.

``management`` uses it. Fields that hold secrets are left out of ``repr``.
"""

from __future__ import annotations

import ssl
from base64 import b64encode
from dataclasses import dataclass, field
from functools import cached_property

from floodwarden.brokers.http import fault_of
from floodwarden.brokers.secrets import UnusableSecret
from floodwarden.brokers.tls import trusting


class AccessError(UnusableSecret):
    """What was given cannot be used; the text says what to correct and quotes no secret."""


@dataclass(frozen=True)
class Access:
    """The way to one virtual host.

    ``urls`` are those of the nodes' management listeners, or of one balancer before them; they are tried in turn and may have a
    path before ``/api`` (management.path_prefix). The user needs the tag monitoring and a permission on the virtual host, be it
    for nothing. ``ca`` (authorities to trust; the system's without it) is PEM as bytes. AccessError where it is of no use.
    """

    urls: tuple[str, ...]
    username: str
    password: str = field(repr=False)
    vhost: str = "/"
    ca: bytes | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not self.urls:
            raise AccessError("managementURL names no address")
        for url in self.urls:
            _check(url)
        if not (self.username and self.password):
            raise AccessError("username or password is empty; fill both in the Secret of credentialsSecretRef")
        if ":" in self.username:
            raise AccessError("the username holds a colon, which HTTP cannot send; use another user")
        if not self.vhost:
            raise AccessError("vhost is empty; the default virtual host is /")
        self.tls  # noqa: B018 - made now, so that a wrong certificate is found before the first connection

    @property
    def authorization(self) -> str:
        """The header that proves who asks."""
        return f"Basic {b64encode(f'{self.username}:{self.password}'.encode()).decode()}"

    @cached_property
    def tls(self) -> ssl.SSLContext | None:
        """What TLS connections are made with: at least TLS 1.2, host names checked; None where no address is https."""
        if not any(url.startswith("https") for url in self.urls):
            return None
        try:
            return trusting(self.ca)
        except ValueError as error:
            raise AccessError(str(error)) from None


def _check(url: str) -> None:
    fault = fault_of(url)
    if fault is not None:
        raise AccessError(f"managementURL {fault}{' such as https://rabbitmq:15671' if fault.endswith('address') else ''}")
