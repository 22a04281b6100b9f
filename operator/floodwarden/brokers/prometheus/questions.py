"""The PromQL of one sweep: one expression for all groups, so that all numbers are of one moment. Pure.

Each sample carries the label ``floodwarden``, which says what it is (``Row``), and of its own labels only those that count:
group, topic and partition, under the exporter's names for them. What is left out of the labels must not hide that there are two
of a kind: those are counted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

MARK: Final = "floodwarden"
PARTITION_COUNT: Final = "partition_count"  # kminion tells the count in a label of this name


class Row(StrEnum):
    """What a sample is."""

    END = "end"
    COMMITTED = "committed"
    LAG = "lag"
    LOG_START = "logStart"
    PARTITIONS = "partitions"
    TAKEN = "taken"  # when the exporter was read: of a group, of a topic, or of all
    TWICE = "twice"  # how many series there are where there should be one


@dataclass(frozen=True, slots=True)
class Labels:
    """What an exporter calls these."""

    group: str = "group"
    topic: str = "topic"
    partition: str = "partition"


@dataclass(frozen=True, slots=True)
class Series:
    """Where an exporter tells what: expressions. Either ``committed`` or ``lag``.

    ``plain``: they are names of metrics, to which matchers are added. Else they stand as they are, and tell of groups that nobody
    asked for. Without ``taken`` the samples' own time counts, which only a selector has.
    """

    end: str
    committed: str | None = None
    lag: str | None = None
    log_start: str | None = None
    partitions: str | None = None
    taken: str | None = None
    labels: Labels = field(default_factory=Labels)
    plain: bool = False


KAFKA_EXPORTER: Final = Series(
    end="kafka_topic_partition_current_offset",
    committed="kafka_consumergroup_current_offset",
    log_start="kafka_topic_partition_oldest_offset",
    partitions="kafka_topic_partitions",
    labels=Labels(group="consumergroup"),
    plain=True,
)
KMINION: Final = Series(
    end="kminion_kafka_topic_partition_high_water_mark",
    lag="kminion_kafka_consumer_group_topic_partition_lag",
    log_start="kminion_kafka_topic_partition_low_water_mark",
    partitions="kminion_kafka_topic_info",
    labels=Labels("group_id", "topic_name", "partition_id"),
    plain=True,
)


def question(series: Series, matchers: Mapping[str, str], groups: Collection[str]) -> str:
    """All that is to be known of some groups."""
    return " or ".join(_parts(series, matchers, groups))


def _parts(series: Series, matchers: Mapping[str, str], groups: Collection[str]) -> Iterator[str]:
    labels = series.labels
    fixed = [f"{name}={_quoted(value)}" for name, value in sorted(matchers.items())]
    of_groups = [*fixed, f"{labels.group}=~{_quoted('|'.join(_literal(group) for group in sorted(groups)))}"]

    def given(expression: str, selected: list[str]) -> str:
        return f"{expression}{{{','.join(selected)}}}" if series.plain else f"({expression}\n)"

    row = Row.LAG if series.committed is None else Row.COMMITTED
    position = given(series.committed or series.lag or "", of_groups)
    theirs = f"and on ({labels.topic}) {position}"  # topics that these groups read
    by_group = f"{labels.group}, {labels.topic}, {labels.partition}"
    by_partition = f"{labels.topic}, {labels.partition}"
    yield _marked(row, f"max by ({by_group}) ({position})")
    yield _marked(Row.TWICE, f"count by ({by_group}) ({position}) > 1")
    end = given(series.end, fixed)
    yield _marked(Row.END, f"max by ({by_partition}) ({end}) {theirs}")
    yield _marked(Row.TWICE, f"count by ({by_partition}) ({end}) > 1 {theirs}")
    if series.log_start is not None:
        yield _marked(Row.LOG_START, f"max by ({by_partition}) ({given(series.log_start, fixed)}) {theirs}")
    if series.partitions is not None:
        count = f"{labels.topic}, {PARTITION_COUNT}"
        yield _marked(Row.PARTITIONS, f"max by ({count}) ({given(series.partitions, fixed)}) {theirs}")
    if series.taken is not None:
        yield _marked(Row.TAKEN, f"min ({given(series.taken, fixed)})")
    else:
        yield _marked(Row.TAKEN, f"min by ({labels.group}) (timestamp({position}))")
        yield _marked(Row.TAKEN, f"min by ({labels.topic}) (timestamp({end})) {theirs}")


def _marked(row: Row, expression: str) -> str:
    return f'label_replace({expression}, "{MARK}", "{row}", "", "")'


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)  # PromQL's strings escape as JSON's do


def _literal(text: str) -> str:
    """A regular expression for this very text: in RE2 punctuation may be escaped, and nothing else."""
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", text)
