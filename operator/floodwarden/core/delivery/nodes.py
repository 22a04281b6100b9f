"""What broker nodes should do by themselves for a policy: their own settings, and Kafka's own topics. ``audit`` asks.

None of this is ever written: it holds for everybody's topics, so it is for people to change.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from floodwarden.core.assess import Gap
from floodwarden.core.delivery.survey import BrokerFound, Survey, Value
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
from floodwarden.core.delivery.wishes import Relation, Requirement, Wishes
from floodwarden.core.observation import Unknown
from floodwarden.core.reasons import Reason


@dataclass(frozen=True, slots=True)
class _OfBroker:
    """What a node's own setting should be for a policy, and why it matters."""

    need: Requirement
    why: str


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
        for setting in (MIN_IN_SYNC, "transaction.state.log.min.isr"):
            need = Requirement(setting, Relation.AT_LEAST, str(wishes.min_in_sync))
            yield _OfBroker(need, "it holds for topics that do not set it themselves")
    for need in wishes.requirements:
        if need.setting == UNCLEAN:
            yield _OfBroker(need, "it holds for topics that do not set it themselves")


def of_brokers(wishes: Wishes, brokers: Sequence[BrokerFound], gaps: list[Gap]) -> Iterator[Violation]:
    known = []
    for broker in brokers:
        if isinstance(broker.values, Unknown):
            gaps.append(Gap(Reason(broker.values.reason.value), broker.values.detail))
        else:
            known.append((broker, broker.values))
    poor: set[int] = set()
    for asked in _for_brokers(wishes):
        alike: dict[Value, list[int]] = defaultdict(list)
        for broker, values in known:
            value = values.get(asked.need.setting)
            if value is not None and asked.need.met_by(value.text) is False:
                alike[value].append(broker.id)
                poor.add(broker.id)
        for value, ids in alike.items():
            yield _broker_violation(asked.need, value, ids, asked.why)
    need = Requirement("auto.create.topics.enable", Relation.EXACTLY, "false")
    created: dict[Value, list[int]] = defaultdict(list)
    for broker, values in known:
        value = values.get(need.setting)
        if broker.id in poor and value is not None and need.met_by(value.text) is False:
            created[value].append(broker.id)
    for value, ids in created.items():
        yield _broker_violation(need, value, ids, "a topic that is created by its first message gets the defaults above")


def _broker_violation(need: Requirement, value: Value, ids: Sequence[int], why: str) -> Violation:
    action = Action.REPORT if value.live else Action.RESTART
    how = "it can change while they run" if value.live else "set it in their files and restart them one by one"
    return Violation(named_brokers(ids), need.setting, str(need), text_of(value), str(value.source), action, f"{why}; {how}")


def of_internal(wishes: Wishes, survey: Survey) -> Iterator[Violation]:
    """Kafka's own topics, on which commits and transactions depend whatever is done for the others."""
    for topic in survey.topics.values():
        if not topic.internal or isinstance(topic.placements, Unknown):
            continue
        factor = min((len(placement.replicas) for placement in topic.placements), default=None)
        if wishes.factor is not None and factor is not None and factor < wishes.factor:
            reason = "commits and transactions are lost with it; raise it with kafka-reassign-partitions"
            yield Violation(name_of(topic), FACTOR, f"≥ {wishes.factor}", str(factor), "topic", Action.REPORT, reason)
        values = {} if isinstance(topic.values, Unknown) else topic.values
        value = values.get(MIN_IN_SYNC)
        need = Requirement(MIN_IN_SYNC, Relation.AT_LEAST, str(wishes.min_in_sync or 0))
        if value is not None and need.met_by(value.text) is False:
            reason = "commits and transactions are acknowledged by fewer; set it with kafka-configs"
            yield Violation(name_of(topic), MIN_IN_SYNC, str(need), text_of(value), str(value.source), Action.REPORT, reason)
