"""Operator policies of RabbitMQ: what one is made of, when it is written, left alone and taken away, and who else has a say."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from floodwarden.core.delivery.rabbitmq.found import OperatorPolicy, QueueFound
from floodwarden.core.delivery.rabbitmq.judging import judge
from floodwarden.core.delivery.rabbitmq.operator_policies import dumped, made, pattern_of, worded
from floodwarden.core.delivery.survey import Change
from floodwarden.core.delivery.violations import Action
from floodwarden.core.delivery.wishes import Wishes
from floodwarden.core.observation import Unknown, UnknownReason
from tests.support.delivery import the
from tests.support.virtual_host import OURS, PATTERN, asking, classic, found, judged, of, operator
from tests.support.virtual_host import queue as bare

LIMITED = asking(delivery_limit=5)
KIND = "operator policy"


def queue(name: str = "orders", **changes: Any) -> QueueFound:
    """A queue whose dead letters are kept."""
    return bare(name, **{"x_dead_letter_exchange": "dead", **changes})


def written(before: str = "not set", *, name: str = OURS, **parts: object) -> Change:
    """What is written for the policy that limits deliveries to 5, unless ``parts`` say otherwise."""
    whole = {"apply-to": "queues", "definition": {"delivery-limit": 5}, "pattern": PATTERN, "priority": -1} | parts
    return Change(name, "definition", json.dumps(whole, sort_keys=True), before, KIND)


def test_a_limit_is_written_once_for_all_queues() -> None:
    """One operator policy, told at each queue that lacks the limit; the others get it as well, and those that will come."""
    findings = judged(LIMITED, found(queue(), queue("orders-eu"), queue("orders-us", x_delivery_limit=3), queue("payments")))
    assert findings.changes == (written(),)
    assert [(one.resource, one.action) for one in findings.violations] == [
        ("queue orders", Action.REPAIR),
        ("queue orders-eu", Action.REPAIR),
    ]
    assert {one.reason for one in findings.violations} == {"it is written with this audit, in an operator policy"}


def test_it_is_not_for_queues_that_would_drop_messages() -> None:
    """Without a dead-letter exchange a limit loses what it takes out: such queues are left out until they have one."""
    seen = found(queue(), bare("orders.eu"), bare("orders-us", x_dead_letter_exchange="gone"))
    findings = judged(LIMITED, seen)
    assert findings.changes == (written(pattern=r"^(?!amq\.|(orders-us|orders\.eu)$)(orders.*)$"),)
    assert {one.resource: one.action for one in findings.violations} == {
        "queue orders": Action.REPAIR,
        "queue orders.eu": Action.REPORT,
        "queue orders-us": Action.REPORT,
    }
    assert "it would drop messages for good" in of(findings, "queue orders-us")[0].reason
    pattern = json.loads(findings.changes[0].value or "")["pattern"]
    assert [name for name in seen.queues if re.search(pattern, name)] == ["orders"]


def test_too_many_would_drop_messages() -> None:
    """A pattern has an end: then it is for none, which is told."""
    findings = judged(LIMITED, found(queue(), *(bare(f"orders-{number}") for number in range(51))))
    assert findings.changes == ()
    assert "is written for no queue while 51 queues have no dead-letter exchange" in findings.warnings[-1]


def test_nothing_is_written_while_a_queue_is_not_known() -> None:
    """It might be one that drops."""
    findings = judged(LIMITED, found(queue(), unknown={"orders-x": Unknown(UnknownReason.NO_LEADER, "down")}))
    assert findings.changes == ()


def test_it_is_there() -> None:
    """Nothing is left to write, and who has set the limit is told where it is told."""
    shown = queue(operator_policy=OURS, effective={"delivery-limit": 5})
    assert judged(LIMITED, found(shown, operator_policies=(operator(),))).changes == ()
    assert judged(LIMITED, found(shown, operator_policies=(operator(),))).violations == ()
    stricter = judged(asking(delivery_limit=4), found(shown, operator_policies=(operator(),)))
    assert the(stricter.violations).where == f"operator policy {OURS}"


def test_it_is_there_and_not_shown_yet() -> None:
    """RabbitMQ tells it of a queue some seconds later."""
    findings = judged(LIMITED, found(queue(), operator_policies=(operator(),)))
    assert findings.changes == ()
    assert "has not shown it yet" in the(findings.violations).reason


@pytest.mark.parametrize(
    ("there", "before"),
    [
        pytest.param(operator(limit=9), f"delivery-limit 9 for {PATTERN} with priority -1", id="another limit"),
        pytest.param(operator(limit=None), f"empty for {PATTERN} with priority -1", id="nothing in it"),
        pytest.param(operator(pattern="^q$"), "delivery-limit 5 for ^q$ with priority -1", id="other queues"),
        pytest.param(operator(priority=0), f"delivery-limit 5 for {PATTERN} with priority 0", id="not below others"),
    ],
)
def test_somebody_has_changed_it(there: OperatorPolicy, before: str) -> None:
    """It is written anew, with what was there before in words."""
    assert judged(LIMITED, found(queue(), operator_policies=(there,))).changes == (written(before),)


@pytest.mark.parametrize(
    ("others", "there", "priority"),
    [
        pytest.param([7], None, -1, id="theirs are usual ones"),
        pytest.param([0, -3], None, -4, id="theirs are low"),
        pytest.param([-3], -2, -4, id="theirs is lower than ours"),
        pytest.param([-3], -3, -4, id="theirs is as low as ours"),
        pytest.param([0], -9, None, id="ours is low enough"),
    ],
)
def test_it_is_below_all_that_others_made(others: list[int], there: int | None, priority: int | None) -> None:
    """So that theirs holds wherever it matches; those of other DeliveryPolicies that act do not count."""
    known = [operator(f"theirs-{number}", 50, priority=number) for number in others]
    known += [operator(priority=there)] if there is not None else []
    known.append(operator("floodwarden:shop/others", 5, priority=-99))
    acting = asking("shop/others", delivery_limit=5)
    findings = judge(found(queue(), operator_policies=tuple(known)), [LIMITED, acting])["shop/orders"]
    before = worded(operator(priority=there)) if there is not None else "not set"
    assert findings.changes == (() if priority is None else (written(before, priority=priority),))


STANDING = {
    "of a policy that is paused": (operator("floodwarden:shop/paused", 9), -2),
    "of a policy that is paused, and lower": (operator("floodwarden:shop/paused", 9, priority=-7), -8),
    "for other queues": (operator("floodwarden:shop/paused", 9, pattern="^payments$"), -1),
    "in words that RabbitMQ alone understands": (operator("floodwarden:shop/paused", 9, pattern="^(?<a>x)\\\\K(?|a|b)$"), -2),
}


@pytest.mark.parametrize(("standing", "priority"), STANDING.values(), ids=STANDING)
@pytest.mark.parametrize("there", [(), (operator(),)], ids=["ours is new", "ours is there"])
def test_it_is_below_what_nobody_acts_for(there: tuple[OperatorPolicy, ...], standing: OperatorPolicy, priority: int) -> None:
    """What is in force for a policy that is paused stays so: pausing another one changes nothing."""
    changes = judged(LIMITED, found(queue(), operator_policies=(standing, *there))).changes
    before = worded(operator()) if there else "not set"
    assert changes == (() if there and priority == -1 else (written(before, priority=priority),))


def test_a_policy_that_is_paused_has_the_queue() -> None:
    """It is named, and what to do; a queue beside it gets ours."""
    held = queue(operator_policy="floodwarden:shop/paused", effective={"delivery-limit": 9})
    seen = found(held, queue("orders-eu"), operator_policies=(operator("floodwarden:shop/paused", 9, pattern="^orders$"),))
    violation = the(of(judged(LIMITED, seen)))
    assert violation.action is Action.OWNER
    assert violation.reason.startswith(
        "operator policy floodwarden:shop/paused has this queue as long as its DeliveryPolicy is paused"
    )
    assert the(of(judged(LIMITED, seen), "queue orders-eu")).action is Action.REPAIR


def test_an_agreeing_policy_has_the_queue() -> None:
    """It acts as well: the limit is shown soon."""
    held = queue(operator_policy="floodwarden:shop/others", effective={"delivery-limit": 9})
    known = (operator(), operator("floodwarden:shop/others", 5))
    findings = judge(found(held, operator_policies=known), [LIMITED, asking("shop/others", delivery_limit=5)])
    assert "has not shown it yet" in the(findings["shop/orders"].violations).reason
    assert [one.changes for one in findings.values()] == [(), ()]


def test_what_was_made_for_policies() -> None:
    """All that say so, by the policy's name; nobody else's."""
    found_ours = made({one.name: one for one in (operator(), operator("platform"), operator("floodwarden:x/y", 7))})
    assert found_ours == {
        "shop/orders": written(),
        "x/y": written(name="floodwarden:x/y", definition={"delivery-limit": 7}),
    }


@pytest.mark.parametrize("limit", [9, None], ids=["a higher limit", "no limit"])
def test_the_owners_operator_policy(limit: int | None) -> None:
    """Where one holds, it is theirs to change, and named; queues beside it are repaired."""
    theirs = operator("platform", limit, pattern="^orders$", priority=0)
    effective: dict[str, object] = {} if limit is None else {"delivery-limit": limit}
    owned = queue(operator_policy="platform", effective=effective)
    findings = judged(LIMITED, found(owned, queue("orders-eu"), operator_policies=(theirs,)))
    violation = the(of(findings))
    assert violation.action is Action.OWNER
    assert violation.reason.startswith("operator policy platform has this queue")
    assert violation.where == ("default" if limit is None else "operator policy platform")
    assert the(of(findings, "queue orders-eu")).action is Action.REPAIR
    assert findings.changes == (written(),)


WHERE = {
    "policy and operator policy agree": (
        "p",
        "platform",
        {"delivery-limit": 9},
        (operator("platform", 9),),
        "operator policy platform",
    ),
    "the policy has it": ("p", "platform", {"delivery-limit": 9}, (operator("platform", 10),), "policy p"),
    "one of the two": ("p", "platform", {"delivery-limit": 9}, (), "policy p or operator policy platform"),
    "no operator policy": ("p", None, {"delivery-limit": 9}, (), "policy p"),
}


@pytest.mark.parametrize(("policy", "theirs", "effective", "known", "where"), WHERE.values(), ids=WHERE)
def test_where_a_limit_comes_from(
    policy: str, theirs: str | None, effective: dict[str, object], known: tuple[OperatorPolicy, ...], where: str
) -> None:
    """Policies are merged: which of them it was is told as far as it is known."""
    held = queue(policy=policy, operator_policy=theirs, effective=effective)
    assert the(judged(LIMITED, found(held, operator_policies=known)).violations).where == where


def test_nothing_asked() -> None:
    """No operator policy; one of its own that is left is taken away, and none of anybody else's."""
    others = (operator("floodwarden:shop/orders-2"), operator("platform"))
    assert judged(asking(factor=1), found(queue(), operator_policies=others)).changes == ()
    left = judged(asking(factor=1), found(queue(), operator_policies=(operator(), *others)))
    assert left.changes == (Change(OURS, "definition", None, worded(operator()), KIND),)


