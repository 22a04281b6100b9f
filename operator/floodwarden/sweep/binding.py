"""What stands between a policy and its broker or target, told by the specs alone. Pure; ``watch`` asks before deciding."""

from __future__ import annotations

from floodwarden.api.backlogpolicy import BacklogPolicy, Mode
from floodwarden.api.deliverypolicy import DeliveryPolicy
from floodwarden.api.messagebroker import MessageBroker
from floodwarden.core.assess import Gap
from floodwarden.core.capabilities import Capability
from floodwarden.core.reasons import Reason
from floodwarden.core.target import Owner
from floodwarden.sweep.store import Key, Store, key_of

_LACKS = {
    Capability.GROUPS: "which has no consumer groups: name queues in spec.subscription",
    Capability.QUEUES: "which has no queues: name a group in spec.subscription",
    Capability.DELIVERY: "whose settings Floodwarden cannot audit",
    Capability.CLIENTS: "for which no client settings are known: leave spec.workloads out",
    Capability.FLUSH_BOUNDS: "which has no such bounds: leave everyMessages and every out of spec.flush",
    Capability.RETENTION_GUARD: "where no retention can be extended: leave guard out of spec.retention",
    Capability.TRANSACTIONS: "which has no transactions that can be told: leave spec.transactions out",
    Capability.TRANSACTION_ABORT: "where nobody can abort a transaction: leave abort out of spec.transactions",
    Capability.TRANSACTION_CHECKS: "which asks no producer about a transaction: leave checkInterval and checkMax out",
    Capability.TRANSACTION_RESUME: "which puts no transaction back: leave resume out of spec.transactions",
    Capability.DELIVERY_LIMIT: "which counts no deliveries: leave deliveryLimit out of spec.consumption",
    Capability.DEAD_LETTERS: "which has no dead-letter exchanges: leave deadLetter out of spec.consumption",
    Capability.PREFETCH: "where no prefetch can be told: leave prefetchAtMost out of spec.consumption",
}

_ALL_OF_IT = frozenset({Capability.GROUPS, Capability.QUEUES, Capability.DELIVERY})


def obstacle(policy: BacklogPolicy, store: Store) -> Gap | None:
    """Why a policy may not act now, or None."""
    if policy.paused:
        return Gap(Reason.PAUSED, "the policy is paused")
    against = broker_obstacle(policy, store)
    if against is not None:
        return against
    if policy.spec.mode is Mode.DRY_RUN:
        return None  # it scales nothing, so it may look on while another controller does
    holder = store.holder(policy.target)
    if holder is not None and key_of(holder) != key_of(policy):
        return conflict(policy, Owner("BacklogPolicy", holder.metadata.name))
    return None


def conflict(policy: BacklogPolicy, owner: Owner) -> Gap:
    """The refusal to share a target with another controller."""
    return Gap(Reason.TARGET_CONFLICT, f"{policy.target} is scaled by {owner} already")


def broker_obstacle(policy: BacklogPolicy | DeliveryPolicy, store: Store) -> Gap | None:
    """Why no broker may be read for this policy, or None."""
    key = Key(*policy.broker)
    broker = store.brokers.get(key)
    if broker is None:
        return Gap(Reason.BROKER_NOT_FOUND, f"there is no MessageBroker {key.name} in namespace {key.namespace}")
    if not broker.allows(policy.metadata.namespace):
        namespace = policy.metadata.namespace
        return Gap(Reason.BROKER_NOT_ALLOWED, f"MessageBroker {key} does not allow namespace {namespace}")
    lacks = lacking(policy, broker)
    if lacks is not None:
        return Gap(Reason.BROKER_NOT_CAPABLE, f"MessageBroker {key} is of type {broker.spec.type}, {lacks}")
    if broker.paused:
        return Gap(Reason.PAUSED, f"MessageBroker {key} is paused")
    return None


def lacking(policy: BacklogPolicy | DeliveryPolicy, broker: MessageBroker) -> str | None:
    """What the policy asks for and brokers of this type do not have, in half a sentence for each; where nothing of the policy can
    be done, that alone."""
    missing = policy.needs - broker.capabilities
    told = [text for need, text in _LACKS.items() if need in missing]
    return "; and ".join(told[:1] if missing & _ALL_OF_IT else told) or None
