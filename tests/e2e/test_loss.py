"""Whether acknowledged messages survive when brokers die: under a policy that allows their loss, and under one that does not.

Both runs are the same: the follower is down while messages are sent, then the leader dies and the follower comes back.
The producer waits for all replicas in sync (acks=all) in both; what differs is what the topic promises with that: the second
policy has had the operator make a third copy and ask for two in sync.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from floodhack.waiting import until
from tests.conftest import Cluster
from tests.contract.kafka.conftest import kafka as kafka
from tests.contract.kafka.real_kafka import RealKafka
from tests.e2e.test_chart import Site
from tests.e2e.test_chart import site as site
from tests.integration.delivery.settings_shop import SettingsShop
from tests.support import release as floodwarden
from tests.support.kubectl import Kubectl, Object
from tests.support.operator_process import OperatorProcess

FIRST, SECOND, THIRD = 0, 1, 2  # the topic is made on two nodes, the leader and its follower; a policy may ask for the third
MESSAGES = 500
RISKY: Object = {"replication": {"minInSync": 1, "uncleanElection": True}}
SAFE: Object = {"replication": {"factor": 3, "minInSync": 2, "uncleanElection": False}}


@pytest.fixture
def shop(site: Site, cluster: Cluster, kubectl: Kubectl, kafka: RealKafka, tmp_path: Path) -> Iterator[SettingsShop]:
    """A shop that is served by the installed operator; whatever nodes a test stops run again afterwards."""
    site.release.put()
    pod = OperatorProcess(cluster.kubeconfig, tmp_path / "none.log", floodwarden.port())
    with SettingsShop(kubectl, kafka, pod) as shop:
        shop.broker(auditInterval="5s")
        yield shop
        kafka.brokers("up", "kafka")
    site.remove_everything()


@pytest.mark.parametrize(("policy", "safe"), [(RISKY, False), (SAFE, True)], ids=["risky", "enforced"])
def test_acknowledged_messages(shop: SettingsShop, policy: Object, safe: bool) -> None:
    """The same topic, made by hand with settings that lose messages; the second policy mends them before anything happens."""
    shop.make_pair(FIRST, SECOND)
    shop.set_topic("min.insync.replicas=1", "unclean.leader.election.enable=true")
    shop.delivery(mode="Enforce", **policy)
    shop.await_condition("Compliant", "True", "Compliant", name="safe", kind="fwdp")
    kept = send(shop, 50)
    shop.kafka.brokers("stop", "kafka", str(SECOND), "--kill")
    others = {THIRD} if safe else set()
    until(lambda: shop.in_sync() == {FIRST, *others}, seconds=60, what="the follower is out of sync")
    acknowledged = kept | send(shop, MESSAGES)
    shop.kafka.brokers("stop", "kafka", str(FIRST), "--kill")
    shop.kafka.brokers("start", "kafka", str(SECOND))
    until(lambda: shop.leader() == (THIRD if safe else SECOND), seconds=60, what="another replica leads")
    shop.kafka.brokers("start", "kafka", str(FIRST))
    until(lambda: shop.in_sync() == {FIRST, SECOND, *others}, seconds=60, what="all in sync again")
    lost = acknowledged - received(shop)
    print(f"acknowledged {len(acknowledged)} of {50 + MESSAGES}, lost {len(lost)}")
    assert len(acknowledged) == 50 + MESSAGES
    assert len(lost) == (0 if safe else MESSAGES)


def send(shop: SettingsShop, count: int) -> set[bytes]:
    """Send so many messages and give up on each after a few seconds; those that were acknowledged."""
    acknowledged: set[bytes] = set()

    def delivered(error: object, message: object) -> None:
        if error is None:
            acknowledged.add(message.value())  # type: ignore[attr-defined]

    settings = {"bootstrap.servers": ",".join(shop.kafka.bootstrap), "acks": "all", "message.timeout.ms": 8000, "log_level": 0}
    producer = Producer(settings)
    mark = uuid4().hex
    for number in range(count):
        producer.produce(shop.topic, f"{mark}-{number}", partition=0, on_delivery=delivered)
    assert producer.flush(30) == 0
    return acknowledged


def received(shop: SettingsShop) -> set[bytes]:
    """All that the topic has now."""
    brokers = ",".join(shop.kafka.bootstrap)
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": "none", "enable.auto.commit": False, "log_level": 0})
    try:
        low, high = _watermarks(consumer, TopicPartition(shop.topic, 0))
        consumer.assign([TopicPartition(shop.topic, 0, low)])
        found: list[bytes] = []

        def all_read() -> bool:
            for message in consumer.consume(1000, 1.0):
                if message.error():
                    raise KafkaException(message.error())
                found.append(message.value() or b"")
            return len(found) >= high - low

        until(all_read, seconds=60, what=f"{high - low} messages read")
        return set(found)
    finally:
        consumer.close()


def _watermarks(consumer: Consumer, partition: TopicPartition) -> tuple[int, int]:
    """The first offset and the one after the last, once the leader answers: a client may ask the leader of a moment ago."""
    found: list[tuple[int, int]] = []

    def answered() -> bool:
        with suppress(KafkaException):
            found.append(consumer.get_watermark_offsets(partition, timeout=5))
        return bool(found)

    until(answered, seconds=60, what=f"offsets of {partition.topic}")
    return found[0]
