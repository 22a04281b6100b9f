"""Half messages that real brokers gave up are put back, so that producers are asked again: what mqadmin counts shows it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest

from floodhack.waiting import until
from floodwarden.brokers.rocketmq import RocketMQSettings
from floodwarden.core.delivery.audit import Findings
from floodwarden.core.delivery.wishes import TransactionWishes, Wishes
from tests.contract.cluster.eventually import eventually
from tests.contract.rocketmq.real_rocketmq import RealRocketMQ, committing
from tests.contract.rocketmq.test_settings import judged

SOON = 60.0
# RocketMQ 5 keeps what was ended for three seconds before it writes it down: whoever is checked sooner is checked again.
CHECKS = {"transactionTimeOut": "1000", "transactionCheckInterval": "5000", "transactionCheckMax": "2"}


@pytest.fixture
async def settings(rocketmq: RealRocketMQ) -> AsyncIterator[RocketMQSettings]:
    """An adapter."""
    adapter = RocketMQSettings(rocketmq.name_servers)
    yield adapter
    await adapter.close()


def resuming(topic: str) -> Wishes:
    """A policy that has them put back."""
    return Wishes("shop/orders", acts=True, names=(topic,), transactions=TransactionWishes(None, 600.0, resumes=True))


def named(*keys: str) -> Callable[[Findings], bool]:
    """Whether these are to be put back, and no others."""
    return lambda seen: [change.name for change in seen.changes] == list(keys)


async def test_they_are_put_back_once(rocketmq: RealRocketMQ, settings: RocketMQSettings, group: str) -> None:
    """A producer that is there by then commits what it is asked about, and the message is read; what nobody ends is given up
    again, and then stays."""
    topic = rocketmq.topic(queues=1)
    policy = resuming(topic)
    with rocketmq.configured(master=CHECKS):  # 4.9 looks at the interval only when it starts
        lost, kept = rocketmq.half(topic, "gone"), rocketmq.half(topic, group)
        dropped = await eventually(lambda: judged(settings, policy), named(lost, kept), within=SOON)
        assert ends(rocketmq, topic) == 0
        before = ends(rocketmq, "RMQ_SYS_TRANS_HALF_TOPIC")
        async with committing(rocketmq, group) as asked:
            assert await settings.write(dropped.changes) == {}
            await eventually(lambda: judged(settings, policy), named(kept), within=SOON)
        assert set(asked) == {kept}
        assert ends(rocketmq, "RMQ_SYS_TRANS_HALF_TOPIC") >= before + 2
        until(lambda: ends(rocketmq, topic) == 1, seconds=SOON, what="the message that was committed can be read")
        again = await judged(settings, policy)
        assert any("given up again" in one.reason for one in again.violations)
        looks = replace(policy, acts=False, enforces=False)
        assert (await judged(settings, looks)).changes == ()


def ends(servers: RealRocketMQ, topic: str) -> int:
    """How many messages were ever written to a topic, as mqadmin tells."""
    return sum(int(row[3]) for row in servers.rows("topicStatus", "-t", topic))


async def test_acls(guarded: RealRocketMQ) -> None:
    """An administrator may read them and put them back."""
    topic = guarded.topic(queues=1)
    adapter = RocketMQSettings(guarded.name_servers, guarded.security())
    try:
        with guarded.configured(master=CHECKS):
            key = guarded.half(topic)
            dropped = await eventually(lambda: judged(adapter, resuming(topic)), named(key), within=SOON)
            assert await adapter.write(dropped.changes) == {}
    finally:
        await adapter.close()
