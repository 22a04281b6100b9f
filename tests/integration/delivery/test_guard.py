"""A DeliveryPolicy that guards unread messages: told in time, kept for longer in mode Enforce, and put back whatever happens."""

from __future__ import annotations

import json
import random
import signal
from collections.abc import Callable

from floodwarden.cluster.ledger import KEY
from tests.contract.kafka.old_messages import DAY, HOUR, delete_records, now, produce_at
from tests.integration.delivery.settings_shop import SettingsShop
from tests.integration.loop.shop import BROKER
from tests.support.kubectl import Object
from tests.support.lengths import short_or_soak
from tests.support.moments import let_pass

KILLS = int(short_or_soak(2, 20))
GUARD: Object = {"guard": {"extendTo": "7d"}}
EXTENDED = {"retention.ms": str(7 * DAY)}
USUAL = {"retention.ms": str(DAY)}


def make_late(shop: SettingsShop) -> None:
    """A topic that keeps messages for a day, and a group that has still to read two of 20 hours and one of an hour."""
    shop.make_topic(2)
    shop.set_topic(f"retention.ms={DAY}")
    at = now()
    produce_at(shop.kafka, shop.topic, [at - 20 * HOUR, at - 20 * HOUR])
    produce_at(shop.kafka, shop.topic, [at - HOUR], 1)


def catch_up(shop: SettingsShop) -> None:
    """The group has read all of it."""
    shop.kafka.commit(shop.group, shop.topic, {0: 2, 1: 1})


def extended(shop: SettingsShop) -> Callable[[], bool]:
    return lambda: shop.topic_settings() == EXTENDED


def put_back(shop: SettingsShop) -> Callable[[], bool]:
    return lambda: shop.topic_settings() == USUAL


def ledger_of(shop: SettingsShop) -> list[Object]:
    """What the operator has written down about the shop's topic."""
    entries: list[Object] = []
    for found in shop.kubectl.objects("configmaps"):
        if text := found.get("data", {}).get(KEY):
            entries += json.loads(text)["entries"]
    return [entry for entry in entries if entry["name"] == shop.topic]


def test_told_in_time(shop: SettingsShop) -> None:
    """In mode Audit: which group, how many, where, and how long is left; once, and nothing is written."""
    make_late(shop)
    shop.delivery(retention=GUARD)
    message = shop.await_event("UnreadExpiring", name="safe", kind="DeliveryPolicy")
    assert (
        f"unread messages of topic {shop.topic}, group {shop.group} is 2 in partition 0 expire in 3h at the earliest" in message
    )
    assert "mode Enforce would extend retention.ms to 604800000 (7d)" in message
    shop.let_it_audit()
    assert shop.reasons("safe", kind="DeliveryPolicy").count("UnreadExpiring") == 1
    assert shop.topic_settings() == USUAL
    catch_up(shop)
    shop.await_condition("Compliant", "True", "Compliant", name="safe", kind="fwdp")


def test_extended_and_put_back(shop: SettingsShop) -> None:
    """In mode Enforce the topic keeps its messages for longer until the group has caught up; both are told, and written down."""
    make_late(shop)
    shop.delivery(mode="Enforce", retention=GUARD)
    message = shop.await_event("RetentionExtended", name="safe", kind="DeliveryPolicy")
    assert f"retention.ms of topic {shop.topic} was 86400000 (1d); it is 604800000 (7d)" in message
    assert shop.topic_settings() == EXTENDED
    assert [(entry["before"], entry["written"]) for entry in ledger_of(shop)] == [(str(DAY), str(7 * DAY))]
    shop.let_it_audit()
    catch_up(shop)
    message = shop.await_event("RetentionRestored", name="safe", kind="DeliveryPolicy")
    assert "it is 86400000 (1d) again" in message
    assert shop.topic_settings() == USUAL
    shop.until(lambda: ledger_of(shop) == [], "nothing left to be undone")
    assert shop.reasons("safe", kind="DeliveryPolicy").count("RetentionExtended") == 1


def test_extended_while_a_node_is_away(shop: SettingsShop) -> None:
    """What the others tell is enough to keep messages; put back once it is back. That it is away is told as well."""
    make_late(shop)
    shop.kafka.brokers("stop", "kafka", "2", "--kill")
    try:
        shop.await_condition("Reachable", "False", "SomeNodesUnreachable", name=BROKER, kind="fwmb")
        shop.delivery(mode="Enforce", retention=GUARD)
        shop.await_event("RetentionExtended", name="safe", kind="DeliveryPolicy", within=120)
        assert shop.topic_settings() == EXTENDED
        catch_up(shop)
        shop.let_it_audit(3)
        assert shop.topic_settings() == EXTENDED  # groups that the node had may not be known
    finally:
        shop.kafka.brokers("start", "kafka", "2")
    shop.await_event("RetentionRestored", name="safe", kind="DeliveryPolicy", within=120)
    assert shop.topic_settings() == USUAL
    shop.await_condition("Reachable", "True", "AllNodesReachable", name=BROKER, kind="fwmb")


def test_loss_is_told(shop: SettingsShop) -> None:
    """With partition and count."""
    make_late(shop)
    delete_records(shop.kafka, shop.topic, {0: 1})
    shop.delivery(retention=GUARD)
    message = shop.await_event("UnreadExpired", name="safe", kind="DeliveryPolicy")
    assert f"lost messages of topic {shop.topic}, group {shop.group} is 1 in partition 0 (committed offsets)" in message


def test_a_deleted_policy(shop: SettingsShop) -> None:
    """Nobody asks any more: it is put back as soon as nothing unread is lost by that."""
    make_late(shop)
    shop.delivery(mode="Enforce", retention=GUARD)
    shop.await_event("RetentionExtended", name="safe", kind="DeliveryPolicy")
    shop.kubectl.run("delete", "fwdp", "safe", "-n", shop.namespace, "--timeout=10s")
    # What is unread is 20 hours old, and a day is what the topic usually keeps.
    shop.until(put_back(shop), "the retention put back", within=30)
    shop.until(lambda: ledger_of(shop) == [], "nothing left to be undone")


def test_killed_while_it_is_extended(shop: SettingsShop) -> None:
    """The next process knows what was there before."""
    make_late(shop)
    shop.delivery(mode="Enforce", retention=GUARD)
    shop.until(extended(shop), "the retention extended", within=30)
    shop.operator.end(signal.SIGKILL)
    catch_up(shop)
    shop.operator.start()
    shop.operator.await_ready()
    shop.until(put_back(shop), "the retention put back", within=60)


def test_killed_at_any_moment(shop: SettingsShop) -> None:
    """Whenever it dies, what was there before is there once the group has caught up, and extended again when it is late anew."""
    make_late(shop)
    chance = random.Random(7)
    shop.delivery(mode="Enforce", retention=GUARD)
    for _ in range(KILLS):
        shop.kafka.commit(shop.group, shop.topic, {0: 0})
        # It is extended within five seconds of that, in a fraction of one.
        let_pass(chance.uniform(0, 6))
        shop.operator.end(signal.SIGKILL)
        shop.operator.start()
        shop.operator.await_ready()
        shop.until(extended(shop), "the retention extended", within=60)
        catch_up(shop)
        let_pass(chance.uniform(0, 6))
        shop.operator.end(signal.SIGKILL)
        shop.operator.start()
        shop.operator.await_ready()
        shop.until(put_back(shop), "the retention put back", within=60)
        shop.until(lambda: ledger_of(shop) == [], "nothing left to be undone")
