"""Settings of real brokers are those mqadmin shows, before and after they are written; what needs a restart is left alone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from floodhack.rocketmq_wire import ask
from floodhack.waiting import until
from floodwarden.brokers.base import BrokerError
from floodwarden.brokers.rocketmq import RocketMQSettings, Security, requests
from floodwarden.core.delivery.audit import Findings
from floodwarden.core.delivery.rocketmq.found import RocketMQFound
from floodwarden.core.delivery.survey import Change
from floodwarden.core.delivery.violations import NODES, Action
from floodwarden.core.delivery.wishes import ReadingWishes, TransactionWishes, Wishes
from floodwarden.core.observation import UnknownReason
from floodwarden.core.reasons import Reason
from tests.contract.cluster.eventually import eventually
from tests.contract.rocketmq.real_rocketmq import SEND_MESSAGE, RealRocketMQ

HOUR = 3_600_000
# What a master answers: the last two where slaves do not have the message in time.
OK, SLAVE_NOT_AVAILABLE, FLUSH_SLAVE_TIMEOUT = 0, 11, 12
# A slave hears of new topics and groups every ten seconds; a broker checks transactions every thirty unless told otherwise.
SOON = 60.0
CHECKS = TransactionWishes(1.0, 60.0, check_interval=1.0, check_max=20)
Connect = Callable[..., RocketMQSettings]


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Makes adapters, and closes them after the test."""
    async with AsyncExitStack() as stack:

        def to(servers: RealRocketMQ, security: Security | None = None) -> RocketMQSettings:
            adapter = RocketMQSettings(servers.name_servers, security)
            stack.push_async_callback(adapter.close)
            return adapter

        yield to


@pytest.fixture
def settings(rocketmq: RealRocketMQ, connect: Connect) -> RocketMQSettings:
    """An adapter."""
    return connect(rocketmq)


def wishes(topic: str, **asked: Any) -> Wishes:
    """A policy on that topic that writes."""
    return Wishes(**{"name": "shop/orders", "acts": True, "names": (topic,), **asked})


async def judged(settings: RocketMQSettings, policy: Wishes) -> Findings:
    """An audit without its repairs."""
    return settings.judge(await settings.survey(policy.matches), [policy])[policy.name]


def shown(servers: RealRocketMQ, node: str) -> dict[str, str]:
    """A broker's configuration, as mqadmin prints it."""
    lines = servers.mqadmin("getBrokerConfig", "-b", servers.servers.set.address(node)).splitlines()
    return {key.strip(): value.strip() for key, mark, value in (line.partition("=") for line in lines) if mark}


def label(servers: RealRocketMQ, node: str) -> str:
    """What a broker is called."""
    return f"{servers.facts['broker_name']}{'/1' if node == 'slave' else ''} ({servers.servers.set.address(node)})"


@contextmanager
def restored(servers: RealRocketMQ, node: str, *settings: str) -> Iterator[dict[str, str]]:
    """A broker's configuration before the test, which has these settings back after it."""
    before = shown(servers, node)
    try:
        yield before
    finally:
        for setting in settings:
            arguments = ("-b", servers.servers.set.address(node), "-k", setting, "-v", before[setting])
            servers.mqadmin("updateBrokerConfig", *arguments)


async def test_a_broker_as_it_comes_is_told_line_by_line(rocketmq: RealRocketMQ, settings: RocketMQSettings) -> None:
    """Master and slave each, with the very values that mqadmin shows; and nothing of it is written by an audit."""
    topic = rocketmq.topic()
    asked = wishes(topic, flush="Sync", factor=2, min_in_sync=2, kept_for=240 * HOUR, transactions=CHECKS)
    policy = replace(asked, acts=False, enforces=False)
    configurations = {node: shown(rocketmq, node) for node in ("master", "slave")}
    findings = await judged(settings, policy)
    told = {(one.resource, one.setting): one for one in findings.violations}
    of_master = {"flushDiskType", "brokerRole", "fileReservedTime", "transactionTimeOut", "transactionCheckInterval"}
    of_master |= {"transactionCheckMax", "autoCreateTopicEnable"}
    if not rocketmq.version.startswith("4"):
        of_master.add("inSyncReplicas")
    expected = {(f"{NODES} {label(rocketmq, 'master')}", setting) for setting in of_master}
    expected |= {(f"{NODES} {label(rocketmq, 'slave')}", setting) for setting in ("flushDiskType", "fileReservedTime")}
    assert told.keys() == expected
    for (resource, setting), one in told.items():
        node = "slave" if "/1" in resource else "master"
        assert one.found == configurations[node][setting]
    assert {one.setting for one in told.values() if one.action is Action.RESTART} >= {"flushDiskType", "brokerRole"}
    assert (findings.gaps, findings.topics, findings.brokers, findings.changes) == ((), 1, 2, ())
    assert {node: shown(rocketmq, node) for node in ("master", "slave")} == configurations


