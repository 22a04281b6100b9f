"""What one sweep saw of a broker: every value is either known or :class:`Unknown` with a reason.

Adapters (``brokers/*``) build these; everything else in ``core`` reads them. Nothing here knows a protocol or a clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple


class UnknownReason(StrEnum):
    """Why a value could not be read. Each is also the reason of a condition, so the names are part of the API."""

    BROKER_UNREACHABLE = "BrokerUnreachable"  # no connection, or it broke
    TIMEOUT = "BrokerTimeout"  # connected, but no answer in time
    AUTHENTICATION_FAILED = "AuthenticationFailed"
    AUTHORIZATION_FAILED = "AuthorizationFailed"
    COORDINATOR_UNAVAILABLE = "CoordinatorUnavailable"  # moving, loading or not elected
    NO_LEADER = "PartitionWithoutLeader"
    TOPIC_MISSING = "TopicMissing"  # deleted, or never created
    BROKER_NOT_READY = "BrokerNotReady"  # its spec or Secrets cannot be used: nobody was asked
    BROKER_NOT_CAPABLE = "BrokerNotCapable"  # brokers of this type do not have what is asked for: nobody was asked
    UNSUPPORTED = "BrokerUnsupported"  # the broker is too old to answer, or refuses this request for good
    BROKER_ERROR = "BrokerError"  # an answer with any other error


@dataclass(frozen=True, slots=True)
class Unknown:
    """A value that could not be read. ``detail`` is for people: what was asked, what came back, what to do next."""

    reason: UnknownReason
    detail: str = ""


class Partition(NamedTuple):
    """One partition of a topic (or one queue where a broker has queues)."""

    topic: str
    number: int

    def __str__(self) -> str:
        return f"{self.topic}-{self.number}"


class Offsets(NamedTuple):
    """Positions in one partition, in messages.

    ``log_start`` is the first offset still stored, ``end`` the high watermark (the offset the next message gets), and
    ``committed`` the next offset the group will read, or None where the group has never committed. ``stable`` is the last
    stable offset, where the first open transaction begins; None where nobody asked, or the broker has none.
    """

    log_start: int
    end: int
    committed: int | None
    stable: int | None = None


class GroupPhase(StrEnum):
    """Where a consumer group stands, whatever protocol it speaks."""

    STABLE = "Stable"
    REBALANCING = "Rebalancing"
    EMPTY = "Empty"  # known, but without members
    DEAD = "Dead"  # not known to its coordinator


@dataclass(frozen=True, slots=True)
class Member:
    """One consumer of a group, and the partitions it owns now."""

    id: str
    client_id: str
    host: str
    partitions: frozenset[Partition]


@dataclass(frozen=True, slots=True)
class Group:
    phase: GroupPhase
    members: tuple[Member, ...] = ()


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a policy watches: a consumer group and its topics; no topics means all that the group has committed.

    Where brokers have queues: no group, and the queues for topics.
    """

    group: str
    topics: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.group or 'queues'}({', '.join(self.topics) or 'all committed topics'})"


@dataclass(frozen=True, slots=True)
class Query:
    """One question to an adapter. ``members`` asks for the group's phase and members too, which costs more; ``stable`` for the
    last stable offsets, which brokers without transactions do not have."""

    subscription: Subscription
    members: bool = False
    stable: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """The answer for one subscription.

    ``partitions`` holds every partition of every topic the subscription reads, also those that could not be read.
    A named topic that does not exist appears in ``missing_topics``. ``incarnations`` maps a topic to an id that changes
    when the topic is deleted and created again (empty where the broker has none).
    ``group`` is None where the query did not ask for it.

    ``competing``: any number of consumers share each partition, as with a queue, so that the partition count is no ceiling.
    ``taken``: when the broker took these numbers, in seconds of its own clock; the same again is the same reading. None: at the
    moment of reading.
    """

    partitions: Mapping[Partition, Offsets | Unknown]
    incarnations: Mapping[str, str] = field(default_factory=dict)
    missing_topics: frozenset[str] = frozenset()
    group: Group | Unknown | None = None
    competing: bool = False
    taken: float | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that one sweep read.

    ``readings`` has one entry for every query's subscription. ``requests`` counts the requests sent for this snapshot.
    ``nodes`` are the broker nodes known, ``unreachable`` those of them that did not answer. ``version`` and ``cluster``, the
    cluster's id, are as the broker tells them, None and empty where it does not.
    """

    readings: Mapping[Subscription, Reading | Unknown]
    requests: int
    nodes: tuple[str, ...]
    unreachable: tuple[str, ...] = ()
    version: str | None = None
    cluster: str = ""
