"""DeliveryPolicy: the settings that keep messages from being lost, on brokers and topics. Owned by the platform team.

``deliveryspec`` has what it may ask for; ``wishes`` says that in the terms of ``core.delivery``, and ``sweep`` fills the status.
"""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, ClassVar, Final

from pydantic import Field

from floodwarden.api.deliveryspec import (
    Abort,
    DeadLetterStrategy,
    DeliveryMode,
    DeliveryPolicySpec,
    Resume,
    Workloads,
    milliseconds,
)
from floodwarden.api.resource import ApiModel, Column, Definition, Resource
from floodwarden.api.shared import Conditions, Count, NamedOnes, Timestamp
from floodwarden.core.capabilities import Capability
from floodwarden.core.delivery.violations import Action
from floodwarden.core.delivery.wishes import ReadingWishes, TransactionWishes, Wishes

MAX_VIOLATIONS: Final = 50
TEXT_BYTES: Final = 256  # of each part of a violation


Text = Annotated[str, Field(max_length=TEXT_BYTES)]


class ViolationStatus(ApiModel):
    """One difference between what is asked for and what was found."""

    resource: Text
    """Of what: a topic, a group on it, broker nodes, a workload or a ConfigMap."""
    setting: Text
    """Which setting, by the broker's or the client's own name."""
    wanted: Text
    """What the policy asks for."""
    found: Text
    """What was found."""
    where: Text
    """Where that value comes from: the topic, or broker nodes with the layer (default, file, dynamic)."""
    action: Action
    """Repair: Floodwarden writes it in mode Enforce. Report: for people. Restart: for people, and nodes must be restarted.
    Owner: another controller has the topic, and it is changed there, by people or by Floodwarden. Conflict: another policy asks
    for something else."""
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

    @property
    def needs(self) -> frozenset[Capability]:
        """What its brokers must have."""
        return frozenset({Capability.DELIVERY, *self.spec.needs()})

    @cached_property
    def broker(self) -> tuple[str, str]:
        """Namespace and name of the MessageBroker it binds to."""
        return self.spec.broker_ref.namespace or self.metadata.namespace, self.spec.broker_ref.name

    @cached_property
    def wishes(self) -> Wishes:
        """What is wanted, in the terms of ``core``."""
        spec, replication = self.spec, self.spec.replication
        guard = spec.retention.guard if spec.retention else None
        enforces = spec.mode is DeliveryMode.ENFORCE and not self.paused
        return Wishes(
            name=f"{self.metadata.namespace}/{self.metadata.name}",
            acts=enforces,
            names=spec.match.names,
            exclude=spec.match.exclude,
            requirements=tuple({need.setting: need for need in spec.requirements()}.values()),
            factor=replication.factor if replication else None,
            min_in_sync=spec.min_in_sync,
            acks=spec.acks.value if spec.acks else None,
            flush=spec.flush.mode.value if spec.flush else None,
            enforces=enforces,
            move_rate=replication.move_rate.bytes if replication else None,
            guarded=guard is not None,
            extend_to=milliseconds(guard.extend_to) if guard and guard.extend_to else None,
            acknowledged_late=spec.consumption is not None and spec.consumption.acknowledge is not None,
            transactions=self._transactions,
            patches=spec.workloads is Workloads.PATCH,
            kept_for=milliseconds(spec.retention.at_least) if spec.retention and spec.retention.at_least else None,
            clean=replication is not None and replication.unclean_election is False,
            reading=self._reading,
        )

    @property
    def _reading(self) -> ReadingWishes:
        asked = self.spec.consumption
        if asked is None:
            return ReadingWishes()
        dead = asked.dead_letter
        return ReadingWishes(
            delivery_limit=asked.delivery_limit,
            prefetch=asked.prefetch_at_most,
            dead_letters=dead is not None,
            dead_safely=dead is not None and dead.strategy is DeadLetterStrategy.AT_LEAST_ONCE,
        )

    @property
    def _transactions(self) -> TransactionWishes | None:
        asked = self.spec.transactions
        if asked is None:
            return None
        timeout = asked.timeout.seconds if asked.timeout else None
        return TransactionWishes(
            timeout,
            asked.hung_after.seconds,
            aborts=asked.abort is Abort.HUNG,
            check_interval=asked.check_interval.seconds if asked.check_interval else None,
            check_max=asked.check_max,
            resumes=asked.resume is Resume.ONCE,
        )
