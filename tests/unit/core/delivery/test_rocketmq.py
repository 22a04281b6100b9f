"""What RocketMQ's brokers must be set to: told of every one that holds a matched topic, written where it takes effect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from floodwarden.core.assess import Gap
from floodwarden.core.delivery.audit import Findings
from floodwarden.core.delivery.rocketmq.explained import EXPLAINED_ROCKETMQ
from floodwarden.core.delivery.rocketmq.found import BrokerSet, RocketMQFound, Server, TopicOn, Transactions
from floodwarden.core.delivery.rocketmq.judging import judge
from floodwarden.core.delivery.rocketmq.needs import WRITABLE
from floodwarden.core.delivery.settings import explained
from floodwarden.core.delivery.survey import Change
from floodwarden.core.delivery.violations import EVERYTHING, NODES, Action, Violation
from floodwarden.core.delivery.wishes import ReadingWishes, TransactionWishes, Wishes
from floodwarden.core.observation import Unknown
from floodwarden.core.reasons import Reason
from tests.support.delivery import AWAY, DAY, DENIED

# As RocketMQ 5 has them.
BY_DEFAULT: Mapping[str, str] = {
    "allAckInSyncStateSet": "false",
    "autoCreateTopicEnable": "true",
    "brokerPermission": "6",
    "brokerRole": "ASYNC_MASTER",
    "enableControllerMode": "false",
    "enableDLegerCommitLog": "false",
    "fileReservedTime": "72",
    "flushDiskType": "ASYNC_FLUSH",
    "inSyncReplicas": "1",
    "minInSyncReplicas": "1",
    "transactionCheckInterval": "30000",
    "transactionCheckMax": "15",
    "transactionTimeOut": "6000",
    "transientStorePoolEnable": "false",
}
SAFE = {
    **BY_DEFAULT,
    "brokerRole": "SYNC_MASTER",
    "flushDiskType": "SYNC_FLUSH",
    "inSyncReplicas": "2",
    "fileReservedTime": "240",
}
OF_4 = {
    key: value for key, value in BY_DEFAULT.items() if key not in ("inSyncReplicas", "minInSyncReplicas", "allAckInSyncStateSet")
}
MASTER, SLAVE = "broker-a (10.0.0.1:10911)", "broker-a/1 (10.0.0.2:10911)"
CALM = Transactions(waiting=0, quiet=0.0, given_up=0)


def wishes(**asked: Any) -> Wishes:
    """A policy that writes, and asks for nothing on orders but what is given."""
    return Wishes(**{"name": "shop/orders", "acts": True, "names": ("orders*",), **asked})


SYNC = wishes(flush="Sync")
SYNCHRONOUS = wishes(min_in_sync=2)
OFTEN = wishes(transactions=TransactionWishes(None, 60, check_interval=10))
CHECKS = wishes(transactions=TransactionWishes(5, 60, check_interval=10, check_max=20))


def server(config: Mapping[str, str] | Unknown = SAFE, **given: Any) -> Server:
    """A master that one slave follows."""
    return Server(**{"name": MASTER, "number": 0, "config": config, "in_sync": 1, **given})


def slave(config: Mapping[str, str] | Unknown | None = None, **given: Any) -> Server:
    """Its slave."""
    of_slave = {**SAFE, "brokerRole": "SLAVE"} if config is None else config
    return Server(**{"name": SLAVE, "number": 1, "config": of_slave, **given})


def found(*servers: Server, name: str = "broker-a", **given: Any) -> RocketMQFound:
    """One set with a topic that matches, on these servers."""
    parts = {"topics": {"orders": TopicOn(6, 4, 4)}, "retries": {}, "readers": {}, "transactions": CALM}
    return RocketMQFound((BrokerSet(name=name, servers=servers, **{**parts, **given}),))


def judged(policy: Wishes, what: RocketMQFound) -> Findings:
    """What is found for one policy."""
    return judge(what, [policy])[policy.name]


def told(policy: Wishes, what: RocketMQFound) -> list[tuple[str, str, str, str, Action]]:
    """Resource, setting, wanted, found and action of each difference."""
    return [(one.resource, one.setting, one.wanted, one.found, one.action) for one in judged(policy, what).violations]


POOR = (f"broker {MASTER}", "autoCreateTopicEnable", "false", "true", Action.REPORT)
CASES: Mapping[str, tuple[Wishes, Mapping[str, str], Sequence[tuple[str, str, str, Action]]]] = {
    "flush on a broker as it comes": (SYNC, BY_DEFAULT, [("flushDiskType", "SYNC_FLUSH", "ASYNC_FLUSH", Action.RESTART)]),
    "a pool before the page cache": (
        SYNC,
        {**SAFE, "transientStorePoolEnable": "true"},
        [("transientStorePoolEnable", "false", "true", Action.RESTART)],
    ),
    "nobody waits for slaves": (
        SYNCHRONOUS,
        BY_DEFAULT,
        [("brokerRole", "SYNC_MASTER", "ASYNC_MASTER", Action.RESTART), ("inSyncReplicas", "≥ 2", "1", Action.RESTART)],
    ),
    "synchronous by name only": (SYNCHRONOUS, {**SAFE, "inSyncReplicas": "1"}, [("inSyncReplicas", "≥ 2", "1", Action.REPAIR)]),
    "more copies than are in sync": (wishes(min_in_sync=3), SAFE, [("inSyncReplicas", "≥ 3", "2", Action.REPORT)]),
    "flush by replicas": (
        wishes(flush="Replicated"),
        {**SAFE, "inSyncReplicas": "1", "flushDiskType": "ASYNC_FLUSH"},
        [("inSyncReplicas", "≥ 2", "1", Action.REPAIR)],
    ),
    "controllers": (
        SYNCHRONOUS,
        {**SAFE, "inSyncReplicas": "1", "enableControllerMode": "true"},
        [("minInSyncReplicas", "≥ 2", "1", Action.RESTART), ("allAckInSyncStateSet", "true", "false", Action.RESTART)],
    ),
    "a slave among controllers": (
        SYNCHRONOUS,
        {**SAFE, "brokerRole": "SLAVE", "inSyncReplicas": "2", "minInSyncReplicas": "2", "enableControllerMode": "true"},
        [],
    ),
    "slaves that act as master": (
        SYNCHRONOUS,
        {**SAFE, "enableSlaveActingMaster": "true", "enableAutoInSyncReplicas": "true"},
        [("minInSyncReplicas", "≥ 2", "1", Action.RESTART)],
    ),
    "RocketMQ 4": (SYNCHRONOUS, OF_4, [("brokerRole", "SYNC_MASTER", "ASYNC_MASTER", Action.RESTART)]),
    "RocketMQ 4 waits for one slave": (SYNCHRONOUS, {**OF_4, "brokerRole": "SYNC_MASTER"}, []),
    "RocketMQ 4 waits for no more": (
        wishes(min_in_sync=3),
        {**OF_4, "brokerRole": "SYNC_MASTER"},
        [("inSyncReplicas", "≥ 3", "2", Action.REPORT)],
    ),
    "hours": (
        wishes(kept_for=7 * DAY + 1),
        {**SAFE, "fileReservedTime": "72"},
        [("fileReservedTime", "≥ 169", "72", Action.REPAIR)],
    ),
    "transactions": (
        CHECKS,
        BY_DEFAULT,
        [
            ("transactionTimeOut", "≤ 5000", "6000", Action.REPAIR),
            ("transactionCheckInterval", "≤ 10000", "30000", Action.REPAIR),
            ("transactionCheckMax", "≥ 20", "15", Action.REPAIR),
        ],
    ),
    "transactions of RocketMQ 4": (OFTEN, OF_4, [("transactionCheckInterval", "≤ 10000", "30000", Action.RESTART)]),
    "stricter than asked": (
        CHECKS,
        {**SAFE, "transactionTimeOut": "1", "transactionCheckInterval": "1", "transactionCheckMax": "99"},
        [],
    ),
}


@pytest.mark.parametrize(("policy", "config", "differs"), CASES.values(), ids=CASES.keys())
def test_a_master(policy: Wishes, config: Mapping[str, str], differs: Sequence[tuple[str, str, str, Action]]) -> None:
    """Each setting that differs once; that topics are made by themselves only beside others; live ones alone are written."""
    what = found(server(config), slave())
    expected = [(f"broker {MASTER}", *one) for one in differs]
    assert [one for one in told(policy, what) if one[0] == POOR[0]] == [*expected, *([POOR] if expected else [])]
    findings = judged(policy, what)
    assert {(one.name, one.setting, one.kind) for one in findings.changes} == {
        (MASTER, setting, NODES) for setting, _, _, action in differs if action is Action.REPAIR
    }
    assert {change.setting for change in findings.changes} <= WRITABLE
    assert not findings.gaps


def test_every_broker_is_told() -> None:
    """A slave that is not as its master is found, by its own name and address; so is the set beside it."""
    other = Server("broker-b (10.0.0.3:10911)", 0, BY_DEFAULT, in_sync=0)
    what = RocketMQFound(
        (*found(server(), slave({**BY_DEFAULT, "brokerRole": "SLAVE"})).sets, *found(other, name="broker-b").sets)
    )
    assert [line[:2] for line in told(SYNC, what)] == [
        (f"broker {SLAVE}", "flushDiskType"),
        (f"broker {other.name}", "flushDiskType"),
        (f"broker {other.name}", "autoCreateTopicEnable"),
    ]
    assert judged(SYNC, what).brokers == 3


def test_a_set_without_a_matched_topic_does_not_matter() -> None:
    """Nor do RocketMQ's own topics match."""
    own = {"%RETRY%orders": TopicOn(6, 1, 1), "RMQ_SYS_TRANS_HALF_TOPIC": TopicOn(6, 1, 1), "bills": TopicOn(6, 1, 1)}
    findings = judged(wishes(names=("*ord*", "*RMQ*", "%*"), flush="Sync"), found(server(BY_DEFAULT), topics=own))
    assert (findings.topics, findings.brokers, findings.violations, findings.gaps) == (0, 0, (), ())


