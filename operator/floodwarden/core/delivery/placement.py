"""Where the copies go that partitions lack: on which brokers, and who of them leads. Pure; ``moves`` asks.

What is there stays: no replica is taken away or moved, only the order of a partition's list may change. Its first broker is the
one that leads while all run, so without that a topic that was made on one broker would be led by it for ever, however many
copies there are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from floodwarden.core.delivery.survey import BrokerFound, Placement, TopicFound
from floodwarden.core.observation import Partition, Unknown


@dataclass(frozen=True, slots=True, order=True)
class Raise:
    """One partition that gets more copies: the brokers that have it, and those that are to have it, the leader first."""

    partition: Partition
    replicas: tuple[int, ...]
    target: tuple[int, ...]

    @property
    def added(self) -> tuple[int, ...]:
        """The brokers that get a copy."""
        return tuple(node for node in self.target if node not in self.replicas)


@dataclass(frozen=True, slots=True)
class UnderWay:
    """One partition's reassignment, as the brokers tell it. ``replicas`` are all, also those that come and go."""

    replicas: tuple[int, ...]
    adding: tuple[int, ...] = ()
    removing: tuple[int, ...] = ()


Moving = Mapping[Partition, UnderWay]
"""All reassignments of a cluster that are under way, whoever began them."""


@dataclass(slots=True)
class Load:
    """How many replicas each broker has, and how many partitions it is to lead; grows with what is planned."""

    replicas: Counter[int] = field(default_factory=Counter)
    leaders: Counter[int] = field(default_factory=Counter)

    @classmethod
    def of(cls, topics: Iterable[TopicFound]) -> Load:
        """What there is; topics of which nothing is known do not count."""
        load = cls()
        for topic in topics:
            if not isinstance(topic.placements, Unknown):
                for placement in topic.placements:
                    load.replicas.update(placement.replicas)
                    load.leaders.update(placement.replicas[:1])
        return load


def running(brokers: Iterable[BrokerFound]) -> dict[int, BrokerFound]:
    """The brokers that answer, by id: whether another one lives, nobody can tell."""
    return {broker.id: broker for broker in brokers if not isinstance(broker.values, Unknown)}


def room_for(placement: Placement, factor: int, alive: Mapping[int, BrokerFound]) -> bool:
    """Whether a partition can have so many copies now: from one in sync, on brokers that run. Half of them is not tried."""
    others = [node for node in alive if node not in placement.replicas]
    return len(placement.replicas) + len(others) >= factor and any(node in alive for node in placement.in_sync)


def raised(topic: TopicFound, factor: int, alive: Mapping[int, BrokerFound], load: Load) -> list[Raise]:
    """Every partition of a topic that has fewer copies and can have them, with the brokers they go to.

    A copy goes to the rack that has the fewest of its partition, there to the broker with the fewest of the topic, then of all
    topics; beyond that brokers take turns. ``load`` is brought up to date.
    """
    if isinstance(topic.placements, Unknown):
        return []
    own = Load.of([topic])
    lacking = [one for one in topic.placements if len(one.replicas) < factor and room_for(one, factor, alive)]
    added = {one: _added(one, factor, alive, own, load) for one in lacking}
    _even_out(added, alive, own, load)
    return [
        Raise(
            Partition(topic.name, one.number),
            one.replicas,
            _led(one.replicas[:1], (*one.replicas, *added[one]), alive, own, load),
        )
        for one in lacking
    ]


def _added(placement: Placement, factor: int, alive: Mapping[int, BrokerFound], own: Load, load: Load) -> list[int]:
    """The brokers that get a copy of one partition, as it looks best so far."""
    held = list(placement.replicas)
    nodes = sorted(alive)
    turn = {node: (place - placement.number) % len(nodes) for place, node in enumerate(nodes)}
    while len(held) < factor:
        racks = Counter(_rack(node, alive) for node in held)
        free = [node for node in nodes if node not in held]
        best = min(free, key=lambda node: (racks[_rack(node, alive)], own.replicas[node], load.replicas[node], turn[node]))
        held.append(best)
        own.replicas[best] += 1
        load.replicas[best] += 1
    return held[len(placement.replicas) :]


def _even_out(added: Mapping[Placement, list[int]], alive: Mapping[int, BrokerFound], own: Load, load: Load) -> None:
    """Give planned copies to brokers with less of the topic, where what came later has left some with more."""
    changed = True
    while changed:  # each change makes it more even, so there is an end
        changed = False
        for placement, nodes in added.items():
            for place, node in enumerate(nodes):
                others = {*placement.replicas, *nodes} - {node}
                racks = Counter(_rack(other, alive) for other in others)
                fit = [
                    other for other in sorted(alive.keys() - others) if racks[_rack(other, alive)] <= racks[_rack(node, alive)]
                ]
                best = min(fit, key=lambda other: own.replicas[other])
                if own.replicas[best] < own.replicas[node] - 1:
                    nodes[place], changed = best, True
                    for counts in (own.replicas, load.replicas):
                        counts[node] -= 1
                        counts[best] += 1


def _rack(node: int, alive: Mapping[int, BrokerFound]) -> str:
    """Where a broker stands: one of which that is not known stands alone."""
    known = alive.get(node)
    return f"broker {node}" if known is None or known.rack is None else f"rack {known.rack}"


def _led(
    leader: Sequence[int], held: tuple[int, ...], alive: Mapping[int, BrokerFound], own: Load, load: Load
) -> tuple[int, ...]:
    """The brokers with the one that is to lead first: another than now only where that leads fewer."""
    own.leaders.subtract(leader)
    load.leaders.subtract(leader)
    able = [node for node in held if node in alive or node in leader]
    best = min(able, key=lambda node: (own.leaders[node], load.leaders[node], node not in leader, held.index(node)))
    own.leaders[best] += 1
    load.leaders[best] += 1
    return best, *(node for node in held if node != best)
