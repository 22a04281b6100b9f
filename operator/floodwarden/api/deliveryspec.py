"""What a DeliveryPolicy may ask for: its spec, and the requirements on the brokers' own settings that follow from it.

``deliverypolicy`` has the resource and its status.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from floodwarden.api.durations import Duration, DurationRange, LongDuration
from floodwarden.api.quantities import ByteRate
from floodwarden.api.resource import ApiModel
from floodwarden.api.rules import Rule, Rules, validated_by
from floodwarden.api.subscription import BrokerRef
from floodwarden.core.capabilities import Capability
from floodwarden.core.delivery.violations import MIN_IN_SYNC, UNCLEAN
from floodwarden.core.delivery.wishes import RETENTION, Relation, Requirement

ASKED: Final = "acks, flush, replication, retention, consumption or transactions"  # one of them at the least
READ: Final = "acknowledge, deliveryLimit, deadLetter or prefetchAtMost"  # one of them at the least
_REPLICATED: Final = "has(self.flush) && self.flush.mode == 'Replicated' && has(self.replication)"
REPLICATED_IN_SYNC: Final = 2  # copies that flush mode Replicated stands on at the least


class DeliveryMode(StrEnum):
    """What Floodwarden may do."""

    AUDIT = "Audit"
    ENFORCE = "Enforce"


_PATTERN_ADVICE: Final = (
    "must be the name of a topic or queue, in which * and ? stand for any characters, such as orders or orders-*"
)
Pattern = Annotated[
    str, Field(min_length=1, max_length=255), Rules(Rule("self.matches('^[a-zA-Z0-9._*?:/%@+~=-]+$')", _PATTERN_ADVICE))
]
Patterns = Annotated[tuple[Pattern, ...], Field(max_length=100, json_schema_extra={"x-kubernetes-list-type": "set"})]


class Match(ApiModel):
    """Which topics or queues the policy speaks of. Kafka's own topics are never matched; how safe they are is told."""

    names: Annotated[Patterns, Field(min_length=1)]
    """Names of topics or queues; * stands for any characters and ? for one."""
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
            "must not be above factor: older brokers refuse every write with acks=all, newer ones quietly lower it",
            ".minInSync",
            "FieldValueInvalid",
        ),
        Rule(
            "has(self.factor) || has(self.minInSync) || has(self.uncleanElection)",
            "set factor, minInSync or uncleanElection: an empty replication asks for nothing",
        ),
    )

    factor: Annotated[int, Field(ge=1, le=100)] | None = None
    """Copies of each partition, at the least. In mode Enforce topics with fewer get more by reassignment; it is never lowered."""
    min_in_sync: Annotated[int, Field(ge=1, le=100)] | None = None
    """Copies that must have a message before it is acknowledged to producers with acks=all, at the least: min.insync.replicas.
    One less than factor lets a broker restart without stopping writes."""
    unclean_election: bool | None = None
    """With false no replica that lacks messages may become leader: unclean.leader.election.enable. With true it is allowed,
    and nothing is asked for."""
    move_rate: ByteRate = ByteRate("50Mi")
    """Bytes per second that each broker spends at the most on new copies while the factor of topics is raised."""


class Guard(ApiModel):
    """Unread messages that are about to expire: those that a group has still to read when a quarter of the retention is left."""

    extend_to: LongDuration | None = None
    """In mode Enforce the retention of the topic is extended to this while a group is so late, and put back once it has caught
    up. Left out, it is only told."""


class Retention(ApiModel):
    """How long messages are kept."""

    model_config = validated_by(
        Rule(
            "has(self.atLeast) || has(self.guard)",
            "set atLeast or guard: an empty retention asks for nothing",
        ),
    )

    at_least: LongDuration | None = None
    """Messages are kept for at least this long: retention.ms. That retention.bytes sets no earlier end, and that messages are
    not compacted, is told and never changed."""
    guard: Guard | None = None
    """Watches over messages that may expire before every group has read them. {} tells of them."""


class Acknowledge(StrEnum):
    """When a consumer says that it is done with a message."""

    AFTER_PROCESSING = "AfterProcessing"


