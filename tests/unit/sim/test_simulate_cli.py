"""``floodwarden simulate`` as a person types it."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from floodhack.instance import CHECKOUT
from floodwarden.cli.app import app
from floodwarden.sim.shapes import Shape
from tests.unit.sim.test_manifests import BROKER, POLICY

QUICK = ("--partitions", "8", "--duration", "4m")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file with a MessageBroker and a BacklogPolicy."""
    path = tmp_path / "policy.yaml"
    path.write_text(f"{BROKER.replace('5s', '1s')}---\n{POLICY}")
    return path


def simulate(file: Path | str, *options: str, text: str | None = None) -> Result:
    return CliRunner().invoke(app, ["simulate", "-f", str(file), *options], input=text, env={"COLUMNS": "100"})


def found(file: Path | str, *options: str) -> dict[str, Any]:
    """What it says as JSON."""
    result = simulate(file, "--output", "json", *options)
    assert result.exit_code == 0, result.output
    return dict(json.loads(result.stdout))


@pytest.mark.parametrize("shape", Shape)
def test_every_shape_is_told_and_drawn(file: Path, shape: Shape) -> None:
    """Pictures, a table and a sentence for both scalers."""
    result = simulate(file, "--shape", shape.value, *QUICK)
    assert result.exit_code == 0, result.output
    assert f"billing: {shape.value} over 240 s; 8 partitions" in result.stdout
    for part in ("Floodwarden: replicas", "KEDA-like: replicas", "seconds over the limit", "replica-hours", "most replicas"):
        assert part in result.stdout
    assert result.stdout.rstrip().endswith(".")


def test_as_json_it_holds_the_whole_run(file: Path) -> None:
    """What was assumed, both scalers, and a sentence; the ceiling holds."""
    said = found(file, "--shape", "step", *QUICK, "--capacity", "20", "--start-seconds", "2", "--rebalance-seconds", "1")
    assert said["setting"] == {
        "seconds": 240.0, "partitions": 8, "capacityPerReplica": 20.0, "podStartSeconds": 2.0, "rebalanceSeconds": 1.0,
        "commitSeconds": 5.0, "seed": 1, "sweepIntervalSeconds": 1.0,
    }  # fmt: skip
    assert (said["policy"], said["scenario"], said["notes"]) == ("billing", "step", [])
    for scaler in ("floodwarden", "kedaLike"):
        assert 2 < said[scaler]["summary"]["maxReplicas"] <= 8
        assert said[scaler]["summary"]["rebalances"] >= 1
        assert said[scaler]["samples"][-1]["at"] == 240.0
    assert said["verdict"].startswith("Floodwarden ")


def test_the_same_seed_tells_the_same(file: Path) -> None:
    """And another one does not."""
    one, same = (found(file, *QUICK, "--seed", "3") for _ in range(2))
    assert one == same
    assert found(file, *QUICK, "--seed", "4")["floodwarden"]["samples"] != one["floodwarden"]["samples"]


def test_without_the_baseline(file: Path) -> None:
    """Then only Floodwarden is shown."""
    result = simulate(file, *QUICK, "--no-baseline")
    assert result.exit_code == 0
    assert "KEDA" not in result.stdout
    assert "kedaLike" not in found(file, *QUICK, "--no-baseline")


def test_a_trace_is_followed(file: Path, tmp_path: Path) -> None:
    """Its length, its partitions and its rates."""
    trace = tmp_path / "trace.csv"
    trace.write_text("seconds,a,b,c\n0,10,10,10\n60,10,100,10\n120,10,10,10\n")
    said = found(file, "--trace", str(trace))
    assert (said["scenario"], said["setting"]["seconds"], said["setting"]["partitions"]) == ("trace", 120.0, 3)
    arriving = [sample["arriving"] for sample in said["floodwarden"]["samples"]]
    assert sum(arriving[:59]) / 59 == pytest.approx(30, rel=0.1)
    assert sum(arriving[60:]) / 60 == pytest.approx(120, rel=0.1)


