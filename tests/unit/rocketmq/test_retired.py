"""A set of brokers that was taken out of service is forgotten once it is gone, and one that is down is not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import pytest

from floodwarden.brokers.rocketmq import RocketMQSettings
from floodwarden.brokers.rocketmq.brokers import AWAY_SECONDS
from floodwarden.core.delivery.audit import Findings
from floodwarden.core.delivery.wishes import Wishes
from tests.support.rocketmq_settings import SetBroker
from tests.support.rocketmq_world import FakeCluster, later

POLICY = Wishes("shop/orders", acts=False, names=("orders",), flush="Async")


@dataclass
class World:
    """Two sets with a topic, of which the first has a slave, and an adapter for them."""

    cluster: FakeCluster
    of: dict[str, SetBroker]
    settings: RocketMQSettings

    async def judged(self) -> Findings:
        """An audit, some time after the last."""
        later(10)
        return self.settings.judge(await self.settings.survey(POLICY.matches), [POLICY])[POLICY.name]

    async def stop(self) -> None:
        """Both brokers of the first set: name servers forget them."""
        del self.cluster.registered["broker-a"]
        for name in ("broker-a", "slave"):
            await self.cluster.brokers[name].stop()


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """As it comes."""
    of = {name: SetBroker(topics={"orders": (6, 1, 1)}) for name in ("broker-a", "slave", "broker-b")}
    for broker in of.values():
        broker.config |= {"transientStorePoolEnable": "false", "brokerPermission": "6"}
    of["slave"].config["brokerRole"] = "SLAVE"
    cluster = FakeCluster(
        topics={"orders": {"broker-a": [(0, 0)], "broker-b": [(0, 0)]}}, instead=lambda name, request: of[name].answer(request)
    )
    await cluster.start(*of)
    cluster.registered["broker-a"][1] = cluster.registered.pop("slave")[0]
    settings = RocketMQSettings(cluster.addresses)
    yield World(cluster, of, settings)
    await settings.close()
    await cluster.stop()


def shut(world: World) -> None:
    """The broker itself takes no messages."""
    world.of["broker-a"].config["brokerPermission"] = "4"


def wipe(world: World) -> None:
    """Name servers send producers elsewhere."""
    world.cluster.perms["orders"] = 4


@pytest.mark.parametrize("retire", [shut, wipe])
async def test_one_that_was_taken_out_of_service(world: World, retire: Callable[[World], None]) -> None:
    """It is judged as long as it is there, and no more once it is gone."""
    assert (await world.judged()).brokers == 3
    retire(world)
    there = await world.judged()
    assert (there.brokers, there.gaps) == (3, ())
    await world.stop()
    gone = await world.judged()
    assert (gone.brokers, gone.gaps) == (1, ())


async def test_its_slave_may_go_first(world: World) -> None:
    """What had left before goes with it."""
    shut(world)
    await world.judged()
    await world.cluster.brokers["slave"].stop()
    del world.cluster.registered["broker-a"][1]
    assert (await world.judged()).brokers == 3
    await world.stop()
    assert ((await world.judged()).brokers, (await world.judged()).gaps) == (1, ())


@pytest.mark.parametrize("retire", [shut, wipe])
async def test_one_that_is_in_service_again(world: World, retire: Callable[[World], None]) -> None:
    """It is missed like any other: what it is set to is not known, for an hour."""
    retire(world)
    await world.judged()
    world.of["broker-a"].config["brokerPermission"] = "6"
    world.cluster.perms.clear()
    await world.judged()
    await world.stop()
    gone = await world.judged()
    assert [("no name server knows it" in gap.message, "an hour" in gap.message) for gap in gone.gaps] == [(True, True)]
    later(AWAY_SECONDS)
    assert (await world.judged()).gaps == ()


async def test_one_that_is_down(world: World) -> None:
    """That a slave takes no messages is no sign, nor that nobody can write to its topics anywhere."""
    for name in ("broker-a", "slave", "broker-b"):
        world.of[name].topics = {"orders": (4, 1, 1)}
    world.cluster.perms["orders"] = 4
    await world.judged()
    await world.stop()
    assert len((await world.judged()).gaps) == 1
