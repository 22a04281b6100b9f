"""Resources as the API server delivers them, for tests that need no API server."""

from __future__ import annotations

from typing import Any

from floodwarden.api.backlogpolicy import BacklogPolicy
from floodwarden.api.deliverypolicy import DeliveryPolicy
from floodwarden.api.messagebroker import MessageBroker


def broker(name: str = "main", namespace: str = "shop", *, generation: int = 1, **spec: Any) -> MessageBroker:
    """A plain Kafka MessageBroker with fields of its spec added."""
    return MessageBroker.parse(
        {
            "metadata": {"name": name, "namespace": namespace, "uid": f"uid-{name}", "generation": generation},
            "spec": {"type": "Kafka", "kafka": {"bootstrapServers": ["127.0.0.1:9092"]}, **spec},
        }
    )


def rocketmq(*, tls: bool = False, acl: str | None = None, ca: str | None = None) -> MessageBroker:
    """A RocketMQ MessageBroker, with Secrets where they are named."""
    references = {"aclSecretRef": acl, "caSecretRef": ca}
    named = {name: {"name": secret} for name, secret in references.items() if secret is not None}
    return MessageBroker.parse(
        {
            "metadata": {"name": "main", "namespace": "shop", "uid": "uid-main", "generation": 1},
            "spec": {"type": "RocketMQ", "rocketmq": {"nameServers": ["127.0.0.1:9876"], "tls": tls, **named}},
        }
    )


def rabbitmq(name: str = "main", url: str = "http://127.0.0.1:15672", ca: str | None = None) -> MessageBroker:
    """A RabbitMQ MessageBroker whose credentials are in Secret ``credentials``."""
    reach: dict[str, Any] = {"managementURL": url, "credentialsSecretRef": {"name": "credentials"}}
    if ca is not None:
        reach["caSecretRef"] = {"name": ca}
    return MessageBroker.parse(
        {
            "metadata": {"name": name, "namespace": "shop", "uid": f"uid-{name}", "generation": 1},
            "spec": {"type": "RabbitMQ", "rabbitmq": reach},
        }
    )


def prometheus(url: str = "http://127.0.0.1:9090", **reach: Any) -> MessageBroker:
    """A Prometheus MessageBroker with fields of its block added."""
    return MessageBroker.parse(
        {
            "metadata": {"name": "main", "namespace": "shop", "uid": "uid-main", "generation": 1},
            "spec": {"type": "Prometheus", "prometheus": {"url": url, **reach}},
        }
    )


def delivery_policy(broker: str = "main", *, namespace: str = "shop", paused: bool = False, **spec: object) -> DeliveryPolicy:
    """One that asks for three copies, on a MessageBroker of namespace shop; ``spec`` asks for more."""
    annotations = {"floodwarden.dev/paused": "true"} if paused else {}
    return DeliveryPolicy.parse(
        {
            "metadata": {"name": "safe", "namespace": namespace, "uid": "uid-safe", "generation": 1, "annotations": annotations},
            "spec": {
                "brokerRef": {"name": broker, "namespace": "shop"},
                "match": {"names": ["orders"]},
                "replication": {"factor": 3},
                **spec,
            },
        }
    )


def backlog_policy(
    name: str = "billing",
    namespace: str = "shop",
    *,
    target: str = "billing",
    created: str = "2026-01-01T00:00:00Z",
    generation: int = 1,
    version: str = "",
    annotations: dict[str, str] | None = None,
    status: dict[str, Any] | None = None,
    **spec: Any,
) -> BacklogPolicy:
    """A BacklogPolicy with fields of its spec added or replaced."""
    return BacklogPolicy.parse(
        {
            "metadata": {
                "name": name,
                "namespace": namespace,
                "uid": f"uid-{namespace}-{name}-{created}",
                "generation": generation,
                "resourceVersion": version,
                "creationTimestamp": created,
                "annotations": annotations or {},
            },
            "spec": {
                "brokerRef": {"name": "main"},
                "subscription": {"group": "billing", "topics": ["orders"]},
                "maxLag": {"messages": 1000},
                "consumers": {"targetRef": {"name": target}},
                **spec,
            },
            "status": status or {},
        }
    )
