"""An adapter for settings reads every broker, keeps what it cannot read apart, and writes what it was given and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass

import pytest

from floodwarden.brokers.base import BrokerError
from floodwarden.brokers.rocketmq import RocketMQSettings, requests
from floodwarden.brokers.rocketmq.frames import Frame
from floodwarden.brokers.rocketmq.given_up import GIVEN_UP_TOPIC, HALF_TOPIC
from floodwarden.brokers.rocketmq.halves import CHECKER, ENDED_TOPIC, TOLD_FOR
from floodwarden.core.delivery.rocketmq.found import BrokerSet, RocketMQFound, TopicOn, Transactions
from floodwarden.core.delivery.survey import Change
from floodwarden.core.delivery.violations import NODES
from floodwarden.core.delivery.wishes import ReadingWishes, Wishes
from floodwarden.core.observation import Unknown, UnknownReason
from tests.support.rocketmq_server import Answer, ok, refused
from tests.support.rocketmq_settings import SetBroker
from tests.support.rocketmq_world import FakeCluster, later

BILLING = {"groupName": "billing", "retryMaxTimes": 16, "attributes": {"k": "v"}, "groupRetryPolicy": {"type": "CUSTOMIZED"}}


@dataclass
class World:
    """Two sets, of which the first has a slave; and an adapter for them."""

    cluster: FakeCluster
    of: dict[str, SetBroker]
    settings: RocketMQSettings

    def named(self, name: str) -> str:
        """What a broker is called."""
        return f"{'broker-a/1' if name == 'slave' else name} ({self.cluster.brokers[name].address})"

    async def survey(self) -> RocketMQFound:
        """Of topics that begin with orders."""
        return await self.settings.survey(lambda topic: topic.startswith("orders"))

    async def first(self) -> BrokerSet:
        """The set with a slave."""
        return (await self.survey()).sets[0]


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """As it comes."""
    of = {name: SetBroker() for name in ("broker-a", "slave", "broker-b")}
    of["slave"].config["brokerRole"] = "SLAVE"
    for name in ("broker-a", "slave"):
        of[name].topics = {"orders": (6, 4, 4), "bills": (6, 1, 1), "%RETRY%orders": (6, 1, 1)}
        of[name].groups = {"billing": dict(BILLING)}
    cluster = FakeCluster(
        topics={topic: {"broker-a": [(0, 0)]} for topic in (HALF_TOPIC, ENDED_TOPIC)},
        commits={("orders", "billing"): {"broker-a": {0: 4}}, (HALF_TOPIC, CHECKER): {"broker-a": {0: 0}}},
        instead=lambda name, request: of[name].answer(request),
    )
    await cluster.start(*of)
    cluster.registered["broker-a"][1] = cluster.registered.pop("slave")[0]
    settings = RocketMQSettings(cluster.addresses)
    yield World(cluster, of, settings)
    await settings.close()
    await cluster.stop()


async def test_every_broker_of_a_set_that_has_the_topic(world: World) -> None:
    """Master and slave; of a set that has it not, nothing more is asked than that. RocketMQ's own topics are none."""
    first, second = (await world.survey()).sets
    assert [(server.name, server.number, server.in_sync, server.here) for server in first.servers] == [
        (world.named("broker-a"), 0, 1, True),
        (world.named("slave"), 1, None, True),
    ]
    assert [getattr(server.config, "get")("brokerRole") for server in first.servers] == ["ASYNC_MASTER", "SLAVE"]  # noqa: B009
    assert first.topics == {"orders": TopicOn(6, 4, 4)}
    assert (first.retries, first.readers) == (
        {"billing": 16},
        {"orders": frozenset({"billing"}), HALF_TOPIC: frozenset({CHECKER})},
    )
    assert (second.name, second.servers, second.topics) == ("broker-b", (), {})
    assert [frame.code for frame in world.cluster.brokers["broker-b"].asked] == [requests.GET_ALL_TOPIC_CONFIG]


