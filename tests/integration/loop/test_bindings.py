"""The way to the broker: who may use it, and the Secrets that open it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.loop.shop import BROKER, Shop
from tests.support.kubectl import Object

WRONG = "canary-wrong-password"
CORRECTED_WITHIN = 25.0  # seconds from a Secret's correction to Ready, on a busy machine


def secured(shop: Shop, protocol: str, **security: object) -> Object:
    """A broker's block for one listener."""
    bootstrap = shop.kafka.facts["bootstrap"][protocol]
    return {"bootstrapServers": bootstrap, "security": {"protocol": protocol, **security}}


def user(shop: Shop, password: str | None = None) -> dict[str, str]:
    """The SCRAM user's Secret."""
    facts = shop.kafka.facts["scram"]
    return {"username": facts["username"], "password": password or facts["password"]}


def test_the_namespace_must_be_allowed(shop: Shop) -> None:
    """A policy in another namespace is refused until the broker's owner allows that namespace."""
    other = shop.add_namespace(f"{shop.namespace}-other")
    shop.make_topic(2)
    shop.broker(namespace=other)
    shop.idle(1)
    shop.policy(brokerRef={"name": BROKER, "namespace": other}, consumers={"minReplicas": 2})
    assert shop.namespace in shop.await_condition("Ready", "False", "BrokerNotAllowed")
    shop.let_it_decide(2)
    assert shop.replicas() == 1
    shop.patch("fwmb", BROKER, {"spec": {"allowedNamespaces": [shop.namespace]}}, namespace=other)
    shop.await_condition("Ready", "True", "Watching")
    shop.await_replicas(2)
    assert shop.reasons() == ["BrokerNotAllowed", "Watching", "BelowMinimum"]


def test_a_broker_that_comes_later(shop: Shop) -> None:
    """A policy tells that its broker is missing, and goes on by itself once it is there; a paused broker holds it again."""
    shop.make_topic(2)
    shop.idle(1)
    shop.policy(consumers={"minReplicas": 2})
    assert BROKER in shop.await_condition("Ready", "False", "BrokerNotFound")
    assert shop.condition("WithinLag") == ("Unknown", "BrokerNotReady")
    shop.broker()
    shop.await_replicas(2)
    shop.await_condition("Ready", "True", "Watching")
    shop.kubectl.run("annotate", "fwmb", BROKER, "floodwarden.dev/paused=true", "-n", shop.namespace)
    shop.await_condition("Ready", "False", "Paused")
    row = shop.kubectl.run("get", "fwmb", "-n", shop.namespace, "--no-headers").split()
    assert row[:2] == [BROKER, "Kafka"]


def test_a_wrong_password_is_corrected(shop: Shop) -> None:
    """A refused password is told by broker and policy, and the corrected Secret is taken up by itself."""
    shop.make_topic(2)
    shop.idle(1)
    shop.secret("user", **user(shop, WRONG))
    shop.broker(kafka=secured(shop, "SASL_PLAINTEXT", mechanism="SCRAM-SHA-512", credentialsSecretRef={"name": "user"}))
    shop.policy()
    message = shop.await_condition("Ready", "False", "AuthenticationFailed", kind="fwmb", name=BROKER)
    assert "check username and password" in message
    assert WRONG not in message
    shop.await_condition("WithinLag", "Unknown", "AuthenticationFailed")
    shop.secret("user", **user(shop))
    shop.await_condition("Ready", "True", "Sweeping", kind="fwmb", name=BROKER, within=CORRECTED_WITHIN)
    shop.await_condition("WithinLag", "True", "WithinLimit")
    assert shop.reasons(BROKER, kind="MessageBroker") == ["AuthenticationFailed", "Sweeping", "AllNodesReachable"]


def test_a_secret_that_comes_later(shop: Shop) -> None:
    """A missing Secret is told by name; once it is there, sweeps begin."""
    shop.make_topic(2)
    shop.idle(1)
    shop.broker(kafka=secured(shop, "SASL_PLAINTEXT", mechanism="SCRAM-SHA-256", credentialsSecretRef={"name": "user"}))
    shop.policy()
    assert "Secret user" in shop.await_condition("Ready", "False", "SecretMissing", kind="fwmb", name=BROKER)
    shop.await_condition("WithinLag", "Unknown", "BrokerNotReady")
    shop.secret("user", **user(shop))
    shop.await_condition("Ready", "True", "Sweeping", kind="fwmb", name=BROKER, within=CORRECTED_WITHIN)
    shop.await_condition("WithinLag", "True", "WithinLimit")


def test_a_wrong_authority(shop: Shop) -> None:
    """Brokers whose certificates nobody named has signed are not trusted; with the right authority they are."""
    pems = Path(shop.kafka.facts["ca"]).read_text(), Path(shop.kafka.facts["client_certificate"]).read_text()
    shop.secret("ca", **{"ca.crt": pems[1]})
    shop.broker(kafka=secured(shop, "SSL", caSecretRef={"name": "ca"}))
    message = shop.await_condition("Ready", "False", "AuthenticationFailed", kind="fwmb", name=BROKER)
    assert "is not trusted" in message
    shop.secret("ca", **{"ca.crt": "not a certificate"})
    shop.await_condition("Ready", "False", "SecretInvalid", kind="fwmb", name=BROKER)
    shop.secret("ca", **{"ca.crt": pems[0]})
    shop.await_condition("Ready", "True", "Sweeping", kind="fwmb", name=BROKER, within=CORRECTED_WITHIN)


@pytest.mark.parametrize(
    ("protocol", "mechanism"),
    [("SSL", ""), ("SASL_SSL", "SCRAM-SHA-512"), ("SASL_SSL", "SCRAM-SHA-256"), ("SASL_PLAINTEXT", "PLAIN")],
)
def test_listeners(shop: Shop, protocol: str, mechanism: str) -> None:
    """Every protected listener works through a MessageBroker and its Secrets."""
    facts = shop.kafka.facts["plain" if mechanism == "PLAIN" else "scram"]
    security: dict[str, object] = {}
    if protocol.endswith("SSL"):
        shop.secret("ca", **{"ca.crt": Path(shop.kafka.facts["ca"]).read_text()})
        security["caSecretRef"] = {"name": "ca"}
    if mechanism:
        shop.secret("user", username=facts["username"], password=facts["password"])
        security |= {"mechanism": mechanism, "credentialsSecretRef": {"name": "user"}}
    shop.make_topic(2)
    shop.produce(7, partitions=range(2))
    shop.idle(1)
    shop.broker(kafka=secured(shop, protocol, **security))
    shop.policy()
    shop.await_status(lambda s: s.get("lag") and s["lag"]["messages"] == 14, "the lag read")
    status = shop.await_status(lambda s: s.get("version"), "the broker's facts", kind="fwmb", name=BROKER)
    assert (status["nodes"], status["policies"], status["unreachableNodes"]) == (3, 1, [])
