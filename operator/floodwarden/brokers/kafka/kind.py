"""Kafka as a type of brokers: how to reach it, what can be done on it, and what opens its adapters."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from floodwarden.api.blocks import (
    Address,
    Block,
    CaSecretRef,
    ClientCertificateSecretRef,
    CredentialsSecretRef,
    SecretRef,
    wrong_ports,
)
from floodwarden.api.resource import ApiModel
from floodwarden.api.rules import Rule, validated_by
from floodwarden.api.shared import SET
from floodwarden.brokers.kafka.adapter import KafkaBroker
from floodwarden.brokers.kafka.security import Security
from floodwarden.brokers.kafka.settings import KafkaSettings
from floodwarden.brokers.kind import Kind
from floodwarden.brokers.secrets import Secrets
from floodwarden.core.capabilities import Capability


class SecurityProtocol(StrEnum):
    """How connections are protected and clients known."""

    PLAINTEXT = "PLAINTEXT"
    SSL = "SSL"
    SASL_PLAINTEXT = "SASL_PLAINTEXT"
    SASL_SSL = "SASL_SSL"

    @property
    def encrypted(self) -> bool:
        return self in (SecurityProtocol.SSL, SecurityProtocol.SASL_SSL)

    @property
    def authenticated(self) -> bool:
        """Whether clients name themselves by SASL."""
        return self in (SecurityProtocol.SASL_PLAINTEXT, SecurityProtocol.SASL_SSL)


class SaslMechanism(StrEnum):
    """How a user proves the password."""

    PLAIN = "PLAIN"
    SCRAM_SHA_256 = "SCRAM-SHA-256"
    SCRAM_SHA_512 = "SCRAM-SHA-512"


_SASL: Final = "self.protocol in ['SASL_PLAINTEXT', 'SASL_SSL']"
_TLS: Final = "self.protocol in ['SSL', 'SASL_SSL']"


class KafkaSecurity(ApiModel):
    """How connections are protected and how Floodwarden proves who it is."""

    model_config = validated_by(
        Rule(
            f"!({_SASL}) || has(self.mechanism)",
            "protocols SASL_PLAINTEXT and SASL_SSL need a mechanism: set it to PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512",
            ".mechanism",
            "FieldValueRequired",
        ),
        Rule(
            f"!({_SASL}) || has(self.credentialsSecretRef)",
            "protocols SASL_PLAINTEXT and SASL_SSL need credentials: name a Secret with the keys username and password",
            ".credentialsSecretRef",
            "FieldValueRequired",
        ),
        Rule(
            f"{_SASL} || !has(self.mechanism)",
            "only used with SASL: remove it, or set protocol to SASL_SSL or SASL_PLAINTEXT",
            ".mechanism",
            "FieldValueForbidden",
        ),
        Rule(
            f"{_SASL} || !has(self.credentialsSecretRef)",
            "only used with SASL: remove it, or set protocol to SASL_SSL or SASL_PLAINTEXT",
            ".credentialsSecretRef",
            "FieldValueForbidden",
        ),
        Rule(
            f"{_TLS} || !has(self.caSecretRef)",
            "only used with TLS: remove it, or set protocol to SSL or SASL_SSL",
            ".caSecretRef",
            "FieldValueForbidden",
        ),
        Rule(
            f"{_TLS} || !has(self.clientCertificateSecretRef)",
            "only used with TLS: remove it, or set protocol to SSL or SASL_SSL",
            ".clientCertificateSecretRef",
            "FieldValueForbidden",
        ),
    )

    protocol: SecurityProtocol = SecurityProtocol.PLAINTEXT
    """The security protocol of the brokers' listener, as in Kafka's security.protocol."""
    mechanism: SaslMechanism | None = None
    """The SASL mechanism; required with SASL_PLAINTEXT and SASL_SSL."""
    credentials_secret_ref: CredentialsSecretRef | None = None
    """The user and password for SASL; required with SASL_PLAINTEXT and SASL_SSL."""
    ca_secret_ref: CaSecretRef | None = None
    """The authorities that sign the brokers' certificates, with SSL and SASL_SSL. Without it the system's are trusted."""
    client_certificate_secret_ref: ClientCertificateSecretRef | None = None
    """The certificate Floodwarden shows to the brokers, with SSL and SASL_SSL, where they ask for one."""

    @property
    def secrets(self) -> tuple[SecretRef, ...]:
        """The Secrets that are named."""
        named = (self.credentials_secret_ref, self.ca_secret_ref, self.client_certificate_secret_ref)
        return tuple(reference for reference in named if reference is not None)

    def faults(self) -> Iterator[str]:
        """See ``Block.faults``."""
        for name, given in {"mechanism": self.mechanism, "credentialsSecretRef": self.credentials_secret_ref}.items():
            if self.protocol.authenticated and given is None:
                yield f"security.{name}: protocol {self.protocol} needs it"
            if not self.protocol.authenticated and given is not None:
                yield f"security.{name}: only used with SASL: remove it, or set protocol to SASL_SSL or SASL_PLAINTEXT"
        certificates = {"caSecretRef": self.ca_secret_ref, "clientCertificateSecretRef": self.client_certificate_secret_ref}
        for name, reference in certificates.items():
            if not self.protocol.encrypted and reference is not None:
                yield f"security.{name}: only used with TLS: remove it, or set protocol to SSL or SASL_SSL"


class Kafka(Block):
    """How to reach a Kafka cluster."""

    bootstrap_servers: Annotated[tuple[Address, ...], Field(min_length=1, max_length=16, json_schema_extra=SET)]
    """Brokers to ask first, as host:port; the others are found through them. Name two or more, so that one may be down."""
    security: KafkaSecurity = KafkaSecurity()
    """How connections are protected and how Floodwarden proves who it is. Without it: plain text, nobody is asked."""

    @property
    def addresses(self) -> tuple[str, ...]:
        """See ``Block.addresses``."""
        return self.bootstrap_servers

    @property
    def secrets(self) -> tuple[SecretRef, ...]:
        """See ``Block.secrets``."""
        return self.security.secrets

    def faults(self) -> Iterator[str]:
        """See ``Block.faults``."""
        yield from wrong_ports("bootstrapServers", self.bootstrap_servers)
        yield from self.security.faults()


def _security(wanted: KafkaSecurity, secrets: Secrets) -> Security:
    credentials, ca, client = wanted.credentials_secret_ref, wanted.ca_secret_ref, wanted.client_certificate_secret_ref
    return Security(
        protocol=wanted.protocol.value,
        mechanism=wanted.mechanism.value if wanted.mechanism else None,
        username=secrets.text(credentials.name, credentials.username_key) if credentials else None,
        password=secrets.text(credentials.name, credentials.password_key) if credentials else None,
        ca=secrets.value(ca.name, ca.key) if ca else None,
        client_certificate=secrets.value(client.name, client.cert_key) if client else None,
        client_key=secrets.value(client.name, client.key_key) if client else None,
    )


KIND: Final = Kind(
    name="Kafka",
    block=Kafka,
    capabilities=frozenset(
        {
            Capability.GROUPS,
            Capability.DELIVERY,
            Capability.CLIENTS,
            Capability.FLUSH_BOUNDS,
            Capability.RETENTION_GUARD,
            Capability.TRANSACTIONS,
            Capability.TRANSACTION_ABORT,
        }
    ),
    open=lambda kafka, secrets: KafkaBroker(kafka.bootstrap_servers, _security(kafka.security, secrets)),
    open_settings=lambda kafka, secrets: KafkaSettings(kafka.bootstrap_servers, _security(kafka.security, secrets)),
)
