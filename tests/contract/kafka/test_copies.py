"""The look that makes copies, on real brokers: as Kafka's own tools show it while it lasts and afterwards."""

from __future__ import annotations

import re
from dataclasses import replace
from uuid import uuid4

import pytest

from floodwarden.brokers.kafka import KafkaSettings
from floodwarden.brokers.kafka.settings import INTERNAL
from floodwarden.core.delivery.ledger import Place, Resource, loaded
from floodwarden.core.delivery.throttle import FOLLOWERS, LEADERS, RATES
from floodwarden.core.observation import Unknown
from floodwarden.core.reasons import Reason
from tests.contract.cluster.eventually import eventually
from tests.contract.kafka.copying import (
    SLOW,
    THROTTLE,
    Copying,
    Somebody,
    filled,
    known,
    listed,
    moves_of,
    raised,
    raising,
    replicas,
    throttles,
    told,
)
from tests.contract.kafka.copying import clean as clean
from tests.contract.kafka.copying import somebody as somebody
from tests.contract.kafka.real_kafka import NODES, RealKafka
from tests.contract.kafka.test_settings import Deny, configure
from tests.contract.kafka.test_settings import deny as deny
from tests.contract.kafka.test_settings import known_user as known_user
from tests.contract.kafka.test_settings import opened as opened
from tests.contract.kafka.test_settings import settings as settings

pytestmark = pytest.mark.usefixtures("clean")


@pytest.mark.parametrize(
    ("operation", "resource", "right"),
    [
        pytest.param("Alter", "cluster", "reassignments: allow {} Alter on the cluster", id="to reassign"),
        pytest.param("AlterConfigs", "cluster", "broker 0: allow {} AlterConfigs on the cluster", id="to slow nodes down"),
        pytest.param("AlterConfigs", "topic", "allow {} AlterConfigs on the topic", id="to slow topics down"),
        pytest.param("Describe", "cluster", "reassignments: allow {} Describe on the cluster", id="to look"),
    ],
)
async def test_not_allowed(
    kafka: RealKafka, known_user: KafkaSettings, deny: Deny, operation: str, resource: str, right: str
) -> None:
    """The right that is missing is named, and nothing is written: no throttle, no copy, no line in the ledger."""
    topic = kafka.topic(on=[[0], [1]])
    await known(known_user, topic)
    deny(operation, f"--{resource}", *([topic] if resource == "topic" else []))
    copying = Copying(known_user, topic)
    moves = moves_of(known_user)
    settings: dict[Place, str | None] = {
        (Resource.TOPIC, topic, LEADERS): "0:0",
        **{(Resource.BROKER, str(node), RATES[0]): "1000" for node in NODES},
    }
    if operation == "Describe":
        await eventually(moves.under_way, lambda found: isinstance(found, Unknown))
    else:
        await eventually(lambda: moves.refusals(settings), bool)
    found = await copying.audit()
    assert [gap.reason for gap in found.gaps] == [Reason.AUTHORIZATION_FAILED] * len(found.gaps)
    wanted = right.format("Floodwarden's user") + " (Kafka ACLs)"
    assert any(gap.message.endswith(wanted) for gap in found.gaps), found.gaps
    assert copying.written_down == ""
    assert throttles(kafka, topic) == {}
    assert [held for held, _ in replicas(kafka, topic)] == [{"0"}, {"1"}]


async def test_from_one_copy_to_three(kafka: RealKafka, settings: KafkaSettings) -> None:
    """By a process that is killed in the middle: slowed down as the tool does, listed by it, ended, and nothing is left."""
    topic = filled(kafka, [[0], [1]])
    await known(settings, topic)
    copying = Copying(settings, topic)
    assert raising(await copying.audit())
    under_way, shown = listed(kafka), throttles(kafka, topic)
    assert shown == {
        **{(str(node), rate): str(SLOW) for node in NODES for rate in RATES},
        (topic, LEADERS): "0:0,1:1",
        (topic, FOLLOWERS): "0:1,0:2,1:0,1:2",
    }
    assert f"{topic}-0" in under_way
    assert f"{topic}-1" in under_way
    copying.restart()
    assert "2 of 2 partitions left" in told(await copying.audit(), topic)
    assert raised(await copying.until(raised))
    assert replicas(kafka, topic) == [({"0", "1", "2"}, {"0", "1", "2"})] * 2
    assert throttles(kafka, topic) == {}
    assert listed(kafka).strip() == "No partition reassignments found."
    assert not loaded(copying.written_down).entries


async def test_what_somebody_has_set_stays(kafka: RealKafka, settings: KafkaSettings) -> None:
    """A node's rate and a topic's list are theirs during and after the copies."""
    topic = kafka.topic(on=[[0]])
    configure(kafka, "brokers", "1", "--alter", "--add-config", f"{RATES[1]}=5000000")
    configure(kafka, "topics", topic, "--alter", "--add-config", f"{LEADERS}=[7:2]")
    before = {("1", RATES[1]): "5000000", (topic, LEADERS): "7:2"}
    await known(settings, topic)
    moves = moves_of(settings)
    await eventually(lambda: moves.throttles([1], [topic]), lambda found: found[Resource.TOPIC, topic, LEADERS] == "7:2")
    copying = Copying(settings, topic)
    assert raising(await copying.audit())
    shown = throttles(kafka, topic)
    assert (shown["1", RATES[1]], shown[topic, LEADERS]) == ("5000000", "0:0,7:2")
    await copying.until(raised)
    assert throttles(kafka, topic) == before


