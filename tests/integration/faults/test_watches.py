"""A watch that goes silent: the connection stands, and nothing comes any more."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.integration.faults.conftest import Run
from tests.integration.loop.shop import POLICY, Shop
from tests.support.api_proxy import ApiProxy
from tests.support.operator_process import OperatorProcess

NOTICED_WITHIN = 150.0  # seconds: a stream is dead after 90 without a word, and the list tells after 70 at most


def test_a_watch_goes_silent(proxy: ApiProxy, run: Run, open_shop: Callable[[OperatorProcess], Shop], tmp_path: Path) -> None:
    """Decisions go on by what was known; the silence is noticed, and the edit that it swallowed is followed without a restart."""
    operator = run(kubeconfig=proxy.kubeconfig(tmp_path / "kubeconfig"))
    operator.await_ready()
    shop = open_shop(operator)
    shop.make_topic(4)
    shop.idle(3)
    shop.broker()
    shop.policy(consumers={"minReplicas": 3})
    shop.await_condition("WithinLag", "True", "WithinLimit")
    watches = proxy.count("watch", resource="backlogpolicies")
    proxy.silence_watches()
    shop.patch("fwbp", POLICY, {"spec": {"consumers": {"minReplicas": 4}}})
    shop.let_it_decide(10)
    assert shop.replicas() == 3, "the edit cannot be known yet"
    shop.scale(2)
    shop.await_replicas(3)
    shop.await_replicas(4, within=NOTICED_WITHIN)
    assert proxy.count("watch", resource="backlogpolicies") > watches
    shop.until(lambda: operator.get("/healthz")[0] == 200, "alive")
