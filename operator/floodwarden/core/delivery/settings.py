"""What each audited setting is for, in words: why it matters, what it costs, and which loss it prevents. For ``explain``."""

from __future__ import annotations

from collections.abc import Iterator

from floodwarden.core.delivery.explained import Explained as Explained
from floodwarden.core.delivery.rabbitmq.explained import EXPLAINED_RABBITMQ
from floodwarden.core.delivery.rocketmq.explained import EXPLAINED_ROCKETMQ

EXPLAINED: tuple[Explained, ...] = (
    Explained(
        "acks",
        "spec.acks",
        "How many brokers a producer waits for before it counts a message as sent: all in sync, the leader, or none. "
        "Brokers do not keep it, and tell nobody a client's name or version either (their request log has those): proven is only "
        "that a batch is of an idempotent producer, whose client refuses anything but acks=all.",
        "What a producer does not wait for it cannot send again when it is lost.",
        "With all, a message waits for the slowest replica in sync: usually a few milliseconds.",
        "With leader or none, messages that were acknowledged are gone when the leader dies before a follower has them.",
    ),
    Explained(
        "enable.idempotence",
        "spec.acks (All)",
        "Whether a producer numbers what it sends, so that brokers keep each message once and in order. A client's setting.",
        "A producer that tries again after a timeout cannot tell whether the first try was kept.",
        "Nearly none: a few bytes in each batch, and at most five requests under way.",
        "Messages that are left out by programs which rather do not try again than send twice.",
    ),
    Explained(
        "enable.auto.commit",
        "spec.consumption.acknowledge",
        "Whether a consumer's offsets are committed every few seconds whatever became of the messages. A client's setting.",
        "The Java client commits what it has handed out, not what the program is done with.",
        "With false, the program must commit, after processing; what was not committed is read again.",
        "Messages that a consumer had been handed, and had not processed when it died: the next one begins behind them.",
    ),
    Explained(
        "transaction.timeout.ms",
        "spec.transactions.timeout",
        "How long a producer's transaction may be open before the coordinator aborts it. A client's setting.",
        "What was written after an open transaction is hidden from consumers that read committed messages.",
        "A transaction that takes longer is aborted, and the producer fenced off.",
        "Messages that expire unread because a producer died in a transaction and held up their readers.",
    ),
    Explained(
        "client settings",
        None,
        "The ConfigMap in which Floodwarden publishes what clients are to set.",
        "Brokers do not keep these settings: each producer and consumer has to set them itself.",
        "None.",
        "Messages of clients that were given other settings than the policy asks for.",
    ),
    Explained(
        "replication factor",
        "spec.replication.factor",
        "How many brokers have a copy of each partition. Changed by reassignment only: mode Enforce raises it, within moveRate.",
        "With one copy, a broker that is down takes its partitions with it, and a lost disk their messages.",
        "Each copy takes disk and network once more.",
        "Messages that were only on the disk that was lost.",
    ),
    Explained(
        "in-sync replicas",
        None,
        "How many copies of each partition have all its messages now. Not a setting: brokers keep it, and tell it.",
        "A copy that has fallen behind, or whose broker is down, protects nothing that is written meanwhile.",
        "None: bring the broker back, or find out why it does not keep up.",
        "Messages that are only on the copies that are left, when those are lost as well.",
    ),
    Explained(
        "replica placement",
        "spec.replication.factor",
        "Whether the copies of each partition are spread over as many racks (broker.rack) as there are, or as there are copies.",
        "Copies in the same rack, or availability zone, are lost together with it.",
        "Traffic between racks, for each copy in another one. Moved with kafka-reassign-partitions.",
        "Messages whose copies were all in the rack that was lost.",
    ),
    Explained(
        "min.insync.replicas",
        "spec.replication.minInSync",
        "How many copies must have a message before a producer with acks=all is told that it is kept.",
        "With 1, acks=all waits for the leader alone as soon as the others have fallen behind.",
        "With fewer copies in sync writes are refused; so it should be less than the replication factor.",
        "Messages that were acknowledged while only the leader had them, and the leader died.",
    ),
    Explained(
        "unclean.leader.election.enable",
        "spec.replication.uncleanElection",
        "Whether a replica that lacks messages may become leader when no other is left.",
        "The new leader's log is the truth from then on: what it lacks is cut off on the others as well.",
        "With false, a partition is away until a replica that was in sync comes back.",
        "Messages that were acknowledged and are missing on the replica that was elected.",
    ),
    Explained(
        "flush.messages",
        "spec.flush (mode Sync, or everyMessages)",
        "After how many messages a partition is forced onto the disk. Unset, the operating system decides.",
        "What is only in the memory of a machine is lost with its power; a broker's process may die without harm.",
        "With 1 every message waits for the disk: throughput falls to what the disk can sync.",
        "Messages in the memory of all machines that lost power at once. Where that cannot happen, replication is cheaper.",
    ),
    Explained(
        "flush.ms",
        "spec.flush.every",
        "After how long a partition is forced onto the disk. Unset, the operating system decides.",
        "It bounds how much may be lost when all machines that have a message lose power at once.",
        "Short times cost throughput, as flush.messages does.",
        "Messages older than this in the memory of machines that lost power.",
    ),
    Explained(
        "log.flush.interval.messages",
        "spec.flush (mode Sync, or everyMessages)",
        "What topics get on a broker that do not set flush.messages. Unset, the operating system decides.",
        "Topics that are created tomorrow get it as well, and nobody looks at them before something was lost.",
        "As flush.messages costs, on all topics of the broker that do not set it.",
        "Messages of topics that nobody knew were left in memory.",
    ),
    Explained(
        "log.flush.interval.ms",
        "spec.flush.every",
        "What topics get on a broker that do not set flush.ms. Unset, log.flush.scheduler.interval.ms counts.",
        "It bounds for topics that set nothing how much is lost when all machines that have a message lose power at once.",
        "As flush.ms costs, on all topics of the broker that do not set it.",
        "Messages of such topics, older than this, in the memory of machines that lost power.",
    ),
    Explained(
        "retention.ms",
        "spec.retention.atLeast",
        "For how long messages are kept, whether they were read or not.",
        "Kafka deletes unread messages like others: who stops reading for longer loses them.",
        "Disk: what arrives per second, times this, times the replication factor.",
        "Messages that expired before a group that was behind, or down, had read them.",
    ),
    Explained(
        "retention.bytes",
        None,
        "How large a partition may grow before its oldest messages are deleted. -1: no bound.",
        "A bound in bytes ends retention.ms early as soon as more arrives than was reckoned with.",
        "Without one, disks must hold what arrives in retention.ms.",
        "Messages that a surge of others pushed out before they were read.",
    ),
    Explained(
        "cleanup.policy",
        None,
        "Whether old messages are deleted by age and size, or compacted: of each key only the newest is kept.",
        "Compaction deletes messages that nobody has read yet, whatever retention.ms says.",
        "With delete, a topic is no table of the newest values.",
        "Messages that were followed by another one of the same key before they were read.",
    ),
    Explained(
        "unread messages",
        "spec.retention.guard.extendTo",
        "Messages that a group has still to read when a quarter of the topic's retention is left, by what it has committed.",
        "Kafka deletes them when their time has come, whether they were read or not, and tells nobody.",
        "With extendTo, disk for what arrives while the retention is extended; it is put back once the group has caught up.",
        "Messages that expired before a group that was slow, or down, had read them.",
    ),
    Explained(
        "unread bytes",
        None,
        "How much of what a group has still to read lies near the end of retention.bytes, by the size of the log. An estimate.",
        "Beyond retention.bytes the oldest messages go as soon as new ones come, however young they are.",
        "None to be told. It is never changed: disks are for people to fill.",
        "Messages that newer ones pushed out before they were read.",
    ),
    Explained(
        "lost messages",
        None,
        "Messages that were deleted before a group had committed them: those between its offset and the beginning of the log.",
        "Nobody else tells: the consumer goes on at the beginning or the end, by its auto.offset.reset.",
        "None: lengthen the retention, or delete the group if nobody uses it any more.",
        "More of the same.",
    ),
    Explained(
        "commits",
        None,
        "What a group has told the brokers of how far it has read. Not a setting: consumers do it.",
        "Without a commit nobody can see what is unread, and after a restart consumers begin by their auto.offset.reset.",
        "Little: a commit is a small message.",
        "Messages that arrived while the consumers were down, when they begin at the end.",
    ),
    Explained(
        "committed offsets",
        None,
        "What a group without members has committed is forgotten after offsets.retention.minutes, a setting of the brokers.",
        "A group that comes back later begins by its auto.offset.reset, as if it were new.",
        "Little: raise it on the brokers, which takes a restart of each.",
        "Messages that a group skips when it is back, although they are still there.",
    ),
    Explained(
        "rebalance",
        None,
        "Whether the members of a group agree on who reads what. Not a setting: it usually ends within seconds.",
        "While it goes on nothing is read, or little; it does not end while a consumer crashes or is too slow to poll.",
        "None: mend the consumer, or raise max.poll.interval.ms there.",
        "Messages that expire while nobody reads them.",
    ),
    Explained(
        "default.replication.factor",
        None,
        "How many copies topics get that are created without saying so, above all those created by their first message.",
        "Nobody looks at such a topic before something was lost.",
        "Disk and network for each copy of each such topic.",
        "Messages of topics that nobody knew had a single copy.",
    ),
    Explained(
        "auto.create.topics.enable",
        None,
        "Whether a topic is created when somebody first names it.",
        "A misspelt name then takes messages that nobody reads, with the brokers' defaults for safety.",
        "With false, topics must be created before they are used.",
        "Messages in topics that nobody meant to create.",
    ),
    Explained(
        "offsets.topic.replication.factor",
        None,
        "How many copies there are of what groups have committed. Used when the topic is first created.",
        "A group whose commits are lost starts at the end or at the beginning.",
        "Little: the topic is small.",
        "Messages that are skipped, or read twice, after commits were lost.",
    ),
    Explained(
        "transaction.state.log.replication.factor",
        None,
        "How many copies there are of the state of transactions. Used when the topic is first created.",
        "A transaction whose state is lost can be neither committed nor aborted, and holds up its readers.",
        "Little: the topic is small.",
        "Transactions left half-done.",
    ),
    Explained(
        "transaction.state.log.min.isr",
        None,
        "How many copies of a transaction's state must be in sync for it to go on.",
        "With 1, a commit can be acknowledged that only one broker knows of.",
        "With fewer copies in sync, transactions wait.",
        "Transactions that were committed and are forgotten.",
    ),
    Explained(
        "transaction.max.timeout.ms",
        "spec.transactions.timeout",
        "The longest transaction.timeout.ms that a node grants to producers.",
        "A producer that asks for more is refused when it starts; one that is granted much may hold up readers for as long.",
        "The longer it is, the longer a producer that died hides what was written after its transaction.",
        "None by itself: it bounds for how long a transaction may stay open.",
    ),
    Explained(
        "open transaction",
        "spec.transactions.hungAfter",
        "A transaction that has been open for long. Not a setting: the leader of a partition keeps it, and tells it.",
        "What was written after its first message is hidden from those who read committed messages, until it ends.",
        "None: look at its producer. Its coordinator aborts it once its own timeout has passed.",
        "Messages that expire while their readers wait behind the transaction.",
    ),
    Explained(
        "hung transaction",
        "spec.transactions.abort",
        "A transaction that is open in a partition, and that no coordinator knows: it never ends by itself.",
        "Those who read committed messages never get past it, and a compacted topic is not compacted behind it.",
        "Aborting it costs what it wrote, which was never committed.",
        "Messages that expire while their readers wait behind the transaction.",
    ),
    *EXPLAINED_RABBITMQ,
    *EXPLAINED_ROCKETMQ,
)


