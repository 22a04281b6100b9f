"""What people are told of an audit: conditions for every outcome, Events for what is new."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

import pytest

from floodwarden.core.assess import Gap
from floodwarden.core.conditions import Condition, Conditions, Notice, Type
from floodwarden.core.delivery.audit import Findings
from floodwarden.core.delivery.story import (
    EVENTS_AT_MOST,
    Audited,
    Told,
    delivery_conditions,
    delivery_notices,
    summary,
    told_after,
)
from floodwarden.core.delivery.survey import Change
from floodwarden.core.delivery.violations import EVERYTHING, MIN_IN_SYNC, NODES, Action, Violation
from floodwarden.core.observation import Unknown
from floodwarden.core.reasons import Reason
from tests.support.delivery import AWAY, DENIED

UNREACHABLE = Gap(Reason.BROKER_UNREACHABLE, "no broker could be read")
NOT_READ = Gap(Reason.AUTHORIZATION_FAILED, "topic orders: not allowed")


def violation(topic: str = "orders", action: Action = Action.REPORT, setting: str = MIN_IN_SYNC) -> Violation:
    return Violation(f"topic {topic}", setting, "≥ 2", "1", "topic", action, f"because of {action}")


def change(topic: str = "orders") -> Change:
    return Change(topic, MIN_IN_SYNC, "2", "1")


def audited(
    *violations: Violation,
    gaps: tuple[Gap, ...] = (),
    topics: int = 4,
    written: tuple[Change, ...] = (),
    failed: Mapping[Change, Unknown] | None = None,
    unread: Collection[str] = (),
) -> Audited:
    """An audit of three brokers."""
    return Audited(Findings(topics, 3, violations, (), gaps, (), frozenset(unread)), written, failed or {})


class Watch:
    """A policy that is audited again and again, and remembers as ``sweep.delivery_watch`` does."""

    def __init__(self) -> None:
        self.told: Told = frozenset()
        self.conditions: Conditions = {}

    def tell(self, outcome: Audited | Gap) -> list[Notice]:
        """The Events of one audit."""
        after = delivery_conditions(outcome, self.conditions)
        notices = list(delivery_notices(outcome, self.told, self.conditions, after))
        self.told, self.conditions = told_after(outcome, self.told), after
        return notices


def reasons(notices: list[Notice]) -> list[Reason]:
    return [notice.reason for notice in notices]


@pytest.mark.parametrize(
    ("outcome", "ready", "compliant", "says"),
    [
        pytest.param(
            audited(),
            (True, Reason.AUDITING),
            (True, Reason.COMPLIANT),
            "4 topics on 3 brokers: all is as asked for",
            id="all is well",
        ),
        pytest.param(
            audited(violation(), violation("payments")),
            (True, Reason.AUDITING),
            (False, Reason.NOT_COMPLIANT),
            "2 differences: min.insync.replicas (2)",
            id="differences",
        ),
        pytest.param(
            audited(violation(), gaps=(NOT_READ,), topics=0),
            (True, Reason.AUDITING),
            (False, Reason.NOT_COMPLIANT),
            "1 difference: ",
            id="differences, and parts that are not known",
        ),
        pytest.param(
            audited(violation(), violation("payments", Action.CONFLICT)),
            (True, Reason.AUDITING),
            (False, Reason.POLICY_CONFLICT),
            "min.insync.replicas of topic payments: because of Conflict",
            id="a conflict comes before other differences",
        ),
        pytest.param(
            audited(gaps=(NOT_READ, UNREACHABLE)),
            (True, Reason.AUDITING),
            (None, Reason.AUDIT_PARTIAL),
            "topic orders: not allowed; 2 things are not known",
            id="parts that are not known",
        ),
        pytest.param(
            audited(topics=0),
            (True, Reason.AUDITING),
            (None, Reason.NO_TOPIC_MATCHES),
            "no topic matches spec.match",
            id="no topic",
        ),
        pytest.param(
            audited(topics=0, gaps=(NOT_READ,)),
            (True, Reason.AUDITING),
            (None, Reason.AUDIT_PARTIAL),
            "topic orders: not allowed",
            id="no topic that could be read",
        ),
        pytest.param(
            audited(violation(), failed={change(): DENIED}),
            (False, Reason.REPAIR_FAILED),
            (False, Reason.NOT_COMPLIANT),
            "1 difference: ",
            id="a repair that failed",
        ),
        pytest.param(
            UNREACHABLE,
            (False, Reason.BROKER_UNREACHABLE),
            (None, Reason.BROKER_UNREACHABLE),
            "no broker could be read",
            id="no audit at all",
        ),
        pytest.param(
            Gap(Reason.PAUSED, "the policy is paused"),
            (False, Reason.PAUSED),
            (None, Reason.PAUSED),
            "the policy is paused",
            id="paused",
        ),
    ],
)
def test_conditions(
    outcome: Audited | Gap, ready: tuple[bool | None, Reason], compliant: tuple[bool | None, Reason], says: str
) -> None:
    """Ready says whether the policy is carried out, Compliant what was found; what is not known is neither true nor false."""
    found = delivery_conditions(outcome, {})
    assert set(found) == {Type.READY, Type.COMPLIANT}
    assert (found[Type.READY].status, found[Type.READY].reason) == ready
    assert (found[Type.COMPLIANT].status, found[Type.COMPLIANT].reason) == compliant
    assert says in found[Type.COMPLIANT].message


def test_a_failed_repair_is_named() -> None:
    """The condition has how many there are, one of them, and why."""
    outcome = audited(violation(), failed={change(): DENIED, change("payments"): AWAY})
    message = delivery_conditions(outcome, {})[Type.READY].message
    assert message == f"{MIN_IN_SYNC} of topic orders could not be written, and 1 more: {DENIED.detail}"


def test_a_summary_is_bounded() -> None:
    """The settings with the most differences, and how many others there are."""
    many = [violation(setting=f"setting.{number}") for number in range(7)]
    text = summary((violation(), *many, violation("payments")))
    assert text.startswith("9 differences: min.insync.replicas (2), setting.0 (1), ")
    assert text.endswith(" and 3 other settings")
    assert "other settings" not in summary(tuple(many[:EVENTS_AT_MOST]))


class TestEvents:
    """One Event for what is new, none for what is known."""

    def test_a_difference_is_told_once(self) -> None:
        """With both values, the place, and what becomes of it; its reason and numbers may change without another."""
        watch = Watch()
        first = watch.tell(audited(violation()))
        text = f"{MIN_IN_SYNC} of topic orders is 1 (topic), wanted ≥ 2: because of Report"
        assert first == [Notice(True, Reason.VIOLATION, text)]
        assert watch.tell(audited(violation())) == []
        assert watch.tell(audited(violation(action=Action.OWNER))) == []

    def test_a_second_difference_is_told_alone(self) -> None:
        """The first was told before."""
        watch = Watch()
        watch.tell(audited(violation()))
        assert [notice.message.split(" is ")[0] for notice in watch.tell(audited(violation(), violation("payments")))] == [
            f"{MIN_IN_SYNC} of topic payments"
        ]

    def test_a_difference_that_comes_back(self) -> None:
        """It is told again; and that it was gone, too."""
        watch = Watch()
        watch.tell(audited(violation()))
        gone = watch.tell(audited())
        assert [(notice.warning, notice.reason) for notice in gone] == [(False, Reason.COMPLIANT)]
        assert reasons(watch.tell(audited(violation()))) == [Reason.VIOLATION]

    def test_brokers_that_were_away_meanwhile(self) -> None:
        """That is told; the differences are not told again."""
        watch = Watch()
        watch.tell(audited(violation()))
        away = watch.tell(UNREACHABLE)
        assert [(notice.warning, notice.reason) for notice in away] == [(True, Reason.BROKER_UNREACHABLE)]
        assert watch.tell(UNREACHABLE) == []
        back = watch.tell(audited(violation()))
        assert [(notice.warning, notice.reason) for notice in back] == [(False, Reason.AUDITING)]

    def test_a_topic_that_could_not_be_read_meanwhile(self) -> None:
        """Its difference is not gone, and not told again; that of another topic, which is gone, is."""
        watch = Watch()
        watch.tell(audited(violation(), violation("payments")))
        assert reasons(watch.tell(audited(gaps=(NOT_READ,), unread=("topic orders",)))) == [Reason.AUDIT_PARTIAL]
        back = watch.tell(audited(violation(), violation("payments")))
        assert [notice.message.split(" is ")[0] for notice in back] == [f"{MIN_IN_SYNC} of topic payments"]

    def test_nodes_that_restart_one_by_one(self) -> None:
        """What is known of all of them is not told again of those that are left."""
        watch = Watch()
        everywhere = replace(violation(), resource="brokers 0, 1, 2")
        assert reasons(watch.tell(audited(everywhere))) == [Reason.VIOLATION]
        for left in ("brokers 1, 2", "brokers 0, 2", "brokers 0, 1"):
            assert watch.tell(audited(replace(everywhere, resource=left), gaps=(UNREACHABLE,), unread=(NODES,))) == []
        assert watch.tell(audited(everywhere)) == []

    def test_another_node_that_goes_wrong(self) -> None:
        """Where all are known, one more of them is news."""
        watch = Watch()
        watch.tell(audited(replace(violation(), resource="broker 0")))
        assert reasons(watch.tell(audited(replace(violation(), resource="brokers 0, 1")))) == [Reason.VIOLATION]

    def test_a_node_that_goes_wrong_while_another_is_away(self) -> None:
        """That is new all the same."""
        wrong = replace(violation(), resource="broker 1")
        assert Reason.VIOLATION in reasons(Watch().tell(audited(wrong, gaps=(UNREACHABLE,), unread=(NODES,))))

    def test_a_restart_of_the_operator(self) -> None:
        """What the status has of the past is enough to tell nothing twice."""
        before = Watch()
        before.tell(audited(violation(), violation("payments", Action.CONFLICT)))
        after = Watch()
        after.told, after.conditions = before.told, dict(before.conditions)
        assert after.tell(audited(violation(), violation("payments", Action.CONFLICT))) == []

    @pytest.mark.parametrize(
        ("count", "more"),
        [
            pytest.param(EVENTS_AT_MOST, None, id="just as many as are told"),
            pytest.param(EVENTS_AT_MOST + 1, "and 1 more like this: see the status", id="one more"),
            pytest.param(200, "and 195 more like this: see the status", id="many"),
        ],
    )
    def test_many_differences(self, count: int, more: str | None) -> None:
        """Five, and how many more; of the rest none comes later."""
        watch = Watch()
        many = audited(*(violation(f"topic-{number}") for number in range(count)))
        notices = watch.tell(many)
        assert len(notices) == min(count, EVENTS_AT_MOST) + (more is not None)
        assert all(notice.warning and notice.reason is Reason.VIOLATION for notice in notices)
        assert more is None or notices[-1].message == more
        assert watch.tell(many) == []

    def test_what_is_urgent_is_not_lost_among_the_many(self) -> None:
        """Each sort of Event is bounded for itself, and differences in settings come last."""
        hung = replace(violation("hung"), event=Reason.TRANSACTION_HUNG)
        late = replace(violation("late"), event=Reason.UNREAD_EXPIRING)
        many = audited(*(violation(f"topic-{number}") for number in range(9)), late, hung)
        told = reasons(Watch().tell(many))
        assert set(told[:2]) == {Reason.UNREAD_EXPIRING, Reason.TRANSACTION_HUNG}
        assert told[2:] == [Reason.VIOLATION] * (EVENTS_AT_MOST + 1)

    def test_a_conflict(self) -> None:
        """Under its own reason."""
        assert reasons(Watch().tell(audited(violation(action=Action.CONFLICT)))) == [Reason.POLICY_CONFLICT]

    def test_a_difference_that_becomes_a_conflict(self) -> None:
        """A second policy came: that it is no longer acted on is news, once."""
        watch = Watch()
        watch.tell(audited(violation()))
        assert reasons(watch.tell(audited(violation(action=Action.CONFLICT)))) == [Reason.POLICY_CONFLICT]
        assert watch.tell(audited(violation(action=Action.CONFLICT))) == []

    def test_a_look_that_failed(self) -> None:
        """Nobody knows what it would have found: what was told stays told, and is no news afterwards."""
        watch = Watch()
        watch.tell(audited(violation("orders"), violation("bills")))
        assert watch.tell(audited(violation("orders"), unread={EVERYTHING})) == []
        assert watch.tell(audited(violation("orders"), violation("bills"))) == []

    def test_a_conflict_that_ends(self) -> None:
        """Once, also where differences are left; with none left that is told as such."""
        watch = Watch()
        watch.tell(audited(violation(action=Action.CONFLICT), violation("other")))
        (notice,) = watch.tell(audited(violation("other")))
        assert (notice.warning, notice.reason) == (False, Reason.NOT_COMPLIANT)
        assert notice.message.startswith("the policies agree now; 1 difference: ")
        assert watch.tell(audited(violation("other"))) == []

    def test_a_repair(self) -> None:
        """What was there and what is; the difference itself is no news any more."""
        watch = Watch()
        (notice,) = watch.tell(audited(written=(change(),)))[:1]
        assert notice == Notice(False, Reason.REPAIRED, f"{MIN_IN_SYNC} of topic orders was 1; it was set to 2 and read back")
        assert watch.tell(audited(written=(change(),)))[:1] == [notice]  # somebody changes it again and again: so it is told

    def test_a_repair_that_fails(self) -> None:
        """Told once in full, in place of the difference; and again after it had worked."""
        watch = Watch()
        failing = audited(violation(), failed={change(): DENIED})
        text = f"{MIN_IN_SYNC} of topic orders is 1 and could not be set to 2: {DENIED.detail}"
        assert watch.tell(failing) == [Notice(True, Reason.REPAIR_FAILED, text)]
        assert watch.tell(failing) == []
        assert Reason.REPAIRED in reasons(watch.tell(audited(written=(change(),))))
        assert reasons(watch.tell(failing)) == [Reason.REPAIR_FAILED]

    def test_a_repair_that_fails_of_what_was_told_before(self) -> None:
        """Audit had told the difference; that Enforce cannot mend it is news, once."""
        watch = Watch()
        watch.tell(audited(violation()))
        failing = audited(violation(), failed={change(): DENIED})
        assert reasons(watch.tell(failing)) == [Reason.REPAIR_FAILED]
        assert watch.tell(failing) == []

    def test_a_refusal_that_no_difference_is_about(self) -> None:
        """Such as that of an operator policy, which stands for several queues: it is told once too."""
        watch = Watch()
        policy = Change("floodwarden:shop/safe", "definition", "{}", "not set", "operator policy")
        failing = audited(violation(), failed={policy: DENIED})
        assert Reason.REPAIR_FAILED in reasons(watch.tell(failing))
        assert watch.tell(failing) == []
        watch.tell(audited(violation()))
        assert reasons(watch.tell(failing)) == [Reason.REPAIR_FAILED]

    def test_repairs_are_bounded(self) -> None:
        """Each sort for itself."""
        written = tuple(change(f"topic-{number}") for number in range(8))
        failed = {change(f"bad-{number}"): DENIED for number in range(7)}
        notices = Watch().tell(audited(violation("other"), written=written, failed=failed))
        of = {reason: [one for one in notices if one.reason is reason] for reason in reasons(notices)}
        assert of[Reason.REPAIRED][-1].message.startswith("and 3 more")
        assert of[Reason.REPAIR_FAILED][-1].message.startswith("and 2 more")
        assert [len(found) for found in of.values()] == [6, 6, 1]

    @pytest.mark.parametrize(
        ("outcome", "told"),
        [
            pytest.param(audited(), [(False, Reason.COMPLIANT)], id="all is well"),
            pytest.param(audited(topics=0), [(True, Reason.NO_TOPIC_MATCHES)], id="no topic"),
            pytest.param(audited(gaps=(NOT_READ,)), [(True, Reason.AUDIT_PARTIAL)], id="parts that are not known"),
            pytest.param(UNREACHABLE, [(True, Reason.BROKER_UNREACHABLE)], id="no audit at all, in one Event"),
        ],
    )
    def test_the_first_audit(self, outcome: Audited | Gap, told: list[tuple[bool, Reason]]) -> None:
        """How it stands is told once."""
        watch = Watch()
        assert [(notice.warning, notice.reason) for notice in watch.tell(outcome)] == told
        assert watch.tell(outcome) == []


def test_conditions_are_alike_from_audit_to_audit() -> None:
    """Nothing of the condition depends on what was before."""
    before: dict[Type, Condition] = delivery_conditions(UNREACHABLE, {})
    assert delivery_conditions(audited(), before) == delivery_conditions(audited(), {})


def test_a_policy_that_may_not_write() -> None:
    """It is not ready, and why is told once; what differs is told besides."""
    why = Gap(Reason.LEDGER_UNREADABLE, "ConfigMap floodwarden/ledger: grant get on configmaps")
    watch, outcome = Watch(), replace(audited(violation()), hindered=why)
    first = watch.tell(outcome)
    assert [(notice.warning, notice.reason) for notice in first] == [
        (True, Reason.LEDGER_UNREADABLE),
        (True, Reason.VIOLATION),
    ]
    assert first[0].message.startswith("nothing is written: ConfigMap floodwarden/ledger: grant get on configmaps")
    ready = watch.conditions[Type.READY]
    assert (ready.status, ready.reason) == (False, Reason.LEDGER_UNREADABLE)
    assert watch.tell(outcome) == []
    assert [notice.reason for notice in watch.tell(audited(violation()))] == [Reason.AUDITING]
    assert watch.conditions[Type.READY].status is True