async def test_a_topic_on_one_broker(kafka: RealKafka, settings: KafkaSettings) -> None:
    """Leaders are spread as well: each node is the first of two partitions."""
    topic = kafka.topic(on=[[0]] * 6)
    await known(settings, topic)
    await Copying(settings, topic).until(raised)
    shown = kafka.tool("kafka-topics", "--describe", "--topic", topic)
    first = re.findall(r"Replicas: (\d+),", shown)
    assert sorted(first) == ["0", "0", "1", "1", "2", "2"]


async def test_somebody_elses(kafka: RealKafka, settings: KafkaSettings, somebody: Somebody) -> None:
    """It is told and stays as it is, nothing is begun beside it; once it is called off, all copies are made."""
    theirs, ours = filled(kafka, [[0], [0]]), kafka.topic(on=[[1]])
    await known(settings, theirs, ours)
    somebody.begins(theirs, 0, [0, 1])
    try:
        under_way, set_by_them = listed(kafka), throttles(kafka, theirs, ours)
        copying = Copying(settings, theirs, ours)
        found = await eventually(copying.audit, lambda found: "somebody else is moving" in told(found, theirs))
        assert told(found, theirs).startswith("somebody else is moving partitions 0, which is left to them")
        assert "it waits for that" in told(found, ours)
        assert listed(kafka) == under_way
        assert throttles(kafka, theirs, ours) == set_by_them
        assert copying.written_down == ""
    finally:
        somebody.calls_off()
    copying.policy = replace(copying.policy, move_rate=50 * 2**20)
    await copying.until(raised)
    everywhere = {"0", "1", "2"}
    assert replicas(kafka, theirs) + replicas(kafka, ours) == [(everywhere, everywhere)] * 3


async def test_a_topic_that_is_deleted_in_the_middle(kafka: RealKafka, settings: KafkaSettings) -> None:
    """No throttle is left on a node, and nothing in the ledger."""
    topic = filled(kafka, [[0], [1]])
    await known(settings, topic)
    copying = Copying(settings, topic)
    assert raising(await copying.audit())
    kafka.delete_topic(topic)
    await copying.until(lambda _: not loaded(copying.written_down).entries)
    assert throttles(kafka) == {}


async def test_the_controller_goes_down_in_the_middle(kafka: RealKafka, settings: KafkaSettings) -> None:
    """The worst of all nodes: it is named until it is back, the throttle stays as long, and then all ends."""
    lost = controller(kafka)
    others = [node for node in NODES if node != lost]
    topic = filled(kafka, [[others[0]]])
    await known(settings, topic)
    copying = Copying(settings, topic)
    assert raising(await copying.audit())
    kafka.brokers("stop", "kafka", str(lost), "--kill")
    try:
        await copying.until(lambda found: f"broker {lost} cannot be reached: bring it back" in told(found, topic))
        shown = {(str(node), rate): value for node in others for rate, value in throttles_of(kafka, node).items()}
        assert shown == {(str(node), rate): str(SLOW) for node in others for rate in RATES}
        assert f"{topic}-0" in listed(kafka)
    finally:
        kafka.brokers("start", "kafka", str(lost))
    await copying.until(raised)
    assert throttles(kafka, topic) == {}
    assert replicas(kafka, topic) == [({"0", "1", "2"}, {"0", "1", "2"})]


def controller(kafka: RealKafka) -> int:
    """The node that decides for all."""
    found = re.search(r"LeaderId:\s+(\d+)", kafka.tool("kafka-metadata-quorum", "describe", "--status"))
    assert found is not None
    return int(found.group(1))


def throttles_of(kafka: RealKafka, node: int) -> dict[str, str]:
    """The rates of one node that runs."""
    return dict(THROTTLE.findall(configure(kafka, "brokers", str(node), "--describe")))


async def test_more_copies_than_brokers(kafka: RealKafka, settings: KafkaSettings) -> None:
    """Nothing is tried."""
    topic = kafka.topic(on=[[0]])
    await known(settings, topic)
    copying = Copying(settings, topic)
    found = await copying.audit(replace(copying.policy, factor=5))
    assert (found.notices, found.violations, found.gaps, copying.written_down) == ((), (), (), "")
    assert throttles(kafka, topic) == {}
    assert replicas(kafka, topic) == [({"0"}, {"0"})]


async def test_few_requests(kafka: RealKafka, settings: KafkaSettings) -> None:
    """What a batch costs is by node: twenty topics no more than one."""
    names = [f"many-{uuid4().hex[:8]}" for _ in range(20)]
    kafka.one_copy(*names)
    await known(settings, *names)
    for some in (names[:1], names[1:]):
        copying = Copying(settings, *some)
        before = settings.requests
        assert raising(await copying.audit())
        assert settings.requests - before < 2 * len(names)
        await copying.until(raised)
    before = settings.requests
    await copying.audit()
    known = 1 if (await copying.survey()).topics.keys() >= INTERNAL else 2
    assert settings.requests - before == 2 * (known + 1 + len(NODES))  # the survey of the audit, and the one above
