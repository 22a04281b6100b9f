"""What clients of RabbitMQ do: consumers as the management API shows them now; publishers, and messages that no queue took, as it
has shown them within the last hour, or who publishes seldom would come and go.

A channel tells how much it publishes, but not where to. ``judging`` asks; all of it is for people to change, in their programs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

from floodwarden.core.assess import Gap
from floodwarden.core.delivery.effective import gap_of
from floodwarden.core.delivery.rabbitmq.found import ChannelFound, ConsumerFound, QueueFound, QueuesFound, held
from floodwarden.core.delivery.rabbitmq.rules import OVERFLOW, REJECTING, acknowledged, limits
from floodwarden.core.delivery.violations import Action, Violation, listed
from floodwarden.core.delivery.wishes import Wishes
from floodwarden.core.observation import Unknown

ACKNOWLEDGE: Final = "consumer acknowledgement"
PREFETCH: Final = "prefetch"
CONFIRMS: Final = "publisher confirms"
UNROUTABLE: Final = "unroutable messages"
_CONSUMER: Final = "consumers"
_CHANNEL: Final = "channels"


def asks_consumers(wishes: Wishes) -> bool:
    """Whether the policy has a say in how consumers read."""
    return wishes.acknowledged_late or wishes.reading.prefetch is not None


def of_consumers(wishes: Wishes, queue: QueueFound, consumers: Collection[ConsumerFound]) -> Iterator[Violation]:
    """Consumers of one queue that lose messages, or hold too many."""
    if wishes.acknowledged_late:
        careless = [one for one in consumers if not one.acknowledges]
        if careless:
            found = f"automatic for {len(careless)} of {len(consumers)}: {_named(careless)}"
            reason = "a message is gone once it is sent to them, whatever becomes of it: consume without auto-ack (no_ack)"
            yield Violation(queue.resource, ACKNOWLEDGE, "manual", found, _CONSUMER, Action.REPORT, reason)
    most = wishes.reading.prefetch
    if most is not None:
        greedy = [one for one in consumers if one.acknowledges and not 0 < one.prefetch <= most]
        if greedy:
            sizes = listed([str(size) if size else "unbounded" for size in sorted({one.prefetch for one in greedy})])
            found = f"{sizes} for {len(greedy)} of {len(consumers)}: {_named(greedy)}"
            reason = "all that a consumer holds comes again when it dies, and nobody else can read it meanwhile: set basic.qos"
            yield Violation(queue.resource, PREFETCH, f"1 to {most}", found, _CONSUMER, Action.REPORT, reason)


def _named(clients: Collection[ConsumerFound] | Collection[ChannelFound]) -> str:
    return listed(sorted({str(one) for one in clients}))


def of_publishers(
    wishes: Wishes, queues: Collection[QueueFound], found: QueuesFound, gaps: list[Gap], unproven: list[str]
) -> Iterator[Violation]:
    """Publishers of the virtual host that do not learn what became of their messages, where these queues are published to."""
    full = [one.name for one in queues if _rejects(one, found)]
    if not (acknowledged(wishes) or full):
        return
    if isinstance(found.channels, Unknown):
        gaps.append(gap_of(found.channels))
        return
    if acknowledged(wishes):
        unproven.append(
            f"acks {wishes.acks}: only who was seen to publish within the last hour is known, and whether with publisher confirms"
        )
    publishing = [one for one in found.channels if one.publishes]
    careless = [one for one in publishing if not one.confirms]
    if not careless or not any(one.receives for one in queues):
        return
    if len(careless) < len(publishing):
        unproven.append(f"{CONFIRMS}: {_named(careless)} go without them; whether to these queues RabbitMQ does not tell")
        return
    why = f"; queues that are full refuse messages ({listed(full)}), which only confirms tell" if full else ""
    reason = f"they cannot send again what was lost before it was kept: have them call confirm.select, and wait{why}"
    text = f"not used by {_named(careless)}"
    yield Violation(found.resource, CONFIRMS, "used by all publishers", text, _CHANNEL, Action.REPORT, reason)


def _rejects(queue: QueueFound, found: QueuesFound) -> bool:
    return held(queue, OVERFLOW, found.operators).value in REJECTING and bool(limits(queue, found.operators))


def of_unroutable(wishes: Wishes, found: QueuesFound, gaps: list[Gap], unproven: list[str]) -> Iterator[Violation]:
    """Messages that were confirmed although no queue took them."""
    if not acknowledged(wishes):
        return
    for part in (found.unroutable, found.channels):
        if isinstance(part, Unknown):
            gaps.append(gap_of(part))
    counted = None if isinstance(found.unroutable, Unknown) else found.unroutable
    dropping = [] if isinstance(found.channels, Unknown) else [one for one in found.channels if one.drops]
    lately = counted.lately if counted is not None else 0
    if lately or dropping:
        some = "some within the last hour"
        text = f"{some}, of {_named(dropping)}" if dropping else some
        reason = (
            "no queue took them, and they were confirmed all the same: publish with mandatory, or give the exchange an alternate"
        )
        yield Violation(found.resource, UNROUTABLE, "none", text, _CHANNEL, Action.REPORT, reason)
    elif counted is not None and counted.before is None and counted.total:
        unproven.append(
            f"{UNROUTABLE}: {counted.total} were dropped since RabbitMQ counts; whether they still are the next audits tell"
        )
