"""Transactions that stay open: how old they are, whether anybody will ever end them, and what becomes of them. Pure.

What was written after an open transaction is hidden from those who read committed messages. A coordinator ends each transaction
it knows once its timeout has passed; one that no coordinator knows is hung: nobody will ever end it. That is the rule of Kafka's
own tool (kafka-transactions find-hanging), whose --max-transaction-timeout is ``hung_after`` here. ``sweep.looks.producing``
asks and acts.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from floodwarden.core.assess import Gap
from floodwarden.core.conditions import Notice
from floodwarden.core.delivery.effective import gap_of
from floodwarden.core.delivery.nodes import broker_violation, differing
from floodwarden.core.delivery.seen import Seen
from floodwarden.core.delivery.survey import BrokerFound
from floodwarden.core.delivery.violations import NODES, Action, Violation
from floodwarden.core.delivery.wishes import Relation, Requirement, TransactionWishes, Wishes
from floodwarden.core.observation import Partition, Unknown, UnknownReason
from floodwarden.core.reasons import Reason

OPEN: Final = "open transaction"
HUNG: Final = "hung transaction"
# What groups have committed, also in transactions: while one is open there, those it concerns cannot be told where to go on.
OFFSETS_TOPIC: Final = "__consumer_offsets"
MAX_TIMEOUT: Final = "transaction.max.timeout.ms"
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
# Ages are told in steps, so that a status does not change with every audit.
_STEPS: Final = (
    *(1, 2, 5, 10, 20, 30),
    *(minutes * _MINUTE for minutes in (1, 2, 5, 10, 15, 20, 30)),
    *(hours * _HOUR for hours in (1, 2, 4, 8, 12)),
    *(days * _DAY for days in (1, 2, 4, 7, 14, 30)),
)


@dataclass(frozen=True, slots=True)
class OpenTransaction:
    """One that the leader of a partition has as open.

    ``start`` is the offset of its first message there, which tells it from every other. ``written_at`` is the time of its last
    message, in seconds since 1970: the producer's word, and None where it gave none.
    """

    partition: Partition
    producer: int
    start: int
    epoch: int = field(compare=False)
    coordinator_epoch: int = field(default=-1, compare=False)
    written_at: float | None = field(default=None, compare=False)

    def __str__(self) -> str:
        return f"producer {self.producer} in {self.partition}"


@dataclass(frozen=True, slots=True)
class Active:
    """Who writes to a partition: ids of some producers, the last to write first, and the transactions that are open."""

    producers: tuple[int, ...] = ()
    open: tuple[OpenTransaction, ...] = ()


@dataclass(frozen=True, slots=True)
class Coordinated:
    """A coordinator knows it, and will end it. ``since``: when it began, in seconds since 1970, by the coordinator's clock."""

    transactional_id: str
    state: str
    since: float | None


@dataclass(frozen=True, slots=True)
class Forgotten:
    """Every coordinator has answered for all it has, and none knows it."""


Standing = Coordinated | Forgotten | Unknown


@dataclass(frozen=True, slots=True)
class Found:
    """An open transaction, and what is known of it. ``watched``: seconds for which it has been seen open.

    ``stable`` is the partition's last stable offset, None where it is not known; ``failure`` says why it could not be aborted.
    """

    transaction: OpenTransaction
    standing: Standing
    watched: float = 0.0
    stable: int | None = None
    failure: Unknown | None = None

    def age(self, at: float) -> float:
        """Seconds for which it has been open, at the least. Times that producers give count only where no coordinator tells."""
        began = self.standing.since if isinstance(self.standing, Coordinated) else None
        return _age(began if began is not None else self.transaction.written_at, self.watched, at)


def suspects(watched: Mapping[OpenTransaction, float], policies: Iterable[Wishes], at: float) -> list[OpenTransaction]:
    """Those old enough for one of the policies that coordinators are worth asking. ``watched`` is as in ``Found``."""
    asking = [(wishes, wishes.transactions.hung_after) for wishes in policies if wishes.transactions is not None]
    return [
        one
        for one, seconds in watched.items()
        if any(_age(one.written_at, seconds, at) >= old and told_of(wishes, one.partition.topic) for wishes, old in asking)
    ]


def told_of(wishes: Wishes, topic: str) -> bool:
    """Whether a policy is told of transactions in a topic: in those it speaks of, and in the offsets of all groups."""
    return topic == OFFSETS_TOPIC or wishes.matches(topic)


def speaks_of(wishes: Wishes, topic: str) -> bool:
    """Whether a transaction in a topic may be aborted for a policy: never one in Kafka's own."""
    return topic != OFFSETS_TOPIC and wishes.matches(topic)


def _age(began: float | None, watched: float, at: float) -> float:
    return watched if began is None else max(watched, at - began)


def may_be_aborted(wishes: Wishes, found: Found, at: float) -> bool:
    """Whether the policy has this transaction aborted: one that is hung, and as old as it says."""
    asked = wishes.transactions
    return (
        asked is not None
        and asked.aborts
        and wishes.acts
        and speaks_of(wishes, found.transaction.partition.topic)
        and isinstance(found.standing, Forgotten)
        and found.age(at) >= asked.hung_after
    )


