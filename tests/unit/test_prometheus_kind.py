"""A MessageBroker of type Prometheus: what its block may hold, and what can be done on it."""

from __future__ import annotations

from typing import Any

import pytest

from floodwarden.api.manifests import ManifestError, parsed
from floodwarden.api.messagebroker import MessageBroker
from floodwarden.core.capabilities import Capability
from floodwarden.sweep.binding import lacking
from tests.support.resources import backlog_policy, delivery_policy, prometheus

REACH = {"url": "https://prometheus.monitoring.svc:9090"}
OWN = {"end": "a", "committed": "b"}
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "an authority without TLS": ({"url": "http://p:9090", "caSecretRef": {"name": "ca"}}, "caSecretRef: only used with TLS"),
    "two proofs": (
        {"credentialsSecretRef": {"name": "a"}, "bearerTokenSecretRef": {"name": "b"}},
        "bearerTokenSecretRef: cannot stand beside credentialsSecretRef",
    ),
    "no queries": ({"exporter": "Custom"}, "queries: belongs to exporter Custom"),
    "queries that are not used": ({"queries": OWN}, "queries: belongs to exporter Custom"),
    "labels that are not used": (
        {"exporter": "Custom", "queries": OWN, "labels": [{"name": "a", "value": "b"}]},
        "labels: only used with the ready-made",
    ),
    "no position": ({"exporter": "Custom", "queries": {"end": "a"}}, "queries.committed: needs either"),
    "two positions": ({"exporter": "Custom", "queries": {**OWN, "lag": "c"}}, "queries.committed: needs either"),
    "another exporter": ({"exporter": "Burrow"}, "Input should be"),
    "an age of nothing": ({"maxAge": "1s"}, "must be a duration from 5s to 1h"),
}


@pytest.mark.parametrize(("block", "says"), WRONG.values(), ids=WRONG)
def test_wrong_files_are_refused(block: dict[str, Any], says: str) -> None:
    """As the API server refuses them."""
    head = {"apiVersion": "floodwarden.dev/v1alpha1", "kind": "MessageBroker", "metadata": {"name": "main"}}
    with pytest.raises(ManifestError, match=says):
        parsed(MessageBroker, {**head, "spec": {"type": "Prometheus", "prometheus": {**REACH, **block}}})


def test_it_tells_of_groups_and_of_nothing_else() -> None:
    """Policies that ask for more are refused by name."""
    broker = prometheus()
    assert broker.capabilities == {Capability.GROUPS}
    assert lacking(backlog_policy(), broker) is None
    assert lacking(delivery_policy(), broker) == "whose settings Floodwarden cannot audit"
    assert lacking(backlog_policy(subscription={"queues": ["orders"]}), broker) is not None
