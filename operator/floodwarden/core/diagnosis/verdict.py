"""What is told of the causes found: one that lasts, for as long as nothing else lasts, and an Event for each change.

A cause that is found must last a moment before it takes the place of another one; so one sweep tells nothing wrong, and two
that alternate do not tell each other away. Pure; the verdict is kept in status across restarts.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

from floodwarden.core.conditions import Conditions, Notice
from floodwarden.core.diagnosis.cause import NO_CAUSE, NOTHING, Cause, Finding, Verdict
from floodwarden.core.reasons import ADVICE, Reason

FIRST_LASTS = 3.0  # seconds for which a first cause must be found
OTHER_LASTS = 10.0  # the same for one that takes the place of another
NOT_KNOWN_LASTS = 30.0  # seconds for which none must be found until that is told
NODE_LASTS = 30.0  # seconds for which pods may wait for a node that is just being added
SOONEST_AGAIN = 600.0  # seconds within which an Event tells the same cause once, unless all was well in between
WELL_FOR = 60.0  # seconds without a backlog after which a cause that returns is another one
REFRESH_EVERY = 30.0  # seconds after which the numbers of the same cause are brought up to date


def judged(verdict: Verdict | None, found: Finding | None, now: float) -> Verdict | None:
    """The verdict after one more finding; the very same where nothing changes. None as long as nothing was ever amiss."""
    if found is None:
        return verdict if verdict is None or verdict.suspect is None else replace(verdict, suspect=None)
    if verdict is None:
        if found.cause is Cause.NONE:
            return None
        verdict = Verdict(NOTHING, now - WELL_FOR, now)
    if found.cause is verdict.told.cause:
        if found.cause is not Cause.NONE and found != verdict.told and now - verdict.refreshed_at >= REFRESH_EVERY:
            return replace(verdict, told=found, refreshed_at=now, suspect=None)
        return verdict if verdict.suspect is None else replace(verdict, suspect=None)
    if found.cause is not verdict.suspect:
        verdict = replace(verdict, suspect=found.cause, suspect_since=now)
    if now - verdict.suspect_since < _lasts(verdict.told.cause, found.cause):
        return verdict
    return Verdict(found, verdict.suspect_since, now, told_at=_remembered(verdict, now))


def cause_notice(
    before: Verdict | None, after: Verdict | None, shown: Conditions, now: float
) -> tuple[Notice | None, Verdict | None]:
    """The Event that a change of the verdict is worth, and the verdict that remembers it.

    None where a condition has just told the very same, where the same was told lately, and for what is no cause: a lost
    reading and a backlog that is gone have Events of their own.
    """
    if after is None or after.told.cause in NO_CAUSE or (before is not None and before.told.cause is after.told.cause):
        return None, after
    cause = after.told.cause
    lately = now - after.told_at.get(cause, float("-inf")) < SOONEST_AGAIN
    remembered = replace(after, told_at=MappingProxyType({**after.told_at, cause: now}))
    if lately or any(condition.reason.value == cause.value for condition in shown.values()):
        return None, remembered
    reason = Reason(cause.value)
    text = f"{after.told.message} (confidence {after.told.confidence}). {ADVICE[reason]}"
    return Notice(True, reason, text), remembered


def _lasts(told: Cause, found: Cause) -> float:
    if found is Cause.READING_LOST:
        return 0.0  # it was unknown for long enough already
    if found is Cause.NOT_KNOWN and told is not Cause.READING_LOST:
        return NOT_KNOWN_LASTS
    if found is Cause.CONSUMERS_UNSCHEDULABLE:
        return NODE_LASTS
    return FIRST_LASTS if told in NO_CAUSE or found is Cause.NONE else OTHER_LASTS


def _remembered(verdict: Verdict, now: float) -> MappingProxyType[Cause, float]:
    """What Events told lately; nothing of it once all has been well for a while."""
    well = verdict.told.cause is Cause.NONE and now - verdict.since >= WELL_FOR
    return MappingProxyType({} if well else dict(verdict.told_at))
