"""Which copies are made next, how a batch ends, and what people are told of it meanwhile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from floodwarden.core.assess import Gap
from floodwarden.core.delivery.audit import audit
from floodwarden.core.delivery.moves import (
    BATCH,
    Batch,
    State,
    begun,
    ended,
    made,
    next_batch,
    seen,
    still_as_planned,
    unknown_to,
    unlisted,
    worth_a_look,
)
from floodwarden.core.delivery.placement import Raise, UnderWay
from floodwarden.core.delivery.seen import with_seen
from floodwarden.core.delivery.survey import Placement, Survey, TopicFound
from floodwarden.core.delivery.violations import FACTOR, IN_SYNC, Action, Violation
from floodwarden.core.delivery.wishes import Wishes
from floodwarden.core.observation import Partition
from floodwarden.core.reasons import Reason
from tests.support.delivery import AWAY, broker, lost, of_topics, survey, the, topic, wishes

P0, P1 = Partition("orders", 0), Partition("orders", 1)
SINGLE = topic(on=[(0,), (1,)])
MOVING = topic(on=[(0, 1, 2), (1, 2, 0)], in_sync=[(0,), (1,)])  # as brokers tell it while copies are made
ASKED = {P0: Raise(P0, (0,), (0, 1, 2)), P1: Raise(P1, (1,), (1, 2, 0))}
BOTH = {P0: UnderWay((0, 1, 2), (1, 2)), P1: UnderWay((1, 2, 0), (2, 0))}
NOW = State({}, {})


def policy(factor: int = 3, *, acts: bool = True, **changed: object) -> Wishes:
    return replace(wishes(factor=factor, enforces=acts), **{"move_rate": 50 * 2**20, **changed})  # type: ignore[arg-type]


def chosen(*policies: Wishes, found: Survey, owners: Mapping[str, str] | None = None, skipped: Sequence[str] = ()) -> list[str]:
    """The partitions of the next batch."""
    batch = next_batch(policies, found, audit(found, policies, owners or {}), owners or {}, skipped)
    return [str(one.partition) for one in batch.raises] if batch else []


class TestNextBatch:
    """What is begun next."""

    def test_all_that_lacks_copies(self) -> None:
        """Of the topics that match; the rest is left."""
        found = survey(SINGLE, topic("orders-tmp", on=[(0,)]), topic("payments"), topic("refunds", on=[(0, 1), (0, 1, 2)]))
        assert chosen(policy(exclude=("*-tmp",)), found=found) == ["orders-0", "orders-1", "refunds-0"]

    @pytest.mark.parametrize(
        ("asking", "found", "owners"),
        [
            pytest.param([policy(acts=False)], survey(SINGLE), {}, id="mode Audit"),
            pytest.param([policy(2)], survey(topic(on=[(0, 1)])), {}, id="as many as asked for"),
            pytest.param([policy(5)], survey(SINGLE), {}, id="more than there are brokers"),
            pytest.param([policy()], survey(topic(on=[(0,)], internal=True)), {}, id="a topic of Kafka's own"),
            pytest.param([policy()], survey(SINGLE), {"orders": "KafkaTopic x/orders"}, id="a topic that somebody else has"),
            pytest.param([policy(), policy(2, name="shop/b")], survey(SINGLE), {}, id="two policies that disagree"),
            pytest.param([policy()], survey(topic(on=AWAY)), {}, id="replicas that are not known"),
            pytest.param([policy()], survey(SINGLE, brokers=[lost(0), lost(1), lost(2)]), {}, id="no broker that answers"),
            pytest.param([], survey(SINGLE), {}, id="no policy"),
        ],
    )
    def test_nothing(self, asking: Sequence[Wishes], found: Survey, owners: Mapping[str, str]) -> None:
        """Left as it is."""
        assert chosen(*asking, found=found, owners=owners) == []

    def test_one_that_looks_disarms_nobody(self) -> None:
        """A policy in mode Audit may want something else."""
        assert chosen(policy(), policy(2, acts=False, name="shop/b"), found=survey(SINGLE)) == ["orders-0", "orders-1"]

    def test_skipped(self) -> None:
        """What is to be left alone is."""
        assert chosen(policy(), found=survey(SINGLE, topic("payments", on=[(0,)])), skipped=["orders"]) == ["payments-0"]

    def test_whole_topics_within_the_bound(self) -> None:
        """A topic that does not fit any more waits for the next batch; one that never would is begun in part."""
        most = [(0,)] * (BATCH - 1)
        found = survey(topic("a", on=most), topic("b", on=[(0,)] * 2), topic("c", on=[(0,)]))
        assert {name.partition("-")[0] for name in chosen(policy(), found=found)} == {"a"}
        assert len(chosen(policy(), found=survey(topic("a", on=[(0,)] * (BATCH + 7))))) == BATCH

    def test_one_policy_at_a_time(self) -> None:
        """Each has its own rate."""
        first, second = policy(names=("a*",)), policy(names=("b*",), name="shop/z", move_rate=7)
        found = survey(topic("a", on=[(0,)]), topic("b", on=[(0,)]))
        batch = next_batch([second, first], found, audit(found, [first, second], {}), {})
        assert batch is not None
        assert (batch.policy, batch.rate, batch.topics, batch.nodes) == ("shop/orders", 50 * 2**20, ["a"], [0, 1, 2])


@pytest.mark.parametrize(
    ("asking", "found", "worth"),
    [
        pytest.param([policy()], SINGLE, True, id="too few copies"),
        pytest.param([policy()], MOVING, True, id="copies that are not in sync: they may be being made"),
        pytest.param([policy()], topic(), False, id="all is well"),
        pytest.param([policy(names=("x",))], SINGLE, False, id="nobody speaks of it"),
        pytest.param([wishes(min_in_sync=2)], SINGLE, False, id="nobody asks for a factor"),
        pytest.param([policy()], topic(on=[(0,)], internal=True), False, id="Kafka's own"),
        pytest.param([policy()], topic(on=AWAY), False, id="not known"),
        pytest.param([], SINGLE, False, id="no policy"),
    ],
)
def test_worth_a_look(asking: Sequence[Wishes], found: TopicFound, worth: bool) -> None:
    """Brokers are asked for reassignments only where there may be one, or ought to be."""
    assert worth_a_look(asking, survey(found)) is worth


@pytest.mark.parametrize(
    ("under_way", "now", "left"),
    [
        pytest.param({}, {"orders": SINGLE.placements}, [P0, P1], id="as it was"),
        pytest.param({P0: BOTH[P0]}, {"orders": SINGLE.placements}, [P1], id="somebody has begun"),
        pytest.param({}, {"orders": topic(on=[(0, 2), (1,)]).placements}, [P1], id="somebody has made a copy"),
        pytest.param({}, {"orders": topic(on=[(0,)]).placements}, [P0], id="made anew with fewer partitions"),
        pytest.param({}, {"orders": AWAY}, [], id="not known"),
        pytest.param({}, {}, [], id="gone"),
    ],
)
def test_still_as_planned(under_way: dict[Partition, UnderWay], now: dict[str, object], left: list[Partition]) -> None:
    """What changed since it was planned is not asked for: a copy that came meanwhile would be taken away."""
    batch = Batch("shop/orders", 1, tuple(ASKED.values()))
    assert [one.partition for one in still_as_planned(batch, under_way, now)] == left  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("found", "how"),
    [
        pytest.param(topic(on=[(0, 1, 2), (1, 2, 0)]), True, id="all made"),
        pytest.param(topic(on=[(0, 1, 2, 3), (1, 2, 0)]), True, id="and more"),
        pytest.param(MOVING, None, id="not in sync yet"),
        pytest.param(topic(on=[(0, 1, 2), (1,)]), False, id="one was not made"),
        pytest.param(topic(on=[(0, 1, 2)]), False, id="one is gone"),
    ],
)
def test_ended(found: TopicFound, how: bool | None) -> None:
    """Made is what all brokers have, and in sync."""
    assert isinstance(found.placements, tuple)
    assert ended(ASKED.values(), found.placements) is how


@pytest.mark.parametrize(
    ("found", "hidden"),
    [
        pytest.param(MOVING, {P0: UnderWay((0, 1, 2), (1, 2)), P1: UnderWay((1, 2, 0), (2, 0))}, id="all of them"),
        pytest.param(SINGLE, {P0: UnderWay((0, 1, 2), (1, 2)), P1: UnderWay((1, 2, 0), (2, 0))}, id="not even begun, it seems"),
        pytest.param(topic(on=[(0, 1, 2), (1, 2, 0)], in_sync=[(0, 1), (1, 2, 0)]), {P0: UnderWay((0, 1, 2), (2,))}, id="one"),
        pytest.param(topic(on=[(0, 1, 2), (1, 2, 0)]), {}, id="made"),
        pytest.param(topic(on=[(0, 1, 2)]), {}, id="a partition that is gone"),
    ],
)
def test_unlisted(found: TopicFound, hidden: dict[Partition, UnderWay]) -> None:
    """What is not there and in sync may still be being made."""
    assert isinstance(found.placements, tuple)
    state = unlisted(ASKED, {"orders": found.placements, "payments": AWAY})
    assert state == hidden
    assert State(state, ASKED).own == hidden.keys()


def told(found: Survey, state: State, asking: Wishes | None = None) -> list[Violation]:
    """What is told of topics after the audit and this look."""
    asking = asking or policy()
    findings = audit(found, [asking], {})[asking.name]
    return of_topics(with_seen(findings, [seen(asking, found, findings, state)]))


class TestTold:
    """Each topic that lacks copies is told once, with what becomes of it."""

    def test_while_copies_are_made(self) -> None:
        """How far it has come and who is awaited; that they are not in sync is no fault."""
        violation = the(told(survey(MOVING), State(BOTH, ASKED)))
        assert (violation.setting, violation.wanted, violation.found, violation.action) == (FACTOR, "≥ 3", "1", Action.REPAIR)
        assert violation.reason == "copies are being made: 2 of 2 partitions left, not in sync yet on brokers 0, 1, 2"

    def test_some_are_made(self) -> None:
        """Those that are left are named."""
        found = topic(on=[(0, 1, 2), (1, 2, 0)], in_sync=[(0, 1, 2), (1,)])
        violation = the(told(survey(found), State({P1: BOTH[P1]}, ASKED)))
        assert violation.found == "1 in partitions 1"
        assert violation.reason == "copies are being made: 1 of 2 partitions left, not in sync yet on brokers 0, 2"

    def test_a_broker_that_is_down(self) -> None:
        """It is named: nothing ends without it."""
        found = survey(MOVING, brokers=[broker(0), broker(1), lost(2)])
        violation = the(told(found, State(BOTH, ASKED)))
        assert violation.reason.endswith("not in sync yet on brokers 0, 1, 2; broker 2 cannot be reached: bring it back")

    def test_they_get_no_further(self) -> None:
        """People are told what to do; a broker that is away comes before the rate."""
        violation = the(told(survey(MOVING), State(BOTH, ASKED, stalled=True)))
        assert violation.action is Action.REPORT
        assert "on brokers 0, 1, 2; none of this batch has ended for 30 minutes" in violation.reason
        found = survey(MOVING, brokers=[broker(0), broker(1), lost(2)])
        assert the(told(found, State(BOTH, ASKED, stalled=True))).reason.endswith("broker 2 cannot be reached: bring it back")

    def test_a_copy_that_fell_behind_meanwhile(self) -> None:
        """What was there before is no copy that is being made."""
        found = topic(on=[(0, 1, 2), (1, 2, 0)], in_sync=[(), (1,)])
        assert {one.setting for one in told(survey(found), State(BOTH, ASKED))} == {FACTOR, IN_SYNC}

    @pytest.mark.parametrize("acts", [True, False], ids=["Enforce", "Audit"])
    def test_somebody_else_makes_them(self, acts: bool) -> None:
        """It is left to them, whatever the policy's mode."""
        violation = the(told(survey(MOVING), State(BOTH, {}), policy(acts=acts)))
        assert (violation.found, violation.action) == ("1", Action.REPORT)
        assert violation.reason.startswith("somebody else is moving partitions 0, 1, which is left to them")

    def test_somebody_else_moves_what_has_enough(self) -> None:
        """A move from some brokers to others is no lack of copies, and nothing to tell."""
        found = topic(on=[(0, 1, 2, 3)], in_sync=[(0, 1, 2)])
        assert told(survey(found), State({P0: UnderWay((0, 1, 2, 3), (3,), (0,))}, {})) == []

    def test_ours_that_somebody_replaced(self) -> None:
        """What is under way is not what was asked for: it is theirs."""
        state = State({P0: UnderWay((0, 1), (1,)), P1: UnderWay((1, 2, 0), (2, 0), (1,))}, ASKED)
        assert state.own == frozenset()
        assert state.others == [P0, P1]

    def test_it_waits(self) -> None:
        """Why, or that others come first; and what people must do comes before that."""
        found = survey(SINGLE)
        assert the(told(found, NOW)).reason == "copies are made once those before it are"
        waits = the(told(found, replace(NOW, waits="it waits")))
        assert (waits.reason, waits.action) == ("it waits", Action.REPAIR)
        refused = the(told(found, replace(NOW, waits="it waits", refused="not allowed")))
        assert (refused.reason, refused.action) == ("copies cannot be made: not allowed", Action.REPORT)
        left = the(told(found, replace(NOW, waits="it waits", left_alone={"orders": "called off"})))
        assert (left.reason, left.action) == ("called off", Action.REPORT)

    @pytest.mark.parametrize(
        ("found", "reason"),
        [
            pytest.param(
                survey(SINGLE, brokers=[broker(0), broker(1), lost(2)]),
                "3 copies need as many brokers that run, and 2 do: bring the others back",
                id="too few brokers run",
            ),
            pytest.param(
                survey(topic(on=[(2,)]), brokers=[broker(0), broker(1), lost(2)]),
                "no broker runs that has a copy in sync: bring it back",
                id="nobody has it who runs",
            ),
        ],
    )
    def test_it_cannot_be(self, found: Survey, reason: str) -> None:
        """What people must do first."""
        violation = the([one for one in told(found, NOW) if one.setting == FACTOR])
        assert (violation.reason, violation.action) == (reason, Action.REPORT)

    @pytest.mark.parametrize(
        ("asking", "found"),
        [
            pytest.param(policy(5), survey(SINGLE), id="more than there are brokers"),
            pytest.param(policy(acts=False), survey(SINGLE), id="mode Audit"),
        ],
    )
    def test_the_audit_has_said_it(self, asking: Wishes, found: Survey) -> None:
        """Its word stands."""
        findings = audit(found, [asking], {})[asking.name]
        assert seen(asking, found, findings, replace(NOW, waits="it waits", refused="not allowed")).violations == ()

    def test_a_conflict_and_an_owner(self) -> None:
        """Their word stands as well."""
        one, other = policy(), policy(2, name="shop/b")
        findings = audit(survey(SINGLE), [one, other], {})
        assert seen(one, survey(SINGLE), findings[one.name], NOW).violations == ()
        findings = audit(survey(SINGLE), [one], {"orders": "KafkaTopic x/orders"})
        assert seen(one, survey(SINGLE), findings[one.name], NOW).violations == ()

    def test_what_is_newer_than_the_survey(self) -> None:
        """Copies that were made since are not told to be out of sync."""
        whole = topic(on=[(0, 1, 2), (1, 2, 0)]).placements
        assert isinstance(whole, tuple)
        fresh: dict[str, tuple[Placement, ...]] = {"orders": whole}
        assert told(survey(MOVING), replace(NOW, fresh=fresh)) == []
        assert [one.setting for one in told(survey(MOVING), NOW)] == [IN_SYNC]

    def test_no_factor(self) -> None:
        """A policy that does not ask is told nothing."""
        assert told(survey(MOVING), State(BOTH, ASKED), wishes()) == told(survey(MOVING), NOW, wishes())


