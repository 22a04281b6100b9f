"""``KafkaSettings``: what it finds is what Kafka's own tools show, node by node, and what it writes is what was named."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from uuid import uuid4

import pytest

from floodwarden.brokers.base import BrokerError
from floodwarden.brokers.kafka import KafkaSettings, Security
from floodwarden.brokers.kafka.settings import BATCH, INHERITED, INTERNAL, OWN
from floodwarden.core.delivery.survey import BrokerFound, Change, Placement, Source, Survey, TopicFound, Value
from floodwarden.core.observation import Unknown, UnknownReason
from tests.contract.cluster.eventually import eventually
from tests.contract.kafka.real_kafka import NODES, RealKafka

Open = Callable[..., KafkaSettings]
Deny = Callable[..., None]
Shown = dict[str, tuple[str, Source]]

LOST = 2
MIN_IN_SYNC = "min.insync.replicas"
TOPIC_KEYS = tuple(INHERITED)
SOURCES = {
    "DYNAMIC_TOPIC_CONFIG": Source.TOPIC,
    "DYNAMIC_BROKER_CONFIG": Source.DYNAMIC,
    "DYNAMIC_DEFAULT_BROKER_CONFIG": Source.DYNAMIC,
    "STATIC_BROKER_CONFIG": Source.FILE,
    "DEFAULT_CONFIG": Source.DEFAULT,
}


@pytest.fixture
async def opened(kafka: RealKafka) -> AsyncIterator[Open]:
    """Makes adapters, by default to the plain listener, and closes them after the test."""
    async with AsyncExitStack() as stack:

        def to(bootstrap: list[str] | None = None, security: Security | None = None) -> KafkaSettings:
            settings = KafkaSettings(bootstrap or kafka.bootstrap, security)
            stack.push_async_callback(settings.close)
            return settings

        yield to


@pytest.fixture
def settings(opened: Open) -> KafkaSettings:
    """An adapter on the plain listener, whose user may do everything."""
    return opened()


def configure(kafka: RealKafka, kind: str, name: str, *args: str) -> str:
    """Kafka's own kafka-configs for a topic, for a broker, or for all brokers where the name is empty."""
    entity = ("--entity-name", name) if name else ("--entity-default",)
    return kafka.tool("kafka-configs", "--entity-type", kind, *entity, *args)


def shown(kafka: RealKafka, kind: str, name: str) -> Shown:
    """What kafka-configs shows of all settings: value, and where the first of its synonyms comes from."""
    found: Shown = {}
    for line in configure(kafka, kind, name, "--describe", "--all").splitlines():
        match = re.fullmatch(r"\s+(\S+)=(.*) sensitive=\w+ synonyms=\{(\w*).*", line)
        if match:
            key, value, source = match.groups()
            found[key] = value, SOURCES[source or "DEFAULT_CONFIG"]
    return found


def found_of(values: Mapping[str, Value] | Unknown) -> Shown:
    """Settings that must be known, in the form of ``shown``."""
    assert not isinstance(values, Unknown), values
    return {key: (value.text or "null", value.source) for key, value in values.items()}


def nodes_of(survey: Survey) -> dict[int, BrokerFound]:
    return {broker.id: broker for broker in survey.brokers}


async def surveyed(
    settings: KafkaSettings, *names: str, holds: Callable[[Survey], bool] = lambda _: True, within: float = 20.0
) -> Survey:
    """The first survey that has all these topics and of which ``holds`` is true: a node hears of what is new a moment later."""
    return await eventually(
        lambda: settings.survey(names.__contains__, TOPIC_KEYS),
        lambda survey: survey.topics.keys() >= set(names) and holds(survey),
        within=within,
    )


def text(survey: Survey, topic: str, key: str) -> str | None:
    """A topic's value."""
    values = survey.topics[topic].values if topic in survey.topics else {}
    return values[key].text if not isinstance(values, Unknown) and key in values else None


