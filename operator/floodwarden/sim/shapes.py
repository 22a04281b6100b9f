"""The shapes of trouble that can be tried without a trace of one's own. Times are shares of the whole simulation."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from math import cos, pi

from floodwarden.sim.scenario import Scenario, Setting

BUSY = 0.6  # of what all useful replicas can do: the highest rate where none is given
QUIET = 0.6  # of what the fewest replicas can do: the lowest rate where none is given
BEGINS, ENDS = 0.15, 0.5  # of the whole: when trouble begins and ends
SLOWED = 0.4  # of its capacity that a slow consumer still does
SPOILT = 0.1  # of the whole for which a poisoned message holds its partition up, until somebody skips it
HOT_SHARE = 0.8  # of what one replica can do that comes into the hot partition


class Shape(StrEnum):
    """What each looks like is in ``scenario``."""

    STEP = "step"
    RAMP = "ramp"
    WAVE = "wave"
    FLASH = "flash"
    SLOW_CONSUMER = "slow-consumer"
    POISON = "poison"
    SKEW = "skew"


def usual_rates(setting: Setting, floor: int, ceiling: int) -> tuple[float, float]:
    """The lowest and the highest rate, in messages per second, for so few and so many replicas."""
    return QUIET * max(1, floor) * setting.capacity, BUSY * ceiling * setting.capacity


def scenario(shape: Shape, setting: Setting, low: float, high: float, seconds: float) -> Scenario:
    """A shape between two total rates in messages per second, over so many seconds.

    ``step``: high for a third of the time, else low. ``ramp``: up slowly, then down as slowly. ``wave``: to and fro, three
    times. ``flash``: three bursts of half a minute or less. ``slow-consumer``: steady traffic, but consumers that do less
    than half for a while. ``poison``: a step, and one partition that stands still for a tenth of the time. ``skew``: low
    traffic, but one partition gets nearly what a replica can do.
    """
    begins, ends = BEGINS * seconds, ENDS * seconds

    def within(at: float) -> bool:
        return begins <= at < ends

    def spread(total: Callable[[float], float]) -> Callable[[float, int], float]:
        return lambda at, _: total(at) / setting.partitions

    step = spread(lambda at: high if within(at) else low)
    match shape:
        case Shape.STEP:
            return Scenario(shape, step, seconds, high)
        case Shape.RAMP:
            middle, half = (begins + ends) / 2, (ends - begins) / 2
            ramp = spread(lambda at: low + (high - low) * max(0.0, 1 - abs(at - middle) / half))
            return Scenario(shape, ramp, seconds, high)
        case Shape.WAVE:
            wave = spread(lambda at: low + (high - low) * (1 - cos(6 * pi * at / seconds)) / 2)
            return Scenario(shape, wave, seconds, high)
        case Shape.FLASH:
            length = min(30.0, seconds / 10)
            bursts = [begins + share * (ends - begins) for share in (0.0, 0.5, 1.0)]
            flash = spread(lambda at: high if any(burst <= at < burst + length for burst in bursts) else low)
            return Scenario(shape, flash, seconds, high)
        case Shape.SLOW_CONSUMER:
            steady = high * SLOWED
            return Scenario(shape, spread(lambda _: steady), seconds, steady, speed=lambda at: SLOWED if within(at) else 1.0)
        case Shape.POISON:
            spoilt = frozenset({setting.partitions - 1})
            until = begins + SPOILT * seconds
            return Scenario(shape, step, seconds, high, poisoned=lambda at: spoilt if begins <= at < until else frozenset())
        case Shape.SKEW:
            hot = max(low / setting.partitions, HOT_SHARE * setting.capacity)
            each = low / setting.partitions
            skew: Callable[[float, int], float] = lambda at, number: hot if number == 0 and within(at) else each  # noqa: E731
            return Scenario(shape, skew, seconds, low - each + hot)