def test_it_is_not_known_what_is_under_way() -> None:
    """What a topic seems to have may still be being made: whatever was told of it stays told."""
    gap = Gap(Reason.AUTHORIZATION_FAILED, "not allowed")
    found = unknown_to(policy(names=("orders",)), survey(SINGLE, topic("payments")), gap)
    assert (found.gaps, set(found.unread)) == ((gap,), {"topic orders"})
    assert unknown_to(wishes(), survey(SINGLE), gap).gaps == ()


class TestEvents:
    """One for each topic, and not too many."""

    def test_begun(self) -> None:
        """What there is, what will be, and what it may cost."""
        (notice,) = begun(Batch("shop/orders", 50 * 2**20, tuple(ASKED.values())), kept=[])
        assert (notice.warning, notice.reason) == (False, Reason.RAISING_REPLICATION)
        assert notice.message == (
            "topic orders has 1 copy of partitions 0, 1; copies up to 3 are being made, at most 50 MiB/s and broker"
        )
        (notice,) = begun(Batch("shop/orders", 1_000_000, tuple(ASKED.values())), kept=[2])
        assert notice.message.endswith("at most 0.954 MiB/s and broker, but what is set already on broker 2")

    def test_made(self) -> None:
        """From what to what."""
        mixed = [ASKED[P0], Raise(P1, (1, 2), (1, 2, 0))]
        assert made(mixed) == "topic orders had 1 or 2 copies of partitions 0, 1, and has 3 now; all of them are in sync"

    def test_many(self) -> None:
        """The first five, and how many more."""
        raises = tuple(Raise(Partition(f"orders-{number}", 0), (0,), (0, 1)) for number in range(8))
        notices = list(begun(Batch("shop/orders", 1, raises), kept=[]))
        assert len(notices) == 6
        assert notices[-1].message == "and 3 more like this"
