"""One sweep's diagnosis, from what usually arrives to the Event: what ``sweep.watch`` calls after each decision.

Where all is well nothing is asked: a thousand policies at rest cost what the usual level costs, every ten seconds.
"""

from __future__ import annotations

from dataclasses import replace

from floodwarden.core.assess import Assessment
from floodwarden.core.conditions import Conditions, Notice, Type
from floodwarden.core.decide import Decision
from floodwarden.core.diagnosis.case import Case
from floodwarden.core.diagnosis.cause import Cause
from floodwarden.core.diagnosis.diagnose import diagnose
from floodwarden.core.diagnosis.unrest import unrest
from floodwarden.core.diagnosis.usual import learnt
from floodwarden.core.diagnosis.verdict import cause_notice, judged
from floodwarden.core.history import History
from floodwarden.core.memory import Memory
from floodwarden.core.policy import Policy
from floodwarden.core.target import Target


def follow_cause(
    policy: Policy,
    seen: Assessment,
    history: History,
    target: Target | None,
    decision: Decision,
    shown: Conditions,
    memory: Memory,
    now: float,
) -> tuple[Memory, Notice | None]:
    """The memory with the usual level and the verdict as they are after this sweep, and the Event where the cause changed."""
    usual = learnt(memory.usual, policy, seen, target.replicas if target else None, decision.over, now)
    restless = unrest(memory.unrest, seen, now)
    if usual is not memory.usual or restless is not memory.unrest:
        memory = replace(memory, usual=usual, unrest=restless)
    verdict, stalled = memory.verdict, shown[Type.STALLED]
    well = verdict is None or (verdict.told.cause is Cause.NONE and verdict.suspect is None)
    if well and decision.over is False and not stalled.status:
        return memory, None
    found = diagnose(Case(seen, history, target, decision, stalled, memory, now))
    notice, after = cause_notice(verdict, judged(verdict, found, now), shown, now)
    return (memory if after is verdict else replace(memory, verdict=after)), notice
