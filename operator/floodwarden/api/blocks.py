"""How to reach brokers: the block of each type in a MessageBroker, which is called as the type."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from floodwarden.api.resource import ApiModel
from floodwarden.api.rules import Rule, Rules, validated_by
from floodwarden.api.shared import SET, ObjectName, SecretKey


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


class CredentialsSecretRef(ApiModel):
    """A Secret in the MessageBroker's namespace that holds a user and a password. It is read again when it changes."""

    name: ObjectName
    """The Secret's name."""
    username_key: SecretKey = "username"
    """The key that holds the user's name."""
    password_key: SecretKey = "password"  # noqa: S105
    """The key that holds the password."""


class CaSecretRef(ApiModel):
    """A Secret in the MessageBroker's namespace that holds certificates of authorities to trust, as PEM."""

    name: ObjectName
    """The Secret's name."""
    key: SecretKey = "ca.crt"
    """The key that holds the certificates."""


class ClientCertificateSecretRef(ApiModel):
    """A Secret in the MessageBroker's namespace, as of type kubernetes.io/tls, that holds a client's certificate and key."""

    name: ObjectName
    """The Secret's name."""
    cert_key: SecretKey = "tls.crt"
    """The key that holds the certificate chain, as PEM."""
    key_key: SecretKey = "tls.key"
    """The key that holds the private key, as PEM without a password."""


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


class Kafka(ApiModel):
    """How to reach a Kafka cluster."""

    bootstrap_servers: Annotated[tuple[Address, ...], Field(min_length=1, max_length=16, json_schema_extra=SET)]
    """Brokers to ask first, as host:port; the others are found through them. Name two or more, so that one may be down."""
    security: KafkaSecurity = KafkaSecurity()
    """How connections are protected and how Floodwarden proves who it is. Without it: plain text, nobody is asked."""


_URL_ADVICE: Final = (
    "must be http:// or https:// and a host, without user, query or fragment, such as https://rabbitmq.shop.svc:15671"
)
ManagementURL = Annotated[
    str,
    Field(min_length=8, max_length=261),
    Rules(Rule(r"self.matches('^https?://[^/?#@\\s]+(/[^?#@\\s]*)?$')", _URL_ADVICE)),
]


class RabbitMQ(ApiModel):
    """How to reach RabbitMQ: by its management API, which the plugin rabbitmq_management serves."""

    model_config = validated_by(
        Rule(
            "!has(self.caSecretRef) || self.managementURL.startsWith('https://')",
            "only used with TLS: remove it, or let managementURL begin with https://",
            ".caSecretRef",
            "FieldValueForbidden",
        )
    )

    management_url: Annotated[ManagementURL, Field(alias="managementURL")]
    """Where the management API is. A Service in front of all nodes serves best, so that one of them may be down."""
    vhost: Annotated[str, Field(min_length=1, max_length=255)] = "/"
    """The virtual host that has the queues."""
    credentials_secret_ref: CredentialsSecretRef
    """The user and password. The user needs the tag monitoring and a permission of any kind on the virtual host."""
    ca_secret_ref: CaSecretRef | None = None
    """The authorities that sign the certificate of the management API. Without it the system's are trusted."""

    @property
    def encrypted(self) -> bool:
        """Whether it is reached by TLS."""
        return self.management_url.startswith("https://")


class AclSecretRef(ApiModel):
    """A Secret in the MessageBroker's namespace that holds an access key and its secret key. It is read again when it changes."""

    name: ObjectName
    """The Secret's name."""
    access_key_key: SecretKey = "accessKey"
    """The key that holds the access key, which is the user's name."""
    secret_key_key: SecretKey = "secretKey"  # noqa: S105
    """The key that holds the secret key, which is the user's password."""


class RocketMQ(ApiModel):
    """How to reach RocketMQ: by its name servers, which tell where the brokers are."""

    model_config = validated_by(
        Rule(
            "self.tls || !has(self.caSecretRef)",
            "only used with TLS: remove it, or set tls to true",
            ".caSecretRef",
            "FieldValueForbidden",
        )
    )

    name_servers: Annotated[tuple[Address, ...], Field(min_length=1, max_length=16, json_schema_extra=SET)]
    """The name servers, as host:port. Name all of them, so that one may be down."""
    tls: bool = False
    """Whether name servers and brokers are reached by TLS."""
    acl_secret_ref: AclSecretRef | None = None
    """The access key and secret key, where the brokers ask for them. The user needs the right to read topics and groups."""
    ca_secret_ref: CaSecretRef | None = None
    """The authorities that sign the certificates, with tls. Without it the system's are trusted."""
