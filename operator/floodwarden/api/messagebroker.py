"""MessageBroker: how to reach a cluster of brokers, and how often to look. Owned by the platform team.

A type of broker to come adds its member to :class:`BrokerType`, what can be done on it to ``CAPABILITIES``, a block of the same
name to ``blocks`` and a line to ``_BLOCKS``.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar, Final

from pydantic import Field

from floodwarden.api.blocks import Kafka, RabbitMQ, RocketMQ
from floodwarden.api.durations import Duration, DurationRange
from floodwarden.api.resource import ApiModel, Column, Definition, Resource
from floodwarden.api.rules import Rule, Rules, validated_by
from floodwarden.api.shared import (
    LABEL_PATTERN,
    SET,
    Conditions,
    Count,
    NamedOnes,
    Timestamp,
)


class BrokerType(StrEnum):
    """The kind of brokers."""

    KAFKA = "Kafka"
    RABBITMQ = "RabbitMQ"
    ROCKETMQ = "RocketMQ"


class Capability(StrEnum):
    """What Floodwarden can do on brokers of some types, and not on others."""

    GROUPS = "ConsumerGroups"  # BacklogPolicies for consumer groups
    QUEUES = "Queues"  # BacklogPolicies for queues
    DELIVERY = "DeliverySettings"  # DeliveryPolicies; what some of them ask for is listed below
    CLIENTS = "ClientSettings"  # published for clients, and looked for in workloads
    FLUSH_BOUNDS = "FlushBounds"  # after how many messages, or how long, they are on the disk
    RETENTION_GUARD = "RetentionGuard"
    TRANSACTIONS = "Transactions"
    TRANSACTION_ABORT = "TransactionAbort"
    TRANSACTION_CHECKS = "TransactionChecks"  # brokers ask producers what became of their transactions
    TRANSACTION_RESUME = "TransactionResume"  # transactions that were given up can be asked about again
    DELIVERY_LIMIT = "DeliveryLimit"
    DEAD_LETTERS = "DeadLetters"
    PREFETCH = "Prefetch"


CAPABILITIES: Final = {
    BrokerType.KAFKA: frozenset(
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
    BrokerType.RABBITMQ: frozenset(
        {Capability.QUEUES, Capability.DELIVERY, Capability.DELIVERY_LIMIT, Capability.DEAD_LETTERS, Capability.PREFETCH}
    ),
    BrokerType.ROCKETMQ: frozenset(
        {
            Capability.GROUPS,
            Capability.DELIVERY,
            Capability.TRANSACTIONS,
            Capability.TRANSACTION_CHECKS,
            Capability.TRANSACTION_RESUME,
            Capability.DELIVERY_LIMIT,
        }
    ),
}


_BLOCKS: Final = {BrokerType.KAFKA: "kafka", BrokerType.RABBITMQ: "rabbitmq", BrokerType.ROCKETMQ: "rocketmq"}

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
    rabbitmq: RabbitMQ | None = None
    """How to reach the brokers; required with type RabbitMQ."""
    rocketmq: RocketMQ | None = None
    """How to reach the brokers; required with type RocketMQ."""
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
    capabilities: NamedOnes = ()
    """What Floodwarden can do on brokers of this type. A policy that asks for something else says so in its condition Ready."""
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

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What Floodwarden can do on these brokers."""
        return CAPABILITIES[self.spec.type]

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where the brokers are asked first, for people."""
        kafka, rabbitmq, rocketmq = self.spec.kafka, self.spec.rabbitmq, self.spec.rocketmq
        if rabbitmq is not None:
            return (rabbitmq.management_url,)
        if rocketmq is not None:
            return rocketmq.name_servers
        return kafka.bootstrap_servers if kafka is not None else ()

    def allows(self, namespace: str) -> bool:
        """Whether a policy in that namespace may bind to this broker."""
        allowed = self.spec.allowed_namespaces
        return namespace == self.metadata.namespace or "*" in allowed or namespace in allowed
