"""What Floodwarden's user may not see is unknown with that reason, never taken for a missing commit or a missing topic."""

from __future__ import annotations

import pytest

from floodwarden.brokers.kafka import KafkaBroker
from floodwarden.core.observation import Query, Reading, Snapshot, Subscription, Unknown, UnknownReason
from tests.contract.cluster.eventually import eventually
from tests.contract.kafka.conftest import Connect
from tests.contract.kafka.looking import settled, sweeping
from tests.contract.kafka.real_kafka import RealKafka


@pytest.fixture
def known_user(kafka: RealKafka, connect: Connect) -> KafkaBroker:
    """An adapter with a name, to which ACLs can be applied."""
    return connect(kafka.facts["bootstrap"]["SASL_PLAINTEXT"], kafka.security("SASL_PLAINTEXT", "SCRAM-SHA-512"))


@pytest.mark.parametrize("kind", ["--topic", "--group"])
async def test_a_forbidden_resource(kafka: RealKafka, known_user: KafkaBroker, group: str, kind: str) -> None:
    """One forbidden topic or group is unknown with its reason; the subscription beside it stays known."""
    open_topic, closed_topic = kafka.topic(partitions=1), kafka.topic(partitions=1)
    closed_group = f"{group}-closed"
    kafka.commit(group, open_topic, {0: 0})
    kafka.commit(group, closed_topic, {0: 0})
    kafka.commit(closed_group, open_topic, {0: 0})
    kept = Subscription(group, (open_topic,))
    forbidden = Subscription(group, (closed_topic,)) if kind == "--topic" else Subscription(closed_group, (open_topic,))
    look = sweeping(known_user, Query(kept), Query(forbidden))
    await eventually(look, settled)
    user = f"User:{kafka.facts['scram']['username']}"
    name = closed_topic if kind == "--topic" else closed_group
    kafka.tool("kafka-acls", "--add", "--deny-principal", user, "--operation", "All", kind, name)

    def refused(snapshot: Snapshot) -> bool:
        found = {subscription: snapshot.readings[subscription] for subscription in (kept, forbidden)}
        reasons = {subscription: seen.reason for subscription, seen in found.items() if isinstance(seen, Unknown)}
        # A coordinator may move, and be told of an ACL a moment after the others: nothing else hides what may be seen.
        moving = reasons.get(kept) is UnknownReason.COORDINATOR_UNAVAILABLE
        assert moving or isinstance(found[kept], Reading), found[kept]
        return not moving and reasons.get(forbidden) is UnknownReason.AUTHORIZATION_FAILED

    why = (await eventually(look, refused)).readings[forbidden]
    assert isinstance(why, Unknown)
    assert "ACL" in why.detail
    assert name in why.detail
