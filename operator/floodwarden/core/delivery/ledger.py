"""What Floodwarden has changed for a while only, and what was there before: written down before it is done, and kept until it
is undone, so that no crash and no deleted policy leaves it behind. Pure; ``sweep.ledger`` keeps it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum


class Purpose(StrEnum):
    """Why something was changed for a while."""

    MOVE = "Move"  # replicas are copied, and must not take all of the network
    GUARD = "Guard"  # unread messages would expire


class Resource(StrEnum):
    """What a setting belongs to."""

    TOPIC = "topic"
    BROKER = "broker"  # a node, by its id


Place = tuple[Resource, str, str]
"""One setting of one thing, by the thing's name and the setting's."""


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """One setting that is changed for a while. ``before`` is None where it was not set there; ``written`` is what is there
    meanwhile, None for what is taken away. ``policy`` is namespace/name of the one that asked for it."""

    purpose: Purpose
    resource: Resource
    name: str
    setting: str
    before: str | None
    written: str | None
    policy: str

    @property
    def place(self) -> Place:
        """Where it is: there may be one entry for each."""
        return self.resource, self.name, self.setting


def dumped(entries: Iterable[Entry]) -> str:
    """The entries as they are kept."""
    return json.dumps([asdict(entry) for entry in sorted(entries, key=lambda entry: entry.place)])


def loaded(text: str) -> frozenset[Entry]:
    """What was kept; ValueError where it is something else."""
    try:
        return frozenset(
            Entry(**{**fields, "purpose": Purpose(fields["purpose"]), "resource": Resource(fields["resource"])})
            for fields in json.loads(text)
        )
    except (TypeError, KeyError, ValueError) as error:
        raise ValueError("it is no list of entries") from error
