"""From a MessageBroker and its Secrets to an adapter; the one place that knows which adapter serves which type."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from floodwarden.api.messagebroker import KafkaSecurity, MessageBroker
from floodwarden.brokers.base import Broker, SettingsBroker
from floodwarden.brokers.kafka import KafkaBroker, KafkaSettings, Security, SecurityError
from floodwarden.cluster.secrets import SecretData, SecretProblem, SecretReader
from floodwarden.core.assess import Gap
from floodwarden.core.reasons import Reason

Adapter = TypeVar("Adapter")
Versions = Mapping[str, str]
"""The resource version of each Secret by name: another one means that the Secret changed."""


class KeyMissing(Exception):
    """A Secret lacks a key; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """The Secrets that one MessageBroker names, as read together."""

    held: Mapping[str, SecretData]

    @property
    def versions(self) -> Versions:
        return {name: secret.resource_version for name, secret in self.held.items()}

    def value(self, name: str, key: str) -> bytes:
        """One value; KeyMissing names what is missing."""
        try:
            return self.held[name].data[key]
        except KeyError:
            raise KeyMissing(f"Secret {name} has no key {key}: add it, or correct the reference to it") from None


async def read_secrets(broker: MessageBroker, reader: SecretReader) -> Secrets | Gap:
    """All Secrets the spec names, from the MessageBroker's own namespace; or why that failed."""
    names = sorted(_names(broker))
    answers = await asyncio.gather(*(reader.read(broker.metadata.namespace, name) for name in names))
    held: dict[str, SecretData] = {}
    for name, answer in zip(names, answers, strict=True):
        if isinstance(answer, SecretProblem):
            return Gap(Reason(answer.reason.value), answer.message)
        held[name] = answer
    return Secrets(held)


def open_broker(broker: MessageBroker, secrets: Secrets) -> Broker | Gap:
    """An adapter for the spec; nothing is sent yet. A Gap where Secrets hold what cannot be used."""
    return _opened(broker, secrets, KafkaBroker)


def open_settings(broker: MessageBroker, secrets: Secrets) -> SettingsBroker | Gap:
    """The same for its settings, with connections of its own."""
    return _opened(broker, secrets, KafkaSettings)


def _opened(broker: MessageBroker, secrets: Secrets, kafka: Callable[[Sequence[str], Security], Adapter]) -> Adapter | Gap:
    assert broker.spec.kafka is not None, "the CRD asks for the block of the type"
    try:
        security = _security(broker.spec.kafka.security, secrets)
    except KeyMissing as error:
        return Gap(Reason.SECRET_MISSING, str(error))
    except SecurityError as error:
        return Gap(Reason.SECRET_INVALID, str(error))
    return kafka(list(broker.spec.kafka.bootstrap_servers), security)


def _names(broker: MessageBroker) -> set[str]:
    assert broker.spec.kafka is not None, "the CRD asks for the block of the type"
    security = broker.spec.kafka.security
    references = (security.credentials_secret_ref, security.ca_secret_ref, security.client_certificate_secret_ref)
    return {reference.name for reference in references if reference is not None}


def _security(wanted: KafkaSecurity, secrets: Secrets) -> Security:
    credentials, ca, client = wanted.credentials_secret_ref, wanted.ca_secret_ref, wanted.client_certificate_secret_ref
    return Security(
        protocol=wanted.protocol.value,
        mechanism=wanted.mechanism.value if wanted.mechanism else None,
        username=_text(secrets.value(credentials.name, credentials.username_key)) if credentials else None,
        password=_text(secrets.value(credentials.name, credentials.password_key)) if credentials else None,
        ca=secrets.value(ca.name, ca.key) if ca else None,
        client_certificate=secrets.value(client.name, client.cert_key) if client else None,
        client_key=secrets.value(client.name, client.key_key) if client else None,
    )


def _text(value: bytes) -> str:
    """A user or password as text; a newline at its end is what editors and echo leave behind."""
    try:
        return value.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise SecurityError("a user name or password is not UTF-8 text: correct the Secret of credentialsSecretRef") from None