class DeadLetterStrategy(StrEnum):
    """How messages get to where the dead letters are."""

    AT_LEAST_ONCE = "AtLeastOnce"
    AT_MOST_ONCE = "AtMostOnce"


class DeadLetter(ApiModel):
    """Where messages go that nobody could process, of RabbitMQ's queues: each must have a dead-letter exchange."""

    strategy: DeadLetterStrategy = DeadLetterStrategy.AT_LEAST_ONCE
    """AtLeastOnce: a message leaves the queue once its new queue has it, as quorum queues can do. AtMostOnce: it may be lost on
    its way."""


class Consumption(ApiModel):
    """How consumers read."""

    model_config = validated_by(
        Rule(
            "has(self.acknowledge) || has(self.deliveryLimit) || has(self.deadLetter) || has(self.prefetchAtMost)",
            f"set {READ}: an empty consumption asks for nothing",
        ),
    )

    acknowledge: Acknowledge | None = None
    """AfterProcessing: messages are acknowledged, or their offsets committed, once they are processed, so that none is lost with
    a consumer. Kafka's brokers do not see that, so it is looked for in the workloads that are labelled with this policy:
    enable.auto.commit must be false there. RabbitMQ tells it of each consumer."""
    delivery_limit: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """A message that comes back more often than this is taken out: the delivery-limit of RabbitMQ's quorum queues, at the most,
    and retryMaxTimes of RocketMQ's groups. Without one a message that nobody can process comes back for ever."""
    dead_letter: DeadLetter | None = None
    """Where messages go that are taken out (RabbitMQ). {} asks for a dead-letter exchange, and that none is lost on the way."""
    prefetch_at_most: Annotated[int, Field(ge=1, le=65_535)] | None = None
    """How many messages a consumer may hold unacknowledged (RabbitMQ): all of them are delivered again when it dies."""


class Abort(StrEnum):
    """Which transactions may be aborted."""

    NEVER = "Never"
    HUNG = "Hung"


class Resume(StrEnum):
    """Which half messages of RocketMQ are put back that were given up."""

    NEVER = "Never"
    ONCE = "Once"


class Transactions(ApiModel):
    """How long transactions may be open: what was written after an open one is hidden from those who read committed messages."""

    timeout: Annotated[Duration, DurationRange("1s", "24h")] | None = None
    """What producers are to set as transaction.timeout.ms, at the most: clients get it in a ConfigMap, it is looked for in
    labelled workloads, and brokers must allow it (transaction.max.timeout.ms)."""
    hung_after: Annotated[Duration, DurationRange("1s", "168h")] = Duration("20m")
    """An open transaction is told once it is this old; it is called hung where its coordinator does not know it any more."""
    abort: Abort = Abort.NEVER
    """Hung: in mode Enforce a hung transaction is aborted, as kafka-transactions does. What it wrote was never committed."""
    check_interval: Annotated[Duration, DurationRange("1s", "24h")] | None = None
    """How long RocketMQ's brokers wait before they ask a producer again what became of its transaction, at the most:
    transactionCheckInterval."""
    check_max: Annotated[int, Field(ge=1, le=1000)] | None = None
    """How often RocketMQ's brokers ask before they give a transaction up, at the least: transactionCheckMax."""
    resume: Resume = Resume.NEVER
    """Once: in mode Enforce half messages of the matched topics that RocketMQ's brokers gave up are put back, so that their
    producers are asked again; each once, and none that is older than a week or than the broker keeps messages."""


class Workloads(StrEnum):
    """What may be done about workloads labelled ``floodwarden.dev/delivery-policy`` with this policy's name."""

    AUDIT = "Audit"
    PATCH = "Patch"


