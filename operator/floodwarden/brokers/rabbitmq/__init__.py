"""RabbitMQ: reads queues and their clients from the management API, in a few requests for a whole virtual host.

From the outside in: ``adapter`` (one sweep) with ``queues``, ``consumers`` and ``cluster``, ``settings`` (one audit) with
``answers`` and ``lately`` → ``management`` (HTTP, several addresses) → ``access`` (addresses and credentials); ``errors``
translates what goes wrong. ``kind`` tells all others what the type is.
"""

from floodwarden.brokers.http import AccessError
from floodwarden.brokers.rabbitmq.access import Access
from floodwarden.brokers.rabbitmq.adapter import RabbitBroker
from floodwarden.brokers.rabbitmq.settings import RabbitSettings

__all__ = ["Access", "AccessError", "RabbitBroker", "RabbitSettings"]
