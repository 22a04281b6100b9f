"""One difference between what is asked for and what was found, and the words for it; ``audit`` and ``nodes`` make them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from floodwarden.core.delivery.survey import Placement, TopicFound, Value
from floodwarden.core.reasons import Reason

FACTOR = "replication factor"
IN_SYNC = "in-sync replicas"
MIN_IN_SYNC = "min.insync.replicas"
UNCLEAN = "unclean.leader.election.enable"
NODES = "broker"  # how resources begin that are nodes
EVERYTHING = "*"  # among what is not known: nothing that was told is taken for gone
NAMED_AT_MOST = 5  # topics, partitions or policies in one sentence


class Action(StrEnum):
    """What becomes of a difference."""

    REPAIR = "Repair"  # Floodwarden writes what is wanted, in mode Enforce
    REPORT = "Report"  # people change it
    RESTART = "Restart"  # people change it in a node's file, and restart the node
    OWNER = "Owner"  # another controller has the topic: it is to be changed there
    CONFLICT = "Conflict"  # two policies disagree


@dataclass(frozen=True, slots=True)
class Violation:
    """One difference, for people. ``where`` says which layer or nodes hold the value found, ``reason`` why it stays or goes.

    ``event`` is what its Event is called.
    """

    resource: str
    setting: str
    wanted: str
    found: str
    where: str
    action: Action
    reason: str
    event: Reason = Reason.VIOLATION

    @property
    def key(self) -> tuple[str, str]:
        """What it is about, whatever was found there."""
        return self.resource, self.setting


def name_of(topic: TopicFound) -> str:
    return f"topic {topic.name}"


def named_brokers(ids: Sequence[int]) -> str:
    return f"{NODES}{'s' if len(ids) > 1 else ''} {listed([str(node) for node in sorted(ids)])}"


def text_of(value: Value) -> str:
    return value.text if value.text is not None else "hidden"


def numbers(placements: Sequence[Placement]) -> str:
    return listed([str(placement.number) for placement in placements])


def listed(names: Sequence[str]) -> str:
    """The first few of some names, and how many more there are."""
    shown = ", ".join(names[:NAMED_AT_MOST])
    return shown if len(names) <= NAMED_AT_MOST else f"{shown} and {len(names) - NAMED_AT_MOST} more"