class DeliveryPolicySpec(ApiModel):
    """The settings that keep messages from being lost. What is left out is not looked at."""

    model_config = validated_by(
        Rule(
            "has(self.flush) || has(self.replication) || has(self.retention) || has(self.acks) || has(self.consumption)"
            " || has(self.transactions)",
            f"set {ASKED}: a policy that asks for nothing keeps nothing",
        ),
        Rule(
            f"!({_REPLICATED} && has(self.replication.minInSync) && self.replication.minInSync < 2)",
            "flush mode Replicated stands on two copies in sync: raise minInSync to 2 or more, or choose another mode",
            ".replication",
            "FieldValueInvalid",
        ),
        Rule(
            f"!({_REPLICATED} && has(self.replication.factor) && self.replication.factor < 2)",
            "flush mode Replicated asks for another broker: raise factor to 2 or more, or choose another mode",
            ".replication",
            "FieldValueInvalid",
        ),
        Rule(
            f"!({_REPLICATED} && has(self.replication.uncleanElection) && self.replication.uncleanElection)",
            "flush mode Replicated allows no unclean election: set uncleanElection to false, or choose another mode",
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
    """Which topics or queues the policy speaks of."""
    acks: Acks | None = None
    """Which brokers producers wait for. Brokers do not keep what producers ask for: what their newest batches prove is told as
    not verified; clients get it in a ConfigMap, and it is looked for in labelled workloads."""
    flush: Flush | None = None
    """When messages are forced onto the disk."""
    replication: Replication | None = None
    """How many brokers have each message."""
    retention: Retention | None = None
    """How long messages are kept."""
    consumption: Consumption | None = None
    """How consumers read."""
    transactions: Transactions | None = None
    """How long transactions may be open."""
    workloads: Workloads = Workloads.AUDIT
    """Audit: workloads with the label floodwarden.dev/delivery-policy and this policy's name are looked at. Patch: in mode
    Enforce wrong values in the environment of Deployments are corrected as well, one rollout at a time."""

    @property
    def min_in_sync(self) -> int | None:
        """How many copies must be in sync; None where that is not asked for."""
        asked = self.replication.min_in_sync if self.replication else None
        replicated = self.flush is not None and self.flush.mode is FlushMode.REPLICATED
        return max(asked or 0, REPLICATED_IN_SYNC) if replicated else asked

    def needs(self) -> Iterator[Capability]:
        """What not all brokers have that can be audited."""
        flush, retention, consumption, transactions = self.flush, self.retention, self.consumption, self.transactions
        asked = {
            Capability.CLIENTS: self.workloads is Workloads.PATCH,
            Capability.FLUSH_BOUNDS: flush and (flush.every or flush.every_messages),
            Capability.RETENTION_GUARD: retention and retention.guard,
            Capability.DELIVERY_LIMIT: consumption and consumption.delivery_limit,
            Capability.DEAD_LETTERS: consumption and consumption.dead_letter,
            Capability.PREFETCH: consumption and consumption.prefetch_at_most,
            Capability.TRANSACTIONS: transactions,
            Capability.TRANSACTION_ABORT: transactions and transactions.abort is Abort.HUNG,
            Capability.TRANSACTION_RESUME: transactions and transactions.resume is Resume.ONCE,
            Capability.TRANSACTION_CHECKS: transactions and (transactions.check_interval or transactions.check_max),
        }
        return (capability for capability, wanted in asked.items() if wanted)

    def requirements(self) -> Iterator[Requirement]:
        """What follows for settings of topics. Of two on the same setting the later one counts."""
        flush, replication, retention = self.flush, self.replication, self.retention
        if flush is not None:
            yield from _of_flush(flush)
        if replication is not None:
            if replication.min_in_sync is not None:
                yield Requirement(MIN_IN_SYNC, Relation.AT_LEAST, str(replication.min_in_sync))
            if replication.unclean_election is False:
                yield Requirement(UNCLEAN, Relation.EXACTLY, "false")
        if retention is not None and retention.at_least is not None:
            yield Requirement(RETENTION, Relation.AT_LEAST, str(milliseconds(retention.at_least)), endless=True)
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
        yield Requirement("flush.ms", Relation.AT_MOST, str(milliseconds(flush.every)))


def milliseconds(duration: Duration | LongDuration) -> int:
    """A duration in whole milliseconds, as Kafka's settings have it."""
    return round(duration.seconds * 1000)
