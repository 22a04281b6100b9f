"""Nodes that stop, crash or hang: what they held is unknown by name, the rest stays known, and all comes back by itself."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import pytest

from floodwarden.brokers.kafka import KafkaBroker, KafkaSettings
from floodwarden.core.delivery.audit import Findings, audit
from floodwarden.core.delivery.survey import Change, Survey
from floodwarden.core.observation import Offsets, Partition, Query, Reading, Snapshot, Subscription, Unknown, UnknownReason
from floodwarden.core.reasons import Reason
from floodwarden.sweep.repairs import repaired
from tests.contract.cluster.eventually import eventually
from tests.contract.kafka.conftest import Connect
from tests.contract.kafka.looking import offsets_of, reading_of, settled, sweeping
from tests.contract.kafka.real_kafka import RealKafka, wait_for
from tests.support.delivery import wishes

LOST = 2


@pytest.fixture
def whole(kafka: RealKafka) -> Iterator[None]:
    """All nodes lead and coordinate their share at first, and run again after the test, whatever it did to them."""
    kafka.tool("kafka-leader-election", "--election-type", "preferred", "--all-topic-partitions")
    yield
    kafka.brokers("start", "kafka", str(LOST))


def committed_group(kafka: RealKafka, topic: str, prefix: str, *, on_lost: bool) -> Subscription:
    """A group that has committed, and is coordinated by the node that will be lost or by another one."""
    for number in range(60):
        group = f"{prefix}-{number}"
        kafka.commit(group, topic, {0: 1})
        if (kafka.coordinator(group) == LOST) == on_lost:
            return Subscription(group, (topic,))
    raise AssertionError(f"of 60 groups none is coordinated by node {LOST}, or all are")


@pytest.mark.usefixtures("whole")
@pytest.mark.parametrize("how", [[], ["--kill"]], ids=["stopped", "killed"])
async def test_a_node_is_lost_and_comes_back(
    kafka: RealKafka, broker: KafkaBroker, connect: Connect, group: str, how: list[str]
) -> None:
    """One of three nodes goes and returns."""
    # One partition each on nodes 0, 1 and 2, with no other copy.
    topic = kafka.topic(on=[[0], [1], [LOST]])
    kafka.produce(topic, {0: 3, 1: 4, LOST: 5})
    theirs = committed_group(kafka, topic, f"{group}-theirs", on_lost=True)
    others = committed_group(kafka, topic, f"{group}-others", on_lost=False)
    look = sweeping(broker, Query(theirs), Query(others))
    before = await eventually(look, settled)
    assert before.unreachable == ()

    kafka.brokers("stop", "kafka", str(LOST), *how)
    lost, kept = Partition(topic, LOST), {Partition(topic, 0), Partition(topic, 1)}

    def partly_known(snapshot: Snapshot) -> bool:
        reading = reading_of(snapshot, others)
        # Whatever happens to the lost node: the others' partitions are never unknown.
        assert all(isinstance(reading.partitions[partition], Offsets) for partition in kept), reading
        return isinstance(reading.partitions[lost], Unknown)

    snapshot = await eventually(look, partly_known)
    why = reading_of(snapshot, others).partitions[lost]
    assert isinstance(why, Unknown)
    assert why.reason in (UnknownReason.BROKER_UNREACHABLE, UnknownReason.NO_LEADER)
    assert why.detail

    # The lost coordinator's groups move to another node while it is still away.
    def coordinator_moved(snapshot: Snapshot) -> bool:
        assert partly_known(snapshot)
        return isinstance(snapshot.readings[theirs], Reading) and len(snapshot.unreachable) == 1

    snapshot = await eventually(look, coordinator_moved, within=60)
    assert snapshot.unreachable[0].startswith(f"{LOST} (")
    assert len(snapshot.nodes) == 3
    # Whoever comes only now knows it by the replicas that it holds.
    # Each time a new one: nodes hear one after another that it has gone, and whoever was told its address once keeps it.
    newcomer = await eventually(
        lambda: connect().observe([Query(others)]), lambda seen: seen.unreachable == (f"{LOST} (address not known)",)
    )
    assert len(newcomer.nodes) == 3

    kafka.brokers("start", "kafka", str(LOST))
    after = await eventually(look, lambda seen: settled(seen) and not seen.unreachable, within=60)
    assert offsets_of(after, theirs) == offsets_of(before, theirs)
    assert after.nodes == before.nodes


async def test_a_node_hangs(kafka: RealKafka, broker: KafkaBroker, group: str) -> None:
    """A node that accepts connections and never answers costs its time limit, not the other nodes' readings."""
    topic = kafka.topic(on=[[0], [1], [LOST]])
    subscription = committed_group(kafka, topic, group, on_lost=False)
    look = sweeping(broker, Query(subscription))
    await eventually(look, settled)
    pid = kafka.set.daemon(LOST).pid()
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        # One of its threads hears of the signal and stops the others: until then they may still answer.
        wait_for(lambda: set(thread_states(pid)) == {"T"}, f"all threads of node {LOST} stopped")
        began = asyncio.get_running_loop().time()
        found = reading_of(await look(), subscription).partitions
        assert asyncio.get_running_loop().time() - began < 10
    finally:
        os.kill(pid, signal.SIGCONT)
    assert isinstance(found[Partition(topic, 0)], Offsets)
    assert isinstance(found[Partition(topic, 1)], Offsets)
    why = found[Partition(topic, LOST)]
    assert isinstance(why, Unknown)
    assert why.reason is UnknownReason.TIMEOUT
    await eventually(look, lambda seen: settled(seen) and not seen.unreachable, within=60)


