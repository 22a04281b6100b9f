"""BacklogPolicy: how much lag one subscription may have and what may be done about it. Owned by the application team.

The spec says what is wanted; ``core`` decides from it, ``sweep`` fills the status. What must survive a restart of
Floodwarden (the measured capacity, the last step) is in the status.
"""

from __future__ import annotations

from enum import StrEnum
from functools import cached_property
from typing import Annotated, ClassVar, Final

from pydantic import Field

from floodwarden.api.durations import Duration, DurationRange
from floodwarden.api.resource import ApiModel, Column, Definition, Resource
from floodwarden.api.rules import Rule, Rules, validated_by
from floodwarden.api.shared import MAX_NAMED, Conditions, Count, NamedOnes, ObjectName, Rate, Seconds, Timestamp
from floodwarden.api.subscription import BrokerRef, SubscriptionSpec
from floodwarden.core.capabilities import Capability
from floodwarden.core.diagnosis.cause import Cause, Confidence
from floodwarden.core.memory import Basis, Phase
from floodwarden.core.observation import Subscription
from floodwarden.core.policy import Policy
from floodwarden.core.target import TargetRef

MAX_REPLICAS: Final = 10_000


class MaxLag(ApiModel):
    """How much lag is allowed. Set messages, seconds or both; with both, the subscription is over its limit when either is."""

    model_config = validated_by(
        Rule("has(self.messages) || has(self.seconds)", "set messages, seconds or both: without a limit there is nothing to hold")
    )

    messages: Annotated[int, Field(ge=1)] | None = None
    """Most messages that may wait to be consumed, summed over the partitions."""
    seconds: Annotated[int, Field(ge=1, le=31_536_000)] | None = None
    """Longest time, in seconds, that the oldest waiting message may have waited, whichever partition it is in."""


class Mode(StrEnum):
    """What Floodwarden may do."""

    ENFORCE = "Enforce"
    DRY_RUN = "DryRun"


_UNSCALABLE: Final = "['DaemonSet', 'Pod', 'Job', 'CronJob']"


class TargetRefSpec(ApiModel):
    """What runs the consumers: anything with a scale subresource, in the policy's own namespace."""

    model_config = validated_by(
        Rule(
            f"!(self.kind in {_UNSCALABLE})",
            "DaemonSet, Pod, Job and CronJob have no replicas to scale: name a Deployment, StatefulSet or another kind"
            " with a scale subresource",
            ".kind",
            "FieldValueInvalid",
        ),
        Rule(
            "!(self.kind in ['Deployment', 'StatefulSet', 'ReplicaSet']) || self.apiVersion.contains('.')"
            " || self.apiVersion == 'apps/v1'",
            "Deployment, StatefulSet and ReplicaSet are of apiVersion apps/v1: write apps/v1 or leave it out",
            ".apiVersion",
            "FieldValueInvalid",
        ),
    )

    api_version: Annotated[
        str,
        Field(min_length=1, max_length=253),
        Rules(
            Rule(
                "self.matches('^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?v[0-9]+((alpha|beta)[0-9]+)?$')",
                "must be group/version, such as apps/v1",
            )
        ),
    ] = "apps/v1"
    """The target's apiVersion."""
    kind: Annotated[
        str,
        Field(min_length=1, max_length=63),
        Rules(Rule("self.matches('^[A-Z][a-zA-Z0-9]*$')", "must be a kind, such as Deployment or StatefulSet")),
    ] = "Deployment"
    """The target's kind."""
    name: ObjectName
    """The target's name."""


class ScaleDown(ApiModel):
    """When replicas may be taken away."""

    stabilization: Annotated[Duration, DurationRange("0s", "1h")] = Duration("120s")
    """How long fewer replicas must have been enough, without a break, before they are taken away, in one step."""


