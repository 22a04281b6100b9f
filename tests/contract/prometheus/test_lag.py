"""Lag from the series of exporters, through a real Prometheus that scrapes them: what is known, and what is not."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import replace

import pytest

from floodwarden.brokers.base import BrokerError
from floodwarden.core.observation import Offsets, Partition, Query, Reading, Subscription, Unknown, UnknownReason
from tests.contract.prometheus.conftest import Connect, Seen, awaited, seen
from tests.contract.prometheus.real_prometheus import Exporter, RealPrometheus, Told, exporting

ORDERS = Subscription("billing", ("orders",))
FIRST, SECOND = Partition("orders", 0), Partition("orders", 1)
EXPORTERS = {"kafka_exporter": "KafkaExporter", "kminion": "Kminion"}
CUSTOM = {
    "exporter": "Custom",
    "queries": {
        "end": "kafka_topic_partition_current_offset",
        "committed": 'label_replace(kafka_consumergroup_current_offset, "group", "$1", "consumergroup", "(.*)") # theirs',
        "logStart": "kafka_topic_partition_oldest_offset",
        "taken": "timestamp(kafka_topic_partition_current_offset)",
    },
}


def known(found: Seen) -> bool:
    return isinstance(found, Reading) and all(isinstance(offsets, Offsets) for offsets in found.partitions.values())


def unknown(found: Seen) -> bool:
    return isinstance(found, Unknown)


@pytest.mark.parametrize("style", EXPORTERS)
async def test_positions_are_those_of_the_exporter(server: RealPrometheus, connect: Connect, style: str) -> None:
    """By the series' real names; a new scrape is a new reading, and nothing in between is one."""
    exporter = Exporter(style)
    with exporting(exporter) as target:
        server.start(target)
        broker = connect(exporter=EXPORTERS[style])
        found = await awaited(broker, known)
        assert isinstance(found, Reading)
        assert found.partitions == {FIRST: Offsets(10, 100, 60), SECOND: Offsets(0, 50, 50)}
        assert found.taken is not None
        assert abs(time.time() - found.taken) < 30
        exporter.topics["orders"][0] = Told(130, 75, 10)
        moved = await awaited(broker, lambda now: isinstance(now, Reading) and now.partitions != found.partitions)
        assert isinstance(moved, Reading)
        assert moved.partitions[FIRST] == Offsets(10, 130, 75)
        assert moved.taken is not None
        assert moved.taken > found.taken


async def test_what_does_not_change_is_the_same_object(server: RealPrometheus, connect: Connect) -> None:
    """Policies at rest cost nothing; positions stay the same object from scrape to scrape."""
    with exporting(Exporter()) as target:
        server.start(target)
        broker = connect()
        first = await awaited(broker, known)
        assert isinstance(first, Reading)
        later = await awaited(broker, lambda now: isinstance(now, Reading) and now.taken != first.taken)
        assert isinstance(later, Reading)
        assert later.partitions is first.partitions
        same = 0
        for _ in range(20):  # a scrape may fall between two
            now = await seen(broker, ORDERS)
            same += now is later
            assert isinstance(now, Reading)
            later = now
        assert same > 0


async def test_one_request_for_all(server: RealPrometheus, connect: Connect) -> None:
    """Whatever the number of policies; names that would be more than a name in PromQL are but names."""
    hostile = ['a"} or up{x="', "a.*", "back\\slash", "line\nend", "gruppe-ü", "(", "a|b"]
    with exporting(Exporter(group="a.c+(d)")) as target:
        server.start(target)
        broker = connect()
        odd = Subscription("a.c+(d)")
        await awaited(broker, known, odd)
        queries = [Query(Subscription(name)) for name in [*hostile, *(f"group-{number}" for number in range(1000))]]
        snapshot = await broker.observe([*queries, Query(odd)])
        assert snapshot.requests == 1
        assert known(snapshot.readings[odd])
        assert all(unknown(snapshot.readings[query.subscription]) for query in queries)
        assert (await broker.observe([])).requests == 1


async def test_a_group_that_nothing_tells_of_is_not_idle(server: RealPrometheus, connect: Connect) -> None:
    """Nor is a topic, or a partition: and the rest is told."""
    exporter = Exporter()
    with exporting(exporter) as target:
        server.start(target)
        broker = connect()
        await awaited(broker, known)
        nobody = await seen(broker, Subscription("nobody"))
        assert isinstance(nobody, Unknown)
        assert "no series tells of group nobody" in nobody.detail
        other = await seen(broker, Subscription("billing", ("orders", "other")))
        assert isinstance(other, Reading)
        assert other.partitions[FIRST] == Offsets(10, 100, 60)
        assert isinstance(other.partitions[Partition("other", 0)], Unknown)
        text = exporter.text()
        lines = [line for line in text.splitlines() if 'partition="1"' not in line]
        exporter.topics, exporter.more = {}, "\n".join(lines) + "\n"
        gone = await awaited(broker, lambda now: isinstance(now, Reading) and not known(now))
        assert isinstance(gone, Reading)
        lost = gone.partitions[SECOND]
        assert isinstance(lost, Unknown)
        assert "it may have no leader" in lost.detail
        assert gone.partitions[FIRST] == Offsets(10, 100, 60)


