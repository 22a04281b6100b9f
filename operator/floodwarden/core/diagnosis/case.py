"""What one diagnosis looks at, what a question may answer, and the few words that all of them use. ``diagnose`` asks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from floodwarden.core.assess import Assessment
from floodwarden.core.conditions import Condition
from floodwarden.core.decide import Decision
from floodwarden.core.diagnosis.cause import Cause, Finding
from floodwarden.core.history import History
from floodwarden.core.memory import Memory
from floodwarden.core.reasons import Reason
from floodwarden.core.target import Pod, PodTrouble, Target

MOST = 0.5  # of the backlog that one thing must explain to be the cause, where it is seen as such
ENOUGH = 0.3  # of the backlog that must have come, not been consumed or be old, where that is counted

# Gaps that leave it known what came and went: messages that are gone are not read, but counted.
HARMLESS: Final = frozenset({Reason.OFFSET_BELOW_LOG_START})


class Patience(Enum):
    """What is seen may turn out to be a cause in a moment: nothing is concluded from rates until then."""

    WAIT = auto()


Answer = Finding | Patience | None


@dataclass(frozen=True, slots=True)
class Case:
    """All that one diagnosis looks at. ``stalled``: the condition of that name, as it is told."""

    seen: Assessment
    history: History
    target: Target | None
    decision: Decision
    stalled: Condition
    memory: Memory
    now: float

    @property
    def lag(self) -> int:
        return self.seen.settled_lag or self.seen.lag or 0

    @property
    def whole(self) -> bool:
        """Whether what came and went is known of every partition."""
        return all(gap.reason in HARMLESS for gap in self.seen.gaps)

    @property
    def told(self) -> Cause:
        return self.memory.verdict.told.cause if self.memory.verdict is not None else Cause.NONE

    def explains(self, messages: int) -> bool:
        """Whether so many messages are most of the backlog."""
        return messages > 0 and messages >= MOST * self.lag


TROUBLES: Final = (
    (PodTrouble.CRASHING, Cause.CONSUMERS_CRASHING, "end again and again"),
    (PodTrouble.UNSCHEDULABLE, Cause.CONSUMERS_UNSCHEDULABLE, "find no node"),
)


def pods_say(pods: tuple[Pod, ...], target: Target, doing: str) -> str:
    detail = f": {pods[0].detail}" if pods[0].detail else ""
    return f"{len(pods)} of {target.replicas} pods {doing} ({some(pod.name for pod in pods)}{detail})"


def count(number: int, what: str) -> str:
    """Such as ``1 replica`` and ``2 replicas``."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def some(names: Iterable[object]) -> str:
    """The first three by name, and how many more."""
    given = [str(name) for name in names]
    return ", ".join(given[:3]) + (f" and {len(given) - 3} more" if len(given) > 3 else "")
