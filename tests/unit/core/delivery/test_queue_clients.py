"""What clients and nodes of RabbitMQ do, compared with policies; and what of all that is judged is not known."""

from __future__ import annotations

from dataclasses import replace

import pytest

from floodwarden.core.delivery.audit import Findings
from floodwarden.core.delivery.rabbitmq.found import NodeFound, QueuesFound, Unroutable
from floodwarden.core.delivery.settings import explained
from floodwarden.core.delivery.violations import EVERYTHING, NODES, Action
from floodwarden.core.observation import Unknown, UnknownReason
from floodwarden.core.reasons import Reason
from tests.support.delivery import DAY, the
from tests.support.virtual_host import EVERY_WISH, HOST, NAMES, OURS, SAFE, asking, found, judged, queue, reader, sender

GONE = Unknown(UnknownReason.TIMEOUT, "no answer, for a test")
GAP = (Reason.TIMEOUT, "no answer, for a test")
ACKS, KEPT = asking(acks="All"), asking(kept_for=DAY)


class TestClients:
    """What consumers and publishers do now."""

    def test_consumers_that_acknowledge_nothing(self) -> None:
        """They are named, among how many."""
        seen = found(SAFE, consumers=(reader(), reader("careless", acknowledges=False)))
        violation = the(judged(asking(acknowledged_late=True), seen).violations)
        assert (violation.resource, violation.setting) == ("queue orders", "consumer acknowledgement")
        assert violation.found == "automatic for 1 of 2: careless (user app)"
        assert explained(violation.setting) is not None

    @pytest.mark.parametrize(("prefetch", "told"), [(0, "unbounded"), (101, "101")])
    def test_consumers_that_hold_too_many(self, prefetch: int, told: str) -> None:
        """With how many they may hold; for those that acknowledge nothing there is no bound to tell."""
        consumers = (reader(), reader("greedy", prefetch=prefetch), reader("careless", acknowledges=False, prefetch=0))
        violation = the(judged(asking(prefetch=100), found(SAFE, consumers=consumers)).violations)
        assert (violation.setting, violation.wanted) == ("prefetch", "1 to 100")
        assert violation.found == f"{told} for 1 of 3: greedy (user app)"
        assert explained(violation.setting) is not None

    def test_many_are_not_all_named(self) -> None:
        """A status has room for some."""
        careless = tuple(reader(f"careless {number}", acknowledges=False) for number in range(9))
        violation = the(judged(asking(acknowledged_late=True), found(SAFE, consumers=careless)).violations)
        assert violation.found.startswith("automatic for 9 of 9: careless 0 (user app), ")
        assert violation.found.endswith("careless 4 (user app) and 4 more")

    def test_publishers_without_confirms(self) -> None:
        """They are named for the virtual host, since nothing tells where a channel publishes to."""
        seen = found(queue(), channels=(sender("careless", confirms=False),))
        violation = the(judged(ACKS, seen).violations)
        assert (violation.resource, violation.setting) == (HOST, "publisher confirms")
        assert violation.found == "not used by careless (user app)"
        assert explained(violation.setting) is not None

    def test_publishers_of_which_some_use_confirms(self) -> None:
        """Those who do not may publish elsewhere: it is told as not proven."""
        seen = found(queue(), channels=(sender(), sender("careless", confirms=False)))
        findings = judged(ACKS, seen)
        assert findings.violations == ()
        assert any("careless (user app) go without them" in text for text in findings.unproven)

    @pytest.mark.parametrize(
        "changes",
        [
            pytest.param({"channels": (sender("idle", confirms=False, publishes=False),)}, id="who does not publish"),
            pytest.param({"queues": {"orders": queue(published=None, receives=False)}}, id="who publishes, but not here"),
            pytest.param({"queues": {"orders": queue(published=9, receives=False)}}, id="who publishes here no more"),
        ],
    )
    def test_no_publisher_to_blame(self, changes: dict[str, object]) -> None:
        """Only who publishes now to these queues counts; that the others were not seen is said."""
        seen = replace(found(queue(), channels=(sender("careless", confirms=False),)), **changes)  # type: ignore[arg-type]
        findings = judged(ACKS, seen)
        assert findings.violations == ()
        assert findings.unproven[0].startswith("acks All: only who was seen to publish within the last hour")

    def test_full_queues_that_nobody_hears_of(self) -> None:
        """Without acks as well, where a queue refuses what does not fit."""
        seen = found(queue(x_max_length=5, x_overflow="reject-publish"), channels=(sender("careless", confirms=False),))
        violation = the(judged(KEPT, seen).violations)
        assert violation.setting == "publisher confirms"
        assert "queues that are full refuse messages (orders)" in violation.reason

    def test_acks_none(self) -> None:
        """Who asks for nothing is told nothing."""
        seen = found(queue(), channels=(sender("careless", confirms=False, drops=True),), unroutable=Unroutable(9, 1))
        findings = judged(asking(acks="None"), seen)
        assert (findings.violations, findings.unproven) == ((), ())

    @pytest.mark.parametrize(
        ("unroutable", "drops", "told"),
        [
            pytest.param(Unroutable(9, 7), False, "some within the last hour", id="within the last hour"),
            pytest.param(Unroutable(9, 7), True, "some within the last hour, of here (user app)", id="and by whom"),
            pytest.param(Unroutable(9), True, "some within the last hour, of here (user app)", id="at the first audit"),
            pytest.param(GONE, True, "some within the last hour, of here (user app)", id="counters not known"),
        ],
    )
    def test_unroutable(self, unroutable: Unroutable | Unknown, drops: bool, told: str) -> None:
        """Messages that no queue took are confirmed all the same."""
        seen = found(queue(), unroutable=unroutable, channels=(sender("here", drops=drops),))
        violation = the(judged(ACKS, seen).violations)
        assert (violation.resource, violation.setting, violation.found) == (HOST, "unroutable messages", told)
        assert explained(violation.setting) is not None

    def test_unroutable_some_day(self) -> None:
        """The first audit cannot tell when that was; a counter that went back with its node is no growth."""
        findings = judged(ACKS, found(queue(), unroutable=Unroutable(9)))
        assert findings.violations == ()
        assert findings.unproven[-1].startswith("unroutable messages: 9 were dropped since RabbitMQ counts")
        assert judged(ACKS, found(queue(), unroutable=Unroutable(3, 9))).violations == ()


