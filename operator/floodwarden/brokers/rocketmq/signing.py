"""Proves who Floodwarden is, as RocketMQ's AclClientRPCHook does: every request carries an access key and a signature.

The signature is HMAC-SHA1 with the secret key, in base64, of the values of all fields in the order of their names, and the body.
Brokers of 4.9 (plain_acl.yml) and of 5.x (users and ACLs of their own) take the same. ``connection`` signs.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

ACCESS_KEY: Final = "AccessKey"
SIGNATURE: Final = "Signature"
SECURITY_TOKEN: Final = "SecurityToken"  # noqa: S105 - a field's name


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user of the brokers: the name, and the secret that is never sent. A token only where its issuer gave one besides."""

    access_key: str
    secret_key: str = field(repr=False)
    security_token: str = field(default="", repr=False)


def signed(fields: Mapping[str, str], body: bytes, credentials: Credentials) -> dict[str, str]:
    """The fields of a request with those that prove who sends it."""
    named = {**fields, ACCESS_KEY: credentials.access_key}
    named.pop(SIGNATURE, None)
    if credentials.security_token:
        named[SECURITY_TOKEN] = credentials.security_token
    content = "".join(named[name] for name in sorted(named)).encode() + body
    digest = hmac.new(credentials.secret_key.encode(), content, hashlib.sha1).digest()
    return {**named, SIGNATURE: base64.b64encode(digest).decode()}
