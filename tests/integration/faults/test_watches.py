"""A watch that goes silent, the connection stands and nothing comes any more; and one that ends in the middle of an event."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from floodhack.api_proxy import ApiProxy
from floodwarden.handlers.registry import STEADY_AFTER
from tests.integration.faults.conftest import Run
from tests.integration.loop.shop import POLICY, Shop
from tests.support.operator_process import OperatorProcess

NOTICED_WITHIN = 150.0  # seconds: a stream is dead after 90 without a word, and the list tells after 70 at most


Watched = tuple[OperatorProcess, Shop]


@pytest.fixture
def watched(proxy: ApiProxy, run: Run, open_shop: Callable[[OperatorProcess], Shop], tmp_path: Path) -> Watched:
    """An operator that watches through the proxy, and a shop whose policy it has decided."""
    operator = run(kubeconfig=proxy.kubeconfig(tmp_path / "kubeconfig"))
    operator.await_ready()
    shop = open_shop(operator)
    shop.make_topic(4)
    shop.idle(3)
    shop.broker()
    shop.policy(consumers={"minReplicas": 3})
    shop.await_condition("WithinLag", "True", "WithinLimit")
    return operator, shop


def test_a_watch_goes_silent(proxy: ApiProxy, watched: Watched) -> None:
    """Decisions go on by what was known; the silence is noticed, and the edit that it swallowed is followed without a restart."""
    operator, shop = watched
    listed = Counter(proxy.lists)
    proxy.silence_watches()
    shop.patch("fwbp", POLICY, {"spec": {"consumers": {"maxReplicas": 3}}})
    shop.produce(2)
    status = shop.await_status(lambda s: s["lag"]["messages"] == 8, "sweeps go on")
    assert status["replicas"]["ceiling"] == 4, "the edit cannot be known yet"
    shop.await_status(lambda s: s["replicas"]["ceiling"] == 3, "the edit followed", within=NOTICED_WITHIN)
    shop.until(lambda: operator.get("/healthz")[0] == 200, "alive")
    assert shop.replicas() == 3
    watcher = [agent for agent in proxy.lists if agent.startswith("kopf")]
    assert [proxy.lists[agent] for agent in watcher] == [listed[agent] for agent in watcher], "taken up, not listed again"


def test_watches_are_cut_in_the_middle_of_an_event(proxy: ApiProxy, watched: Watched) -> None:
    """The process goes on, an edit made meanwhile is followed, and it still ends when it is told to."""
    operator, shop = watched
    sweeps = 2 * (STEADY_AFTER + 3)  # of half a second each
    shop.until(
        lambda: (operator.value("floodwarden_sweep_duration_seconds_count") or 0) > sweeps, "watching went well for a while"
    )
    listed = Counter(proxy.lists)
    proxy.break_watches()
    shop.patch("fwbp", POLICY, {"spec": {"consumers": {"maxReplicas": 3}}})
    shop.await_status(lambda s: s["replicas"]["ceiling"] == 3, "the edit followed")
    assert operator.get("/healthz")[0] == 200
    assert shop.replicas() == 3
    watcher = [agent for agent in proxy.lists if agent.startswith("kopf")]
    assert all(proxy.lists[agent] > listed[agent] for agent in watcher), "everything was listed again"
    assert operator.end(signal.SIGTERM) == 0
