"""From a MessageBroker and its Secrets to an adapter, by what its type tells of itself (``brokers.kind``)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from floodwarden.api.messagebroker import MessageBroker
from floodwarden.brokers.base import Broker, DeliveryBroker, SettingsBroker
from floodwarden.brokers.secrets import KeyMissing, Secrets, UnusableSecret
from floodwarden.cluster.secrets import SecretData, SecretProblem, SecretReader
from floodwarden.core.assess import Gap
from floodwarden.core.reasons import Reason

Adapter = TypeVar("Adapter")


async def read_secrets(broker: MessageBroker, reader: SecretReader) -> Secrets | Gap:
    """All Secrets the spec names, from the MessageBroker's own namespace; or why that failed."""
    names = sorted({secret.name for secret in broker.spec.block.secrets})
    answers = await asyncio.gather(*(reader.read(broker.metadata.namespace, name) for name in names))
    held: dict[str, SecretData] = {}
    for name, answer in zip(names, answers, strict=True):
        if isinstance(answer, SecretProblem):
            return Gap(Reason(answer.reason.value), answer.message)
        held[name] = answer
    return Secrets(held)


def open_broker(broker: MessageBroker, secrets: Secrets) -> Broker | Gap:
    """An adapter for the spec; nothing is sent yet. A Gap where Secrets hold what cannot be used."""
    return _opened(broker, secrets, broker.kind.open)


def open_settings(broker: MessageBroker, secrets: Secrets) -> SettingsBroker | Gap:
    """The same for settings of brokers that are audited in Kafka's way, with connections of its own."""
    return _opened(broker, secrets, broker.kind.open_settings)


def open_delivery(broker: MessageBroker, secrets: Secrets) -> DeliveryBroker[Any] | Gap:
    """The same for the settings of brokers whose adapter judges."""
    return _opened(broker, secrets, broker.kind.open_delivery)


def _opened(broker: MessageBroker, secrets: Secrets, opens: Callable[[Any, Secrets], Adapter] | None) -> Adapter | Gap:
    if opens is None:
        return Gap(Reason.BROKER_NOT_CAPABLE, f"settings of brokers of type {broker.spec.type} are not audited in this way")
    try:
        return opens(broker.spec.block, secrets)
    except KeyMissing as error:
        return Gap(Reason.SECRET_MISSING, str(error))
    except UnusableSecret as error:
        return Gap(Reason.SECRET_INVALID, str(error))
