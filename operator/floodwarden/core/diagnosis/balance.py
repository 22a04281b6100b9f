"""The account of a backlog: how much came beyond what did lately, and how much was not consumed that was lately.

Since the last moment at which all was well, with Δt the time since, P what was produced and C what was consumed, p what arrived
lately and c what replicas consumed lately (both in messages per second, and alike while all is well):

    growth of the lag = P − C ≈ (P − p·Δt) + (c·Δt − C) = excess + shortfall

So the larger of the two is the cause. Scaling up makes the shortfall negative. Where Floodwarden itself took replicas away,
less is expected of those that are left; where somebody else did, it is missing.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from math import sqrt

from floodwarden.core.diagnosis.usual import Usual
from floodwarden.core.history import History
from floodwarden.core.series import Series

NOISE = 3.0  # standard deviations of a Poisson count that are chance
BIAS = 0.1  # of a level by which it may be wrong itself


@dataclass(frozen=True, slots=True)
class TopicBalance:
    """One topic: messages per second since all was well, lately before and usually; and the messages beyond what came lately."""

    topic: str
    produced: float
    lately: float
    usual: float
    excess: float


@dataclass(frozen=True, slots=True)
class Balance:
    """``produced``, ``consumed`` and ``expected`` (to be consumed) in messages per second over the last ``seconds``.

    ``learnt`` is for how many seconds the levels were watched, the least of them; ``topics`` has the largest excess first.
    """

    seconds: float
    produced: float
    consumed: float
    expected: float
    learnt: float
    topics: tuple[TopicBalance, ...]

    @property
    def excess(self) -> float:
        """Messages that came beyond what did lately."""
        return sum(one.excess for one in self.topics)

    @property
    def shortfall(self) -> float:
        """Messages that were not consumed, but would have been lately."""
        return (self.expected - self.consumed) * self.seconds

    @property
    def usual(self) -> float:
        """Messages per second that usually arrive."""
        return sum(one.usual for one in self.topics)

    def chance(self, rate: float) -> float:
        """Messages by which a count may differ from what a rate would bring, without a meaning."""
        return max(NOISE * sqrt(max(rate * self.seconds, 1.0)), BIAS * rate * self.seconds)


def balance(history: History, usual: Usual | None, replicas: int | None, now: float) -> Balance | None:
    """The account of everything that the subscription reads; None where the level of a topic is not known.

    ``replicas``: those of which consumption may be expected, None where that is not known.
    """
    if usual is None or not history.tracks:
        return None
    produced: dict[str, float] = defaultdict(float)
    consumed = 0.0
    for partition, track in history.tracks.items():
        produced[partition.topic] += _grown(track.end, usual.at)
        consumed += _grown(track.committed, usual.at)
    levels = usual.levels
    seconds = now - max(usual.at, min(track.end.first_at or now for track in history.tracks.values()))
    if seconds <= 0 or not all(topic in levels and levels[topic].known for topic in produced):
        return None
    topics = (
        TopicBalance(topic, count / seconds, level.lately, level.rate, count - level.lately * seconds)
        for topic, count in produced.items()
        for level in (levels[topic],)
    )
    there = usual.replicas if replicas is None else min(replicas, usual.replicas)
    return Balance(
        seconds=seconds,
        produced=sum(produced.values()) / seconds,
        consumed=consumed / seconds,
        expected=(usual.per_replica or 0.0) * there,
        learnt=min(levels[topic].seconds for topic in produced),
        topics=tuple(sorted(topics, key=lambda one: -one.excess)),
    )


def _grown(series: Series, since: float) -> float:
    """By how much a counter grew since then, or since it was first read."""
    if series.last is None or series.first_at is None:
        return 0.0
    return series.last - (series.at(max(since, series.first_at)) or 0.0)
