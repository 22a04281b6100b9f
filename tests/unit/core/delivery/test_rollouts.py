"""Which Deployment is corrected now, and what is said of each that differs: one rollout at a time, and never a fight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floodwarden.core.delivery.clients import ACKS, IDEMPOTENCE, Role, Wanted
from floodwarden.core.delivery.rollouts import CORRECTED, STUBBORN, Fix, Plan, Remark, fixes_of, plan, violation
from floodwarden.core.delivery.violations import Action
from floodwarden.core.delivery.wishes import Wishes
from floodwarden.core.delivery.workloads import Place, Rollout, Workload
from tests.support.delivery import wishes

WANTED = (Wanted(ACKS, "all", Role.PRODUCER), Wanted(IDEMPOTENCE, "true", Role.PRODUCER))
PATCHES = replace(wishes(), patches=True)
LOOKS = replace(PATCHES, enforces=False, acts=False)
WRONG = (Place(ACKS, "container app, variable ACKS", "1", "", ("app", "ACKS")),)
IN_A_FILE = (Place(ACKS, "container app, /etc/app, ConfigMap app, key x.properties", "1"),)
RIGHT = (Place(ACKS, "container app, variable ACKS", "all", "", ("app", "ACKS")),)
ROLLING, PAUSED = Rollout(complete=False), Rollout(complete=True, paused=True)


def workload(name: str, rollout: Rollout = Rollout(complete=True), kind: str = "Deployment") -> Workload:  # noqa: B008
    return Workload(kind, "shop", name, "safe", f"uid-{name}", "1", (), rollout)


def planned(
    *found: tuple[Workload, Sequence[Place]], policy: Wishes = PATCHES, stubborn: Sequence[str] = ()
) -> tuple[str | None, list[Remark]]:
    """The Deployment that is corrected, and the remarks in the order of ``found``."""
    made: Plan = plan(policy, WANTED, found, lambda one, _: one.name in stubborn)
    named = made.correction.workload.name if made.correction else None
    return named, [made.remarks[one.uid] for one, _ in found if one.uid in made.remarks]


def test_one_after_another() -> None:
    """The first now; the second once that has rolled out."""
    second = (Action.REPAIR, "it is corrected once Deployment shop/a has rolled out")
    assert planned((workload("a"), WRONG), (workload("b"), WRONG)) == ("a", [CORRECTED, second])
    assert planned((workload("a", ROLLING), RIGHT), (workload("b"), WRONG)) == (None, [second])
    assert planned((workload("a"), RIGHT), (workload("b"), WRONG)) == ("b", [CORRECTED])


def test_one_that_is_rolling_out_itself() -> None:
    """It is waited for as well: nobody knows yet whether its last change works."""
    assert planned((workload("a", ROLLING), WRONG))[0] is None


def test_a_paused_one_is_waited_for_and_the_next_goes_on() -> None:
    """A change would do nothing until its rollouts go on."""
    named, remarks = planned((workload("a", PAUSED), WRONG), (workload("b"), WRONG))
    assert named == "b"
    assert "its rollouts are paused" in remarks[0][1]


REMARKS = {
    "the policy only audits workloads": (
        replace(PATCHES, patches=False),
        workload("a"),
        WRONG,
        (Action.REPORT, "workloads: Patch"),
    ),
    "mode Audit": (LOOKS, workload("a"), WRONG, (Action.REPAIR, "mode Enforce would correct it")),
    "it may not act now": (replace(PATCHES, acts=False), workload("a"), WRONG, (Action.REPAIR, "mode Enforce")),
    "it is in a ConfigMap": (PATCHES, workload("a"), IN_A_FILE, (Action.REPORT, "change it there")),
    "a StatefulSet": (
        PATCHES,
        workload("a", kind="StatefulSet"),
        IN_A_FILE,
        (Action.REPORT, "only Deployments can be corrected"),
    ),
}


@pytest.mark.parametrize(("policy", "one", "found", "expected"), REMARKS.values(), ids=REMARKS)
def test_what_is_only_told(policy: Wishes, one: Workload, found: Sequence[Place], expected: Remark) -> None:
    """Nothing is corrected, and the reason says what would have to be."""
    named, ((action, reason),) = planned((one, found), policy=policy)
    assert named is None
    assert action is expected[0]
    assert expected[1] in reason


def test_who_puts_it_back_is_not_fought() -> None:
    """It is told, and does not hold up the others."""
    assert planned((workload("a"), WRONG), (workload("b"), WRONG), stubborn=["a"]) == ("b", [STUBBORN, CORRECTED])


def test_all_of_one_workload_at_once() -> None:
    """One rollout for all its variables; a place that a patch cannot reach is not among them."""
    places = (
        *WRONG,
        *IN_A_FILE,
        Place(IDEMPOTENCE, "container app, variable IDEMPOTENCE", "false", "", ("app", "IDEMPOTENCE")),
        Place(ACKS, "container side, variable ACKS", "0", "", ("side", "ACKS")),
    )
    made = plan(PATCHES, WANTED, [(workload("a"), places)], lambda *_: False)
    assert made.correction is not None
    assert made.correction.fixes == (
        Fix(ACKS, "app", "ACKS", "1", "all"),
        Fix(ACKS, "side", "ACKS", "0", "all"),
        Fix(IDEMPOTENCE, "app", "IDEMPOTENCE", "false", "true"),
    )
    assert made.correction.told() == (
        "Deployment shop/a: acks (container app, variable ACKS) was 1 and is all; acks (container side, variable ACKS) was 0 and "
        "is all; enable.idempotence (container app, variable IDEMPOTENCE) was false and is true; its pods are being replaced"
    )


def test_a_difference_is_told_once_for_all_its_places() -> None:
    """One violation for each workload and setting, with every value and every place."""
    found = violation(workload("a"), WANTED[0], (*WRONG, *IN_A_FILE, Place(ACKS, "elsewhere", "0")), CORRECTED)
    assert (found.resource, found.setting, found.wanted, found.found) == ("Deployment shop/a", "acks", "all", "1, 0")
    assert found.where == ("container app, variable ACKS; container app, /etc/app, ConfigMap app, key x.properties; elsewhere")
    assert (found.action, found.reason) == CORRECTED


SOME_PLACES = st.sampled_from([(), WRONG, IN_A_FILE, RIGHT])
SOME_ROLLOUTS = st.sampled_from([Rollout(complete=True), ROLLING, PAUSED])


@given(st.lists(st.tuples(SOME_ROLLOUTS, SOME_PLACES, st.booleans()), max_size=6), st.sampled_from([PATCHES, LOOKS, wishes()]))
def test_never_two_rollouts_at_once(found: list[tuple[Rollout, Sequence[Place], bool]], policy: Wishes) -> None:
    """Whatever is found: one correction at the most, by a policy that may, of what it can, and none while a rollout goes on."""
    workloads = [(workload(f"w{number}", rollout), places) for number, (rollout, places, _) in enumerate(found)]
    stubborn = {f"w{number}" for number, (_, _, held) in enumerate(found) if held}
    made = plan(policy, WANTED, workloads, lambda one, _: one.name in stubborn)
    wrong = {one.uid for one, places in workloads if any(place.value == "1" for place in places)}
    assert made.remarks.keys() == wrong
    if made.correction is not None:
        one = made.correction.workload
        assert policy is PATCHES
        assert all(other.rollout.complete for other, _ in workloads)
        assert not one.rollout.paused
        assert one.name not in stubborn
        assert made.correction.fixes == fixes_of({other.uid: places for other, places in workloads}[one.uid], WANTED)
        assert made.correction.fixes
