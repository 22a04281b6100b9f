"""What one audit found on RocketMQ's brokers. ``brokers.rocketmq.settings`` builds it, ``core.delivery.rocketmq`` judges it.

Brokers with one name are a set: a master, and slaves that copy all it has. Settings are by RocketMQ's own keys, as text. What
could not be read is ``Unknown`` with a reason, never a default.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from floodwarden.core.delivery.violations import NODES
from floodwarden.core.observation import Unknown

MASTER: Final = 0
SLAVE_ROLE: Final = "SLAVE"
AUDITED: Final = frozenset(
    {
        "allAckInSyncStateSet",
        "autoCreateTopicEnable",
        "brokerPermission",
        "brokerRole",
        "dLegerPeers",
        "enableAutoInSyncReplicas",
        "enableControllerMode",
        "enableDLegerCommitLog",
        "enableSlaveActingMaster",
        "fileReservedTime",
        "flushDiskType",
        "haMaxGapNotInSync",
        "haSlaveFallbehindMax",
        "inSyncReplicas",
        "minInSyncReplicas",
        "transactionCheckInterval",
        "transactionCheckMax",
        "transactionTimeOut",
        "transientStorePoolEnable",
    }
)
"""Settings that matter to an audit. RocketMQ 4 has not all of them."""


@dataclass(frozen=True, slots=True)
class Server:
    """One broker process. ``name`` is for people, with its address, and is what a Change of it is called. ``number`` 0 is a
    master. ``here``: name servers know it now.

    ``in_sync`` is how many slaves follow it closely: None of a slave.
    """

    name: str
    number: int
    config: Mapping[str, str] | Unknown
    in_sync: int | Unknown | None = None
    here: bool = True

    @property
    def resource(self) -> str:
        """As violations call it."""
        return f"{NODES} {self.name}"

    @property
    def takes_messages(self) -> bool:
        """Whether producers write to it; also where that is not known."""
        if isinstance(self.config, Unknown):
            return self.number == MASTER
        return self.config.get("brokerRole") != SLAVE_ROLE


@dataclass(frozen=True, slots=True)
class TopicOn:
    """One topic on one set: its queues that are read and written, and what is allowed (bits: 4 read, 2 write)."""

    perm: int
    readable: int
    writable: int


@dataclass(frozen=True, slots=True)
class Dropped:
    """One half message that its broker gave up. ``key`` is by what it is known again, empty where it has none; ``topic`` is where
    it was to go, ``age`` in seconds since its producer made it. ``again``: it was given up more than once."""

    key: str
    topic: str
    age: float
    again: bool = False


@dataclass(frozen=True, slots=True)
class Transactions:
    """Half messages on one master, in messages.

    ``waiting`` are at the most those whose producers have not said what becomes of them; ``quiet`` is for how many seconds at the
    least some wait and none was ended. ``given_up`` were dropped in the last hour, as far back as it was watched, because nobody
    answered the broker's questions; ``dropped`` are those of the last week, the oldest first. ``watched``: for how many seconds
    all that was watched.
    """

    waiting: int
    quiet: float
    given_up: int
    watched: float = 0.0
    dropped: tuple[Dropped, ...] | Unknown = ()


@dataclass(frozen=True, slots=True)
class BrokerSet:
    """A master and its slaves. ``retries`` is retryMaxTimes by group, ``readers`` the groups that have committed, by topic."""

    name: str
    servers: tuple[Server, ...]
    topics: Mapping[str, TopicOn] | Unknown
    retries: Mapping[str, int] | Unknown
    readers: Mapping[str, frozenset[str]] | Unknown
    transactions: Transactions | Unknown


@dataclass(frozen=True, slots=True)
class RocketMQFound:
    """All sets of one cluster. ``cluster`` is by what two ways to the same brokers are known: clusters have no id."""

    sets: tuple[BrokerSet, ...]
    cluster: str = ""