# What brokers call what topics get from them, and fields that belong to a setting: each is explained with it.
_WITH = {
    "log.cleanup.policy": "cleanup.policy",
    "log.flush.scheduler.interval.ms": "flush.ms",
    "log.message.timestamp.type": "retention.ms",
    "log.retention.bytes": "retention.bytes",
    "log.retention.hours": "retention.ms",
    "log.retention.minutes": "retention.ms",
    "log.retention.ms": "retention.ms",
    "message.timestamp.type": "retention.ms",
    "offsets.retention.minutes": "committed offsets",
    "spec.replication.moveRate": "replication factor",
    "moveRate": "replication factor",
}


def explained(name: str) -> Explained | None:
    """The setting of just that name, else of that name or field or its end; case, spaces and dots may be written in any way."""
    wanted = _bare(name)
    wanted = next((_bare(other) for with_it, other in _WITH.items() if _bare(with_it) == wanted), wanted)
    exact = next((one for one in EXPLAINED if one.name == name), None)
    return exact or next((one for one in EXPLAINED if wanted in _names(one)), None)


def _names(one: Explained) -> Iterator[str]:
    yield _bare(one.name)
    if one.field is not None:
        parts = one.field.partition(" ")[0].split(".")
        yield from (_bare("".join(parts[start:])) for start in range(len(parts)))


def _bare(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalnum())
