"""Writes what an audit found different and may be written, reads it back, and says what is left. ``audit_loop`` asks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

import structlog

from floodwarden.brokers.base import BrokerError, SettingsBroker
from floodwarden.core.delivery.audit import Findings, audit
from floodwarden.core.delivery.story import Audited
from floodwarden.core.delivery.survey import Change, Survey
from floodwarden.core.delivery.wishes import Wishes
from floodwarden.core.observation import Unknown, UnknownReason

_log = structlog.get_logger(__name__)


async def repaired(
    adapter: SettingsBroker,
    survey: Survey,
    wishes: Collection[Wishes],
    owners: Mapping[str, str],
    settings: Collection[str],
    may_act: Callable[[str], bool],
    beside: Collection[Wishes] = (),
) -> dict[str, Audited]:
    """What is left for each policy, by its name, after what differs was written as far as ``may_act`` allows that policy now.

    ``beside``: see ``audit``.
    """
    found = audit(survey, wishes, owners, beside)
    wanted = {change: name for name, findings in found.items() if may_act(name) for change in findings.changes}
    if not wanted:
        return {name: Audited(findings) for name, findings in found.items()}
    refused = await adapter.write(list(wanted))
    topics = {change.name for change in wanted}
    try:
        again = await adapter.survey(topics.__contains__, settings)
    except BrokerError as error:
        lost = Unknown(error.reason, f"it was written, but could not be read back: {error}")
        failed = {change: refused.get(change, lost) for change in wanted}
        return {name: Audited(findings, (), _of(name, wanted, failed)) for name, findings in found.items()}
    others = {name: topic for name, topic in survey.topics.items() if name not in topics}
    left = audit(replace(again, topics={**others, **again.topics}), wishes, owners, beside)
    failed = {
        change: refused.get(change) or _unchanged(change, left[name])
        for change, name in wanted.items()
        if change in refused or _still(change, left[name])
    }
    for change, name in wanted.items():
        if change not in failed:
            _log.info("setting repaired", policy=name, topic=change.name, setting=change.setting, value=change.value)
    written = [change for change in wanted if change not in failed]
    return {
        name: Audited(findings, tuple(change for change in written if wanted[change] == name), _of(name, wanted, failed))
        for name, findings in left.items()
    }


def _of(name: str, wanted: Mapping[Change, str], failed: Mapping[Change, Unknown]) -> dict[Change, Unknown]:
    """The failures that are one policy's."""
    return {change: why for change, why in failed.items() if wanted[change] == name}


def _still(change: Change, findings: Findings) -> bool:
    return (change.name, change.setting) in {(left.name, left.setting) for left in findings.changes}


def _unchanged(change: Change, findings: Findings) -> Unknown:
    found = next(left.before for left in findings.changes if (left.name, left.setting) == (change.name, change.setting))
    return Unknown(UnknownReason.BROKER_ERROR, f"the broker accepted it, but it reads back as {found}")