async def test_secrets_are_not_kept(world: World) -> None:
    """Brokers tell all that is in their files."""
    world.of["broker-a"].config["innerClientAuthenticationCredentials"] = '{"secretKey":"hunter2"}'
    assert "hunter2" not in repr(await world.survey())


async def test_requests_grow_with_brokers_alone(world: World) -> None:
    """Not with topics, nor with groups."""
    await world.survey()
    sent = world.settings.requests
    await world.survey()
    few = world.settings.requests - sent
    world.of["broker-a"].topics |= {f"orders-{number}": (6, 1, 1) for number in range(50)}
    world.of["broker-a"].groups |= {f"group-{number}": {**BILLING, "groupName": f"group-{number}"} for number in range(50)}
    world.cluster.commits |= {(f"orders-{number}", f"group-{number}"): {"broker-a": {0: 1}} for number in range(50)}
    sent = world.settings.requests
    assert len((await world.first()).topics) == 51  # type: ignore[arg-type]
    assert world.settings.requests - sent == few


async def test_what_was_asked_for_is_written(world: World) -> None:
    """These keys and no others, each broker at once; read back by the next survey."""
    changes = [
        Change(world.named("broker-a"), "fileReservedTime", "168", "72", NODES),
        Change(world.named("broker-a"), "inSyncReplicas", "2", "1", NODES),
        Change(world.named("slave"), "fileReservedTime", "168", "72", NODES),
    ]
    assert await world.settings.write(changes) == {}
    assert [frame.body for frame in world.cluster.asked(requests.UPDATE_BROKER_CONFIG)] == [
        b"fileReservedTime=168\ninSyncReplicas=2\n",
        b"fileReservedTime=168\n",
    ]
    assert [getattr(one.config, "get")("fileReservedTime") for one in (await world.first()).servers] == ["168", "168"]  # noqa: B009


async def test_success_is_no_proof(world: World) -> None:
    """A broker that says it has written and has not is found different again."""
    world.of["broker-a"].deaf = True
    policy = Wishes("shop/orders", acts=True, names=("orders",), kept_for=168 * 3_600_000)
    changes = world.settings.judge(await world.survey(), [policy])[policy.name].changes
    assert await world.settings.write(changes) == {}
    left = world.settings.judge(await world.survey(), [policy])[policy.name]
    assert [(one.name, one.before) for one in left.changes] == [(world.named("broker-a"), "72")]


REFUSED = {
    "a restart": Change("broker-a", "flushDiskType", "SYNC_FLUSH", "ASYNC_FLUSH", NODES),
    "a key nobody asks for": Change("broker-a", "brokerPermission", "6", "4", NODES),
    "taking away": Change("broker-a", "fileReservedTime", None, "72", NODES),
    "a topic": Change("orders", "perm", "6", "4"),
    "a group's other settings": Change("billing", "consumeEnable", "true", "false", "group"),
}


@pytest.mark.parametrize("change", REFUSED.values(), ids=REFUSED.keys())
async def test_nothing_else_is_ever_written(world: World, change: Change) -> None:
    """Whoever asks."""
    assert (await world.settings.write([change]))[change].reason is UnknownReason.UNSUPPORTED
    assert not world.cluster.asked(requests.UPDATE_BROKER_CONFIG)
    assert not world.cluster.asked(requests.UPDATE_AND_CREATE_SUBSCRIPTIONGROUP)


async def test_writes_that_fail(world: World) -> None:
    """Each change has its reason: not allowed, and a broker that nobody knows."""
    world.cluster.instead = lambda name, request: (
        refused(16, "admin only") if request.code == requests.UPDATE_BROKER_CONFIG else world.of[name].answer(request)
    )
    known = Change(world.named("broker-a"), "fileReservedTime", "168", "72", NODES)
    gone = Change("broker-x (10.0.0.1:10911)", "fileReservedTime", "168", "72", NODES)
    failed = await world.settings.write([known, gone])
    assert {change: why.reason for change, why in failed.items()} == {
        known: UnknownReason.AUTHORIZATION_FAILED,
        gone: UnknownReason.BROKER_UNREACHABLE,
    }
    assert "takes an administrator" in failed[known].detail


