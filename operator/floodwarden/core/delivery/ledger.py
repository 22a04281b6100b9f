"""What Floodwarden has changed for a while only, and what was there before: written down before it is done, and kept until it
is undone, so that no crash and no deleted policy leaves it behind; and what is done once only. Pure; ``sweep.ledger`` keeps it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Final

REMEMBERED: Final = 7 * 86_400.0  # seconds: for how long it is known that something was done once


class Purpose(StrEnum):
    """Why something was changed for a while."""

    MOVE = "Move"  # replicas are copied, and must not take all of the network
    GUARD = "Guard"  # unread messages would expire
    POLICY = "Policy"  # it is there as long as its DeliveryPolicy is, in mode Enforce
    ONCE = "Once"  # it was done, and is not to be done again; there is nothing to undo


class Resource(StrEnum):
    """What a setting belongs to."""

    TOPIC = "topic"
    BROKER = "broker"  # a node, by its id
    OPERATOR_POLICY = "operator policy"  # RabbitMQ's, by its name
    HALF_MESSAGE = "half message"  # RocketMQ's, by its producer's key


Place = tuple[Resource, str, str]
"""One setting of one thing, by the thing's name and the setting's."""


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """One setting that is changed for a while. ``before`` is None where it was not set there; ``written`` is what is there
    meanwhile, None for what is taken away; of what is done once, when it was (RFC 3339). ``policy`` is namespace/name of the one
    that asked for it."""

    purpose: Purpose
    resource: Resource
    name: str
    setting: str
    before: str | None
    written: str | None
    policy: str

    @property
    def undone(self) -> bool:
        """Whether it is to be undone at some time."""
        return self.purpose is not Purpose.ONCE

    @property
    def place(self) -> Place:
        """Where it is: there may be one entry for each."""
        return self.resource, self.name, self.setting


@dataclass(frozen=True, slots=True)
class Kept:
    """All that is kept of one MessageBroker. ``cluster`` is the id of the brokers that it is about, empty where nobody told.

    ``strange`` are entries that this version does not know, as JSON: they are carried along for the one that does.
    """

    entries: frozenset[Entry] = frozenset()
    cluster: str = ""
    strange: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether nothing is to be undone."""
        return not any(entry.undone for entry in self.entries) and not self.strange


def dumped(kept: Kept) -> str:
    """As it is kept."""
    entries = [asdict(entry) for entry in sorted(kept.entries, key=lambda entry: entry.place)]
    return json.dumps({"cluster": kept.cluster, "entries": [*entries, *map(json.loads, kept.strange)]})


def loaded(text: str) -> Kept:
    """What was kept; ValueError where it is something else altogether."""
    try:
        found = json.loads(text)
        listed, cluster = list(found["entries"]), str(found["cluster"])
    except (TypeError, KeyError, ValueError) as error:
        raise ValueError("it is no ledger") from error
    entries, strange = set(), []
    for one in listed:
        try:
            entries.add(Entry(**{**one, "purpose": Purpose(one["purpose"]), "resource": Resource(one["resource"])}))
        except (TypeError, KeyError, ValueError):
            strange.append(json.dumps(one))
    return Kept(frozenset(entries), cluster, tuple(strange))