async def test_cancelled_anywhere(kafka: RealKafka, connect: Connect, group: str) -> None:
    """A sweep cancelled at any of its awaits leaves an adapter that reads on as if nothing had been."""
    topic = kafka.topic(partitions=3)
    queries = [Query(Subscription(group, (topic,)), members=True)]
    # From the first connection on, and again with connections open.
    for broker in (connect(), connect()):
        for turns in range(60):
            sweep = asyncio.create_task(broker.observe(queries))
            for _ in range(turns):
                await asyncio.sleep(0)
            sweep.cancel()
            with suppress(asyncio.CancelledError):
                await sweep
        snapshot = await eventually(sweeping(broker, *queries), settled)
        assert snapshot.unreachable == ()


async def test_closes_everything(kafka: RealKafka, group: str) -> None:
    """After close no socket and no task is left, and closing twice does no harm."""
    topic = kafka.topic(partitions=3)
    sockets, tasks = open_sockets(), asyncio.all_tasks()
    security = kafka.security("SASL_SSL", "SCRAM-SHA-512")
    broker = KafkaBroker(kafka.facts["bootstrap"]["SASL_SSL"], security)
    await eventually(sweeping(broker, Query(Subscription(group, (topic,)))), settled)
    assert len(open_sockets() - sockets) <= 3
    await broker.close()
    await broker.close()
    assert asyncio.all_tasks() == tasks
    assert open_sockets() <= sockets


def thread_states(pid: int) -> list[str]:
    """The state of each of a process's threads, as the kernel abbreviates it."""
    return [path.read_text().rpartition(")")[2].split()[0] for path in Path(f"/proc/{pid}/task").glob("*/stat")]


def open_sockets() -> set[str]:
    """The sockets this process holds, as the kernel numbers them."""
    held = set()
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            held.add(str(entry.readlink()))
    return {name for name in held if name.startswith("socket:")}


@pytest.mark.usefixtures("whole")
@pytest.mark.parametrize("lost", ["between", "before"])
async def test_a_node_is_lost_while_settings_are_repaired(kafka: RealKafka, lost: str) -> None:
    """Between the write and its reading back, or just before the write: the others have it, and what the lost one has is told."""
    topic = kafka.topic(on=[[0, 1, LOST]])
    entity = ("--entity-type", "topics", "--entity-name", topic)
    kafka.tool("kafka-configs", *entity, "--alter", "--add-config", "min.insync.replicas=1")
    policy = wishes(names=[topic], min_in_sync=2, factor=3)
    settings = KafkaSettings(kafka.bootstrap)

    def lose(when: str) -> None:
        if when == lost:
            kafka.brokers("stop", "kafka", str(LOST), "--kill")

    async def found() -> Survey:
        return await settings.survey(topic.__eq__, policy.settings)

    async def judge(seen: Survey) -> Mapping[str, Findings]:
        return audit(seen, [policy], {})

    async def write(wanted: Mapping[Change, str]) -> Mapping[Change, Unknown]:
        lose("before")
        refused = await settings.write(list(wanted))
        lose("between")
        return refused

    try:
        before = await eventually(
            found, lambda seen: topic in seen.topics and bool(audit(seen, [policy], {})[policy.name].changes)
        )
        left = await repaired(before, judge, write, lambda _: found(), lambda _: True)
    finally:
        await settings.close()
    after = left[policy.name]
    assert [(change.name, change.setting, change.value) for change in after.written] == [(topic, "min.insync.replicas", "2")]
    assert not after.failed
    shown = kafka.tool("kafka-configs", *entity, "--describe")
    assert "min.insync.replicas=2" in shown
    assert any(gap.reason is Reason.BROKER_UNREACHABLE and kafka.bootstrap[LOST] in gap.message for gap in after.findings.gaps)
