"""How much of the network copies may take while they are made, as kafka-reassign-partitions sets it, and the way back. Pure.

The ledger has an entry for each setting, and one for each topic that says which copies were asked for: by that they are known
as Floodwarden's after a restart. ``moves`` decides what is begun, ``sweep.looks.moving`` writes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from floodwarden.core.delivery.ledger import Entry, Place, Purpose, Resource
from floodwarden.core.delivery.placement import Raise
from floodwarden.core.observation import Partition, Unknown, UnknownReason

RATES: Final = ("leader.replication.throttled.rate", "follower.replication.throttled.rate")  # of a broker, bytes per second
LEADERS: Final = "leader.replication.throttled.replicas"  # of a topic: partition:broker, with commas between
FOLLOWERS: Final = "follower.replication.throttled.replicas"
ALL: Final = "*"
COPIES: Final = "replicas"  # no setting: the ledger's word for what was asked for

Found = Mapping[Place, str | None]
"""What throttles are set to; None where they are not set."""
# What one topic may be refused for while others are not; whatever else goes wrong is no fault of the topic's.
_OF_A_TOPIC: Final = (UnknownReason.AUTHORIZATION_FAILED, UnknownReason.TOPIC_MISSING, UnknownReason.BROKER_ERROR)


@dataclass(frozen=True, slots=True)
class Refusal:
    """What stands against copies: of one topic, or of all where ``topic`` is None."""

    topic: str | None
    why: Unknown


def refusal(resource: Resource, name: str, why: Unknown) -> Refusal:
    """What it means that a throttle of this topic or broker cannot be read or written."""
    return Refusal(name if resource is Resource.TOPIC and why.reason in _OF_A_TOPIC else None, why)


def entries_for(batch: Collection[Raise], policy: str, rate: int, found: Found) -> list[Entry]:
    """What is to be written down, and then set, before these copies are made. ``found`` has the brokers and topics of it.

    A rate that somebody has set on a broker stays, and so does a topic of which all is slowed down already.
    """
    entries = []
    for (resource, name, setting), before in found.items():
        of_broker = before or str(rate)
        written = of_broker if resource is Resource.BROKER else _joined(before, batch, name, setting)
        if written != before:
            entries.append(Entry(Purpose.MOVE, resource, name, setting, before, written, policy))
    by_topic: dict[str, list[Raise]] = defaultdict(list)
    for one in batch:
        by_topic[one.partition.topic].append(one)
    for topic, raises in by_topic.items():
        held, target = _listed(raises, "replicas"), _listed(raises, "target")
        entries.append(Entry(Purpose.MOVE, Resource.TOPIC, topic, COPIES, held, target, policy))
    return entries


def settings_of(entries: Iterable[Entry]) -> list[Entry]:
    """Those that are settings of brokers and topics."""
    return [entry for entry in entries if entry.setting != COPIES]


def asked_for(entries: Iterable[Entry]) -> dict[Partition, Raise]:
    """The copies that were asked for; what cannot be understood was not."""
    found = {}
    for entry in entries:
        if entry.setting == COPIES:
            before, target = _partitions(entry.before), _partitions(entry.written)
            for number in before.keys() & target.keys():
                partition = Partition(entry.name, number)
                found[partition] = Raise(partition, before[number], target[number])
    return found


def undoing(entries: Iterable[Entry], found: Found) -> dict[Place, str | None]:
    """What is to be written so that all is as before: nothing where somebody has changed it since."""
    return {entry.place: entry.before for entry in entries if same(found.get(entry.place), entry.written)}


def cleared(entries: Iterable[Entry], found: Mapping[Place, str | Unknown | None]) -> list[Entry]:
    """What was set and is not any more, as after ``kafka-reassign-partitions --verify``; another value is somebody else's."""
    return [entry for entry in entries if entry.written and entry.place in found and found[entry.place] is None]


def same(one: str | None, other: str | None) -> bool:
    """Whether two values are alike: the order of replicas does not count."""
    return _parts(one) == _parts(other)


def _joined(before: str | None, batch: Iterable[Raise], topic: str, setting: str) -> str | None:
    """What was slowed down on a topic, and what is to be: those that send (LEADERS), or those that get a copy."""
    known = _parts(before)
    if ALL in known:
        return before
    pairs = {
        f"{one.partition.number}:{node}"
        for one in batch
        if one.partition.topic == topic
        for node in (one.replicas if setting == LEADERS else one.added)
    }
    return before if pairs <= known else ",".join(sorted(known | pairs, key=_place_of))


def _parts(text: str | None) -> frozenset[str]:
    return frozenset(part.strip() for part in (text or "").split(",") if part.strip())


def _place_of(pair: str) -> tuple[int, ...]:
    return tuple(int(part) for part in pair.split(":") if part.isdigit())


def _listed(raises: Iterable[Raise], which: str) -> str:
    return " ".join(f"{one.partition.number}:{','.join(map(str, getattr(one, which)))}" for one in sorted(raises))


def _partitions(text: str | None) -> dict[int, tuple[int, ...]]:
    try:
        pairs = [part.split(":") for part in (text or "").split()]
        return {int(number): tuple(map(int, nodes.split(","))) for number, nodes in pairs}
    except ValueError:
        return {}
