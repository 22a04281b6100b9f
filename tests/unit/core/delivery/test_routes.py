"""Dead letters that no queue gets are a difference; where it cannot be told whether one does, nothing is claimed."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floodwarden.core.delivery.rabbitmq.found import Binding, Bindings, ExchangeFound, QueueFound
from floodwarden.core.delivery.rabbitmq.routes import _matches, leads
from floodwarden.core.delivery.violations import Action
from tests.support.delivery import the
from tests.support.virtual_host import asking, classic, found, judged, queue

DEAD = asking(dead_letters=True)


def through(name: str) -> Binding:
    """A binding that takes everything to another exchange."""
    return Binding("#", name, to_queue=False)


BOUND: Bindings = {
    "": (Binding("orders", "orders"),),
    "fanout": (Binding("ignored", "letters"),),
    "direct": (Binding("dead", "letters"), Binding("", "empty")),
    "topic": (Binding("dead.*", "letters"),),
    "headers": (Binding("", "letters"),),
    "first": (through("second"),),
    "second": (through("first"), through("direct")),
    "circle": (through("circle"),),
}
KINDS = {
    "": "direct",
    "headers": "headers",
    "topic": "topic",
    "direct": "direct",
    "fanout": "fanout",
    "bare": "fanout",
    "bare topic": "topic",
    "bare headers": "headers",
    "first": "topic",
    "second": "topic",
    "circle": "topic",
}
EXCHANGES = {
    **{name: ExchangeFound(name, kind) for name, kind in KINDS.items()},
    "spare": ExchangeFound("spare", "direct", alternate="fanout"),
    "bad spare": ExchangeFound("bad spare", "direct", alternate="gone"),
    "policed": ExchangeFound("policed", "direct", policy="p"),
}
# By exchange and key: whether a queue gets it.
LEADING = {
    ("fanout", "dead"): True,
    ("fanout", None): True,
    ("bare", "dead"): False,
    ("bare", None): False,
    ("bare headers", None): False,
    ("direct", "dead"): True,
    ("direct", ""): True,
    ("direct", "other"): False,
    ("direct", None): None,
    ("topic", "dead.orders"): True,
    ("topic", "dead"): False,
    ("topic", None): None,
    ("bare topic", "dead"): False,
    ("headers", "dead"): None,
    ("", "orders"): True,
    ("", "ordres"): False,
    ("", None): None,
    ("first", "dead"): True,
    ("first", "other"): False,
    ("circle", "dead"): False,
    ("spare", "dead"): True,
    ("bad spare", "dead"): False,
    ("policed", "dead"): None,
    ("gone", "dead"): False,
}


@pytest.mark.parametrize(("way", "told"), LEADING.items(), ids=str)
def test_ways(way: tuple[str, str | None], told: bool | None) -> None:
    """As RabbitMQ routes by the kind of the exchange, over other exchanges and over alternate ones."""
    assert leads(EXCHANGES, BOUND, *way) is told


def test_a_default_exchange_without_bindings() -> None:
    """RabbitMQ does not tell them: nothing is known."""
    assert leads(EXCHANGES, {}, "", "orders") is None


@given(st.lists(st.sampled_from("ab*#"), min_size=1, max_size=5), st.lists(st.sampled_from("ab"), min_size=1, max_size=5))
def test_topics(pattern: list[str], words: list[str]) -> None:
    """A pattern fits as a regular expression over words does."""
    parts = {"*": r"[^.]+\.", "#": r"(?:[^.]+\.)*"}
    expression = "".join(parts.get(part, f"{part}\\.") for part in pattern)
    fits = re.fullmatch(expression, "".join(f"{word}." for word in words)) is not None
    assert _matches(tuple(pattern), tuple(words)) is fits


NOWHERE = {
    "no binding": (
        queue(x_dead_letter_exchange="bare"),
        "bare, which leads to no queue",
        "argument",
        "dropped: bind a queue to it",
    ),
    "no binding for its key": (
        queue(policy="p", effective={"dead-letter-exchange": "direct", "dead-letter-routing-key": "other"}),
        "direct, which leads to no queue with routing key other",
        "policy p",
        "bind a queue to it that takes this key",
    ),
    "no queue of that name": (
        classic(x_dead_letter_exchange="", x_dead_letter_routing_key="ordres"),
        "the default one, which leads to no queue with routing key ordres",
        "argument",
        "dropped",
    ),
    "kept in the queue": (
        queue(x_dead_letter_exchange="bare", x_dead_letter_strategy="at-least-once", x_overflow="reject-publish"),
        "bare, which leads to no queue",
        "argument",
        "dead letters stay in the queue until it is full",
    ),
}


@pytest.mark.parametrize(("bad", "told", "where", "says"), NOWHERE.values(), ids=NOWHERE)
def test_dead_letters_that_no_queue_gets(bad: QueueFound, told: str, where: str, says: str) -> None:
    """It is told with the exchange and the key; no limit of deliveries is written that makes such letters."""
    seen = found(bad, exchanges=EXCHANGES, bindings=BOUND)
    violation = the(judged(DEAD, seen).violations)
    assert (violation.setting, violation.wanted) == ("dead-letter-exchange", "one that leads to a queue")
    assert (violation.found, violation.where, violation.action) == (told, where, Action.REPORT)
    assert says in violation.reason
    spared = [one for one in judged(asking(delivery_limit=5), seen).violations if "would drop messages for good" in one.reason]
    assert len(spared) == (bad.kind == "quorum")


UNSURE = {
    "messages keep their own keys": {"x_dead_letter_exchange": "direct"},
    "headers decide": {"x_dead_letter_exchange": "headers", "x_dead_letter_routing_key": "dead"},
    "a policy may name an alternate": {"x_dead_letter_exchange": "policed", "x_dead_letter_routing_key": "dead"},
    "a key that is none": {"x_dead_letter_exchange": "direct", "x_dead_letter_routing_key": 7},
}


@pytest.mark.parametrize("arguments", UNSURE.values(), ids=UNSURE)
def test_dead_letters_that_may_get_to_a_queue(arguments: dict[str, Any]) -> None:
    """Loss is claimed only where it is known."""
    assert judged(DEAD, found(queue(**arguments), exchanges=EXCHANGES, bindings=BOUND)).violations == ()


def test_an_exchange_that_does_not_exist_is_told_once() -> None:
    """Also where bindings are not known."""
    seen = replace(found(queue(x_dead_letter_exchange="gone")), bindings={})
    assert the(judged(DEAD, seen).violations).found == "gone, which does not exist"
