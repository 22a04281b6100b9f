"""Compares what policies ask for with what RocketMQ's brokers do: every broker that holds a matched topic, never just the first.

Pure. ``needs`` knows what a broker must be set to, ``topics`` looks at topics and groups;
``brokers.rocketmq.settings`` brings what was found. A broker's setting holds for all its topics, so policies may disagree on it
that match different ones.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Final

from floodwarden.core.assess import Gap
from floodwarden.core.delivery.audit import Findings
from floodwarden.core.delivery.effective import gap_of
from floodwarden.core.delivery.ledger import Resource
from floodwarden.core.delivery.lint import unmatched
from floodwarden.core.delivery.rocketmq.dledger import kept_by_dledger, of_dledger
from floodwarden.core.delivery.rocketmq.found import MASTER, BrokerSet, RocketMQFound, Server
from floodwarden.core.delivery.rocketmq.halves import resumable, said_of_dropped
from floodwarden.core.delivery.rocketmq.needs import COPIES_OF_4, IN_SYNC_REPLICAS, ROLE, SYNC_MASTER, Need, copies_asked, needs
from floodwarden.core.delivery.rocketmq.topics import RETRIES, group_retries, held, of_topics, retries_asked, views
from floodwarden.core.delivery.survey import Change
from floodwarden.core.delivery.violations import EVERYTHING, NODES, Action, Violation, listed
from floodwarden.core.delivery.wishes import Wishes
from floodwarden.core.observation import Unknown, UnknownReason
from floodwarden.core.reasons import Reason

COPIES: Final = "copies"
FOLLOWING: Final = "slaves in sync"
HALF: Final = "half messages"
GIVEN_UP: Final = "transactions given up"
AUTO_CREATE: Final = "autoCreateTopicEnable"
PERMISSION: Final = "brokerPermission"
_WHERE: Final = "configuration"
_ALL: Final = "6"  # read and write

Rivals = Mapping[tuple[str, str], Mapping[str, str]]
"""What each policy wants of one setting of one resource, where they do not agree."""


@dataclass(slots=True)
class _Account:
    """What is found for one policy, as it is gathered."""

    violations: list[Violation] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    unread: set[str] = field(default_factory=set)

    def lacks(self, unknown: Unknown | Gap, *resources: str) -> None:
        """Something is not known, of these resources."""
        self.gaps.append(gap_of(unknown) if isinstance(unknown, Unknown) else unknown)
        self.unread.update(resources)


def judge(found: RocketMQFound, policies: Collection[Wishes], beside: Collection[Wishes] = ()) -> dict[str, Findings]:
    """The findings of each policy, by its name; ``beside`` are policies that are audited elsewhere, on the same brokers."""
    every = [*policies, *beside]
    about = views(every, found.sets)
    # Who only looks disarms nobody: those that write are held against each other, and those that look.
    rivals = {enforces: _rivals([one for one in every if one.enforces is enforces], about) for enforces in (True, False)}
    return {wishes.name: _findings(wishes, about[wishes.name], rivals[wishes.enforces]) for wishes in policies}


def _rivals(policies: Collection[Wishes], about: Mapping[str, Sequence[BrokerSet]]) -> Rivals:
    wanted: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for wishes in policies:
        sets = about[wishes.name]
        for some in sets:
            for server, need in _needed(wishes, some):
                if need.live:
                    wanted[server.resource, need.setting][wishes.name] = str(need.requirement)
        asked = retries_asked(wishes)
        for group in group_retries(sets) if asked is not None else ():
            wanted[f"group {group}", RETRIES][wishes.name] = str(asked)
    return {setting: by for setting, by in wanted.items() if len(set(by.values())) > 1}


def _needed(wishes: Wishes, some: BrokerSet) -> Iterator[tuple[Server, Need]]:
    for server in some.servers:
        if not isinstance(server.config, Unknown):
            yield from ((server, need) for need in needs(wishes, server))


def _findings(wishes: Wishes, sets: Sequence[BrokerSet], rivals: Rivals) -> Findings:
    account = _Account()
    for some in sets:
        if isinstance(some.topics, Unknown):  # whether it is asked anything at all is not known, so nothing is written there
            account.lacks(some.topics, EVERYTHING)
            continue
        for server in some.servers:
            _of_server(wishes, server, rivals, account)
        if not any(server.number == MASTER for server in some.servers):
            # Name servers forget one that was killed at once, and its settings are in its file still.
            why = f"broker {some.name} has no master: what it is set to is not known; bring it back, see mqadmin clusterList"
            account.lacks(Unknown(UnknownReason.NO_LEADER, why), NODES)
        _of_copies(wishes, some, account)
        _of_transactions(wishes, some, account)
    account.violations += of_topics(sets)
    _of_groups(wishes, sets, rivals, account)
    topics = {name for some in sets for name in held(some)}
    return Findings(
        topics=len(topics),
        brokers=sum(len(some.servers) for some in sets),
        violations=tuple(account.violations),
        changes=tuple(account.changes),
        gaps=tuple({(gap.reason, gap.message): gap for gap in account.gaps}.values()),
        warnings=tuple(_warnings(wishes, None if any(isinstance(some.topics, Unknown) for some in sets) else topics)),
        unread=frozenset(account.unread),
        unproven=tuple(_unproven(wishes, sets)),
    )


def _of_server(wishes: Wishes, server: Server, rivals: Rivals, account: _Account) -> None:
    if isinstance(server.config, Unknown):
        account.lacks(server.config, NODES)
        return
    before = len(account.violations)
    for one in of_dledger(wishes, server, server.config) if kept_by_dledger(server) else ():
        if isinstance(one, Gap):
            account.lacks(one, NODES)
        else:
            account.violations.append(one)
    for need in needs(wishes, server):
        _compare(wishes, server, server.config, need, rivals, account)
    wanted = copies_asked(wishes)
    of_4 = IN_SYNC_REPLICAS not in server.config and not kept_by_dledger(server)
    if of_4 and server.takes_messages and wanted is not None and wanted > COPIES_OF_4:
        why = "RocketMQ 4 waits for one slave, and for no more: 5 can wait for as many as inSyncReplicas says"
        told = Violation(server.resource, IN_SYNC_REPLICAS, f"≥ {wanted}", str(COPIES_OF_4), "RocketMQ 4", Action.REPORT, why)
        account.violations.append(told)
    if server.takes_messages:
        account.violations += _told_of(server, server.config, poor=len(account.violations) > before)


def _compare(wishes: Wishes, server: Server, config: Mapping[str, str], need: Need, rivals: Rivals, account: _Account) -> None:
    found = config.get(need.setting)
    met = need.requirement.met_by(found)
    if found is None:
        account.lacks(Gap(Reason.UNSUPPORTED, f"broker {server.name} does not tell {need.setting}"), NODES)
        return
    if met is None:
        account.lacks(Gap(Reason.BROKER_ERROR, f"{need.setting} of broker {server.name} cannot be understood"), NODES)
        return
    rival = _rival(rivals, server.resource, need.setting, wishes.name) if need.live else None
    if met and rival is None:
        return
    action, reason = (need.action, need.reason(wishes.acts)) if rival is None else (Action.CONFLICT, rival)
    wanted = str(need.requirement)
    account.violations.append(Violation(server.resource, need.setting, wanted, found, _WHERE, action, reason))
    if action is Action.REPAIR and wishes.acts:
        account.changes.append(Change(server.name, need.setting, need.requirement.value, found, NODES))


def _rival(rivals: Rivals, resource: str, setting: str, name: str) -> str | None:
    """Which other policies want something else of it, in a sentence."""
    by = rivals.get((resource, setting))
    if by is None or name not in by:
        return None
    others = [f"{other} wants {value}" for other, value in sorted(by.items()) if other != name and value != by[name]]
    return f"{listed(others)}: neither is acted on until they agree" if others else None


def _told_of(server: Server, config: Mapping[str, str], *, poor: bool) -> Iterator[Violation]:
    """What is told and never changed. That topics are made by themselves matters on a broker that is not as asked."""
    permission = config.get(PERMISSION)
    if permission is not None and permission != _ALL:
        reason = "a broker that may not be written or read; its queues are left to the others, or their messages unread"
        yield Violation(server.resource, PERMISSION, f"{_ALL} (read, write)", permission, _WHERE, Action.REPORT, reason)
    if poor and config.get(AUTO_CREATE) == "true":
        reason = "a misspelt topic is made by its first message, on a broker that is not as asked, and nobody reads it"
        yield Violation(server.resource, AUTO_CREATE, "false", "true", _WHERE, Action.REPORT, reason)


def _of_copies(wishes: Wishes, some: BrokerSet, account: _Account) -> None:
    """Whether the slaves are there that a message is copied to, and follow their master."""
    wanted = copies_asked(wishes)
    if wishes.factor is None and (wanted is None or wanted < 2):
        return
    resource = f"{NODES} {some.name}"
    there = [server for server in some.servers if server.here]
    least = max(wishes.factor or 0, wanted or 0)
    if len(there) < least:
        reason = "a lost disk takes the only copies with it: add slaves with this brokerName; none is added or moved from here"
        violation = Violation(resource, COPIES, f"≥ {least}", str(len(there)), "name servers", Action.REPORT, reason)
        account.violations.append(violation)
    masters = [server for server in some.servers if server.number == MASTER and not kept_by_dledger(server)]
    slaves = sum(server.number != MASTER for server in some.servers)
    for master in masters:
        if isinstance(master.in_sync, Unknown):
            account.lacks(master.in_sync, NODES)
        elif master.in_sync is not None and master.in_sync < slaves:
            reason = "a slave is down, or does not keep up: bring it back; what is sent meanwhile has fewer copies"
            found = f"{master.in_sync} of {slaves}"
            account.violations.append(Violation(master.resource, FOLLOWING, "all", found, "master", Action.REPORT, reason))


def _of_transactions(wishes: Wishes, some: BrokerSet, account: _Account) -> None:
    asked, found = wishes.transactions, some.transactions
    if asked is None:
        return
    if isinstance(found, Unknown):
        account.lacks(found, NODES)
        return
    resource = f"{NODES} {some.name}"
    if found.waiting and found.quiet >= asked.hung_after:
        reason = "no producer has ended one for so long: look whether the producers' groups are connected and answer checks"
        # Without numbers that grow: the same trouble is the same text.
        told = f"some wait, and none was ended for {int(asked.hung_after)}s"
        wanted = f"ended within {int(asked.hung_after)}s"
        account.violations.append(Violation(resource, HALF, wanted, told, "half topic", Action.REPORT, reason))
    elif found.waiting and found.watched < asked.hung_after:
        why = f"broker {some.name}: transactions wait, and are watched for less than hungAfter: whether they end is not known yet"
        account.lacks(Gap(Reason.FIRST_READING, why), resource)
    if found.given_up:
        reason = said_of_dropped(wishes, found.dropped)
        told = "some in the last hour"
        account.violations.append(Violation(resource, GIVEN_UP, "0", told, "TRANS_CHECK_MAX_TIME_TOPIC", Action.REPORT, reason))
    if asked.resumes and isinstance(found.dropped, Unknown):
        account.lacks(found.dropped, Resource.HALF_MESSAGE)
    account.changes += resumable(wishes, some)


def _of_groups(wishes: Wishes, sets: Sequence[BrokerSet], rivals: Rivals, account: _Account) -> None:
    need = retries_asked(wishes)
    if need is None:
        return
    for some in sets:
        for told in (some.readers, some.retries):
            if isinstance(told, Unknown):
                account.lacks(told, EVERYTHING)
    for group, by_set in sorted(group_retries(sets).items()):
        unmet = {name: value for name, value in by_set.items() if need.met_by(str(value)) is False}
        rival = _rival(rivals, f"group {group}", RETRIES, wishes.name)
        if not unmet and rival is None:
            continue
        shown = unmet or by_set
        found, where = listed([str(value) for value in sorted(set(shown.values()))]), listed(sorted(shown))
        does = "it is written" if wishes.acts else "mode Enforce would write it"
        reason = rival or f"a message that nobody can process comes back so often before it is a dead letter; {does}"
        action = Action.REPAIR if rival is None else Action.CONFLICT
        account.violations.append(Violation(f"group {group}", RETRIES, str(need), found, where, action, reason))
        if action is Action.REPAIR and wishes.acts:
            account.changes.append(Change(group, RETRIES, need.value, found, "group"))


def _warnings(wishes: Wishes, topics: Set[str] | None) -> Iterator[str]:
    """``topics`` are those that it speaks of, None where not all are known."""
    if topics is not None:
        yield from unmatched(wishes, topics)
    if wishes.flush == "Sync" and (wishes.min_in_sync or 1) < 2:
        yield "flush Sync alone keeps messages on one disk: a lost disk loses them; add replication with minInSync 2"
    if wishes.kept_for is not None:
        yield "retention.atLeast: a broker deletes sooner when its disk is fuller than diskMaxUsedSpaceRatio (75 %)"


def _unproven(wishes: Wishes, sets: Sequence[BrokerSet]) -> Iterator[str]:
    """What is asked for and brokers do not tell, a sentence for each."""
    if wishes.acks is not None or wishes.flush in ("Sync", "Replicated") or copies_asked(wishes) is not None:
        yield (
            "acks: producers may send one-way, or with WAIT=false, which waits for neither disk nor slaves, and must take a "
            "status other than SEND_OK for a failure; brokers tell none of that of anybody"
        )
    if wishes.acknowledged_late:
        yield (
            "consumption.acknowledge: consumers tell brokers that they are done, and not whether they have processed by then; "
            "those that broadcast keep their own offsets"
        )
    if wishes.reading.delivery_limit is not None:
        yield (
            "deliveryLimit: Java's remoting consumers send a maxReconsumeTimes of their own (16 unless set), which counts "
            "instead of the group's; and groups that have committed nothing are not known to read a topic"
        )
    controlled = any(
        not isinstance(server.config, Unknown) and server.config.get("enableControllerMode") == "true"
        for some in sets
        for server in some.servers
    )
    if (wishes.clean or copies_asked(wishes) is not None) and controlled:
        yield "uncleanElection: controllers decide (enableElectUncleanMaster), and are not asked"
    if copies_asked(wishes) is not None and any(kept_by_dledger(server) for some in sets for server in some.servers):
        yield "replication: DLedger acknowledges once most of its peers have a message, and tells nobody which of them keep up"


__all__ = ["COPIES", "FOLLOWING", "GIVEN_UP", "HALF", "ROLE", "SYNC_MASTER", "judge"]