async def test_a_group_keeps_all_else(world: World) -> None:
    """On each master that has it and is not stricter. Attributes are sent as changes, so none are sent."""
    world.of["broker-b"].groups = {"billing": {**BILLING, "retryMaxTimes": 3}}
    change = Change("billing", "retryMaxTimes", "5", "16", "group")
    assert await world.settings.write([change]) == {}
    assert world.of["broker-a"].groups["billing"] == {
        "groupName": "billing",
        "retryMaxTimes": 5,
        "groupRetryPolicy": {"type": "CUSTOMIZED"},
    }
    assert world.of["broker-b"].groups["billing"]["retryMaxTimes"] == 3
    assert len(world.cluster.asked(requests.UPDATE_AND_CREATE_SUBSCRIPTIONGROUP)) == 1


async def test_a_group_that_cannot_be_written_as_it_was_read(world: World) -> None:
    """It has parts that are no JSON: it is left as it is."""
    odd = '{"subscriptionGroupTable":{"billing":{"groupName":"billing","retryMaxTimes":16,"odd":{0:1}}}}'
    world.cluster.instead = lambda name, request: (
        ok(odd) if request.code == requests.GET_ALL_SUBSCRIPTIONGROUP_CONFIG else world.of[name].answer(request)
    )
    change = Change("billing", "retryMaxTimes", "5", "16", "group")
    assert (await world.settings.write([change]))[change].reason is UnknownReason.UNSUPPORTED
    assert not world.cluster.asked(requests.UPDATE_AND_CREATE_SUBSCRIPTIONGROUP)


BAD = {
    "refused": refused(16, "no permission"),
    "no UTF-8": Frame(0, 0, body=b"\xff"),
    "something else": ok("[]"),
    "nothing": ok(),
    "a number that is none": ok(
        '{"topicConfigTable":{"orders":{"perm":"6"}},"subscriptionGroupTable":{"g":{}},"inSyncSlaveNums":true}'
    ),
}
PARTS: Mapping[int, Callable[[BrokerSet], object]] = {
    requests.GET_BROKER_CONFIG: lambda some: some.servers[0].config,
    requests.GET_ALL_SUBSCRIPTIONGROUP_CONFIG: lambda some: some.retries,
    requests.GET_ALL_CONSUMER_OFFSET: lambda some: some.readers,
    requests.GET_BROKER_HA_STATUS: lambda some: some.servers[0].in_sync,
    requests.GET_TOPIC_STATS_INFO: lambda some: some.transactions,
}


@pytest.mark.parametrize("code", PARTS)
@pytest.mark.parametrize("answer", [BAD["refused"], BAD["no UTF-8"], BAD["something else"]], ids=["refused", "no UTF-8", "else"])
async def test_what_cannot_be_read_is_not_known(world: World, code: int, answer: Answer) -> None:
    """That part, and no other; never zero, never an exception."""
    world.cluster.instead = lambda name, request: (
        answer if request.code == code and name == "broker-a" else world.of[name].answer(request)
    )
    some = await world.first()
    lost = {of for of, part in PARTS.items() if isinstance(part(some), Unknown)}
    # What waits in transactions is reckoned from what the broker has committed.
    assert lost - {requests.GET_TOPIC_STATS_INFO} == {code} - {requests.GET_TOPIC_STATS_INFO}
    assert code in lost


