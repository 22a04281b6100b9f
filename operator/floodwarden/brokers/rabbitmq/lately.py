"""What clients and queues of a virtual host were seen to do within the last hour: pure, apart from remembering it.

RabbitMQ tells rates of the last seconds, and forgets a channel with its connection. By these alone, who publishes seldom would be
told by one audit and forgotten by the next. So what was seen counts for an hour, or until it is refuted: a client that published
without confirms, and that is seen to publish with them and in no other way, has been mended.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Final

from floodwarden.core.delivery.rabbitmq.found import NEW_CLIENT, ChannelFound, QueueFound, Unroutable
from floodwarden.core.observation import Unknown

SECONDS: Final = 3600.0

_Who = tuple[str, str, bool]  # client, user, and whether with confirms


class Lately:
    """What ``settings`` has seen. Times are in seconds of its clock, ascending."""

    def __init__(self) -> None:
        self._published: dict[_Who, float] = {}
        self._dropped: dict[_Who, float] = {}
        self._received: dict[str, float] = {}
        self._counts: Mapping[str, int] = {}  # messages published to each queue, as told last
        self._counted: list[tuple[float, int]] = []  # messages that no queue took, at which time, ascending
        self._before: int | None = None  # an hour before this audit

    def queues(self, found: Mapping[str, QueueFound | Unknown], now: float) -> dict[str, QueueFound | Unknown]:
        """These queues, with what they were seen to receive."""
        known = [queue for queue in found.values() if isinstance(queue, QueueFound)]
        counts = {queue.name: queue.published or 0 for queue in known}
        grown = (name for name, count in counts.items() if count > self._counts.get(name, count))
        self._received |= dict.fromkeys((*grown, *(queue.name for queue in known if queue.receives)), now)
        self._received = {name: at for name, at in self._received.items() if now - at <= SECONDS and name in found}
        self._counts = {**{name: count for name, count in self._counts.items() if name in found}, **counts}
        return {
            name: replace(queue, receives=name in self._received) if isinstance(queue, QueueFound) else queue
            for name, queue in found.items()
        }

    def channels(self, found: Sequence[ChannelFound], now: float) -> tuple[ChannelFound, ...]:
        """These channels, those of a client that are alike as one, with what they were seen to do; and those that are gone. What
        has no name yet is not remembered: it is told under another one soon."""
        new = [one for one in found if one.client == NEW_CLIENT]
        there = [one for one in found if one.client != NEW_CLIENT]
        publishing = {_who(one) for one in there if one.publishes}
        mended = {(client, user, False) for client, user, confirms in publishing if confirms} - publishing
        self._published = {who: at for who, at in _noted(self._published, publishing, now).items() if who not in mended}
        self._dropped = _noted(self._dropped, {_who(one) for one in there if one.drops}, now)
        everybody = sorted({*map(_who, there), *self._published, *self._dropped})
        known = (ChannelFound(*who, publishes=who in self._published, drops=who in self._dropped) for who in everybody)
        return (*known, *new)

    def unroutable(self, total: int, now: float, *, again: bool) -> Unroutable:
        """What was dropped, and what had been an hour ago. ``again``: the same audit has asked before."""
        if self._counted and total < self._counted[-1][1]:
            self._counted, self._before = [], total  # gone with the node that counted
        elif self._counted and not again:
            self._counted = [one for one in self._counted if now - one[0] <= SECONDS] or self._counted[-1:]
            self._before = self._counted[0][1]
        if not again or not self._counted:
            self._counted.append((now, total))
        return Unroutable(total, self._before)


def _who(channel: ChannelFound) -> _Who:
    return channel.client, channel.user, channel.confirms


def _noted(known: Mapping[_Who, float], seen: Collection[_Who], now: float) -> dict[_Who, float]:
    """When each was seen last, within the hour."""
    return {who: at for who, at in {**known, **dict.fromkeys(seen, now)}.items() if now - at <= SECONDS}
