"""Half messages of transactions on masters: how many wait, since when none was ended, and how many were given up lately.

What brokers tell are positions only, so what came in between two audits is remembered here, as long as the process lives.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from floodwarden.brokers.rocketmq.configs import Committed, Configs
from floodwarden.brokers.rocketmq.given_up import GIVEN_UP_TOPIC, HALF_TOPIC, GivenUp
from floodwarden.core.delivery.rocketmq.found import Dropped, Transactions
from floodwarden.core.observation import Unknown

ENDED_TOPIC: Final = "RMQ_SYS_TRANS_OP_HALF_TOPIC"  # a message for each half message, or for several, that was ended
CHECKER: Final = "CID_RMQ_SYS_TRANS"  # the group as which a broker reads its half messages
TOLD_FOR: Final = 3600.0  # seconds


@dataclass(slots=True)
class _Known:
    """One master's positions over time. ``given_up`` are how many were, and when that was seen, the oldest first."""

    ended: int
    quiet_since: float
    watched_since: float
    given_up: list[tuple[float, int]]


class Halves:
    """Remembers."""

    def __init__(self, configs: Configs) -> None:
        self._configs = configs
        self.given_up = GivenUp(configs)
        self._known: dict[str, _Known] = {}

    def keep(self, names: Collection[str]) -> None:
        """Forget all sets but these."""
        self._known = {name: known for name, known in self._known.items() if name in names}
        self.given_up.keep(names)

    async def look(self, name: str, address: str, who: str, committed: Committed | Unknown) -> Transactions | Unknown:
        """Those on the master of a set; ``committed`` is what groups have committed there, the broker's own among them."""
        told = await asyncio.gather(
            *(self._configs.written(address, who, topic) for topic in (HALF_TOPIC, ENDED_TOPIC, GIVEN_UP_TOPIC))
        )
        if isinstance(committed, Unknown):
            return committed
        counts: list[int] = []
        for one in told:
            if isinstance(one, Unknown):
                return one
            counts.append(one)
        halves, ended, given_up = counts
        passed = sum(committed.get((CHECKER, HALF_TOPIC), {}).values())
        dropped = await self.given_up.look(name, address, who, given_up)
        return self._taken(name, max(0, halves - passed), ended, given_up, dropped)

    def _taken(self, name: str, waiting: int, ended: int, given_up: int, dropped: tuple[Dropped, ...] | Unknown) -> Transactions:
        now = asyncio.get_running_loop().time()
        known = self._known.setdefault(name, _Known(ended, now, now, []))
        if not waiting or ended != known.ended:
            known.ended, known.quiet_since = ended, now
        if known.given_up and given_up < known.given_up[-1][1]:
            known.given_up = []  # the topic was deleted, and begins anew
        # The last one from before stays: it says what there was when the hour began.
        recent = [seen for seen in known.given_up if now - seen[0] <= TOLD_FOR]
        before = [seen for seen in known.given_up if now - seen[0] > TOLD_FOR]
        known.given_up = [*before[-1:], *recent]
        if not known.given_up or known.given_up[-1][1] != given_up:
            known.given_up.append((now, given_up))
        lately = given_up - known.given_up[0][1]
        return Transactions(waiting, now - known.quiet_since, lately, now - known.watched_since, dropped)
