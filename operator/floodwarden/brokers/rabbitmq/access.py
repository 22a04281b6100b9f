"""Where a cluster's management API is and how Floodwarden proves who it is, from what Secrets hold; nothing here is ever printed.

``management`` uses it. Fields that hold secrets are left out of ``repr``.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from functools import cached_property

from floodwarden.brokers.http import AccessError, basic, check_url, check_user, tls_for


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
            check_url(url, "managementURL", "https://rabbitmq:15671")
        check_user(self.username, self.password)
        if not self.vhost:
            raise AccessError("vhost is empty; the default virtual host is /")
        self.tls  # noqa: B018 - made now, so that a wrong certificate is found before the first connection

    @property
    def authorization(self) -> str:
        """The header that proves who asks."""
        return basic(self.username, self.password)

    @cached_property
    def tls(self) -> ssl.SSLContext | None:
        """See ``http.tls_for``."""
        return tls_for(self.urls, self.ca)
