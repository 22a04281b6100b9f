"""Addresses and credentials are checked before they are used, and never shown."""

from __future__ import annotations

from base64 import b64decode
from typing import Any

import pytest

from floodwarden.brokers.rabbitmq import Access, AccessError

URL = "https://rabbitmq:15671"
PASSWORD = "hunter2-of-the-broker"

REFUSED = {
    "no address": ({"urls": ()}, "names no address"),
    "no scheme": ({"urls": ("rabbitmq:15672",)}, "no address such as"),
    "another scheme": ({"urls": (URL, "amqp://rabbitmq")}, "no address such as"),
    "no host": ({"urls": ("http://:15672",)}, "no address such as"),
    "no port": ({"urls": ("http://rabbitmq:port",)}, "no address such as"),
    "port 0": ({"urls": ("http://rabbitmq:0",)}, "no address such as"),
    "half an IPv6 address": ({"urls": ("http://[::1",)}, "no address such as"),
    "a password": ({"urls": (f"http://me:{PASSWORD}@rabbitmq",)}, "credentialsSecretRef"),
    "a user": ({"urls": ("http://me@rabbitmq",)}, "credentialsSecretRef"),
    "a query": ({"urls": (f"{URL}/?x=1",)}, "a query or a fragment"),
    "a fragment": ({"urls": (f"{URL}/#/queues",)}, "a query or a fragment"),
    "no user": ({"username": ""}, "fill both"),
    "no password": ({"password": ""}, "fill both"),
    "a user that HTTP cannot name": ({"username": "a:b"}, "a colon"),
    "no virtual host": ({"vhost": ""}, "the default virtual host is /"),
    "no certificate in the CA": ({"ca": b"rubbish"}, "caSecretRef"),
    "bytes that are no text": ({"ca": b"\xff\xfe"}, "caSecretRef"),
}


@pytest.mark.parametrize(("given", "says"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_used(given: dict[str, Any], says: str) -> None:
    """It is refused at once; the text says what to correct and quotes nothing secret."""
    with pytest.raises(AccessError) as caught:
        Access(**({"urls": (URL,), "username": "watcher", "password": PASSWORD} | given))
    assert says in str(caught.value)
    assert PASSWORD not in str(caught.value)


def test_nothing_secret_is_shown() -> None:
    """Neither the password nor the header made of it is in its text."""
    access = Access((URL,), "watcher", PASSWORD)
    assert b64decode(access.authorization.removeprefix("Basic ")).decode() == f"watcher:{PASSWORD}"
    assert access.tls is not None
    assert PASSWORD not in repr(access)
    assert access.authorization not in repr(access)


def test_plain_http_needs_no_tls() -> None:
    """A context is made where an address is https only."""
    assert Access(("http://rabbitmq:15672",), "watcher", PASSWORD).tls is None
    assert Access(("http://rabbitmq:15672", URL), "watcher", PASSWORD).tls is not None
