"""What one audit found on a broker: settings with their source, replicas and who is in sync. Adapters build it.

The keys of settings are the broker's own. What could not be read is ``Unknown`` with a reason, never a default.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from floodwarden.core.observation import Unknown


class Source(StrEnum):
    """Where a value comes from."""

    TOPIC = "topic"  # set on the topic itself
    DYNAMIC = "dynamic"  # set on the broker or the cluster while it runs
    FILE = "file"  # in the broker's configuration file
    DEFAULT = "default"  # nobody has set it


@dataclass(frozen=True, slots=True)
class Value:
    """One setting. ``text`` is None where the broker keeps it to itself; ``live``: whether it can change without a restart.

    ``key`` is the broker's own key where a topic's setting comes from one of another name.
    """

    text: str | None
    source: Source
    live: bool = True
    key: str = ""


Values = Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Placement:
    """One partition's replicas and those of them that are in sync, by node id; ``led``: whether one of them is its leader."""

    number: int
    replicas: tuple[int, ...]
    in_sync: tuple[int, ...]
    led: bool = True

    @property
    def whole(self) -> bool:
        """Whether it has its leader and all copies."""
        return self.led and len(self.in_sync) == len(self.replicas)


@dataclass(frozen=True, slots=True)
class TopicFound:
    """One topic. What it does not set itself comes from each broker that holds it: see ``BrokerFound``.

    ``id`` is that of this incarnation as a UUID, empty where the broker has none.
    """

    name: str
    placements: tuple[Placement, ...] | Unknown
    values: Values | Unknown
    internal: bool = False  # Kafka's own: offsets of groups, state of transactions
    id: str = ""


@dataclass(frozen=True, slots=True)
class BrokerFound:
    """One broker node. ``rack`` is None where none is set.

    ``values`` are its own settings, ``defaults`` what topics on it get that set nothing themselves, by the topics' keys.
    """

    id: int
    rack: str | None
    values: Values | Unknown
    defaults: Values | Unknown


@dataclass(frozen=True, slots=True)
class Survey:
    """All that one audit read, topics by name; ``requests`` counts the requests it took.

    ``cluster`` is the id that the brokers have in common, empty where they tell none; ``features`` are what is switched on there.
    """

    topics: Mapping[str, TopicFound]
    brokers: tuple[BrokerFound, ...]
    requests: int
    cluster: str = ""
    features: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, order=True)
class Change:
    """One setting of one thing to be written: what is there now, and what is to be; None takes away what is set there.

    ``before`` is for people and Events. ``kind`` is what the thing is called.
    """

    name: str
    setting: str
    value: str | None
    before: str
    kind: str = "topic"

    @property
    def resource(self) -> str:
        """The thing, as violations call it."""
        return f"{self.kind} {self.name}"
