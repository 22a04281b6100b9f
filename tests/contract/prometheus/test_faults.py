"""A real Prometheus that refuses, cannot, is slow, or comes and goes: a reason each, and never an old number."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from floodhack.certificates import Authority
from floodwarden.brokers.base import BrokerError
from floodwarden.core.observation import Reading, Subscription, UnknownReason
from tests.contract.prometheus.conftest import Connect, Seen, awaited, seen
from tests.contract.prometheus.real_prometheus import HASH, USER, Exporter, RealPrometheus, Told, exporting

ORDERS = Subscription("billing", ("orders",))
CREDENTIALS = {"name": "credentials"}
GUARDED = {"basic_auth_users": {USER: HASH}}


def known(found: Seen) -> bool:
    return isinstance(found, Reading)


async def test_who_shows_the_password_is_served(server: RealPrometheus, connect: Connect) -> None:
    """And who shows another or none is told, without the password."""
    with exporting(Exporter()) as target:
        server.start(target, web=GUARDED)
        await awaited(connect(credentialsSecretRef=CREDENTIALS), known)
        for broker in (connect(), connect(credentialsSecretRef={**CREDENTIALS, "passwordKey": "wrong"})):
            error = await seen(broker, ORDERS)
            assert isinstance(error, BrokerError)
            assert error.reason is UnknownReason.AUTHENTICATION_FAILED
            assert "check the Secret of credentialsSecretRef" in str(error)
            assert "hunter2" not in f"{error} {error!r}"


async def test_over_tls(server: RealPrometheus, connect: Connect, tmp_path: Path) -> None:
    """With the authority that signed its certificate, and with no other; in plain text it is said that it wants https."""
    authority, other = Authority(tmp_path / "ca"), Authority(tmp_path / "other")
    authority.create()
    other.create()
    pair = authority.issue("prometheus", "prometheus", addresses=["IP:127.0.0.1"])
    tls = {"tls_server_config": {"cert_file": str(pair.certificate), "key_file": str(pair.key)}}
    with exporting(Exporter()) as target:
        server.start(target, web={**tls, **GUARDED})
        plain = await seen(connect(credentialsSecretRef=CREDENTIALS), ORDERS)
        assert isinstance(plain, BrokerError)
        assert "https where it wants it" in str(plain)
        server.scheme = "https"
        spec = {"credentialsSecretRef": CREDENTIALS, "caSecretRef": {"name": "ca"}}
        await awaited(connect(ca=authority.pair.certificate.read_bytes(), **spec), known)
        stranger = await seen(connect(ca=other.pair.certificate.read_bytes(), **spec), ORDERS)
        assert isinstance(stranger, BrokerError)
        assert stranger.reason is UnknownReason.AUTHENTICATION_FAILED
        assert "check the CA in caSecretRef" in str(stranger)


WRONG_QUERIES = {
    "no PromQL": ("kafka_(", "correct queries"),
    "no samples of one moment": ("up[5m]", "correct queries"),
    "no partition": ("sum by (topic) (kafka_topic_partition_current_offset)", "correct queries, with label_replace()"),
}


@pytest.mark.parametrize(("end", "says"), WRONG_QUERIES.values(), ids=WRONG_QUERIES)
async def test_queries_that_are_wrong(server: RealPrometheus, connect: Connect, end: str, says: str) -> None:
    """It is said that queries are to be corrected."""
    with exporting(Exporter()) as target:
        server.start(target)
        position = 'label_replace(kafka_consumergroup_current_offset, "group", "$1", "consumergroup", "(.*)")'
        adapter = connect(exporter="Custom", queries={"end": end, "committed": position})
        error = await awaited(adapter, lambda now: isinstance(now, BrokerError) and says in str(now))
        assert isinstance(error, BrokerError)
        assert error.reason is UnknownReason.BROKER_ERROR


async def test_more_samples_than_it_may_load(server: RealPrometheus, connect: Connect) -> None:
    """422: narrow it."""
    with exporting(Exporter()) as target:
        server.start(target, flags=("--query.max-samples=1",))
        error = await awaited(connect(), lambda now: isinstance(now, BrokerError) and "too many samples" in str(now))
        assert isinstance(error, BrokerError)
        assert error.reason is UnknownReason.BROKER_ERROR


async def test_a_query_that_takes_too_long_for_it(server: RealPrometheus, connect: Connect) -> None:
    """503 with a time limit of its own."""
    with exporting(Exporter(topics={"orders": [Told(100, 60)] * 5000})) as target:
        server.start(target, flags=("--query.timeout=1ms",))
        error = await awaited(connect(), lambda now: isinstance(now, BrokerError) and now.reason is UnknownReason.TIMEOUT)
        assert "could not evaluate the query in time" in str(error)


async def test_one_that_does_not_answer(server: RealPrometheus, connect: Connect) -> None:
    """The sweep ends by itself, and goes on with the next when it answers again."""
    with exporting(Exporter()) as target:
        server.start(target)
        broker = connect()
        await awaited(broker, known)
        with server.frozen():
            async with asyncio.timeout(8):
                error = await seen(broker, ORDERS)
            assert isinstance(error, BrokerError)
            assert error.reason is UnknownReason.TIMEOUT
        await awaited(broker, known)


async def test_one_that_comes_and_goes(server: RealPrometheus, connect: Connect) -> None:
    """Each time it is away it is said, and no reading is older than its last scrape."""
    broker = connect()
    times: list[float] = []

    def newer(found: Seen) -> bool:
        return isinstance(found, Reading) and (found.taken or 0) > max(times, default=0)

    with exporting(Exporter()) as target:
        for _ in range(2):
            server.start(target)
            back = await awaited(broker, newer)
            assert isinstance(back, Reading)
            assert back.taken is not None
            times.append(back.taken)
            server.kill()
            away = await seen(broker, ORDERS)
            assert isinstance(away, BrokerError)
            assert away.reason is UnknownReason.BROKER_UNREACHABLE
