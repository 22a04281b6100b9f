"""DeliveryPolicy: the settings that keep messages from being lost, on brokers and topics. Owned by the platform team.

``wishes`` turns the spec into requirements on the brokers' own settings; ``core.delivery`` compares, ``sweep`` fills the status.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from functools import cached_property
from typing import Annotated, ClassVar, Final

from pydantic import Field

from floodwarden.api.backlogpolicy import BrokerRef
from floodwarden.api.durations import Duration, DurationRange, LongDuration
from floodwarden.api.resource import ApiModel, Column, Definition, Resource
from floodwarden.api.rules import Rule, Rules, validated_by
from floodwarden.api.shared import Conditions, Count, NamedOnes, Timestamp
from floodwarden.core.delivery.violations import MIN_IN_SYNC, UNCLEAN, Action
from floodwarden.core.delivery.wishes import Relation, Requirement, Wishes

MAX_VIOLATIONS: Final = 50
TEXT_BYTES: Final = 256  # of each part of a violation
REPLICATED_IN_SYNC: Final = 2  # copies that flush mode Replicated stands on at the least


class DeliveryMode(StrEnum):
    """What Floodwarden may do."""

    AUDIT = "Audit"
    ENFORCE = "Enforce"


_PATTERN_ADVICE: Final = "must be the name of a topic, in which * and ? stand for any characters, such as orders or orders-*"
Pattern = Annotated[str, Field(min_length=1, max_length=249), Rules(Rule("self.matches('^[a-zA-Z0-9._*?-]+$')", _PATTERN_ADVICE))]
Patterns = Annotated[tuple[Pattern, ...], Field(max_length=100, json_schema_extra={"x-kubernetes-list-type": "set"})]


class Match(ApiModel):
    """Which topics the policy speaks of. Kafka's own topics are never matched; how safe they are is told all the same."""

    names: Annotated[Patterns, Field(min_length=1)]
    """Names of topics; * stands for any characters and ? for one."""
    exclude: Patterns = ()
    """Names that are left out, although they match."""


class Acks(StrEnum):
    """Which brokers a producer waits for: All that are in sync, the Leader alone, or None."""

    ALL = "All"
    LEADER = "Leader"
    NONE = "None"


class FlushMode(StrEnum):
    """When a message counts as kept."""

    SYNC = "Sync"
    ASYNC = "Async"
    REPLICATED = "Replicated"


class Flush(ApiModel):
    """When messages are forced onto the disk.

    Sync: before they are acknowledged (flush.messages 1, or everyMessages). Async: in the background; everyMessages and every
    bound how much may be lost with the machine, without them the operating system decides. Replicated: not at all; several
    brokers have each message instead, as Kafka recommends: at least two in sync, and no unclean election.
    """

    model_config = validated_by(
        Rule(
            "self.mode != 'Replicated' || !(has(self.everyMessages) || has(self.every))",
            "mode Replicated leaves flushing to the operating system: remove everyMessages and every, or choose Sync or Async",
            ".everyMessages",
            "FieldValueForbidden",
        )
    )

    mode: FlushMode
    """Sync, Async or Replicated."""
    every_messages: Annotated[int, Field(ge=1)] | None = None
    """At most this many messages of a partition are not on the disk: flush.messages. With Sync 1, unless given."""
    every: Annotated[Duration, DurationRange("1ms", "24h")] | None = None
    """At most for this long: flush.ms."""


class Replication(ApiModel):
    """How many brokers have each message."""

    model_config = validated_by(
        Rule(
            "!has(self.factor) || !has(self.minInSync) || self.minInSync <= self.factor",
            "must not be above factor: no write with acks=all would succeed",
            ".minInSync",
            "FieldValueInvalid",
        ),
        Rule(
            "has(self.factor) || has(self.minInSync) || has(self.uncleanElection)",
            "set factor, minInSync or uncleanElection: an empty replication asks for nothing",
        ),
    )

    factor: Annotated[int, Field(ge=1, le=100)] | None = None
    """Copies of each partition, at the least. It is never lowered."""
    min_in_sync: Annotated[int, Field(ge=1, le=100)] | None = None
    """Copies that must have a message before it is acknowledged to producers with acks=all, at the least: min.insync.replicas.
    One less than factor lets a broker restart without stopping writes."""
    unclean_election: bool | None = None
    """With false no replica that lacks messages may become leader: unclean.leader.election.enable. With true it is allowed,
    and nothing is asked for."""


