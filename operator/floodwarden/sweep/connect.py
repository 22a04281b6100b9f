"""From a MessageBroker and its Secrets to an adapter; the one place that knows which adapter serves which type."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from floodwarden.api.blocks import (
    AclSecretRef,
    CaSecretRef,
    ClientCertificateSecretRef,
    CredentialsSecretRef,
    KafkaSecurity,
    RabbitMQ,
    RocketMQ,
)
from floodwarden.api.messagebroker import MessageBroker
from floodwarden.brokers.base import Broker, DeliveryBroker, SettingsBroker
from floodwarden.brokers.kafka import KafkaBroker, KafkaSettings, Security
from floodwarden.brokers.rabbitmq import Access, RabbitBroker, RabbitSettings
from floodwarden.brokers.rocketmq import RocketMQBroker, RocketMQSettings
from floodwarden.brokers.rocketmq import Security as RocketMQSecurity
from floodwarden.brokers.secrets import KeyMissing, Secrets, UnusableSecret
from floodwarden.cluster.secrets import SecretData, SecretProblem, SecretReader
from floodwarden.core.assess import Gap
from floodwarden.core.reasons import Reason

Adapter = TypeVar("Adapter")


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

    def opened() -> Broker:
        if broker.spec.rabbitmq is not None:
            return RabbitBroker(_access(broker.spec.rabbitmq, secrets))
        if broker.spec.rocketmq is not None:
            return RocketMQBroker(broker.spec.rocketmq.name_servers, _signing(broker.spec.rocketmq, secrets))
        return KafkaBroker(*_kafka(broker, secrets))

    return _or_gap(opened)


def open_settings(broker: MessageBroker, secrets: Secrets) -> SettingsBroker | Gap:
    """The same for Kafka's settings, with connections of its own."""
    return _or_gap(lambda: KafkaSettings(*_kafka(broker, secrets)))


def open_delivery(broker: MessageBroker, secrets: Secrets) -> DeliveryBroker[Any] | Gap:
    """The same for the settings of brokers that are not Kafka's."""

    def opened() -> DeliveryBroker[Any]:
        if broker.spec.rabbitmq is not None:
            return RabbitSettings(_access(broker.spec.rabbitmq, secrets))
        assert broker.spec.rocketmq is not None, "Kafka's are opened by open_settings"
        return RocketMQSettings(broker.spec.rocketmq.name_servers, _signing(broker.spec.rocketmq, secrets))

    return _or_gap(opened)


def _or_gap(opened: Callable[[], Adapter]) -> Adapter | Gap:
    try:
        return opened()
    except KeyMissing as error:
        return Gap(Reason.SECRET_MISSING, str(error))
    except UnusableSecret as error:
        return Gap(Reason.SECRET_INVALID, str(error))


def _names(broker: MessageBroker) -> set[str]:
    kafka, rabbitmq, rocketmq = broker.spec.kafka, broker.spec.rabbitmq, broker.spec.rocketmq
    references: list[CredentialsSecretRef | AclSecretRef | CaSecretRef | ClientCertificateSecretRef | None] = []
    if kafka is not None:
        security = kafka.security
        references += [security.credentials_secret_ref, security.ca_secret_ref, security.client_certificate_secret_ref]
    if rabbitmq is not None:
        references += [rabbitmq.credentials_secret_ref, rabbitmq.ca_secret_ref]
    if rocketmq is not None:
        references += [rocketmq.acl_secret_ref, rocketmq.ca_secret_ref]
    return {reference.name for reference in references if reference is not None}


def _access(wanted: RabbitMQ, secrets: Secrets) -> Access:
    credentials, ca = wanted.credentials_secret_ref, wanted.ca_secret_ref
    return Access(
        urls=(wanted.management_url,),
        vhost=wanted.vhost,
        username=secrets.text(credentials.name, credentials.username_key),
        password=secrets.text(credentials.name, credentials.password_key),
        ca=secrets.value(ca.name, ca.key) if ca else None,
    )


def _signing(wanted: RocketMQ, secrets: Secrets) -> RocketMQSecurity:
    acl, ca = wanted.acl_secret_ref, wanted.ca_secret_ref
    return RocketMQSecurity(
        access_key=secrets.text(acl.name, acl.access_key_key) if acl else None,
        secret_key=secrets.text(acl.name, acl.secret_key_key) if acl else None,
        encrypted=wanted.tls,
        ca=secrets.value(ca.name, ca.key) if ca else None,
    )


def _kafka(broker: MessageBroker, secrets: Secrets) -> tuple[Sequence[str], Security]:
    assert broker.spec.kafka is not None, "the CRD asks for the block of the type"
    return broker.spec.kafka.bootstrap_servers, _security(broker.spec.kafka.security, secrets)


def _security(wanted: KafkaSecurity, secrets: Secrets) -> Security:
    credentials, ca, client = wanted.credentials_secret_ref, wanted.ca_secret_ref, wanted.client_certificate_secret_ref
    return Security(
        protocol=wanted.protocol.value,
        mechanism=wanted.mechanism.value if wanted.mechanism else None,
        username=secrets.text(credentials.name, credentials.username_key) if credentials else None,
        password=secrets.text(credentials.name, credentials.password_key) if credentials else None,
        ca=secrets.value(ca.name, ca.key) if ca else None,
        client_certificate=secrets.value(client.name, client.cert_key) if client else None,
        client_key=secrets.value(client.name, client.key_key) if client else None,
    )
