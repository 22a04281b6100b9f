"""What one broker of RocketMQ must be set to for a policy, and which of it may be written while it runs. ``judging`` compares.

Written live is only what was seen to take effect on real brokers at once. All else waits for a restart: above all flushDiskType,
which on a broker that was started with ASYNC_FLUSH breaks every send when it is changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Final

from floodwarden.core.delivery.rocketmq.found import Server
from floodwarden.core.delivery.violations import Action
from floodwarden.core.delivery.wishes import Relation, Requirement, Wishes
from floodwarden.core.observation import Unknown

IN_SYNC_REPLICAS: Final = "inSyncReplicas"
ROLE: Final = "brokerRole"
SYNC_MASTER: Final = "SYNC_MASTER"
HOUR: Final = 3_600_000  # milliseconds
WRITABLE: Final = frozenset(
    {IN_SYNC_REPLICAS, "fileReservedTime", "transactionCheckInterval", "transactionCheckMax", "transactionTimeOut"}
)
"""What brokers are given while they run, and nothing else ever is."""
# Its SYNC_MASTER waits for one slave, always: it has no inSyncReplicas.
COPIES_OF_4: Final = 2
_MEMORY: Final = "messages are acknowledged in the memory of the process: kill -9 loses them"


@dataclass(frozen=True, slots=True)
class Need:
    """One setting, why it matters, and what becomes of it where it differs. ``lines`` is for broker.conf; ``held`` says why it
    is not written now, although it could be.
    """

    requirement: Requirement
    why: str
    live: bool = False
    lines: str = ""
    held: str | None = None

    @property
    def setting(self) -> str:
        """The broker's key."""
        return self.requirement.setting

    @property
    def action(self) -> Action:
        """What becomes of a difference."""
        if not self.live:
            return Action.RESTART
        return Action.REPAIR if self.held is None else Action.REPORT

    def reason(self, acts: bool) -> str:
        """Why it matters and what to do, for people."""
        if not self.live:
            lines = self.lines or f"{self.setting}={self.requirement.value}"
            return f"{self.why}; set {lines} in its broker.conf and restart it"
        if self.held is not None:
            return f"{self.why}; {self.held}"
        return f"{self.why}; " + ("it is written" if acts else "mode Enforce would write it")


def copies_asked(wishes: Wishes) -> int | None:
    """How many copies must have a message before it is acknowledged; None where nobody asks."""
    if wishes.flush == "Replicated":
        return max(2, wishes.min_in_sync or 0)
    return wishes.min_in_sync


def needs(wishes: Wishes, server: Server) -> Iterator[Need]:
    """All that a policy asks of a broker whose configuration is known."""
    assert not isinstance(server.config, Unknown), "what is not known is not compared"
    alone = not _true(server.config, "enableDLegerCommitLog")  # see dledger
    yield from _of_disk(wishes, server, alone=alone)
    if server.takes_messages or _true(server.config, "enableControllerMode"):
        yield from _of_copies(wishes, server, server.config) if alone else ()
        yield from _of_transactions(wishes, server.config)


def _of_disk(wishes: Wishes, server: Server, *, alone: bool) -> Iterator[Need]:
    if wishes.flush == "Sync" and alone:
        trap = "acknowledged before it is on the disk; never change it live, sends would fail"
        yield Need(Requirement("flushDiskType", Relation.EXACTLY, "SYNC_FLUSH"), trap)
    if wishes.flush in ("Sync", "Async") and server.takes_messages and alone:
        yield Need(Requirement("transientStorePoolEnable", Relation.EXACTLY, "false"), _MEMORY)
    if wishes.kept_for is not None:
        need = Requirement("fileReservedTime", Relation.AT_LEAST, str(ceil(wishes.kept_for / HOUR)))
        yield Need(need, "hours after which messages are deleted, read or not", live=True)


def _of_copies(wishes: Wishes, server: Server, config: Mapping[str, str]) -> Iterator[Need]:
    wanted = copies_asked(wishes)
    if wanted is None or wanted < 2:
        return
    role = Requirement(ROLE, Relation.EXACTLY, SYNC_MASTER)
    if IN_SYNC_REPLICAS not in config:
        yield Need(role, "acknowledged before a slave has it")
        return
    synchronous = config.get(ROLE) == SYNC_MASTER
    lines = f"brokerRole=SYNC_MASTER and inSyncReplicas={wanted}"
    at_least = Requirement(IN_SYNC_REPLICAS, Relation.AT_LEAST, str(wanted))
    if not _true(config, "enableControllerMode"):  # there controllers say who is a master, and such a one is synchronous
        yield Need(role, "acknowledged before a slave has it", lines=lines)
    else:
        yield Need(Requirement("minInSyncReplicas", Relation.AT_LEAST, str(wanted)), "with fewer in sync it goes on alone")
        if at_least.met_by(config[IN_SYNC_REPLICAS]) is not True:
            everyone = Requirement("allAckInSyncStateSet", Relation.EXACTLY, "true")
            yield Need(everyone, f"it does not wait for all in sync, and {IN_SYNC_REPLICAS} is below {wanted}")
        return
    if _true(config, "enableSlaveActingMaster") and _true(config, "enableAutoInSyncReplicas"):
        least = Requirement("minInSyncReplicas", Relation.AT_LEAST, str(wanted))
        yield Need(least, f"enableAutoInSyncReplicas lowers {IN_SYNC_REPLICAS} to it when slaves are away")
    why = f"copies a message has before it is acknowledged, the master's too; with 1 {SYNC_MASTER} waits for nobody"
    yield Need(at_least, why, live=synchronous, lines=lines, held=_too_few(server, wanted))


def _too_few(server: Server, wanted: int) -> str | None:
    """Why more copies cannot be waited for now."""
    if not isinstance(server.in_sync, int):
        return "how many slaves are in sync is not known: it is written once that is"
    if server.in_sync + 1 < wanted:
        return f"only {server.in_sync + 1} in sync: every send would time out; it is written once {wanted} are"
    return None


def _of_transactions(wishes: Wishes, config: Mapping[str, str]) -> Iterator[Need]:
    asked = wishes.transactions
    if asked is None:
        return
    if asked.timeout is not None:
        need = Requirement("transactionTimeOut", Relation.AT_MOST, str(int(asked.timeout * 1000)))
        yield Need(need, "milliseconds before a producer is first asked what becomes of a half message", live=True)
    if asked.check_interval is not None:
        need = Requirement("transactionCheckInterval", Relation.AT_MOST, str(int(asked.check_interval * 1000)))
        if IN_SYNC_REPLICAS in config:
            yield Need(need, "milliseconds between two questions; it counts from the next one on", live=True)
        else:
            yield Need(need, "milliseconds between two questions; RocketMQ 4 looks at it only when it starts")
    if asked.check_max is not None:
        need = Requirement("transactionCheckMax", Relation.AT_LEAST, str(asked.check_max))
        yield Need(need, "after so many questions without an answer a half message is dropped", live=True)


def _true(config: Mapping[str, str], setting: str) -> bool:
    return config.get(setting) == "true"
