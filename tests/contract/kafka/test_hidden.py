"""Kafka's own topics, which are left out of the metadata for a user who may not describe them, without a word."""

from __future__ import annotations

from floodwarden.brokers.kafka import KafkaSettings
from floodwarden.core.observation import Unknown, UnknownReason
from tests.contract.kafka.real_kafka import RealKafka
from tests.contract.kafka.test_settings import Deny, surveyed
from tests.contract.kafka.test_settings import deny as deny
from tests.contract.kafka.test_settings import known_user as known_user
from tests.contract.kafka.test_settings import opened as opened

OFFSETS = "__consumer_offsets"


async def test_what_kafka_hides_is_not_known(kafka: RealKafka, known_user: KafkaSettings, deny: Deny) -> None:
    """Its copies are not taken for as many as are asked for; the topics that may be seen are told."""
    topic = kafka.topic(partitions=1)
    kafka.commit("somebody", topic, {0: 0})  # the topic is there from the first commit on
    before = await surveyed(known_user, topic, holds=lambda seen: OFFSETS in seen.topics)
    assert isinstance(before.topics[OFFSETS].placements, tuple)
    deny("Describe", "--topic", OFFSETS)
    after = await surveyed(known_user, topic, holds=lambda seen: isinstance(seen.topics[OFFSETS].placements, Unknown))
    hidden = after.topics[OFFSETS]
    assert hidden.internal
    assert isinstance(hidden.placements, Unknown)
    assert hidden.placements.reason is UnknownReason.AUTHORIZATION_FAILED
    assert f"topic {OFFSETS}: allow Floodwarden's user Describe" in hidden.placements.detail
    assert isinstance(after.topics[topic].placements, tuple)
