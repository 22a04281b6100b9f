"""``floodwarden top`` and ``floodwarden explain backlogpolicy/NAME``: what the operator wrote, in words and in numbers."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from floodhack.waiting import until
from floodwarden.cli.app import app
from floodwarden.cli.live.cluster import Told
from floodwarden.cli.live.rows import sorted_rows
from floodwarden.cli.live.story import BAR, bar, story
from floodwarden.cli.live.words import PHRASES, seconds
from floodwarden.core.diagnosis.cause import Cause
from tests.support.hostile import HOSTILE
from tests.support.resources import backlog_policy
from tests.support.small_api import kubeconfig, small_api

INSTALLED = Path(sys.executable).with_name("floodwarden")
POLICIES = "/apis/floodwarden.dev/v1alpha1/backlogpolicies"
IN_SHOP = "/apis/floodwarden.dev/v1alpha1/namespaces/shop/backlogpolicies"
EVENTS = "/api/v1/namespaces/shop/events"
NOW = datetime(2026, 11, 26, 5, 31, 30, tzinfo=UTC)

SPIKE: dict[str, Any] = {
    "observedGeneration": 1,
    "state": "Settling",
    "message": "lag 1,224 messages, 3.1 s; limit 1,000 messages",
    "lag": {"messages": 1224, "seconds": 3.1, "exact": True},
    "rates": {"produced": 719.2, "consumed": 100.0, "perReplica": 50.0},
    "replicas": {"current": 2, "desired": 24, "ceiling": 24},
    "drainETA": "40s",
    "overSince": "2026-11-26T05:31:00Z",
    "cause": {
        "type": "ProductionRose",
        "message": "orders gets 719.2 messages/s, usually 58.9, 12.2 times as much: 5,292 more in 15 s",
        "confidence": "Medium",
        "since": "2026-11-26T05:31:05Z",
    },
    "usual": {
        "at": "2026-11-26T05:30:50Z",
        "topics": [{"topic": "orders", "produced": 58.9, "lately": 60.1, "watched": "3m"}],
        "perReplica": 30.0,
        "replicas": 2,
    },
    "conditions": [
        {
            "type": "Scaling",
            "status": "True",
            "reason": "ScaledUp",
            "message": "2 → 24 replicas: lag 1,224",
            "lastTransitionTime": "2026-11-26T05:31:02Z",
        }
    ],
}
CALM: dict[str, Any] = {
    "observedGeneration": 1,
    "state": "Steady",
    "lag": {"messages": 12, "seconds": 0.4, "exact": True},
    "rates": {"produced": 60.0, "consumed": 60.0},
    "replicas": {"current": 2, "desired": 2, "ceiling": 24},
}


def told(name: str, status: dict[str, Any], **spec: Any) -> dict[str, Any]:
    """A policy as the API server lists it."""
    policy = backlog_policy(name, status=status, **spec)
    metadata = {"name": name, "namespace": "shop", "uid": policy.metadata.uid, "generation": 1}
    return {"metadata": metadata, "spec": policy.spec.to_api(), "status": status}


def event(reason: str, at: str, message: str) -> dict[str, Any]:
    return {"reason": reason, "lastTimestamp": at, "message": message}


ANSWERS: dict[str, tuple[int, Any]] = {
    POLICIES: (200, {"items": [told("calm", CALM), told("billing", SPIKE), told("new", {})]}),
    f"{IN_SHOP}/billing": (200, told("billing", SPIKE)),
    f"{IN_SHOP}/calm": (200, told("calm", CALM)),
    IN_SHOP: (200, {"items": None}),
    EVENTS: (
        200,
        {
            "items": [
                event("ScaledUp", "2026-11-26T05:31:02Z", "2 → 24 replicas"),
                event("OverLimit", "2026-11-26T05:31:00Z", "lag 1,224 messages"),
            ]
        },
    ),
    "/apis/floodwarden.dev/v1alpha1/namespaces/locked/backlogpolicies": (403, {"message": "you cannot list backlogpolicies"}),
}


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A kubeconfig whose context is in namespace shop."""
    with small_api(ANSWERS, tmp_path_factory.mktemp("api"), namespace="shop") as file:
        yield file


def floodwarden(config: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, arguments, env={"KUBECONFIG": str(config)}, catch_exceptions=False)


