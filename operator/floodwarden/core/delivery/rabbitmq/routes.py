"""Whether an exchange of RabbitMQ takes a message to a queue. ``rules`` asks for dead letters. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

from floodwarden.core.delivery.rabbitmq.found import Binding, Bindings, ExchangeFound

_DEFAULT = ""


def leads(exchanges: Mapping[str, ExchangeFound], bindings: Bindings, name: str, key: str | None) -> bool | None:
    """Whether an exchange takes a message with this routing key to any queue; None where that cannot be told.

    Nor can it be where the key is None, unless there is no way at all; where an exchange is of a kind that looks at more than the
    key; or where a policy may give it an alternate exchange, which only that policy tells.
    """
    if name == _DEFAULT and not bindings.get(_DEFAULT):
        return None  # each queue has a binding to it, so that there are some
    waiting, seen, doubtful = [name], set[str](), False
    while waiting:
        exchange = exchanges.get(waiting.pop())
        if exchange is None or exchange.name in seen:
            continue
        seen.add(exchange.name)
        fitting, sure = _fitting(exchange.kind, bindings.get(exchange.name, ()), key)
        if any(binding.to_queue for binding in fitting):
            return True
        waiting += [binding.destination for binding in fitting]
        doubtful = doubtful or not sure
        if not fitting and exchange.alternate is not None:
            waiting.append(exchange.alternate)
        elif not fitting and exchange.policy is not None:
            doubtful = True
    return None if doubtful else False


def _fitting(kind: str, bindings: Sequence[Binding], key: str | None) -> tuple[Sequence[Binding], bool]:
    """The bindings that are followed for certain, and whether there are no others that may be."""
    if not bindings or kind == "fanout":
        return bindings, True
    if key is None or kind not in ("direct", "topic"):
        return (), False
    if kind == "direct":
        return [binding for binding in bindings if binding.key == key], True
    words = tuple(key.split("."))
    return [binding for binding in bindings if _matches(tuple(binding.key.split(".")), words)], True


@lru_cache(maxsize=4096)
def _matches(pattern: tuple[str, ...], words: tuple[str, ...]) -> bool:
    """Whether a topic's pattern fits: * is one word, # any number of them."""
    reached = {0}  # how many words the pattern so far may have used up
    for part in pattern:
        if part == "#":
            reached = set(range(min(reached), len(words) + 1))
        else:
            reached = {used + 1 for used in reached if used < len(words) and part in ("*", words[used])}
        if not reached:
            return False
    return len(words) in reached