def test_a_slave_is_not_asked_what_only_a_master_does() -> None:
    """It flushes and deletes by itself; it waits for nobody and checks no transaction."""
    everything = replace(CHECKS, flush="Sync", min_in_sync=2, kept_for=7 * DAY)
    poor = {**BY_DEFAULT, "brokerRole": "SLAVE", "transientStorePoolEnable": "true"}
    well = {**SAFE, "transactionTimeOut": "1", "transactionCheckInterval": "1", "transactionCheckMax": "99"}
    assert [line[:2] for line in told(everything, found(server(well), slave(poor)))] == [
        (f"broker {SLAVE}", "flushDiskType"),
        (f"broker {SLAVE}", "fileReservedTime"),
    ]


def the(setting: str, policy: Wishes, what: RocketMQFound) -> Violation:
    """The only difference of that setting."""
    (one,) = [one for one in judged(policy, what).violations if one.setting == setting]
    return one


def test_what_needs_a_restart_has_its_lines() -> None:
    """And the trap is named: changed live, every send would fail."""
    flush = the("flushDiskType", SYNC, found(server(BY_DEFAULT)))
    assert "flushDiskType=SYNC_FLUSH in its broker.conf and restart it" in flush.reason
    assert "never change it live" in flush.reason
    role = the("brokerRole", SYNCHRONOUS, found(server(BY_DEFAULT), slave()))
    assert "brokerRole=SYNC_MASTER and inSyncReplicas=2 in its broker.conf" in role.reason


