"""From a table to what it means for one subscription: positions by partition, or why they are not known. Pure.

What is not told is unknown, never nothing: a partition without a sample, a group without series, numbers that are old. No text
has a number that changes by itself: they would be news at every sweep.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from floodwarden.brokers.prometheus.answers import MOST_PARTITIONS, Table, Value
from floodwarden.core.observation import Offsets, Partition, Reading, Subscription, Unknown, UnknownReason

AHEAD: Final = 5.0  # seconds by which the clock of who took a sample may be ahead of that of Prometheus
SAME_MOMENT: Final = 0.0015  # samples of one scrape have the same time, in milliseconds


def reading(subscription: Subscription, found: Table, max_age: float, *, lag: bool, starts: bool) -> Reading | Unknown:
    """What is known of one subscription. ``lag``: positions are told as lag; ``starts``: logs' starts are told.

    ``max_age``: seconds after which a sample tells nothing any more.
    """
    positions = found.positions.get(subscription.group)
    if not positions:
        return _silent(
            f"no series tells of group {subscription.group}: check its name, that it has committed, that exporter and labels "
            "fit, that the exporter looks at it, and that Prometheus scrapes the exporter"
        )
    topics = subscription.topics or tuple(sorted({partition.topic for partition in positions}))
    times = {_taken(found, topic): None for topic in topics if topic in found.ends} | {_group_taken(found, subscription): None}
    for taken in times:
        wrong = _doubt(taken, found.at, max_age)
        if wrong is not None:
            return wrong
    partitions: dict[Partition, Offsets | Unknown] = {}
    for topic in topics:
        of_topic = [partition for partition in positions if partition.topic == topic]
        if topic not in found.ends or not of_topic:
            partitions[Partition(topic, 0)] = _silent(
                f"no series tells of topic {topic} and this group: check the topic's name, that the group has committed there, "
                "and that the exporter looks at it"
            )
            continue
        names = _names(topic, found, of_topic)
        if isinstance(names, Unknown):
            return names
        apart = lag and abs(_taken(found, topic) - _group_taken(found, subscription)) > SAME_MOMENT
        for partition in names:
            end, position = found.ends[topic].get(partition), positions.get(partition)
            start = found.starts.get(partition) if starts else 0
            partitions[partition] = _apart() if apart else _offsets(end, position, start, lag=lag)
    return Reading(partitions=partitions, taken=min(times))


def _taken(found: Table, topic: str) -> float:
    return found.all_taken if found.all_taken is not None else found.topic_taken.get(topic, math.nan)


def _group_taken(found: Table, subscription: Subscription) -> float:
    return found.all_taken if found.all_taken is not None else found.group_taken.get(subscription.group, math.nan)


def _doubt(taken: float, at: float, max_age: float) -> Unknown | None:
    if not math.isfinite(taken):
        return _silent("nothing tells when the exporter was read; correct queries.taken")
    if taken == at:
        # Only what is computed is as young as the question itself; then nothing would tell an old number from a new one.
        return _silent("the queries do not tell when the exporter was read: write selectors alone, or add queries.taken")
    if taken < at - max_age:
        return _silent(
            f"what Prometheus has is older than {max_age:g} s: check that it scrapes the exporter, and how often, or raise maxAge"
        )
    if taken > at + AHEAD:
        return _silent("samples are of a time to come: set the clocks of Prometheus and of who sends them right")
    return None


def _names(topic: str, found: Table, committed: list[Partition]) -> list[Partition] | Unknown:
    """Every partition that there is, also those that nothing tells of."""
    told = found.counts.get(topic, 0)
    if isinstance(told, Unknown):
        return Unknown(told.reason, f"the number of partitions of {topic}: {told.detail}")
    seen = max(partition.number for partition in (*found.ends[topic], *committed))
    count = max(told, seen + 1)
    if count > MOST_PARTITIONS:
        return _silent(f"topic {topic} would have more than {MOST_PARTITIONS} partitions; correct queries")
    return [Partition(topic, number) for number in range(count)]


def _offsets(end: Value | None, position: Value | None, start: Value | None, *, lag: bool) -> Offsets | Unknown:
    for value in _first_unknown(end, position, start):
        return value
    if not isinstance(end, int) or not isinstance(start, int) or end < 0 or start < 0:
        return _silent("no series tells its positions: it may have no leader; see the log of the exporter")
    if not isinstance(position, int):
        if end != start:
            return _silent("no series tells what the group has done here: it never committed, or the exporter could not read it")
        return Offsets(start, end, None)  # nothing was ever to be read
    if position < 0:  # as kafka_exporter has it, never committed
        return Offsets(min(start, end), end, None)
    committed = end - position if lag else position
    if committed < 0:
        return _silent("its lag is more than was ever written; check the queries end and lag")
    # Exporters ask for ends first: what was written and done meanwhile is at least there.
    end = max(end, committed)
    return Offsets(min(start, end), end, committed)


def _first_unknown(*values: Value | None) -> Iterator[Unknown]:
    return (value for value in values if isinstance(value, Unknown))


def _apart() -> Unknown:
    return _silent("end and lag were not read at the same time, and do not go together: write the query committed instead of lag")


def _silent(why: str) -> Unknown:
    return Unknown(UnknownReason.BROKER_ERROR, why)
