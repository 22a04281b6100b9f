"""The specs as the API server last told them: written by ``handlers`` and ``resync``, read by the loops.

Lives on one event loop, so nothing is locked. ``changed`` wakes whoever waits for a change.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from floodwarden.api.backlogpolicy import BacklogPolicy, Mode
from floodwarden.api.deliverypolicy import DeliveryPolicy
from floodwarden.api.messagebroker import MessageBroker, MessageBrokerStatus
from floodwarden.cluster.status import version_of
from floodwarden.core.target import TargetRef

Held = TypeVar("Held", MessageBroker, BacklogPolicy, DeliveryPolicy)
Object = MessageBroker | BacklogPolicy | DeliveryPolicy
Kinds = type[MessageBroker] | type[BacklogPolicy] | type[DeliveryPolicy]
KINDS: tuple[Kinds, ...] = (MessageBroker, BacklogPolicy, DeliveryPolicy)


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """Namespace and name of an object."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Refused:
    """An object whose manifest cannot be understood, and why."""

    kind: str
    plural: str
    key: Key
    uid: str
    generation: int
    why: str


class _Claim(NamedTuple):
    """What identifies a target, whichever version of its API a policy names: they all show the same object."""

    namespace: str
    group: str
    kind: str
    name: str


def key_of(resource: Object) -> Key:
    return Key(resource.metadata.namespace, resource.metadata.name)


class Store:
    """Every MessageBroker and policy that is watched."""

    def __init__(self) -> None:
        self.brokers: dict[Key, MessageBroker] = {}
        self.policies: dict[Key, BacklogPolicy] = {}
        self.deliveries: dict[Key, DeliveryPolicy] = {}
        self.refused: dict[tuple[str, Key], Refused] = {}
        self._newest: dict[tuple[str, Key], tuple[int, str, Any]] = {}  # version, uid and status
        self._rivals: dict[_Claim, dict[Key, BacklogPolicy]] = {}  # the policies that name each target
        self.changed = asyncio.Event()
        self.complete = asyncio.Event()  # set once all that was there when the process began is here

    def held(self, kind: Kinds) -> dict[Key, Any]:
        """The objects of one kind."""
        of_kind: dict[Kinds, dict[Key, Any]] = {
            MessageBroker: self.brokers,
            BacklogPolicy: self.policies,
            DeliveryPolicy: self.deliveries,
        }
        return of_kind[kind]

    def put(self, resource: Object) -> None:
        """Take in an object, unless what is here is newer: a watch that starts again, or a list, may tell old news."""
        if not self._news(resource):
            return
        held = self.held(type(resource))
        self.refused.pop((type(resource).__name__, key_of(resource)), None)
        before = held.get(key_of(resource))
        if before is not None and before.metadata.uid == resource.metadata.uid:
            if before.metadata.generation > resource.metadata.generation:
                return
            if _acts_alike(before, resource):
                return  # only status or labels: our own writes come back here, or another replica's
        self._disclaim(before)
        held[key_of(resource)] = resource
        if isinstance(resource, BacklogPolicy):
            self._rivals.setdefault(_claim(resource.target), {})[key_of(resource)] = resource
        self.changed.set()

    def renewed(self, resource: Held) -> Held:
        """The same object with the newest status that was told, held in its place: for whoever begins to act on it."""
        _, uid, status = self._newest[type(resource).__name__, key_of(resource)]
        if uid != resource.metadata.uid or status == resource.status:
            return resource
        renewed = resource.model_copy(update={"status": status})
        self.held(type(resource))[key_of(resource)] = renewed
        if isinstance(renewed, BacklogPolicy):
            self._rivals[_claim(renewed.target)][key_of(renewed)] = renewed
        return renewed

    def holds(self, resource: Held) -> bool:
        """Whether an object is still as it was: not edited, paused or deleted since."""
        return self.held(type(resource)).get(key_of(resource)) is resource

    def told(self, resource: Object) -> tuple[int, Any] | None:
        """The newest version and status of an object that the API server told; None where it has not, or not of this one."""
        version, uid, status = self._newest.get((type(resource).__name__, key_of(resource)), (0, "", None))
        return (version, status) if uid == resource.metadata.uid else None

    def _news(self, resource: Object) -> bool:
        """Whether this is no older than what was told already, by the API server's own count; its status is remembered then."""
        name, meta = (type(resource).__name__, key_of(resource)), resource.metadata
        version = version_of(meta.resource_version)
        if version < self._newest.get(name, (0, "", None))[0]:
            return False
        self._newest[name] = version, meta.uid, resource.status
        return True

    def refuse(self, kind: Kinds, refused: Refused) -> None:
        """Take note of an object that cannot be understood; nothing is done by what it said before."""
        self.drop(kind, refused.key)
        self.refused[kind.__name__, refused.key] = refused
        self.changed.set()

    def drop(self, kind: Kinds, key: Key, uid: str | None = None) -> None:
        """Forget an object, unless another one has taken its name (``uid`` given and different)."""
        held = self.held(kind)
        refused = self.refused.get((kind.__name__, key))
        if refused is not None and (uid is None or refused.uid == uid):
            del self.refused[kind.__name__, key]
        found = held.get(key)
        if found is not None and (uid is None or found.metadata.uid == uid):
            del held[key]
            self._newest.pop((kind.__name__, key), None)
            self._disclaim(found)
            self.changed.set()

    def deliveries_of(self, broker: Key) -> list[DeliveryPolicy]:
        """The delivery policies that name this broker, allowed or not."""
        return [policy for policy in self.deliveries.values() if Key(*policy.broker) == broker]

    def deliveries_beside(self, broker: Key, cluster: str) -> list[DeliveryPolicy]:
        """The delivery policies that act on the same cluster by way of other MessageBrokers, as far as those have told its id."""
        return [
            policy
            for key, other in self.brokers.items()
            if key != broker and cluster and self._status(other).cluster_id == cluster
            for policy in self.deliveries_of(key)
            if other.allows(policy.metadata.namespace) and not (policy.paused or other.paused)
        ]

    def _status(self, broker: MessageBroker) -> MessageBrokerStatus:
        told = self.told(broker)
        status: MessageBrokerStatus = broker.status if told is None else told[1]
        return status

    def holder(self, target: TargetRef) -> BacklogPolicy | None:
        """The policy that has a target: of several the one created first, and among those the first by name.

        What scales nothing, because it is paused or in DryRun, holds nothing either.
        """
        rivals = [policy for policy in self._rivals.get(_claim(target), {}).values() if _scales(policy)]
        return min(rivals, key=lambda policy: (policy.metadata.creation_timestamp, policy.metadata.name), default=None)

    def _disclaim(self, resource: Object | None) -> None:
        """Take a policy out of those that name its target."""
        if isinstance(resource, BacklogPolicy):
            claim = _claim(resource.target)
            del self._rivals[claim][key_of(resource)]
            if not self._rivals[claim]:
                del self._rivals[claim]


def _acts_alike(before: Object, after: Object) -> bool:
    return (
        before.metadata.generation == after.metadata.generation
        and before.paused == after.paused
        and before.metadata.deletion_timestamp == after.metadata.deletion_timestamp
    )


def _scales(policy: BacklogPolicy) -> bool:
    return policy.spec.mode is Mode.ENFORCE and not policy.paused


def _claim(target: TargetRef) -> _Claim:
    return _Claim(target.namespace, target.api_version.rpartition("/")[0], target.kind, target.name)
