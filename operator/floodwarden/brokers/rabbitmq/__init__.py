"""RabbitMQ: reads queues and their consumers from the management API, in a few requests for a whole virtual host.

From the outside in: ``adapter`` (one sweep) → ``queues`` and ``consumers`` (what answers mean) → ``management`` (HTTP, several
addresses) → ``access`` (addresses and credentials); ``errors`` translates what goes wrong.
"""

from floodwarden.brokers.rabbitmq.access import Access, AccessError
from floodwarden.brokers.rabbitmq.adapter import RabbitBroker

__all__ = ["Access", "AccessError", "RabbitBroker"]
