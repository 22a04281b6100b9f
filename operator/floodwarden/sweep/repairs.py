"""Writes what an audit found different and may be written, reads it back, and says what is left. ``audits`` ask."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import TypeVar

import structlog

from floodwarden.brokers.base import BrokerError
from floodwarden.core.delivery.audit import Findings
from floodwarden.core.delivery.story import Audited
from floodwarden.core.delivery.survey import Change
from floodwarden.core.delivery.violations import EVERYTHING
from floodwarden.core.observation import Unknown, UnknownReason

_log = structlog.get_logger(__name__)

Found = TypeVar("Found")


async def repaired(
    found: Found,
    judge: Callable[[Found], Awaitable[Mapping[str, Findings]]],
    write: Callable[[Mapping[Change, str]], Awaitable[Mapping[Change, Unknown]]],
    again: Callable[[Collection[Change]], Awaitable[Found]],
    may_act: Callable[[str], bool],
) -> dict[str, Audited]:
    """What is left for each policy, by its name, after what differs was written as far as ``may_act`` allows that policy now.

    ``judge`` tells the findings of each policy; ``write`` is given a policy that asks for each change, by its name, and tells
    what was refused; ``again`` looks once more after these changes were written. What several policies ask for, as they may of a
    broker, is written once and told to each of them.
    """
    judged = await judge(found)
    wanted: dict[Change, list[str]] = defaultdict(list)
    for name, findings in judged.items():
        for change in findings.changes if may_act(name) else ():
            wanted[change].append(name)
    if not wanted:
        return {name: Audited(findings) for name, findings in judged.items()}
    refused = await write({change: names[0] for change, names in wanted.items()})
    try:
        left = await judge(await again(list(wanted)))
    except BrokerError as error:
        lost = Unknown(error.reason, f"it was written, but could not be read back: {error}")
        failed = {change: refused.get(change, lost) for change in wanted}
        return {name: Audited(findings, (), _of(name, wanted, failed)) for name, findings in judged.items()}
    failed = {
        change: why
        for change, names in wanted.items()
        if (why := refused.get(change) or next(filter(None, (_against(change, left[name]) for name in names)), None))
    }
    for change, names in wanted.items():
        if change not in failed:
            _log.info("setting repaired", policies=names, of=change.resource, setting=change.setting, value=change.value)
    written = [change for change in wanted if change not in failed]
    return {
        name: Audited(findings, tuple(change for change in written if name in wanted[change]), _of(name, wanted, failed))
        for name, findings in left.items()
    }


def _of(name: str, wanted: Mapping[Change, Collection[str]], failed: Mapping[Change, Unknown]) -> dict[Change, Unknown]:
    """The failures that are one policy's."""
    return {change: why for change, why in failed.items() if name in wanted[change]}


def _against(change: Change, left: Findings) -> Unknown | None:
    """What speaks against it that a change is there which the broker accepted."""
    about = change.resource, change.setting
    found = next((one.before for one in left.changes if (one.resource, one.setting) == about), None)
    found = found or next((one.found for one in left.violations if one.key == about), None)
    if found is not None:
        return Unknown(UnknownReason.BROKER_ERROR, f"the broker accepted it, but it reads back as {found}")
    if left.unread & {change.resource, change.kind, EVERYTHING}:  # all nodes are "broker"
        return Unknown(UnknownReason.BROKER_ERROR, "the broker accepted it, but it could not be read back")
    return None
