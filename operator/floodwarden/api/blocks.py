"""What the blocks of a MessageBroker are built of: each says how to reach brokers of one type, and is defined in its folder.

``brokers.kind`` and the modules ``kind`` of each type build on it; to the rest of ``api`` a block is a :class:`Block`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from floodwarden.api.resource import ApiModel
from floodwarden.api.rules import Rule, Rules
from floodwarden.api.shared import ObjectName, SecretKey


class Part(StrEnum):
    """What a value of a Secret is for, whatever brokers call it."""

    USERNAME = "the user's name"
    PASSWORD = "the password"  # noqa: S105
    TOKEN = "the bearer token"  # noqa: S105
    CA = "certificates of authorities"
    CERTIFICATE = "the client's certificate"
    PRIVATE_KEY = "the client's private key"


class SecretRef(ApiModel, ABC):
    """A Secret in the MessageBroker's namespace."""

    name: ObjectName
    """The Secret's name."""

    @property
    @abstractmethod
    def parts(self) -> Mapping[str, Part]:
        """Each key that is read, and what it holds."""


class CredentialsSecretRef(SecretRef):
    """A Secret in the MessageBroker's namespace that holds a user and a password. It is read again when it changes."""

    username_key: SecretKey = "username"
    """The key that holds the user's name."""
    password_key: SecretKey = "password"  # noqa: S105
    """The key that holds the password."""

    @property
    def parts(self) -> Mapping[str, Part]:
        """See ``SecretRef.parts``."""
        return {self.username_key: Part.USERNAME, self.password_key: Part.PASSWORD}


class BearerTokenSecretRef(SecretRef):
    """A Secret in the MessageBroker's namespace that holds a bearer token. It is read again when it changes."""

    key: SecretKey = "token"
    """The key that holds the token."""

    @property
    def parts(self) -> Mapping[str, Part]:
        """See ``SecretRef.parts``."""
        return {self.key: Part.TOKEN}


class CaSecretRef(SecretRef):
    """A Secret in the MessageBroker's namespace that holds certificates of authorities to trust, as PEM."""

    key: SecretKey = "ca.crt"
    """The key that holds the certificates."""

    @property
    def parts(self) -> Mapping[str, Part]:
        """See ``SecretRef.parts``."""
        return {self.key: Part.CA}


class ClientCertificateSecretRef(SecretRef):
    """A Secret in the MessageBroker's namespace, as of type kubernetes.io/tls, that holds a client's certificate and key."""

    cert_key: SecretKey = "tls.crt"
    """The key that holds the certificate chain, as PEM."""
    key_key: SecretKey = "tls.key"
    """The key that holds the private key, as PEM without a password."""

    @property
    def parts(self) -> Mapping[str, Part]:
        """See ``SecretRef.parts``."""
        return {self.cert_key: Part.CERTIFICATE, self.key_key: Part.PRIVATE_KEY}


_URL: Final = r"self.matches('^https?://[^/?#@\\s]+(/[^?#@\\s]*)?$')"


def http_url(example: str) -> Rules:
    """What an address over HTTP has to be."""
    advice = f"must be http:// or https:// and a host, without user, query or fragment, such as {example}"
    return Rules(Rule(_URL, advice))


_ADDRESS: Final = r"^([a-zA-Z0-9]([-a-zA-Z0-9.]*[a-zA-Z0-9])?|\\[[0-9a-fA-F:.]+\\]):[0-9]{1,5}$"  # as CEL writes it
_ADDRESS_ADVICE: Final = "must be host:port without a scheme, the port from 1 to 65535, such as kafka-0.kafka.shop.svc:9092"
Address = Annotated[
    str,
    Field(min_length=3, max_length=261),
    Rules(
        Rule(
            f"self.matches('{_ADDRESS}') && int(self.substring(self.lastIndexOf(':') + 1)) >= 1"
            " && int(self.substring(self.lastIndexOf(':') + 1)) <= 65535",
            _ADDRESS_ADVICE,
        )
    ),
]


def wrong_ports(field: str, addresses: Iterable[str]) -> Iterator[str]:
    """What the rule of an :data:`Address` says of ports, for :meth:`Block.faults`."""
    if not all(1 <= int(address.rpartition(":")[2]) <= 65535 for address in addresses):
        yield f"{field}: a port must be from 1 to 65535"


class Block(ApiModel, ABC):
    """How to reach brokers of one type."""

    @property
    @abstractmethod
    def addresses(self) -> tuple[str, ...]:
        """Where the brokers are asked first, for people."""

    @property
    @abstractmethod
    def secrets(self) -> tuple[SecretRef, ...]:
        """The Secrets that are named."""

    @abstractmethod
    def faults(self) -> Iterator[str]:
        """What its CEL rules refuse, for files that no API server has seen: a field, a colon, what to do; no value is quoted."""