class Consumers(ApiModel):
    """What may be scaled, and how far."""

    model_config = validated_by(
        Rule(
            "!has(self.maxReplicas) || self.maxReplicas >= self.minReplicas",
            "must not be below minReplicas: raise maxReplicas or lower minReplicas",
            ".maxReplicas",
            "FieldValueInvalid",
        )
    )

    target_ref: TargetRefSpec
    """What runs the consumers: anything with a scale subresource, in the policy's own namespace. Nothing else may scale it:
    no HorizontalPodAutoscaler, no ScaledObject, no second policy."""
    min_replicas: Annotated[int, Field(ge=0, le=MAX_REPLICAS)] = 1
    """Never fewer replicas than this. With 0 the consumers sleep when nothing has waited for the whole stabilisation window,
    and are woken by the next message."""
    max_replicas: Annotated[int, Field(ge=1, le=MAX_REPLICAS)] | None = None
    """Never more replicas than this. Without it the partitions that the group reads are the ceiling, as in any case: a group
    cannot use more consumers than that. Required with queues."""
    scale_down: ScaleDown = ScaleDown()
    """When replicas may be taken away."""


class BacklogPolicySpec(ApiModel):
    """How much lag the subscription may have and what may be done about it."""

    model_config = validated_by(
        Rule(
            "!has(self.subscription.queues) || has(self.consumers.maxReplicas)",
            "any number of consumers can share a queue: set maxReplicas",
            ".consumers",
            "FieldValueInvalid",
        )
    )

    broker_ref: BrokerRef
    """The MessageBroker that holds the subscription."""
    subscription: SubscriptionSpec
    """Whose backlog it is: a consumer group and the topics it reads, or queues."""
    max_lag: MaxLag
    """How much lag is allowed: messages, seconds or both."""
    catch_up: Annotated[Duration, DurationRange("1s", "24h")] = Duration("60s")
    """Drain a backlog within this time. A shorter time asks for more replicas at once."""
    mode: Mode = Mode.ENFORCE
    """Enforce scales the consumers. DryRun decides and records the same in the status and in Events, and scales nothing."""
    consumers: Consumers
    """What may be scaled, and how far."""


class Lag(ApiModel):
    """How far the consumers are behind."""

    messages: Count
    """Messages that wait to be consumed, summed over the partitions."""
    seconds: Seconds | None = None
    """How long the oldest waiting message has waited, in seconds. Absent while it is not known."""
    exact: bool
    """Whether every partition could be read. If false, the numbers are a lower bound."""


class Rates(ApiModel):
    """Speeds in messages per second. What is not known yet is absent."""

    produced: Rate | None = None
    """Messages that producers add."""
    consumed: Rate | None = None
    """Messages that consumers finish."""
    per_replica: Rate | None = None
    """Messages that each replica finishes, on average."""


class Capacity(ApiModel):
    """What one replica can consume, learnt from the consumers themselves. It survives a restart of Floodwarden."""

    per_replica: Rate
    """Messages per second that one replica can finish."""
    measured_at: Timestamp
    """When it was last measured."""
    basis: Basis
    """Measured: while messages waited, so that replicas were busy. AtLeast: seen while they were not busy, or long ago; they
    can do this, perhaps more."""


class PartitionsStatus(ApiModel):
    """The partitions that the group reads."""

    total: Count
    """How many there are."""
    unknown: Count
    """How many of them could not be read in the last sweep."""
    stalled: NamedOnes = ()
    """Those whose committed offset stands still while messages wait: perhaps a message the consumer cannot process."""
    hot: NamedOnes = ()
    """Those that need more than one replica can do: perhaps a key with most of the messages. Replicas cannot help."""


class Replicas(ApiModel):
    """Replicas of the target."""

    current: Count | None = None
    """Replicas that the target asks for now."""
    desired: Count | None = None
    """Replicas that Floodwarden finds right. In mode DryRun and while paused it is only said."""
    ceiling: Count | None = None
    """Most replicas that can help: the partitions, or maxReplicas where that is less, or where consumers share queues."""