def test_copies() -> None:
    """A slave that is missing, and one that does not follow."""
    alone = wishes(factor=2)
    assert told(alone, found(server(in_sync=0))) == [("broker broker-a", "copies", "≥ 2", "1", Action.REPORT)]
    assert told(alone, found(server(in_sync=0), slave())) == [
        (f"broker {MASTER}", "slaves in sync", "all", "0 of 1", Action.REPORT)
    ]
    gone = found(server(in_sync=0), slave(AWAY, here=False))
    assert [line[1:4] for line in told(alone, gone)] == [("copies", "≥ 2", "1"), ("slaves in sync", "all", "0 of 1")]
    assert judged(alone, gone).gaps == (Gap(Reason.BROKER_UNREACHABLE, AWAY.detail),)
    assert told(CHECKS, found(server(CALM_CONFIG, in_sync=0), slave())) == []


CALM_CONFIG = {**SAFE, "transactionTimeOut": "5000", "transactionCheckInterval": "10000", "transactionCheckMax": "20"}
UNKNOWN: Mapping[str, tuple[Wishes, RocketMQFound, set[str]]] = {
    "a configuration": (SYNC, found(server(DENIED)), {NODES}),
    "a setting": (SYNC, found(server({"brokerRole": "SYNC_MASTER", "transientStorePoolEnable": "false"})), {NODES}),
    "a number": (wishes(kept_for=DAY), found(server({**SAFE, "fileReservedTime": "many"})), {NODES}),
    "the topics of a set": (SYNC, found(server(), topics=AWAY), {EVERYTHING}),
    "who is in sync": (SYNCHRONOUS, found(server(in_sync=AWAY), slave()), {NODES}),
    "a set without a master": (wishes(kept_for=DAY), found(slave()), {NODES}),
    "transactions": (CHECKS, found(server(CALM_CONFIG), transactions=AWAY), {NODES}),
    "who reads": (wishes(reading=ReadingWishes(delivery_limit=5)), found(server(), readers=AWAY), {EVERYTHING}),
    "groups": (wishes(reading=ReadingWishes(delivery_limit=5)), found(server(), retries=AWAY), {EVERYTHING}),
}


