"""What a BacklogPolicy binds to: the MessageBroker, and a consumer group or queues on it."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from floodwarden.api.resource import ApiModel
from floodwarden.api.rules import Rule, Rules, validated_by
from floodwarden.api.shared import SET, NamespaceName, ObjectName


class BrokerRef(ApiModel):
    """The MessageBroker that holds the subscription."""

    name: ObjectName
    """The MessageBroker's name."""
    namespace: NamespaceName | None = None
    """The MessageBroker's namespace, by default the policy's own. Another one must list the policy's namespace in its
    allowedNamespaces."""


_TOPIC_ADVICE: Final = "must be the name of a Kafka topic: at most 249 letters, digits, '.', '_' and '-', such as orders"
Topic = Annotated[
    str,
    Field(min_length=1, max_length=249),
    Rules(Rule("self.matches('^[a-zA-Z0-9._-]+$') && self != '.' && self != '..'", _TOPIC_ADVICE)),
]


Queue = Annotated[str, Field(min_length=1, max_length=255)]


class SubscriptionSpec(ApiModel):
    """Whose backlog it is: a consumer group and the topics it reads, or queues."""

    model_config = validated_by(
        Rule(
            "has(self.group) != has(self.queues)",
            "set group (Kafka, RocketMQ) or queues (RabbitMQ), and not both",
        ),
        Rule(
            "!has(self.topics) || has(self.group)",
            "only used with group: remove it, or name the group that reads the topics",
            ".topics",
            "FieldValueForbidden",
        ),
    )

    group: (
        Annotated[
            str,
            Field(min_length=1, max_length=255),
            Rules(Rule("self.trim() == self", "must not begin or end with a space: write the consumer's group.id as it is")),
        ]
        | None
    ) = None
    """The consumer group, as in the consumers' group.id. For brokers with groups."""
    topics: Annotated[tuple[Topic, ...], Field(min_length=1, max_length=100, json_schema_extra=SET)] | None = None
    """The topics to watch, by default every topic for which the group has committed offsets. Name them where the group
    has read other topics in the past, or may not have read anything yet."""
    queues: Annotated[tuple[Queue, ...], Field(min_length=1, max_length=100, json_schema_extra=SET)] | None = None
    """The queues that the consumers read. For RabbitMQ: any number of consumers share a queue, so maxReplicas is required."""