@pytest.mark.parametrize("named", [("backlogpolicy/billing",), ("backlogpolicy", "billing"), ("fwbp/billing",)], ids=str)
def test_the_story_of_a_policy(config: Path, named: tuple[str, ...]) -> None:
    """How much waits, why, what is done; a chart of it; and the Events in their order. Either way of naming it will do."""
    result = floodwarden(config, "explain", *named)
    assert result.exit_code == 0
    paragraph, chart, events = result.stdout.strip().split("\n\n")
    assert "\n" not in paragraph
    for part in (
        "shop/billing: 1,224 messages wait, the oldest for 3 s; the limit is 1,000 messages, passed ",
        "The reason: more arrives than usually does (ProductionRose, that is likely; for ",
        "In numbers: orders gets 719.2 messages/s, usually 58.9, 12.2 times as much",
        "Replicas: 2 of at most 24 (ScaledUp: 2 → 24 replicas: lag 1,224).",
        "gone in 40 s.",
    ):
        assert part in paragraph
    lines = [line.split() for line in chart.splitlines()]
    assert [(line[-3], line[-1]) for line in lines] == [
        ("arriving", "719"),
        ("usually", "58.9"),
        ("consumed", "100"),
        ("waiting", "1,224"),
        ("limit", "1,000"),
    ]
    assert len(lines[0][-2]) == BAR > len(lines[2][-2]) > len(lines[1][-2]) > 0
    assert [line.split()[1] for line in events.splitlines()[1:]] == ["OverLimit", "ScaledUp"]


def test_a_policy_without_a_backlog(config: Path) -> None:
    """Says so."""
    assert "There is no backlog to explain." in floodwarden(config, "explain", "backlogpolicy/calm", "-n", "shop").stdout


WRONG = {
    "no such policy": (("explain", "backlogpolicy/nobody"), "there is no BacklogPolicy nobody in namespace shop: give another"),
    "another namespace": (
        ("explain", "backlogpolicy/billing", "-n", "bar"),
        "there is no BacklogPolicy billing in namespace bar",
    ),
    "another kind": (("explain", "deployment/billing"), "give a setting, or a BacklogPolicy as backlogpolicy/NAME"),
    "no such kind of thing": (("explain", "messagebroker/main"), "give a setting, or a BacklogPolicy as backlogpolicy/NAME"),
    "may not be listed": (("top", "-n", "locked"), "you cannot list backlogpolicies: ask for get and list on"),
    "no such kind": (("top", "-n", "elsewhere"), "does not know BacklogPolicies: install Floodwarden's chart"),
}