class LastStep(ApiModel):
    """The last time Floodwarden scaled the target. It survives a restart of Floodwarden."""

    at: Timestamp
    """When."""
    from_: Annotated[Count, Field(alias="from")]
    """Replicas before."""
    to: Count
    """Replicas after."""
    reason: str
    """Why, in one word; the reference page lists the reasons."""
    phase: Phase
    """Settling: pods start and the group rebalances. Measuring: they are in place, and it is seen whether that helped.
    Done: it did. Overdue: it takes too long. Ineffective: more replicas did not consume more, so it is taken back."""
    throughput_before: Rate | None = None
    """Messages per second consumed before it, to tell whether it helped."""


class Blocked(ApiModel):
    """Steps up are not tried: the last one consumed no more than before. It survives a restart of Floodwarden."""

    until: Timestamp
    """When the next one may be tried; sooner where throughput clearly recovers."""
    length: Duration
    """How long this block is; the next one is twice as long, up to an hour."""
    throughput: Rate
    """Messages per second consumed when it began."""


class CauseStatus(ApiModel):
    """Why messages wait. It survives a restart of Floodwarden."""

    type: Cause
    """The cause in one word; the reference page lists what each means and what to do."""
    message: Annotated[str, Field(max_length=32768)]
    """The numbers that speak for it, in a sentence."""
    confidence: Confidence
    """How sure that is. High: brokers or the API server say it themselves, or rates leave no doubt. Low: only a guess, or the
    usual level has hardly been watched. Medium: whatever lies between."""
    since: Timestamp
    """Since when it has been the cause."""


class TopicUsual(ApiModel):
    """What usually arrives in one topic."""

    topic: str
    """Its name, or that of a queue."""
    produced: Rate
    """Messages per second, over the last quarter of an hour in which all was well."""
    lately: Rate
    """The same over the last minutes of it."""
    watched: Duration
    """For how long that was watched."""


class UsualStatus(ApiModel):
    """What is usual while nothing waits too long. It is not learnt from a backlog, and survives a restart of Floodwarden."""

    at: Timestamp
    """When it was learnt last."""
    topics: Annotated[tuple[TopicUsual, ...], Field(max_length=MAX_NAMED)] = ()
    """What arrives, of the busiest topics."""
    per_replica: Rate | None = None
    """Messages per second that each replica consumed."""
    replicas: Count
    """How many replicas those were."""


class BacklogPolicyStatus(ApiModel):
    """What Floodwarden sees and does. Only Floodwarden writes it."""

    observed_generation: Count | None = None
    """The generation of the spec that this status answers."""
    state: Annotated[str, Field(max_length=64)] | None = None
    """The state in one word: the reason that matters most, as in the list of reasons of the reference page."""
    message: Annotated[str, Field(max_length=32768)] | None = None
    """Whether it is fine and, if not, why, in a sentence."""
    lag: Lag | None = None
    """How far the consumers are behind. Absent until it is known."""
    rates: Rates | None = None
    """How fast messages come and go."""
    capacity: Capacity | None = None
    """What one replica can consume, as learnt. Absent until it was seen."""
    partitions: PartitionsStatus | None = None
    """The partitions that the group reads."""
    replicas: Replicas | None = None
    """Replicas of the target: current, desired and the ceiling."""
    drain_eta: Annotated[Duration | None, Field(alias="drainETA")] = None
    """When the backlog will be gone at the present rates, counted from now. Absent when there is none, or it does not shrink."""
    last_step: LastStep | None = None
    """The last time Floodwarden scaled the target."""
    blocked: Blocked | None = None
    """Set while steps up are not tried, because the last one did not help."""
    over_since: Timestamp | None = None
    """Since when the lag has been over its limit."""
    cause: CauseStatus | None = None
    """Why messages wait. Absent while the lag is within its limit and nothing stands still."""
    usual: UsualStatus | None = None
    """What usually arrives and is consumed, which a backlog is held against. Written together with the rest."""
    ceiling_told: bool | None = None
    """Set once it has been told since then that more replicas would not help."""
    gaps: Annotated[tuple[str, ...], Field(max_length=16)] = ()
    """Reasons for which a part of the lag is not known; the reference page lists them."""
    conditions: Conditions = ()
    """Ready: the policy is carried out. WithinLag: the lag is within maxLag. Scaling: a step is under way. Stalled: a
    partition stands still."""