@pytest.mark.parametrize(("policy", "what", "unread"), UNKNOWN.values(), ids=UNKNOWN.keys())
def test_unknown_is_not_well(policy: Wishes, what: RocketMQFound, unread: set[str]) -> None:
    """It is a gap, and what was told there is not taken for gone; nothing is written for it."""
    findings = judged(policy, what)
    assert findings.gaps
    assert findings.unread == unread
    assert findings.changes == ()


def test_a_set_of_which_the_topics_are_not_known_is_left_alone() -> None:
    """It may hold no topic that anybody asks for."""
    findings = judged(wishes(kept_for=99 * DAY, flush="Sync"), found(server(BY_DEFAULT), topics=AWAY))
    assert (findings.violations, findings.changes) == ((), ())


def test_what_others_need_to_know_is_not_asked() -> None:
    """What a policy does not ask for need not be known."""
    findings = judged(SYNC, found(server(in_sync=AWAY), slave(), retries=AWAY, readers=AWAY, transactions=AWAY))
    assert (findings.gaps, findings.unread) == ((), frozenset())


def test_more_copies_are_not_waited_for_before_they_are_known() -> None:
    """Every send would time out."""
    one = the("inSyncReplicas", SYNCHRONOUS, found(server({**SAFE, "inSyncReplicas": "1"}, in_sync=AWAY), slave()))
    assert (one.action, "not known" in one.reason) == (Action.REPORT, True)
    few = the("inSyncReplicas", SYNCHRONOUS, found(server({**SAFE, "inSyncReplicas": "1"}, in_sync=0), slave()))
    assert (few.action, "only 1 in sync" in few.reason) == (Action.REPORT, True)


