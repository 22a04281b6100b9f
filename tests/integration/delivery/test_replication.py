"""A DeliveryPolicy whose factor topics lack: copies are made by reassignment, to the end, and what depended on them follows."""

from __future__ import annotations

import signal

import pytest

from tests.contract.kafka.copying import SLOW, fill, listed, replicas, throttles
from tests.integration.delivery.settings_shop import SettingsShop
from tests.support.kubectl import Object

COPIES: Object = {"replication": {"factor": 3, "minInSync": 2}}
SLOWLY: Object = {"replication": {"factor": 3, "moveRate": str(SLOW)}}
EVERYWHERE = ({"0", "1", "2"}, {"0", "1", "2"})
NOTHING = "No partition reassignments found."


@pytest.fixture
def single(shop: SettingsShop) -> str:
    """The shop's topic: two partitions of one copy, which take any message, and some that take a while to copy."""
    name = shop.make_single()
    shop.set_topic("min.insync.replicas=1")
    fill(shop.kafka, name, range(2))
    return name


def whole(shop: SettingsShop) -> bool:
    """Whether every partition is everywhere, and in sync."""
    return replicas(shop.kafka, shop.topic) == [EVERYWHERE] * 2


def assert_nothing_left(shop: SettingsShop) -> None:
    """Neither under way, nor slowed down."""
    assert listed(shop.kafka).strip() == NOTHING
    assert throttles(shop.kafka, shop.topic) == {}


def test_copies_come_first_and_what_depends_on_them_follows(shop: SettingsShop, single: str) -> None:
    """From one copy to three; only then two must be in sync, because writes would stop before; both are told."""
    shop.delivery(mode="Enforce", **COPIES)
    begun = shop.await_event("RaisingReplication", name="safe", kind="DeliveryPolicy")
    assert begun.startswith(f"topic {single} has 1 copy of partitions 0, 1; copies up to 3 are being made, at most 50 MiB/s")
    made = shop.await_event("ReplicationRaised", name="safe", kind="DeliveryPolicy", within=60)
    assert made == f"topic {single} had 1 copy of partitions 0, 1, and has 3 now; all of them are in sync"
    repaired = shop.await_event("Repaired", name="safe", kind="DeliveryPolicy", within=60)
    assert repaired == f"min.insync.replicas of topic {single} was 1; it was set to 2 and read back"
    shop.await_condition("Compliant", "True", "Compliant", name="safe", kind="fwdp")
    assert whole(shop)
    assert shop.topic_settings() == {"min.insync.replicas": "2"}
    assert_nothing_left(shop)


def test_a_policy_that_only_looks(shop: SettingsShop, single: str) -> None:
    """It says what mode Enforce would do, and nothing moves."""
    shop.delivery(**COPIES)
    status = shop.await_status(lambda s: s.get("violationCount"), "violations", name="safe", kind="fwdp")
    (found,) = [one for one in status["violations"] if one["setting"] == "replication factor"]
    assert (found["resource"], found["found"], found["action"]) == (f"topic {single}", "1", "Repair")
    assert found["reason"] == "mode Enforce would raise it by reassignment; it is never lowered"
    shop.let_it_audit()
    assert replicas(shop.kafka, single) == [({"0"}, {"0"}), ({"1"}, {"1"})]


def test_a_kill_in_the_middle(shop: SettingsShop, single: str) -> None:
    """The next process goes on watching, and takes the throttle away once all copies are made."""
    shop.delivery(mode="Enforce", **SLOWLY)
    shop.await_event("RaisingReplication", name="safe", kind="DeliveryPolicy")
    shop.operator.end(signal.SIGKILL)
    assert single in listed(shop.kafka)
    shop.operator.start()
    shop.operator.await_ready()
    shop.await_event("ReplicationRaised", name="safe", kind="DeliveryPolicy", within=120)
    shop.await_condition("Compliant", "True", "Compliant", name="safe", kind="fwdp")
    assert whole(shop)
    assert_nothing_left(shop)
    assert shop.reasons("safe", kind="DeliveryPolicy").count("RaisingReplication") == 1


def test_a_policy_that_is_deleted_in_the_middle(shop: SettingsShop, single: str) -> None:
    """What runs ends, for half of it would be no better; the throttle goes with it, without a policy."""
    shop.delivery(mode="Enforce", **SLOWLY)
    shop.await_event("RaisingReplication", name="safe", kind="DeliveryPolicy")
    shop.kubectl.run("delete", "fwdp", "safe", "-n", shop.namespace, "--timeout=10s")
    shop.until(lambda: not throttles(shop.kafka, single), "no throttle any more", within=120)
    assert whole(shop)
    assert_nothing_left(shop)
