"""DeliveryPolicies on RocketMQ: what brokers take while they run is written and read back, what needs a restart is only told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.contract.rocketmq.test_settings import shown
from tests.integration.loop.stall import DELIVERY
from tests.integration.rocketmq.topic_shop import TopicShop

MASTER = "master"
CHECKS = "transactionCheckMax"


@contextmanager
def given_back(shop: TopicShop, setting: str) -> Iterator[str]:
    """What the master has now, by mqadmin, and has again afterwards."""
    before = shown(shop.rocketmq, MASTER)[setting]
    try:
        yield before
    finally:
        address = shop.rocketmq.servers.set.address(MASTER)
        shop.rocketmq.mqadmin("updateBrokerConfig", "-b", address, "-k", setting, "-v", before)


def test_what_takes_effect_at_once_is_written(shop: TopicShop) -> None:
    """And what somebody changes by hand is put back; deleting the policy changes nothing."""
    shop.broker()
    with given_back(shop, CHECKS) as before:
        wanted = str(int(before) + 5)
        shop.delivery(mode="Enforce", transactions={"checkMax": int(wanted)})
        shop.await_condition("Compliant", "True", "Compliant", name=DELIVERY, kind="fwdp", within=90)
        assert shown(shop.rocketmq, MASTER)[CHECKS] == wanted
        assert f"was {before}" in shop.await_event("Repaired", name=DELIVERY, kind="DeliveryPolicy")
        address = shop.rocketmq.servers.set.address(MASTER)
        shop.rocketmq.mqadmin("updateBrokerConfig", "-b", address, "-k", CHECKS, "-v", "2")
        shop.until(lambda: shown(shop.rocketmq, MASTER)[CHECKS] == wanted, "what was changed by hand is put back")
        shop.kubectl.run("delete", "fwdp", DELIVERY, "-n", shop.namespace)
        assert shown(shop.rocketmq, MASTER)[CHECKS] == wanted


def test_what_needs_a_restart_is_told(shop: TopicShop) -> None:
    """With the lines for the broker's file; it is never patched live, which would break every send."""
    shop.broker()
    before = shown(shop.rocketmq, MASTER)
    assert before["flushDiskType"] == "ASYNC_FLUSH"
    shop.delivery(mode="Enforce", flush={"mode": "Sync"})
    shop.await_condition("Compliant", "False", "NotCompliant", name=DELIVERY, kind="fwdp")
    status = shop.await_status(lambda s: s.get("restartRequired"), "restartRequired", name=DELIVERY, kind="fwdp")
    told = [one for one in status["violations"] if one["setting"] == "flushDiskType"]
    assert {one["action"] for one in told} == {"Restart"}
    assert all("flushDiskType=SYNC_FLUSH" in one["reason"] for one in told)
    assert shown(shop.rocketmq, MASTER)["flushDiskType"] == "ASYNC_FLUSH"