async def test_what_takes_effect_at_once_is_written_and_read_back(rocketmq: RealRocketMQ, settings: RocketMQSettings) -> None:
    """On master and slave; mqadmin shows the new values, and that nothing else was touched."""
    of_4 = rocketmq.version.startswith("4")  # it looks at the interval only when it starts
    checks = replace(CHECKS, check_interval=None) if of_4 else CHECKS
    policy = wishes(rocketmq.topic(), kept_for=240 * HOUR, transactions=checks)
    live = {"fileReservedTime", "transactionTimeOut", "transactionCheckInterval", "transactionCheckMax"}
    live -= {"transactionCheckInterval"} if of_4 else set()
    with restored(rocketmq, "master", *live) as master, restored(rocketmq, "slave", "fileReservedTime") as slave:
        findings = await judged(settings, policy)
        assert {(change.name, change.setting) for change in findings.changes} == {
            *((label(rocketmq, "master"), setting) for setting in live),
            (label(rocketmq, "slave"), "fileReservedTime"),
        }
        assert await settings.write(findings.changes) == {}
        left = await judged(settings, policy)
        assert (left.violations, left.changes, left.gaps) == ((), (), ())
        wanted = {"fileReservedTime": "240", "transactionTimeOut": "1000", "transactionCheckInterval": "1000"}
        wanted["transactionCheckMax"] = "20"
        assert shown(rocketmq, "master") == {**master, **{name: wanted[name] for name in live}}
        assert shown(rocketmq, "slave") == {**slave, "fileReservedTime": "240"}


async def test_what_needs_a_restart_is_never_written(rocketmq: RealRocketMQ, settings: RocketMQSettings) -> None:
    """Not by a policy, and not where somebody asks for it all the same; sends go on."""
    topic = rocketmq.topic()
    findings = await judged(settings, wishes(topic, flush="Sync", min_in_sync=2))
    assert {one.action for one in findings.violations} == {Action.RESTART, Action.REPORT}
    assert findings.changes == ()
    before = shown(rocketmq, "master")
    change = Change(label(rocketmq, "master"), "flushDiskType", "SYNC_FLUSH", "ASYNC_FLUSH", NODES)
    refused = await settings.write([change])
    assert refused[change].reason is UnknownReason.UNSUPPORTED
    assert shown(rocketmq, "master") == before
    rocketmq.produce(topic, {0: 1})


async def test_groups_get_messages_again_as_often_as_asked(
    rocketmq: RealRocketMQ, settings: RocketMQSettings, group: str
) -> None:
    """Those that read the topic; the rest of their configuration stays, and so do other groups."""
    topic, other = rocketmq.topic(), f"other-{group}"
    rocketmq.commit(group, topic, {0: 0})
    rocketmq.commit(other, rocketmq.topic(), {0: 0})
    policy = wishes(topic, reading=ReadingWishes(delivery_limit=5))
    before = {name: rocketmq.mqadmin("getConsumerConfig", "-g", name) for name in (group, other)}
    findings = await judged(settings, policy)
    assert [(one.resource, one.found) for one in findings.violations] == [(f"group {group}", "16")]
    assert await settings.write(findings.changes) == {}
    left = await judged(settings, policy)
    assert (left.violations, left.gaps) == ((), ())
    after = {name: rocketmq.mqadmin("getConsumerConfig", "-g", name) for name in (group, other)}
    assert after[other] == before[other]
    assert [line for line in after[group].splitlines() if line not in before[group].splitlines()] == [
        line.replace("16", "5") for line in before[group].splitlines() if "retryMaxTimes" in line
    ]
    assert "retryMaxTimes" in after[group]


