"""Requests are signed as RocketMQ's own clients sign them, and secrets are never shown."""

from __future__ import annotations

import pytest

from floodwarden.brokers.rocketmq.security import Security, SecurityError
from floodwarden.brokers.rocketmq.signing import Credentials, signed


def test_agrees_with_rocketmqs_own_test() -> None:
    """The text "RocketMQ" under the key "12345678", as in its AclSignerTest: here the key's name, and the body."""
    fields = signed({}, b"MQ", Credentials("Rocket", "12345678"))
    assert fields == {"AccessKey": "Rocket", "Signature": "IUc8rrO/0gDch8CjObLQsW2rsiA="}


def test_every_value_counts_in_the_order_of_names() -> None:
    """The values of all fields, the access key and the token among them, and not an older signature."""
    scattered = {"topic": "MQ", "Signature": "old", "B": "ocket"}
    fields = signed(scattered, b"", Credentials("R", "12345678"))
    assert fields["Signature"] == "IUc8rrO/0gDch8CjObLQsW2rsiA="
    assert scattered["Signature"] == "old"
    with_token = signed({"topic": "MQ"}, b"", Credentials("Rock", "12345678", "et"))
    assert with_token["SecurityToken"] == "et"
    assert with_token["Signature"] == fields["Signature"]


REFUSED = [
    ("no secret key", {"access_key": "me"}, "aclSecretRef"),
    ("no access key", {"secret_key": "secret"}, "aclSecretRef"),
    ("an empty secret key", {"access_key": "me", "secret_key": ""}, "aclSecretRef"),
    ("no certificate in the CA", {"encrypted": True, "ca": b"rubbish"}, "caSecretRef"),
    ("bytes that are no text", {"encrypted": True, "ca": b"\xff\xfe"}, "caSecretRef"),
    ("a CA for plain connections", {"ca": b"rubbish"}, "caSecretRef"),
]


@pytest.mark.parametrize(("given", "says"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_refuses_what_cannot_work(given: dict[str, str], says: str) -> None:
    """The error names what to correct, before any connection is made."""
    with pytest.raises(SecurityError, match=says):
        Security(**given)  # type: ignore[arg-type]


def test_nothing_secret_is_printed() -> None:
    """Neither of what Secrets hold, nor of what signs."""
    security = Security("me", "hush")
    assert security.credentials is not None
    assert "hush" not in f"{security!r} {security.credentials!r} {Credentials('me', 'hush', 'hush')!r}"


def test_plain_connections_without_a_user() -> None:
    """The default signs nothing and encrypts nothing; with TLS names are checked and old versions refused."""
    assert Security().credentials is None
    assert Security().tls is None
    context = Security(encrypted=True).tls
    assert context is not None
    assert context.check_hostname
    assert context.minimum_version.name == "TLSv1_2"