def test_an_audit_writes_nothing() -> None:
    """It says that Enforce would."""
    policy = replace(CHECKS, acts=False, enforces=False)
    findings = judged(policy, found(server(BY_DEFAULT)))
    assert findings.changes == ()
    assert all("mode Enforce would write it" in one.reason for one in findings.violations if one.action is Action.REPAIR)


def test_policies_that_disagree_write_nothing() -> None:
    """Also where they match different topics of a broker, and where one is audited elsewhere; who only looks disarms nobody."""
    other = replace(
        CHECKS, name="shop/bills", names=("bills",), transactions=TransactionWishes(5, 60, check_interval=10, check_max=30)
    )
    what = found(
        server({**CALM_CONFIG, "transactionCheckMax": "15"}), topics={"orders": TopicOn(6, 1, 1), "bills": TopicOn(6, 1, 1)}
    )
    both = judge(what, [CHECKS, other])
    for name, says in ((CHECKS.name, "shop/bills wants ≥ 30"), (other.name, "shop/orders wants ≥ 20")):
        conflict = next(one for one in both[name].violations if one.setting == "transactionCheckMax")
        assert (conflict.action, conflict.reason) == (Action.CONFLICT, f"{says}: neither is acted on until they agree")
        assert both[name].changes == ()
    assert judge(what, [CHECKS], [other])[CHECKS.name].changes == ()
    looks = replace(other, acts=False, enforces=False)
    assert judge(what, [CHECKS, looks])[CHECKS.name].changes == (Change(MASTER, "transactionCheckMax", "20", "15", NODES),)


def test_groups() -> None:
    """Those that read a matched topic, and no others; on whichever set they come back too often."""
    policy = wishes(reading=ReadingWishes(delivery_limit=5))
    readers = {"orders": frozenset({"billing", "shipping", "CID_RMQ_SYS_TRANS"}), "bills": frozenset({"other"})}
    what = found(server(), retries={"billing": 16, "shipping": 5, "other": 16, "CID_RMQ_SYS_TRANS": 16}, readers=readers)
    assert told(policy, what) == [("group billing", "retryMaxTimes", "≤ 5", "16", Action.REPAIR)]
    assert judged(policy, what).changes == (Change("billing", "retryMaxTimes", "5", "16", "group"),)
    rival = replace(policy, name="shop/other", reading=ReadingWishes(delivery_limit=3))
    conflict = judge(what, [policy], [rival])[policy.name]
    assert [one.action for one in conflict.violations if one.resource == "group billing"] == [Action.CONFLICT]
    assert conflict.changes == ()


TRANSACTIONS: Mapping[str, tuple[Transactions, Sequence[tuple[str, str]]]] = {
    "none": (CALM, []),
    "some that are young": (Transactions(7, 59, 0), []),
    "some that nobody ends": (Transactions(7, 60, 0), [("half messages", "some wait, and none was ended for 60s")]),
    "none, for long": (Transactions(0, 600, 0), []),
    "given up": (Transactions(0, 0, 3), [("transactions given up", "some in the last hour")]),
}


@pytest.mark.parametrize(("halves", "says"), TRANSACTIONS.values(), ids=TRANSACTIONS.keys())
def test_transactions(halves: Transactions, says: Sequence[tuple[str, str]]) -> None:
    """That they wait is told once nobody has ended one for hungAfter; any that was given up at once."""
    what = found(server(CALM_CONFIG), transactions=halves)
    assert [(one.setting, one.found) for one in judged(CHECKS, what).violations] == says
    assert told(SYNC, what) == []


def test_transactions_that_are_watched_for_too_short() -> None:
    """After a restart nobody knows whether they end: that is no reason to say that all is as asked for."""
    for watched, gaps in ((59.0, 1), (60.0, 0)):
        findings = judged(CHECKS, found(server(CALM_CONFIG), transactions=Transactions(7, 10, 0, watched)))
        assert (len(findings.gaps), bool(findings.unread)) == (gaps, bool(gaps))
    assert judged(CHECKS, found(server(CALM_CONFIG), transactions=Transactions(0, 0, 0, 1.0))).gaps == ()


