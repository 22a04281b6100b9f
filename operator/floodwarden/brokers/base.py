"""The small interface every broker adapter implements; abilities beyond it will be separate, optional protocols.

``sweep`` talks to brokers through this module only. Adapters live beside it, one package each.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Protocol, TypeVar

from floodwarden.brokers.abilities import Abilities
from floodwarden.core.delivery.audit import Findings
from floodwarden.core.delivery.survey import Change, Survey
from floodwarden.core.delivery.wishes import Wishes
from floodwarden.core.observation import Query, Snapshot, Unknown, UnknownReason


class BrokerError(Exception):
    """Nothing at all could be read from a broker. ``reason`` becomes a condition's reason, the text its message."""

    def __init__(self, reason: UnknownReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Broker(Protocol):
    """A connection to one cluster of brokers, used by one sweep at a time."""

    async def observe(self, queries: Collection[Query]) -> Snapshot:
        """Read all that the queries ask for, in requests that grow with broker nodes and not with queries.

        What fails for one group or partition is an ``Unknown`` in the snapshot; BrokerError is raised only where
        nothing could be read (no node reachable, credentials refused). Ends within the adapter's own time limit, and may
        be cancelled at any await without harm. With no queries it still checks that the brokers can be reached.
        """
        ...

    async def close(self) -> None:
        """Close every connection. Safe to call twice."""
        ...


class SettingsBroker(Protocol):
    """A connection to one cluster of brokers for its settings, used by one audit at a time."""

    @property
    def abilities(self) -> Abilities:
        """What it can do beyond settings."""
        ...

    @property
    def requests(self) -> int:
        """How many requests it has sent."""
        ...

    async def survey(self, wanted: Callable[[str], bool], settings: Collection[str]) -> Survey:
        """Find the topics whose names are ``wanted``, and the system's own, with these settings of theirs; and every broker.

        What fails for one topic or node is an ``Unknown`` in the survey; BrokerError is raised only where nothing could be
        read. Writes nothing. Ends within the adapter's own time limit, and may be cancelled at any await.
        """
        ...

    async def write(self, changes: Collection[Change]) -> Mapping[Change, Unknown]:
        """Write these settings and no others; the answer has those that were refused or may not have arrived, with why.

        A topic's settings are changed together or not at all. That a broker accepted is not the proof: survey again.
        """
        ...

    async def close(self) -> None:
        """Close every connection. Safe to call twice."""
        ...


class Told(Protocol):
    """What a survey of brokers that are not Kafka's found; the rest is between the adapter and ``core.delivery``."""

    @property
    def cluster(self) -> str:
        """The id that the brokers have in common, empty where they tell none."""
        ...


Found = TypeVar("Found", bound=Told)


class DeliveryBroker(Protocol[Found]):
    """The same for brokers whose settings are not Kafka's: the adapter brings what judges them. ``sweep.plain_audit`` asks."""

    @property
    def requests(self) -> int:
        """How many requests it has sent."""
        ...

    async def survey(self, wanted: Callable[[str], bool]) -> Found:
        """Find all that matters to policies on topics or queues whose names are ``wanted``.

        What fails for one of them or for one node is an ``Unknown`` in what was found; BrokerError is raised only where nothing
        could be read. Writes nothing. Ends within the adapter's own time limit, and may be cancelled at any await.
        """
        ...

    def judge(self, found: Found, policies: Collection[Wishes], beside: Collection[Wishes] = ()) -> Mapping[str, Findings]:
        """The findings of each policy, by its name; pure. ``beside`` are policies that are audited elsewhere, on the same
        brokers: of these it matters only where they disagree."""
        ...

    def made(self, found: Found) -> Mapping[str, Change]:
        """What is there that goes with a policy, as it would be written, by the policy's name; whoever has made it. Pure."""
        ...

    async def write(self, changes: Collection[Change]) -> Mapping[Change, Unknown]:
        """Write these and nothing else; the answer has those that were refused or may not have arrived, with why.

        That a broker accepted is not the proof: survey again. What is to be taken away and is not there is no failure.
        """
        ...

    async def close(self) -> None:
        """Close every connection. Safe to call twice."""
        ...
