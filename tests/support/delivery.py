"""Small builders for audits: brokers and topics on which all is well, with what a test changes; policies with what they ask."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from floodwarden.core.delivery.audit import Findings, audit
from floodwarden.core.delivery.survey import BrokerFound, Placement, Source, Survey, TopicFound, Value, Values
from floodwarden.core.delivery.violations import MIN_IN_SYNC, UNCLEAN, Violation
from floodwarden.core.delivery.wishes import Relation, Requirement, Wishes
from floodwarden.core.observation import Unknown, UnknownReason

FLUSH, FLUSH_MS, RETENTION, SIZE = "flush.messages", "flush.ms", "retention.ms", "retention.bytes"
NEVER = str(2**63 - 1)
HOUR, DAY = 3_600_000, 86_400_000
DENIED = Unknown(UnknownReason.AUTHORIZATION_FAILED, "not allowed, for a test")
AWAY = Unknown(UnknownReason.BROKER_UNREACHABLE, "away, for a test")

# What brokers do that keep messages well, and what topics get from them.
OWN: Mapping[str, str] = {
    "auto.create.topics.enable": "false",
    "default.replication.factor": "3",
    "log.flush.interval.messages": "1",
    "log.flush.interval.ms": "1",
    MIN_IN_SYNC: "2",
    "offsets.topic.replication.factor": "3",
    "transaction.state.log.min.isr": "2",
    "transaction.state.log.replication.factor": "3",
    UNCLEAN: "false",
}
DEFAULTS: Mapping[str, str] = {
    FLUSH: NEVER,
    FLUSH_MS: NEVER,
    MIN_IN_SYNC: "2",
    RETENTION: str(7 * DAY),
    SIZE: "-1",
    "message.timestamp.type": "LogAppendTime",
    UNCLEAN: "false",
}

IN_SYNC_2 = Requirement(MIN_IN_SYNC, Relation.AT_LEAST, "2")
CLEAN = Requirement(UNCLEAN, Relation.EXACTLY, "false")
FLUSHED = Requirement(FLUSH, Relation.AT_MOST, "1000")
FLUSHED_MS = Requirement(FLUSH_MS, Relation.AT_MOST, "1000")
KEPT = Requirement(RETENTION, Relation.AT_LEAST, str(DAY), endless=True)
UNBOUNDED = Requirement(SIZE, Relation.EXACTLY, "-1", writable=False)
UNCOMPACTED = Requirement("cleanup.policy", Relation.EXACTLY, "delete", writable=False)


def values(given: Mapping[str, str | Value], source: Source) -> dict[str, Value]:
    """Settings by key: plain text comes from ``source``."""
    return {key: Value(value, source) if isinstance(value, str) else value for key, value in given.items()}


def topic(
    name: str = "orders",
    own: Mapping[str, str | Value] | Unknown | None = None,
    *,
    on: Sequence[Sequence[int]] | Unknown = ((0, 1, 2),),
    in_sync: Sequence[Sequence[int]] | None = None,
    internal: bool = False,
) -> TopicFound:
    """A topic that sets ``own`` itself and inherits the rest. ``on``: the nodes of each partition, ``in_sync`` those that are."""
    placements: tuple[Placement, ...] | Unknown
    if isinstance(on, Unknown):
        placements = on
    else:
        pairs = zip(on, in_sync or on, strict=True)
        placements = tuple(Placement(number, tuple(held), tuple(alive)) for number, (held, alive) in enumerate(pairs))
    found: Values | Unknown
    found = own if isinstance(own, Unknown) else values(DEFAULTS, Source.DEFAULT) | values(own or {}, Source.TOPIC)
    return TopicFound(name, placements, found, internal)


def broker(
    node: int,
    changed: Mapping[str, str | Value] | Unknown | None = None,
    defaults: Mapping[str, str | Value] | Unknown | None = None,
    *,
    rack: str | None = None,
) -> BrokerFound:
    """A node: ``changed`` of its own settings, ``defaults`` of what topics get from it; both are in its file."""
    return BrokerFound(
        node,
        rack,
        changed if isinstance(changed, Unknown) else values(OWN, Source.DEFAULT) | values(changed or {}, Source.FILE),
        defaults if isinstance(defaults, Unknown) else values(DEFAULTS, Source.DEFAULT) | values(defaults or {}, Source.FILE),
    )


def lost(node: int) -> BrokerFound:
    """A node of which nothing is known."""
    return broker(node, AWAY, AWAY)


def survey(*topics: TopicFound, brokers: Iterable[BrokerFound] | None = None) -> Survey:
    """What was found: three good brokers unless others are given."""
    found = tuple(brokers) if brokers is not None else tuple(map(broker, range(3)))
    return Survey({one.name: one for one in topics}, found, 5)


def wishes(
    *needs: Requirement,
    name: str = "shop/orders",
    names: Sequence[str] = ("*",),
    exclude: Sequence[str] = (),
    enforces: bool = True,
    acts: bool | None = None,
    factor: int | None = None,
    min_in_sync: int | None = None,
    acks: str | None = None,
    flush: str | None = None,
) -> Wishes:
    """One policy; in mode Enforce and of all topics unless said otherwise. ``min_in_sync`` is a requirement as well.

    It may write as it would, unless ``acts`` says otherwise.
    """
    if min_in_sync is not None:
        needs = (*needs, Requirement(MIN_IN_SYNC, Relation.AT_LEAST, str(min_in_sync)))
    may = enforces if acts is None else acts
    return Wishes(name, may, tuple(names), tuple(exclude), needs, factor, min_in_sync, acks, flush, enforces)


def audited(policy: Wishes, found: Survey, owners: Mapping[str, str] | None = None) -> Findings:
    """The findings of a policy that is alone."""
    return audit(found, [policy], owners or {})[policy.name]


def of_topics(findings: Findings) -> list[Violation]:
    """The differences of topics, without those of broker nodes."""
    return [violation for violation in findings.violations if violation.resource.startswith("topic ")]


def the(violations: Collection[Violation]) -> Violation:
    """The one there is."""
    (one,) = violations
    return one
