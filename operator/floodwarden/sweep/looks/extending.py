"""Extends the retention of topics whose unread messages would expire, and puts it back; ``guarding`` asks.

Written down, then done, then read back; undone, read back, then forgotten. Killed at any point, the next audit goes on from what
the ledger and the topic say: see ``core.delivery.extension``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

import structlog

from floodwarden.brokers.base import BrokerError
from floodwarden.core.assess import Gap
from floodwarden.core.conditions import Notice
from floodwarden.core.delivery.effective import gap_of
from floodwarden.core.delivery.extension import Extension, Plan, Restoring, Standing
from floodwarden.core.delivery.keeping import SETTINGS, own_retention
from floodwarden.core.delivery.ledger import Entry, Purpose
from floodwarden.core.delivery.survey import Change, Survey
from floodwarden.core.delivery.violations import listed
from floodwarden.core.delivery.wishes import RETENTION, worded
from floodwarden.core.observation import Unknown, UnknownReason
from floodwarden.core.reasons import Reason
from floodwarden.sweep.ledger import BrokerLedger
from floodwarden.sweep.looks.base import Round

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Done:
    """What came of it: topics that are extended now, why others could not be, topics that somebody else has changed, and what
    each policy is told."""

    extended: dict[str, int] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    theirs: set[str] = field(default_factory=set)
    notices: dict[str, list[Notice]] = field(default_factory=lambda: defaultdict(list))
    gaps: dict[str, list[Gap]] = field(default_factory=lambda: defaultdict(list))


class Extending:
    """The writing half of the guard of one MessageBroker."""

    def __init__(self, ledger: BrokerLedger) -> None:
        self._ledger = ledger
        self._tried: dict[str, Extension] = {}  # by topic; written, and not read back yet
        self._in_force: set[str] = set()  # topics whose retention was seen to be extended, and not to be put back

    async def carry_out(self, plan: Plan, round: Round) -> Done:
        """Do what is planned, as far as may be done now."""
        done = Done()
        ours = [entry for entry in self._ledger.entries if entry.purpose is Purpose.GUARD]
        there = {entry.name for entry in ours if _own(round.survey, entry.name) == entry.written}
        for topic in there & self._tried.keys():  # it arrived, although nobody could read it back then
            self._tell_extended(self._tried[topic], done)
        self._tried.clear()
        self._in_force |= there
        if plan.drop and round.may_undo():
            await self._forget(plan.drop, done)
        names = {*(one.topic for one in plan.extend), *(one.entry.name for one in plan.restore)}
        if not names:
            return done
        try:
            # Others may have written since the survey, above all the repairs of this very audit.
            fresh = await round.adapter.survey(names.__contains__, SETTINGS)
            wanted = await self._written_down(plan, round, fresh, done)
            undone = {_back(one): one for one in plan.restore if _own(fresh, one.entry.name) == one.entry.written}
            changes: list[Change] = []
            if round.may_undo():
                changes += undone
            changes += (change for change, one in wanted.items() if round.may_act(one.policy))
            if changes:
                self._tried = {wanted[change].topic: wanted[change] for change in changes if change in wanted}
                refused = await round.adapter.write(changes)
                back = await round.adapter.survey(names.__contains__, SETTINGS)
                failed = {change: _failure(change, refused, back) for change in changes}
                self._extended({change: wanted[change] for change in changes if change in wanted}, failed, done)
                await self._restored({change: undone[change] for change in changes if change in undone}, failed, done)
        except BrokerError as error:
            for one in plan.extend:
                done.failed.setdefault(one.topic, str(error))
            for undoing in plan.restore:
                done.gaps[undoing.entry.policy].append(Gap(Reason(error.reason.value), str(error)))
        return done

    async def _written_down(self, plan: Plan, round: Round, fresh: Survey, done: Done) -> dict[Change, Extension]:
        """The extensions that are in the ledger now, as what is to be written for each."""
        entries: dict[Entry, Extension] = {}
        stale: list[Entry] = []
        for one in plan.extend:
            own = _own(fresh, one.topic)
            if isinstance(own, Unknown):
                done.failed[one.topic] = own.detail
            elif own != _own(round.survey, one.topic):
                continue  # it has just been set anew: the next audit looks at it as it is
            elif round.may_act(one.policy):
                entry = one.entry(own)
                entries[entry] = one
                # It may have been asked for another value before it came to anything: nothing of that is there to be undone.
                stale += (old for old in self._ledger.entries if old.place == entry.place and old.written != entry.written)
        if not entries:
            return {}
        problem = (await self._ledger.drop(stale) if stale else None) or await self._ledger.add(list(entries))
        if problem is not None:
            for one in entries.values():
                done.failed[one.topic] = problem.message
                done.gaps[one.policy].append(Gap(Reason.API_SERVER_UNREACHABLE, problem.message))
            return {}
        return {Change(entry.name, entry.setting, entry.written, _words(entry.before)): one for entry, one in entries.items()}

    def _extended(self, wanted: Mapping[Change, Extension], failed: Mapping[Change, Gap | None], done: Done) -> None:
        self._tried.clear()
        for change, one in wanted.items():
            failure = failed[change]
            if failure is not None:
                done.failed[one.topic] = failure.message
                continue
            done.extended[one.topic] = one.to
            self._in_force.add(one.topic)
            _log.info("retention extended", policy=one.policy, topic=one.topic, before=change.before, to=_words(str(one.to)))
            self._tell_extended(one, done)

    def _tell_extended(self, one: Extension, done: Done) -> None:
        before = next(entry.before for entry in self._ledger.entries if entry.place == one.entry(None).place)
        groups = listed(one.groups)
        until = f"groups {groups} have" if len(one.groups) > 1 else f"group {groups} has"
        text = f"retention.ms of topic {one.topic} was {_words(before)}; it is {_words(str(one.to))} until {until} caught up"
        done.notices[one.policy].append(Notice(False, Reason.RETENTION_EXTENDED, text))

    async def _restored(self, undone: Mapping[Change, Restoring], failed: Mapping[Change, Gap | None], done: Done) -> None:
        for change, one in undone.items():
            entry, failure = one.entry, failed[change]
            if failure is not None:
                message = f"retention.ms of topic {entry.name} could not be put back to {_words(one.value)}: {failure.message}"
                _log.warning("retention not restored", topic=entry.name, why=failure.message)
                done.gaps[entry.policy].append(Gap(failure.reason, message))
        good = [one for change, one in undone.items() if failed[change] is None]
        for one in good:
            _log.info("retention restored", policy=one.entry.policy, topic=one.entry.name, to=_words(one.value))
            self._tell_restored(one, done)
        problem = await self._ledger.drop([one.entry for one in good]) if good else None
        if problem is not None:  # the next audit finds that nothing is left to be undone
            _log.warning("ledger not written", why=problem.message)

    def _tell_restored(self, one: Restoring, done: Done) -> None:
        entry = one.entry
        self._in_force.discard(entry.name)
        now = "again" if one.value == entry.before else "now: a policy asks for that"
        text = f"retention.ms of topic {entry.name} was extended to {_words(entry.written)}; it is {_words(one.value)} {now}"
        done.notices[entry.policy].append(Notice(False, Reason.RETENTION_RESTORED, text))

    async def _forget(self, drop: Mapping[Entry, Standing], done: Done) -> None:
        """Drop entries of which nothing is left to be undone, and say so where somebody else has seen to it."""
        problem = await self._ledger.drop(list(drop))
        if problem is not None:
            _log.warning("ledger not written", why=problem.message)
            return
        for entry, stands in drop.items():
            _log.info("extension forgotten", topic=entry.name, stands=stands.value, before=entry.before, written=entry.written)
            if stands is Standing.THEIRS:
                done.theirs.add(entry.name)
                extended = _words(entry.written)
                text = f"retention.ms of topic {entry.name} was set anew while it was extended to {extended}: it is left so"
                done.notices[entry.policy].append(Notice(True, Reason.RETENTION_RESTORED, text))
            elif entry.name in self._in_force and stands is Standing.NOT_YET:  # it was put back, but could not be read back then
                self._tell_restored(Restoring(entry, entry.before), done)
            self._in_force.discard(entry.name)


def _own(survey: Survey, topic: str) -> str | Unknown | None:
    found = survey.topics.get(topic)
    if found is None:
        return Unknown(UnknownReason.TOPIC_MISSING, f"topic {topic} was not found")
    return own_retention(found)


def _back(one: Restoring) -> Change:
    return Change(one.entry.name, one.entry.setting, one.value, _words(one.entry.written))


def _failure(change: Change, refused: Mapping[Change, Unknown], back: Survey) -> Gap | None:
    """Why a change is not there; None where it is."""
    if change in refused:
        return gap_of(refused[change])
    own = _own(back, change.name)
    if isinstance(own, Unknown):
        return gap_of(own)
    return (
        None if own == change.value else Gap(Reason.BROKER_ERROR, f"the broker accepted it, but it reads back as {_words(own)}")
    )


def _words(own: str | None) -> str:
    return worded(RETENTION, own) if own is not None else "what brokers give it"