async def test_settings_of_topics(kafka: RealKafka, settings: KafkaSettings) -> None:
    """Those that were set on the topic, and those that it inherits, with value and source as kafka-configs shows them."""
    own, bare, other = kafka.topic(partitions=1), kafka.topic(partitions=1), kafka.topic(partitions=1)
    given = {MIN_IN_SYNC: "1", "retention.ms": "60000", "unclean.leader.election.enable": "true", "flush.messages": "7"}
    configure(kafka, "topics", own, "--alter", "--add-config", ",".join(f"{key}={value}" for key, value in given.items()))
    survey = await surveyed(settings, own, bare, holds=lambda seen: text(seen, own, "flush.messages") == "7")
    assert other not in survey.topics
    for name in (own, bare):
        tool = shown(kafka, "topics", name)
        assert found_of(survey.topics[name].values) == {key: tool[key] for key in TOPIC_KEYS}
    found = found_of(survey.topics[own].values)
    assert {key: value for key, (value, source) in found.items() if source is Source.TOPIC} == given
    assert Source.TOPIC not in {source for _, source in found_of(survey.topics[bare].values).values()}


async def test_only_what_is_asked_for(kafka: RealKafka, settings: KafkaSettings, group: str) -> None:
    """Other settings are not read; Kafka's own topics are there unasked, with what matters of them."""
    name = kafka.topic(partitions=1)
    kafka.commit(group, name, {0: 0})  # now there is a topic of offsets
    survey = await eventually(
        lambda: settings.survey({name}.__contains__, ["retention.ms"]),
        lambda seen: seen.topics.keys() >= {name, "__consumer_offsets"},
    )
    assert set(found_of(survey.topics[name].values)) == {"retention.ms", MIN_IN_SYNC}
    assert not survey.topics[name].internal
    offsets = survey.topics["__consumer_offsets"]
    assert offsets.internal
    assert not isinstance(offsets.placements, Unknown)
    assert {len(placement.replicas) for placement in offsets.placements} == {3}
    assert found_of(offsets.values)[MIN_IN_SYNC] == shown(kafka, "topics", offsets.name)[MIN_IN_SYNC]
    assert [one.name for one in survey.topics.values() if not one.internal] == [name]


@pytest.fixture
def uneven(kafka: RealKafka) -> Iterator[None]:
    """Nodes that differ: all flush after 5,000 messages, and node 1 keeps messages for less than its file says."""
    one, every = "log.retention.ms", "log.flush.interval.messages"
    configure(kafka, "brokers", "1", "--alter", "--add-config", f"{one}=3600000")
    configure(kafka, "brokers", "", "--alter", "--add-config", f"{every}=5000")
    yield
    configure(kafka, "brokers", "1", "--alter", "--delete-config", one)
    configure(kafka, "brokers", "", "--alter", "--delete-config", every)


@pytest.mark.usefixtures("uneven")
async def test_settings_of_every_node(kafka: RealKafka, settings: KafkaSettings) -> None:
    """Each is asked itself: its file, what was changed on all of them, and what was changed on one."""

    def all_have_heard(survey: Survey) -> bool:
        defaults = [found_of(broker.defaults) for broker in survey.brokers]
        flushed = all(one["flush.messages"] == ("5000", Source.DYNAMIC) for one in defaults)
        return flushed and any(one["retention.ms"][1] is Source.DYNAMIC for one in defaults)

    survey = await surveyed(settings, holds=all_have_heard)
    assert sorted(nodes_of(survey)) == list(NODES)
    for node, broker in nodes_of(survey).items():
        tool = shown(kafka, "brokers", str(node))
        assert found_of(broker.values) == {key: tool[key] for key in OWN}
        defaults = found_of(broker.defaults)
        assert set(defaults) == set(TOPIC_KEYS)
        assert defaults["retention.bytes"] == tool["log.retention.bytes"]
        assert defaults[MIN_IN_SYNC] == tool[MIN_IN_SYNC]
        assert defaults["flush.ms"] == tool["log.flush.scheduler.interval.ms"]
        assert not isinstance(broker.defaults, Unknown)
        in_file = Value("7200000", Source.FILE, live=False, key="log.retention.hours")
        while_it_runs = Value("3600000", Source.DYNAMIC, live=True, key="log.retention.ms")
        assert broker.defaults["retention.ms"] == (while_it_runs if node == 1 else in_file)


