"""Writes what an audit found different and may be written, reads it back, and says what is left. ``audits`` ask."""

from __future__ import annotations

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

    ``judge`` tells the findings of each policy; ``write`` is given the policy that asks for each change, by its name, and tells
    what was refused; ``again`` looks once more after these changes were written.
    """
    judged = await judge(found)
    wanted = {change: name for name, findings in judged.items() if may_act(name) for change in findings.changes}
    if not wanted:
        return {name: Audited(findings) for name, findings in judged.items()}
    refused = await write(wanted)
    try:
        left = await judge(await again(list(wanted)))
    except BrokerError as error:
        lost = Unknown(error.reason, f"it was written, but could not be read back: {error}")
        failed = {change: refused.get(change, lost) for change in wanted}
        return {name: Audited(findings, (), _of(name, wanted, failed)) for name, findings in judged.items()}
    failed = {change: why for change, name in wanted.items() if (why := refused.get(change) or _against(change, left[name]))}
    for change, name in wanted.items():
        if change not in failed:
            _log.info("setting repaired", policy=name, of=change.resource, setting=change.setting, value=change.value)
    written = [change for change in wanted if change not in failed]
    return {
        name: Audited(findings, tuple(change for change in written if wanted[change] == name), _of(name, wanted, failed))
        for name, findings in left.items()
    }


def _of(name: str, wanted: Mapping[Change, str], failed: Mapping[Change, Unknown]) -> dict[Change, Unknown]:
    """The failures that are one policy's."""
    return {change: why for change, why in failed.items() if wanted[change] == name}


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
