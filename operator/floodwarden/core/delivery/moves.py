"""Which copies are made now, what waits for what, and what people are told of it. Pure; ``sweep.looks.moving`` acts.

One batch at a time. Whose a reassignment is, the ledger tells (``throttle``); somebody else's is left to them, and nothing new
is begun beside it: two throttles on one network would undo each other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from floodwarden.core.assess import Gap
from floodwarden.core.conditions import Notice
from floodwarden.core.delivery.audit import Findings
from floodwarden.core.delivery.placement import Load, Moving, Raise, UnderWay, raised, room_for, running
from floodwarden.core.delivery.seen import Seen
from floodwarden.core.delivery.survey import BrokerFound, Placement, Survey, TopicFound
from floodwarden.core.delivery.violations import (
    FACTOR,
    IN_SYNC,
    Action,
    Violation,
    listed,
    name_of,
    named_brokers,
    numbers,
)
from floodwarden.core.delivery.wishes import Wishes
from floodwarden.core.observation import Partition, Unknown
from floodwarden.core.reasons import Reason

BATCH: Final = 100  # partitions that are copied at a time
EVENTS_AT_MOST: Final = 5  # of one sort and one audit
STALLED: Final = 1800.0  # seconds in which no partition has ended, after which that is told
COMPARE: Final = "see kafka-reassign-partitions --list"
_STALLED: Final = (
    f"none of this batch has ended for {STALLED / 60:.0f} minutes, for more may be written than moveRate allows: raise it, and "
    "call these copies off (kafka-reassign-partitions --cancel) to have them made at the new rate"
)


@dataclass(frozen=True, slots=True)
class Batch:
    """Copies that are made together, for one policy."""

    policy: str
    rate: int  # bytes per second of each broker
    raises: tuple[Raise, ...]

    @property
    def nodes(self) -> list[int]:
        """The brokers that take part."""
        return sorted({node for one in self.raises for node in one.target})

    @property
    def topics(self) -> list[str]:
        """The topics it is about."""
        return sorted({one.partition.topic for one in self.raises})


@dataclass(frozen=True, slots=True)
class State:
    """Where things stand: what is under way, what of it Floodwarden asked for, and why no more is begun.

    ``waits`` and ``refused`` (people must do something) hold for all topics, ``left_alone`` for some, each a sentence. ``fresh``
    is what is newer than the survey. ``stalled`` is whether what Floodwarden asked for gets no further.
    """

    under_way: Moving
    asked: Mapping[Partition, Raise]
    waits: str | None = None
    refused: str | None = None
    left_alone: Mapping[str, str] = field(default_factory=dict)
    fresh: Mapping[str, tuple[Placement, ...]] = field(default_factory=dict)
    stalled: bool = False

    @property
    def own(self) -> frozenset[Partition]:
        """The partitions whose copies Floodwarden asked for and which are being made."""
        return frozenset(
            partition
            for partition, one in self.under_way.items()
            if partition in self.asked and not one.removing and set(one.replicas) == set(self.asked[partition].target)
        )

    @property
    def others(self) -> list[Partition]:
        """The partitions that somebody else reassigns."""
        return sorted(self.under_way.keys() - self.own)


def worth_a_look(policies: Iterable[Wishes], survey: Survey) -> bool:
    """Whether a topic that some policy speaks of lacks copies, or has some that are not in sync and may be being made."""
    asking = [wishes for wishes in policies if wishes.factor is not None]
    most = max((wishes.factor or 0 for wishes in asking), default=0)
    return any(
        _incomplete(topic, most) and any(wishes.matches(topic.name) for wishes in asking)
        for topic in survey.topics.values()
        if asking and not topic.internal
    )


def _incomplete(topic: TopicFound, factor: int) -> bool:
    return not isinstance(topic.placements, Unknown) and any(
        len(one.replicas) < factor or len(one.in_sync) < len(one.replicas) for one in topic.placements
    )


def next_batch(
    policies: Iterable[Wishes],
    survey: Survey,
    findings: Mapping[str, Findings],
    owners: Collection[str],
    skipped: Collection[str] = (),
) -> Batch | None:
    """The next copies to be made: of one policy that acts, of whole topics as far as BATCH partitions go.

    A topic that somebody else owns, on which policies disagree, or that is ``skipped``, is left as it is.
    """
    alive = running(survey.brokers)
    for wishes in sorted(policies, key=lambda one: one.name):
        if not wishes.acts or wishes.factor is None or wishes.move_rate is None:
            continue
        disputed = _disputed(findings.get(wishes.name))
        load = Load.of(survey.topics.values())
        chosen: list[Raise] = []
        for name in sorted(survey.topics):
            topic = survey.topics[name]
            if topic.internal or not wishes.matches(name) or name in owners or name in skipped or name_of(topic) in disputed:
                continue
            plan = raised(topic, wishes.factor, alive, load)
            if chosen and len(chosen) + len(plan) > BATCH:
                break
            chosen += plan[:BATCH]
        if chosen:
            return Batch(wishes.name, wishes.move_rate, tuple(chosen))
    return None


def _disputed(findings: Findings | None) -> set[str]:
    found = findings.violations if findings is not None else ()
    return {one.resource for one in found if one.setting == FACTOR and one.action is Action.CONFLICT}


def still_as_planned(batch: Batch, under_way: Moving, now: Mapping[str, tuple[Placement, ...] | Unknown]) -> list[Raise]:
    """What of a batch may still be asked for: nothing where it changed meanwhile, for what is asked for takes the rest away."""
    as_found = {
        Partition(topic, one.number): one.replicas
        for topic, placements in now.items()
        if not isinstance(placements, Unknown)
        for one in placements
    }
    return [one for one in batch.raises if one.partition not in under_way and as_found.get(one.partition) == one.replicas]


def ended(asked: Collection[Raise], placements: Sequence[Placement]) -> bool | None:
    """How the copies of a topic ended that are no longer under way: made and in sync, not made, or None: not in sync yet."""
    found = {one.number: one for one in placements}
    for one in asked:
        now = found.get(one.partition.number)
        if now is None or not set(one.target) <= set(now.replicas):
            return False
    return all(set(one.target) <= set(found[one.partition.number].in_sync) for one in asked) or None


def unlisted(asked: Mapping[Partition, Raise], now: Mapping[str, tuple[Placement, ...] | Unknown]) -> Moving:
    """Copies that were asked for and are not there and in sync: the brokers may make them, although they list nothing."""
    found = {}
    for topic, placements in now.items():
        for one in placements if not isinstance(placements, Unknown) else ():
            about = asked.get(Partition(topic, one.number))
            if about is not None and not set(about.target) <= set(one.in_sync):
                missing = tuple(node for node in about.target if node not in one.in_sync)
                found[about.partition] = UnderWay(about.target, missing)
    return found


def seen(wishes: Wishes, survey: Survey, findings: Findings, state: State) -> Seen:
    """What one policy is told: each topic that lacks copies with what becomes of it."""
    if wishes.factor is None:
        return Seen()
    audited = {one.resource: one for one in findings.violations if one.setting == FACTOR}
    by_topic: dict[str, set[int]] = defaultdict(set)
    for partition in state.under_way:
        by_topic[partition.topic].add(partition.number)
    alive = running(survey.brokers)
    violations = []
    explained = set()
    for topic in survey.topics.values():
        if topic.internal or isinstance(topic.placements, Unknown) or not wishes.matches(topic.name):
            continue
        moved, about = by_topic.get(topic.name, set()), audited.get(name_of(topic))
        if about is None and not moved and topic.name not in state.fresh:
            continue
        placements = state.fresh.get(topic.name, topic.placements)
        if all(_complete(topic.name, one, state.under_way) for one in placements):
            explained.add((name_of(topic), IN_SYNC))
        few = [one for one in placements if _copies(topic.name, one, state.under_way) < wishes.factor]
        if few and (about is None or about.action is Action.REPAIR):
            told = _told(wishes, topic.name, few, moved, alive, state)
            if told is not None:
                violations.append(_violation(wishes.factor, topic.name, placements, few, state.under_way, *told))
    return Seen(violations=tuple(violations), explained=frozenset(explained))


def _complete(topic: str, placement: Placement, under_way: Moving) -> bool:
    """Whether all copies are in sync but those that are being made."""
    moving = under_way.get(Partition(topic, placement.number))
    return set(placement.replicas) <= {*placement.in_sync, *(moving.adding if moving is not None else ())}


def _copies(topic: str, placement: Placement, under_way: Moving) -> int:
    """How many copies a partition has, without those that are being made."""
    moving = under_way.get(Partition(topic, placement.number))
    return len(placement.replicas if moving is None else set(moving.replicas) - set(moving.adding))


def _violation(
    factor: int,
    topic: str,
    placements: Sequence[Placement],
    few: Sequence[Placement],
    under_way: Moving,
    action: Action,
    reason: str,
) -> Violation:
    least = min(_copies(topic, one, under_way) for one in few)
    found = f"{least}" + (f" in partitions {numbers(few)}" if len(few) < len(placements) else "")
    return Violation(f"topic {topic}", FACTOR, f"≥ {factor}", found, "topic", action, reason)


def _told(
    wishes: Wishes,
    topic: str,
    few: Sequence[Placement],
    moved: Collection[int],
    alive: Mapping[int, BrokerFound],
    state: State,
) -> tuple[Action, str] | None:
    """What becomes of a topic that lacks copies; None where the audit has said it."""
    own = sorted(partition for partition in state.own if partition.topic == topic)
    if own:
        return Action.REPORT if state.stalled else Action.REPAIR, _progress(own, alive, state)
    if moved:
        text = f"somebody else is moving partitions {listed([str(number) for number in sorted(moved)])}, which is left to them"
        return Action.REPORT, f"{text}: {COMPARE}"
    if not wishes.acts:
        return None
    if topic in state.left_alone:
        return Action.REPORT, state.left_alone[topic]
    if state.refused is not None:
        return Action.REPORT, f"copies cannot be made: {state.refused}"
    if state.waits is not None:
        return Action.REPAIR, state.waits
    if not any(room_for(one, wishes.factor or 0, alive) for one in few):
        return Action.REPORT, _no_room(wishes.factor or 0, few, alive)
    return Action.REPAIR, "copies are made once those before it are"


def _progress(own: Sequence[Partition], alive: Mapping[int, BrokerFound], state: State) -> str:
    total = sum(partition.topic == own[0].topic for partition in state.asked)
    awaited = {node for partition in own for node in state.under_way[partition].adding}
    text = f"copies are being made: {len(own)} of {total} partitions left"
    if awaited:
        text += f", not in sync yet on {named_brokers(sorted(awaited))}"
    away = sorted(awaited - alive.keys())
    if away:
        return f"{text}; {named_brokers(away)} cannot be reached: bring it back"
    return f"{text}; {_STALLED}" if state.stalled else text


def _no_room(factor: int, few: Sequence[Placement], alive: Mapping[int, BrokerFound]) -> str:
    if not any(node in alive for one in few for node in one.in_sync):
        return "no broker runs that has a copy in sync: bring it back"
    return f"{factor} copies need as many brokers that run, and {len(alive)} do: bring the others back"


def begun(batch: Batch, kept: Collection[int]) -> Iterator[Notice]:
    """The Events of a batch that was begun; ``kept`` are brokers whose rate is not ours."""
    rate = f"at most {batch.rate / 2**20:.3g} MiB/s and broker"
    if kept:
        rate += f", but what is set already on {named_brokers(sorted(kept))}"
    texts = []
    for topic in batch.topics:
        mine = [one for one in batch.raises if one.partition.topic == topic]
        most = max(len(one.target) for one in mine)
        texts.append(f"topic {topic} has {_counts(mine)}; copies up to {most} are being made, {rate}")
    return bounded(Reason.RAISING_REPLICATION, texts)


def made(asked: Collection[Raise]) -> str:
    """What was made of one topic, for its Event."""
    topic, most = next(iter(asked)).partition.topic, max(len(one.target) for one in asked)
    return f"topic {topic} had {_counts(asked)}, and has {most} now; all of them are in sync"


def _counts(raises: Collection[Raise]) -> str:
    """How many copies there are, and where: ``1 copy of partitions 0, 1``."""
    counts = sorted({len(one.replicas) for one in raises})
    found = " or ".join(map(str, counts)) + (" copy" if counts == [1] else " copies")
    return f"{found} of partitions {listed([str(one.partition.number) for one in sorted(raises)])}"


def bounded(reason: Reason, texts: Sequence[str]) -> Iterator[Notice]:
    """An Event for each of the first few, and one that says how many more there are."""
    yield from (Notice(False, reason, text) for text in texts[:EVENTS_AT_MOST])
    if len(texts) > EVENTS_AT_MOST:
        yield Notice(False, reason, f"and {len(texts) - EVENTS_AT_MOST} more like this")


def unknown_to(wishes: Wishes, survey: Survey, gap: Gap) -> Seen:
    """Nobody can tell what is under way: what a topic seems to have may still be being made."""
    names = {name_of(topic) for topic in survey.topics.values() if not topic.internal and wishes.matches(topic.name)}
    return Seen(gaps=(gap,), unread=frozenset(names)) if wishes.factor is not None else Seen()
