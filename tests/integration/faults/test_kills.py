"""The replica that sweeps is killed at random moments of spikes: no step is lost, none is made twice, and none is made for it."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import cycle

from tests.integration.faults.conftest import Run
from tests.integration.loop.replica_log import replica_log
from tests.integration.loop.shop import POLICY, Shop
from tests.support.lengths import short_or_soak
from tests.support.moments import let_pass
from tests.support.operator_process import OperatorProcess

KILLS_IN_A_SPIKE = 3
KILLS = int(short_or_soak(3, 21))
SEED = 4


class Pair:
    """Two replicas, of which one sweeps the shop's broker."""

    def __init__(self, shop: Shop, replicas: Sequence[OperatorProcess], at_once: Iterator[bool]) -> None:
        self._shop, self._replicas, self._at_once = shop, replicas, at_once

    def sweeping(self) -> OperatorProcess | None:
        """The replica that has the Lease of the broker."""
        holder = self._shop.sweeper()
        return next((one for one in self._replicas if one.running and one.replica() == holder), None)

    def kill(self, moment: float) -> None:
        """Kill it after so many seconds. By turns it is started again at once, and once the other has taken over."""
        let_pass(moment)
        self._shop.until(lambda: self.sweeping() is not None, "a replica that sweeps")
        victim = self.sweeping()
        assert victim is not None
        victim.end(signal.SIGKILL)
        if not next(self._at_once):
            self._shop.until(lambda: self.sweeping() not in (None, victim), "the other replica sweeps")
        victim.start()


def stepped(replicas: Sequence[int]) -> bool:
    """Whether there was a step since the log began."""
    return len(replicas) > 1


def test_the_leader_is_killed_at_random_moments_of_spikes(run: Run, open_shop: Callable[[OperatorProcess], Shop]) -> None:
    """Every spike is answered by one step up, and one down after the window: in the log of the replicas and in the Events."""
    moments = random.Random(SEED)
    operators = [run(), run()]
    for operator in operators:
        operator.await_ready()
    shop = open_shop(operators[0])
    pair = Pair(shop, operators, cycle([True, False]))
    shop.make_topic(8)
    shop.broker()
    shop.consumers(2, capacity=25)
    shop.policy(maxLag={"messages": 2000}, consumers={"minReplicas": 2})
    shop.learn_capacity(75, partitions=range(8))
    shop.await_status(lambda s: s["lag"]["messages"] == 0, "the first backlog gone")
    shop.policy(maxLag={"messages": 60}, catchUp="60s", consumers={"minReplicas": 2})
    with shop.stream(15, partitions=range(8)) as stream:
        for spike in range(KILLS // KILLS_IN_A_SPIKE):
            shop.await_status(lambda s: s["state"] == "Steady" and s["lag"]["messages"] < 60, "steady", within=120)
            with replica_log(shop.kubectl, POLICY, shop.namespace) as replicas:
                stream.rate = 70
                pair.kill(moments.uniform(0, 5))
                shop.until(partial(stepped, replicas), "a step up", within=90)
                pair.kill(moments.uniform(0, 10))
                shop.await_condition("WithinLag", "True", "WithinLimit", within=120)
                stream.rate = 15
                pair.kill(moments.uniform(0, 15))
                shop.await_replicas(2, within=150)
            assert [replicas[0], replicas[-1], len(replicas)] == [2, 2, 3], replicas
            assert replicas[1] in (4, 8), replicas
            assert shop.reasons().count("ScaledUp") == spike + 1
            assert shop.reasons().count("ScaledDown") == spike + 1
            assert "ScaledByHand" not in shop.reasons()