class BacklogPolicy(Resource):
    """How much lag one subscription may have and what may be done about it.

    Floodwarden reads the lag of the group, learns how much one replica consumes, and scales the target in one jump to
    what drains a backlog within catchUp: never above the partition count, never below minReplicas.
    """

    definition: ClassVar[Definition] = Definition(
        kind="BacklogPolicy",
        plural="backlogpolicies",
        singular="backlogpolicy",
        short_name="fwbp",
        columns=(
            Column("Lag", "integer", ".status.lag.messages", "Messages that wait"),
            Column("Seconds", "number", ".status.lag.seconds", "Seconds the oldest of them has waited"),
            Column("Current", "integer", ".status.replicas.current", "Replicas the target asks for"),
            Column("Desired", "integer", ".status.replicas.desired", "Replicas Floodwarden finds right"),
            Column("Ceiling", "integer", ".status.replicas.ceiling", "Most replicas that can help"),
            Column("State", "string", ".status.state", "The state in one word"),
            Column("Age", "date", ".metadata.creationTimestamp", "Time since it was created"),
            Column("Cause", "string", ".status.cause.type", "Why messages wait", wide=True),
            Column("Group", "string", ".spec.subscription.group", "Consumer group", wide=True),
            Column("Target", "string", ".spec.consumers.targetRef.name", "What is scaled", wide=True),
            Column("Broker", "string", ".spec.brokerRef.name", "MessageBroker", wide=True),
            Column("Mode", "string", ".spec.mode", "Enforce or DryRun", wide=True),
            Column("Message", "string", ".status.message", "Whether it is fine and, if not, why", wide=True),
        ),
        conditions={
            "Ready": "the policy is carried out: its broker, subscription and target can be read, and nothing else scales it",
            "WithinLag": "the lag is known and within maxLag",
            "Scaling": "a scaling step is under way: pods start or stop and the group rebalances",
            "Stalled": "a partition's committed offset stands still while messages wait in it",
        },
    )

    spec: BacklogPolicySpec
    status: BacklogPolicyStatus = BacklogPolicyStatus()

    # Kept, because every sweep asks for them again for each policy.

    @cached_property
    def broker(self) -> tuple[str, str]:
        """Namespace and name of the MessageBroker it binds to."""
        return self.spec.broker_ref.namespace or self.metadata.namespace, self.spec.broker_ref.name

    @property
    def needs(self) -> frozenset[Capability]:
        """What its brokers must have."""
        return frozenset({Capability.QUEUES if self.spec.subscription.queues else Capability.GROUPS})

    @cached_property
    def subscription(self) -> Subscription:
        """What to read, in the terms of ``core``."""
        asked = self.spec.subscription
        return Subscription(asked.group or "", asked.topics or asked.queues or ())

    @cached_property
    def target(self) -> TargetRef:
        """What to scale, in the terms of ``core``."""
        ref = self.spec.consumers.target_ref
        return TargetRef(self.metadata.namespace, ref.api_version, ref.kind, ref.name)

    def wishes(self, sweep_interval: float) -> Policy:
        """What is wanted, in the terms of ``core``; ``sweep_interval`` in seconds is the MessageBroker's."""
        spec = self.spec
        return Policy(
            subscription=self.subscription,
            max_messages=spec.max_lag.messages,
            max_seconds=float(spec.max_lag.seconds) if spec.max_lag.seconds is not None else None,
            catch_up=spec.catch_up.seconds,
            min_replicas=spec.consumers.min_replicas,
            max_replicas=spec.consumers.max_replicas,
            stabilization=spec.consumers.scale_down.stabilization.seconds,
            sweep_interval=sweep_interval,
            dry_run=spec.mode is Mode.DRY_RUN,
        )
