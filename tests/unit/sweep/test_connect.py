"""From a MessageBroker and its Secrets to an adapter, or to what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from floodwarden.api.messagebroker import MessageBroker
from floodwarden.brokers.kafka import KafkaBroker
from floodwarden.brokers.prometheus import PrometheusBroker
from floodwarden.brokers.rabbitmq import RabbitBroker, RabbitSettings
from floodwarden.brokers.rocketmq import RocketMQBroker, RocketMQSettings
from floodwarden.brokers.secrets import Secrets
from floodwarden.cluster.secrets import HiddenValues, SecretData
from floodwarden.core.assess import Gap
from floodwarden.core.reasons import Reason
from floodwarden.sweep.connect import open_broker, open_delivery
from tests.support.resources import broker, prometheus, rabbitmq, rocketmq

GUEST = {"username": b"guest\n", "password": b"guest"}
ACL = {"accessKey": b"guest", "secretKey": b"guest-secret"}
TLS = "https://127.0.0.1:15671"


def secrets(**held: Mapping[str, bytes]) -> Secrets:
    return Secrets({name: SecretData("1", HiddenValues(data)) for name, data in held.items()})


@pytest.mark.parametrize(
    ("resource", "known", "adapter"),
    [
        pytest.param(broker(), secrets(), KafkaBroker, id="Kafka"),
        pytest.param(rabbitmq(), secrets(credentials=GUEST), RabbitBroker, id="RabbitMQ"),
        pytest.param(rabbitmq(url=TLS), secrets(credentials=GUEST), RabbitBroker, id="RabbitMQ by TLS"),
        pytest.param(rocketmq(), secrets(), RocketMQBroker, id="RocketMQ"),
        pytest.param(rocketmq(tls=True, acl="acl"), secrets(acl=ACL), RocketMQBroker, id="RocketMQ that asks who it is"),
        pytest.param(prometheus(), secrets(), PrometheusBroker, id="Prometheus"),
        pytest.param(
            prometheus(credentialsSecretRef={"name": "credentials"}),
            secrets(credentials=GUEST),
            PrometheusBroker,
            id="Prometheus that asks for a password",
        ),
        pytest.param(
            prometheus(TLS, bearerTokenSecretRef={"name": "token"}),
            secrets(token={"token": b"guest\n"}),
            PrometheusBroker,
            id="Prometheus that asks for a token",
        ),
    ],
)
async def test_the_adapter_of_each_type(resource: MessageBroker, known: Secrets, adapter: type) -> None:
    """Nothing is sent yet."""
    opened = open_broker(resource, known)
    assert isinstance(opened, adapter)
    assert not isinstance(opened, Gap)
    await opened.close()


@pytest.mark.parametrize(
    ("resource", "known", "adapter"),
    [
        pytest.param(rabbitmq(), secrets(credentials=GUEST), RabbitSettings, id="RabbitMQ"),
        pytest.param(rocketmq(tls=True, acl="acl"), secrets(acl=ACL), RocketMQSettings, id="RocketMQ"),
    ],
)
async def test_the_settings_of_each_type(resource: MessageBroker, known: Secrets, adapter: type) -> None:
    """With the same Secrets, over connections of their own."""
    opened = open_delivery(resource, known)
    assert isinstance(opened, adapter)
    assert not isinstance(opened, Gap)
    await opened.close()
    assert isinstance(open_delivery(rabbitmq(), secrets(credentials={"username": b"guest"})), Gap)


@pytest.mark.parametrize(
    ("resource", "known", "reason", "says"),
    [
        pytest.param(
            rabbitmq(),
            secrets(credentials={"username": b"guest"}),
            Reason.SECRET_MISSING,
            "no key password",
            id="a key is missing",
        ),
        pytest.param(
            rabbitmq(),
            secrets(credentials={"username": b"\xff", "password": b"guest"}),
            Reason.SECRET_INVALID,
            "not UTF-8",
            id="no text",
        ),
        pytest.param(
            rabbitmq(),
            secrets(credentials={"username": b"", "password": b"guest"}),
            Reason.SECRET_INVALID,
            "username or password is empty",
            id="an empty user",
        ),
        pytest.param(
            rabbitmq(url=TLS, ca="ca"),
            secrets(credentials=GUEST, ca={"ca.crt": b"none"}),
            Reason.SECRET_INVALID,
            "no usable PEM certificate",
            id="no certificate",
        ),
        pytest.param(
            rocketmq(acl="acl"), secrets(acl={"accessKey": b"guest"}), Reason.SECRET_MISSING, "secretKey", id="no secret key"
        ),
        pytest.param(
            rocketmq(acl="acl"),
            secrets(acl={"accessKey": b"guest", "secretKey": b""}),
            Reason.SECRET_INVALID,
            "accessKey or secretKey is empty",
            id="an empty secret key",
        ),
        pytest.param(
            rocketmq(tls=True, ca="ca"),
            secrets(ca={"ca.crt": b"none"}),
            Reason.SECRET_INVALID,
            "no usable PEM",
            id="no authority",
        ),
        pytest.param(
            prometheus(bearerTokenSecretRef={"name": "token"}),
            secrets(token={"token": b"guest of honour"}),
            Reason.SECRET_INVALID,
            "holds what HTTP cannot send",
            id="no token",
        ),
    ],
)
def test_secrets_that_cannot_be_used(resource: MessageBroker, known: Secrets, reason: Reason, says: str) -> None:
    """What to do is said, and nothing of the Secret."""
    found = open_broker(resource, known)
    assert isinstance(found, Gap)
    assert found.reason is reason
    assert says in found.message
    assert "guest" not in found.message
