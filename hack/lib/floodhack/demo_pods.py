"""The demo's consumers as containers, for whoever needs real consumers without the rest of the demo."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from floodhack.imagebuild import TARGETS


def consumer(bootstrap: list[str], topic: str, group: str, capacity: float, **env: str) -> Mapping[str, Any]:
    """Reads a topic for a group and processes ``capacity`` messages per second. ``env`` is demo_clients.settings' or its own."""
    values = {
        "KAFKA_BOOTSTRAP": ",".join(bootstrap),
        "TOPIC": topic,
        "GROUP": group,
        "MESSAGES_PER_SECOND": f"{capacity:g}",
        **env,
    }
    return _container("demo_clients.consumer", values)


def queue_consumer(urls: list[str], queue: str, capacity: float, **env: str) -> Mapping[str, Any]:
    """Reads a RabbitMQ queue by way of these AMQP URLs, and processes ``capacity`` messages per second."""
    values = {"RABBITMQ_URLS": " ".join(urls), "QUEUE": queue, "MESSAGES_PER_SECOND": f"{capacity:g}", **env}
    return _container("demo_clients.queue_consumer", values)


def rocketmq_consumer(proxy: str, topic: str, group: str, capacity: float, **env: str) -> Mapping[str, Any]:
    """Reads a RocketMQ topic for a group by way of a proxy's gRPC port, and processes ``capacity`` messages per second."""
    values = {"ROCKETMQ_PROXY": proxy, "TOPIC": topic, "GROUP": group, "MESSAGES_PER_SECOND": f"{capacity:g}", **env}
    return _container("demo_clients.rocketmq_consumer", values)


def _container(module: str, env: Mapping[str, str]) -> Mapping[str, Any]:
    return {
        "name": "consumer",
        "image": TARGETS["demo"].tag,
        "imagePullPolicy": "Never",
        "args": [module],
        "env": [{"name": name, "value": value} for name, value in env.items()],
    }
