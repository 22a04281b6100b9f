"""What the process tells of itself: metrics, probes, and that it is quiet while nothing changes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from floodhack.instance import Instance
from floodhack.waiting import until
from tests.conftest import Cluster
from tests.integration.loop.shop import BROKER, POLICY, Shop
from tests.support.operator_process import OperatorProcess

PORT = 8281
POLICY_GAUGES = {
    "lag_messages", "lag_seconds", "reading_exact", "produced_messages_per_second", "consumed_messages_per_second", "partitions",
    "replicas", "replicas_desired", "replicas_ceiling", "within_limit", "stalled_partitions",
}  # fmt: skip
UNKNOWN_ABSENT = POLICY_GAUGES - {"reading_exact", "replicas", "replicas_desired"}


def gauges(shop: Shop, policy: str) -> set[str]:
    """The gauges that a policy has."""
    return {name for name in POLICY_GAUGES if shop.measure(f"policy_{name}", policy) is not None}


def test_metrics_tell_what_is_known(shop: Shop) -> None:
    """Every known value has a series, named by the conventions of Prometheus; what is not known has none."""
    shop.make_topic(4)
    shop.produce(5)
    shop.idle(1)
    shop.idle(1, name="other")
    shop.broker()
    shop.broker(name="gone", kafka={"bootstrapServers": ["127.0.0.1:1"]})
    shop.policy()
    shop.policy(name="blind", brokerRef={"name": "gone"}, target={"name": "other"})
    shop.until(lambda: gauges(shop, POLICY) == POLICY_GAUGES, "all gauges of what is known")
    shop.await_condition("WithinLag", "Unknown", "BrokerUnreachable", name="blind")
    assert not gauges(shop, "blind") & UNKNOWN_ABSENT
    assert shop.measure("policy_lag_messages") == 20
    assert shop.measure("policy_partitions") == 4
    assert shop.measure("policy_within_limit") == 1
    assert shop.measure("policy_reading_exact", "blind") == 0
    assert shop.measure("decisions_total", "blind", reason="BrokerUnreachable")

    def broker(name: str, broker: str = BROKER, **labels: str) -> float | None:
        return shop.operator.value(f"floodwarden_{name}", namespace=shop.namespace, broker=broker, **labels)

    assert broker("sweep_duration_seconds_count")
    assert broker("broker_requests_total")
    assert broker("broker_nodes_unreachable") == 0
    assert broker("sweep_failures_total", "gone", reason="BrokerUnreachable")
    assert broker("sweep_duration_seconds_count", "gone") is None
    assert shop.operator.value("floodwarden_status_writes_total", outcome="written")
    assert shop.operator.value("floodwarden_events_dropped_total") == 0


def test_probes_of_a_healthy_process(operator: OperatorProcess) -> None:
    """Both probes say ok."""
    assert operator.get("/healthz") == (200, "ok\n")
    assert operator.get("/readyz") == (200, "ok\n")


@pytest.fixture
def stranded(cluster: Cluster, tmp_path: Path) -> Iterator[OperatorProcess]:
    """An operator whose API server does not answer."""
    config = yaml.safe_load(cluster.kubeconfig.read_text())
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(config))
    process = OperatorProcess(kubeconfig, tmp_path / "operator.log", Instance.current().port(PORT))
    process.start()
    yield process
    if process.running:
        process.end()


def test_not_ready_before_anything_is_known(stranded: OperatorProcess, operator: OperatorProcess) -> None:
    """Without an API server the process lives, is not ready and says why, and still ends in order."""
    until(lambda: stranded.get("/readyz")[0] == 503, seconds=30, what="it says that it is not ready", dead=stranded.died)
    assert "have not been listed" in stranded.get("/readyz")[1]
    assert stranded.get("/healthz")[0] == 200
    assert stranded.end() == 0


def test_quiet_while_nothing_changes(shop: Shop) -> None:
    """Sixty sweeps that bring nothing new write nothing to the policy, and post no Event."""
    shop.make_topic(4)
    shop.idle(1)
    shop.broker()
    shop.policy()
    shop.await_status(lambda s: s.get("state") == "Steady", "steady")
    shop.let_it_decide(4)
    before = shop.kubectl.get("fwbp", POLICY, namespace=shop.namespace)["metadata"]["resourceVersion"]
    shop.let_it_decide(60)
    assert shop.kubectl.get("fwbp", POLICY, namespace=shop.namespace)["metadata"]["resourceVersion"] == before
    assert shop.reasons() == []
