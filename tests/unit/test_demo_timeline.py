"""What follows from the samples of a demo: rates, steps, times, picture, summary."""

from __future__ import annotations

import dataclasses
import io
import xml.etree.ElementTree as ElementTree

import pytest
from rich.console import Console

from floodhack.demo_brokers import BROKERS
from floodhack.demo_chart import picture
from floodhack.demo_plan import FAST, FULL, Plan
from floodhack.demo_run import Outcome
from floodhack.demo_summary import figures, heading, time_rows
from floodhack.demo_svg import svg
from floodhack.demo_timeline import Said, Sample, Step, Timeline, peak, rate, steps, times
from floodhack.demo_view import LiveView
from floodhack.instance import Instance
from floodwarden.sim.chart import columns, round_up

ZERO = 1_800_000_000.0
SPIKE = ZERO + 30


def story(*, scales: bool = True, drains: bool = True) -> Timeline:
    """A spike from second 30 to 105: scaled at 33, pods at 38, owners at 40, drained at about 50, lowered at 150."""
    timeline = Timeline(limit=1000, spike_at=SPIKE, spike_end=ZERO + 105)
    produced = committed = 0.0
    for second in range(170):
        arriving = 700 if 30 <= second < 105 else 60
        replicas = 24 if scales and 33 <= second < 150 else 2
        ready = 24 if scales and 38 <= second < 150 else 2
        owners = 24 if scales and 40 <= second < 150 else 2
        produced += arriving
        committed = min(produced - arriving / 2, committed + 50 * (owners if drains else 2))
        timeline.samples.append(
            Sample(ZERO + second, int(produced), int(committed), owners, owners, replicas, ready, 1.0, replicas, "WithinLimit")
        )
    return timeline


def test_times_of_a_story_that_went_well() -> None:
    """Each act is found, and counted from the beginning of the spike."""
    acts = times(story(), calm_seconds=5)
    assert (acts.decided, acts.pods_ready, acts.owners_ready) == (ZERO + 33, ZERO + 38, ZERO + 40)
    assert acts.over_limit == ZERO + 31
    assert acts.drained is not None
    assert ZERO + 45 < acts.drained < ZERO + 60
    assert acts.lowered == ZERO + 150


def test_no_scaling_is_no_act() -> None:
    """Without a step up nothing is said of pods, owners or going back; without a drain nothing is drained."""
    acts = times(story(scales=False))
    assert (acts.decided, acts.pods_ready, acts.owners_ready, acts.lowered, acts.drained) == (None,) * 5


def test_lag_that_never_passed_the_limit_was_not_drained() -> None:
    """Drained is only what was over the limit before."""
    timeline = Timeline(limit=1000, samples=[Sample(ZERO + s, 10, 5) for s in range(20)], spike_at=ZERO)
    assert times(timeline).drained is None


def test_a_dip_shorter_than_the_calm_is_not_the_end() -> None:
    """The lag has to stay under the limit for a while; a gap in the readings neither ends nor makes that while."""
    lags = [2000, 900, 2000, 800, None, 700, 600, 500]
    samples = [Sample(ZERO + second, lag, None if lag is None else 0) for second, lag in enumerate(lags)]
    timeline = Timeline(limit=1000, samples=samples, spike_at=ZERO)
    assert times(timeline, calm_seconds=3).drained == ZERO + 3


def test_times_need_a_spike() -> None:
    with pytest.raises(ValueError, match="spike"):
        times(Timeline(limit=1))


def test_unknown_is_never_zero() -> None:
    """A reading that failed is no lag, no rate and no step."""
    samples = [Sample(ZERO, 100, 90, replicas=2), Sample(ZERO + 1), Sample(ZERO + 2, 120, 100, replicas=2)]
    assert samples[1].lag is None
    assert rate(samples, 1, "produced") is None
    assert rate(samples, 2, "produced") == 10.0
    assert rate(samples[:1], 0, "produced") is None
    assert steps(samples) == []
    assert peak(samples) == (ZERO + 2, 20)
    assert peak([samples[1]]) is None


def test_what_the_broker_says_to_wait_is_the_lag() -> None:
    """Where what came and went is known later than what waits, or not at all."""
    assert Sample(ZERO, produced=100, committed=90, waiting=40).lag == 40
    assert Sample(ZERO, waiting=0).lag == 0


