"""Every kind of listener is read, and what is wrong with credentials or certificates is named, without showing them."""

from __future__ import annotations

import logging

import pytest

from floodwarden.brokers.base import BrokerError
from floodwarden.brokers.kafka import Security
from floodwarden.core.observation import Offsets, Partition, Query, Subscription, UnknownReason
from tests.contract.cluster.eventually import eventually
from tests.contract.kafka.conftest import Connect
from tests.contract.kafka.looking import offsets_of, settled, sweeping
from tests.contract.kafka.real_kafka import RealKafka

LISTENERS = [
    ("PLAINTEXT", None),
    ("SSL", None),
    *[
        (protocol, mechanism)
        for protocol in ("SASL_PLAINTEXT", "SASL_SSL")
        for mechanism in ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
    ],
]


@pytest.mark.parametrize(("protocol", "mechanism"), LISTENERS, ids=lambda part: part or "no SASL")
async def test_reads_through_every_listener(
    kafka: RealKafka, connect: Connect, group: str, protocol: str, mechanism: str | None
) -> None:
    """The same offsets come out whichever way the connection is protected."""
    topic = kafka.topic(partitions=1)
    kafka.produce(topic, {0: 7})
    kafka.commit(group, topic, {0: 3})
    broker = connect(kafka.facts["bootstrap"][protocol], kafka.security(protocol, mechanism))
    subscription = Subscription(group, (topic,))
    snapshot = await eventually(sweeping(broker, Query(subscription)), settled)
    assert offsets_of(snapshot, subscription) == {Partition(topic, 0): Offsets(log_start=0, end=7, committed=3)}
    assert len(snapshot.nodes) == 3
    assert snapshot.unreachable == ()
    assert snapshot.version == ".".join(kafka.facts["version"].split(".")[:2])


async def test_shows_a_client_certificate(kafka: RealKafka, connect: Connect) -> None:
    """A client certificate from memory is accepted where the broker asks for one."""
    certificate, key = kafka.pem("client_certificate"), kafka.pem("client_key")
    broker = connect(kafka.facts["bootstrap"]["SSL"], kafka.security("SSL", client_certificate=certificate, client_key=key))
    assert (await broker.observe([])).unreachable == ()


WRONG = [
    ("SASL_SSL", "SCRAM-SHA-512", "SASL_SSL", {"password": "wr0ng"}, UnknownReason.AUTHENTICATION_FAILED, "credentialsSecretRef"),
    ("SASL_SSL", "PLAIN", "SASL_SSL", {"password": "wr0ng"}, UnknownReason.AUTHENTICATION_FAILED, "credentialsSecretRef"),
    ("SASL_SSL", "PLAIN", "SASL_SSL", {"username": "nobody"}, UnknownReason.AUTHENTICATION_FAILED, "nobody"),
    ("SSL", None, "SSL", {"ca": None}, UnknownReason.AUTHENTICATION_FAILED, "caSecretRef"),
    ("PLAINTEXT", None, "SSL", {}, UnknownReason.BROKER_UNREACHABLE, "security.protocol"),
    ("PLAINTEXT", None, "SASL_PLAINTEXT", {}, UnknownReason.BROKER_UNREACHABLE, "security.protocol"),
    ("SSL", None, "PLAINTEXT", {}, UnknownReason.BROKER_UNREACHABLE, "security.protocol"),
    ("SASL_PLAINTEXT", "PLAIN", "PLAINTEXT", {}, UnknownReason.BROKER_UNREACHABLE, "security.protocol"),
    ("SASL_SSL", "SCRAM-SHA-512", "SSL", {}, UnknownReason.BROKER_UNREACHABLE, "security.protocol"),
]


@pytest.mark.parametrize(("protocol", "mechanism", "listener", "changes", "reason", "says"), WRONG)
async def test_names_what_to_correct(
    kafka: RealKafka,
    connect: Connect,
    caplog: pytest.LogCaptureFixture,
    protocol: str,
    mechanism: str | None,
    listener: str,
    changes: dict[str, str],
    reason: UnknownReason,
    says: str,
) -> None:
    """A wrong password, authority or protocol is an error with a reason and a way out, and no secret is shown anywhere."""
    caplog.set_level(logging.DEBUG)
    security = kafka.security(protocol, mechanism, **changes)
    broker = connect(kafka.facts["bootstrap"][listener], security)
    with pytest.raises(BrokerError) as caught:
        await broker.observe([Query(Subscription("billing", ("orders",)))])
    assert caught.value.reason is reason
    assert says in str(caught.value)
    shown = f"{security!r} {caught.value!r} {caplog.text}"
    assert security.password is None or security.password not in shown


async def test_no_secret_in_debug_logs(kafka: RealKafka, connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    """Passwords stay out of the logs at every level while they are used."""
    caplog.set_level(logging.DEBUG)
    security = kafka.security("SASL_PLAINTEXT", "PLAIN")
    await connect(kafka.facts["bootstrap"]["SASL_PLAINTEXT"], security).observe([])
    assert security.password
    assert security.password not in caplog.text


async def test_nobody_there(connect: Connect) -> None:
    """Addresses without a broker are named."""
    broker = connect(["127.0.0.1:1", "no-such-host.invalid:9092"], Security())
    with pytest.raises(BrokerError, match=r"127\.0\.0\.1:1 .*no-such-host\.invalid:9092") as caught:
        await broker.observe([])
    assert caught.value.reason is UnknownReason.BROKER_UNREACHABLE


async def test_one_bootstrap_address_is_enough(kafka: RealKafka, connect: Connect) -> None:
    """All nodes are found through the one bootstrap address that answers."""
    snapshot = await connect(["127.0.0.1:1", kafka.bootstrap[1]]).observe([])
    assert len(snapshot.nodes) == 3
