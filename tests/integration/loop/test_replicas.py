"""Two replicas: one acts, the other one takes over, and never both."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from floodhack.waiting import until
from tests.conftest import Cluster
from tests.integration.loop.replica_log import replica_log
from tests.integration.loop.shop import POLICY, Shop
from tests.support.operator_process import OperatorProcess, operating

PORT = 8283


@pytest.fixture
def second(cluster: Cluster, operator: OperatorProcess) -> Iterator[OperatorProcess]:
    """Another replica of the same release."""
    with operating(cluster.kubeconfig, "second.log", PORT) as process:
        yield process


@pytest.fixture
def served(shop: Shop) -> Shop:
    """A shop whose policy is decided on by the first replica."""
    shop.make_topic(4)
    shop.idle(1)
    shop.broker()
    shop.policy(consumers={"minReplicas": 1})
    shop.await_condition("WithinLag", "True", "WithinLimit")
    return shop


def decisions(process: OperatorProcess, shop: Shop) -> float:
    """How often a replica has decided on the shop's policy."""
    return process.value("floodwarden_decisions_total", namespace=shop.namespace, policy=POLICY) or 0.0


def decides(process: OperatorProcess, shop: Shop) -> bool:
    """Whether a replica decides on the shop's policy."""
    return decisions(process, shop) > 0


def written(process: OperatorProcess) -> float | None:
    """How many statuses a replica has written."""
    return process.value("floodwarden_status_writes_total", outcome="written")


def steps_of(process: OperatorProcess) -> int:
    """How many steps a replica has made since its log began."""
    return sum(record["event"] == "scaled" for record in process.records())


def lost_a_share(process: OperatorProcess) -> bool:
    """Whether a replica knows that another one took something from it."""
    return any(record["event"] == "share lost" for record in process.records())


def test_one_acts_and_hands_over(served: Shop, operator: OperatorProcess, second: OperatorProcess) -> None:
    """The replica in reserve is ready, decides nothing, and follows within seconds when the other one is ended in order."""
    assert served.sweeper() == operator.replica()
    assert decides(operator, served)
    assert not decides(second, served)
    before = served.events()
    # Shorter than kopf's own way to end, for which the other replica would have to wait.
    assert operator.end(within=4.0) == 0
    try:
        until(lambda: decides(second, served), seconds=8, what="the second replica decides", dead=second.died)
        assert served.sweeper() == second.replica()
        served.scale(0)
        served.patch("fwbp", POLICY, {"spec": {"consumers": {"minReplicas": 2}}})
        served.scale(1)
        served.await_replicas(2)
    finally:
        operator.start()
        operator.await_ready()
    began = decisions(second, served)
    until(lambda: decisions(second, served) > began + 3, seconds=20, what="three more decisions", dead=second.died)
    assert not decides(operator, served)
    assert served.sweeper() == second.replica()
    assert served.events()[: len(before)] == before


def test_a_stopped_replica_writes_nothing_when_it_goes_on(
    served: Shop, operator: OperatorProcess, second: OperatorProcess
) -> None:
    """A process that the kernel stopped for longer than its tenure finds its MessageBroker taken, and leaves it alone."""
    assert decides(operator, served)
    writes, steps = written(operator), steps_of(operator)
    operator.signal(signal.SIGSTOP)
    try:
        with replica_log(served.kubectl, POLICY, served.namespace) as replicas:
            served.patch("fwbp", POLICY, {"spec": {"consumers": {"minReplicas": 3}}})
            until(lambda: decides(second, served), seconds=30, what="the second replica decides", dead=second.died)
            served.await_replicas(3)
            operator.signal(signal.SIGCONT)
            until(
                lambda: lost_a_share(operator),
                seconds=20,
                what="the first replica knows that it lost its share",
                dead=operator.died,
            )
            began = decisions(second, served)
            until(lambda: decisions(second, served) > began + 3, seconds=20, what="three more decisions", dead=second.died)
        assert replicas == [1, 3]
    finally:
        operator.signal(signal.SIGCONT)
    assert not decides(operator, served)
    assert written(operator) == writes
    assert steps_of(operator) == steps
    assert served.reasons().count("BelowMinimum") == 1


def test_metrics_tell_who_leads(operator: OperatorProcess, second: OperatorProcess) -> None:
    """Exactly one of the replicas leads."""
    assert [operator.value("floodwarden_leader"), second.value("floodwarden_leader")] == [1, 0]
