"""Kafka: reads consumer groups, offsets and log ends, and settings, in a few requests per broker node.

From the outside in: ``adapter`` (one sweep) and ``settings`` (one audit) → ``topics``, ``groups``, ``logs`` (what is read) →
``nodes`` (every broker node, with backoff) → ``connection`` (one socket) → ``protocol`` (kafka-python's message classes) and
``security``; ``errors`` translates what brokers answer. hack/adr/0001-kafka-client.md says why it is built this way. ``kind``
tells all others what the type is.
"""

from floodwarden.brokers.kafka.adapter import KafkaBroker
from floodwarden.brokers.kafka.security import Security, SecurityError
from floodwarden.brokers.kafka.settings import KafkaSettings

__all__ = ["KafkaBroker", "KafkaSettings", "Security", "SecurityError"]
