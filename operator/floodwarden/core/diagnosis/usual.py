"""What usually arrives in each topic and what each replica usually consumes: means that forget, learnt while all is well.

They are frozen while messages build up, or a long backlog would become usual. Of each topic there are two, one over the last
minutes and one over the last quarter of an hour: ``balance`` holds a backlog against the first, people are told the second.
Some floats for each topic; the busiest are kept in status.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from floodwarden.core.assess import Assessment
from floodwarden.core.history import SMOOTH_WINDOW
from floodwarden.core.policy import Policy

HALF_LIFE = 600.0  # seconds in which the usual level forgets half of what it knows
LATELY = 120.0  # the same of what was usual lately
LEARN_EVERY = SMOOTH_WINDOW  # seconds between two looks, so that the rates of two are of different messages
KNOWN_AFTER = 60.0  # seconds for which a topic must have been watched before its level says anything
LONGEST = 10 * HALF_LIFE  # seconds of watching beyond which more make no difference
CALM = 0.5  # of a limit that the lag must stay below for what arrives to count as usual
KEEPS_UP = 3.0  # seconds of arrivals that may wait where consumers keep up
FROZEN_AT_MOST = 600.0  # seconds for which more that waits, below half a limit, holds learning up: some groups are always behind
NOTHING = 0.01  # messages per second that are as good as none


class Level(NamedTuple):
    """Messages per second that usually arrive, that did lately, and for how many seconds that was watched."""

    rate: float
    lately: float
    seconds: float

    @property
    def known(self) -> bool:
        return self.seconds >= KNOWN_AFTER


@dataclass(frozen=True, slots=True)
class Usual:
    """The levels by topic, and when they were learnt last: the last moment at which all was well.

    ``per_replica`` in messages per second that each of ``replicas`` consumed lately, None and 0 where none is known to have.
    """

    levels: Mapping[str, Level]
    at: float
    per_replica: float | None = None
    replicas: int = 0


def learnt(
    usual: Usual | None, policy: Policy, seen: Assessment, replicas: int | None, over: bool | None, now: float
) -> Usual | None:
    """The usual levels after one more sweep; the very same where it is too early, or nothing to learn from."""
    if usual is not None and now - usual.at < LEARN_EVERY:
        return usual
    if over is not False or not seen.exact or seen.produced is None or seen.surge is not None:
        return usual
    builds_up = (seen.settled_lag or 0) > KEEPS_UP * max(seen.produced, 1.0)
    patient = usual is not None and now - usual.at < FROZEN_AT_MOST
    if not _calm(policy, seen) or (builds_up and patient):
        return usual
    rates = dict.fromkeys((load.partition.topic for load in seen.loads), 0.0)
    for load in seen.loads:
        rates[load.partition.topic] += load.arrival
    before: Mapping[str, Level] = usual.levels if usual is not None else {}
    # Of a pause in which nothing could be learnt nothing is known: it counts like any other step.
    passed = LEARN_EVERY if usual is None else min(now - usual.at, 2 * LEARN_EVERY)
    levels = {topic: _moved(before.get(topic), rate, passed) for topic, rate in rates.items()}
    watched = min((level.seconds for level in levels.values()), default=passed)
    return Usual(levels, now, _each(usual, seen, replicas, passed, watched), replicas or 0)


def _calm(policy: Policy, seen: Assessment) -> bool:
    """Whether less than half of each limit is used up."""
    by_count = policy.max_messages is None or (seen.settled_lag or 0) <= CALM * policy.max_messages
    by_time = policy.max_seconds is None or (seen.settled_seconds or 0.0) <= CALM * policy.max_seconds
    return by_count and by_time


def _moved(before: Level | None, rate: float, passed: float) -> Level:
    """Both means with one more rate that held for so many seconds. A young mean weighs all alike."""
    if before is None:
        return Level(rate, rate, passed)
    seconds = min(before.seconds + passed, LONGEST)
    return Level(
        _mean(before.rate, rate, passed, seconds, HALF_LIFE), _mean(before.lately, rate, passed, seconds, LATELY), seconds
    )


def _each(usual: Usual | None, seen: Assessment, replicas: int | None, passed: float, watched: float) -> float | None:
    """What each replica consumes; what it did before is kept while there are none."""
    before = usual.per_replica if usual is not None else None
    if not replicas or seen.consumed is None:
        return before
    each = seen.consumed / replicas
    return each if before is None else _mean(before, each, passed, watched, LATELY)


def _mean(mean: float, rate: float, passed: float, seconds: float, half_life: float) -> float:
    weight = (1 - 0.5 ** (passed / half_life)) / (1 - 0.5 ** (seconds / half_life))
    moved = mean + weight * (rate - mean)
    return moved if moved >= NOTHING else 0.0
