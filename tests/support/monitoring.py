"""The chart's alerts, and the queries of its dashboard with Grafana's variables filled in."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from floodhack.kustomize import CHART

ALERTS = CHART / "files" / "alerts.yaml"
DASHBOARD = CHART / "files" / "dashboard.json"
# As Grafana fills them in when all is chosen and a minute is shown.
_VARIABLES = {"$__rate_interval": "1m", "$namespace": ".*", "$policy": ".*"}
_SELECTOR = re.compile(r"\b((?:floodwarden|process)_\w+)(\{[^}]*\})?")


@dataclass(frozen=True)
class Query:
    """One query, and where it stands."""

    title: str
    expression: str


def alerts() -> list[dict[str, Any]]:
    """Every alerting rule of the chart."""
    return [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


def panel_queries() -> list[Query]:
    """Every query of a panel."""
    return [Query(panel["title"], _filled(target["expr"])) for panel in _panels() for target in panel.get("targets", ())]


def variable_queries() -> list[Query]:
    """The series that the choices of each variable are taken from."""
    listed = json.loads(DASHBOARD.read_text())["templating"]["list"]
    texts = {variable["name"]: variable["query"]["query"] for variable in listed if variable["type"] == "query"}
    return [Query(name, _filled(re.fullmatch(r"label_values\((.*), \w+\)", text)[1])) for name, text in texts.items()]  # type: ignore[index]


def _panels() -> Iterator[dict[str, Any]]:
    yield from json.loads(DASHBOARD.read_text())["panels"]


def _filled(expression: str) -> str:
    for name, value in _VARIABLES.items():
        expression = expression.replace(name, value)
    assert "$" not in expression, f"a variable that Grafana would not know either: {expression}"
    return expression


def selectors(expression: str) -> list[str]:
    """The selectors of series in an expression, without their ranges."""
    return [f"{name}{matchers or ''}" for name, matchers in _SELECTOR.findall(expression)]


def names(expression: str) -> set[str]:
    """The metrics that an expression asks for."""
    return {name for name, _ in _SELECTOR.findall(expression)}
