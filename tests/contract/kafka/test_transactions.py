"""``KafkaProducers`` and open transactions: found as Kafka's own tool finds them, and none ended that a coordinator may know."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from time import time

import pytest

from floodwarden.brokers.abilities import Producers
from floodwarden.brokers.kafka import KafkaSettings
from floodwarden.brokers.kafka.transactions import STATE
from floodwarden.core.delivery.survey import Placement
from floodwarden.core.delivery.transactions import OFFSETS_TOPIC, Active, Coordinated, Forgotten, OpenTransaction
from floodwarden.core.observation import Partition, Unknown, UnknownReason
from tests.contract.cluster.eventually import eventually
from tests.contract.kafka.real_kafka import NODES, RealKafka
from tests.contract.kafka.real_transactions import (
    Transaction,
    committed_messages,
    leave_hung,
    leave_offsets_hung,
    tool_rows,
    unverified,
)
from tests.contract.kafka.test_settings import Deny, surveyed
from tests.contract.kafka.test_settings import deny as deny
from tests.contract.kafka.test_settings import known_user as known_user
from tests.contract.kafka.test_settings import opened as opened
from tests.contract.kafka.test_settings import settings as settings

HALF_AN_HOUR = 1800.0


@pytest.fixture(scope="module")
def unchecked(kafka: RealKafka) -> Iterator[None]:
    """Brokers on which transactions can be left hung."""
    with unverified(kafka):
        yield


async def producers_of(settings: KafkaSettings, topic: str) -> Producers:
    """What is asked here, once it is known who leads the topic, and the leaders know it too."""
    survey = await surveyed(settings, topic)
    producers, placements = settings.abilities.producers, survey.topics[topic].placements
    assert producers is not None
    assert not isinstance(placements, Unknown)
    partitions = [Partition(topic, placement.number) for placement in placements]

    def led(found: Mapping[Partition, Active | Unknown]) -> bool:
        early = (UnknownReason.NO_LEADER, UnknownReason.TOPIC_MISSING)  # it has not heard of the topic yet
        return not any(isinstance(one, Unknown) and one.reason in early for one in found.values())

    await eventually(lambda: producers.active(partitions), led)
    return producers


async def of_offsets(settings: KafkaSettings) -> Sequence[Placement]:
    """The partitions that hold what groups have committed."""
    placements = (await surveyed(settings, OFFSETS_TOPIC)).topics[OFFSETS_TOPIC].placements
    assert not isinstance(placements, Unknown)
    return placements


async def open_in(producers: Producers, topic: str, *numbers: int) -> list[OpenTransaction]:
    """The open transactions of some partitions, which must be known."""
    found = await producers.active([Partition(topic, number) for number in numbers])
    assert len(found) == len(numbers)
    opened: list[OpenTransaction] = []
    for active in found.values():
        assert isinstance(active, Active), active
        opened += active.open
    return opened


def as_rows(opened: list[OpenTransaction]) -> set[tuple[str, ...]]:
    """The same as Kafka's tool shows of hanging ones."""
    return {
        (
            one.partition.topic,
            *map(str, (one.partition.number, one.producer, one.epoch, one.coordinator_epoch, one.start)),
        )
        for one in opened
    }


async def test_an_open_transaction(kafka: RealKafka, settings: KafkaSettings) -> None:
    """Producer and offset as Kafka's tool shows them; its coordinator knows it, and since when; readers wait at its start."""
    topic = kafka.topic(3)
    producers = await producers_of(settings, topic)
    kafka.produce(topic, {0: 2, 1: 3, 2: 1})
    began = time()
    with Transaction(kafka, topic, 0, 1) as transaction:
        opened = await open_in(producers, topic, 0, 1, 2)
        assert {(one.partition.number, one.start) for one in opened} == {(0, 2), (1, 3)}
        for one in opened:
            shown = tool_rows(kafka, "describe-producers", "--topic", topic, "--partition", str(one.partition.number))
            assert (str(one.producer), str(one.epoch), str(one.coordinator_epoch), str(one.start)) in shown
            assert one.written_at == pytest.approx(began, abs=60)
        standings = await producers.standings(opened)
        assert set(standings) == set(opened)
        for standing in standings.values():
            assert isinstance(standing, Coordinated), standing
            assert (standing.transactional_id, standing.state) == (transaction.id, "Ongoing")
            assert standing.since == pytest.approx(began, abs=60)
        stable = await producers.stable([Partition(topic, number) for number in range(3)])
        assert stable == {Partition(topic, 0): 2, Partition(topic, 1): 3, Partition(topic, 2): 1}
        transaction.commit()
    assert await eventually(lambda: open_in(producers, topic, 0, 1, 2), lambda opened: not opened) == []
    assert await producers.standings(opened) == {}


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("known", [False, True], ids=["no coordinator has its id", "a coordinator has its id"])
async def test_a_hung_transaction(kafka: RealKafka, settings: KafkaSettings, known: bool) -> None:
    """Those that Kafka's tool finds, and no others: beside it is one as old that its coordinator knows."""
    topic = kafka.topic(2)
    producers = await producers_of(settings, topic)
    with Transaction(kafka, topic, 0, age=HALF_AN_HOUR):
        stray = await asyncio.to_thread(leave_hung, kafka, topic, 1, age=HALF_AN_HOUR, known=known)
        opened = await open_in(producers, topic, 0, 1)
        standings = await eventually(lambda: producers.standings(opened), lambda standings: len(standings) == 2)
        hung = [one for one, standing in standings.items() if isinstance(standing, Forgotten)]
        assert [(one.partition.number, one.producer, one.epoch, one.start) for one in hung] == [
            (1, stray.producer, stray.epoch, stray.start)
        ]
        assert [standing.state for standing in standings.values() if isinstance(standing, Coordinated)] == ["Ongoing"]
        assert as_rows(hung) == tool_rows(kafka, "find-hanging", "--topic", topic)