NODE_TROUBLE = {
    "node": (NodeFound("rabbit@a", running=False), "not running"),
    "memory alarm": (NodeFound("rabbit@a", memory_alarm=True), "raised"),
    "disk alarm": (NodeFound("rabbit@a", disk_alarm=True), "raised"),
    "network partition": (NodeFound("rabbit@a", apart=("rabbit@b",)), "without rabbit@b"),
}


@pytest.mark.parametrize(("setting", "trouble"), NODE_TROUBLE.items(), ids=NODE_TROUBLE)
def test_nodes(setting: str, trouble: tuple[NodeFound, str]) -> None:
    """What is wrong with a node is told to every policy, whatever it asks for."""
    node, told = trouble
    violation = the(judged(asking(prefetch=100), found(SAFE, nodes=(node, NodeFound("rabbit@b")))).violations)
    assert (violation.resource, violation.setting, violation.found) == (f"{NODES} rabbit@a", setting, told)
    assert violation.action is Action.REPORT
    assert explained(violation.setting) is not None


UNREAD = {
    "a queue": (found(SAFE, unknown={"orders-eu": GONE}), {"queue orders-eu"}),
    "its policies": (found(replace(SAFE, effective=GONE)), {"queue orders"}),
    "members": (found(replace(SAFE, members=GONE)), {"queue orders"}),
    "who of them is there": (found(replace(SAFE, online=GONE)), {"queue orders"}),
    "exchanges": (found(SAFE, exchanges=GONE), {"queue orders"}),
    "bindings": (found(SAFE, bindings=GONE), {"queue orders"}),
    "consumers": (found(SAFE, consumers=GONE), {"queue orders"}),
    "nodes": (found(SAFE, nodes=GONE), {NODES}),
    "channels": (found(SAFE, channels=GONE), {HOST}),
    "what was not routed": (found(SAFE, unroutable=GONE), {HOST}),
    "operator policies": (found(SAFE, operator_policies=GONE), {f"operator policy {OURS}"}),
}


@pytest.mark.parametrize(("seen", "unread"), UNREAD.values(), ids=UNREAD)
def test_what_is_not_known(seen: QueuesFound, unread: set[str]) -> None:
    """It is a gap, once, and no difference is made of it; what was told of it is not gone."""
    findings = judged(EVERY_WISH, seen)
    assert [(gap.reason, gap.message) for gap in findings.gaps] == [GAP]
    assert findings.violations == ()
    assert findings.unread == unread
    assert EVERYTHING not in findings.unread


def test_a_node_that_does_not_tell_its_alarms_yet() -> None:
    """It has just started: that is no word for no alarm; one that is down has none."""
    findings = judged(asking(prefetch=100), found(SAFE, nodes=(NodeFound("rabbit@a", memory_alarm=None), NodeFound("rabbit@b"))))
    assert "broker rabbit@a does not tell its alarms yet" in the_gap(findings)
    assert (findings.violations, NODES in findings.unread) == ((), True)
    down = judged(asking(prefetch=100), found(SAFE, nodes=(NodeFound("rabbit@a", False, None, None),)))
    assert (len(down.violations), down.gaps) == (1, ())


def the_gap(findings: Findings) -> str:
    """What the one gap says."""
    (gap,) = findings.gaps
    return gap.message


def test_a_queue_that_was_just_declared() -> None:
    """What its policies say is not known, and nothing is taken for their default; what it is itself is told."""
    new = queue(effective=GONE, members=NAMES[:1], online=NAMES[:1])
    findings = judged(asking(factor=3, delivery_limit=5, kept_for=DAY, dead_letters=True), found(new))
    assert [one.setting for one in findings.violations] == ["queue members"]
    assert the_gap(findings) == GONE.detail
    assert findings.warnings == ()
    assert judged(asking(prefetch=100), found(new)).gaps == ()


def test_what_is_not_known_and_not_asked_for() -> None:
    """It is not missed."""
    seen = found(queue(), exchanges=GONE, bindings=GONE, consumers=GONE, channels=GONE, unroutable=GONE, operator_policies=GONE)
    assert judged(asking(factor=3), seen).gaps == ()
