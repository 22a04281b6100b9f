"""Brokers that keep their log with DLedger, a consensus of their own: what is known of them, and what is not. ``judging`` asks.

DLedger acknowledges a message once most of its peers have it in memory, and lets each write it to its disk some time after: it
looks at neither flushDiskType nor brokerRole nor inSyncReplicas, and keeps no pool before the page cache. From apache/rocketmq's
DLedgerCommitLog.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from floodwarden.core.assess import Gap
from floodwarden.core.delivery.rocketmq.found import Server
from floodwarden.core.delivery.rocketmq.needs import IN_SYNC_REPLICAS, copies_asked
from floodwarden.core.delivery.violations import Action, Violation
from floodwarden.core.delivery.wishes import Wishes
from floodwarden.core.observation import Unknown
from floodwarden.core.reasons import Reason

_PEERS: Final = "dLegerPeers"


def kept_by_dledger(server: Server) -> bool:
    """Whether that is how a broker keeps its log, as far as it is known."""
    return not isinstance(server.config, Unknown) and server.config.get("enableDLegerCommitLog") == "true"


def of_dledger(wishes: Wishes, server: Server, config: Mapping[str, str]) -> Iterator[Violation | Gap]:
    """What a policy asks of such a broker that it does not have, or that it does not tell."""
    if not server.takes_messages:  # the one that leads is told of
        return
    if wishes.flush == "Sync":
        why = f"broker {server.name} keeps its log with DLedger, which looks at no flushDiskType and waits for no disk"
        yield Gap(Reason.UNSUPPORTED, f"{why}: flush Sync is not kept there; ask for flush Replicated")
    wanted = copies_asked(wishes)
    if wanted is None or wanted < 2:
        return
    peers = len([peer for peer in config.get(_PEERS, "").split(";") if peer.strip()])
    if not peers:
        why = f"broker {server.name} keeps its log with DLedger and does not tell {_PEERS}"
        yield Gap(Reason.UNSUPPORTED, f"{why}: how many copies it waits for is not known")
    elif peers // 2 + 1 < wanted:
        reason = f"DLedger waits for most of its peers, and for no more: add some to {_PEERS} of each, and restart them"
        found = f"{peers // 2 + 1} (most of {peers})"
        yield Violation(server.resource, IN_SYNC_REPLICAS, f"≥ {wanted}", found, "DLedger", Action.REPORT, reason)