@pytest.mark.usefixtures("unchecked")
async def test_an_abort(kafka: RealKafka, settings: KafkaSettings) -> None:
    """Readers get past it, what it wrote is never read; a transaction beside it goes on and is read whole once committed."""
    topic = kafka.topic(2)
    producers = await producers_of(settings, topic)
    stray = await asyncio.to_thread(leave_hung, kafka, topic, 0)
    with Transaction(kafka, topic, 0, 1) as other:
        kafka.produce(topic, {0: 3})
        assert committed_messages(kafka, topic, 0) == []
        opened = await open_in(producers, topic, 0, 1)
        assert len(opened) == 3
        hung = [one for one in opened if one.producer == stray.producer]
        assert await producers.abort(hung) == {}
        assert {one.producer for one in await open_in(producers, topic, 0, 1)} == {one.producer for one in opened} - {
            stray.producer
        }
        shown = tool_rows(kafka, "describe-producers", "--topic", topic, "--partition", "0")
        assert [row[3] for row in shown if row[0] == str(stray.producer)] == ["None"]
        assert await producers.abort(hung) == {}, "it is gone: nothing is left to be done"
        other.commit()
    waiting = committed_messages(kafka, topic, 0)
    assert waiting == [other.id, "0", "1", "2"]
    assert committed_messages(kafka, topic, 1) == [other.id]


@pytest.mark.usefixtures("unchecked")
async def test_hung_in_the_offsets_of_groups(kafka: RealKafka, settings: KafkaSettings) -> None:
    """Found in Kafka's own topic as Kafka's tool shows it there, and gone once that tool has aborted it."""
    producer = await asyncio.to_thread(leave_offsets_hung, kafka, kafka.topic(1))
    producers = await producers_of(settings, OFFSETS_TOPIC)

    async def strays() -> list[OpenTransaction]:
        opened = await open_in(producers, OFFSETS_TOPIC, *range(len(await of_offsets(settings))))
        return [one for one in opened if one.producer == producer]

    (stray,) = await strays()
    assert await producers.standings([stray]) == {stray: Forgotten()}
    where = ("--topic", OFFSETS_TOPIC, "--partition", str(stray.partition.number))
    shown = tool_rows(kafka, "describe-producers", *where)
    assert (str(producer), str(stray.epoch), str(stray.coordinator_epoch), str(stray.start)) in shown
    kafka.tool("kafka-transactions", "abort", *where, "--start-offset", str(stray.start))
    assert await strays() == []


@pytest.fixture
async def whole(kafka: RealKafka) -> AsyncIterator[None]:
    """All nodes run again after the test."""
    yield
    for node in NODES:
        kafka.brokers("start", "kafka", str(node))


def coordinator_beside(kafka: RealKafka, node: int) -> int:
    """A node that coordinates transactions, and is not this one."""
    text = kafka.tool("kafka-topics", "--describe", "--topic", STATE)
    leaders = {int(line.split("Leader: ")[1].split()[0]) for line in text.splitlines() if "Leader: " in line}
    return next(leader for leader in sorted(leaders) if leader != node)


