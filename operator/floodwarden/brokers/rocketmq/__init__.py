"""RocketMQ: reads consumer groups, offsets and queues from masters and name servers, in its admin remoting protocol.

From the outside in: ``adapter`` (one sweep) → ``members`` → ``groups``, ``topics``, ``commits``, ``offsets`` (what is read) →
``brokers`` and ``names`` (whom to ask) → ``links`` (every address, with backoff) → ``connection`` (one socket) → ``frames``,
``bodies`` and ``signing`` (the bytes); ``requests`` has the codes, ``errors`` translates what servers answer. An audit:
``settings`` → ``configs`` and ``halves``, over the same brokers. ``kind`` tells all others what the type is.
"""

from floodwarden.brokers.rocketmq.adapter import RocketMQBroker
from floodwarden.brokers.rocketmq.security import Security, SecurityError
from floodwarden.brokers.rocketmq.settings import RocketMQSettings

__all__ = ["RocketMQBroker", "RocketMQSettings", "Security", "SecurityError"]