class Retention(ApiModel):
    """How long messages are kept."""

    at_least: LongDuration
    """Messages are kept for at least this long: retention.ms. That retention.bytes sets no earlier end, and that messages are
    not compacted, is told and never changed."""


class DeliveryPolicySpec(ApiModel):
    """The settings that keep messages from being lost. What is left out is not looked at."""

    model_config = validated_by(
        Rule(
            "has(self.flush) || has(self.replication) || has(self.retention)",
            "set flush, replication or retention: a policy that asks for nothing keeps nothing",
        ),
        Rule(
            "!(has(self.flush) && self.flush.mode == 'Replicated' && has(self.replication)"
            " && has(self.replication.minInSync) && self.replication.minInSync < 2)",
            "flush mode Replicated stands on two copies in sync: raise minInSync to 2 or more, or choose another mode",
            ".replication",
            "FieldValueInvalid",
        ),
    )

    broker_ref: BrokerRef
    """The MessageBroker whose brokers and topics are audited."""
    mode: DeliveryMode = DeliveryMode.AUDIT
    """Audit looks and tells, and writes nothing to a broker. Enforce also repairs, setting by setting, what can be repaired
    without a restart and is named here."""
    match: Match
    """Which topics the policy speaks of."""
    acks: Acks | None = None
    """Which brokers producers wait for. Brokers do not keep what producers ask for, so it is used to judge whether the other
    settings can hold what they promise, and is itself told as not verified."""
    flush: Flush | None = None
    """When messages are forced onto the disk."""
    replication: Replication | None = None
    """How many brokers have each message."""
    retention: Retention | None = None
    """How long messages are kept."""


Text = Annotated[str, Field(max_length=TEXT_BYTES)]


class ViolationStatus(ApiModel):
    """One difference between what is asked for and what was found."""

    resource: Text
    """Of what: a topic, or broker nodes."""
    setting: Text
    """Which setting, by the broker's own name."""
    wanted: Text
    """What the policy asks for."""
    found: Text
    """What was found."""
    where: Text
    """Where that value comes from: the topic, or broker nodes with the layer (default, file, dynamic)."""
    action: Action
    """Repair: Floodwarden writes it in mode Enforce. Report: for people. Restart: for people, and nodes must be restarted.
    Owner: another controller has the topic. Conflict: another policy asks for something else."""
    reason: Text
    """Why."""


class Checked(ApiModel):
    """The last audit that could be made."""

    at: Timestamp
    """When; only renewed now and then while nothing changes."""
    topics: Count
    """How many topics match."""
    brokers: Count
    """How many broker nodes were asked."""


class Repair(ApiModel):
    """One setting that Floodwarden wrote."""

    at: Timestamp
    """When."""
    resource: Text
    """Of what."""
    setting: Text
    """Which setting."""
    found: Text
    """What was there."""
    written: Text
    """What is there now."""


class DeliveryPolicyStatus(ApiModel):
    """What the last audit found. Only Floodwarden writes it."""

    observed_generation: Count | None = None
    """The generation of the spec that this status answers."""
    checked: Checked | None = None
    """The last audit that could be made."""
    violation_count: Count | None = None
    """How many differences there are, also those that are not listed."""
    violations: Annotated[tuple[ViolationStatus, ...], Field(max_length=MAX_VIOLATIONS)] = ()
    """The differences, those that Floodwarden leaves to people first; at most fifty are listed."""
    repaired: Annotated[tuple[Repair, ...], Field(max_length=10)] = ()
    """What was written last, newest first."""
    restart_required: NamedOnes = ()
    """Broker nodes whose files must be changed, followed by a restart."""
    not_verified: NamedOnes = ()
    """What is asked for and cannot be told from the brokers, or could not be read."""
    warnings: NamedOnes = ()
    """What the policy asks for and no setting can keep."""
    conditions: Conditions = ()
    """Ready: the policy is carried out. Compliant: everything that was found is as asked for."""