async def test_what_a_node_can_change_while_it_runs(settings: KafkaSettings) -> None:
    """What its file alone can say needs a restart."""
    survey = await settings.survey(lambda _: False, ())
    for broker in survey.brokers:
        assert not isinstance(broker.values, Unknown)
        live = {key for key, value in broker.values.items() if value.live}
        assert {MIN_IN_SYNC, "unclean.leader.election.enable"} <= live
        assert not live & {"default.replication.factor", "auto.create.topics.enable", "offsets.topic.replication.factor"}


async def test_replicas(kafka: RealKafka, settings: KafkaSettings) -> None:
    """Who holds each partition and who is in sync, as kafka-topics shows it."""
    name = kafka.topic(on=[[0, 1], [2, 0], [1, 2]])

    def all_in_sync(survey: Survey) -> bool:
        placements = survey.topics[name].placements
        assert not isinstance(placements, Unknown)
        return all(set(placement.in_sync) == set(placement.replicas) for placement in placements)

    placements = (await surveyed(settings, name, holds=all_in_sync)).topics[name].placements
    line = re.compile(r"Partition: (\d+)\s.*Replicas: ([\d,]+)\s+Isr: ([\d,]+)")
    tool = line.findall(kafka.tool("kafka-topics", "--describe", "--topic", name))
    assert placements == tuple(Placement(int(number), ids(replicas), ids(in_sync)) for number, replicas, in_sync in tool)
    assert isinstance(placements, tuple)
    assert [placement.replicas for placement in placements] == [(0, 1), (2, 0), (1, 2)]


def ids(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(",")))


async def test_a_write_changes_what_it_names(kafka: RealKafka, settings: KafkaSettings) -> None:
    """What was set on the topic by hand stays, and so does the topic beside it."""
    name, beside = kafka.topic(partitions=1), kafka.topic(partitions=1)
    for each in (name, beside):
        by_hand = f"{MIN_IN_SYNC}=1,retention.ms=60000,cleanup.policy=[compact,delete]"
        configure(kafka, "topics", each, "--alter", "--add-config", by_hand)
    changes = [Change(name, MIN_IN_SYNC, "2", "1"), Change(name, "unclean.leader.election.enable", "false", "false")]
    assert await settings.write(changes) == {}
    survey = await surveyed(settings, name, beside, holds=lambda seen: text(seen, name, MIN_IN_SYNC) == "2")
    assert text(survey, beside, MIN_IN_SYNC) == "1"
    kept = {"retention.ms": "60000", "cleanup.policy": "compact,delete"}
    assert own_of(kafka, name) == kept | {MIN_IN_SYNC: "2", "unclean.leader.election.enable": "false"}
    assert own_of(kafka, beside) == kept | {MIN_IN_SYNC: "1"}


def own_of(kafka: RealKafka, topic: str) -> dict[str, str]:
    """What kafka-configs shows that was set on a topic."""
    return {key: value for key, (value, source) in shown(kafka, "topics", topic).items() if source is Source.TOPIC}


@pytest.mark.parametrize("node", NODES)
async def test_what_was_written_is_there(kafka: RealKafka, opened: Open, node: int) -> None:
    """Whichever node is asked, it shows a write at once: what reads back as before would be told as a failure."""
    name = kafka.topic(partitions=1)
    settings = opened(kafka.bootstrap[node : node + 1])
    await surveyed(settings, name)
    for number in range(30):
        change = Change(name, "retention.ms", str(60_000 + number), "")
        assert await settings.write([change]) == {}
        assert text(await settings.survey({name}.__contains__, [change.setting]), name, change.setting) == change.value


async def test_a_refused_write(kafka: RealKafka, settings: KafkaSettings) -> None:
    """It is told in Kafka's words, for all that was to change on that topic and did not; the topic beside it is written."""
    name, beside = kafka.topic(partitions=1), kafka.topic(partitions=1)
    bad, with_it = Change(name, MIN_IN_SYNC, "many", "2"), Change(name, "retention.ms", "60000", "1")
    good = Change(beside, "retention.ms", "60000", "1")
    failed = await settings.write([bad, with_it, good])
    assert set(failed) == {bad, with_it}
    assert failed[bad] == failed[with_it]
    assert failed[bad].reason is UnknownReason.BROKER_ERROR
    assert f"topic {name}" in failed[bad].detail
    assert "Invalid value many for configuration min.insync.replicas" in failed[bad].detail
    await surveyed(settings, beside, holds=lambda seen: text(seen, beside, "retention.ms") == "60000")
    assert own_of(kafka, name) == {}