@pytest.mark.parametrize("answer", BAD.values(), ids=BAD.keys())
async def test_a_slave_tells_topics_that_its_master_does_not(world: World, answer: Answer) -> None:
    """What the master alone knows is not known then. Where nobody tells, the survey says why."""
    world.cluster.instead = lambda name, request: (
        answer if request.code == requests.GET_ALL_TOPIC_CONFIG and name == "broker-a" else world.of[name].answer(request)
    )
    some = await world.first()
    assert some.topics == {"orders": TopicOn(6, 4, 4)}
    assert isinstance(some.transactions, Unknown)
    world.cluster.instead = lambda name, request: (
        answer if request.code == requests.GET_ALL_TOPIC_CONFIG else world.of[name].answer(request)
    )
    with pytest.raises(BrokerError, match="no broker could be read: topics on broker"):
        await world.survey()


async def test_a_broker_that_is_away(world: World) -> None:
    """It stays among those that are judged, as one that is not known, also once name servers have forgotten it."""
    await world.survey()
    await world.cluster.brokers["slave"].stop()
    lost = (await world.first()).servers[1]
    assert (isinstance(lost.config, Unknown), lost.here) == (True, True)
    del world.cluster.registered["broker-a"][1]
    later(10)
    gone = (await world.first()).servers[1]
    assert (gone.name, isinstance(gone.config, Unknown), gone.here) == (world.named("slave"), True, False)


LOGS = {"a little behind": (999, 1), "at its bound": (900, 0), "ahead, as it was read later": (1001, 1)}


@pytest.mark.parametrize(("slaves", "in_sync"), LOGS.values(), ids=LOGS.keys())
async def test_before_5_logs_are_compared(world: World, slaves: int, in_sync: int) -> None:
    """A slave may be as far behind as its master allows."""
    world.of["broker-a"].following = None
    world.of["broker-a"].config["haSlaveFallbehindMax"] = "100"
    world.of["slave"].log_end = slaves
    assert (await world.first()).servers[0].in_sync == in_sync
    await world.cluster.brokers["slave"].stop()
    assert isinstance((await world.first()).servers[0].in_sync, Unknown)


async def test_transactions_over_time(world: World) -> None:
    """How many wait, since when none was ended, and how many were given up within the hour; first all is taken for old."""
    halves, ended = world.cluster.topics[HALF_TOPIC]["broker-a"], world.cluster.topics[ENDED_TOPIC]["broker-a"]
    halves[0] = (0, 7)
    world.cluster.topics[GIVEN_UP_TOPIC] = {"broker-a": [(0, 40)]}
    assert await seen(world) == (7, 0, 0)
    later(100)
    assert await seen(world) == (7, 100, 0)
    ended[0] = (0, 1)
    world.cluster.topics[GIVEN_UP_TOPIC]["broker-a"] = [(0, 42)]
    assert await seen(world) == (7, 0, 2)
    world.cluster.commits[HALF_TOPIC, CHECKER]["broker-a"][0] = 7
    later(TOLD_FOR - 10)
    assert await seen(world) == (0, 0, 2)
    later(20)
    assert await seen(world) == (0, 0, 0)
    world.cluster.topics[GIVEN_UP_TOPIC]["broker-a"] = [(0, 1)]
    assert await seen(world) == (0, 0, 0)


async def test_a_topic_of_given_up_ones_that_is_not_there(world: World) -> None:
    """Brokers make it when they first need it: nothing was given up before, and the first one is told."""
    assert await seen(world) == (0, 0, 0)
    world.cluster.topics[GIVEN_UP_TOPIC] = {"broker-a": [(0, 1)]}
    assert await seen(world) == (0, 0, 1)


async def seen(world: World) -> tuple[int, int, int]:
    """Transactions on the first set, in whole seconds."""
    found = (await world.first()).transactions
    assert isinstance(found, Transactions), found
    return found.waiting, round(found.quiet), found.given_up


async def test_judging_is_that_of_the_core(world: World) -> None:
    """The adapter brings it along."""
    policy = Wishes("shop/orders", acts=True, names=("orders",), reading=ReadingWishes(delivery_limit=5))
    findings = world.settings.judge(await world.survey(), [policy])[policy.name]
    assert findings.changes == (Change("billing", "retryMaxTimes", "5", "16", "group"),)