class DeliveryPolicy(Resource):
    """The settings that keep messages from being lost, on every broker and topic it matches.

    Floodwarden compares them with what every broker really does, tells each difference once, and in mode Enforce writes what
    can be written safely: it never lowers replication, never deletes, and leaves alone what another controller owns.
    """

    definition: ClassVar[Definition] = Definition(
        kind="DeliveryPolicy",
        plural="deliverypolicies",
        singular="deliverypolicy",
        short_name="fwdp",
        columns=(
            Column("Mode", "string", ".spec.mode", "Audit or Enforce"),
            Column("Topics", "integer", ".status.checked.topics", "Topics that match"),
            Column("Violations", "integer", ".status.violationCount", "Differences that were found"),
            Column(
                "Compliant", "string", '.status.conditions[?(@.type=="Compliant")].status', "Whether everything is as asked for"
            ),
            Column("Reason", "string", '.status.conditions[?(@.type=="Compliant")].reason', "Why, in one word"),
            Column("Age", "date", ".metadata.creationTimestamp", "Time since it was created"),
            Column("Broker", "string", ".spec.brokerRef.name", "MessageBroker", wide=True),
            Column("Message", "string", '.status.conditions[?(@.type=="Compliant")].message', "Why, in a sentence", wide=True),
        ),
        conditions={
            "Ready": "the policy is carried out: its broker can be audited and, in mode Enforce, written to",
            "Compliant": "everything that was found on brokers and topics is as the policy asks for",
        },
    )

    spec: DeliveryPolicySpec
    status: DeliveryPolicyStatus = DeliveryPolicyStatus()

    @cached_property
    def broker(self) -> tuple[str, str]:
        """Namespace and name of the MessageBroker it binds to."""
        return self.spec.broker_ref.namespace or self.metadata.namespace, self.spec.broker_ref.name

    @cached_property
    def wishes(self) -> Wishes:
        """What is wanted, in the terms of ``core``."""
        spec, replication = self.spec, self.spec.replication
        enforces = spec.mode is DeliveryMode.ENFORCE and not self.paused
        return Wishes(
            name=f"{self.metadata.namespace}/{self.metadata.name}",
            acts=enforces,
            names=spec.match.names,
            exclude=spec.match.exclude,
            requirements=tuple({need.setting: need for need in self._requirements()}.values()),
            factor=replication.factor if replication else None,
            min_in_sync=self._min_in_sync,
            acks=spec.acks.value if spec.acks else None,
            flush=spec.flush.mode.value if spec.flush else None,
            enforces=enforces,
        )

    @property
    def _min_in_sync(self) -> int | None:
        asked = self.spec.replication.min_in_sync if self.spec.replication else None
        replicated = self.spec.flush is not None and self.spec.flush.mode is FlushMode.REPLICATED
        return max(asked or 0, REPLICATED_IN_SYNC) if replicated else asked

    def _requirements(self) -> Iterator[Requirement]:
        """Of two on the same setting the later one counts."""
        flush, replication, retention = self.spec.flush, self.spec.replication, self.spec.retention
        if flush is not None:
            yield from _of_flush(flush)
        if replication is not None:
            if replication.min_in_sync is not None:
                yield Requirement(MIN_IN_SYNC, Relation.AT_LEAST, str(replication.min_in_sync))
            if replication.unclean_election is False:
                yield Requirement(UNCLEAN, Relation.EXACTLY, "false")
        if retention is not None:
            yield Requirement("retention.ms", Relation.AT_LEAST, str(_milliseconds(retention.at_least)), endless=True)
            yield Requirement("retention.bytes", Relation.EXACTLY, "-1", writable=False)
            yield Requirement("cleanup.policy", Relation.EXACTLY, "delete", writable=False)


def _of_flush(flush: Flush) -> Iterator[Requirement]:
    if flush.mode is FlushMode.REPLICATED:
        yield Requirement(MIN_IN_SYNC, Relation.AT_LEAST, str(REPLICATED_IN_SYNC))
        yield Requirement(UNCLEAN, Relation.EXACTLY, "false")
        return
    messages = flush.every_messages or (1 if flush.mode is FlushMode.SYNC else None)
    if messages is not None:
        yield Requirement("flush.messages", Relation.AT_MOST, str(messages))
    if flush.every is not None:
        yield Requirement("flush.ms", Relation.AT_MOST, str(_milliseconds(flush.every)))


def _milliseconds(duration: Duration | LongDuration) -> int:
    return round(duration.seconds * 1000)
