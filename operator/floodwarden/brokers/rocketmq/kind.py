"""RocketMQ as a type of brokers: how to reach it, what can be done on it, and what opens its adapters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Final

from pydantic import Field

from floodwarden.api.blocks import Address, Block, CaSecretRef, Part, SecretRef, wrong_ports
from floodwarden.api.rules import Rule, validated_by
from floodwarden.api.shared import SET, SecretKey
from floodwarden.brokers.kind import Kind
from floodwarden.brokers.rocketmq.adapter import RocketMQBroker
from floodwarden.brokers.rocketmq.security import Security
from floodwarden.brokers.rocketmq.settings import RocketMQSettings
from floodwarden.brokers.secrets import Secrets
from floodwarden.core.capabilities import Capability


class AclSecretRef(SecretRef):
    """A Secret in the MessageBroker's namespace that holds an access key and its secret key. It is read again when it changes."""

    access_key_key: SecretKey = "accessKey"
    """The key that holds the access key, which is the user's name."""
    secret_key_key: SecretKey = "secretKey"  # noqa: S105
    """The key that holds the secret key, which is the user's password."""

    @property
    def parts(self) -> Mapping[str, Part]:
        """See ``SecretRef.parts``."""
        return {self.access_key_key: Part.USERNAME, self.secret_key_key: Part.PASSWORD}


class RocketMQ(Block):
    """How to reach RocketMQ: by its name servers, which tell where the brokers are."""

    model_config = validated_by(
        Rule(
            "self.tls || !has(self.caSecretRef)",
            "only used with TLS: remove it, or set tls to true",
            ".caSecretRef",
            "FieldValueForbidden",
        )
    )

    name_servers: Annotated[tuple[Address, ...], Field(min_length=1, max_length=16, json_schema_extra=SET)]
    """The name servers, as host:port. Name all of them, so that one may be down."""
    tls: bool = False
    """Whether name servers and brokers are reached by TLS."""
    acl_secret_ref: AclSecretRef | None = None
    """The access key and secret key, where the brokers ask for them. The user needs the right to read topics and groups."""
    ca_secret_ref: CaSecretRef | None = None
    """The authorities that sign the certificates, with tls. Without it the system's are trusted."""

    @property
    def addresses(self) -> tuple[str, ...]:
        """See ``Block.addresses``."""
        return self.name_servers

    @property
    def secrets(self) -> tuple[SecretRef, ...]:
        """See ``Block.secrets``."""
        return tuple(reference for reference in (self.acl_secret_ref, self.ca_secret_ref) if reference is not None)

    def faults(self) -> Iterator[str]:
        """See ``Block.faults``."""
        yield from wrong_ports("nameServers", self.name_servers)
        if self.ca_secret_ref is not None and not self.tls:
            yield "caSecretRef: only used with TLS: remove it, or set tls to true"


def _security(wanted: RocketMQ, secrets: Secrets) -> Security:
    acl, ca = wanted.acl_secret_ref, wanted.ca_secret_ref
    return Security(
        access_key=secrets.text(acl.name, acl.access_key_key) if acl else None,
        secret_key=secrets.text(acl.name, acl.secret_key_key) if acl else None,
        encrypted=wanted.tls,
        ca=secrets.value(ca.name, ca.key) if ca else None,
    )


KIND: Final = Kind(
    name="RocketMQ",
    block=RocketMQ,
    capabilities=frozenset(
        {
            Capability.GROUPS,
            Capability.DELIVERY,
            Capability.TRANSACTIONS,
            Capability.TRANSACTION_CHECKS,
            Capability.TRANSACTION_RESUME,
            Capability.DELIVERY_LIMIT,
        }
    ),
    open=lambda rocketmq, secrets: RocketMQBroker(rocketmq.name_servers, _security(rocketmq, secrets)),
    open_delivery=lambda rocketmq, secrets: RocketMQSettings(rocketmq.name_servers, _security(rocketmq, secrets)),
)
