"""What is told of two runs: numbers, JSON, a sentence and a picture."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree

import pytest

from floodwarden.sim.chart import picture
from floodwarden.sim.page import svg
from floodwarden.sim.report import Report, as_json, thinned, verdict
from floodwarden.sim.run import Run, Sample
from floodwarden.sim.scenario import Setting
from floodwarden.sim.summary import Summary, summarize
from tests.support.world import policy


def run(name: str, over: int = 0, replicas: int = 4, steps: int = 2, seconds: int = 60) -> Run:
    """A run of so many seconds that is over the limit of 1,000 for the first ones."""
    samples = [
        Sample(float(at), 2000.0 if at <= over else 10.0, 7.0 if at <= over else 0.5, replicas, replicas, 50.0, at <= over)
        for at in range(1, seconds + 1)
    ]
    return Run(name, 1.0, samples, ((5.0, 2, replicas), (50.0, replicas, 2))[:steps], steps)


def report(ours: Run, theirs: Run | None = None) -> Report:
    return Report("billing", "step", policy(), Setting(), 60.0, ours, theirs, 41.7, ("a note",))


def test_the_numbers_of_a_run() -> None:
    """Peaks, seconds over the limit, and every replica for as long as it is asked for."""
    assert summarize(run("x", over=12)) == Summary(
        peak_lag=2000, peak_seconds=7.0, seconds_over=12.0, steps=2, rebalances=2, replica_hours=0.0667, max_replicas=4
    )


VERDICTS = {
    "kept, and the other not": (
        run("a"),
        run("b", over=25, replicas=5),
        "Floodwarden keeps the lag within its limit; the KEDA-like scaler is over it for 25 s, with 2 steps instead of 2 and 20%"
        " fewer replica-hours.",
    ),
    "broken, and the other not": (
        run("a", over=3, steps=1),
        run("b", replicas=3),
        "Floodwarden is over the limit for 3 s; the KEDA-like scaler keeps it, with 1 step instead of 2 and 33%"
        " more replica-hours.",
    ),
    "both keep it": (
        run("a"),
        run("b"),
        "Floodwarden keeps the lag within its limit, as the KEDA-like scaler does, with 2 steps instead of 2 and as many"
        " replica-hours.",
    ),
    "both alike over it": (
        run("a", over=9),
        run("b", over=9),
        "Floodwarden is over the limit for 9 s, and so is the KEDA-like scaler, with 2 steps instead of 2 and as many"
        " replica-hours.",
    ),
    "alone": (run("a", over=9), None, "Floodwarden is over the limit for 9 s, with 2 steps and 0.07 replica-hours."),
}


@pytest.mark.parametrize(("ours", "theirs", "sentence"), VERDICTS.values(), ids=VERDICTS)
def test_one_sentence(ours: Run, theirs: Run | None, sentence: str) -> None:
    """Is the limit kept, and what does that take."""
    assert verdict(report(ours, theirs)) == sentence


def test_as_json_it_is_plain_data() -> None:
    """Numbers, steps and samples of both, and nothing of the second where there is none."""
    said = json.loads(json.dumps(as_json(report(run("a", over=2), run("b")))))
    assert said["floodwarden"]["summary"]["secondsOver"] == 2.0
    assert said["floodwarden"]["steps"] == [{"at": 5.0, "from": 2, "to": 4}, {"at": 50.0, "from": 4, "to": 2}]
    assert said["floodwarden"]["samples"][0] == {
        "at": 1.0, "lag": 2000, "seconds": 7.0, "arriving": 50.0, "replicas": 4, "ready": 4, "over": True,
    }  # fmt: skip
    assert said["kedaLike"]["lagThreshold"] == 41.7
    assert (said["setting"]["partitions"], said["notes"]) == (24, ["a note"])
    assert "kedaLike" not in as_json(report(run("a")))


def test_thinned_keeps_the_peaks() -> None:
    """However few points are left, the highest lag is among them."""
    long = run("a", over=1, seconds=5000)
    assert len(thinned(long)) <= 600
    assert max(sample.lag for sample in thinned(long, 10)) == 2000.0


@pytest.mark.parametrize("theirs", [run("KEDA-like", over=3), None], ids=["beside", "alone"])
def test_the_pictures_show_every_run(theirs: Run | None) -> None:
    """On the terminal red while the limit is broken; as SVG one line for each."""
    both = report(run("Floodwarden", over=12), theirs)
    text = picture(both, 80)
    names = [one.name for one in both.runs]
    assert all(f"{name}: lag, messages (limit 1,000)" in text.plain for name in names)
    assert max(len(line) for line in text.plain.splitlines()) <= 80
    assert any(str(span.style) == "red" and text.plain[span.start : span.end] == "█" for span in text.spans)
    page = ElementTree.fromstring(svg(both, "what came of it"))
    words = [element.text for element in page.iter() if element.tag.endswith("text")]
    assert {"billing: step", "what came of it", "limit 1,000", *names} <= set(words)
    lines = [element for element in page.iter() if element.get("class") in ("line ours", "line theirs")]
    assert len(lines) == 2 * len(names)
