"""The operator policy that Floodwarden writes for a DeliveryPolicy on RabbitMQ: what is in it, and when it may not be. Pure.

Operator policies can only lower what queues' owners have set, and of several that match a queue the one with the highest priority
holds alone. So there is one for each DeliveryPolicy, below all that others have made, with the delivery limit: nothing else that
a DeliveryPolicy asks for is a lower number, or is allowed in an operator policy (3.10 refuses overflow and dead letters there).

What nobody acts for stays in force as it is, and above: the operator policy of a DeliveryPolicy that is paused, and one that says
it is Floodwarden's and that no DeliveryPolicy here asks for. Those of policies that act agree where they meet, in any order.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Final

from floodwarden.core.delivery.rabbitmq.found import OURS, QUORUM, RESERVED, OperatorPolicy, QueueFound
from floodwarden.core.delivery.survey import Change
from floodwarden.core.delivery.violations import listed
from floodwarden.core.delivery.wishes import Wishes
from floodwarden.core.observation import Unknown

KIND: Final = "operator policy"
SETTING: Final = "definition"
LIMIT: Final = "delivery-limit"
APPLY_TO: Final = "queues"
_SPECIAL: Final = {"*": ".*", "?": "."}

Disputes = Mapping[str, Mapping[str, str]]
"""By policy and by queue: which other policies want another delivery limit of it, in a sentence."""


def name_for(wishes: Wishes) -> str:
    """What the operator policy of a DeliveryPolicy is called."""
    return f"{OURS}{wishes.name}"


def pattern_of(wishes: Wishes, without: Collection[str] = ()) -> str:
    """The regular expression for the queues that a policy speaks of, from beginning to end; ``without`` are left out by name."""
    reserved, names = f"{RESERVED[:-1]}\\.", f"({_either(wishes.names)})$"
    excluded = f"|({_either(wishes.exclude)})$" if wishes.exclude else ""
    left_out = f"|({'|'.join(''.join(map(_literal, name)) for name in sorted(without))})$" if without else ""
    return f"^(?!{reserved}{excluded}{left_out}){names}"


def _either(globs: Iterable[str]) -> str:
    return "|".join("".join(_SPECIAL.get(character, _literal(character)) for character in glob) for glob in globs)


def _literal(character: str) -> str:
    return character if character.isalnum() or character in "_-" else f"\\{character}"


def made(known: Mapping[str, OperatorPolicy]) -> dict[str, Change]:
    """Those that say they are Floodwarden's, as they would be written, by the DeliveryPolicy that they are named after."""
    return {
        one.name.removeprefix(OURS): Change(one.name, SETTING, dumped(one), "not set", KIND) for one in known.values() if one.ours
    }


def standing(known: Mapping[str, OperatorPolicy], acting: Collection[str], queues: Collection[str]) -> list[OperatorPolicy]:
    """Those that ours has to be below: all of others, and of Floodwarden's those that no policy acts for and that match one of
    these queues. ``acting`` has the names of those that policies act for."""
    return [one for one in known.values() if not one.ours or (one.name not in acting and _meets(one.pattern, queues))]


def _meets(pattern: str, queues: Collection[str]) -> bool:
    try:
        compiled = re.compile(pattern)
    except re.error:
        return True  # somebody has changed it to what RabbitMQ alone understands
    return any(compiled.search(queue) for queue in queues)


def wanted(
    wishes: Wishes,
    known: Mapping[str, OperatorPolicy],
    above: Collection[OperatorPolicy],
    most: int | None = None,
    without: Collection[str] = (),
) -> OperatorPolicy | None:
    """The operator policy that there should be; None where the policy asks for nothing that it could hold. ``above`` are those
    that it has to be below; ``most`` is the limit that the brokers have by themselves: a higher one would raise it; ``without``
    are queues that it is not for."""
    limit = wishes.reading.delivery_limit
    if limit is None:
        return None
    limit = limit if most is None else min(limit, most)
    name = name_for(wishes)
    below, there = min([0, *(one.priority for one in above if one.name != name)]), known.get(name)
    priority = there.priority if there is not None and there.priority < below else below - 1
    return OperatorPolicy(name, pattern_of(wishes, without), priority, {LIMIT: limit}, APPLY_TO)


def change(
    wishes: Wishes,
    known: Mapping[str, OperatorPolicy],
    above: Collection[OperatorPolicy],
    most: int | None = None,
    without: Collection[str] = (),
) -> Change | None:
    """What is to be written so that it is as it should be; with the value None what is to be taken away. See ``wanted``."""
    there = known.get(name_for(wishes))
    asked = wanted(wishes, known, above, most, without)
    if asked == there:
        return None
    before = worded(there) if there is not None else "not set"
    return Change(name_for(wishes), SETTING, dumped(asked) if asked is not None else None, before, KIND)


def worded(policy: OperatorPolicy) -> str:
    """An operator policy for people."""
    settings = ", ".join(f"{key} {value}" for key, value in sorted(policy.definition.items()))
    return f"{settings or 'empty'} for {policy.pattern} with priority {policy.priority}"


def dumped(policy: OperatorPolicy) -> str:
    """An operator policy as it is sent: always the same text for the same."""
    parts = {
        "apply-to": policy.apply_to,
        "definition": dict(policy.definition),
        "pattern": policy.pattern,
        "priority": policy.priority,
    }
    return json.dumps(parts, sort_keys=True)


def disputes(policies: Collection[Wishes], matched: Mapping[str, Collection[QueueFound | Unknown]]) -> Disputes:
    """Where these policies do not agree on the delivery limit of a queue; ``matched`` are the queues of each."""
    limits: dict[str, dict[str, int]] = defaultdict(dict)
    for one in policies:
        if one.reading.delivery_limit is not None:
            for queue in matched[one.name]:
                if isinstance(queue, QueueFound) and queue.kind == QUORUM:
                    limits[queue.name][one.name] = one.reading.delivery_limit
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for queue_name, by in limits.items():
        if len(set(by.values())) > 1:
            for name, limit in by.items():
                others = [f"{other} wants ≤ {theirs}" for other, theirs in sorted(by.items()) if theirs != limit]
                found[name][queue_name] = f"{listed(others)}: neither is acted on until they agree"
    return found


def speaks_of(wishes: Wishes, name: str) -> bool:
    """Whether a queue is one that the policy speaks of. Those that the broker names itself go with their connections."""
    return not name.startswith(RESERVED) and wishes.matches(name)
