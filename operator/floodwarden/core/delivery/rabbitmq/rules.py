"""What one queue of RabbitMQ should be for a policy: how it keeps messages, on how many nodes, for how long. ``judging`` asks.

Nothing of this is ever written: a queue's type, durability and arguments cannot change, policies are their owner's, and operator
policies can only lower what is set.

What the types promise. A quorum queue has each message on the disks of a majority of its members before it confirms (fsync
included). A stream has it on a majority of them, in their page caches. A durable classic queue has it on one node's disk
before it confirms, if it was published as persistent; a mirror of that queue, until 3.13, may be promoted without it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from floodwarden.core.assess import Gap
from floodwarden.core.delivery.effective import gap_of
from floodwarden.core.delivery.rabbitmq.found import (
    CLASSIC,
    QUORUM,
    STREAM,
    Held,
    OperatorPolicy,
    QueueFound,
    QueuesFound,
    age_of,
    held,
)
from floodwarden.core.delivery.rabbitmq.routes import leads
from floodwarden.core.delivery.violations import Action, Violation, listed
from floodwarden.core.delivery.wishes import Wishes, worded
from floodwarden.core.observation import Unknown
from floodwarden.core.reasons import Reason

TYPE: Final = "queue type"
DURABLE: Final = "durable"
TEMPORARY: Final = "auto-delete"
EXCLUSIVE: Final = "exclusive"
STATE: Final = "queue state"
MEMBERS: Final = "queue members"
MAJORITY: Final = "majority of members"
ONLINE: Final = "members online"
OVERFLOW: Final = "overflow"
TTL: Final = "message-ttl"
EXPIRES: Final = "expires"
AGE: Final = "max-age"
BYTES: Final = "max-length-bytes"
EXCHANGE: Final = "dead-letter-exchange"
KEY: Final = "dead-letter-routing-key"
STRATEGY: Final = "dead-letter-strategy"
SAFE_STRATEGY: Final = "at-least-once"
REJECTING: Final = frozenset({"reject-publish", "reject-publish-dlx"})
NO_LIMIT: Final = "none"
_LENGTHS: Final = ("max-length", BYTES)
_NOT_RUNNING: Final = frozenset({"down", "stopped", "crashed", "terminated"})
_QUEUE: Final = "queue"
_MIGRATE: Final = (
    "the type of a queue cannot change: declare a quorum queue beside it, bind that in its place, and let consumers drain it "
    "first"
)
_DECLARE: Final = "this cannot change: declare another queue, bind it in its place, and let consumers drain this one first"
_ADD: Final = {
    QUORUM: "add members with rabbitmq-queues grow, or add_member for this queue alone",
    STREAM: "add replicas with rabbitmq-streams add_replica",
}

Operators = Mapping[str, OperatorPolicy]


def keeps(wishes: Wishes) -> bool:
    """Whether the policy asks in any way for messages to be kept."""
    return acknowledged(wishes) or wishes.flush is not None or _copies(wishes) or wishes.kept_for is not None


def acknowledged(wishes: Wishes) -> bool:
    """Whether publishers are to learn what is kept."""
    return wishes.acks in ("All", "Leader")


def _copies(wishes: Wishes) -> bool:
    return wishes.factor is not None or wishes.min_in_sync is not None


def of_queue(wishes: Wishes, queue: QueueFound, found: QueuesFound, gaps: list[Gap]) -> Iterator[Violation]:
    """All that differs; ``gaps`` gets what is not known of it."""
    if keeps(wishes):
        yield from _lasting(queue)
    yield from _typed(wishes, queue)
    yield from _running(queue)
    if queue.replicated:
        yield from _members(wishes, queue, found, gaps)
    if isinstance(queue.effective, Unknown):
        if keeps(wishes) or wishes.reading.dead_letters or wishes.reading.delivery_limit is not None:
            gaps.append(gap_of(queue.effective))
        return
    if keeps(wishes):
        yield from _overflow(queue, found.operators)
    if wishes.kept_for is not None:
        yield from _kept(wishes.kept_for, queue, found.operators, gaps)
    if wishes.reading.dead_letters and queue.kind != STREAM:
        yield from _dead_letters(wishes, queue, found, gaps)


def _lasting(queue: QueueFound) -> Iterator[Violation]:
    if not queue.durable:
        reason = f"the queue and its messages are gone when its node restarts; {_DECLARE}"
        yield Violation(queue.resource, DURABLE, "true", "false", _QUEUE, Action.REPORT, reason)
    for setting, is_so, when in (
        (TEMPORARY, queue.auto_delete, "its last consumer"),
        (EXCLUSIVE, queue.exclusive, "the connection that declared it"),
    ):
        if is_so:
            reason = f"the queue and its messages are gone with {when}; {_DECLARE}"
            yield Violation(queue.resource, setting, "false", "true", _QUEUE, Action.REPORT, reason)


def _typed(wishes: Wishes, queue: QueueFound) -> Iterator[Violation]:
    synced = wishes.flush == "Sync"
    spread = (wishes.factor or 1) > 1 or (wishes.min_in_sync or 1) > 1 or wishes.flush == "Replicated"
    mirrored = not isinstance(queue.effective, Unknown) and "ha-mode" in queue.effective
    if queue.kind == STREAM and synced:
        why = "a stream confirms messages that are not on any disk yet; declare a quorum queue and republish into it"
        yield Violation(queue.resource, TYPE, QUORUM, STREAM, _QUEUE, Action.REPORT, why)
    if queue.kind in (QUORUM, STREAM) or not (synced or spread or (wishes.clean and mirrored)):
        return
    wanted = QUORUM if synced or not spread else f"{QUORUM} or {STREAM}"
    if mirrored:
        text, why = "classic, mirrored", "a mirror that lacks confirmed messages may be promoted"
    elif queue.kind == CLASSIC:
        text, why = CLASSIC, "it is on one node alone, and its persistent messages on that node's disk"
    else:
        text, why = queue.kind, "what this type promises Floodwarden does not know"
    yield Violation(queue.resource, TYPE, wanted, text, _QUEUE, Action.REPORT, f"{why}; {_MIGRATE}")


def _running(queue: QueueFound) -> Iterator[Violation]:
    if queue.state in _NOT_RUNNING:
        where = f"start {listed(queue.members)}" if queue.members and not isinstance(queue.members, Unknown) else "start its node"
        reason = f"nobody can publish to it or read it: {where}"
        yield Violation(queue.resource, STATE, "running", queue.state, _QUEUE, Action.REPORT, reason)


def _members(wishes: Wishes, queue: QueueFound, found: QueuesFound, gaps: list[Gap]) -> Iterator[Violation]:
    if isinstance(queue.members, Unknown):
        gaps.append(gap_of(queue.members))
        return
    count = len(queue.members)
    majority = count // 2 + 1
    if wishes.factor is not None and count < wishes.factor:
        nodes = None if isinstance(found.nodes, Unknown) else len(found.nodes)
        few = nodes is not None and nodes < wishes.factor
        reason = f"{wishes.factor} members need as many nodes, and there are {nodes}" if few else _ADD[queue.kind]
        text = f"{count} ({listed(queue.members)})"
        yield Violation(queue.resource, MEMBERS, f"≥ {wishes.factor}", text, _QUEUE, Action.REPORT, reason)
    if wishes.min_in_sync is not None and majority < wishes.min_in_sync:
        reason = (
            f"a message is confirmed once a majority has it, {wishes.min_in_sync} of {2 * wishes.min_in_sync - 1} members: "
            f"{_ADD[queue.kind]}"
        )
        text = f"{majority} of {count}"
        yield Violation(queue.resource, MAJORITY, f"≥ {wishes.min_in_sync}", text, _QUEUE, Action.REPORT, reason)
    yield from _away(queue, queue.members, majority, gaps)


def _away(queue: QueueFound, members: tuple[str, ...], majority: int, gaps: list[Gap]) -> Iterator[Violation]:
    if isinstance(queue.online, Unknown):
        gaps.append(gap_of(queue.online))
        return
    away = [node for node in members if node not in queue.online]
    if not away:
        return
    there = len(members) - len(away)
    if there < majority:
        means = "there is no majority: nobody can publish to it or read it"
    elif there == majority:
        means = "it stops with the next one (quorum critical)"
    else:
        means = "what is published meanwhile has a copy less"
    found = f"{there} of {len(members)}, without {listed(away)}"
    yield Violation(queue.resource, ONLINE, "all", found, _QUEUE, Action.REPORT, f"{means}; start {listed(away)}")


def limits(queue: QueueFound, operators: Operators) -> list[tuple[str, Held]]:
    """The bounds of its length, where it has any."""
    found = ((key, held(queue, key, operators)) for key in _LENGTHS)
    return [(key, one) for key, one in found if one.value is not None and (one.number is None or one.number >= 0)]


def _overflow(queue: QueueFound, operators: Operators) -> Iterator[Violation]:
    bounds = limits(queue, operators)
    if queue.kind == STREAM or not bounds:
        return
    overflow = held(queue, OVERFLOW, operators)
    if overflow.value in REJECTING:
        return
    key, bound = bounds[0]
    found = f"{overflow.value or 'drop-head'}, with {key} {bound.value} ({bound.where})"
    why = "when it is full, the oldest messages are dropped although they were confirmed"
    reason = f"{why}: set overflow to reject-publish in a policy"
    if overflow.where == "argument" and queue.kind != QUORUM:
        reason = f"{why}, and no policy changes that: {_DECLARE}"
    yield Violation(queue.resource, OVERFLOW, "reject-publish", found, overflow.where, Action.REPORT, reason)


def _kept(least: int, queue: QueueFound, operators: Operators, gaps: list[Gap]) -> Iterator[Violation]:
    if queue.kind == STREAM:
        yield from _short(least, queue, AGE, age_of, "what is older is deleted, read or not", operators, gaps)
        size = held(queue, BYTES, operators)
        if size.value is not None:
            reason = "when it is full, the oldest messages are deleted before their time: leave the size unbounded, or watch it"
            yield Violation(queue.resource, BYTES, NO_LIMIT, str(size.value), size.where, Action.REPORT, reason)
        return
    for key, why in (
        (TTL, "messages that nobody has read by then are gone"),
        (EXPIRES, "the queue and its messages are deleted when nobody has used it for so long"),
    ):
        yield from _short(least, queue, key, lambda value: value if type(value) is int else None, why, operators, gaps)


def _short(
    least: int,
    queue: QueueFound,
    key: str,
    length: Callable[[object], int | None],
    why: str,
    operators: Operators,
    gaps: list[Gap],
) -> Iterator[Violation]:
    """A time in milliseconds after which messages go, where it is too short."""
    found = held(queue, key, operators)
    if found.value is None:
        return
    time = length(found.value)
    if time is None:
        gaps.append(Gap(Reason.BROKER_ERROR, f"{key} of {queue.resource} cannot be understood"))
    elif time < least:
        text = str(found.value) if key == AGE else worded(f"{key}.ms", str(found.value))
        reason = f"{why}: {'declare another queue without it' if found.where == 'argument' else 'lengthen it there'}"
        wanted = f"≥ {worded('.ms', str(least))}"
        yield Violation(queue.resource, key, wanted, text, found.where, Action.REPORT, reason)


def _dead_letters(wishes: Wishes, queue: QueueFound, found: QueuesFound, gaps: list[Gap]) -> Iterator[Violation]:
    exchange = held(queue, EXCHANGE, found.operators)
    if exchange.value is None:
        reason = "messages that are rejected, expire or come back too often are dropped: set it in a policy"
        yield Violation(queue.resource, EXCHANGE, "one that exists", "none", exchange.where, Action.REPORT, reason)
        return
    if isinstance(found.exchanges, Unknown):
        gaps.append(gap_of(found.exchanges))
    elif exchange.value not in found.exchanges:
        reason = "dead letters are dropped: declare the exchange, and bind a queue to it"
        text = f"{exchange.value}, which does not exist"
        yield Violation(queue.resource, EXCHANGE, "one that exists", text, exchange.where, Action.REPORT, reason)
    elif isinstance(found.bindings, Unknown):
        gaps.append(gap_of(found.bindings))
    elif lead_nowhere(queue, found):
        yield _unbound(queue, found, exchange)
    if wishes.reading.dead_safely:
        yield from _dead_safely(queue, found.operators)


def lead_nowhere(queue: QueueFound, found: QueuesFound) -> bool:
    """Whether it is known that no queue gets the dead letters of one that has an exchange for them."""
    exchange, key = held(queue, EXCHANGE, found.operators).value, held(queue, KEY, found.operators).value
    if isinstance(found.exchanges, Unknown) or not isinstance(exchange, str):
        return False
    if exchange not in found.exchanges:
        return True
    if isinstance(found.bindings, Unknown) or not (key is None or isinstance(key, str)):
        return False
    return leads(found.exchanges, found.bindings, exchange, key) is False


def _unbound(queue: QueueFound, found: QueuesFound, exchange: Held) -> Violation:
    key = held(queue, KEY, found.operators).value
    name = f"{exchange.value or 'the default one'}"
    text = f"{name}, which leads to no queue{f' with routing key {key}' if key is not None else ''}"
    kept = queue.kind == QUORUM and held(queue, STRATEGY, found.operators).value == SAFE_STRATEGY
    kept = kept and held(queue, OVERFLOW, found.operators).value in REJECTING
    what = "dead letters stay in the queue until it is full" if kept else "dead letters are dropped"
    reason = f"{what}: bind a queue to it{' that takes this key' if key is not None else ''}"
    return Violation(queue.resource, EXCHANGE, "one that leads to a queue", text, exchange.where, Action.REPORT, reason)


def _dead_safely(queue: QueueFound, operators: Operators) -> Iterator[Violation]:
    strategy, overflow = held(queue, STRATEGY, operators), held(queue, OVERFLOW, operators)
    if queue.kind != QUORUM:
        text = f"at-most-once, as all {queue.kind} queues"
        reason = f"dead letters may be lost on their way; {_MIGRATE}"
        yield Violation(queue.resource, STRATEGY, SAFE_STRATEGY, text, strategy.where, Action.REPORT, reason)
    elif strategy.value != SAFE_STRATEGY:
        reason = "dead letters may be lost on their way: set it, and overflow to reject-publish, in a policy"
        text = str(strategy.value or "at-most-once")
        yield Violation(queue.resource, STRATEGY, SAFE_STRATEGY, text, strategy.where, Action.REPORT, reason)
    elif overflow.value not in REJECTING:
        reason = (
            "without reject-publish RabbitMQ takes dead letters out at most once, whatever the strategy says: set it in a policy"
        )
        text = f"at-most-once, as overflow is {overflow.value or 'drop-head'}"
        yield Violation(queue.resource, STRATEGY, SAFE_STRATEGY, text, overflow.where, Action.REPORT, reason)
