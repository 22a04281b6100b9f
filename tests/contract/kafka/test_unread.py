"""``KafkaUnread``: what groups have committed, where logs begin and end, how old messages are, as Kafka's own tools show it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from typing import Any
from uuid import uuid4

import pytest
from confluent_kafka import Consumer, ShareConsumer
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType  # type: ignore[attr-defined]

from floodwarden.brokers.abilities import UnreadMessages
from floodwarden.brokers.kafka import KafkaSettings
from floodwarden.core.delivery.readers import GroupFound, GroupsFound
from floodwarden.core.observation import GroupPhase, Partition, Unknown, UnknownReason
from tests.contract.cluster.eventually import eventually
from tests.contract.kafka.old_messages import DAY, HOUR, delete_records, now, produce_at
from tests.contract.kafka.real_kafka import NODES, RealKafka, wait_for
from tests.contract.kafka.test_settings import Deny, surveyed
from tests.contract.kafka.test_settings import deny as deny
from tests.contract.kafka.test_settings import known_user as known_user
from tests.contract.kafka.test_settings import opened as opened
from tests.contract.kafka.test_settings import settings as settings
from tests.contract.kafka.test_settings import whole as whole

LOST = 2  # the node that is stopped
PAYLOAD = 100_000  # bytes: more than is fetched of a partition


def unread_of(settings: KafkaSettings) -> UnreadMessages:
    unread = settings.abilities.unread
    assert unread is not None
    return unread


def kept_topic(kafka: RealKafka, partitions: int = 1, *, on: list[list[int]] | None = None, **own: str) -> str:
    """A topic that keeps messages for a day, unless said otherwise."""
    name = kafka.topic(partitions, on=on)
    given = {"retention.ms": str(DAY)} | {key.replace("_", "."): value for key, value in own.items()}
    entries = [ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET) for key, value in given.items()]
    admin = AdminClient({"bootstrap.servers": ",".join(kafka.bootstrap)})  # quicker than Kafka's tool
    for done in admin.incremental_alter_configs([ConfigResource(ResourceType.TOPIC, name, incremental_configs=entries)]).values():
        done.result(15)
    return name


def group_of(found: GroupsFound, name: str) -> GroupFound | None:
    return next((group for group in found.groups if group.name == name), None)


async def group_when(settings: KafkaSettings, name: str, holds: Any = lambda group: group is not None) -> GroupFound:
    """The group once it is so."""

    async def ask() -> GroupFound | None:
        return group_of(await unread_of(settings).groups(NODES), name)

    found = await eventually(ask, lambda group: group is not None and bool(holds(group)), within=30)
    assert found is not None
    return found


@contextmanager
def consuming(kafka: RealKafka, group: str, topic: str, **how: Any) -> Iterator[Consumer]:
    """A member of a group, which never commits by itself and has its partitions."""
    config = {"bootstrap.servers": ",".join(kafka.bootstrap), "group.id": group, "enable.auto.commit": False, **how}
    consumer = Consumer({"auto.offset.reset": "earliest", **config})
    consumer.subscribe([topic])
    try:

        def assigned() -> bool:
            consumer.poll(0.2)
            return bool(consumer.assignment())

        wait_for(assigned, f"{group} assigned")
        yield consumer
    finally:
        consumer.close()


async def test_groups(kafka: RealKafka, settings: KafkaSettings, group: str) -> None:
    """A group that somebody committed for: empty, with the offsets that kafka-consumer-groups shows."""
    topic = kafka.topic(3)
    kafka.produce(topic, {0: 5, 1: 3})
    kafka.commit(group, topic, {0: 2, 1: 3})
    await surveyed(settings, topic)
    found = await group_when(settings, group, lambda one: one.committed != {})
    assert found.phase is GroupPhase.EMPTY
    assert found.committed == {Partition(topic, 0): 2, Partition(topic, 1): 3}
    rows = kafka.tool("kafka-consumer-groups", "--describe", "--offsets", "--group", group)
    tool = {int(number): int(offset) for number, offset in re.findall(rf"{topic}\s+(\d+)\s+(\d+)\s", rows)}
    assert tool == {0: 2, 1: 3}
    assert await unread_of(settings).commits([group]) == {group: found.committed}


async def test_a_group_that_never_commits(kafka: RealKafka, settings: KafkaSettings, group: str) -> None:
    """It has members and no commits; who reads what is told. Once it commits, that is seen."""
    await check_never_commits(kafka, settings, group)


@pytest.mark.parametrize("kafka", ["4.3"], indirect=True)
async def test_a_group_of_the_new_protocol_that_never_commits(kafka: RealKafka, settings: KafkaSettings, group: str) -> None:
    """The same."""
    await check_never_commits(kafka, settings, group, **{"group.protocol": "consumer"})


async def check_never_commits(kafka: RealKafka, settings: KafkaSettings, group: str, **how: str) -> None:
    topic = kafka.topic(2)
    kafka.produce(topic, {0: 1, 1: 1})
    await surveyed(settings, topic)
    with consuming(kafka, group, topic, **how) as consumer:
        found = await group_when(settings, group, lambda one: one.uncommitted)
        assert (found.phase, found.consumes, found.shares) == (GroupPhase.STABLE, True, False)
        read = await eventually(lambda: unread_of(settings).assigned([group]), lambda one: bool(one[group]), within=20)
        assert read == {group: frozenset({Partition(topic, 0), Partition(topic, 1)})}
        wait_for(lambda: consumer.poll(0.2) is not None, "a message read")
        consumer.commit(asynchronous=False)
        await group_when(settings, group, lambda one: not one.uncommitted)


@pytest.mark.parametrize("kafka", ["4.3"], indirect=True)
async def test_a_share_group(kafka: RealKafka, settings: KafkaSettings, group: str) -> None:
    """It is told for what it is."""
    topic = kafka.topic(1)
    consumer = ShareConsumer({"bootstrap.servers": ",".join(kafka.bootstrap), "group.id": group})
    consumer.subscribe([topic])
    try:
        await surveyed(settings, topic)
        while not (found := group_of(await unread_of(settings).groups(NODES), group)):
            consumer.poll(0.2)
    finally:
        consumer.close()
    assert (found.shares, found.uncommitted, found.committed) == (True, False, {})


async def test_where_logs_begin_and_end(kafka: RealKafka, settings: KafkaSettings) -> None:
    """As kafka-get-offsets shows it, also where records were deleted; a topic that does not exist is said to be missing."""
    topic = kafka.topic(2)
    kafka.produce(topic, {0: 7, 1: 2})
    delete_records(kafka, topic, {0: 4})
    await surveyed(settings, topic)
    gone = f"gone-{uuid4().hex[:8]}"
    found = await unread_of(settings).extents([topic, gone])
    tool = {number: (offset_at(kafka, topic, number, "earliest"), offset_at(kafka, topic, number, "latest")) for number in (0, 1)}
    assert tool == {0: (4, 7), 1: (0, 2)}
    assert found[topic] == {Partition(topic, number): extent for number, extent in tool.items()}
    missing = found[gone]
    assert isinstance(missing, Unknown)
    assert missing.reason is UnknownReason.TOPIC_MISSING


def offset_at(kafka: RealKafka, topic: str, partition: int, at: str) -> int | None:
    """What kafka-get-offsets says; None where there is no such offset."""
    text = kafka.tool("kafka-get-offsets", "--topic-partitions", f"{topic}:{partition}", "--time", at)
    match = re.search(rf"{topic}:{partition}:(-?\d+)", text)
    return int(match[1]) if match and int(match[1]) >= 0 else None


async def test_the_first_message_since_a_moment(kafka: RealKafka, settings: KafkaSettings) -> None:
    """By several moments of one partition at once, whatever order times come in; none where all are older."""
    topic, at = kept_topic(kafka, 2), now()
    times = [at - 20 * HOUR, at - 10 * HOUR, at - 15 * HOUR, at - 5 * HOUR]
    produce_at(kafka, topic, times)
    await surveyed(settings, topic)
    moments = (at - 21 * HOUR, at - 16 * HOUR, at - 12 * HOUR, at - 5 * HOUR, at - HOUR)
    one, other = Partition(topic, 0), Partition(topic, 1)
    found = await unread_of(settings).first_since({one: moments, other: moments[:1]})
    assert [found[one, moment] for moment in moments] == [0, 1, 1, 3, None]
    assert found[other, moments[0]] is None
    assert found == {(one, moment): offset_at(kafka, topic, 0, str(moment)) for moment in moments} | {
        (other, moments[0]): offset_at(kafka, topic, 1, str(moments[0]))
    }


@pytest.mark.parametrize(
    "how",
    [
        pytest.param({"linger.ms": 200}, id="plain"),
        pytest.param({"linger.ms": 200, "compression.type": "zstd"}, id="compressed"),
    ],
)
async def test_the_time_of_a_batch(kafka: RealKafka, settings: KafkaSettings, how: dict[str, Any]) -> None:
    """That of its newest message, wherever in it the offset is: it keeps the others from being deleted."""
    topic, at = kept_topic(kafka), now()
    produce_at(kafka, topic, [at - 9 * HOUR, at - 7 * HOUR, at - 8 * HOUR], **how)
    produce_at(kafka, topic, [at - HOUR])
    await surveyed(settings, topic)
    one = Partition(topic, 0)
    for offset, time_ in ((0, at - 7 * HOUR), (2, at - 7 * HOUR), (3, at - HOUR)):
        assert await unread_of(settings).written_at({one: offset}) == {one: time_}


async def test_the_time_of_large_messages(kafka: RealKafka, settings: KafkaSettings) -> None:
    """Of many partitions at once those that are too large tell nothing; one alone always does."""
    topic, at = kept_topic(kafka, on=[[0], [0], [0]]), now()
    for partition in range(3):
        produce_at(kafka, topic, [at - HOUR], partition, size=PAYLOAD if partition else 10)
    await surveyed(settings, topic)
    small, large, another = (Partition(topic, number) for number in range(3))
    found = await unread_of(settings).written_at({small: 0, large: 0, another: 0})
    assert found[small] == at - HOUR
    assert isinstance(found[large], Unknown)
    assert isinstance(found[another], Unknown)
    assert await unread_of(settings).written_at({large: 0}) == {large: at - HOUR}


async def test_the_time_of_the_broker(kafka: RealKafka, settings: KafkaSettings) -> None:
    """Where the topic takes the broker's time, whatever producers say."""
    topic, at = kept_topic(kafka, message_timestamp_type="LogAppendTime"), now()
    await surveyed(settings, topic)
    offsets = count()

    async def written() -> int | Unknown:
        produce_at(kafka, topic, [at - 10 * HOUR])
        (found,) = (await unread_of(settings).written_at({Partition(topic, 0): next(offsets)})).values()
        return found

    # The leader hears of the topic's setting a moment later.
    found = await eventually(written, lambda found: isinstance(found, int) and found > at - 60_000)
    assert isinstance(found, int)
    assert found <= now() + 1000