def of_transactions(
    wishes: Wishes,
    brokers: Collection[BrokerFound],
    found: Collection[Found],
    unread: Mapping[Partition, Unknown],
    known: Collection[OpenTransaction],
    at: float,
) -> Seen:
    """What one policy is told. ``unread`` are partitions nobody could be asked about, ``known`` what was open there before."""
    asked = wishes.transactions
    if asked is None:
        return Seen()
    gaps: list[Gap] = []
    violations = list(_of_timeout(asked, brokers, gaps))
    old = [one for one in found if told_of(wishes, one.transaction.partition.topic) and one.age(at) >= asked.hung_after]
    violations += [_violation(wishes, asked, one, at) for one in old]
    doubtful = {str(one.transaction): one.standing for one in old if isinstance(one.standing, Unknown)}
    dark = {partition: why for partition, why in unread.items() if told_of(wishes, partition.topic)}
    closed = dict.fromkeys(why.detail for partition, why in dark.items() if _is_closed(wishes, partition, why))
    gaps += [gap_of(why) for partition, why in dark.items() if not _is_closed(wishes, partition, why)]
    gaps += [gap_of(why) for why in doubtful.values()]
    # What was told of them, and was not read now, is not to be told again.
    lost = {str(one) for one in known if one.partition in dark}
    if asked.timeout is not None and any(isinstance(broker.values, Unknown) for broker in brokers):
        lost.add(NODES)
    unproven = tuple(f"transactions in {OFFSETS_TOPIC}: {detail}" for detail in closed)
    return Seen(tuple(violations), tuple(dict.fromkeys(gaps)), unproven, unread=frozenset({*lost, *doubtful}))


def _is_closed(wishes: Wishes, partition: Partition, why: Unknown) -> bool:
    """Whether it is one of Kafka's own topic that few may read: that is told, and no doubt about the topics the policy names."""
    return not speaks_of(wishes, partition.topic) and why.reason is UnknownReason.AUTHORIZATION_FAILED


def _of_timeout(asked: TransactionWishes, brokers: Collection[BrokerFound], gaps: list[Gap]) -> Iterator[Violation]:
    """Nodes that refuse producers which ask for the timeout they are to ask for."""
    if asked.timeout is None:
        return
    need = Requirement(MAX_TIMEOUT, Relation.AT_LEAST, str(round(asked.timeout * 1000)))
    gaps += [gap_of(broker.values) for broker in brokers if isinstance(broker.values, Unknown)]
    known = [(broker.id, broker.values) for broker in brokers if not isinstance(broker.values, Unknown)]
    for value, ids in differing(need, known, gaps).items():
        yield broker_violation(need, value, ids, "producers that ask for a longer transaction.timeout.ms are refused")


def _violation(wishes: Wishes, asked: TransactionWishes, found: Found, at: float) -> Violation:
    one, standing = found.transaction, found.standing
    ours = speaks_of(wishes, one.partition.topic)
    waiting = f"at offset {found.stable}" if found.stable is not None else "behind it"
    held_up = f"those who read committed messages wait {waiting}" if ours else "groups with offsets in it cannot go on from there"
    wanted, text = f"≤ {_duration(asked.hung_after)}", f"over {_coarse(found.age(at), asked)} old"
    if isinstance(standing, Forgotten):
        action, what = _end(wishes, asked, found)
        reason = f"it never ends by itself, and {held_up}: {what}"
        return Violation(str(one), HUNG, wanted, text, "no coordinator knows it", action, reason, Reason.TRANSACTION_HUNG)
    where = "whether a coordinator knows it is not known"
    if isinstance(standing, Coordinated):
        where = f"transactional id {standing.transactional_id}, {standing.state}"
    reason = f"{held_up}: look at its producer, or give it a shorter transaction.timeout.ms"
    return Violation(str(one), OPEN, wanted, text, where, Action.REPORT, reason, Reason.TRANSACTION_OPEN)


def _end(wishes: Wishes, asked: TransactionWishes, found: Found) -> tuple[Action, str]:
    """What becomes of a hung transaction."""
    one = found.transaction
    ours = speaks_of(wishes, one.partition.topic)
    if not asked.aborts or not ours:
        # A topic's name may be as long as all that a status has room for.
        which = f"--partition {one.partition.number} --start-offset {one.start}, and its --topic"
        instead = ", or set spec.transactions.abort to Hung" if ours else ""
        return Action.REPORT, f"run kafka-transactions abort ({which}){instead}"
    if found.failure is not None:
        return Action.REPAIR, f"it could not be aborted: {found.failure.detail}"
    return Action.REPAIR, "it is aborted with the next audit" if wishes.acts else "mode Enforce would abort it"


def aborted(asked: TransactionWishes, found: Found, at: float) -> Notice:
    """The Event of a transaction that is ended now."""
    one, age = found.transaction, _coarse(found.age(at), asked)
    text = f"the hung transaction of {one}, from offset {one.start} on and over {age} old, was aborted: it was never committed"
    return Notice(False, Reason.TRANSACTION_ABORTED, text)


def _coarse(seconds: float, asked: TransactionWishes) -> str:
    return _duration(max(step for step in (*_STEPS, asked.hung_after) if step <= seconds))


def _duration(seconds: float) -> str:
    for unit, name in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min")):
        if seconds >= unit and seconds % unit == 0:
            return f"{seconds // unit:.0f} {name}"
    return f"{seconds:g} s"
