"""Nodes that crash: what they led is never told wrong, what they counted is no consumption, and all comes back by itself."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from floodwarden.brokers.base import BrokerError
from floodwarden.brokers.rabbitmq import RabbitBroker
from floodwarden.core.observation import Offsets, Snapshot, Unknown, UnknownReason
from tests.contract.cluster.eventually import eventually
from tests.contract.rabbitmq.looking import at, found_of, lag_of, reading_of, sweeping, watching
from tests.contract.rabbitmq.real_rabbit import RealRabbit

LOST = 2
TOLD = 30.0


@pytest.fixture
def whole(rabbit: RealRabbit) -> Iterator[None]:
    """All nodes run again after the test."""
    yield
    rabbit.brokers("start", "rabbitmq", str(LOST))


@contextmanager
def hanging(rabbit: RealRabbit, *nodes: int) -> Iterator[None]:
    """Nodes that take connections and do nothing, as behind a network that is cut."""
    pids = [pid for node in nodes if (pid := rabbit.set.daemon(node).pid()) is not None]
    assert len(pids) == len(nodes)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@pytest.mark.usefixtures("whole")
async def test_the_leader_of_a_quorum_queue_is_killed(rabbit: RealRabbit, broker: RabbitBroker) -> None:
    """Its lag is what it is or unknown, never none and never twice; another node leads, and the dead one is named."""
    queue = rabbit.queue("quorum", node=LOST)
    assert rabbit.listed(queue, "leader")["leader"] == rabbit.set.name(LOST)
    rabbit.publish(queue, 500)
    look = sweeping(broker, watching(queue))
    await eventually(look, at(queue, committed=0, lag=500), within=TOLD)
    rabbit.brokers("stop", "rabbitmq", str(LOST), "--kill")

    def never_wrong(snapshot: Snapshot) -> bool:
        assert lag_of(snapshot, queue) in (500, None)
        return lag_of(snapshot, queue) is None

    lost = found_of(await eventually(look, never_wrong, within=60), queue)
    assert isinstance(lost, Unknown)
    assert lost.reason in (UnknownReason.NO_LEADER, UnknownReason.COORDINATOR_UNAVAILABLE)

    def known_again(snapshot: Snapshot) -> bool:
        never_wrong(snapshot)
        return lag_of(snapshot, queue) == 500 and snapshot.unreachable == (rabbit.set.name(LOST),)

    after = await eventually(look, known_again, within=60)
    assert reading_of(after, queue).incarnations == {queue: "0"}
    rabbit.brokers("start", "rabbitmq", str(LOST))

    def whole_again(snapshot: Snapshot) -> bool:
        never_wrong(snapshot)
        return not snapshot.unreachable and lag_of(snapshot, queue) == 500

    await eventually(look, whole_again, within=60)


async def test_another_node_becomes_leader(rabbit: RealRabbit, broker: RabbitBroker) -> None:
    """There and back: meanwhile RabbitMQ tells a length of 0, which nobody is told."""
    queue = rabbit.queue("quorum", node=0)
    rabbit.publish(queue, 500)
    look = sweeping(broker, watching(queue))
    await eventually(look, at(queue, committed=0, lag=500), within=TOLD)
    for leader in (1, 0, 1):
        rabbit.lead(queue, leader)

        def unknown(snapshot: Snapshot) -> bool:
            assert lag_of(snapshot, queue) in (500, None)
            return lag_of(snapshot, queue) is None

        await eventually(look, unknown)
        await eventually(look, lambda seen: not unknown(seen), within=TOLD)


@pytest.mark.usefixtures("whole")
async def test_the_node_of_a_classic_queue_is_killed(rabbit: RealRabbit, broker: RabbitBroker) -> None:
    """There is no other: its lag is unknown until the node is back."""
    queue = rabbit.queue("classic", node=LOST)
    rabbit.publish(queue, 50)
    look = sweeping(broker, watching(queue))
    await eventually(look, at(queue, committed=0, lag=50), within=TOLD)
    rabbit.brokers("stop", "rabbitmq", str(LOST), "--kill")

    def without_leader(snapshot: Snapshot) -> bool:
        found = found_of(snapshot, queue)
        assert lag_of(snapshot, queue) in (50, None)
        return isinstance(found, Unknown) and found.reason is UnknownReason.NO_LEADER

    await eventually(look, without_leader, within=60)
    rabbit.brokers("start", "rabbitmq", str(LOST))

    def back(snapshot: Snapshot) -> bool:
        assert lag_of(snapshot, queue) in (50, None)
        return lag_of(snapshot, queue) == 50

    await eventually(look, back, within=60)


@pytest.mark.usefixtures("whole")
async def test_the_node_of_a_consumer_is_killed(rabbit: RealRabbit, broker: RabbitBroker) -> None:
    """What that node counted is gone: another incarnation, and positions that never went forward by it."""
    queue = rabbit.queue("quorum", node=0)
    rabbit.publish(queue, 30)
    look = sweeping(broker, watching(queue))
    with rabbit.consumed(queue, 5, node=0), rabbit.consumed(queue, 10, node=LOST):
        before = await eventually(look, at(queue, committed=15, lag=15), within=TOLD)
    rabbit.brokers("stop", "rabbitmq", str(LOST), "--kill")
    after = await eventually(look, at(queue, committed=5, lag=15), within=60)
    assert reading_of(after, queue).incarnations != reading_of(before, queue).incarnations
    rabbit.brokers("start", "rabbitmq", str(LOST))

    def whole_again(snapshot: Snapshot) -> bool:
        found = found_of(snapshot, queue)
        assert not isinstance(found, Offsets) or (found.committed, found.end) == (5, 20)
        return not snapshot.unreachable and isinstance(found, Offsets)

    await eventually(look, whole_again, within=60)


async def test_a_minority_stands_still(rabbit: RealRabbit, broker: RabbitBroker) -> None:
    """Two of three nodes hang and the third pauses: what waits is not known, is never taken for nothing, and is known again."""
    queue = rabbit.queue("quorum", node=0)
    rabbit.publish(queue, 500)

    async def look() -> Snapshot | BrokerError:
        try:
            return await broker.observe([watching(queue)])
        except BrokerError as error:
            return error

    def known(seen: Snapshot | BrokerError) -> bool:
        if isinstance(seen, BrokerError):
            assert seen.reason in (UnknownReason.BROKER_UNREACHABLE, UnknownReason.TIMEOUT, UnknownReason.BROKER_ERROR), seen
            return False
        assert lag_of(seen, queue) in (500, None)
        return lag_of(seen, queue) == 500 and not seen.unreachable

    await eventually(look, known, within=TOLD)
    with hanging(rabbit, 0, 1):
        await eventually(look, lambda seen: not known(seen), within=TOLD)

        async def runs() -> str:
            return rabbit.tool("rabbitmqctl", "--node", str(LOST), "eval", "rabbit:is_running().")

        await eventually(runs, lambda said: "false" in said, within=60)
        assert not known(await look())
    await eventually(look, known, within=120)
