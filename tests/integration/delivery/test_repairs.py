"""A DeliveryPolicy in mode Enforce: drift is repaired within one audit, seen with Kafka's own tool; what is not ours stays."""

from __future__ import annotations

import random
import signal

from tests.integration.delivery.settings_shop import SettingsShop
from tests.integration.delivery.test_audit import SAFE
from tests.integration.loop.shop import BROKER
from tests.support.lengths import short_or_soak
from tests.support.moments import let_pass

KILLS = int(short_or_soak(2, 20))


def test_a_setting_changed_by_hand_is_repaired(shop: SettingsShop) -> None:
    """The Event says what was found, wanted and done; another setting that was made by hand stays."""
    shop.make_topic(2, read=False)
    shop.set_topic("min.insync.replicas=2", "unclean.leader.election.enable=false")
    shop.delivery(mode="Enforce", **SAFE)
    shop.await_status(lambda s: s.get("checked"), "audited", name="safe", kind="fwdp")
    before = shop.audits()
    shop.set_topic("min.insync.replicas=1", "max.message.bytes=2000000")
    message = shop.await_event("Repaired", name="safe", kind="DeliveryPolicy", within=20)
    assert shop.audits() - before <= 2, "the one that was under way, and the next"
    assert message == f"min.insync.replicas of topic {shop.topic} was 1; it was set to 2 and read back"
    assert shop.topic_settings() == {
        "min.insync.replicas": "2",
        "unclean.leader.election.enable": "false",
        "max.message.bytes": "2000000",
    }
    repaired = shop.await_status(lambda s: s.get("repaired"), "the repair in the status", name="safe", kind="fwdp")["repaired"]
    assert (repaired[0]["found"], repaired[0]["written"]) == ("1", "2")
    assert shop.measure("delivery_repairs_total", "safe", outcome="written") == 1


def test_what_would_stop_writes_is_not_written(shop: SettingsShop) -> None:
    """A topic with one replica cannot have two in sync: it is told, and the topic is left as it is."""
    shop.make_single()
    shop.set_topic("min.insync.replicas=1")
    shop.delivery(mode="Enforce", replication={"minInSync": 2})
    status = shop.await_status(lambda s: s.get("violationCount"), "violations", name="safe", kind="fwdp")
    (found,) = [one for one in status["violations"] if one["resource"] == f"topic {shop.topic}"]
    assert found["action"] == "Report"
    assert "raise the replication first" in found["reason"]
    shop.let_it_audit()
    assert shop.topic_settings() == {"min.insync.replicas": "1"}


def test_two_policies_that_disagree(shop: SettingsShop) -> None:
    """Neither is acted on, and each names the other; once they agree, one of them writes."""
    shop.make_topic(2, read=False)
    shop.set_topic("retention.ms=60000", "retention.bytes=-1")
    shop.delivery(name="short", mode="Enforce", retention={"atLeast": "1h"})
    shop.delivery(name="long", mode="Enforce", retention={"atLeast": "2h"})
    for name, other in (("short", "long"), ("long", "short")):
        message = shop.await_condition("Compliant", "False", "PolicyConflict", name=name, kind="fwdp")
        assert f"{shop.namespace}/{other}" in message
    shop.let_it_audit()
    written = shop.topic_settings()["retention.ms"]
    shop.patch("fwdp", "short", {"spec": {"retention": {"atLeast": "2h"}}})
    for name in ("short", "long"):
        shop.await_condition("Compliant", "True", "Compliant", name=name, kind="fwdp")
    assert shop.topic_settings()["retention.ms"] == "7200000"
    assert written in ("60000", "3600000")  # of before the second policy was there


