"""Compares what policies ask for with what a survey found: every difference once, with where it is and what becomes of it.

Pure. ``audit`` judges all policies of a broker together, because two of them may disagree on a topic. Names of settings are
Kafka's; another system's adapter brings its own requirements in ``wishes``.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from floodwarden.core.assess import Gap
from floodwarden.core.delivery.effective import Effective, effective, gap_of, held_at_least, told
from floodwarden.core.delivery.lint import lint, unproven
from floodwarden.core.delivery.nodes import of_brokers, of_internal
from floodwarden.core.delivery.producers import Writers
from floodwarden.core.delivery.survey import BrokerFound, Change, Placement, Survey, TopicFound
from floodwarden.core.delivery.violations import (
    FACTOR,
    IN_SYNC,
    MIN_IN_SYNC,
    NODES,
    Action,
    Violation,
    listed,
    name_of,
    numbers,
)
from floodwarden.core.delivery.wishes import Relation, Requirement, Wishes
from floodwarden.core.observation import Unknown

PLACEMENT: Final = "replica placement"
# Newer ones take min.insync.replicas for no more than a partition has replicas.
_NOT_HELD: Final = "older brokers refuse every write with acks=all, newer ones quietly lower it"


@dataclass(frozen=True, slots=True)
class Findings:
    """What an audit says of one policy. ``changes`` are what may be written now: none unless the policy acts. ``owned`` are the
    same for topics that another controller has, to be changed there.

    ``unread`` are resources of which some is not known, NODES for any of the nodes: what is not found there may be there still.
    ``kind`` is what the topics are called.
    """

    topics: int
    brokers: int
    violations: tuple[Violation, ...] = ()
    changes: tuple[Change, ...] = ()
    gaps: tuple[Gap, ...] = ()
    warnings: tuple[str, ...] = ()
    unread: frozenset[str] = frozenset()
    unproven: tuple[str, ...] = ()  # what is asked for and brokers do not keep, in sentences
    owned: tuple[Change, ...] = ()
    writers: tuple[Writers, ...] = ()  # who writes: other ids with every audit, so that no status has them
    kind: str = "topic"


def audit(
    survey: Survey, policies: Collection[Wishes], owners: Mapping[str, str], beside: Collection[Wishes] = ()
) -> dict[str, Findings]:
    """The findings of each policy, by its name.

    ``owners`` names who else has a topic, such as a KafkaTopic of Strimzi; ``beside`` are policies that are audited elsewhere, on
    the same brokers: of these it matters only where they disagree.
    """
    every = [*policies, *beside]
    matched = {wishes.name: [topic for topic in survey.topics.values() if _speaks_of(wishes, topic)] for wishes in every}
    # Who only looks disarms nobody: those that write are held against each other, and those that look.
    rivals = {enforces: _rivals([one for one in every if one.enforces is enforces], matched) for enforces in (True, False)}
    return {wishes.name: _findings(wishes, survey, matched[wishes.name], owners, rivals[wishes.enforces]) for wishes in policies}


def _speaks_of(wishes: Wishes, topic: TopicFound) -> bool:
    return not topic.internal and wishes.matches(topic.name)


Rivals = Mapping[tuple[str, str], Mapping[str, str]]
"""What each policy wants of one setting of one topic, where they do not agree."""


def _rivals(policies: Collection[Wishes], matched: Mapping[str, Sequence[TopicFound]]) -> Rivals:
    wanted: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for wishes in policies:
        asked = _asked(wishes)
        for topic in matched[wishes.name]:
            for setting, value in asked:
                wanted[topic.name, setting][wishes.name] = value
    return {about: by for about, by in wanted.items() if len(set(by.values())) > 1}


def _asked(wishes: Wishes) -> list[tuple[str, str]]:
    asked = [(need.setting, str(need)) for need in wishes.requirements if need.writable]
    return [*asked, (FACTOR, f"≥ {wishes.factor}")] if wishes.factor is not None else asked


def _findings(
    wishes: Wishes, survey: Survey, topics: Sequence[TopicFound], owners: Mapping[str, str], rivals: Rivals
) -> Findings:
    violations: list[Violation] = []
    gaps: list[Gap] = []
    changes: list[Change] = []
    owned: list[Change] = []
    unread: set[str] = set()
    if wishes.factor is not None or wishes.requirements:
        violations += of_brokers(wishes, survey.brokers, gaps, survey.features)
    if wishes.factor is not None or wishes.requirements or wishes.transactions is not None:
        violations += of_internal(wishes, survey, gaps)
    if gaps:
        unread |= {NODES, *(name_of(topic) for topic in survey.topics.values() if topic.internal)}
    for topic in topics:
        known = len(gaps)
        for violation, change in _of_topic(wishes, topic, survey, owners.get(topic.name), rivals, gaps):
            violations.append(violation)
            if change is not None and wishes.acts:
                (owned if violation.action is Action.OWNER else changes).append(change)
        if len(gaps) > known:
            unread.add(name_of(topic))
    return Findings(
        topics=len(topics),
        brokers=len(survey.brokers),
        violations=tuple(violations),
        changes=tuple(changes),
        gaps=tuple(_distinct(gaps)),
        warnings=tuple(lint(wishes, topics, survey.brokers)),
        unread=frozenset(unread),
        unproven=tuple(unproven(wishes, topics, survey.brokers)),
        owned=tuple(owned),
    )


def _distinct(gaps: Iterable[Gap]) -> list[Gap]:
    return list({(gap.reason, gap.message): gap for gap in gaps}.values())


def _of_topic(
    wishes: Wishes, topic: TopicFound, survey: Survey, owner: str | None, rivals: Rivals, gaps: list[Gap]
) -> Iterator[tuple[Violation, Change | None]]:
    if isinstance(topic.placements, Unknown):
        gaps.append(gap_of(topic.placements))
        factor = in_sync = None
    else:
        factor = min((len(placement.replicas) for placement in topic.placements), default=None)
        in_sync = min((len(placement.in_sync) for placement in topic.placements), default=None)
        yield from ((violation, None) for violation in _of_placement(wishes, topic, factor, survey.brokers, owner, rivals))
    if isinstance(topic.values, Unknown):
        gaps.append(gap_of(topic.values))
        return
    for need in wishes.requirements:
        found = effective(topic, need, survey.brokers, gaps)
        if found is None or not found.held:
            continue
        rival = _rival(rivals, topic.name, need.setting, wishes.name)
        if rival is not None:
            text, where = told(need.setting, found.unmet(need) or found.held)
            yield Violation(name_of(topic), need.setting, str(need), text, where, Action.CONFLICT, rival), None
        elif found.unmet(need):
            yield _judged(wishes, topic, need, found, (factor, in_sync), owner)
        elif need.setting == MIN_IN_SYNC and factor is not None:
            yield from ((violation, None) for violation in _refusing(topic, found, factor))


def _refusing(topic: TopicFound, found: Effective, factor: int) -> Iterator[Violation]:
    """A topic that asks for more copies in sync than it has: it is as the policy asks, and does not hold."""
    bound = Requirement(MIN_IN_SYNC, Relation.AT_MOST, str(factor))
    above = found.unmet(bound)
    if above:
        text, where = told(MIN_IN_SYNC, above)
        reason = f"above its replicas it cannot hold: {_NOT_HELD}; raise the replication"
        yield Violation(name_of(topic), MIN_IN_SYNC, f"≤ its replicas ({factor})", text, where, Action.REPORT, reason)


Copies = tuple[int | None, int | None]
"""How many replicas the partition has that has the fewest, and how many are in sync where fewest are; None: not known."""


def _judged(
    wishes: Wishes, topic: TopicFound, need: Requirement, found: Effective, copies: Copies, owner: str | None
) -> tuple[Violation, Change | None]:
    """A difference, and how it is written if it may be."""
    text, where = told(need.setting, found.unmet(need))
    value = found.strictest(need)
    against = _against(wishes, need, value, copies)
    if owner is not None:
        action, reason = Action.OWNER, f"{owner} has this topic: change it there"
    elif against is not None:
        action, reason = Action.REPORT, against
    elif wishes.acts:
        action, reason = Action.REPAIR, "it is written with this audit"
    else:
        action, reason = Action.REPAIR, "mode Enforce would write it"
    change = Change(topic.name, need.setting, value, text) if against is None and value is not None else None
    return Violation(name_of(topic), need.setting, str(need), text, where, action, reason), change


def _against(wishes: Wishes, need: Requirement, value: str | None, copies: Copies) -> str | None:
    """Why a setting must not be written, although it differs. ``value`` is what would be written."""
    if not need.writable:
        return "it follows from what the policy asks for but is not named there: change it by hand if it is not meant"
    if value is None:
        return "brokers that hold it are not known, and may keep more than is asked for: it is written once all of them answer"
    if need.setting != MIN_IN_SYNC:
        return None
    wanted = int(value)
    factor, in_sync = copies
    if factor is None or in_sync is None:
        return "how many replicas the topic has is not known"
    if wanted > factor:
        return f"its replication factor is {factor}, above which it cannot hold: {_NOT_HELD}; raise the replication first"
    if wanted == factor and wishes.factor != wanted:
        return f"its replication factor is just {factor}: writes would stop with the first broker that restarts; raise it first"
    if wanted > in_sync:  # replicas that are still being made count as replicas
        return f"only {in_sync} of its replicas are in sync: writes with acks=all would stop; it is written once {wanted} are"
    return None


def _rival(rivals: Rivals, topic: str, setting: str, name: str) -> str | None:
    """Which other policies want something else of it, in a sentence."""
    by = rivals.get((topic, setting))
    if by is None or name not in by:
        return None
    others = [f"{other} wants {value}" for other, value in sorted(by.items()) if other != name and value != by[name]]
    return f"{listed(others)}: neither is acted on until they agree" if others else None


def _of_placement(
    wishes: Wishes,
    topic: TopicFound,
    factor: int | None,
    brokers: Sequence[BrokerFound],
    owner: str | None,
    rivals: Rivals,
) -> Iterator[Violation]:
    assert not isinstance(topic.placements, Unknown)
    rival = _rival(rivals, topic.name, FACTOR, wishes.name)
    if wishes.factor is not None and factor is not None:
        few = [placement for placement in topic.placements if len(placement.replicas) < wishes.factor]
        if few or rival is not None:
            action, reason = _raising(wishes, brokers, owner) if rival is None else (Action.CONFLICT, rival)
            found = f"{factor}" + (f" in partitions {numbers(few)}" if few and len(few) < len(topic.placements) else "")
            yield Violation(name_of(topic), FACTOR, f"≥ {wishes.factor}", found, "topic", action, reason)
        yield from _spread(topic, brokers)
    behind = [placement for placement in topic.placements if not placement.whole]
    if behind:
        by_state: dict[str, list[Placement]] = defaultdict(list)
        for placement in sorted(behind, key=_fewest_first):
            here, all_ = len(placement.in_sync), len(placement.replicas)
            by_state[f"{here} of {all_}" if placement.led else "no leader"].append(placement)
        found = "; ".join(f"{state} in partitions {numbers(some)}" for state, some in by_state.items())
        reason = _why_behind(wishes, topic, min(behind, key=_fewest_first), brokers)
        yield Violation(name_of(topic), IN_SYNC, "all", found, "topic", Action.REPORT, reason)


def _fewest_first(placement: Placement) -> tuple[bool, int, int]:
    return placement.led, len(placement.in_sync), placement.number


def _why_behind(wishes: Wishes, topic: TopicFound, worst: Placement, brokers: Sequence[BrokerFound]) -> str:
    """What the partition that is worst off means for those who write, and what to do."""
    here, needed = len(worst.in_sync), held_at_least(topic, brokers)
    reason = "a broker is down, or does not keep up: bring it back"
    if not worst.led:
        return f"what has no leader can be neither written nor read: {reason}"
    if needed is not None and here < needed:
        return f"below its {MIN_IN_SYNC} {needed}, so writes with acks=all are refused: {reason}"
    if wishes.min_in_sync is not None and here < wishes.min_in_sync:
        return f"below the {wishes.min_in_sync} that are wanted in sync: {reason}"
    return reason


def _spread(topic: TopicFound, brokers: Sequence[BrokerFound]) -> Iterator[Violation]:
    """Partitions whose copies are in fewer racks than they could be; those of which a broker's rack is not known do not count."""
    assert not isinstance(topic.placements, Unknown)
    rack_of = {broker.id: broker.rack for broker in brokers if broker.rack is not None}
    racks = len(set(rack_of.values()))
    narrow = [
        placement
        for placement in topic.placements
        if rack_of.keys() >= set(placement.replicas)
        and len({rack_of[node] for node in placement.replicas}) < min(len(placement.replicas), racks)
    ]
    if narrow:
        shared = sorted({rack for placement in narrow for rack in _shared([rack_of[node] for node in placement.replicas])})
        found = f"copies of partitions {numbers(narrow)} share rack{'s' if len(shared) > 1 else ''} {listed(shared)}"
        wanted = f"spread over {max(min(len(placement.replicas), racks) for placement in narrow)} racks"
        reason = "a rack that is lost takes more copies than it must: move some with kafka-reassign-partitions"
        yield Violation(name_of(topic), PLACEMENT, wanted, found, "topic", Action.REPORT, reason)


def _shared(racks: Sequence[str]) -> set[str]:
    return {rack for rack, copies in Counter(racks).items() if copies > 1}


def _raising(wishes: Wishes, brokers: Sequence[BrokerFound], owner: str | None) -> tuple[Action, str]:
    """What becomes of a topic that lacks copies; ``moves`` says how far it has come."""
    assert wishes.factor is not None, "it was compared with"
    if owner is not None:
        return Action.OWNER, f"{owner} has this topic: change it there"
    if wishes.factor > len(brokers):
        return Action.REPORT, f"{wishes.factor} replicas need as many brokers, and there are {len(brokers)}"
    if wishes.acts:
        return Action.REPAIR, "copies are made by reassignment"
    return Action.REPAIR, "mode Enforce would raise it by reassignment; it is never lowered"
