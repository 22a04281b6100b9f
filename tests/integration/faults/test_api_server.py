"""The API server goes away and comes back: what cannot be written is not done, and nothing is forgotten."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from floodhack.instance import CHECKOUT
from tests.integration.loop.replica_log import replica_log
from tests.integration.loop.shop import BROKER, POLICY, Shop
from tests.support.lengths import short_or_soak

AWAY = short_or_soak(15, 60)  # seconds


def api_server(action: str) -> None:
    """Start or stop it."""
    subprocess.run([sys.executable, CHECKOUT / "hack" / "cluster", action, "apiserver"], stdout=sys.stderr, check=True)


@pytest.fixture
def back() -> Iterator[None]:
    """The API server serves again after the test, before anything is cleared away."""
    yield
    api_server("start")


def test_it_is_restarted(shop: Shop, back: None) -> None:
    """The watches are taken up again, statuses go on, and replicas stay."""
    shop.make_topic(4)
    shop.idle(3)
    shop.broker()
    shop.policy(consumers={"scaleDown": {"stabilization": "10m"}})
    shop.await_condition("WithinLag", "True", "WithinLimit")
    generation = shop.kubectl.get("deployment", POLICY, namespace=shop.namespace)["metadata"]["generation"]
    api_server("restart")
    shop.patch("fwbp", POLICY, {"spec": {"consumers": {"maxReplicas": 3}}})
    shop.await_status(lambda s: s["replicas"].get("ceiling") == 3, "the edit followed")
    shop.await_condition("Ready", "True", "Watching")
    shop.until(lambda: shop.operator.get("/healthz")[0] == 200, "alive")
    shop.let_it_decide(10)
    assert shop.kubectl.get("deployment", POLICY, namespace=shop.namespace)["metadata"]["generation"] == generation
    assert "ScaledByHand" not in shop.reasons()


def test_it_is_away_for_a_while(shop: Shop, back: None) -> None:
    """A spike meanwhile is answered by one step once it is back; until then it is told by metrics that nothing can be done."""
    shop.make_topic(8)
    shop.broker()
    shop.consumers(1, capacity=20)
    shop.policy(maxLag={"messages": 2000})
    shop.learn_capacity(30, partitions=range(8))
    before = shop.kubectl.get("deployment", POLICY, namespace=shop.namespace)["metadata"]["generation"]
    api_server("stop")
    shop.produce(300 + int(20 * AWAY / 8), partitions=range(8))
    shop.until(lambda: bool(shop.measure("decisions_total", reason="APIServerUnreachable")), "told by the metrics")
    decided = shop.measure("decisions_total") or 0.0
    shop.until(lambda: (shop.measure("decisions_total") or 0.0) >= decided + 2 * AWAY, "the outage over", within=20 * AWAY)
    assert shop.operator.get("/healthz")[0] == 200
    api_server("start")
    with replica_log(shop.kubectl, POLICY, shop.namespace) as replicas:
        shop.until(lambda: shop.replicas() > 1, "the step", within=120)
        shop.await_status(lambda s: s["lastStep"]["phase"] != "Settling", "the step settled", within=180)
        shop.await_condition("Ready", "True", "Watching")
        after = shop.kubectl.get("deployment", POLICY, namespace=shop.namespace)["metadata"]["generation"]
    assert after == before + 1, replicas
    assert shop.reasons().count("ScaledUp") == 1
    assert "ScaledByHand" not in shop.reasons()
    shop.await_condition("Ready", "True", "Sweeping", kind="fwmb", name=BROKER)
