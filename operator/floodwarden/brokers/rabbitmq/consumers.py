"""What the management API tells of consumers, as members of groups: pure.

``adapter`` hands over each answer of ``/api/consumers``. New consumers come with the statistics, those that leave at once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Final

from floodwarden.core.observation import Group, GroupPhase, Member, Partition

COLUMNS: Final = "queue.name,consumer_tag,active,channel_details.name,channel_details.connection_name,channel_details.peer_host"

Consumers = Mapping[str, tuple[Member, ...]]  # by queue


def consumers(answer: Any) -> Consumers:
    """The consumers in an answer, by their queue; ValueError where it is no list of consumers.

    A consumer that waits for its turn (single active consumer) is a member that owns nothing.
    """
    if not isinstance(answer, list):
        raise ValueError("no list of consumers")
    found: dict[str, list[Member]] = defaultdict(list)
    for entry in answer:
        queue = _part(entry, "queue").get("name")
        if isinstance(queue, str):
            found[queue].append(_member(queue, entry))
    return {queue: tuple(members) for queue, members in found.items()}


def group(queues: Iterable[str], found: Consumers) -> Group:
    """All who consume from these queues, as one group."""
    members = tuple(member for queue in queues for member in found.get(queue, ()))
    return Group(GroupPhase.STABLE if members else GroupPhase.EMPTY, members)


def _member(queue: str, entry: Mapping[str, Any]) -> Member:
    # A channel that was opened just now has no details yet.
    channel = _part(entry, "channel_details")
    owned = frozenset({Partition(queue, 0)} if entry.get("active") is not False else ())
    tag = _text(entry, "consumer_tag")
    return Member(f"{_text(channel, 'name')} {tag}", _text(channel, "connection_name"), _text(channel, "peer_host"), owned)


def _part(entry: object, key: str) -> Mapping[str, Any]:
    part = entry.get(key) if isinstance(entry, dict) else None
    return part if isinstance(part, dict) else {}


def _text(entry: Mapping[str, Any], key: str) -> str:
    value = entry.get(key)
    return value if isinstance(value, str) else ""