async def test_no_message_there(kafka: RealKafka, settings: KafkaSettings) -> None:
    """Deleted, or not written yet: not known."""
    topic = kept_topic(kafka, 2)
    kafka.produce(topic, {0: 3})
    delete_records(kafka, topic, {0: 2})
    await surveyed(settings, topic)
    found = await unread_of(settings).written_at({Partition(topic, 0): 0, Partition(topic, 1): 0})
    assert all(isinstance(one, Unknown) for one in found.values()), found


async def test_sizes(kafka: RealKafka, settings: KafkaSettings) -> None:
    """As kafka-log-dirs shows them on the leader."""
    topic = kafka.topic(on=[[0, 1], [1, 2]])
    kafka.produce(topic, {0: 100, 1: 10})
    await surveyed(settings, topic)
    partitions = [Partition(topic, number) for number in (0, 1)]
    found = await unread_of(settings).sizes(partitions)
    text = kafka.tool("kafka-log-dirs", "--describe", "--broker-list", "1", "--topic-list", topic)
    tool = {name: int(size) for name, size in re.findall(rf'"partition":"({topic}-\d)","size":(\d+)', text)}
    assert {str(partition): size for partition, size in found.items()} == tool
    assert tool[f"{topic}-0"] > tool[f"{topic}-1"] > 0