@pytest.mark.usefixtures("unchecked", "whole")
async def test_a_coordinator_that_does_not_answer(kafka: RealKafka, settings: KafkaSettings) -> None:
    """Nobody knows what it knows, so nothing is hung; once others have taken over from it, it is."""
    topic = kafka.topic(on=[[0, 1, 2]])
    producers = await producers_of(settings, topic)
    with Transaction(kafka, kafka.topic(1), 0):
        pass  # now there are coordinators
    await asyncio.to_thread(leave_hung, kafka, topic, 0)
    opened = await open_in(producers, topic, 0)
    forgotten = dict.fromkeys(opened, Forgotten())
    await eventually(lambda: producers.standings(opened), lambda standings: standings == forgotten)  # ACLs go a moment later
    lost = coordinator_beside(kafka, 0)
    kafka.brokers("stop", "kafka", str(lost), "--kill")
    (standing,) = (await producers.standings(opened)).values()
    assert isinstance(standing, Unknown), standing
    assert standing.reason in (UnknownReason.BROKER_UNREACHABLE, UnknownReason.COORDINATOR_UNAVAILABLE), standing
    await eventually(lambda: producers.standings(opened), lambda standings: list(standings.values()) == [Forgotten()], within=60)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("operation", "resource", "needed"),
    [
        pytest.param("Describe", ("--transactional-id", "*"), "Describe on all transactional ids", id="no id may be seen"),
        pytest.param("Describe", ("--transactional-id", "billing"), "Describe on all transactional ids", id="one is hidden"),
        pytest.param(
            "Describe",
            ("--transactional-id", "billing-", "--resource-pattern-type", "prefixed"),
            "Describe on all transactional ids",
            id="some are hidden",
        ),
        pytest.param("Describe", ("--topic", STATE), "Describe on it", id="coordinators may not be seen"),
        pytest.param("Describe", ("--cluster",), "Describe on the cluster", id="rules may not be seen"),
    ],
)
async def test_what_acls_hide(
    kafka: RealKafka, known_user: KafkaSettings, deny: Deny, operation: str, resource: tuple[str, ...], needed: str
) -> None:
    """Brokers leave out what a user may not see; what may be among that is not hung. The right that is missing is named."""
    topic = kafka.topic(1)
    producers = await producers_of(known_user, topic)
    with Transaction(kafka, kafka.topic(1), 0):
        pass  # now there are coordinators
    await asyncio.to_thread(leave_hung, kafka, topic, 0)
    opened = await open_in(producers, topic, 0)
    forgotten = dict.fromkeys(opened, Forgotten())
    await eventually(lambda: producers.standings(opened), lambda standings: standings == forgotten)  # ACLs go a moment later
    deny(operation, *resource)

    def hidden(standings: object) -> bool:
        found = standings.values() if isinstance(standings, dict) else ()
        return any(isinstance(one, Unknown) and one.reason is UnknownReason.AUTHORIZATION_FAILED for one in found)

    (standing,) = (await eventually(lambda: producers.standings(opened), hidden)).values()
    assert isinstance(standing, Unknown)
    assert f"allow Floodwarden's user {needed}" in standing.detail


async def test_topics_that_may_not_be_read(kafka: RealKafka, known_user: KafkaSettings, deny: Deny) -> None:
    """Their producers are unknown, with the right that is missing; the topic beside them is told."""
    closed, open_ = kafka.topic(1), kafka.topic(1)
    deny("Read", "--topic", closed)
    await producers_of(known_user, closed)
    producers = await producers_of(known_user, open_)
    wanted = [Partition(closed, 0), Partition(open_, 0)]
    found = await eventually(lambda: producers.active(wanted), lambda found: isinstance(found[wanted[0]], Unknown))
    why = found[wanted[0]]
    assert isinstance(why, Unknown)
    assert why.reason is UnknownReason.AUTHORIZATION_FAILED
    assert why.detail == f"producers of topic {closed}: allow Floodwarden's user Read on the topic (Kafka ACLs)"
    assert found[wanted[1]] == Active()


@pytest.mark.usefixtures("unchecked")
async def test_an_abort_that_is_not_allowed(kafka: RealKafka, known_user: KafkaSettings, deny: Deny) -> None:
    """It fails with the right that is missing, and the transaction is open still."""
    topic = kafka.topic(1)
    producers = await producers_of(known_user, topic)
    deny("Alter", "--cluster")
    deny("ClusterAction", "--cluster")

    async def tried() -> Mapping[OpenTransaction, Unknown]:
        # Until the node has heard of the rules, it does it: then it is another transaction's turn.
        if not await open_in(producers, topic, 0):
            await asyncio.to_thread(leave_hung, kafka, topic, 0)
        return await producers.abort(await open_in(producers, topic, 0))

    failed = await eventually(tried, bool)
    ((one, why),) = failed.items()
    assert why.reason is UnknownReason.AUTHORIZATION_FAILED
    assert "allow Floodwarden's user Alter on the cluster" in why.detail
    assert await open_in(producers, topic, 0) == [one]


async def test_few_requests(kafka: RealKafka, settings: KafkaSettings) -> None:
    """One for each leader, however many partitions it has."""
    topic = kafka.topic(30)
    producers = await producers_of(settings, topic)
    sent = settings.requests
    assert await open_in(producers, topic, *range(30)) == []
    assert settings.requests - sent == len(NODES)
    assert await producers.standings([]) == {}
    assert settings.requests - sent == len(NODES)


async def test_partitions_nobody_leads(settings: KafkaSettings) -> None:
    """They are unknown, and nothing is sent."""
    producers = settings.abilities.producers
    assert producers is not None
    nowhere = Partition("gone", 0)
    for found in (await producers.active([nowhere]), await producers.stable([nowhere]), await producers.newest([nowhere], {})):
        why = found[nowhere]
        assert isinstance(why, Unknown)
        assert "topic gone" in why.detail
    lost = OpenTransaction(nowhere, 1, 0, 0)
    assert "topic gone" in (await producers.abort([lost]))[lost].detail
    assert settings.requests == 0