@pytest.mark.parametrize("there", [(), (operator(limit=9),)], ids=["none yet", "another"])
@pytest.mark.parametrize("enforces", [False, True], ids=["Audit", "Enforce, but not now"])
def test_who_may_not_write(enforces: bool, there: tuple[OperatorPolicy, ...]) -> None:
    """It says what mode Enforce would do, and does nothing, also where it asks for nothing any more."""
    findings = judged(asking(enforces=enforces, acts=False, delivery_limit=5), found(queue(), operator_policies=there))
    assert findings.changes == ()
    assert the(findings.violations).reason == "mode Enforce would write it, in an operator policy"
    assert judged(asking(enforces=enforces, acts=False, factor=1), found(queue(), operator_policies=there)).changes == ()


def test_a_queue_of_another_type() -> None:
    """An operator policy does nothing for it: it is reported, and written all the same for queues to come."""
    findings = judged(LIMITED, found(classic()))
    assert the(findings.violations).action is Action.REPORT
    assert findings.changes == (written(),)


class TestConflicts:
    """Several policies on one queue."""

    THREE = asking("shop/three", delivery_limit=3, names=("orders",))

    def test_policies_that_disagree(self) -> None:
        """Neither is written, each names the other; their other queues say why they have to wait."""
        seen = found(queue(), queue("orders-eu"), operator_policies=(operator(limit=9),))
        judgement = judge(seen, [LIMITED, self.THREE])
        five, three = (the(of(judgement[name])) for name in ("shop/orders", "shop/three"))
        assert five.action is three.action is Action.CONFLICT
        assert five.reason == "shop/three wants ≤ 3: neither is acted on until they agree"
        assert three.reason == "shop/orders wants ≤ 5: neither is acted on until they agree"
        waiting = the(of(judgement["shop/orders"], "queue orders-eu"))
        assert waiting.action is Action.REPORT
        assert waiting.reason.endswith("policies disagree on queue orders")
        assert [findings.changes for findings in judgement.values()] == [(), ()]

    def test_on_the_same_virtual_host_by_way_of_another_message_broker(self) -> None:
        """They disarm each other as well."""
        judgement = judge(found(queue()), [LIMITED], [self.THREE])
        assert judgement.keys() == {"shop/orders"}
        assert the(judgement["shop/orders"].violations).action is Action.CONFLICT
        assert judgement["shop/orders"].changes == ()

    def test_where_nothing_differs_yet(self) -> None:
        """It is told before somebody gets hurt."""
        judgement = judge(found(queue(x_delivery_limit=2)), [LIMITED, self.THREE])
        for findings in judgement.values():
            conflict = the(findings.violations)
            assert (conflict.action, conflict.found, conflict.where) == (Action.CONFLICT, "2", "argument")

    def test_who_only_looks_disarms_nobody(self) -> None:
        """And is told for itself."""
        looking = asking("shop/three", delivery_limit=3, enforces=False)
        judgement = judge(found(queue()), [LIMITED, looking])
        assert judgement["shop/orders"].changes == (written(),)
        assert the(judgement["shop/three"].violations).action is Action.REPAIR

    @pytest.mark.parametrize(
        ("other", "queues"),
        [
            pytest.param(asking("shop/b", delivery_limit=5), [queue()], id="they want the same"),
            pytest.param(asking("shop/b", factor=3), [queue()], id="one wants nothing of it"),
            pytest.param(asking("shop/b", delivery_limit=3, names=("x*",)), [queue(), queue("x")], id="of other queues"),
            pytest.param(
                asking("shop/b", delivery_limit=3, names=("*-eu",)), [queue(), classic(name="orders-eu")], id="no quorum queue"
            ),
        ],
    )
    def test_no_dispute(self, other: Wishes, queues: list[QueueFound]) -> None:
        """Each is written for itself."""
        judgement = judge(found(*queues), [LIMITED, other])
        assert judgement["shop/orders"].changes == (written(),)


