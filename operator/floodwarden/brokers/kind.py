"""What a type of brokers tells of itself, so that nobody else needs to know its name. Each folder here has one in its ``kind``.

``kinds`` lists them, ``api.messagebroker`` makes the type, the block and the capabilities of a MessageBroker of them,
``sweep.connect`` opens their adapters. hack/adding-a-broker.md says what each part must promise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from floodwarden.api.blocks import Block
from floodwarden.brokers.base import Broker, DeliveryBroker, SettingsBroker
from floodwarden.brokers.secrets import Secrets
from floodwarden.core.capabilities import Capability

Reach = TypeVar("Reach", bound=Block)


@dataclass(frozen=True, slots=True)
class Kind(Generic[Reach]):
    """One type of brokers.

    What opens adapters sends nothing yet, and raises KeyMissing or UnusableSecret where Secrets do not hold what it takes. A type
    with ``DeliverySettings`` has either ``open_settings`` (Kafka's way) or ``open_delivery``, one without it neither.
    """

    name: str
    """As ``spec.type`` has it."""
    block: type[Reach]
    """How to reach the brokers."""
    capabilities: frozenset[Capability]
    """What Floodwarden can do on them; a policy that asks for something else is refused."""
    open: Callable[[Reach, Secrets], Broker]
    """For sweeps."""
    open_settings: Callable[[Reach, Secrets], SettingsBroker] | None = None
    """For audits that do more than compare and write settings."""
    open_delivery: Callable[[Reach, Secrets], DeliveryBroker[Any]] | None = None
    """For audits where the adapter brings what judges."""

    def __post_init__(self) -> None:
        audits = [opens for opens in (self.open_settings, self.open_delivery) if opens is not None]
        if len(audits) != (Capability.DELIVERY in self.capabilities):
            raise ValueError(f"{self.name}: {Capability.DELIVERY} takes one way to open settings, and nothing else takes any")

    @property
    def field(self) -> str:
        """The name of its block, in ``spec``."""
        return self.name.lower()