async def test_what_a_user_may_not_see(kafka: RealKafka, known_user: KafkaSettings, deny: Deny, group: str) -> None:
    """The right that is missing is named; groups that may not be described are left out by Kafka without a word."""
    topic = kept_topic(kafka)
    kafka.produce(topic, {0: 2})
    kafka.commit(group, topic, {0: 1})
    await surveyed(known_user, topic)
    await group_when(known_user, group)
    deny("Read", "--topic", topic)
    deny("Describe", "--cluster")
    deny("Describe", "--group", group)
    one, unread = Partition(topic, 0), unread_of(known_user)
    ages = await eventually(lambda: unread.written_at({one: 1}), lambda found: isinstance(found[one], Unknown))
    assert ages[one] == denied(f"messages of topic {topic}: allow Floodwarden's user Read on the topic (Kafka ACLs)")
    sizes = await eventually(lambda: unread.sizes([one]), lambda found: isinstance(found[one], Unknown))
    why = sizes[one]
    assert isinstance(why, Unknown)
    assert why.reason is UnknownReason.AUTHORIZATION_FAILED
    assert why.detail.endswith("allow Floodwarden's user Describe on the cluster (Kafka ACLs)")
    silent = await eventually(lambda: unread.groups(NODES), lambda found: group_of(found, group) is None)
    assert silent.failed == ()