TOPICS: Mapping[str, tuple[Sequence[TopicOn], Sequence[tuple[str, str]]]] = {
    "alike": ([TopicOn(6, 4, 4), TopicOn(6, 4, 4)], []),
    "not written on one": ([TopicOn(6, 4, 4), TopicOn(4, 4, 4)], [("perm", "4 on broker-1")]),
    "not read on one": ([TopicOn(2, 4, 4), TopicOn(6, 4, 4)], [("perm", "2 on broker-0")]),
    "read and not written any more": ([TopicOn(6, 8, 4), TopicOn(6, 8, 4)], []),
    "more on one": ([TopicOn(6, 4, 4), TopicOn(6, 8, 8)], [("queues", "4 on broker-0, 8 on broker-1")]),
    "written and not read": ([TopicOn(6, 4, 8), TopicOn(6, 4, 4)], [("queues", "4 read, 8 written on broker-0")]),
}


@pytest.mark.parametrize(("places", "says"), TOPICS.values(), ids=TOPICS.keys())
def test_topics(places: Sequence[TopicOn], says: Sequence[tuple[str, str]]) -> None:
    """What loses messages by its shape is told, and never changed."""
    sets = [found(server(), name=f"broker-{number}", topics={"orders": on}).sets[0] for number, on in enumerate(places)]
    findings = judged(SYNC, RocketMQFound(tuple(sets)))
    assert [(one.setting, one.found) for one in findings.violations] == list(says)
    assert {one.action for one in findings.violations} <= {Action.REPORT}
    assert findings.topics == 1


def test_a_broker_that_may_not_be_written() -> None:
    """Is told."""
    assert told(SYNC, found(server({**SAFE, "brokerPermission": "4"}))) == [
        (f"broker {MASTER}", "brokerPermission", "6 (read, write)", "4", Action.REPORT)
    ]


def test_what_brokers_do_not_tell() -> None:
    """What a message or a consumer brings itself is said, where it matters."""
    said = judged(wishes(acks="All", reading=ReadingWishes(delivery_limit=5)), found(server())).unproven
    assert [sentence.partition(":")[0] for sentence in said] == ["acks", "deliveryLimit"]
    assert "WAIT=false" in said[0]
    assert judged(CHECKS, found(server(CALM_CONFIG))).unproven == ()
    controlled = found(server({**SAFE, "enableControllerMode": "true"}))
    assert any(one.startswith("uncleanElection") for one in judged(wishes(clean=True), controlled).unproven)


def every_violation() -> list[Violation]:
    """One of each setting."""
    policies = [policy for policy, _, _ in CASES.values()]
    what = [found(server(config), slave()) for _, config, _ in CASES.values()]
    pairs = list(zip(policies, what, strict=True))
    pairs += [
        (CHECKS, found(server(CALM_CONFIG), transactions=Transactions(7, 60, 3))),
        (wishes(factor=3), found(server(in_sync=0), slave())),
    ]
    pairs += [(SYNC, found(server({**SAFE, "brokerPermission": "4"}), topics={"orders": TopicOn(4, 1, 2)}))]
    limited = wishes(reading=ReadingWishes(delivery_limit=5))
    pairs += [(limited, found(server(), retries={"g": 16}, readers={"orders": frozenset({"g"})}))]
    return [one for policy, each in pairs for one in judged(policy, each).violations]


def test_each_is_explained_and_short() -> None:
    """By its own name; and no reason is cut off in status."""
    violations = every_violation()
    assert {one.setting for one in violations} == {one.name for one in EXPLAINED_ROCKETMQ}
    for one in violations:
        known = explained(one.setting)
        assert known is not None, one.setting
        assert known.name == one.setting
        assert len(one.reason.encode()) <= 256, one
