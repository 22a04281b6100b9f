"""What an answer of Prometheus says, as a table: pure, and safe with whatever is sent.

A sample that is no position is an Unknown in its place. ``Unreadable`` is raised where the answer as a whole is none.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from floodwarden.brokers.prometheus.questions import MARK, PARTITION_COUNT, Labels, Row
from floodwarden.core.observation import Partition, Unknown, UnknownReason

Value = int | Unknown
LARGEST_EXACT: Final = 2**53  # beyond it Prometheus, which counts in floating point, leaves messages out
MOST_PARTITIONS: Final = 200_000  # of a topic: as many as brokers of today have in all
_PARTITION: Final = re.compile(r"[0-9]{1,9}", re.ASCII)


class Unreadable(ValueError):
    """No answer to what was asked; the text says why, and what to do."""


@dataclass(slots=True)
class Table:
    """One answer. ``at`` is when it was evaluated, and ``taken`` when the exporter was read, in seconds of Prometheus' clock."""

    at: float = 0.0
    ends: dict[str, dict[Partition, Value]] = field(default_factory=dict)
    starts: dict[Partition, Value] = field(default_factory=dict)
    positions: dict[str, dict[Partition, Value]] = field(default_factory=dict)  # by group: committed, or lag
    counts: dict[str, Value] = field(default_factory=dict)
    group_taken: dict[str, float] = field(default_factory=dict)
    topic_taken: dict[str, float] = field(default_factory=dict)
    all_taken: float | None = None


def table(answer: Any, labels: Labels) -> Table:
    """The answer to ``questions.question``."""
    found = Table()
    twice: list[tuple[str | None, Partition]] = []
    for entry in _entries(answer):
        metric = entry.get("metric") if isinstance(entry, dict) else None
        if not isinstance(metric, dict) or not all(isinstance(text, str) for text in metric.values()):
            raise Unreadable("a sample without labels; check url")
        found.at, value = _sample(entry, found.at)
        _enter(found, twice, metric, value, labels)
    for group, partition in twice:
        why = "there are several series of it: of two clusters, or of an exporter that runs twice; narrow them with labels"
        several = Unknown(UnknownReason.BROKER_ERROR, why)
        if group is None:
            found.ends.setdefault(partition.topic, {})[partition] = several
        else:
            found.positions.setdefault(group, {})[partition] = several
    return found


def _entries(answer: Any) -> list[Any]:
    data = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(data, dict) or answer.get("status") != "success":
        raise Unreadable("not what the API of Prometheus answers; check url")
    if answer.get("warnings"):
        raise Unreadable("it warns that a part may be missing; see which of its stores do not answer")
    entries = data.get("result")
    if data.get("resultType") != "vector" or not isinstance(entries, list):
        raise Unreadable("no samples of one moment; correct queries")
    return entries


def _sample(entry: Mapping[str, Any], known: float) -> tuple[float, float | None]:
    """When it was evaluated, and the value; None where it is a histogram."""
    pair = entry.get("value")
    if pair is None:
        return known, None
    if not isinstance(pair, list) or len(pair) != 2:
        raise Unreadable("a sample without a value; check url")
    at, text = pair
    if isinstance(at, bool) or not isinstance(at, int | float) or not isinstance(text, str):
        raise Unreadable("a sample without a value; check url")
    try:
        when, value = float(at), float(text)
    except (ValueError, OverflowError):
        raise Unreadable("a value that is no number; check url") from None
    if not math.isfinite(when):
        raise Unreadable("a sample of no time; check url")
    return when, value


def _enter(
    found: Table, twice: list[tuple[str | None, Partition]], metric: Mapping[str, str], value: float | None, labels: Labels
) -> None:
    group, topic = metric.get(labels.group), metric.get(labels.topic)
    match metric.get(MARK):
        case Row.END:
            partition = _partition(metric, labels)
            found.ends.setdefault(partition.topic, {})[partition] = _whole(value)
        case Row.LOG_START:
            found.starts[_partition(metric, labels)] = _whole(value)
        case Row.COMMITTED | Row.LAG:
            if not group:
                raise Unreadable(f"a position without the label {labels.group}; correct queries, with label_replace()")
            found.positions.setdefault(group, {})[_partition(metric, labels)] = _whole(value)
        case Row.PARTITIONS:
            told = metric.get(PARTITION_COUNT)
            count = value if told is None else float(told) if _PARTITION.fullmatch(told) else None
            if topic:
                found.counts[topic] = _whole(count)
        case Row.TWICE:
            twice.append((group, _partition(metric, labels)))
        case Row.TAKEN:
            when = math.nan if value is None else value
            if group:
                found.group_taken[group] = when
            elif topic:
                found.topic_taken[topic] = when
            else:
                found.all_taken = when
        case _:
            raise Unreadable("samples that nobody asked for; check url")


def _partition(metric: Mapping[str, str], labels: Labels) -> Partition:
    topic, number = metric.get(labels.topic), metric.get(labels.partition)
    if not topic or number is None or not _PARTITION.fullmatch(number):
        names = f"{labels.topic} and {labels.partition}"
        raise Unreadable(f"a sample without the labels {names} of one partition; correct queries, with label_replace()")
    return Partition(topic, int(number))


def _whole(value: float | None) -> Value:
    """A position; -1 stands for one that nobody has committed."""
    if value is None or not math.isfinite(value):
        why = "the exporter has no number for it; see the log of the exporter"
        return Unknown(UnknownReason.BROKER_ERROR, why)
    if value != int(value) or not -1 <= value <= LARGEST_EXACT:
        why = "what is told is no count of messages; correct queries, without rate() or averages"
        return Unknown(UnknownReason.BROKER_ERROR, why)
    return int(value)
