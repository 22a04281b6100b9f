"""What is told of the causes found: what lasts, and an Event for each change that is news."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

from floodwarden.core.conditions import Condition, Notice, Type
from floodwarden.core.diagnosis.cause import NOTHING, Cause, Confidence, Finding, Verdict
from floodwarden.core.diagnosis.verdict import FIRST_LASTS, OTHER_LASTS, REFRESH_EVERY, WELL_FOR, cause_notice, judged
from floodwarden.core.reasons import ADVICE, Reason

ROSE = Finding(Cause.PRODUCTION_ROSE, "orders gets 700 messages/s", Confidence.MEDIUM)
FELL = Finding(Cause.CONSUMPTION_FELL, "all 2 members are behind")
STALLED = Finding(Cause.PARTITION_STALLED, "orders-3: 40 messages wait")


@dataclass
class Telling:
    """A verdict second by second; ``told`` holds the Events."""

    reason: Reason = Reason.MOVING  # of the condition Stalled
    verdict: Verdict | None = None
    now: float = 1000.0
    told: list[Notice] = field(default_factory=list)

    def find(self, finding: Finding | None, seconds: float) -> Self:
        for _ in range(round(seconds)):
            self.now += 1.0
            shown = {Type.STALLED: Condition(Type.STALLED, True, self.reason, "")}
            notice, self.verdict = cause_notice(self.verdict, judged(self.verdict, finding, self.now), shown, self.now)
            if notice is not None:
                self.told.append(notice)
        return self

    @property
    def cause(self) -> Cause:
        return self.verdict.told.cause if self.verdict is not None else Cause.NONE

    @property
    def reasons(self) -> list[Reason]:
        return [notice.reason for notice in self.told]


def test_an_event_has_the_numbers_and_what_to_do() -> None:
    """And how sure it is."""
    (notice,) = Telling().find(ROSE, 5).told
    assert notice.warning
    assert notice.message == f"orders gets 700 messages/s (confidence Medium). {ADVICE[Reason.PRODUCTION_ROSE]}"


def test_a_glimpse_tells_nothing() -> None:
    """What is found for a moment only, or by turns, does not take the place of what is told."""
    telling = Telling().find(ROSE, FIRST_LASTS - 1).find(NOTHING, 1)
    assert (telling.cause, telling.told) == (Cause.NONE, [])
    telling.find(ROSE, 5)
    for _ in range(5):
        telling.find(FELL, OTHER_LASTS - 1).find(ROSE, 1)
    assert (telling.cause, telling.reasons) == (Cause.PRODUCTION_ROSE, [Reason.PRODUCTION_ROSE])
    telling.find(FELL, OTHER_LASTS + 1)
    assert telling.cause is Cause.CONSUMPTION_FELL


def test_causes_that_take_turns_slowly_are_told_once_each() -> None:
    """The status follows, Events do not repeat themselves."""
    telling = Telling()
    for _ in range(5):
        telling.find(ROSE, 20).find(FELL, 20)
    assert telling.cause is Cause.CONSUMPTION_FELL
    assert telling.reasons == [Reason.PRODUCTION_ROSE, Reason.CONSUMPTION_FELL]


def test_the_next_backlog_is_told_again() -> None:
    """Once all was well for a while; a limit that is passed again at once is the same story."""
    telling = Telling().find(ROSE, 20).find(NOTHING, WELL_FOR / 2).find(ROSE, 20)
    assert telling.reasons == [Reason.PRODUCTION_ROSE]
    telling.find(NOTHING, WELL_FOR + 5).find(ROSE, 20)
    assert telling.reasons == 2 * [Reason.PRODUCTION_ROSE]


def test_what_a_condition_tells_is_not_told_twice() -> None:
    """A partition that stands still has its Event by the condition; another word in the condition does not count."""
    assert Telling(Reason.PARTITION_STALLED).find(STALLED, 20).told == []
    assert Telling(Reason.PARTITION_HOT).find(STALLED, 20).reasons == [Reason.PARTITION_STALLED]


def test_nothing_is_told_of_what_is_not_known() -> None:
    """Nor that the reading is lost, which the condition Ready tells, nor that all is well."""
    telling = Telling().find(Finding(Cause.NOT_KNOWN, "x"), 60).find(Finding(Cause.READING_LOST, "x"), 60).find(NOTHING, 60)
    assert telling.told == []


def test_numbers_are_brought_up_to_date_now_and_then() -> None:
    """The same cause with other numbers, but not at every sweep: each would be a write of the status."""
    telling = Telling().find(ROSE, 5)
    newer = Finding(Cause.PRODUCTION_ROSE, "orders gets 900 messages/s", Confidence.HIGH)
    telling.find(newer, REFRESH_EVERY - 5)
    assert telling.verdict is not None
    assert telling.verdict.told == ROSE
    since = telling.verdict.since
    telling.find(newer, 5)
    assert (telling.verdict.told, telling.verdict.since) == (newer, since)
    assert len(telling.told) == 1


def test_where_nothing_new_is_found_all_stays() -> None:
    """The very same verdict, so that nobody has to compare."""
    telling = Telling().find(ROSE, 5)
    verdict = telling.verdict
    assert telling.find(None, 100).verdict is verdict
    assert Telling().find(NOTHING, 10).verdict is None
