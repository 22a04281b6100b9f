"""Consumers of real clients are members of the queue's group, and who may consume at a time is told."""

from __future__ import annotations

from floodwarden.brokers.rabbitmq import RabbitBroker
from floodwarden.core.observation import GroupPhase, Partition
from tests.contract.cluster.eventually import eventually
from tests.contract.rabbitmq.looking import group_of, reading_of, sweeping, watching
from tests.contract.rabbitmq.real_rabbit import RealRabbit

TOLD = 30.0


async def test_consumers_come_and_go(rabbit: RealRabbit, broker: RabbitBroker) -> None:
    """Each is a member that owns the queue, whoever's they are; a queue without any has an empty group."""
    queue = rabbit.queue()
    look = sweeping(broker, watching(queue, members=True))
    assert group_of(await look(), queue).phase is GroupPhase.EMPTY
    with rabbit.channel(0) as one, rabbit.channel(1) as other:
        tags = {channel.basic_consume(queue, lambda *_: None) for channel in (one, other)}
        # Where a channel comes from is told some seconds after its consumers.
        hosts = ["127.0.0.1", "127.0.0.1"]
        snapshot = await eventually(
            look, lambda seen: [member.host for member in group_of(seen, queue).members] == hosts, within=TOLD
        )
        group = group_of(snapshot, queue)
        assert group.phase is GroupPhase.STABLE
        assert {member.id.rpartition(" ")[2] for member in group.members} == tags
        assert {member.partitions for member in group.members} == {frozenset({Partition(queue, 0)})}
        assert reading_of(snapshot, queue).competing
    await eventually(look, lambda seen: group_of(seen, queue).phase is GroupPhase.EMPTY, within=TOLD)


async def test_a_single_active_consumer(rabbit: RealRabbit, broker: RabbitBroker) -> None:
    """One owns the queue, the other waits; more of them would be of no use."""
    queue = rabbit.queue(x_single_active_consumer=True)
    look = sweeping(broker, watching(queue, members=True))
    with rabbit.channel(0) as one, rabbit.channel(1) as other:
        for channel in (one, other):
            channel.basic_consume(queue, lambda *_: None)
        snapshot = await eventually(look, lambda seen: len(group_of(seen, queue).members) == 2, within=TOLD)
        assert sorted(len(member.partitions) for member in group_of(snapshot, queue).members) == [0, 1]
        assert not reading_of(snapshot, queue).competing
