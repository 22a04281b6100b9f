"""What becomes of a decision that could not be carried out, and why; ``watch`` acts."""

from __future__ import annotations

from dataclasses import replace

from floodwarden.core.assess import Gap
from floodwarden.core.decide import Decision
from floodwarden.core.reasons import ADVICE, Reason
from floodwarden.core.target import TargetProblem, TargetProblemReason


def gap_of(problem: TargetProblem) -> Gap:
    return Gap(Reason(problem.reason.value), problem.message)


def owners_gap(problem: TargetProblem) -> Gap:
    """Why it is not known who else scales the target."""
    if problem.reason is TargetProblemReason.FORBIDDEN:
        return Gap(Reason.AUTOSCALERS_UNKNOWN, problem.message)
    return gap_of(problem)


def refused(decision: Decision, gap: Gap) -> tuple[Decision, Gap]:
    """The step could not be made, and this is why."""
    return replace(decision, replicas=None, reason=gap.reason, message=gap.message), gap


def put_off(decision: Decision) -> Decision:
    """Somebody was faster: nothing is done now, and the next sweep sees what they did."""
    return replace(decision, replicas=None, reason=Reason.TARGET_CHANGED, message=ADVICE[Reason.TARGET_CHANGED])