def denied(detail: str) -> Unknown:
    return Unknown(UnknownReason.AUTHORIZATION_FAILED, detail)


@pytest.mark.usefixtures("whole")
async def test_a_node_that_is_down(kafka: RealKafka, settings: KafkaSettings, group: str) -> None:
    """Its groups are not known, and it is said; neither is anything of partitions that it alone has. Others are told."""
    topic = kept_topic(kafka, on=[[LOST], [0]])
    kafka.produce(topic, {0: 2, 1: 2})
    kafka.commit(group, topic, {0: 1, 1: 1})
    await surveyed(settings, topic)
    lost, other = Partition(topic, 0), Partition(topic, 1)
    kafka.brokers("stop", "kafka", str(LOST))
    unread = unread_of(settings)

    async def ask() -> tuple[GroupsFound, Mapping[Partition, Any]]:
        await settings.survey({topic}.__contains__, ())
        extents = (await unread.extents([topic])).get(topic)
        assert isinstance(extents, Mapping)
        return await unread.groups(NODES), extents

    found, extents = await eventually(
        ask, lambda told: isinstance(told[1][lost], Unknown) and told[1][other] == (0, 2) and len(told[0].failed) == 1, within=60
    )
    assert str(LOST) in found.failed[0].detail
    assert isinstance(extents[lost], Unknown)
    moment = now() - HOUR
    firsts = await unread.first_since({lost: (moment,), other: (moment,)})
    assert isinstance(firsts[lost, moment], Unknown)
    assert firsts[other, moment] == 0
    for answer in (await unread.sizes([lost, other]), await unread.written_at({lost: 1, other: 1})):
        assert isinstance(answer[lost], Unknown)
        assert isinstance(answer[other], int)
