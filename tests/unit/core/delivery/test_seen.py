"""What looks bring is put beside what an audit found."""

from __future__ import annotations

from floodwarden.core.assess import Gap
from floodwarden.core.delivery.audit import Findings
from floodwarden.core.delivery.seen import Seen, with_seen
from floodwarden.core.delivery.violations import FACTOR, Action, Violation
from floodwarden.core.reasons import Reason

FEW = Violation("topic orders", FACTOR, "≥ 3", "1", "topic", Action.REPAIR, "mode Enforce would raise it")
MOVING = Violation("topic orders", FACTOR, "≥ 3", "1", "topic", Action.REPAIR, "copies are being made")
LATE = Violation("topic orders", "unread messages", "none", "5", "group billing", Action.REPORT, "they expire")
AWAY = Gap(Reason.BROKER_UNREACHABLE, "node 1 is away")


def test_a_look_knows_better() -> None:
    """Its violation takes the place of the audit's on the same setting; others stand side by side."""
    found = with_seen(Findings(1, 3, (FEW,)), [Seen((MOVING,)), Seen((LATE,))])
    assert found.violations == (MOVING, LATE)


def test_the_rest_is_added() -> None:
    """A gap that two looks have is one; what is not known of either is not known."""
    found = Findings(1, 3, gaps=(AWAY,), unproven=("acks",), unread=frozenset({"broker"}))
    both = with_seen(found, [Seen(gaps=(AWAY,), unproven=("more",)), Seen(unread=frozenset({"topic orders"}))])
    assert (both.gaps, both.unproven, set(both.unread)) == ((AWAY,), ("acks", "more"), {"broker", "topic orders"})