async def test_requests_do_not_grow_with_topics(rocketmq: RealRocketMQ, settings: RocketMQSettings, group: str) -> None:
    """Nor with groups."""
    first = rocketmq.topic(queues=1)
    policy = replace(wishes("topic-*", reading=ReadingWishes(delivery_limit=5)), acts=False)
    await settings.survey(policy.matches)
    sent = settings.requests
    before = await settings.survey(policy.matches)
    few = settings.requests - sent
    for _ in range(10):
        rocketmq.commit(f"{group}-{uuid4().hex[:4]}", rocketmq.topic(queues=1), {0: 0})
    rocketmq.commit(group, first, {0: 0})
    sent = settings.requests
    after = await settings.survey(policy.matches)
    assert settings.requests - sent == few
    assert few <= 14
    assert len(topics_of(after)) == len(topics_of(before)) + 10


def topics_of(found: RocketMQFound) -> set[str]:
    """The topics that were found."""
    return {name for some in found.sets if isinstance(some.topics, dict) for name in some.topics}


async def test_a_slave_that_is_gone_is_told(rocketmq: RealRocketMQ, settings: RocketMQSettings) -> None:
    """By its master, where RocketMQ tells it; and as what is not known of the slave itself. Back again, all is well."""
    policy = wishes(rocketmq.topic(), factor=2)
    whole = await eventually(lambda: judged(settings, policy), lambda seen: not seen.violations and not seen.gaps, within=SOON)
    assert whole.brokers == 2
    with without(rocketmq, "slave"):
        lost = await eventually(lambda: judged(settings, policy), lambda seen: bool(seen.gaps), within=SOON)
        assert all(label(rocketmq, "slave").split()[1].strip("()") in gap.message for gap in lost.gaps)
        assert NODES in lost.unread
        if not rocketmq.version.startswith("4"):
            assert [(one.setting, one.found) for one in lost.violations] == [("slaves in sync", "0 of 1")]
    await eventually(lambda: judged(settings, policy), lambda seen: not seen.violations and not seen.gaps, within=SOON)


async def test_a_master_that_is_gone_is_not_taken_for_well(rocketmq: RealRocketMQ, settings: RocketMQSettings) -> None:
    """Its slave still tells the topics; what the master does is not known. Nothing can be told where nobody answers."""
    topic = rocketmq.topic()
    policy = wishes(topic, kept_for=HOUR)

    of_slave = rocketmq.servers.set.port("slave")
    until(lambda: knows(of_slave, topic), seconds=SOON, what="the slave learns of the topic")
    rocketmq.servers.stop("master", kill=True)
    try:
        findings = await judged(settings, policy)
        assert findings.topics == 1
        # A name server that has noticed says that there is none.
        assert {gap.reason for gap in findings.gaps} <= {Reason.BROKER_UNREACHABLE, Reason.NO_LEADER}
        assert findings.gaps
        assert NODES in findings.unread
        rocketmq.servers.stop("slave", kill=True)
        with pytest.raises(BrokerError, match="no broker could be read") as nobody:
            await settings.survey(policy.matches)
        assert nobody.value.reason is UnknownReason.BROKER_UNREACHABLE
    finally:
        rocketmq.servers.start("master")
        rocketmq.servers.start("slave")


async def test_copies_are_waited_for_at_once(rocketmq: RealRocketMQ, settings: RocketMQSettings) -> None:
    """RocketMQ 5: a SYNC_MASTER waits for nobody until inSyncReplicas is written; 4: it waits for one slave from the start."""
    topic = rocketmq.topic(queues=1)
    policy = wishes(topic, min_in_sync=2)
    of_5 = not rocketmq.version.startswith("4")
    with rocketmq.configured(master={"brokerRole": "SYNC_MASTER"}):
        with without(rocketmq, "slave"):
            assert sent(rocketmq, topic) in ((OK,) if of_5 else (SLAVE_NOT_AVAILABLE, FLUSH_SLAVE_TIMEOUT))
        wanted = {Change(label(rocketmq, "master"), "inSyncReplicas", "2", "1", NODES)} if of_5 else set()
        before = await eventually(lambda: judged(settings, policy), lambda seen: set(seen.changes) == wanted, within=SOON)
        assert await settings.write(before.changes) == {}
        left = await judged(settings, policy)
        assert (left.violations, left.gaps) == ((), ())
        assert sent(rocketmq, topic) == OK
        with without(rocketmq, "slave"):
            assert sent(rocketmq, topic) in (SLAVE_NOT_AVAILABLE, FLUSH_SLAVE_TIMEOUT)


