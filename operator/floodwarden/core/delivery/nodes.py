"""What broker nodes should do by themselves for a policy: their own settings, and Kafka's own topics. ``audit`` asks.

None of this is ever written: it holds for everybody's topics, so it is for people to change.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from floodwarden.core.assess import Gap
from floodwarden.core.delivery.effective import effective, gap_of, told
from floodwarden.core.delivery.survey import BrokerFound, Survey, TopicFound, Value, Values
from floodwarden.core.delivery.violations import (
    FACTOR,
    MIN_IN_SYNC,
    UNCLEAN,
    Action,
    Violation,
    name_of,
    named_brokers,
    text_of,
)
from floodwarden.core.delivery.wishes import Relation, Requirement, Wishes, worded
from floodwarden.core.observation import Unknown
from floodwarden.core.reasons import Reason

ELIGIBLE: Final = "eligible.leader.replicas.version"  # KIP-966; on in clusters that are made with Kafka 4.1 or newer
BY_CLUSTER: Final = (
    "with eligible leader replicas it is set for the whole cluster only (kafka-configs --entity-type brokers --entity-default), "
    "which makes it forget them: do it while all brokers run"
)
STATE: Final = "__transaction_state"
USUAL_COPIES: Final = 3  # of the state of transactions: what Kafka asks for by itself, with one less in sync
_INHERITED: Final = "it holds for topics that do not set it themselves"
# A topic's key → the broker's. Where log.flush.interval.ms is unset that of the scheduler counts: told of topics that inherit it.
_FLUSHES: Final[Mapping[str, str]] = {"flush.messages": "log.flush.interval.messages", "flush.ms": "log.flush.interval.ms"}


@dataclass(frozen=True, slots=True)
class _OfBroker:
    """What a node's own setting should be for a policy, and why it matters. ``optional``: it may be unset, which is well."""

    need: Requirement
    why: str
    optional: bool = False


def _for_brokers(wishes: Wishes) -> Iterator[_OfBroker]:
    if wishes.factor is not None:
        for setting in (
            "default.replication.factor",
            "offsets.topic.replication.factor",
            "transaction.state.log.replication.factor",
        ):
            need = Requirement(setting, Relation.AT_LEAST, str(wishes.factor))
            yield _OfBroker(need, "it is used for topics that are created from now on")
    if wishes.min_in_sync is not None:
        for setting, why in (
            (MIN_IN_SYNC, _INHERITED),
            ("transaction.state.log.min.isr", "it is used when the topic of transactions is created"),
        ):
            yield _OfBroker(Requirement(setting, Relation.AT_LEAST, str(wishes.min_in_sync)), why)
    for need in wishes.requirements:
        if need.setting == UNCLEAN:
            yield _OfBroker(need, _INHERITED)
        elif need.writable and need.setting in _FLUSHES:
            yield _OfBroker(replace(need, setting=_FLUSHES[need.setting]), _INHERITED, optional=need.setting == "flush.ms")


def of_brokers(
    wishes: Wishes, brokers: Sequence[BrokerFound], gaps: list[Gap], features: Collection[str] = ()
) -> Iterator[Violation]:
    """What nodes should set themselves. ``features`` are what the cluster has switched on."""
    known: list[tuple[int, Values]] = []
    for broker in brokers:
        if isinstance(broker.values, Unknown):
            gaps.append(gap_of(broker.values))
        else:
            known.append((broker.id, broker.values))
    poor: set[int] = set()
    for asked in _for_brokers(wishes):
        judged = [one for one in known if not (asked.optional and _unset(one[1], asked.need.setting))]
        for value, ids in differing(asked.need, judged, gaps).items():
            poor.update(ids)
            by_cluster = asked.need.setting == MIN_IN_SYNC and ELIGIBLE in features
            yield broker_violation(asked.need, value, ids, asked.why, BY_CLUSTER if by_cluster else None)
    need = Requirement("auto.create.topics.enable", Relation.EXACTLY, "false")
    for value, ids in differing(need, [(node, values) for node, values in known if node in poor], gaps).items():
        yield broker_violation(need, value, ids, "a topic that is created by its first message gets the defaults above")


def _unset(values: Values, setting: str) -> bool:
    return setting in values and values[setting].text is None


def differing(need: Requirement, known: Sequence[tuple[int, Values]], gaps: list[Gap]) -> dict[Value, list[int]]:
    """The values that are not as they should be, each with its nodes."""
    alike: dict[Value, list[int]] = defaultdict(list)
    for node, values in known:
        value = values.get(need.setting)
        met = None if value is None else need.met_by(value.text)
        if value is None:
            gaps.append(Gap(Reason.UNSUPPORTED, f"broker {node} does not tell {need.setting}"))
        elif met is None:
            gaps.append(Gap(Reason.BROKER_ERROR, f"{need.setting} of broker {node} cannot be understood"))
        elif not met:
            alike[value].append(node)
    return alike


def broker_violation(need: Requirement, value: Value, ids: Sequence[int], why: str, otherwise: str | None = None) -> Violation:
    """One value that some nodes have, with how it is changed; ``otherwise`` than usual."""
    action = Action.REPORT if value.live else Action.RESTART
    how = "it can change while they run" if value.live else "set it in their files and restart them one by one"
    how = otherwise or how
    return Violation(
        named_brokers(ids),
        need.setting,
        str(need),
        worded(need.setting, text_of(value)),
        str(value.source),
        action,
        f"{why}; {how}",
    )


def of_internal(wishes: Wishes, survey: Survey, gaps: list[Gap]) -> Iterator[Violation]:
    """Kafka's own topics, on which commits and transactions depend whatever is done for the others."""
    for topic in survey.topics.values():
        if topic.internal:
            factor, in_sync = _of_own(wishes, topic, survey)
            if factor is not None:
                yield from _few_copies(factor, topic, gaps)
            if in_sync is not None:
                yield from _few_in_sync(in_sync, topic, survey.brokers, gaps)


def _of_own(wishes: Wishes, topic: TopicFound, survey: Survey) -> tuple[int | None, int | None]:
    """How many copies, and how many in sync: for transactions as many as Kafka itself gives their state, unless more is asked."""
    if wishes.transactions is None or topic.name != STATE:
        return wishes.factor, wishes.min_in_sync
    usual = min(USUAL_COPIES, len(survey.brokers))
    return wishes.factor or usual, wishes.min_in_sync or max(1, usual - 1)


def _few_copies(wanted: int, topic: TopicFound, gaps: list[Gap]) -> Iterator[Violation]:
    if isinstance(topic.placements, Unknown):
        gaps.append(gap_of(topic.placements))
        return
    factor = min((len(placement.replicas) for placement in topic.placements), default=wanted)
    if factor < wanted:
        reason = "commits and transactions are lost with it; raise it with kafka-reassign-partitions"
        yield Violation(name_of(topic), FACTOR, f"≥ {wanted}", str(factor), "topic", Action.REPORT, reason)


def _few_in_sync(wanted: int, topic: TopicFound, brokers: Sequence[BrokerFound], gaps: list[Gap]) -> Iterator[Violation]:
    need = Requirement(MIN_IN_SYNC, Relation.AT_LEAST, str(wanted))
    found = effective(topic, need, brokers, gaps)
    unmet = found.unmet(need) if found is not None else ()
    if unmet:
        text, where = told(MIN_IN_SYNC, unmet)
        reason = "commits and transactions are acknowledged by fewer; set it with kafka-configs"
        yield Violation(name_of(topic), MIN_IN_SYNC, str(need), text, where, Action.REPORT, reason)
