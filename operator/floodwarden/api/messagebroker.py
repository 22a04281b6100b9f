"""MessageBroker: how to reach a cluster of brokers, and how often to look. Owned by the platform team.

A type of broker to come adds its member to :class:`BrokerType`, a block of the same name and a line in ``_BLOCKS``.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar, Final

from pydantic import Field

from floodwarden.api.durations import Duration, DurationRange
from floodwarden.api.resource import ApiModel, Column, Definition, Resource
from floodwarden.api.rules import Rule, Rules, validated_by
from floodwarden.api.shared import (
    LABEL_PATTERN,
    Conditions,
    Count,
    NamedOnes,
    ObjectName,
    SecretKey,
    Timestamp,
)

SET: Final = {"x-kubernetes-list-type": "set"}


class BrokerType(StrEnum):
    """The kind of brokers."""

    KAFKA = "Kafka"


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


_BLOCKS: Final = {BrokerType.KAFKA: "kafka"}

AllowedNamespace = Annotated[
    str,
    Field(min_length=1, max_length=63),
    Rules(
        Rule(f"self == '*' || self.matches('{LABEL_PATTERN}')", 'must be the name of a namespace, such as shop, or "*" for all')
    ),
]


class MessageBrokerSpec(ApiModel):
    """How to reach a cluster of brokers, how often to look, and who may bind to it."""

    model_config = validated_by(
        *(
            Rule(
                f"(self.type == '{type_}') == has(self.{block})",
                f"type {type_} and the block {block} belong together: add both or neither",
                f".{block}",
                "FieldValueRequired",
            )
            for type_, block in _BLOCKS.items()
        )
    )

    type: BrokerType
    """The kind of brokers. The block of the same name says how to reach them."""
    kafka: Kafka | None = None
    """How to reach the brokers; required with type Kafka."""
    sweep_interval: Annotated[Duration, DurationRange("500ms", "5m")] = Duration("1s")
    """How often to look. One sweep reads what every policy on this broker needs, in requests that grow with the
    number of broker nodes, not of policies. A sweep that takes longer than this delays the next."""
    audit_interval: Annotated[Duration, DurationRange("5s", "24h")] = Duration("60s")
    """How often to compare settings with what the DeliveryPolicies on this broker ask for. A setting that somebody changes is
    told, and in mode Enforce repaired, within this time."""
    allowed_namespaces: Annotated[
        tuple[AllowedNamespace, ...],
        Field(max_length=100, json_schema_extra=SET),
        Rules(
            Rule("!self.exists(name, name == '*') || self.size() == 1", '"*" allows every namespace: remove the other entries')
        ),
    ] = ()
    """Namespaces, besides its own, whose policies may bind to this broker; "*" stands for all.
    Without it only policies in its own namespace may."""


class LastSweep(ApiModel):
    """The last sweep that read this broker."""

    at: Timestamp
    """When it began."""
    duration: Duration
    """How long it took."""
    requests: Count
    """How many requests it sent to the brokers."""


class MessageBrokerStatus(ApiModel):
    """What Floodwarden last saw of the brokers. Only Floodwarden writes it."""

    observed_generation: Count | None = None
    """The generation of the spec that this status answers."""
    conditions: Conditions = ()
    """Ready: policies on this broker are served. Reachable: the brokers answer."""
    version: str | None = None
    """The brokers' version, as they tell it."""
    cluster_id: str | None = None
    """The cluster's id, as the brokers told it last. MessageBrokers with the same one lead to the same brokers, and
    DeliveryPolicies on them are held against each other."""
    nodes: Count | None = None
    """How many broker nodes the cluster has."""
    unreachable_nodes: NamedOnes = ()
    """The nodes that did not answer the last sweep."""
    policies: Count | None = None
    """How many policies are bound to this broker."""
    last_sweep: LastSweep | None = None
    """When the brokers were last read, how long it took and how many requests."""


class MessageBroker(Resource):
    """How to reach a cluster of message brokers, and how often to look.

    Policies name it in brokerRef. It is owned by whoever runs the brokers; Secrets it names are read from its own
    namespace, and again when they change.
    """

    definition: ClassVar[Definition] = Definition(
        kind="MessageBroker",
        plural="messagebrokers",
        singular="messagebroker",
        short_name="fwmb",
        columns=(
            Column("Type", "string", ".spec.type", "Kind of brokers"),
            Column("Ready", "string", '.status.conditions[?(@.type=="Ready")].status', "Whether policies on it are served"),
            Column("Reason", "string", '.status.conditions[?(@.type=="Ready")].reason', "Why it is ready or not"),
            Column("Nodes", "integer", ".status.nodes", "Broker nodes of the cluster"),
            Column("Policies", "integer", ".status.policies", "Policies bound to it"),
            Column("Sweep", "string", ".status.lastSweep.duration", "How long the last sweep took"),
            Column("Age", "date", ".metadata.creationTimestamp", "Time since it was created"),
            Column("Version", "string", ".status.version", "Version the brokers tell", wide=True),
            Column("Message", "string", '.status.conditions[?(@.type=="Ready")].message', "Why, in a sentence", wide=True),
        ),
        conditions={
            "Ready": "policies on this broker are served: its spec and Secrets are usable and sweeps succeed",
            "Reachable": "every broker node answered the last sweep; policies on the others go on while it is False",
        },
    )

    spec: MessageBrokerSpec
    status: MessageBrokerStatus = MessageBrokerStatus()

    def allows(self, namespace: str) -> bool:
        """Whether a policy in that namespace may bind to this broker."""
        allowed = self.spec.allowed_namespaces
        return namespace == self.metadata.namespace or "*" in allowed or namespace in allowed
