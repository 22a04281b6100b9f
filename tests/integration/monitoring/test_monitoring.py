"""Every query of the dashboard and of the alerts answers with data, and the alerts say what is wrong.

Whether each alert fires for the right series and at the right time is in alerts_test.yaml, for promtool.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from floodhack.waiting import until
from tests.integration.loop.shop import POLICY, Shop
from tests.support.monitoring import ALERTS, Query, alerts, panel_queries, selectors, variable_queries
from tests.support.prometheus import Prometheus, ensure_prometheus

CASES = Path(__file__).with_name("alerts_test.yaml")
# States that take minutes to come to: that their policies would be told is a matter of the label's value alone, and that there
# are such states is in tests/unit/test_chart_monitoring.py.
SLOW = re.compile(r'\{state="(PartitionHot|StepIneffective|StepOverdue)"\}')


def answers(prometheus: Prometheus, expression: str) -> bool:
    """Whether an expression has data before long: rates need a second scrape."""
    until(lambda: bool(prometheus.query(expression)), seconds=60, what=f"data for {expression}", every=0.5)
    return True


@pytest.mark.parametrize("query", [pytest.param(q, id=q.title) for q in [*panel_queries(), *variable_queries()]])
def test_every_query_of_the_dashboard_has_data(trouble: Shop, prometheus: Prometheus, query: Query) -> None:
    """A panel shows something, and not only because it falls back on zero: each series that it asks for is there."""
    assert answers(prometheus, query.expression)
    for selector in selectors(query.expression):
        assert answers(prometheus, selector)


@pytest.mark.parametrize("alert", [pytest.param(found, id=found["alert"]) for found in alerts()])
def test_every_alert_looks_at_series_that_are_there(trouble: Shop, prometheus: Prometheus, alert: dict[str, str]) -> None:
    """An alert over series that do not exist would be silent for ever."""
    prometheus.query(alert["expr"])
    found = selectors(alert["expr"])
    assert found
    for selector in found:
        assert answers(prometheus, SLOW.sub("", selector))


def test_the_alerts_name_what_is_wrong(trouble: Shop, prometheus: Prometheus) -> None:
    """Every rule is evaluated without error, and tells the trouble that was made, by the policies' own namespace."""
    shop = trouble
    expected = {
        ("FloodwardenPolicyAtCeiling", POLICY),
        ("FloodwardenPolicyOverLimit", POLICY),
        ("FloodwardenPolicyOverLimit", "lost"),  # of the same group
        ("FloodwardenPolicyBlocked", "lost"),
        ("FloodwardenReadingLost", "blind"),
        ("FloodwardenBrokerUnread", "gone"),
        ("FloodwardenNotCompliant", "unsafe"),
        ("FloodwardenAuditsFail", "gone"),
    }

    told: set[tuple[str, str]] = set()

    def all_due() -> bool:
        told.clear()
        told.update(
            (rule["name"], alert["labels"].get("policy") or alert["labels"]["broker"])
            for rule in prometheus.rules()
            for alert in rule["alerts"]
            if alert["labels"].get("namespace") == shop.namespace
        )
        return told >= expected

    until(all_due, seconds=90, what=f"the alerts that are due: {expected}", every=0.5)
    assert told == expected
    assert {rule["health"] for rule in prometheus.rules()} == {"ok"}
    quiet = {"FloodwardenDown", "FloodwardenNoLeader", "FloodwardenRestarting", "FloodwardenStatusWritesFailing"}
    assert not [rule["name"] for rule in prometheus.rules() if rule["alerts"] and rule["name"] in quiet]


@pytest.mark.parametrize("command", [("check", "rules", str(ALERTS)), ("test", "rules", str(CASES))], ids=["check", "test"])
def test_promtool_finds_nothing(command: tuple[str, ...]) -> None:
    """The rules are well formed, and fire for the series that they should, and for no others."""
    ensure_prometheus()
    done = subprocess.run(["promtool", *command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_case() -> None:
    """alerts_test.yaml makes every alert of the chart fire."""
    fired = {
        name
        for test in yaml.safe_load(CASES.read_text())["tests"]
        for case in test["promql_expr_test"]
        for sample in case["exp_samples"]
        for name in re.findall(r'alertname="(\w+)"', sample["labels"])
    }
    assert fired == {alert["alert"] for alert in alerts()}
