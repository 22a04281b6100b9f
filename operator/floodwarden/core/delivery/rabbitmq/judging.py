"""Compares what policies ask for with what was found on a virtual host of RabbitMQ: what ``audit`` is for Kafka. Pure.

From here: ``rules`` (one queue), ``clients`` (consumers and publishers), ``operator_policies`` (what is written).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from floodwarden.core.assess import Gap
from floodwarden.core.delivery.audit import Findings
from floodwarden.core.delivery.effective import gap_of
from floodwarden.core.delivery.rabbitmq import operator_policies
from floodwarden.core.delivery.rabbitmq.clients import asks_consumers, of_consumers, of_publishers, of_unroutable
from floodwarden.core.delivery.rabbitmq.found import (
    CLASSIC,
    OURS,
    QUORUM,
    STREAM,
    ConsumerFound,
    Held,
    NodeFound,
    QueueFound,
    QueuesFound,
    held,
    resource_of,
)
from floodwarden.core.delivery.rabbitmq.operator_policies import LIMIT, Disputes, speaks_of
from floodwarden.core.delivery.rabbitmq.rules import EXCHANGE, keeps, lead_nowhere, of_queue
from floodwarden.core.delivery.survey import Change
from floodwarden.core.delivery.violations import NODES, Action, Violation, listed
from floodwarden.core.delivery.wishes import Wishes
from floodwarden.core.observation import Unknown
from floodwarden.core.reasons import Reason

NODE: Final = "node"
MEMORY: Final = "memory alarm"
DISK: Final = "disk alarm"
APART: Final = "network partition"
LIMIT_OF_4: Final = 20  # deliveries that a quorum queue grants since RabbitMQ 4, where nobody says otherwise
LEFT_OUT_AT_MOST: Final = 50  # queues in one operator policy's pattern
_NODE: Final = "node"


@dataclass(frozen=True, slots=True)
class _Around:
    """What is the same for all policies of one audit."""

    found: QueuesFound
    consumers: Mapping[str, Sequence[ConsumerFound]]
    disputes: Mapping[bool, Disputes]
    acting: frozenset[str]  # the operator policies that policies act for


def judge(found: QueuesFound, policies: Collection[Wishes], beside: Collection[Wishes] = ()) -> dict[str, Findings]:
    """The findings of each policy, by its name. ``beside`` are policies that are audited elsewhere, on the same virtual host."""
    consumers: dict[str, list[ConsumerFound]] = defaultdict(list)
    for consumer in () if isinstance(found.consumers, Unknown) else found.consumers:
        consumers[consumer.queue].append(consumer)
    every = [*policies, *beside]
    matched = {wishes.name: _matched(wishes, found.queues) for wishes in every}
    of_each = {name: queues.values() for name, queues in matched.items()}
    # Who only looks disarms nobody: those that write are held against each other, and those that look.
    disputes = {
        enforces: operator_policies.disputes([one for one in every if one.enforces is enforces], of_each)
        for enforces in (True, False)
    }
    acting = frozenset(operator_policies.name_for(one) for one in every if one.enforces)
    around = _Around(found, consumers, disputes, acting)
    return {wishes.name: _findings(wishes, matched[wishes.name], around) for wishes in policies}


def _matched(wishes: Wishes, queues: Mapping[str, QueueFound | Unknown]) -> dict[str, QueueFound | Unknown]:
    # Most policies name their queues: a thousand of them need not look at a thousand queues each.
    candidates = queues if any(map(_open, wishes.names)) else [name for name in wishes.names if name in queues]
    return {name: queues[name] for name in candidates if speaks_of(wishes, name)}


def _open(pattern: str) -> bool:
    """Whether more than one name fits."""
    return not set("*?[").isdisjoint(pattern)


def _findings(wishes: Wishes, matched: Mapping[str, QueueFound | Unknown], around: _Around) -> Findings:
    found = around.found
    known = [queue for queue in matched.values() if isinstance(queue, QueueFound)]
    violations: list[Violation] = []
    gaps: list[Gap] = []
    unproven = list(_unproven(wishes, known))
    unread: set[str] = set()
    violations += _of_nodes(found, gaps)
    if gaps:
        unread.add(NODES)
    change = _change(wishes, matched, around, gaps)
    if isinstance(found.operator_policies, Unknown):
        unread.add(f"{operator_policies.KIND} {operator_policies.name_for(wishes)}")
    aside = len(gaps)
    violations += of_publishers(wishes, known, found, gaps, unproven)
    violations += of_unroutable(wishes, found, gaps, unproven)
    if len(gaps) > aside:
        unread.add(found.resource)
    for name, queue in matched.items():
        before = len(gaps)
        violations += _of_queue(wishes, queue, around, change, gaps)
        if len(gaps) > before:
            unread.add(resource_of(name))
    return Findings(
        topics=len(matched),
        brokers=0 if isinstance(found.nodes, Unknown) else len(found.nodes),
        violations=tuple(violations),
        changes=(change,) if change is not None else (),
        gaps=tuple({(gap.reason, gap.message): gap for gap in gaps}.values()),
        warnings=tuple(_warnings(wishes, matched, found)),
        unread=frozenset(unread),
        unproven=tuple(unproven),
        kind="queue",
    )


def _change(wishes: Wishes, queues: Mapping[str, QueueFound | Unknown], around: _Around, gaps: list[Gap]) -> Change | None:
    """What may be written now. ``queues`` are those that the policy speaks of."""
    known = around.found.operator_policies
    if isinstance(known, Unknown):
        if wishes.reading.delivery_limit is not None:
            gaps.append(gap_of(known))
        return None
    if not wishes.acts or around.disputes[wishes.enforces].get(wishes.name) or around.found.version is None:
        return None  # with a version that is not known nobody can tell what the brokers' own limit is
    without = _without_dead_letters(queues.values(), around.found)
    doubtful = any(isinstance(queue, Unknown) or isinstance(queue.effective, Unknown) for queue in queues.values())
    if doubtful or len(without) > LEFT_OUT_AT_MOST:
        return None
    above = operator_policies.standing(known, around.acting, queues)
    return operator_policies.change(wishes, known, above, _usual_limit(around.found), without)


def _without_dead_letters(queues: Iterable[QueueFound | Unknown], found: QueuesFound) -> list[str]:
    """Those from which a delivery limit would drop messages for good."""
    known = [queue for queue in queues if isinstance(queue, QueueFound)]
    return [queue.name for queue in known if queue.kind == QUORUM and _has_no_dead_letters(queue, found)]


def _of_queue(
    wishes: Wishes, queue: QueueFound | Unknown, around: _Around, change: Change | None, gaps: list[Gap]
) -> Iterator[Violation]:
    if isinstance(queue, Unknown):
        gaps.append(gap_of(queue))
        return
    yield from of_queue(wishes, queue, around.found, gaps)
    yield from _delivery_limit(wishes, queue, around, change, gaps)
    if asks_consumers(wishes):
        if isinstance(around.found.consumers, Unknown):
            gaps.append(gap_of(around.found.consumers))
        else:
            yield from of_consumers(wishes, queue, around.consumers.get(queue.name, ()))


def _delivery_limit(
    wishes: Wishes, queue: QueueFound, around: _Around, change: Change | None, gaps: list[Gap]
) -> Iterator[Violation]:
    most = wishes.reading.delivery_limit
    if most is None or queue.kind == STREAM:  # a stream delivers nothing again by itself
        return
    if queue.kind != QUORUM:
        reason = (
            "a message that nobody can process comes back for ever: only quorum queues count deliveries; declare one in its place"
        )
        text = f"none, as all {CLASSIC} queues"
        yield Violation(queue.resource, LIMIT, f"≤ {most}", text, "default", Action.REPORT, reason)
        return
    if isinstance(queue.effective, Unknown):
        return  # ``of_queue`` has told that it is not known
    limit = _limit(queue, around.found)
    if limit.value is None and around.found.version is None:
        gaps.append(
            Gap(Reason.BROKER_ERROR, f"{LIMIT} of {queue.resource}: it depends on the version, which RabbitMQ did not tell")
        )
        return
    if limit.value is not None and limit.number is None:
        gaps.append(Gap(Reason.BROKER_ERROR, f"{LIMIT} of {queue.resource} cannot be understood"))
        return
    dispute = around.disputes[wishes.enforces].get(wishes.name, {}).get(queue.name)
    unmet = limit.number is None or limit.number < 0 or limit.number > most
    if dispute is not None:
        action, reason = Action.CONFLICT, dispute
    elif unmet:
        action, reason = _lowering(wishes, queue, around, change)
    else:
        return
    text = str(limit.number) if limit.number is not None and limit.number >= 0 else "none"
    yield Violation(queue.resource, LIMIT, f"≤ {most}", text, limit.where, action, reason)


def _limit(queue: QueueFound, found: QueuesFound) -> Held:
    """How often a message is delivered at the most: RabbitMQ 4 has a limit of its own."""
    limit, usual = held(queue, LIMIT, found.operators), _usual_limit(found)
    return limit if limit.value is not None or usual is None else Held(usual, limit.where)


def _usual_limit(found: QueuesFound) -> int | None:
    """How often a message is delivered where nobody says anything; None for ever, or where the version is not known."""
    major = (found.version or "").partition(".")[0]
    return LIMIT_OF_4 if major.isdecimal() and int(major) >= 4 else None


def _lowering(wishes: Wishes, queue: QueueFound, around: _Around, change: Change | None) -> tuple[Action, str]:
    """What becomes of a limit that is too high, or missing."""
    if queue.operator_policy is not None and not queue.operator_policy.startswith(OURS):
        owner = f"operator policy {queue.operator_policy}"
        return Action.OWNER, f"{owner} has this queue, and RabbitMQ takes one for each: set {LIMIT} there"
    if queue.operator_policy is not None and queue.operator_policy not in (*around.acting, operator_policies.name_for(wishes)):
        owner = f"operator policy {queue.operator_policy}"
        return Action.OWNER, f"{owner} has this queue as long as its DeliveryPolicy is paused, or not known here: change it there"
    if _has_no_dead_letters(queue, around.found):
        return Action.REPORT, "it would drop messages for good: it is written once a dead-letter exchange takes them"
    elsewhere = sorted(around.disputes[wishes.enforces].get(wishes.name, {}))
    if elsewhere:
        others = listed([resource_of(name) for name in elsewhere])
        return Action.REPORT, f"there is one operator policy for all its queues, and policies disagree on {others}"
    if isinstance(around.found.operator_policies, Unknown):
        return Action.REPORT, "which operator policies there are is not known: it is written once they can be read"
    if not wishes.acts:
        return Action.REPAIR, "mode Enforce would write it, in an operator policy"
    if change is None:
        return (
            Action.REPAIR,
            "its operator policy is there and RabbitMQ has not shown it yet, or waits until all its queues are known",
        )
    return Action.REPAIR, "it is written with this audit, in an operator policy"


def _limited(queue: QueueFound | Unknown, found: QueuesFound) -> bool:
    """Whether there is a limit that is known."""
    if isinstance(queue, Unknown) or isinstance(queue.effective, Unknown):
        return False
    number = _limit(queue, found).number
    return number is not None and number >= 0


def _of_nodes(found: QueuesFound, gaps: list[Gap]) -> Iterator[Violation]:
    if isinstance(found.nodes, Unknown):
        gaps.append(gap_of(found.nodes))
        return
    for node in found.nodes:
        resource = f"{NODES} {node.name}"
        if node.running and None in (node.memory_alarm, node.disk_alarm):
            gaps.append(Gap(Reason.BROKER_ERROR, f"{resource} does not tell its alarms yet; it does within seconds of its start"))
        for setting, wanted, text, reason in _wrong(node):
            yield Violation(resource, setting, wanted, text, _NODE, Action.REPORT, reason)


def _wrong(node: NodeFound) -> Iterator[tuple[str, str, str, str]]:
    if not node.running:
        yield NODE, "running", "not running", "what has a copy on it has one less, and its classic queues are away: start it"
    if node.memory_alarm:
        why = "publishers are blocked on all nodes until it has memory again: drain queues, or raise vm_memory_high_watermark"
        yield MEMORY, "none", "raised", why
    if node.disk_alarm:
        yield (
            DISK,
            "none",
            "raised",
            "publishers are blocked on all nodes until it has disk space again: drain queues, or add some",
        )
    if node.apart:
        why = "both sides may go on by themselves, and one loses what it took: mend the network (cluster_partition_handling)"
        yield APART, "none", f"without {listed(node.apart)}", why


def _unproven(wishes: Wishes, queues: Sequence[QueueFound]) -> Iterator[str]:
    """What is asked for and RabbitMQ does not tell, in sentences."""
    if wishes.kept_for is not None:
        yield "retention.atLeast: publishers may give a message an earlier end (expiration), which is not seen"
    if wishes.acknowledged_late:
        yield "consumption.acknowledge: that consumers acknowledge is seen, and not whether they have processed by then"
    classic = [queue.name for queue in queues if queue.kind == CLASSIC and queue.durable]
    if classic and keeps(wishes):
        yield f"{listed(classic)}: classic queues keep only messages that are published as persistent, which is not seen"


def _warnings(wishes: Wishes, matched: Mapping[str, QueueFound | Unknown], found: QueuesFound) -> Iterator[str]:
    """One sentence for each promise of the policy that cannot be kept, or that costs messages."""
    factor, in_sync = wishes.factor, wishes.min_in_sync
    if factor is not None and not isinstance(found.nodes, Unknown) and factor > len(found.nodes):
        yield f"replication.factor {factor} cannot be kept: there are {len(found.nodes)} nodes"
    if factor is not None and in_sync is not None and factor // 2 + 1 < in_sync:
        yield f"replication.minInSync {in_sync} is not reached with factor {factor}: {factor // 2 + 1} members confirm"
    if wishes.acks == "None" and wishes.flush in ("Sync", "Replicated"):
        yield f"flush {wishes.flush} is promised by publisher confirms, but with acks None publishers do not wait for them"
    if wishes.reading.delivery_limit is not None:
        without = _without_dead_letters(matched.values(), found)
        dropping = [name for name in without if _limited(matched[name], found)]
        if dropping:
            yield f"the delivery limit of {listed(dropping)} drops messages for good: no dead-letter exchange takes them"
        if len(without) > LEFT_OUT_AT_MOST:
            many = f"{len(without)} queues have no dead-letter exchange"
            yield f"consumption.deliveryLimit is written for no queue while {many}: give them one, or take them out of spec.match"
    missing = sorted(name for name in wishes.names if not _open(name) and name not in matched)
    if missing and matched:
        yield f"no queue matches {listed(missing)}: correct spec.match, or declare the queue"


def _has_no_dead_letters(queue: QueueFound, found: QueuesFound) -> bool:
    exchange = held(queue, EXCHANGE, found.operators).value
    if exchange is None:
        return not isinstance(queue.effective, Unknown)
    return lead_nowhere(queue, found)