@pytest.mark.parametrize(("arguments", "says"), WRONG.values(), ids=WRONG)
def test_what_went_wrong_says_what_to_do(config: Path, arguments: tuple[str, ...], says: str) -> None:
    """On stderr, one line, exit status 2."""
    result = floodwarden(config, *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert says in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_no_cluster(tmp_path: Path) -> None:
    """A kubeconfig that is not there, and one that leads nowhere."""
    for config, says in ((tmp_path / "none", "set KUBECONFIG"), (kubeconfig(tmp_path, 1), "check KUBECONFIG")):
        for command in (("top",), ("explain", "backlogpolicy/billing")):
            result = floodwarden(config, *command)
            assert result.exit_code == 2
            assert says in result.stderr


def test_top_for_people(config: Path) -> None:
    """Where the output is no terminal it is printed once: those in trouble first, what is not known as a question mark."""
    result = floodwarden(config, "top")
    assert result.exit_code == 0
    header, *rows = (line.split() for line in result.stdout.splitlines())
    assert header == ["POLICY", "LAG", "LIMIT", "OLDEST", "IN/S", "OUT/S", "REPLICAS", "CAUSE", "STATE"]
    assert rows[0] == ["shop/billing", "1,224", "1,000", "3", "s", "719", "100", "2→24", "of", "24", "ProductionRose", "Settling"]
    assert rows[1] == ["shop/calm", "12", "1,000", "0", "s", "60.0", "60.0", "2", "of", "24", "None", "Steady"]
    assert rows[2] == ["shop/new", "?", "1,000", "?", "?", "?", "?", "of", "?", "?", "?"]


def test_top_for_machines(config: Path) -> None:
    """The same as JSON, null where it is not known; nothing is an empty list."""
    rows = json.loads(floodwarden(config, "top", "-o", "json").stdout)
    assert [row["name"] for row in rows] == ["billing", "calm", "new"]
    assert (rows[0]["cause"], rows[0]["confidence"], rows[0]["lag"]) == ("ProductionRose", "Medium", 1224)
    assert (rows[1]["cause"], rows[2]["cause"], rows[2]["lag"]) == ("None", None, None)
    assert json.loads(floodwarden(config, "top", "-n", "shop", "-o", "json").stdout) == []
    assert "no BacklogPolicies" in floodwarden(config, "top", "-n", "shop").stderr


def test_those_nearest_to_their_limit_come_first() -> None:
    """By messages or by seconds, whichever is nearer; those with a cause before all others."""
    near = {**CALM, "lag": {"messages": 900, "seconds": 1.0, "exact": True}}
    late = {**CALM, "lag": {"messages": 1, "seconds": 29.0, "exact": True}}
    policies = [
        backlog_policy("calm", status=CALM),
        backlog_policy("near", status=near),
        backlog_policy("late", status=late, maxLag={"seconds": 30}),
        backlog_policy("stalled", status={**CALM, "cause": {**SPIKE["cause"], "type": "PartitionStalled"}}),
        backlog_policy("spike", status=SPIKE),
    ]
    assert [row.name for row in sorted_rows(policies)] == ["spike", "stalled", "late", "near", "calm"]


@pytest.mark.parametrize("cause", Cause)
def test_every_cause_has_words(cause: Cause) -> None:
    """Whatever is in a status is told, with what to do about it."""
    status = {**SPIKE, "cause": {**SPIKE["cause"], "type": cause.value}}
    assert PHRASES[cause]
    text = story(backlog_policy(status=status), [], NOW)
    assert ("no backlog" in text or "not told yet" in text) if cause is Cause.NONE else PHRASES[cause] in text


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
def test_a_story_prints(name: str) -> None:
    """Names come from brokers and from whoever writes manifests: they neither forge lines nor move a cursor."""
    status = {**SPIKE, "cause": {**SPIKE["cause"], "message": name.encode(errors="replace").decode()}}
    text = story(backlog_policy(status=status), [Told("2026-11-26T05:31:00Z", "OverLimit", name)], NOW)
    assert all(line.isprintable() for line in text.split("\n"))
    assert len(text.split("\n")) == 10


TIMES = {None: "?", 0.4: "0 s", 59.0: "59 s", 61.0: "1 min 1 s", 3600.0: "1 h", 90_000.0: "1 d 1 h", -3.0: "0 s"}


@pytest.mark.parametrize(("value", "words"), TIMES.items(), ids=map(str, TIMES))
def test_times_in_words(value: float | None, words: str) -> None:
    """The two largest units."""
    assert seconds(value) == words


def test_bars() -> None:
    """As long as their share; the least that is not zero still shows, and nothing is longer than the axis."""
    assert bar(0.0) == ""
    assert bar(0.0001) == "▏"
    assert bar(0.5) == "█" * (BAR // 2)
    assert bar(3.0) == "█" * BAR


def test_top_stays_up_to_date_on_a_terminal(tmp_path: Path) -> None:
    """It looks again and again and draws in place; while nobody answers the last table stays and says so; Ctrl-C ends it well."""
    answers = dict(ANSWERS)
    with small_api(answers, tmp_path) as file:
        ours, its = pty.openpty()
        env = {**os.environ, "KUBECONFIG": str(file), "TERM": "xterm", "COLUMNS": "160", "LINES": "40"}
        # A shell that runs tests in the background has them ignore Ctrl-C, which all that they start would inherit.
        command = ["env", "--default-signal=INT", str(INSTALLED), "top", "--every", "0.5"]
        process = subprocess.Popen(command, stdin=its, stdout=its, stderr=its, env=env)
        screen = Screen(ours)
        try:
            until(lambda: "policies: 3" in screen.read(), seconds=30, what="the first table")
            answers[POLICIES] = (200, {"items": [told("billing", SPIKE)]})
            until(lambda: "policies: 1" in screen.read(), seconds=30, what="the next table")
            answers[POLICIES] = (503, {"message": "not now"})
            until(lambda: "not up to date: not now" in screen.read(), seconds=30, what="that it is old")
            process.send_signal(signal.SIGINT)
            assert process.wait(15) == 0
        finally:
            process.kill()
            os.close(its)
            os.close(ours)


class Screen:
    """What a program has written to a terminal so far."""

    def __init__(self, terminal: int) -> None:
        os.set_blocking(terminal, False)
        self._terminal = terminal
        self._written = b""

    def read(self) -> str:
        with suppress(BlockingIOError):
            while chunk := os.read(self._terminal, 65536):
                self._written += chunk
        return self._written.decode(errors="replace")
