"""What some adapters can do beyond settings; each is an attribute of ``Abilities``, None where a broker cannot.

``sweep.looks`` asks. As with settings: what fails for one thing is an ``Unknown`` in the answer, BrokerError is raised where
nothing at all could be read, every call ends within the adapter's own time limit and may be cancelled at any await.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from floodwarden.core.delivery.ledger import Place
from floodwarden.core.delivery.placement import Moving
from floodwarden.core.delivery.producers import Newest
from floodwarden.core.delivery.readers import Commits, Extents, Firsts, GroupsFound
from floodwarden.core.delivery.survey import Placement
from floodwarden.core.delivery.throttle import Refusal
from floodwarden.core.delivery.transactions import Active, OpenTransaction, Standing
from floodwarden.core.observation import Partition, Unknown


class ReplicaMoves(Protocol):
    """Reassignment of replicas, and how much of the network it may take."""

    async def under_way(self) -> Moving | Unknown:
        """Every reassignment of the cluster, whoever began it."""
        ...

    async def replicas(self, topics: Collection[str]) -> Mapping[str, tuple[Placement, ...] | Unknown]:
        """Who holds each partition of these topics now, and who is in sync."""
        ...

    async def throttles(self, brokers: Collection[int], topics: Collection[str]) -> Mapping[Place, str | Unknown | None]:
        """Each throttle of these brokers and topics (``core.delivery.throttle``); None where it is not set."""
        ...

    async def refusals(self, settings: Mapping[Place, str | None]) -> Collection[Refusal]:
        """What stands against writing these throttles, and against reassigning at all. Writes nothing."""
        ...

    async def throttle(self, settings: Mapping[Place, str | None]) -> Mapping[Place, Unknown]:
        """Write these throttles, None takes one away, and read them back; the answer has those that failed."""
        ...

    async def move(self, targets: Mapping[Partition, Sequence[int]]) -> Mapping[Partition, Unknown] | Unknown:
        """Have these partitions copied to these brokers; the answer has those that were refused.

        Unknown where that holds for no partition in particular: all were refused, or the request may not have arrived.

        What a partition has beyond its new list is taken away: the caller sees to it that nothing is. A reassignment that is
        under way is replaced.
        """
        ...


class UnreadMessages(Protocol):
    """What groups have not read yet, and how old it is; ``core.delivery.readers`` has the words.

    A survey comes first: it tells where partitions are. Writes nothing, and moves no group.
    """

    async def groups(self, nodes: Collection[int]) -> GroupsFound:
        """All groups that these nodes coordinate, with what they have committed. Groups that the user may not describe are left
        out by the broker without a word."""
        ...

    async def commits(self, groups: Collection[str]) -> Mapping[str, Commits | Unknown]:
        """What some groups have committed now."""
        ...

    async def assigned(self, groups: Collection[str]) -> Mapping[str, frozenset[Partition] | Unknown]:
        """The partitions that members of some groups read now."""
        ...

    async def extents(self, topics: Collection[str]) -> Mapping[str, Extents | Unknown]:
        """Where the log of each partition begins and ends; TOPIC_MISSING for a topic that does not exist."""
        ...

    async def first_since(self, moments: Mapping[Partition, Sequence[int]]) -> Firsts:
        """The first message of each partition that is as new as each of its moments, or newer. Moments are milliseconds since
        1970 and not negative; a partition's are all different."""
        ...

    async def sizes(self, partitions: Collection[Partition]) -> Mapping[Partition, int | Unknown]:
        """How many bytes the leader of each partition holds of it."""
        ...

    async def written_at(self, positions: Mapping[Partition, int]) -> Mapping[Partition, int | Unknown]:
        """The time, in milliseconds since 1970, that keeps the message at an offset from being deleted: its own, or that of a
        newer one that is stored with it. To be asked for few: it reads messages."""
        ...


class Producers(Protocol):
    """Who writes: idempotence, and open transactions. Partitions are those of topics that were wanted in a survey."""

    async def active(self, partitions: Collection[Partition]) -> Mapping[Partition, Active | Unknown]:
        """The producers with an id that have written to each lately, and the transactions that are open there."""
        ...

    async def newest(
        self, partitions: Collection[Partition], known: Mapping[Partition, Newest | Unknown]
    ) -> Mapping[Partition, Newest | Unknown]:
        """The newest batch of each; what is ``known`` is not read again as long as nothing was written since."""
        ...

    async def stable(self, partitions: Collection[Partition]) -> Mapping[Partition, int | Unknown]:
        """The last stable offset of each: how far those get who read committed messages."""
        ...

    async def standings(self, opened: Collection[OpenTransaction]) -> Mapping[OpenTransaction, Standing]:
        """What coordinators know of each; those that have ended by the time they have answered are left out.

        ``Forgotten`` only where every coordinator has told all it knows; else it is Unknown.
        """
        ...

    async def abort(self, opened: Collection[OpenTransaction]) -> Mapping[OpenTransaction, Unknown]:
        """End them as aborted, and read back that they have; the answer has those that may still be open, with why.

        For transactions that ``standings`` has just called ``Forgotten``, and for no others: half of one that goes on would be
        lost.
        """
        ...


@dataclass(frozen=True, slots=True)
class Abilities:
    """Which of them an adapter has."""

    moves: ReplicaMoves | None = None
    unread: UnreadMessages | None = None
    producers: Producers | None = None