async def test_a_write_to_a_topic_that_is_gone(kafka: RealKafka, settings: KafkaSettings) -> None:
    """It is missing, and is not made by this."""
    change = Change(f"gone-{uuid4().hex[:8]}", MIN_IN_SYNC, "2", "1")
    failed = await settings.write([change])
    assert failed[change].reason is UnknownReason.TOPIC_MISSING
    assert change.name in failed[change].detail
    assert change.name not in (await settings.survey(lambda _: True, ())).topics


async def test_nobody_there(opened: Open) -> None:
    """A survey cannot be had; of a write nobody knows whether it arrived."""
    nobody = opened(["127.0.0.1:1"])
    change = Change("orders", MIN_IN_SYNC, "2", "1")
    with pytest.raises(BrokerError) as caught:
        await nobody.survey(lambda _: True, ())
    assert caught.value.reason is UnknownReason.BROKER_UNREACHABLE
    assert (await nobody.write([change]))[change].reason is UnknownReason.BROKER_UNREACHABLE


@pytest.fixture
def known_user(kafka: RealKafka, opened: Open) -> KafkaSettings:
    """An adapter with a name, to which ACLs can be applied."""
    return opened(kafka.facts["bootstrap"]["SASL_PLAINTEXT"], kafka.security("SASL_PLAINTEXT", "SCRAM-SHA-512"))


@pytest.fixture
def deny(kafka: RealKafka) -> Iterator[Deny]:
    """``deny(operation, *resource)`` to the named user, who may do all else with it, until the end of the test."""
    user = f"User:{kafka.facts['scram']['username']}"
    denied: list[tuple[str, ...]] = []

    def by(operation: str, *resource: str) -> None:
        denied.append(resource)
        kafka.tool("kafka-acls", "--add", "--allow-principal", user, "--operation", "All", *resource)
        kafka.tool("kafka-acls", "--add", "--deny-principal", user, "--operation", operation, *resource)

    yield by
    for resource in denied:
        kafka.tool("kafka-acls", "--remove", "--force", *resource)


def unknown(values: object) -> bool:
    return isinstance(values, Unknown)


async def test_a_topic_whose_settings_are_forbidden(kafka: RealKafka, known_user: KafkaSettings, deny: Deny) -> None:
    """They are unknown, with the right that is missing; its replicas, and the topic beside it, are told."""
    closed, open_ = kafka.topic(partitions=1), kafka.topic(partitions=1)
    deny("DescribeConfigs", "--topic", closed)
    survey = await surveyed(known_user, closed, open_, holds=lambda seen: unknown(seen.topics[closed].values))
    why = survey.topics[closed].values
    assert isinstance(why, Unknown)
    assert why.reason is UnknownReason.AUTHORIZATION_FAILED
    assert why.detail == f"topic {closed}: allow Floodwarden's user DescribeConfigs on the topic (Kafka ACLs)"
    assert isinstance(survey.topics[closed].placements, tuple)
    assert set(found_of(survey.topics[open_].values)) == set(TOPIC_KEYS)


async def test_nodes_whose_settings_are_forbidden(kafka: RealKafka, known_user: KafkaSettings, deny: Deny) -> None:
    """So are those of nodes, which are the cluster's."""
    name = kafka.topic(partitions=1)
    deny("DescribeConfigs", "--cluster")
    survey = await surveyed(known_user, name, holds=lambda seen: all(unknown(broker.values) for broker in seen.brokers))
    assert sorted(nodes_of(survey)) == list(NODES)
    for node, broker in nodes_of(survey).items():
        why = broker.values
        assert isinstance(why, Unknown)
        assert broker.defaults == why
        assert why.reason is UnknownReason.AUTHORIZATION_FAILED
        assert why.detail == (f"settings of broker {node}: allow Floodwarden's user DescribeConfigs on the cluster (Kafka ACLs)")
    assert set(found_of(survey.topics[name].values)) == set(TOPIC_KEYS)


