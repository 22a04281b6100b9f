"""What each shape does to the traffic or to the consumers."""

from __future__ import annotations

import pytest

from floodwarden.sim.scenario import Scenario, Setting
from floodwarden.sim.shapes import Shape, scenario, usual_rates

LOW, HIGH, SECONDS = 60.0, 720.0, 1200.0
SETTING = Setting()


def shape(which: Shape) -> Scenario:
    return scenario(which, SETTING, LOW, HIGH, SECONDS)


TOTALS: dict[Shape, dict[int, float]] = {  # messages per second at some seconds
    Shape.STEP: {0: 60, 179: 60, 180: 720, 599: 720, 600: 60, 1199: 60},
    Shape.RAMP: {0: 60, 180: 60, 285: 390, 390: 720, 495: 390, 600: 60, 1199: 60},
    Shape.WAVE: {0: 60, 100: 390, 200: 720, 400: 60, 600: 720},
    Shape.FLASH: {0: 60, 180: 720, 209: 720, 210: 60, 390: 720, 420: 60, 600: 720, 630: 60},
    Shape.SLOW_CONSUMER: {0: 288, 600: 288, 1199: 288},
    Shape.POISON: {0: 60, 180: 720, 600: 60},
    Shape.SKEW: {0: 60, 180: 97.5, 599: 97.5, 600: 60},
}


@pytest.mark.parametrize("which", Shape)
def test_the_traffic_of_a_shape(which: Shape) -> None:
    """Total rates over time; none is above the peak it tells."""
    found = {at: shape(which).total(float(at), SETTING.partitions) for at in TOTALS[which]}
    assert found == pytest.approx(TOTALS[which])
    every_second = [shape(which).total(float(at), SETTING.partitions) for at in range(0, 1200, 10)]
    assert max(every_second) <= shape(which).peak + 1e-6


def test_only_the_consumers_change_where_they_are_slow() -> None:
    """They do less than half for a third of the time."""
    speeds = [shape(Shape.SLOW_CONSUMER).speed(at) for at in (0.0, 180.0, 599.0, 600.0)]
    assert speeds == [1.0, 0.4, 0.4, 1.0]


def test_one_partition_is_poisoned_for_a_while() -> None:
    """From the step on, for a tenth of the time."""
    spoilt = [shape(Shape.POISON).poisoned(at) for at in (0.0, 180.0, 299.0, 300.0)]
    assert spoilt == [frozenset(), {23}, {23}, frozenset()]


def test_one_partition_gets_most_where_the_keys_are_skewed() -> None:
    """Nearly what one replica can do, never more."""
    skew = shape(Shape.SKEW)
    assert [skew.arrivals(300.0, number) for number in (0, 1, 23)] == [40.0, 2.5, 2.5]


def test_the_usual_rates_fit_the_replicas() -> None:
    """The fewest carry the low rate, the most the high one, both with room."""
    assert usual_rates(SETTING, 2, 24) == pytest.approx((60.0, 720.0))
    assert usual_rates(SETTING, 0, 24)[0] == 30.0