def test_two_policies_on_two_message_brokers_of_one_cluster(shop: SettingsShop) -> None:
    """They are held against each other as if there were one: the brokers are the same."""
    shop.make_topic(2, read=False)
    shop.set_topic("retention.ms=60000", "retention.bytes=-1")
    shop.broker(name="second", auditInterval="5s")
    ids = {
        name: shop.await_status(lambda s: s.get("clusterId"), "the cluster's id", name=name, kind="fwmb")["clusterId"]
        for name in (BROKER, "second")
    }
    assert len(set(ids.values())) == 1
    shop.delivery(name="short", retention={"atLeast": "1h"}, mode="Enforce")
    shop.delivery(name="long", retention={"atLeast": "2h"}, mode="Enforce", brokerRef={"name": "second"})
    for name, other in (("short", "long"), ("long", "short")):
        message = shop.await_condition("Compliant", "False", "PolicyConflict", name=name, kind="fwdp")
        assert f"{shop.namespace}/{other}" in message
    shop.patch("fwdp", "short", {"spec": {"mode": "Audit"}})
    shop.await_condition("Compliant", "True", "Compliant", name="long", kind="fwdp")
    assert shop.topic_settings()["retention.ms"] == "7200000"


def test_a_paused_policy_writes_nothing(shop: SettingsShop) -> None:
    """The annotation stops it, and taking it away lets it go on."""
    shop.make_topic(2, read=False)
    shop.set_topic("min.insync.replicas=1")
    shop.delivery(mode="Enforce", annotations={"floodwarden.dev/paused": "true"}, **SAFE)
    shop.await_condition("Ready", "False", "Paused", name="safe", kind="fwdp")
    assert shop.topic_settings() == {"min.insync.replicas": "1"}
    shop.kubectl.run("annotate", "fwdp", "safe", "floodwarden.dev/paused-", "-n", shop.namespace)
    shop.await_event("Repaired", name="safe", kind="DeliveryPolicy")
    assert shop.topic_settings()["min.insync.replicas"] == "2"


def test_a_deleted_policy_leaves_all_as_it_is(shop: SettingsShop) -> None:
    """What it wrote stays, no finalizer holds it up, and it writes nothing any more; also while the brokers cannot be reached."""
    shop.make_topic(2, read=False)
    shop.set_topic("min.insync.replicas=1")
    shop.delivery(mode="Enforce", **SAFE)
    shop.await_event("Repaired", name="safe", kind="DeliveryPolicy")
    shop.delivery(name="other", retention={"atLeast": "1m"})  # goes on being audited
    shop.kubectl.run("delete", "fwdp", "safe", "-n", shop.namespace, "--timeout=10s")
    shop.set_topic("min.insync.replicas=1")
    shop.await_condition("Ready", "True", "Auditing", name="other", kind="fwdp")
    shop.let_it_audit()
    assert shop.topic_settings()["min.insync.replicas"] == "1"
    shop.until(lambda: shop.measure("delivery_compliant", "safe") is None, "no series of a policy that is gone")
    shop.patch("fwmb", "main", {"spec": {"kafka": {"bootstrapServers": ["127.0.0.1:1"]}}})
    shop.await_condition("Ready", "False", "BrokerUnreachable", name="other", kind="fwdp")
    shop.kubectl.run("delete", "fwdp", "other", "-n", shop.namespace, "--timeout=10s")


def test_a_kill_in_the_middle_leaves_nothing_half_done(shop: SettingsShop) -> None:
    """Killed at any moment of a repair, the next process finds what is left; nothing else was touched."""
    topics = [shop.make_topic(1, name=f"{shop.topic}-{number}", read=False) for number in range(20)]
    chance = random.Random(5)
    shop.delivery(mode="Enforce", match={"names": [f"{shop.topic}-*"]}, **SAFE)
    for _ in range(KILLS):
        shop.set_all(topics, "min.insync.replicas", "1")
        # A repair comes within five seconds of that and takes a fraction of one; the process lives again in two.
        let_pass(chance.uniform(0, 5))
        shop.operator.end(signal.SIGKILL)
        shop.operator.start()
        shop.operator.await_ready()
        shop.let_it_audit()
        shop.await_condition("Compliant", "True", "Compliant", name="safe", kind="fwdp")
        found = shop.settings_of_all()
        assert {topic: found[topic] for topic in topics} == {key: {"min.insync.replicas": "2"} for key in topics}
