"""MessageBroker: how to reach a cluster of brokers, and how often to look. Owned by the platform team.

The types that there are, the block of each and what can be done on it come from ``brokers.kinds``; nobody else reads that list.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, cast

from pydantic import Field, GetCoreSchemaHandler, create_model
from pydantic_core import core_schema

from floodwarden.api.blocks import Block
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
from floodwarden.brokers.kind import Kind
from floodwarden.brokers.kinds import KINDS
from floodwarden.core.capabilities import Capability

AllowedNamespace = Annotated[
    str,
    Field(min_length=1, max_length=63),
    Rules(
        Rule(f"self == '*' || self.matches('{LABEL_PATTERN}')", 'must be the name of a namespace, such as shop, or "*" for all')
    ),
]


class _Typed(ApiModel):
    """A spec as far as its type; ``spec_of`` adds the blocks."""

    kinds: ClassVar[Mapping[str, Kind[Any]]]

    type: str
    """The kind of brokers. The block of the same name says how to reach them."""

    @property
    def kind(self) -> Kind[Any]:
        """What the type is."""
        return self.kinds[self.type]

    @property
    def block(self) -> Block:
        """How to reach the brokers."""
        block = getattr(self, self.kind.field)
        assert isinstance(block, Block), "the CRD asks for the block of the type"
        return block


class BaseSpec(_Typed):
    """How to reach a cluster of brokers, how often to look, and who may bind to it."""

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


@dataclass(frozen=True, slots=True)
class _OneOf:
    """A text that is one of these."""

    texts: tuple[str, ...]

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.literal_schema(list(self.texts))


def spec_of(kinds: Iterable[Kind[Any]]) -> type[BaseSpec]:
    """The spec of MessageBrokers of these types: ``type`` is one of their names, and there is a block for each."""
    known = {kind.name: kind for kind in kinds}
    rules = validated_by(*(_together(kind) for kind in known.values()))
    # A class of their own, so that blocks stand between the type, which they follow, and the rest.
    blocks = create_model("Blocks", __base__=_Typed, **{kind.field: _block(kind) for kind in known.values()})
    spec = cast(
        type[BaseSpec],
        create_model(
            "MessageBrokerSpec",
            __base__=(BaseSpec, blocks),
            __doc__=BaseSpec.__doc__,
            __cls_kwargs__=dict(rules),
            type=_type(known),
        ),
    )
    spec.kinds = known
    return spec


def _type(names: Iterable[str]) -> Any:
    """The field of the type, as pydantic's ``create_model`` takes it."""
    return Annotated[str, _OneOf(tuple(names))], Field(description=_Typed.model_fields["type"].description)


def _block(kind: Kind[Any]) -> Any:
    """The same for a block."""
    return kind.block | None, Field(default=None, description=f"How to reach the brokers; required with type {kind.name}.")


def _together(kind: Kind[Any]) -> Rule:
    return Rule(
        f"(self.type == '{kind.name}') == has(self.{kind.field})",
        f"type {kind.name} and the block {kind.field} belong together: add both or neither",
        f".{kind.field}",
        "FieldValueRequired",
    )


if TYPE_CHECKING:  # a class that is made of a list has no fields that a type checker could know
    MessageBrokerSpec = BaseSpec
else:
    MessageBrokerSpec = spec_of(KINDS)


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
    def kind(self) -> Kind[Any]:
        """What the type of these brokers is."""
        return self.spec.kind

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What Floodwarden can do on these brokers."""
        return self.kind.capabilities

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where the brokers are asked first, for people."""
        return self.spec.block.addresses

    def allows(self, namespace: str) -> bool:
        """Whether a policy in that namespace may bind to this broker."""
        allowed = self.spec.allowed_namespaces
        return namespace == self.metadata.namespace or "*" in allowed or namespace in allowed