PATTERNS = {
    "stars": (("orders*", "pay?"), (), ["orders", "orders-eu", "payx"], ["order", "my-orders", "pay", "payxx", "amq.orders"]),
    "all": (("*",), (), ["orders", "a.b", "amqx"], ["amq.gen-1"]),
    "all but some": (("*",), ("*-tmp", "x.y"), ["orders", "orders-tmp-2", "xzy"], ["orders-tmp", "x.y"]),
    "dots are dots": (("a.b",), (), ["a.b"], ["axb"]),
    "cases differ": (("Orders",), (), ["Orders"], ["orders"]),
}


@pytest.mark.parametrize(("names", "exclude", "yes", "no"), PATTERNS.values(), ids=PATTERNS)
def test_patterns(names: tuple[str, ...], exclude: tuple[str, ...], yes: list[str], no: list[str]) -> None:
    """The expression matches just the queues that the policy speaks of, from beginning to end."""
    wishes = asking(names=names, exclude=exclude)
    pattern = re.compile(pattern_of(wishes))
    assert [name for name in (*yes, *no) if pattern.search(name)] == yes
    seen = found(*(queue(name) for name in (*yes, *no)))
    assert judged(asking(names=names, exclude=exclude, factor=1), seen).topics == len(yes)


def test_the_same_is_the_same_text() -> None:
    """As it is kept in the ledger and compared."""
    assert dumped(operator()) == written().value
    assert json.loads(dumped(operator())) == {
        "apply-to": "queues",
        "definition": {"delivery-limit": 5},
        "pattern": PATTERN,
        "priority": -1,
    }