def test_rates_are_taken_over_some_of_the_brokers_readings() -> None:
    """Counters that are told every five seconds make a steady rate over ten, and none over three."""
    samples = [Sample(ZERO + second, produced=60 * (second // 5 * 5)) for second in range(31)]
    assert {rate(samples, index, "produced", 10.0) for index in range(10, 31)} == {60.0}
    assert rate(samples, 29, "produced") == 0.0


def test_steps_are_changes_of_the_spec() -> None:
    assert steps(story().samples) == [Step(ZERO + 33, 2, 24), Step(ZERO + 150, 24, 2)]


@pytest.mark.parametrize(("value", "end"), [(0, 1), (1, 1), (7, 8), (23, 24), (24, 24), (700, 800), (6340, 8000), (999, 1000)])
def test_axes_end_at_pleasant_numbers(value: float, end: float) -> None:
    assert round_up(value) == pytest.approx(end)


def test_columns_keep_peaks_and_gaps() -> None:
    """A column shows the highest of its span, repeats where nothing was sampled, and is empty where nothing was read."""
    points = [(0.0, 1.0), (0.4, 9.0), (1.0, None), (3.0, 2.0)]
    assert columns(points, 0.0, 4.0, 4) == [9.0, None, None, 2.0]
    assert columns([(0.0, 1.0), (3.0, 2.0)], 0.0, 4.0, 4) == [1.0, 1.0, 1.0, 2.0]


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_terminal_picture_fits_its_width(width: int) -> None:
    lines = picture(story(), width).plain.splitlines()
    assert max(map(len, lines)) <= width
    assert any("1,000 ┤" in line for line in lines)
    assert any("█" in line for line in lines)


def test_the_terminal_picture_of_nothing() -> None:
    assert picture(Timeline(limit=1)).plain == "nothing seen yet"


def test_the_svg_is_well_formed_and_says_what_happened() -> None:
    root = ElementTree.fromstring(svg(story(), "60 → 700 & more"))
    words = [element.text or "" for element in root.iter("{http://www.w3.org/2000/svg}text")]
    for wanted in (
        "60 → 700 & more",
        "2 → 24 pods",
        "24 → 2 pods",
        "limit 1,000",
        "Lag, messages",
        "seconds since the spike began",
    ):
        assert wanted in words
    assert any(word.startswith("under the limit again after") for word in words)


def test_gaps_stay_gaps_in_the_svg() -> None:
    """A stretch that could not be read splits the line instead of joining over it."""
    timeline = story()
    before = svg(timeline, "x").count("M")
    timeline.samples[60] = dataclasses.replace(timeline.samples[60], produced=None, committed=None)
    assert svg(timeline, "x").count("M") > before


def test_the_headline_tells_how_many_steps_it_took() -> None:
    timeline = story()
    samples = timeline.samples
    timeline.samples = [
        dataclasses.replace(one, replicas=9) if one.at < ZERO + 36 and one.replicas == 24 else one for one in samples
    ]
    assert heading(FULL, Outcome(timeline, times(timeline), [])) == "60 → 700 messages a second: 2 → 24 consumers in two steps"
    timeline.samples = [dataclasses.replace(one, replicas=2) for one in samples]
    assert heading(FULL, Outcome(timeline, times(timeline), [])) == "60 → 700 messages a second"


def test_the_summary_tells_the_acts_in_order() -> None:
    timeline = story()
    outcome = Outcome(timeline, times(timeline, 5), [(True, "it did")])
    told = time_rows(outcome.acts, BROKERS["kafka"](Instance(0), FULL).words)
    assert told[0] == ("the spike began", "0.0 s")
    assert ("Floodwarden scaled the Deployment", "3.0 s") in told
    assert told[-1] == ("the extra pods were taken away", "120.0 s")
    assert heading(FULL, outcome) == "60 → 700 messages a second: 2 → 24 consumers in one step"
    assert figures(FULL, outcome)[0] == "Steps taken: 2 → 24, 24 → 2."
    assert outcome.worked
    assert not Outcome(timeline, outcome.acts, [(True, "a"), (False, "b")]).worked


@pytest.mark.parametrize("plan", [FULL, FAST])
def test_the_plans_numbers_make_a_story(plan: Plan) -> None:
    """The least replicas carry the steady rate but not the spike, and one consumer for each partition carries that."""
    assert plan.steady_rate < plan.min_replicas * plan.capacity < plan.spike_rate < plan.partitions * plan.capacity


@pytest.mark.parametrize("height", [24, 30, 45, 100])
def test_the_live_view_fits_its_terminal(height: int) -> None:
    """However high the terminal is, the frame ends above its last row; where there is room the picture is in it."""
    console = Console(file=io.StringIO(), force_terminal=True, width=100, height=height)
    view = LiveView(story(), console)
    view.seen([Said(SPIKE, "ScaledUp", "2 → 24 replicas " * 20, "BacklogPolicy/billing", False)] * 20)
    lines = console.render_lines(view.render(), pad=False)
    assert len(lines) < height
    words = "\n".join("".join(segment.text for segment in line) for line in lines)
    assert "ScaledUp" in words
    assert ("consumer pods ready" in words) == (height >= 30)