@contextmanager
def without(servers: RealRocketMQ, node: str) -> Iterator[None]:
    """One broker is killed, and runs again afterwards."""
    servers.servers.stop(node, kill=True)
    try:
        yield
    finally:
        servers.servers.start(node)


def sent(servers: RealRocketMQ, topic: str) -> int:
    """What the master answers to a message."""
    fields = {"producerGroup": "contract", "topic": topic, "defaultTopic": "TBW102", "defaultTopicQueueNums": "4"}
    fields |= {"queueId": "0", "sysFlag": "0", "bornTimestamp": "0", "flag": "0", "properties": ""}
    answer = ask(servers.master, SEND_MESSAGE, {**fields, "reconsumeTimes": "0", "batch": "false"}, b"message")
    assert answer is not None
    return answer.code


async def test_transactions_that_are_given_up_are_told(rocketmq: RealRocketMQ, settings: RocketMQSettings) -> None:
    """Half messages that nobody ends wait, and are dropped after the checks that are asked for: the settings hold at once."""
    topic = rocketmq.topic(queues=1)
    policy = wishes(topic, transactions=TransactionWishes(1.0, 0.0, check_interval=1.0))
    started = {"master": {"transactionCheckInterval": "1000"}} if rocketmq.version.startswith("4") else {}
    with (
        rocketmq.configured(**started),
        restored(rocketmq, "master", "transactionTimeOut", "transactionCheckInterval", "transactionCheckMax"),
    ):
        assert await settings.write((await judged(settings, policy)).changes) == {}
        most = Change(label(rocketmq, "master"), "transactionCheckMax", "2", "15", NODES)
        assert await settings.write([most]) == {}
        assert not (await judged(settings, policy)).violations
        rocketmq.half(topic)
        waiting = await eventually(lambda: judged(settings, policy), lambda seen: bool(seen.violations), within=SOON)
        assert [one.setting for one in waiting.violations] == ["half messages"]
        dropped = await eventually(
            lambda: judged(settings, policy),
            lambda seen: any(one.setting == "transactions given up" for one in seen.violations),
            within=2 * SOON,
        )
        (one,) = [one for one in dropped.violations if one.setting == "transactions given up"]
        assert (one.found, one.action) == ("some in the last hour", Action.REPORT)


def knows(port: int, topic: str) -> bool:
    """Whether a broker has that topic."""
    answer = ask(port, requests.GET_ALL_TOPIC_CONFIG)
    return answer is not None and f'"{topic}"'.encode() in answer.body


async def test_acls(guarded: RealRocketMQ, connect: Connect, group: str) -> None:
    """With the right secret all is read; with a wrong one, or none, the error says what to correct; so does a write."""
    topic = guarded.topic(queues=1)
    guarded.commit(group, topic, {0: 0})
    policy = wishes(topic, kept_for=240 * HOUR, reading=ReadingWishes(delivery_limit=5))
    findings = await judged(connect(guarded, guarded.security()), policy)
    assert {change.setting for change in findings.changes} == {"fileReservedTime", "retryMaxTimes"}
    assert findings.gaps == ()
    wrong = guarded.security(secret_key="wrong")
    for security in (wrong, guarded.security(access_key="mallory"), None):
        with pytest.raises(BrokerError, match="aclSecretRef") as found:
            await connect(guarded, security).survey(policy.matches)
        assert found.value.reason is UnknownReason.AUTHENTICATION_FAILED
    refused = await connect(guarded, wrong).write(findings.changes)
    assert {why.reason for why in refused.values()} == {UnknownReason.AUTHENTICATION_FAILED}
    assert refused.keys() == set(findings.changes)
    if guarded.version.startswith("4"):  # 5.5 lets whoever it knows change settings of brokers and groups
        denied = await connect(guarded, guarded.security("application")).write(findings.changes)
        assert {why.reason for why in denied.values()} == {UnknownReason.AUTHORIZATION_FAILED}
        assert denied.keys() == set(findings.changes)
