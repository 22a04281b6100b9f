"""RabbitMQ as a type of brokers: how to reach it, what can be done on it, and what opens its adapters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Final

from pydantic import Field

from floodwarden.api.blocks import Block, CaSecretRef, CredentialsSecretRef, SecretRef, http_url
from floodwarden.api.rules import Rule, validated_by
from floodwarden.brokers.kind import Kind
from floodwarden.brokers.rabbitmq.access import Access
from floodwarden.brokers.rabbitmq.adapter import RabbitBroker
from floodwarden.brokers.rabbitmq.settings import RabbitSettings
from floodwarden.brokers.secrets import Secrets
from floodwarden.core.capabilities import Capability

ManagementURL = Annotated[str, Field(min_length=8, max_length=261), http_url("https://rabbitmq.shop.svc:15671")]


class RabbitMQ(Block):
    """How to reach RabbitMQ: by its management API, which the plugin rabbitmq_management serves."""

    model_config = validated_by(
        Rule(
            "!has(self.caSecretRef) || self.managementURL.startsWith('https://')",
            "only used with TLS: remove it, or let managementURL begin with https://",
            ".caSecretRef",
            "FieldValueForbidden",
        )
    )

    management_url: Annotated[ManagementURL, Field(alias="managementURL")]
    """Where the management API is. A Service in front of all nodes serves best, so that one of them may be down."""
    vhost: Annotated[str, Field(min_length=1, max_length=255)] = "/"
    """The virtual host that has the queues."""
    credentials_secret_ref: CredentialsSecretRef
    """The user and password. The user needs the tag monitoring and a permission of any kind on the virtual host."""
    ca_secret_ref: CaSecretRef | None = None
    """The authorities that sign the certificate of the management API. Without it the system's are trusted."""

    @property
    def encrypted(self) -> bool:
        """Whether it is reached by TLS."""
        return self.management_url.startswith("https://")

    @property
    def addresses(self) -> tuple[str, ...]:
        """See ``Block.addresses``."""
        return (self.management_url,)

    @property
    def secrets(self) -> tuple[SecretRef, ...]:
        """See ``Block.secrets``."""
        return (self.credentials_secret_ref, *((self.ca_secret_ref,) if self.ca_secret_ref else ()))

    def faults(self) -> Iterator[str]:
        """See ``Block.faults``."""
        if self.ca_secret_ref is not None and not self.encrypted:
            yield "caSecretRef: only used with TLS: remove it, or let managementURL begin with https://"


def _access(wanted: RabbitMQ, secrets: Secrets) -> Access:
    credentials, ca = wanted.credentials_secret_ref, wanted.ca_secret_ref
    return Access(
        urls=(wanted.management_url,),
        vhost=wanted.vhost,
        username=secrets.text(credentials.name, credentials.username_key),
        password=secrets.text(credentials.name, credentials.password_key),
        ca=secrets.value(ca.name, ca.key) if ca else None,
    )


KIND: Final = Kind(
    name="RabbitMQ",
    block=RabbitMQ,
    capabilities=frozenset(
        {Capability.QUEUES, Capability.DELIVERY, Capability.DELIVERY_LIMIT, Capability.DEAD_LETTERS, Capability.PREFETCH}
    ),
    open=lambda rabbitmq, secrets: RabbitBroker(_access(rabbitmq, secrets)),
    open_delivery=lambda rabbitmq, secrets: RabbitSettings(_access(rabbitmq, secrets)),
)
