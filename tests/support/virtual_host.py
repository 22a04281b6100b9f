"""Small builders for audits of RabbitMQ: a virtual host on which all is well, with what a test changes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from floodwarden.core.delivery.audit import Findings
from floodwarden.core.delivery.rabbitmq.found import (
    CLASSIC,
    QUORUM,
    STREAM,
    Binding,
    ChannelFound,
    ConsumerFound,
    ExchangeFound,
    NodeFound,
    OperatorPolicy,
    QueueFound,
    QueuesFound,
    Unroutable,
)
from floodwarden.core.delivery.rabbitmq.judging import judge
from floodwarden.core.delivery.violations import Violation
from floodwarden.core.delivery.wishes import ReadingWishes, Wishes
from floodwarden.core.observation import Unknown
from tests.support.delivery import DAY

NAMES = ("rabbit@a", "rabbit@b", "rabbit@c")
HOST = "virtual host shop"
OURS = "floodwarden:shop/orders"
PATTERN = r"^(?!amq\.)(orders.*)$"


def queue(name: str = "orders", kind: str = QUORUM, **changes: Any) -> QueueFound:
    """A queue with members on all nodes; arguments as ``x_message_ttl=1000``."""
    arguments = {key.replace("_", "-"): changes.pop(key) for key in list(changes) if key.startswith("x_")}
    members = NAMES if kind != CLASSIC else ()
    whole: dict[str, Any] = {"arguments": arguments, "members": members, "online": members, "receives": True}
    return QueueFound(name, kind, **{**whole, **changes})


def classic(**changes: Any) -> QueueFound:
    """A durable classic queue."""
    return queue(kind=CLASSIC, **changes)


def stream(**changes: Any) -> QueueFound:
    """A stream."""
    return queue(kind=STREAM, **changes)


def found(*queues: QueueFound, unknown: dict[str, Unknown] | None = None, **changes: Any) -> QueuesFound:
    """A virtual host with these queues, one consumer and one publisher who do all right; ``unknown`` are queues as well."""
    good = QueuesFound(
        vhost="shop",
        queues={**{one.name: one for one in queues}, **(unknown or {})},
        operator_policies={},
        nodes=tuple(map(NodeFound, NAMES)),
        exchanges={"": ExchangeFound(""), "dead": ExchangeFound("dead", "fanout")},
        bindings={"": (Binding("orders", "orders"),), "dead": (Binding("", "letters"),)},
        consumers=(reader(),),
        channels=(sender(),),
        unroutable=Unroutable(7, 7),
        version="3.10.8",
        cluster="rabbit shop",
    )
    policies = changes.get("operator_policies")
    if isinstance(policies, tuple):
        changes["operator_policies"] = {one.name: one for one in policies}
    return replace(good, **changes)


def reader(client: str = "10.0.0.7", *, acknowledges: bool = True, prefetch: int = 10) -> ConsumerFound:
    """A consumer of orders."""
    return ConsumerFound("orders", client, "app", acknowledges, prefetch)


def sender(client: str = "10.0.0.9", *, confirms: bool = True, publishes: bool = True, drops: bool = False) -> ChannelFound:
    """A channel that publishes."""
    return ChannelFound(client, "app", confirms, publishes, drops)


def operator(name: str = OURS, limit: int | None = 5, *, pattern: str = PATTERN, priority: int = -1) -> OperatorPolicy:
    """An operator policy; of ours as it should be unless said otherwise."""
    return OperatorPolicy(name, pattern, priority, {} if limit is None else {"delivery-limit": limit})


def asking(name: str = "shop/orders", *, enforces: bool = True, acts: bool | None = None, **asked: Any) -> Wishes:
    """A policy on orders*, in mode Enforce. ``delivery_limit``, ``prefetch``, ``dead_letters`` and ``dead_safely`` are how it is
    read; all else goes to ``Wishes``."""
    how = ("delivery_limit", "prefetch", "dead_letters", "dead_safely")
    reading = ReadingWishes(**{key: asked.pop(key) for key in how if key in asked})
    names = asked.pop("names", ("orders*",))
    return Wishes(name, enforces if acts is None else acts, names, enforces=enforces, reading=reading, **asked)


def judged(wishes: Wishes, seen: QueuesFound) -> Findings:
    """The findings of a policy that is alone."""
    return judge(seen, [wishes])[wishes.name]


def of(findings: Findings, resource: str = "queue orders") -> list[Violation]:
    """The differences of one thing."""
    return [one for one in findings.violations if one.resource == resource]


EVERY_WISH = asking(
    factor=3,
    min_in_sync=2,
    flush="Sync",
    acks="All",
    kept_for=DAY,
    acknowledged_late=True,
    clean=True,
    delivery_limit=5,
    prefetch=100,
    dead_letters=True,
    dead_safely=True,
)
SAFE = queue(
    x_delivery_limit=5,
    x_dead_letter_exchange="dead",
    x_dead_letter_strategy="at-least-once",
    x_overflow="reject-publish",
    x_max_length=1000,
)
