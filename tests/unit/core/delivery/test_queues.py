"""Queues of RabbitMQ compared with policies: each difference once, where it is and what becomes of it."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import pytest

from floodwarden.core.delivery.rabbitmq.found import QueueFound, age_of
from floodwarden.core.delivery.rabbitmq.judging import judge
from floodwarden.core.delivery.settings import explained
from floodwarden.core.delivery.violations import Action
from floodwarden.core.delivery.wishes import Wishes
from floodwarden.core.reasons import Reason
from tests.support.delivery import DAY, HOUR, the
from tests.support.virtual_host import (
    EVERY_WISH,
    NAMES,
    SAFE,
    asking,
    classic,
    found,
    judged,
    of,
    operator,
    queue,
    stream,
)


class Case(NamedTuple):
    """A queue that differs from what is asked in one thing."""

    wishes: Wishes
    queue: QueueFound
    setting: str
    wanted: str
    found: str
    where: str
    says: str


SYNC, REPLICATED, ACKS, KEPT = asking(flush="Sync"), asking(flush="Replicated"), asking(acks="All"), asking(kept_for=DAY)
DEAD, DEAD_SAFELY = asking(dead_letters=True), asking(dead_letters=True, dead_safely=True)
TWO_AWAY, ONE_AWAY = NAMES[:1], NAMES[:2]
ONE_NODE = "on one node alone"
DIFFERENT = {
    "classic under Sync": Case(SYNC, classic(), "queue type", "quorum", "classic", "queue", ONE_NODE),
    "classic under Replicated": Case(REPLICATED, classic(), "queue type", "quorum or stream", "classic", "queue", ONE_NODE),
    "classic with a factor": Case(asking(factor=2), classic(), "queue type", "quorum or stream", "classic", "queue", ONE_NODE),
    "classic with minInSync": Case(
        asking(min_in_sync=2), classic(), "queue type", "quorum or stream", "classic", "queue", ONE_NODE
    ),
    "a stream under Sync": Case(SYNC, stream(), "queue type", "quorum", "stream", "queue", "not on any disk yet"),
    "mirrors under no unclean election": Case(
        asking(clean=True),
        classic(policy="ha", effective={"ha-mode": "all"}),
        "queue type",
        "quorum",
        "classic, mirrored",
        "queue",
        "may be promoted",
    ),
    "not durable": Case(ACKS, classic(durable=False), "durable", "true", "false", "queue", "gone when its node restarts"),
    "deleted with its consumers": Case(ACKS, queue(auto_delete=True), "auto-delete", "false", "true", "queue", "last consumer"),
    "deleted with a connection": Case(ACKS, classic(exclusive=True), "exclusive", "false", "true", "queue", "connection"),
    "away": Case(
        asking(acknowledged_late=True), classic(state="down"), "queue state", "running", "down", "queue", "start its node"
    ),
    "too few members": Case(
        asking(factor=3),
        queue(members=NAMES[:1], online=NAMES[:1]),
        "queue members",
        "≥ 3",
        "1 (rabbit@a)",
        "queue",
        "rabbitmq-queues grow",
    ),
    "too few replicas of a stream": Case(
        asking(factor=3),
        stream(members=NAMES[:2], online=NAMES[:2]),
        "queue members",
        "≥ 3",
        "2 (rabbit@a, rabbit@b)",
        "queue",
        "rabbitmq-streams add_replica",
    ),
    "more members than nodes": Case(
        asking(factor=5),
        queue(),
        "queue members",
        "≥ 5",
        "3 (rabbit@a, rabbit@b, rabbit@c)",
        "queue",
        "need as many nodes, and there are 3",
    ),
    "too small a majority": Case(
        asking(min_in_sync=3), queue(), "majority of members", "≥ 3", "2 of 3", "queue", "3 of 5 members"
    ),
    "one away": Case(
        ACKS, queue(online=ONE_AWAY), "members online", "all", "2 of 3, without rabbit@c", "queue", "quorum critical"
    ),
    "two away": Case(
        ACKS,
        queue(online=TWO_AWAY),
        "members online",
        "all",
        "1 of 3, without rabbit@b, rabbit@c",
        "queue",
        "no majority: nobody can publish",
    ),
    "one of five away": Case(
        ACKS,
        stream(members=(*NAMES, "rabbit@d", "rabbit@e"), online=(*NAMES, "rabbit@d")),
        "members online",
        "all",
        "4 of 5, without rabbit@e",
        "queue",
        "a copy less",
    ),
    "drops when full": Case(
        ACKS,
        queue(x_max_length=5),
        "overflow",
        "reject-publish",
        "drop-head, with max-length 5 (argument)",
        "default",
        "set overflow to reject-publish in a policy",
    ),
    "drops when full, by its own argument": Case(
        KEPT,
        classic(x_max_length_bytes=5, x_overflow="drop-head", policy="p", effective={"overflow": "reject-publish"}),
        "overflow",
        "reject-publish",
        "drop-head, with max-length-bytes 5 (argument)",
        "argument",
        "no policy changes that",
    ),
    "a quorum queue takes the policy's overflow": Case(
        ACKS,
        queue(x_max_length=5, x_overflow="reject-publish", policy="p", effective={"overflow": "drop-head"}),
        "overflow",
        "reject-publish",
        "drop-head, with max-length 5 (argument)",
        "policy p",
        "dropped",
    ),
    "expires too early": Case(
        KEPT, queue(x_message_ttl=HOUR), "message-ttl", f"≥ {DAY} (1d)", f"{HOUR} (1h)", "argument", "another queue without it"
    ),
    "expires too early by a policy": Case(
        KEPT,
        queue(x_message_ttl=2 * DAY, policy="p", effective={"message-ttl": HOUR}),
        "message-ttl",
        f"≥ {DAY} (1d)",
        f"{HOUR} (1h)",
        "policy p",
        "lengthen it there",
    ),
    "deleted too early": Case(
        KEPT, queue(x_expires=HOUR), "expires", f"≥ {DAY} (1d)", f"{HOUR} (1h)", "argument", "nobody has used it"
    ),
    "a stream that forgets": Case(KEPT, stream(x_max_age="23h"), "max-age", f"≥ {DAY} (1d)", "23h", "argument", "read or not"),
    "a stream of some size": Case(
        KEPT, stream(x_max_length_bytes=9), "max-length-bytes", "none", "9", "argument", "before their time"
    ),
    "no limit of deliveries": Case(
        asking(delivery_limit=5), queue(x_dead_letter_exchange="dead"), "delivery-limit", "≤ 5", "none", "default", "is written"
    ),
    "too many deliveries": Case(
        asking(delivery_limit=5),
        queue(x_delivery_limit=6, x_dead_letter_exchange="dead"),
        "delivery-limit",
        "≤ 5",
        "6",
        "argument",
        "is written",
    ),
    "no bound at all": Case(
        asking(delivery_limit=5),
        queue(x_delivery_limit=-1, x_dead_letter_exchange="dead"),
        "delivery-limit",
        "≤ 5",
        "none",
        "argument",
        "is written",
    ),
    "a classic queue counts no deliveries": Case(
        asking(delivery_limit=5),
        classic(),
        "delivery-limit",
        "≤ 5",
        "none, as all classic queues",
        "default",
        "only quorum queues count",
    ),
    "no dead letters": Case(DEAD, queue(), "dead-letter-exchange", "one that exists", "none", "default", "set it in a policy"),
    "dead letters to nowhere": Case(
        DEAD,
        queue(policy="p", effective={"dead-letter-exchange": "gone"}),
        "dead-letter-exchange",
        "one that exists",
        "gone, which does not exist",
        "policy p",
        "declare the exchange",
    ),
    "dead letters of a classic queue": Case(
        DEAD_SAFELY,
        classic(x_dead_letter_exchange="dead"),
        "dead-letter-strategy",
        "at-least-once",
        "at-most-once, as all classic queues",
        "default",
        "declare a quorum queue",
    ),
    "dead letters at most once": Case(
        DEAD_SAFELY,
        queue(x_dead_letter_exchange="dead"),
        "dead-letter-strategy",
        "at-least-once",
        "at-most-once",
        "default",
        "and overflow to reject-publish",
    ),
    "dead letters without reject-publish": Case(
        DEAD_SAFELY,
        queue(x_dead_letter_exchange="dead", x_dead_letter_strategy="at-least-once"),
        "dead-letter-strategy",
        "at-least-once",
        "at-most-once, as overflow is drop-head",
        "default",
        "whatever the strategy says",
    ),
}


@pytest.mark.parametrize("case", DIFFERENT.values(), ids=DIFFERENT)
def test_a_difference(case: Case) -> None:
    """It is told once, with value and place, and ``explain`` knows it; the limit of deliveries alone is written."""
    findings = judged(case.wishes, found(case.queue))
    violation = the(findings.violations)
    assert (violation.resource, violation.setting, violation.wanted) == ("queue orders", case.setting, case.wanted)
    assert (violation.found, violation.where) == (case.found, case.where)
    assert case.says in violation.reason
    assert violation.action is (Action.REPAIR if case.says == "is written" else Action.REPORT)
    assert explained(violation.setting) is not None
    assert findings.gaps == ()


FINE = {
    "all of it": (EVERY_WISH, SAFE),
    "a stream, replicated": (asking(flush="Replicated", factor=3, min_in_sync=2, kept_for=DAY, dead_letters=True), stream()),
    "a classic queue on one node": (asking(factor=1, acks="All", flush="Async"), classic()),
    "a limit that rejects": (asking(acks="All"), classic(x_max_length=5, x_overflow="reject-publish-dlx")),
    "a stream drops what is old": (asking(acks="All"), stream(x_max_length_bytes=5)),
    "kept for just as long": (KEPT, queue(x_message_ttl=DAY, x_expires=DAY)),
    "a stream that keeps for as long": (KEPT, stream(x_max_age="1D")),
    "the smaller of two limits": (
        asking(delivery_limit=5),
        queue(x_delivery_limit=9, policy="p", effective={"delivery-limit": 5}),
    ),
    "a limit beside none": (
        asking(delivery_limit=5),
        queue(x_delivery_limit=-1, policy="p", effective={"delivery-limit": 5}),
    ),
    "streams deliver nothing again": (asking(delivery_limit=5), stream()),
    "the default exchange": (DEAD, queue(x_dead_letter_exchange="")),
    "what is not asked for": (asking(prefetch=10), classic(durable=False, x_message_ttl=1, x_max_length=1)),
}


@pytest.mark.parametrize(("wishes", "good"), FINE.values(), ids=FINE)
def test_no_difference(wishes: Wishes, good: QueueFound) -> None:
    """What is as asked for, or not asked for, is not told."""
    findings = judged(wishes, found(good))
    assert (findings.violations, findings.gaps, findings.unread) == ((), (), frozenset())
    assert (findings.topics, findings.brokers) == (1, 3)


def test_a_newer_rabbitmq_has_a_limit_of_its_own() -> None:
    """20 since version 4, where nobody says otherwise."""
    seen = found(queue(), version="4.1.0")
    violation = the(judged(asking(delivery_limit=5), seen).violations)
    assert (violation.found, violation.where) == ("20", "default")
    assert judged(asking(delivery_limit=20), seen).violations == ()
    (raised,) = judged(replace(asking(delivery_limit=50), acts=True), seen).changes
    assert '"delivery-limit": 20' in (raised.value or ""), "an operator policy would raise it"


def test_without_a_version_the_usual_limit_is_not_known() -> None:
    """It depends on that; nothing is written for it either."""
    findings = judged(replace(asking(delivery_limit=5), acts=True), found(queue(), version=None))
    assert (findings.violations, findings.changes) == ((), ())
    assert any("depends on the version" in gap.message for gap in findings.gaps)


def test_a_type_that_is_not_known() -> None:
    """It is not taken for one that keeps messages on several disks."""
    violation = the(judged(asking(flush="Sync"), found(queue(kind="mqtt"))).violations)
    assert (violation.setting, violation.found) == ("queue type", "mqtt")


def test_only_what_matches() -> None:
    """Neither other queues nor those that the broker names itself."""
    seen = found(*(classic(name=name) for name in ("orders-eu", "payments", "amq.gen-orders")))
    findings = judged(asking(factor=3, names=("*",), exclude=("pay*",)), seen)
    assert [violation.resource for violation in findings.violations] == ["queue orders-eu"]
    assert findings.topics == 1


STRANGE = {
    "message-ttl": (KEPT, queue(x_message_ttl="soon")),
    "max-age": (KEPT, stream(x_max_age="1 week")),
    "delivery-limit": (asking(delivery_limit=5), queue(x_delivery_limit="five", effective={"delivery-limit": 5}, policy="p")),
}


@pytest.mark.parametrize(("setting", "strange"), STRANGE.items(), ids=STRANGE)
def test_what_cannot_be_understood(setting: str, strange: tuple[Wishes, QueueFound]) -> None:
    """It is a gap of that queue."""
    wishes, odd = strange
    findings = judged(wishes, found(odd))
    assert [(gap.reason, gap.message) for gap in findings.gaps] == [
        (Reason.BROKER_ERROR, f"{setting} of queue orders cannot be understood")
    ]
    assert findings.violations == ()
    assert findings.unread == {"queue orders"}


def test_ages() -> None:
    """As streams have them."""
    assert [age_of(text) for text in ("1s", "2m", "3h", "1D", "1M", "1Y")] == [
        1000,
        120_000,
        3 * HOUR,
        DAY,
        30 * DAY,
        365 * DAY,
    ]
    assert [age_of(odd) for odd in ("", "D", "1d", "-1D", 5, None)] == [None] * 6


WARNINGS = {
    "more copies than nodes": (asking(factor=5), "replication.factor 5 cannot be kept: there are 3 nodes"),
    "more in sync than a majority": (
        asking(factor=3, min_in_sync=3),
        "minInSync 3 is not reached with factor 3: 2 members confirm",
    ),
    "nobody waits": (asking(acks="None", flush="Sync"), "with acks None publishers do not wait"),
    "a name that nobody has": (asking(factor=3, names=("orders", "ordres")), "no queue matches ordres: correct spec.match"),
}


@pytest.mark.parametrize(("wishes", "says"), WARNINGS.values(), ids=WARNINGS)
def test_promises_that_cannot_be_kept(wishes: Wishes, says: str) -> None:
    """They are told as warnings, and not without need."""
    assert [says in text for text in judged(wishes, found(queue())).warnings] == [True]
    assert judged(EVERY_WISH, found(SAFE)).warnings == ()


def test_classic_queues_keep_persistent_messages_only() -> None:
    """Nothing tells which those are."""
    (text,) = judged(asking(flush="Async"), found(classic())).unproven
    assert "orders: classic queues keep only messages that are published as persistent" in text


def test_no_policy_no_queue() -> None:
    """Nothing is told of nothing."""
    assert judge(found(SAFE), []) == {}
    findings = judged(asking(factor=3, names=("nobody",)), found(SAFE))
    assert (findings.topics, findings.violations, findings.changes, findings.gaps) == (0, (), (), ())
    assert of(findings) == []
    assert operator().ours


def test_a_limit_that_drops_is_told() -> None:
    """Whoever has set it."""
    limited = queue(x_delivery_limit=3)
    (said,) = judged(asking(delivery_limit=5), found(limited)).warnings
    assert said.startswith("the delivery limit of orders drops")
    assert judged(asking(delivery_limit=5), found(queue(x_delivery_limit=3, x_dead_letter_exchange="dead"))).warnings == ()
