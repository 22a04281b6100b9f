"""Half messages that brokers gave up: which of them are put back once, and what is said of all. ``judging`` asks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from floodwarden.core.delivery.ledger import REMEMBERED, Resource
from floodwarden.core.delivery.rocketmq.found import MASTER, BrokerSet, Dropped
from floodwarden.core.delivery.survey import Change
from floodwarden.core.delivery.wishes import Wishes
from floodwarden.core.observation import Unknown

STATE: Final = "state"
WAITING: Final = "waiting"
_HOUR: Final = 3600
# Brokers give up at once what is older than they keep messages, and a little earlier it would not be asked about often.
_RESERVE: Final = 3600.0  # seconds


def resumable(wishes: Wishes, some: BrokerSet) -> Iterator[Change]:
    """Those on a set that a policy has put back, the oldest first, also those that were already; none where it only looks."""
    asked, found = wishes.transactions, some.transactions
    if asked is None or not asked.resumes or not wishes.acts or isinstance(found, Unknown) or isinstance(found.dropped, Unknown):
        return
    youngest = min(REMEMBERED, _kept_for(some)) - _RESERVE
    for one in found.dropped:
        if one.key and not one.again and one.age < youngest and wishes.matches(one.topic):
            yield Change(one.key, STATE, WAITING, f"given up on {some.name}", Resource.HALF_MESSAGE)


def said_of_dropped(wishes: Wishes, dropped: tuple[Dropped, ...] | Unknown) -> str:
    """What became of those that were given up, and what to do, for people."""
    asked = wishes.transactions
    if asked is None or not asked.resumes:
        return (
            "dropped, as nobody answered transactionCheckMax questions: look in TRANS_CHECK_MAX_TIME_TOPIC and at the producers"
        )
    again = not isinstance(dropped, Unknown) and any(one.again and wishes.matches(one.topic) for one in dropped)
    done = "each is put back once" if wishes.acts else "mode Enforce would put each back once"
    more = ", and some were given up again, which stay in TRANS_CHECK_MAX_TIME_TOPIC" if again else ""
    return f"nobody answered transactionCheckMax questions; {done}{more}: look at the producers"


def _kept_for(some: BrokerSet) -> float:
    """For how many seconds the master of a set keeps messages; 0 where that is not known, so that nothing is young enough."""
    configs = (server.config for server in some.servers if server.number == MASTER)
    told = [config.get("fileReservedTime", "") for config in configs if isinstance(config, Mapping)]
    return min((int(hours) * _HOUR for hours in told if hours.isdecimal()), default=0)