def test_a_picture_for_a_page(file: Path, tmp_path: Path) -> None:
    """Written beside what is shown."""
    page = tmp_path / "page.svg"
    assert simulate(file, *QUICK, "--svg", str(page)).exit_code == 0
    assert ElementTree.fromstring(page.read_text()).tag.endswith("svg")


def test_from_standard_input() -> None:
    """As with kubectl, a dash stands for it."""
    result = simulate("-", *QUICK, "--no-baseline", text=POLICY)
    assert result.exit_code == 0
    assert "its MessageBroker main is not in the file" in result.stdout


def test_the_example_trace_can_be_tried() -> None:
    """The trace beside the examples, with one of them."""
    examples = CHECKOUT / "deploy" / "examples"
    said = found(examples / "backlogpolicy-full.yaml", "--trace", str(examples / "trace.csv"), "--no-baseline")
    assert said["floodwarden"]["summary"]["steps"] >= 1


TRACE, BAD_TRACE = "seconds,a,b\n0,1,1\n60,1,1\n", "seconds,rate\n0,many\n"
WRONG_OPTIONS = {  # files by their names in the test's own folder
    "two sources": (["--trace", "trace.csv", "--shape", "step"], "give one of the two"),
    "a missing trace": (["--trace", "none.csv"], "none.csv: cannot be read: No such file"),
    "a bad trace": (["--trace", "bad.csv"], "bad.csv: line 2: rate is 'many'"),
    "other partitions": (["--trace", "trace.csv", "--partitions", "3"], "the trace has columns for 2 partitions"),
    "rates of a trace": (["--trace", "trace.csv", "--high", "3"], "--low and --high are for shapes"),
    "upside down": (["--low", "10", "--high", "3"], "--low 10 is above --high 3: exchange them"),
    "no duration": (["--duration", "soon"], "--duration: 'soon' is not a duration"),
    "too short": (["--duration", "5s"], "a simulation lasts from 60 s to 24 h, this one 5 s"),
    "too much": (["--duration", "24h", "--partitions", "1000"], "take too long"),
    "no such shape": (["--shape", "cliff"], "'cliff' is not one of"),
    "no capacity": (["--capacity", "0"], "greater than or equal to 0.001"),
    "a picture nowhere": ([*QUICK, "--svg", "no/page.svg"], "cannot be written: No such file"),
}


@pytest.mark.parametrize(("options", "says"), WRONG_OPTIONS.values(), ids=WRONG_OPTIONS)
def test_wrong_options_say_what_to_do(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], says: str
) -> None:
    """Exit status 2, a sentence, no traceback."""
    monkeypatch.chdir(tmp_path)
    Path("trace.csv").write_text(TRACE)
    Path("bad.csv").write_text(BAD_TRACE)
    result = simulate(file, *options)
    assert result.exit_code == 2
    assert says in " ".join(result.stderr.replace("│", " ").split())
    assert "Traceback" not in result.output


WRONG_FILES = {
    "missing": (None, "cannot be read: No such file or directory"),
    "no text": (b"\xff\xfe\x00", "it is no text in UTF-8"),
    "no policy": (b"kind: Deployment\n", "there is no BacklogPolicy in it, only Deployment"),
    "a typing error": (POLICY.replace("maxLag", "maxLagg").encode(), "BacklogPolicy: spec.maxLagg is no field"),
    "too large": (b"#" * 1_000_001, "it is larger than 1 MB"),
}


@pytest.mark.parametrize(("content", "says"), WRONG_FILES.values(), ids=WRONG_FILES)
def test_wrong_files_say_what_to_do(tmp_path: Path, content: bytes | None, says: str) -> None:
    """The file is named, and what is wrong with it."""
    path = tmp_path / "policy.yaml"
    if content is not None:
        path.write_bytes(content)
    result = simulate(path)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"floodwarden: {path}: ")
    assert says in result.stderr


def test_a_folder_is_no_policy(tmp_path: Path) -> None:
    """Also what can be opened may not be readable."""
    result = simulate(tmp_path)
    assert result.exit_code == 2
    assert "cannot be read: Is a directory" in result.stderr
