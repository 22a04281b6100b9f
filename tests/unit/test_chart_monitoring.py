"""The chart's alerts and dashboard as far as they can be judged without Prometheus: what they name exists."""

from __future__ import annotations

import json
import re

from floodwarden.core.reasons import Reason
from floodwarden.sweep.metrics import Metrics
from tests.support.monitoring import ALERTS, DASHBOARD, alerts, names, panel_queries, variable_queries


def exposed() -> set[str]:
    """The names of all samples that an operator can expose."""
    metrics = Metrics()
    metrics.count_dropped_events(lambda: 0)
    metrics.tell_shares(lambda: 0, lambda: 0, lambda: False)
    suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum"), "gauge": ("",)}
    return {f"{family.name}{suffix}" for family in metrics.registry.collect() for suffix in suffixes[family.type]}


def test_alerts_and_dashboard_ask_for_metrics_that_exist() -> None:
    """Nothing is asked for that no operator exposes."""
    expressions = [alert["expr"] for alert in alerts()]
    expressions += [query.expression for query in [*panel_queries(), *variable_queries()]]
    asked = {name for expression in expressions for name in names(expression)}
    assert asked
    assert asked <= exposed()


def test_states_and_reasons_exist() -> None:
    """A state or reason in an expression is one that a policy can have."""
    expressions = "\n".join([ALERTS.read_text(), *(query.expression for query in panel_queries())])
    patterns = re.findall(r'(?:state|reason)=~?"([^"$]+)"', expressions)
    assert patterns
    for pattern in patterns:
        for alternative in _alternatives(pattern):
            assert any(re.fullmatch(alternative, reason.value) for reason in Reason), alternative


def _alternatives(pattern: str) -> list[str]:
    """`A(B|C)|D` as AB, AC, D."""
    found: list[str] = []
    for part in re.findall(r"(?:\([^)]*\)|[^|()])+", pattern):
        stem, _, inner = part.partition("(")
        found += [stem + end for end in inner.rstrip(")").split("|")] if inner else [stem]
    return found


def test_every_alert_says_what_it_means() -> None:
    """Each has a severity, one line that says what is wrong, and what it means and what to do about it."""
    for alert in alerts():
        assert alert["alert"].startswith("Floodwarden")
        assert alert["labels"]["severity"] in ("critical", "warning"), alert["alert"]
        assert alert["annotations"].keys() == {"summary", "description"}, alert["alert"]


def test_the_dashboard_is_laid_out() -> None:
    """Panels do not overlap, say what they show, and read from the data source that is chosen."""
    panels = json.loads(DASHBOARD.read_text())["panels"]
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24, panel["title"]
        taken |= cells
        if panel["type"] != "row":
            assert panel["description"], panel["title"]
            assert panel["datasource"]["uid"] == "${datasource}", panel["title"]
    assert len({panel["id"] for panel in panels}) == len(panels)
