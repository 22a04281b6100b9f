"""What tenants can make Floodwarden say is small and prints: status, Events, metrics and logs at their worst."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import structlog
from prometheus_client import generate_latest

from floodwarden.api.messagebroker import MessageBrokerStatus
from floodwarden.api.shared import bounded
from floodwarden.cli.logs import VALUE_BYTES, configure
from floodwarden.core.assess import assess
from floodwarden.core.broker_conditions import broker_conditions, broker_notices
from floodwarden.core.conditions import Notice, conditions, notices
from floodwarden.core.decide import Decision
from floodwarden.core.diagnosis.cause import Cause, Finding, Verdict
from floodwarden.core.diagnosis.usual import Level, Usual
from floodwarden.core.history import History
from floodwarden.core.memory import Basis, Capacity, Memory, Phase, Step
from floodwarden.core.observation import Offsets, Partition, Reading, Snapshot, Unknown, UnknownReason
from floodwarden.core.reasons import Reason
from floodwarden.core.target import Target
from floodwarden.sweep import clock
from floodwarden.sweep.metrics import Metrics
from floodwarden.sweep.report import status_of, to_api
from floodwarden.sweep.store import Key
from tests.support.hostile import HOSTILE
from tests.support.resources import backlog_policy
from tests.support.world import policy

MOST_BYTES = 16 * 1024
LONGEST_TOPIC = "t" * 249
MANY = 300
TARGET = Target("uid", 10**9, "app=billing", "1", 0)
NAMES = {**HOSTILE, "the longest topic of Kafka": LONGEST_TOPIC}


def worst_reading(name: str) -> Reading:
    """Many partitions of topics with such names: unknown for every reason there is, without commit, expired, beyond the end."""
    kinds: list[Offsets | Unknown] = [
        *(Unknown(reason, f"{name}: {reason} {name}") for reason in UnknownReason),
        Offsets(0, 10**18, None),
        Offsets(10**17, 10**18, 3),
        Offsets(0, 10, 10**18),
        Offsets(0, 10**18, 1),
    ]
    partitions = {Partition(f"{name}{number}", 2**31 - 1 - number): kinds[number % len(kinds)] for number in range(MANY)}
    return Reading(partitions, missing_topics=frozenset(f"{name}-{number}" for number in range(MANY)))


def worst(name: str) -> tuple[dict[str, Any], list[Notice]]:
    """The status as JSON and the Events of a policy whose brokers say such things, with everything in it that can be."""
    now = clock.now()
    history, reading = History(), worst_reading(name)
    history.record(now, reading)
    seen = assess(reading, history, now)
    everywhere = tuple(reading.partitions)
    decision = Decision(
        Reason.GROUP_STALLED,
        f"{name} " * 3,
        desired=10**9,
        ceiling=10**9,
        over=True,
        stalled=everywhere,
        hot=everywhere,
        eta=80000.0,
    )
    memory = Memory(
        capacity=Capacity(1234567.891, now, Basis.MEASURED),
        step=Step(now, 10**9, 10**9, Reason.STEP_INEFFECTIVE, Phase.OVERDUE, 1234567.8),
        over_since=now,
        unknown_since=now - 1000,
        blocked_until=now,
        blocked_for=3600.0,
        blocked_throughput=1234567.8,
        verdict=Verdict(Finding(Cause.PARTITION_STALLED, f"{name} " * 300), now, now),
        usual=Usual({f"{name}{number}": Level(1234567.8, 1234567.8, 6000.0) for number in range(MANY)}, now, 1234567.8, 10**9),
    )
    shown = conditions(policy(), seen, decision, None, memory, {}, now)
    status = status_of(backlog_policy(), shown, seen, decision, memory, TARGET, ())
    told = list(notices({}, shown, seen, decision, replace(memory, over_since=None), now))
    return status.to_api(), told


def texts(value: object) -> Iterator[str]:
    """Every string in a JSON value."""
    match value:
        case str():
            yield value
        case dict():
            yield from (text for one in value.values() for text in texts(one))
        case list() | tuple():
            yield from (text for one in value for text in texts(one))


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_a_policys_status_at_its_worst(name: str) -> None:
    """However many partitions, whatever their names: at most 16 KiB, and all of it prints."""
    status, told = worst(name)
    assert {"capacity", "lastStep", "blocked", "overSince", "drainETA", "gaps", "cause", "usual"} <= status.keys()
    assert status["partitions"]["total"] == MANY
    assert len(json.dumps(status, ensure_ascii=False).encode()) <= MOST_BYTES
    assert all(text.isprintable() for text in texts(status))
    assert {notice.reason for notice in told} >= {Reason.TOPIC_MISSING, Reason.GROUP_STALLED, Reason.OVER_LIMIT}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_a_brokers_status_at_its_worst(name: str) -> None:
    """However many nodes do not answer, whatever their addresses and however the brokers failed: the same."""
    nodes = tuple(f"{number} ({name}:9092)" for number in range(MANY))
    for outcome in (
        Snapshot({}, 1, nodes, unreachable=nodes, version="4.3"),
        Unknown(UnknownReason.AUTHENTICATION_FAILED, f"refused: {name}"),
    ):
        shown = broker_conditions(outcome, None, 60.0, {})
        unreachable = bounded(outcome.unreachable) if isinstance(outcome, Snapshot) else ()
        status = MessageBrokerStatus(conditions=to_api(shown, (), 1), unreachable_nodes=unreachable).to_api()
        assert len(json.dumps(status, ensure_ascii=False).encode()) <= MOST_BYTES
        assert all(text.isprintable() for text in texts(status))
        assert list(broker_notices({}, shown))


def test_names_that_fit_are_whole() -> None:
    """Bounds do not cut what Kafka allows: some partitions of the longest topics are named in full, the others counted."""
    given = [f"{LONGEST_TOPIC}-{number}" for number in range(12)]
    shown = bounded(given)
    assert shown[:-1] == tuple(given[: len(shown) - 1])
    assert len(shown) > 5
    assert shown[-1] == f"and {12 - (len(shown) - 1)} more"


def series(metrics: Metrics) -> set[str]:
    """The samples that are Floodwarden's own; those of the process change all the time."""
    return {line for line in generate_latest(metrics.registry).decode().splitlines() if line.startswith("floodwarden_")}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_metrics_know_objects_and_reasons_only(name: str) -> None:
    """No label holds what a broker said, so there are as many series as policies and reasons; and they go with the policy."""
    metrics, key, now = Metrics(), Key("shop", "billing"), clock.now()
    memory = Memory(verdict=Verdict(Finding(Cause.GROUP_STALLED, name), now, now))
    empty = series(metrics)
    history, reading = History(), worst_reading(name)
    history.record(now, reading)
    seen = assess(reading, history, now)
    for _ in range(3):
        decision = Decision(Reason.GROUP_STALLED, name, over=True, stalled=tuple(reading.partitions))
        metrics.policy(key, Reason.GROUP_STALLED, seen, decision, memory, TARGET)
        metrics.step(key, decision)
        metrics.sweep(key, 0.1, 6, MANY)
        metrics.sweep_failed(key, UnknownReason.TIMEOUT.value)
    labels = set(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', "\n".join(series(metrics) - empty)))
    values = {value for label, value in labels if label != "le"}
    assert values == {"shop", "billing", "GroupStalled", "BrokerTimeout"}
    metrics.forget_policy(key)
    metrics.forget_broker(key)
    assert series(metrics) == empty


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    """What the process writes, in the format that the test asks for."""
    out, root, before = io.StringIO(), logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers[:], root.level
    monkeypatch.setattr("sys.stderr", out)
    root.handlers = []
    configure("info", as_json=request.param)
    yield out
    root.handlers = handlers
    root.setLevel(level)
    structlog.configure(**before)


@pytest.mark.parametrize("logged", [True, False], ids=["json", "console"], indirect=True)
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_log_entry_is_one_line(logged: io.StringIO, text: str) -> None:
    """Of bounded length, and printable, whether the text is a value, in a list, the event itself or logged by a library."""
    log = structlog.get_logger("test")
    log.warning("said", why=text, names=[text])
    log.warning(text)
    logging.getLogger("library").warning("heard %s", text)
    lines = logged.getvalue().split("\n")
    assert len(lines) == 4
    assert lines.pop() == ""
    for line in lines:
        assert line.isprintable()
        # JSON writes a character outside of ASCII in up to twelve.
        assert len(line) <= 2 * 3 * VALUE_BYTES + 200


@pytest.mark.parametrize("logged", [True, False], ids=["json", "console"], indirect=True)
def test_a_traceback_moves_no_cursor(logged: io.StringIO) -> None:
    """An exception that quotes what somebody sent is told, and what does not print is escaped."""
    try:
        raise ValueError("\x1b]0;owned\x07 \u202e")
    except ValueError:
        structlog.get_logger("test").exception("failed")
    said = logged.getvalue()
    assert "ValueError" in said
    assert all(line.isprintable() for line in said.split("\n"))
