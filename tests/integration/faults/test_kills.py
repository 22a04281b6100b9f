"""Whoever sweeps is killed at random moments of a spike: no step is lost, none is made twice, and nothing is lowered for it."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Sequence
from functools import partial

from tests.integration.loop.replica_log import replica_log
from tests.integration.loop.shop import POLICY, Shop
from tests.support.lengths import short_or_soak

KILLS_IN_A_SPIKE = 3
KILLS = int(short_or_soak(3, 21))
SEED = 4


def kill(shop: Shop, moment: float) -> None:
    """Kill it after so many seconds, and start it again, as a Deployment would."""
    time.sleep(moment)  # a random moment is what is tested
    shop.operator.end(signal.SIGKILL)
    shop.operator.start()


def stepped(replicas: Sequence[int]) -> bool:
    """Whether there was a step since the log began."""
    return len(replicas) > 1


def test_the_leader_is_killed_at_random_moments_of_spikes(shop: Shop) -> None:
    """Every spike is answered by one step up, and one down after the window: in the log of the replicas and in the Events."""
    moments = random.Random(SEED)
    shop.make_topic(8)
    shop.produce(130, partitions=range(8))
    shop.broker()
    shop.consumers(2, capacity=25)
    shop.policy(maxLag={"messages": 2000}, consumers={"minReplicas": 2})
    shop.await_status(lambda s: s.get("capacity", {}).get("basis") == "Measured", "capacity measured")
    shop.await_status(lambda s: s["lag"]["messages"] == 0, "the first backlog gone")
    shop.policy(maxLag={"messages": 60}, catchUp="60s", consumers={"minReplicas": 2})
    with shop.stream(15, partitions=range(8)) as stream:
        for spike in range(KILLS // KILLS_IN_A_SPIKE):
            shop.await_status(lambda s: s["state"] == "Steady" and s["lag"]["messages"] < 60, "steady", within=120)
            with replica_log(shop.kubectl, POLICY, shop.namespace) as replicas:
                stream.rate = 70
                kill(shop, moments.uniform(0, 5))
                shop.until(partial(stepped, replicas), "a step up", within=90)
                kill(shop, moments.uniform(0, 10))
                shop.await_condition("WithinLag", "True", "WithinLimit", within=120)
                stream.rate = 15
                kill(shop, moments.uniform(0, 15))
                shop.await_replicas(2, within=150)
            assert [replicas[0], replicas[-1], len(replicas)] == [2, 2, 3], replicas
            assert replicas[1] in (4, 8), replicas
            assert shop.reasons().count("ScaledUp") == spike + 1
            assert shop.reasons().count("ScaledDown") == spike + 1
            assert "ScaledByHand" not in shop.reasons()