async def test_a_topic_that_may_not_be_written(kafka: RealKafka, known_user: KafkaSettings, deny: Deny) -> None:
    """The right that is missing is named, and the topic beside it is written."""
    closed, open_ = kafka.topic(partitions=1), kafka.topic(partitions=1)
    deny("AlterConfigs", "--topic", closed)
    changes = [Change(name, "retention.ms", "60000", "1") for name in (closed, open_)]
    failed = await eventually(lambda: known_user.write(changes), lambda failed: bool(failed))
    assert set(failed) == {changes[0]}
    why = failed[changes[0]]
    assert why.reason is UnknownReason.AUTHORIZATION_FAILED
    assert why.detail.startswith(f"topic {closed}: allow Floodwarden's user AlterConfigs on the topic (Kafka ACLs)")
    await surveyed(known_user, open_, holds=lambda seen: text(seen, open_, "retention.ms") == "60000")


@pytest.fixture
def whole(kafka: RealKafka) -> Iterator[None]:
    """All nodes run again after the test, whatever it did to them."""
    yield
    kafka.brokers("start", "kafka", str(LOST))


@pytest.mark.usefixtures("whole")
@pytest.mark.parametrize("how", [[], ["--kill"]], ids=["stopped", "killed"])
async def test_a_node_that_is_down(kafka: RealKafka, settings: KafkaSettings, opened: Open, how: list[str]) -> None:
    """Its settings are unknown, also to an adapter that never saw it; those of the others and of the topics are told."""
    name = kafka.topic(on=[[0, 1, LOST]])
    await surveyed(settings, name)
    kafka.brokers("stop", "kafka", str(LOST), *how)

    def settled(survey: Survey) -> bool:
        told = [not unknown(nodes_of(survey)[node].values) for node in NODES]
        return in_sync(survey.topics[name]) == {0, 1} and told == [node != LOST for node in NODES]

    def check(survey: Survey) -> None:
        lost, *others = sorted(survey.brokers, key=lambda broker: broker.id != LOST)
        assert [broker.id for broker in others] == [0, 1]
        assert isinstance(lost.values, Unknown), lost
        assert lost.values.reason is UnknownReason.BROKER_UNREACHABLE
        assert lost.defaults == lost.values
        for broker in others:
            assert set(found_of(broker.values)) == set(OWN)
        assert set(found_of(survey.topics[name].values)) == set(TOPIC_KEYS)

    survey = await surveyed(settings, name, holds=settled, within=60)
    check(survey)
    missing = f"node {LOST} is not among the brokers"
    survey = await eventually(  # as soon as the cluster has noticed, to whoever asks from then on
        lambda: opened().survey({name}.__contains__, TOPIC_KEYS),
        lambda seen: name in seen.topics and settled(seen) and missing in str(nodes_of(seen)[LOST].values),
        within=60,
    )
    check(survey)

    kafka.brokers("start", "kafka", str(LOST))

    def back(survey: Survey) -> bool:
        return not unknown(nodes_of(survey)[LOST].values) and in_sync(survey.topics[name]) == set(NODES)

    await surveyed(settings, name, holds=back, within=60)


def in_sync(topic: TopicFound) -> set[int]:
    """Which nodes have all of a topic's only partition; none where it is not known."""
    return set(topic.placements[0].in_sync) if isinstance(topic.placements, tuple) else set()


async def test_few_requests(kafka: RealKafka, settings: KafkaSettings) -> None:
    """One for all topics, one for the settings of each BATCH of them, one for each node."""
    prefix = f"many-{uuid4().hex[:8]}"
    names = [f"{prefix}-{number}" for number in range(BATCH + 1)]
    kafka.one_copy(*names)
    try:
        many = await surveyed(settings, *names)
        assert all(set(found_of(many.topics[name].values)) == set(TOPIC_KEYS) for name in names)
        # Kafka's own topics are asked for by name as long as they are not there.
        known = 1 if many.topics.keys() >= INTERNAL else 2
        assert (await surveyed(settings, *names)).requests == known + 2 + len(NODES)
        assert (await surveyed(settings, names[0])).requests == known + 1 + len(NODES)
    finally:
        kafka.delete_topic(*names)
