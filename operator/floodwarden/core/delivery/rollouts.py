"""What becomes of workloads that differ from their policy: told, or corrected, one Deployment's rollout at a time.

Pure. ``workloads`` says what differs; ``sweep.looks.clients`` asks and acts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from floodwarden.core.delivery.clients import Wanted
from floodwarden.core.delivery.violations import Action, Violation, listed
from floodwarden.core.delivery.wishes import Wishes
from floodwarden.core.delivery.workloads import DEPLOYMENT, Place, Workload, differing

Remark = tuple[Action, str]
"""What becomes of a workload's differences, and why."""

CORRECTED: Remark = (Action.REPAIR, "it was corrected with this audit, and its pods are being replaced")
STUBBORN: Remark = (
    Action.REPORT,
    "it was corrected twice and put back each time: change it where this Deployment comes from, such as its chart or repository",
)


@dataclass(frozen=True, slots=True)
class Fix:
    """One variable of one container: what it says, and what it is to say."""

    setting: str
    container: str
    variable: str
    found: str
    value: str


@dataclass(frozen=True, slots=True)
class Correction:
    """All that is to be written to one Deployment, in one rollout."""

    workload: Workload
    fixes: tuple[Fix, ...]

    def told(self) -> str:
        """What was there and what is now, for an Event."""
        each = [
            f"{fix.setting} (container {fix.container}, variable {fix.variable}) was {fix.found} and is {fix.value}"
            for fix in self.fixes
        ]
        return f"{self.workload}: {'; '.join(each)}; its pods are being replaced"


@dataclass(frozen=True, slots=True)
class Plan:
    """Which Deployment is corrected now, if any, and what is said of each workload that differs, by its uid."""

    correction: Correction | None
    remarks: Mapping[str, Remark]


def fixes_of(found: Sequence[Place], wanted: Sequence[Wanted]) -> tuple[Fix, ...]:
    """What a patch of the workload can put right."""
    return tuple(
        Fix(one.setting, *place.variable, found=place.value or "", value=one.value)
        for one in wanted
        for place in differing(found, one)
        if place.variable is not None
    )


def plan(
    wishes: Wishes,
    wanted: Sequence[Wanted],
    found: Sequence[tuple[Workload, Sequence[Place]]],
    stubborn: Callable[[Workload, Fix], bool],
) -> Plan:
    """``found`` are all workloads with the policy's label, in the order of their turns; ``stubborn``: what was corrected before
    and always put back."""
    wrong = [(workload, shown) for workload, shown in found if any(differing(shown, one) for one in wanted)]
    rolling = [workload for workload, _ in found if workload.kind == DEPLOYMENT and not workload.rollout.complete]
    remarks: dict[str, Remark] = {}
    chosen: Correction | None = None
    for workload, shown in wrong:
        fixes = fixes_of(shown, wanted)
        remark = _remark(wishes, workload, fixes, stubborn, rolling)
        if remark is None and chosen is None:
            chosen = Correction(workload, fixes)
        elif remark is None:
            remark = Action.REPAIR, f"it is corrected once {chosen.workload if chosen else workload} has rolled out"
        remarks[workload.uid] = remark or CORRECTED
    return Plan(chosen, remarks)


def _remark(
    wishes: Wishes,
    workload: Workload,
    fixes: Sequence[Fix],
    stubborn: Callable[[Workload, Fix], bool],
    rolling: Sequence[Workload],
) -> Remark | None:
    """Why a workload is not corrected now; None where it may be."""
    if not fixes:
        only = "" if workload.kind == DEPLOYMENT else "; only Deployments can be corrected by Floodwarden"
        return Action.REPORT, f"change it there{only}"
    if not wishes.patches:
        return Action.REPORT, "change it there, or let Floodwarden do so: workloads: Patch in the policy"
    if not wishes.acts:
        return Action.REPAIR, "mode Enforce would correct it"
    if any(stubborn(workload, fix) for fix in fixes):
        return STUBBORN
    if workload.rollout.paused:
        return Action.REPAIR, "its rollouts are paused: it is corrected once they go on (kubectl rollout resume)"
    if rolling:
        return Action.REPAIR, f"it is corrected once {listed([str(one) for one in rolling])} has rolled out"
    return None


def violation(workload: Workload, wanted: Wanted, wrong: Sequence[Place], remark: Remark) -> Violation:
    """A difference of one workload in one setting, wherever it is written."""
    values = dict.fromkeys(place.value or "" for place in wrong)
    action, reason = remark
    where = "; ".join(dict.fromkeys(place.where for place in wrong))
    return Violation(str(workload), wanted.setting, wanted.text, ", ".join(values), where, action, reason)
