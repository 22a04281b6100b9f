"""``KafkaMoves``: throttles and reassignments are what Kafka's own tools show, and what fails is told by itself."""

from __future__ import annotations

from uuid import uuid4

import pytest

from floodwarden.brokers.kafka import KafkaSettings
from floodwarden.core.delivery.ledger import Place, Resource
from floodwarden.core.delivery.placement import UnderWay
from floodwarden.core.delivery.throttle import FOLLOWERS, LEADERS, RATES
from floodwarden.core.observation import Partition, Unknown, UnknownReason
from tests.contract.cluster.eventually import eventually
from tests.contract.kafka.copying import (
    Somebody,
    filled,
    known,
    listed,
    moves_of,
    throttles,
)
from tests.contract.kafka.copying import clean as clean
from tests.contract.kafka.copying import somebody as somebody
from tests.contract.kafka.real_kafka import NODES, RealKafka
from tests.contract.kafka.test_settings import configure
from tests.contract.kafka.test_settings import deny as deny
from tests.contract.kafka.test_settings import known_user as known_user
from tests.contract.kafka.test_settings import opened as opened
from tests.contract.kafka.test_settings import settings as settings
from tests.contract.kafka.test_settings import whole as whole

pytestmark = pytest.mark.usefixtures("clean")


async def test_throttles_are_those_of_the_tool(kafka: RealKafka, settings: KafkaSettings) -> None:
    """What is written is shown by kafka-configs, what that sets is read; taken away it is gone."""
    topic, bare = kafka.topic(partitions=1), kafka.topic(partitions=1)
    await known(settings, topic, bare)
    moves = moves_of(settings)
    places: dict[Place, str | None] = {
        (Resource.BROKER, "0", RATES[0]): "1000",
        (Resource.BROKER, "2", RATES[1]): "2000",
        (Resource.TOPIC, topic, LEADERS): "0:0,0:1",
        (Resource.TOPIC, topic, FOLLOWERS): "0:2",
    }
    nothing = dict.fromkeys(await moves.throttles(NODES, [topic, bare]))
    assert len(nothing) == 2 * len(NODES) + 4
    assert await moves.throttles(NODES, [topic, bare]) == nothing
    assert await moves.throttle(places) == {}
    assert throttles(kafka, topic, bare) == {(name, setting): value for (_, name, setting), value in places.items()}
    assert await moves.throttles(NODES, [topic, bare]) == nothing | places
    assert await moves.throttle(dict.fromkeys(places)) == {}
    assert throttles(kafka, topic, bare) == {}
    configure(kafka, "topics", topic, "--alter", "--add-config", f"{LEADERS}=*")
    configure(kafka, "brokers", "1", "--alter", "--add-config", f"{RATES[0]}=77")
    by_hand = nothing | {(Resource.TOPIC, topic, LEADERS): "*", (Resource.BROKER, "1", RATES[0]): "77"}
    await eventually(lambda: moves.throttles(NODES, [topic, bare]), lambda found: found == by_hand)


async def test_throttles_of_what_is_gone(settings: KafkaSettings) -> None:
    """A topic is missing and a node not there, for reading as for writing; what is beside them is told."""
    moves = moves_of(settings)
    await known(settings)
    gone = f"gone-{uuid4().hex[:8]}"
    found = await moves.throttles([0, 9], [gone])
    assert found[Resource.BROKER, "0", RATES[0]] is None
    reasons = {place: value.reason for place, value in found.items() if isinstance(value, Unknown)}
    missing = {(Resource.TOPIC, gone, key): UnknownReason.TOPIC_MISSING for key in (LEADERS, FOLLOWERS)}
    away = {(Resource.BROKER, "9", key): UnknownReason.BROKER_UNREACHABLE for key in RATES}
    assert reasons == missing | away
    written: dict[Place, str | None] = {(Resource.TOPIC, gone, LEADERS): "0:0", (Resource.BROKER, "9", RATES[0]): "5"}
    failed = await moves.throttle(written)
    assert {place: why.reason for place, why in failed.items()} == {place: (missing | away)[place] for place in written}


async def test_what_is_under_way(kafka: RealKafka, settings: KafkaSettings, somebody: Somebody) -> None:
    """Everything that kafka-reassign-partitions lists, with who comes and who goes."""
    topic = filled(kafka, [[0], [1]])
    moves = moves_of(settings)
    assert await moves.under_way() == {}
    somebody.begins(topic, 1, [2, 0])
    try:
        found = await moves.under_way()
        assert f"{topic}-1: replicas: 2,0,1. adding: 0,2. removing: 1." in listed(kafka)
        assert found == {Partition(topic, 1): UnderWay((2, 0, 1), (0, 2), (1,))}
    finally:
        somebody.calls_off()
    assert await moves.under_way() == {}


async def test_what_cannot_be_moved(kafka: RealKafka, settings: KafkaSettings) -> None:
    """A topic that is gone and a broker that is not there are refused by themselves; the rest is moved."""
    topic, gone = kafka.topic(on=[[0], [0]]), f"gone-{uuid4().hex[:8]}"
    targets = {Partition(topic, 0): (0, 9), Partition(topic, 1): (0, 1), Partition(gone, 0): (0, 1)}
    refused = await moves_of(settings).move(targets)
    assert not isinstance(refused, Unknown)
    assert {partition: why.reason for partition, why in refused.items()} == {
        Partition(topic, 0): UnknownReason.BROKER_ERROR,
        Partition(gone, 0): UnknownReason.TOPIC_MISSING,
    }
    await eventually(
        lambda: moves_of(settings).replicas([topic]),
        lambda found: [set(one.in_sync) for one in found[topic] or ()] == [{0}, {0, 1}],  # type: ignore[union-attr]
    )