async def test_never_committed_is_not_unknown_where_the_exporter_says_so(server: RealPrometheus, connect: Connect) -> None:
    """kafka_exporter has -1 for it."""
    with exporting(Exporter(topics={"orders": [Told(100, 60), Told(50, None)]})) as target:
        server.start(target)
        found = await awaited(connect(), known)
        assert isinstance(found, Reading)
        assert found.partitions[SECOND] == Offsets(0, 50, None)


async def test_kminion_does_not_tell_who_never_committed(server: RealPrometheus, connect: Connect) -> None:
    """Unless there never was anything to read."""
    with exporting(Exporter("kminion", topics={"orders": [Told(100, 60), Told(50, None), Told(7, None, 7)]})) as target:
        server.start(target)
        found = await awaited(connect(exporter="Kminion"), lambda now: isinstance(now, Reading))
        assert isinstance(found, Reading)
        assert isinstance(found.partitions[SECOND], Unknown)
        assert found.partitions[Partition("orders", 2)] == Offsets(7, 7, None)


async def test_queries_of_ones_own(server: RealPrometheus, connect: Connect) -> None:
    """Even with a comment at their end; without a time of their own they are refused."""
    with exporting(Exporter()) as target:
        server.start(target)
        found = await awaited(connect(**CUSTOM), known)
        assert isinstance(found, Reading)
        assert found.partitions == {FIRST: Offsets(10, 100, 60), SECOND: Offsets(0, 50, 50)}
        timeless = {**CUSTOM, "queries": {key: text for key, text in CUSTOM["queries"].items() if key != "taken"}}  # type: ignore[attr-defined]
        refused = await seen(connect(**timeless), ORDERS)
        assert isinstance(refused, Unknown)
        assert "add queries.taken" in refused.detail


async def test_two_clusters_are_not_one(server: RealPrometheus, connect: Connect) -> None:
    """What is doubled is unknown until labels tell which is meant."""
    one = Exporter(extra='strimzi_io_cluster="one"')
    two = replace(one, extra='strimzi_io_cluster="two"', topics={"orders": [Told(9, 9), Told(9, 9)]})
    with ExitStack() as stack:
        server.start(*(stack.enter_context(exporting(exporter)) for exporter in (one, two)))
        narrow = connect(labels=[{"name": "strimzi_io_cluster", "value": "one"}])
        found = await awaited(narrow, known)
        assert isinstance(found, Reading)
        assert found.partitions[FIRST] == Offsets(10, 100, 60)
        doubled = await awaited(connect(), lambda now: isinstance(now, Reading) and not known(now))
        assert isinstance(doubled, Reading)
        told = doubled.partitions[FIRST]
        assert isinstance(told, Unknown)
        assert "narrow them with labels" in told.detail


@pytest.mark.parametrize("number", ["NaN", "+Inf", "-7", "1.5"])
async def test_what_is_no_position_is_unknown(server: RealPrometheus, connect: Connect, number: str) -> None:
    """And only there."""
    more = f'kafka_consumergroup_current_offset{{consumergroup="billing",partition="2",topic="orders"}} {number}\n'
    more += 'kafka_topic_partition_current_offset{partition="2",topic="orders"} 5\n'
    with exporting(Exporter(more=more)) as target:
        server.start(target)
        found = await awaited(connect(), lambda now: isinstance(now, Reading))
        assert isinstance(found, Reading)
        assert isinstance(found.partitions[Partition("orders", 2)], Unknown)
        assert found.partitions[FIRST] == Offsets(10, 100, 60)


async def test_old_samples_say_nothing(server: RealPrometheus, connect: Connect) -> None:
    """An exporter that hands out what it had a minute ago, with its time: Prometheus itself shows it for five minutes."""
    with exporting(Exporter(stamp=int((time.time() - 60) * 1000))) as target:
        server.start(target)
        assert known(await awaited(connect(maxAge="10m"), known))
        old = await seen(connect(maxAge="30s"), ORDERS)
        assert isinstance(old, Unknown)
        assert "older than 30 s" in old.detail


async def test_an_exporter_that_is_gone_is_unknown(server: RealPrometheus, connect: Connect) -> None:
    """At once; and what Prometheus kept over a restart counts no longer than maxAge."""
    broker = connect(maxAge="5s")
    with exporting(Exporter()) as target:
        server.start(target)
        await awaited(broker, known)
        server.kill()
        away = await seen(broker, ORDERS)
        assert isinstance(away, BrokerError)
        assert away.reason is UnknownReason.BROKER_UNREACHABLE
    server.start(target)
    lost = await awaited(broker, unknown)
    assert isinstance(lost, Unknown)
    assert "older than 5 s" in lost.detail or "no series tells" in lost.detail
