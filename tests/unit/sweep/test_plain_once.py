"""What may be done once only is written down before it is done, and never done again: not by a restart, nor after a failure."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from floodwarden.core.delivery.ledger import REMEMBERED, Entry, Purpose, Resource
from floodwarden.core.delivery.survey import Change
from floodwarden.core.observation import Unknown, UnknownReason
from floodwarden.sweep import clock
from floodwarden.sweep.audits import plain
from tests.unit.sweep.test_plain_audit import REFUSED, SAFE, Rabbit, World


class Halves(Rabbit):
    """Brokers on which these messages were given up; each acting policy wants all of them put back."""

    keys: tuple[str, ...] = ("K0",)
    failing: Unknown | None = None

    def _changes(self, one, found):  # type: ignore[no-untyped-def]
        wanted = [Change(key, "state", "waiting", "given up", "half message") for key in self.keys]
        return wanted if one.acts else []

    async def write(self, changes):  # type: ignore[no-untyped-def]
        if self.failing is not None:
            return dict.fromkeys(changes, self.failing)
        return await super().write(changes)


def world(*entries: Entry, keys: tuple[str, ...] = ("K0",), failing: Unknown | None = None) -> World:
    """With these in the ledger."""
    made = World(*entries)
    made.rabbit = Halves(made.kept)
    made.rabbit.keys, made.rabbit.failing = keys, failing
    return made


def entry(key: str, ago: float = 0.0) -> Entry:
    """That it was put back."""
    at = (clock.wall() - timedelta(seconds=ago)).replace(microsecond=0).isoformat()
    return Entry(Purpose.ONCE, Resource.HALF_MESSAGE, key, "state", "given up", at, "shop/safe")


async def test_each_once() -> None:
    """Written down first; and the next audit, by another process, leaves it alone although it is found again."""
    there = world()
    found = (await there.audit(SAFE))["shop/safe"]
    assert [change.name for change in found.written] == ["K0"]
    assert there.rabbit.written_down == [True]
    again = (await there.audit(SAFE))["shop/safe"]
    assert (again.written, dict(again.failed), there.rabbit.written_down) == ((), {}, [True])


async def test_a_few_with_each_audit() -> None:
    """The others with the next ones."""
    keys = tuple(f"K{number:02}" for number in range(plain.ONCE_AT_MOST + 3))
    there = world(keys=keys)
    assert tuple(change.name for change in (await there.audit(SAFE))["shop/safe"].written) == keys[: plain.ONCE_AT_MOST]
    assert tuple(change.name for change in (await there.audit(SAFE))["shop/safe"].written) == keys[plain.ONCE_AT_MOST :]


UNSURE = Unknown(UnknownReason.TIMEOUT, "no answer in time")


@pytest.mark.parametrize(("why", "tries"), [(REFUSED, 2), (UNSURE, 1)], ids=["refused for certain", "it may have been done"])
async def test_what_failed(why: Unknown, tries: int) -> None:
    """It is told, and tried again only where it was not done for certain."""
    there = world(failing=why)
    audits = [(await there.audit(SAFE))["shop/safe"] for _ in range(3)]
    assert [list(one.failed.values()) for one in audits[:2]] == [[why], [why] if tries > 1 else []]
    there.rabbit.failing = None  # type: ignore[attr-defined]
    last = (await there.audit(SAFE))["shop/safe"]
    assert bool(last.written) == (tries > 1)


async def test_what_cannot_be_written_down_is_not_done() -> None:
    """It could be done twice."""
    there = world()
    there.kept.lost = ["write"]
    found = (await there.audit(SAFE))["shop/safe"]
    assert (there.rabbit.written_down, len(found.failed)) == ([], 1)


async def test_nothing_is_done_where_it_is_not_asked_for() -> None:
    there = world()
    await there.audit(replace(SAFE, acts=False, enforces=False))
    assert there.rabbit.written_down == []


async def test_it_is_remembered_for_a_week() -> None:
    """What is older than that is not put back in any case."""
    there = world(entry("K1", REMEMBERED + 60), entry("K2", REMEMBERED - 60), keys=())
    await there.audit(SAFE)
    assert ("K1" in there.kept.text, "K2" in there.kept.text) == (False, True)


async def test_no_more_than_can_be_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """That is told."""
    monkeypatch.setattr(plain, "ONCE_KEPT", 2)
    there = world(entry("K1"), entry("K2"))
    found = (await there.audit(SAFE))["shop/safe"]
    assert (found.written, there.rabbit.written_down) == ((), [])
    assert ["put back within a week" in gap.message for gap in found.findings.gaps] == [True]


async def test_it_stands_in_nobodys_way() -> None:
    """There is nothing to undo on the brokers it was done on, should others answer now; nor is it taken away."""
    there = world(entry("K1"), keys=("K2",))
    await there.audit(SAFE)
    there.rabbit.cluster = "others"
    found = (await there.audit(SAFE))["shop/safe"]
    assert found.hindered is None
    assert (there.told, "K1" in there.kept.text) == ([], True)
