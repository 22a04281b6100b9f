"""What a topic really does in one setting: its own value, else that of each node that holds it. ``audit`` and ``nodes`` ask.

Nodes may differ, so what one of them tells is never taken for the others.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from floodwarden.core.assess import Gap
from floodwarden.core.delivery.survey import BrokerFound, Source, TopicFound, Value
from floodwarden.core.delivery.violations import MIN_IN_SYNC, name_of, named_brokers, text_of
from floodwarden.core.delivery.wishes import Relation, Requirement, worded
from floodwarden.core.observation import Unknown
from floodwarden.core.reasons import Reason


@dataclass(frozen=True, slots=True)
class Held:
    """One value: of the topic itself (``node`` is None), or what it gets on a node. ``key`` is its name there."""

    node: int | None
    key: str
    value: Value


@dataclass(frozen=True, slots=True)
class Effective:
    """The known values of one setting of one topic. ``complete``: they are all that there are."""

    held: tuple[Held, ...]
    complete: bool = True

    def unmet(self, need: Requirement) -> tuple[Held, ...]:
        """The values that do not fulfil a requirement; those that cannot be understood are not among them."""
        return tuple(one for one in self.held if need.met_by(one.value.text) is False)

    def strictest(self, need: Requirement) -> str | None:
        """What fulfils the requirement and takes nothing away on any node; None where a node's value is not known."""
        if need.bound and (not self.complete or any(need.met_by(one.value.text) is None for one in self.held)):
            return None
        return need.strictest(text_of(one.value) for one in self.held)


def effective(topic: TopicFound, need: Requirement, brokers: Sequence[BrokerFound], gaps: list[Gap]) -> Effective | None:
    """The values of a requirement's setting; ``gaps`` gets what is not known. None where nothing is."""
    if isinstance(topic.values, Unknown):
        gaps.append(gap_of(topic.values))
        return None
    own = topic.values.get(need.setting)
    if own is None:
        gaps.append(Gap(Reason.UNSUPPORTED, f"the brokers do not tell {need.setting} of {name_of(topic)}"))
        return None
    if own.source is Source.TOPIC:
        found = Effective((Held(None, need.setting, own),))
    elif isinstance(topic.placements, Unknown):
        gaps.append(gap_of(topic.placements))
        return None
    else:
        ids = {node for placement in topic.placements for node in placement.replicas}
        held = tuple(_inherited(need.setting, ids, brokers, gaps))
        found = Effective(held, complete=len(held) == len(ids))
    for one in found.held:
        if need.met_by(one.value.text) is None:
            whose = name_of(topic) if one.node is None else f"broker {one.node}"
            gaps.append(Gap(Reason.BROKER_ERROR, f"{one.key} of {whose} cannot be understood"))
    return found


def held_at_least(topic: TopicFound, brokers: Sequence[BrokerFound]) -> int | None:
    """How many copies must be in sync on the strictest node for a write with acks=all; None where that is not known."""
    if isinstance(topic.values, Unknown) or MIN_IN_SYNC not in topic.values:
        return None
    found = effective(topic, Requirement(MIN_IN_SYNC, Relation.AT_LEAST, "1"), brokers, [])
    texts = [one.value.text for one in found.held] if found is not None else []
    return max((int(text) for text in texts if text is not None and text.isdecimal()), default=None)


def _inherited(setting: str, ids: Iterable[int], brokers: Sequence[BrokerFound], gaps: list[Gap]) -> Iterator[Held]:
    """What a topic that sets nothing itself gets on each node that holds it."""
    by_id = {broker.id: broker for broker in brokers}
    for node in sorted(ids):
        broker = by_id.get(node)
        if broker is None:
            gaps.append(Gap(Reason.BROKER_UNREACHABLE, f"node {node} is not among the brokers; check that it runs"))
        elif isinstance(broker.defaults, Unknown):
            gaps.append(gap_of(broker.defaults))
        elif setting not in broker.defaults:
            gaps.append(Gap(Reason.UNSUPPORTED, f"broker {node} does not tell what topics get for {setting}"))
        else:
            value = broker.defaults[setting]
            yield Held(node, value.key or setting, value)


def told(setting: str, held: Sequence[Held]) -> tuple[str, str]:
    """Some values in words, and where they come from: the topic, or which nodes and from which layer."""
    by_layer: dict[tuple[str, str], list[int]] = defaultdict(list)
    for one in held:
        if one.node is None:
            return worded(setting, text_of(one.value)), "topic"
        by_layer[text_of(one.value), f"{one.key}, {one.value.source}"].append(one.node)
    texts = list(dict.fromkeys(text for text, _ in by_layer))
    return ", ".join(worded(setting, text) for text in texts), "; ".join(
        f"{named_brokers(ids)} ({layer})" for (_, layer), ids in by_layer.items()
    )


def gap_of(unknown: Unknown) -> Gap:
    """What is not known, as a gap."""
    return Gap(Reason(unknown.reason.value), unknown.detail)
