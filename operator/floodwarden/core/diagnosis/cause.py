"""Why a backlog grows: the causes there are, how sure one is, and what is remembered of the one that was told.

``diagnose`` finds one at each sweep, ``verdict`` tells it once it lasts. All are in the list of reasons but None.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


class Cause(StrEnum):
    """The one thing that explains most of a backlog. The words are a label of metrics: there are no others."""

    NONE = "None"  # nothing waits that should not
    PRODUCTION_ROSE = "ProductionRose"
    CONSUMPTION_FELL = "ConsumptionFell"
    CONSUMERS_MISSING = "ConsumersMissing"
    CONSUMERS_CRASHING = "ConsumersCrashing"
    CONSUMERS_UNSCHEDULABLE = "ConsumersUnschedulable"
    REBALANCING = "Rebalancing"
    PARTITION_STALLED = "PartitionStalled"
    GROUP_STALLED = "GroupStalled"
    SKEWED = "Skewed"
    DOWNSTREAM_SLOW = "DownstreamSlow"
    TRANSACTION_OPEN = "TransactionOpen"
    REPLAYED = "Replayed"  # messages that had been read, or were old, are read again: nobody produced them now
    READING_LOST = "ReadingLost"
    NOT_KNOWN = "NotKnown"


NO_CAUSE: Final = frozenset({Cause.NONE, Cause.READING_LOST, Cause.NOT_KNOWN})
"""What says nothing of why messages wait: any other takes its place as soon as it is found."""
CONCLUDED: Final = frozenset({Cause.PRODUCTION_ROSE, Cause.CONSUMPTION_FELL, Cause.SKEWED})
"""Causes that are concluded from how much came and went; the others are seen as such."""


class Confidence(StrEnum):
    """How sure a cause is.

    High: brokers or the API server say it themselves (pods, members, an offset that stands still or went back, a step that
    was made and did not help); or it is concluded from rates, and all of this holds: it explains four fifths of the backlog and
    three times as much as its opposite, the rate is a half off its usual level, and that was learnt for five minutes or more.
    Low: concluded, but it explains less than half of the backlog, or the usual level was learnt for less than two minutes.
    Medium: whatever lies between.
    """

    HIGH = "High"
    MEDIUM = "Medium"
    LOW = "Low"


@dataclass(frozen=True, slots=True)
class Finding:
    """A cause, with its numbers in a sentence."""

    cause: Cause
    message: str = ""
    confidence: Confidence = Confidence.HIGH


NOTHING: Final = Finding(Cause.NONE)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The finding that is told, since when, and which other has been found meanwhile, since when.

    ``told_at`` holds when an Event told each cause last, so that one that comes and goes is not told each time.
    """

    told: Finding
    since: float
    refreshed_at: float
    suspect: Cause | None = None
    suspect_since: float = 0.0
    told_at: Mapping[Cause, float] = field(default_factory=lambda: MappingProxyType({}))
