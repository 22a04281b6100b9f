"""What was written counts as repaired only where it is seen to be there afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import pytest

from floodwarden.brokers.base import BrokerError
from floodwarden.core.delivery.audit import Findings, audit
from floodwarden.core.delivery.story import Audited
from floodwarden.core.delivery.survey import Change, Survey
from floodwarden.core.delivery.violations import MIN_IN_SYNC
from floodwarden.core.observation import Unknown, UnknownReason
from floodwarden.sweep.repairs import repaired
from tests.support.delivery import IN_SYNC_2, survey, topic, wishes

POLICY = replace(wishes(IN_SYNC_2, factor=3), name="shop/safe")
LOW, HIGH = {MIN_IN_SYNC: "1"}, {MIN_IN_SYNC: "2"}
AWAY = Unknown(UnknownReason.TIMEOUT, "node 2 did not answer in time")
BEFORE = survey(topic(own=LOW))


@dataclass(frozen=True)
class Case:
    name: str
    after: Survey | BrokerError
    failed: str  # what is told; empty where it is repaired


CASES = (
    Case("as it was written", survey(topic(own=HIGH)), ""),
    Case("as it was before", survey(topic(own=LOW)), "the broker accepted it, but it reads back as 1"),
    Case("not to be told", survey(topic(own=AWAY)), "the broker accepted it, but it could not be read back"),
    Case("as before, and must not be written now", survey(topic(own=LOW, in_sync=[(0,)])), "but it reads back as 1"),
    Case("nobody answers", BrokerError(UnknownReason.TIMEOUT, "nobody"), "it was written, but could not be read back: nobody"),
)


async def outcome(after: Survey | BrokerError, refused: Mapping[Change, Unknown] | None = None) -> Audited:
    """The audit of one policy that found too few in sync."""

    async def write(wanted: Mapping[Change, str]) -> Mapping[Change, Unknown]:
        assert list(wanted.values()) == ["shop/safe"]
        return dict.fromkeys(wanted, AWAY) if refused is not None else {}

    async def again(written: object) -> Survey:
        if isinstance(after, BrokerError):
            raise after
        return after

    async def judge(found: Survey) -> Mapping[str, Findings]:
        return audit(found, [POLICY], {})

    return (await repaired(BEFORE, judge, write, again, lambda _: True))["shop/safe"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_read_back(case: Case) -> None:
    """The setting is repaired, or it has failed; never both, and never neither."""
    found = await outcome(case.after)
    assert len(found.written) + len(found.failed) == 1
    if case.failed:
        (why,) = found.failed.values()
        assert case.failed in why.detail
    else:
        assert [change.setting for change in found.written] == [MIN_IN_SYNC]


async def test_what_was_refused_has_failed_whatever_is_read() -> None:
    """Somebody else may have set it at the same moment."""
    found = await outcome(survey(topic(own=HIGH)), refused={})
    assert (found.written, list(found.failed.values())) == ((), [AWAY])


@pytest.mark.parametrize("fails", [False, True], ids=["written", "refused"])
async def test_what_two_policies_ask_for(fails: bool) -> None:
    """It is written once, and told to each of them; a policy that may not act now is told nothing."""
    shared, own = (
        Change("broker-a", "fileReservedTime", "168", "72", "broker"),
        Change("billing", "retryMaxTimes", "5", "16", "group"),
    )
    asked = {"shop/a": (shared,), "shop/b": (shared, own), "shop/c": (shared,)}
    writes: list[Mapping[Change, str]] = []

    async def judge(written: bool) -> Mapping[str, Findings]:
        return {name: Findings(1, 3, changes=() if written and not fails else changes) for name, changes in asked.items()}

    async def write(changes: Mapping[Change, str]) -> Mapping[Change, Unknown]:
        writes.append(changes)
        return {shared: AWAY} if fails else {}

    async def again(written: object) -> bool:
        return True

    found = await repaired(False, judge, write, again, lambda name: name != "shop/c")
    assert writes == [{shared: "shop/a", own: "shop/b"}]
    told = {name: set(one.failed if fails else one.written) for name, one in found.items()}
    assert told == {"shop/a": {shared}, "shop/b": {shared, own}, "shop/c": set()}


@pytest.mark.parametrize(
    ("kind", "unread", "told"),
    [
        pytest.param("broker", "broker", True, id="a node, where some node is not known"),
        pytest.param("group", "broker", False, id="a group, where some node is not known"),
        pytest.param("group", "*", True, id="where nothing is taken for known"),
        pytest.param("operator policy", "operator policy safe", True, id="that very thing"),
        pytest.param("operator policy", "queue orders", False, id="something else"),
    ],
)
async def test_what_was_not_read_back(kind: str, unread: str, told: bool) -> None:
    """Whatever it is called on other brokers than Kafka's."""
    wanted = Change("safe", "limit", "5", "not set", kind)
    before, after = Findings(1, 3, changes=(wanted,)), Findings(1, 3, unread=frozenset({unread}))

    async def write(changes: Mapping[Change, str]) -> Mapping[Change, Unknown]:
        return {}

    async def again(written: object) -> bool:
        return True

    async def judge(read: bool) -> Mapping[str, Findings]:
        return {"shop/safe": after if read else before}

    audits = await repaired(False, judge, write, again, lambda _: True)
    found = audits["shop/safe"]
    assert (bool(found.failed), bool(found.written)) == (told, not told)
