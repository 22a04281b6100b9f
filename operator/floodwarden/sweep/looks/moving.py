"""Makes the copies that topics lack, one batch after the other, and watches each to its end. ``core.delivery.moves`` decides.

Nothing of a batch is remembered here alone: what was asked for and what was throttled is in the ledger before it is done, and how
far it has come the brokers tell. So whoever has the ledger goes on where another one was killed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import structlog

from floodwarden.brokers.abilities import ReplicaMoves
from floodwarden.core.assess import Gap
from floodwarden.core.conditions import Notice
from floodwarden.core.delivery.effective import gap_of
from floodwarden.core.delivery.ledger import Entry, Purpose, Resource
from floodwarden.core.delivery.moves import (
    COMPARE,
    EVENTS_AT_MOST,
    STALLED,
    Batch,
    State,
    begun,
    bounded,
    ended,
    made,
    next_batch,
    seen,
    still_as_planned,
    unknown_to,
    unlisted,
    worth_a_look,
)
from floodwarden.core.delivery.placement import Moving as UnderWayNow
from floodwarden.core.delivery.placement import Raise, UnderWay, running
from floodwarden.core.delivery.seen import Seen
from floodwarden.core.delivery.survey import Placement
from floodwarden.core.delivery.throttle import (
    COPIES,
    Refusal,
    asked_for,
    cleared,
    entries_for,
    refusal,
    settings_of,
    undoing,
)
from floodwarden.core.delivery.violations import listed
from floodwarden.core.delivery.wishes import Wishes
from floodwarden.core.observation import Partition, Unknown, UnknownReason
from floodwarden.core.reasons import Reason
from floodwarden.sweep import clock
from floodwarden.sweep.ledger import BrokerLedger
from floodwarden.sweep.looks.base import Round

# Seconds for which copies that are not there count as being made, although the brokers list nothing: when the controller dies
# right after it took a request, the next one may not know of that for a while, and then does.
UNLISTED: Final = 30.0
CALLED_OFF: Final = 3600.0  # seconds for which copies are not asked for again after somebody has called them off
REFUSED: Final = 600.0  # seconds for which a topic is not tried again on which some right is missing; nothing is written for it
PLANS: Final = 3  # batches that are planned in one audit, each without the topics that were refused before
# What is gone, or will not be told any more: there is nothing to wait for.
_FOR_GOOD: Final = (UnknownReason.TOPIC_MISSING, UnknownReason.AUTHORIZATION_FAILED)

_CALLED_OFF: Final = "somebody called its copies off: they are asked for again after an hour, or once the policy is edited"

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _News:
    """What one look brings beside the violations; Events by policy."""

    gaps: list[Gap] = field(default_factory=list)
    notices: dict[str, list[Notice]] = field(default_factory=lambda: defaultdict(list))
    fresh: dict[str, tuple[Placement, ...]] = field(default_factory=dict)

    def lack(self, unknowns: Collection[Unknown]) -> None:
        """Note what failed."""
        self.gaps += [gap_of(unknown) for unknown in unknowns]


@dataclass(frozen=True, slots=True)
class _LeftAlone:
    """A topic for which no copies are asked: for whom, until when (``Round.at``), and what is told of it."""

    wishes: Wishes
    since: float
    until: float
    why: str
    gap: Gap | None = None  # the right that is missing


class Moving:
    """See ``looks.base.Look``."""

    def __init__(self, ledger: BrokerLedger) -> None:
        self._ledger = ledger
        self._accepted: dict[Partition, str] = {}  # copies that a broker was seen to make, with the topic's id
        self._unlisted_since: float | None = None
        self._left_alone: dict[str, _LeftAlone] = {}  # by topic
        self._fewest: tuple[int, float] | None = None  # partitions of a batch that are left, and since when

    def settings(self, policies: Collection[Wishes]) -> Collection[str]:
        """None."""
        return ()

    async def look(self, round: Round) -> Mapping[str, Seen]:
        """See ``Look.look``; asks nothing where nothing lacks copies and nothing was begun."""
        moves = round.adapter.abilities.moves
        if moves is None or not (self._entries or worth_a_look(round.policies, round.survey)):
            return {}
        unread = await self._ledger.read()  # without it nobody can tell whose a reassignment is
        if unread is not None:
            return _unknown_to_all(round, Gap(Reason.API_SERVER_UNREACHABLE, unread.message))
        under_way = await moves.under_way()
        if isinstance(under_way, Unknown):
            return _unknown_to_all(round, gap_of(under_way))
        news = _News()
        under_way = {**await self._settle(round, moves, under_way, news), **under_way}
        self._forget(round)
        state = State(under_way, asked_for(self._entries), fresh=news.fresh)
        if state.others:
            state = replace(state, waits=_waits_for(state.others))
        elif self._undoable(round) and not state.own:
            state = replace(state, waits="it waits until what was set for the last copies is undone, and they are in sync")
        elif not state.own:
            began = await self._next(round, moves, news)
            refused = news.gaps[0].message if news.gaps and not began else None
            state = replace(state, under_way={**under_way, **began}, asked=asked_for(self._entries), refused=refused)
        if own := state.own & under_way.keys():
            await self._throttled_again(round, moves, {one.topic for one in own}, news)
        state = replace(state, left_alone=self._told_of_topics, stalled=self._stalled(round, len(own)))
        return {wishes.name: self._told(round, wishes, state, news) for wishes in round.policies if wishes.factor is not None}

    @property
    def _entries(self) -> list[Entry]:
        return [entry for entry in self._ledger.entries if entry.purpose is Purpose.MOVE]

    def _undoable(self, round: Round) -> list[Entry]:
        """What stands in the ledger, but for nodes that are not among the brokers any more: they are put right if they return."""
        nodes = {str(broker.id) for broker in round.survey.brokers}
        return [entry for entry in self._entries if entry.resource is not Resource.BROKER or entry.name in nodes]

    def _told(self, round: Round, wishes: Wishes, state: State, news: _News) -> Seen:
        found = seen(wishes, round.survey, round.findings[wishes.name], state)
        rights = [one.gap for one in self._left_alone.values() if one.gap is not None and one.wishes.name == wishes.name]
        gaps = (*news.gaps, *rights[:EVENTS_AT_MOST]) if wishes.acts else ()
        return replace(found, gaps=gaps, notices=tuple(news.notices.get(wishes.name, ())))

    # The end of a batch

    async def _settle(self, round: Round, moves: ReplicaMoves, under_way: UnderWayNow, news: _News) -> UnderWayNow:
        """Undo the throttles of a batch that has ended, and tell what was made. While one partition is copied, all stay.

        What is still copied, should the brokers not list it.
        """
        entries = self._undoable(round)
        own = State(under_way, asked_for(entries)).own
        self._accepted |= {one: _id_of(round, one.topic) for one in own - self._accepted.keys()}
        if own:
            self._unlisted_since = None
        if not entries or own or not round.may_undo():
            return {}
        copies = [entry for entry in entries if entry.setting == COPIES]
        now = await moves.replicas([entry.name for entry in copies]) if copies else {}
        hidden = unlisted(asked_for(copies), now)
        self._unlisted_since = (self._unlisted_since or clock.now()) if hidden else None
        if self._unlisted_since is not None and clock.now() - self._unlisted_since < UNLISTED:
            return hidden
        done = await self._undone(round, moves, settings_of(entries), news)
        copied, texts = self._copied(round, copies, now, news)
        problem = await self._ledger.drop([*done, *copied])
        if problem is not None:
            news.gaps.append(Gap(Reason.API_SERVER_UNREACHABLE, problem.message))
            return {}
        for policy, about in texts.items():
            news.notices[policy] += bounded(Reason.REPLICATION_RAISED, about)
            _log.info("copies made", policy=policy, topics=len(about))
        return {}

    async def _undone(self, round: Round, moves: ReplicaMoves, settings: Collection[Entry], news: _News) -> list[Entry]:
        """The throttles that are as before now, or that somebody else has changed."""
        if not settings:
            return []
        nodes = {int(entry.name) for entry in settings if entry.resource is Resource.BROKER}
        topics = {entry.name for entry in settings if entry.resource is Resource.TOPIC}
        found = await moves.throttles(sorted(nodes), sorted(topics))
        known = {place: value for place, value in found.items() if not isinstance(value, Unknown)}
        if not round.may_undo():
            return []
        undo = undoing(settings, known)
        failed = await moves.throttle(undo) if undo else {}
        asked = {entry.place: found[entry.place] for entry in settings}
        kept = {place: why for place, why in {**asked, **failed}.items() if isinstance(why, Unknown)}
        kept = {place: why for place, why in kept.items() if why.reason is not UnknownReason.TOPIC_MISSING}
        news.lack(list(dict.fromkeys(kept.values())))
        for place in kept:
            _log.warning("throttle cannot be undone yet", of=" ".join(place), why=kept[place].detail)
        return [entry for entry in settings if entry.place not in kept]

    def _copied(
        self, round: Round, copies: Collection[Entry], now: Mapping[str, tuple[Placement, ...] | Unknown], news: _News
    ) -> tuple[list[Entry], Mapping[str, Sequence[str]]]:
        """What need not be watched any more, and what of it is to be told to each policy."""
        policies = {wishes.name: wishes for wishes in round.policies}
        asked = asked_for(copies)
        done = []
        texts: dict[str, list[str]] = defaultdict(list)
        for entry in sorted(copies, key=lambda one: one.name):
            raises = [one for partition, one in asked.items() if partition.topic == entry.name]
            placements, wishes = now[entry.name], policies.get(entry.policy)
            if isinstance(placements, Unknown):
                if wishes is None or placements.reason in _FOR_GOOD:
                    done.append(entry)
                continue
            news.fresh[entry.name] = placements
            how = ended(raises, placements)
            if how is None and wishes is not None:
                continue
            done.append(entry)
            if how and raises:
                texts[entry.policy].append(made(raises))
            elif how is False and wishes is not None and self._begun(round, raises) and entry.name not in self._left_alone:
                self._leave(round, wishes, entry.name, CALLED_OFF, _CALLED_OFF)
        self._accepted = {one: known for one, known in self._accepted.items() if one not in asked}
        return done, texts

    def _begun(self, round: Round, raises: Collection[Raise]) -> bool:
        """Whether a broker was seen to make some of these copies, of the topic that has this name now."""
        known = [(one.partition.topic, self._accepted[one.partition]) for one in raises if one.partition in self._accepted]
        return any(not was or _id_of(round, topic) in ("", was) for topic, was in known)

    # While it lasts

    async def _throttled_again(self, round: Round, moves: ReplicaMoves, topics: Collection[str], news: _News) -> None:
        """Set what somebody has cleared meanwhile: without it, copies take all of the network."""
        alive = running(round.survey.brokers)
        settings = [
            entry
            for entry in settings_of(self._undoable(round))
            if (int(entry.name) in alive if entry.resource is Resource.BROKER else entry.name in topics)
        ]
        nodes = {int(entry.name) for entry in settings if entry.resource is Resource.BROKER}
        found = await moves.throttles(sorted(nodes), sorted({one.name for one in settings} & set(topics))) if settings else {}
        unknown = [one for one in found.values() if isinstance(one, Unknown) and one.reason is not UnknownReason.TOPIC_MISSING]
        again = {entry.place: entry.written for entry in cleared(settings, found) if round.may_act(entry.policy)}
        failed = await moves.throttle(again) if again else {}
        news.lack(list(dict.fromkeys([*unknown, *failed.values()])))
        if again:
            _log.warning("throttles were cleared, and are set again", settings=len(again) - len(failed))

    def _stalled(self, round: Round, left: int) -> bool:
        """Whether as many partitions are left as a while ago."""
        if not left:
            self._fewest = None
        elif self._fewest is None or left < self._fewest[0] or round.at < self._fewest[1]:
            self._fewest = left, round.at
        return self._fewest is not None and round.at - self._fewest[1] >= STALLED

    # What is left alone

    def _leave(self, round: Round, wishes: Wishes, topic: str, seconds: float, why: str, gap: Gap | None = None) -> None:
        self._left_alone[topic] = _LeftAlone(replace(wishes, acts=True), round.at, round.at + seconds, why, gap)

    def _refuse(self, round: Round, policy: str, refused: Mapping[str, Unknown], seconds: float) -> None:
        """Leave topics alone whose copies were refused; one that is gone only in this audit, for it may be made anew."""
        wishes = next(wishes for wishes in round.policies if wishes.name == policy)
        for topic, why in refused.items():
            wait = 0.0 if why.reason is UnknownReason.TOPIC_MISSING else seconds
            again = f"; it is tried again after {wait / 60:.0f} minutes, or once the policy is edited" if wait else ""
            gap = gap_of(why) if why.reason is UnknownReason.AUTHORIZATION_FAILED else None
            self._leave(round, wishes, topic, wait, f"copies cannot be made: {why.detail}{again}", gap)

    def _forget(self, round: Round) -> None:
        """Drop those whose time is over, or whose policy was edited since."""
        asked = {replace(wishes, acts=True) for wishes in round.policies}
        self._left_alone = {
            topic: one for topic, one in self._left_alone.items() if one.wishes in asked and one.since <= round.at < one.until
        }

    @property
    def _told_of_topics(self) -> Mapping[str, str]:
        return {topic: one.why for topic, one in self._left_alone.items()}

    # Its beginning

    async def _next(self, round: Round, moves: ReplicaMoves, news: _News) -> Mapping[Partition, UnderWay]:
        """Begin the next batch, if there is one and nothing is in its way; what is copied now."""
        batch, entries = await self._planned(round, moves, news)
        if batch is None or not round.may_act(batch.policy):
            return {}
        settings = settings_of(entries)
        failed = await moves.throttle({entry.place: entry.written for entry in settings})
        news.lack(list(dict.fromkeys(failed.values())))
        accepted = [] if failed else await self._asked(round, moves, batch, news)
        if accepted:
            self._accepted = {one.partition: _id_of(round, one.partition.topic) for one in accepted}
            throttled = {int(entry.name) for entry in settings if entry.resource is Resource.BROKER}
            kept = running(round.survey.brokers).keys() & set(batch.nodes) - throttled
            news.notices[batch.policy] += begun(replace(batch, raises=tuple(accepted)), kept)
            _log.info("copies begun", policy=batch.policy, topics=len(batch.topics), partitions=len(accepted))
        return {one.partition: UnderWay(one.target, one.added) for one in accepted}

    async def _planned(self, round: Round, moves: ReplicaMoves, news: _News) -> tuple[Batch | None, list[Entry]]:
        """A batch that nothing stands against, with what was written down for it: topics that are refused hold up no others."""
        for _ in range(PLANS):
            batch = next_batch(round.policies, round.survey, round.findings, round.owners, self._left_alone)
            if news.gaps or batch is None or not round.may_act(batch.policy):
                break
            entries = await self._prepared(round, moves, batch, news)
            if entries:
                return batch, entries
            if not self._left_alone.keys() & set(batch.topics):
                break
        return None, []

    async def _prepared(self, round: Round, moves: ReplicaMoves, batch: Batch, news: _News) -> list[Entry]:
        """What was written down for a batch; nothing where its throttles are not known or something would be refused.

        Topics of which that holds are left alone from then on.
        """
        alive = running(round.survey.brokers)
        found = await moves.throttles([node for node in batch.nodes if node in alive], batch.topics)
        known = {place: value for place, value in found.items() if not isinstance(value, Unknown)}
        unknown = [refusal(place[0], place[1], value) for place, value in found.items() if isinstance(value, Unknown)]
        entries = entries_for(batch.raises, batch.policy, batch.rate, known)
        refused: Collection[Refusal] = unknown or await moves.refusals({one.place: one.written for one in settings_of(entries)})
        news.lack(list(dict.fromkeys(one.why for one in refused if one.topic is None)))
        self._refuse(round, batch.policy, {one.topic: one.why for one in refused if one.topic is not None}, REFUSED)
        if refused or not round.may_act(batch.policy):
            return []
        problem = await self._ledger.add(entries)
        if problem is not None:
            news.gaps.append(Gap(Reason.API_SERVER_UNREACHABLE, problem.message))
            return []
        return entries

    async def _asked(self, round: Round, moves: ReplicaMoves, batch: Batch, news: _News) -> list[Raise]:
        """The copies that the brokers have begun to make: of what is still as it was planned, right before."""
        under_way = await moves.under_way()
        now = await moves.replicas(batch.topics)
        if isinstance(under_way, Unknown):
            news.lack([under_way])
            return []
        raises = still_as_planned(batch, under_way, now)
        if under_way or not raises or not round.may_act(batch.policy):
            return []  # the throttle is taken away with the next audit, and all is planned anew
        refused = await moves.move({one.partition: one.target for one in raises})
        if isinstance(refused, Unknown):
            news.lack([refused])
            return []
        accepted = [one for one in raises if one.partition not in refused]
        in_part = {one.partition.topic for one in accepted}
        news.lack(list(dict.fromkeys(why for partition, why in refused.items() if partition.topic in in_part)))
        self._refuse(round, batch.policy, {partition.topic: why for partition, why in refused.items()}, CALLED_OFF)
        return accepted


def _unknown_to_all(round: Round, gap: Gap) -> Mapping[str, Seen]:
    return {wishes.name: unknown_to(wishes, round.survey, gap) for wishes in round.policies}


def _id_of(round: Round, topic: str) -> str:
    """The id of what has this name; empty where that is not known."""
    return round.survey.topics[topic].id if topic in round.survey.topics else ""


def _waits_for(others: Sequence[Partition]) -> str:
    topics = listed(list(dict.fromkeys(partition.topic for partition in others)))
    return f"somebody else is moving partitions of {topics} ({COMPARE}): it waits for that"
