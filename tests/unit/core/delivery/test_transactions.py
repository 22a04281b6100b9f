"""Open transactions: told once they are old, called hung only where nobody will end them, and aborted only where it may be."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floodwarden.api.deliverypolicy import TEXT_BYTES
from floodwarden.core.assess import Gap
from floodwarden.core.conditions import Notice
from floodwarden.core.delivery.seen import Seen
from floodwarden.core.delivery.settings import explained
from floodwarden.core.delivery.survey import BrokerFound
from floodwarden.core.delivery.transactions import (
    HUNG,
    MAX_TIMEOUT,
    OFFSETS_TOPIC,
    OPEN,
    Coordinated,
    Forgotten,
    Found,
    OpenTransaction,
    Standing,
    aborted,
    may_be_aborted,
    of_transactions,
    suspects,
)
from floodwarden.core.delivery.violations import NODES, Action
from floodwarden.core.delivery.wishes import TransactionWishes, Wishes
from floodwarden.core.observation import Partition, Unknown, UnknownReason
from floodwarden.core.reasons import Reason
from tests.support.delivery import AWAY, broker, lost, the, wishes

AT = 1_800_000_000.0  # the time of the audit
OLD = 20 * 60.0
PARTITION = Partition("orders", 3)
BILLING = Coordinated("billing", "Ongoing", AT - 1800)
HIDDEN = Unknown(UnknownReason.AUTHORIZATION_FAILED, "some transactions are hidden, for a test")
TIMEOUT_1M, TIMEOUT_15M = {MAX_TIMEOUT: "60000"}, {MAX_TIMEOUT: "900000"}


def asking(
    *, aborts: bool = False, acts: bool = True, hung_after: float = OLD, timeout: float | None = None, names: str = "*"
) -> Wishes:
    return replace(wishes(acts=acts, names=[names]), transactions=TransactionWishes(timeout, hung_after, aborts))


def opened(written: float | None = 1800.0, partition: Partition = PARTITION, start: int = 1234) -> OpenTransaction:
    """A transaction whose producer wrote so many seconds ago, by its own word."""
    return OpenTransaction(partition, 42, start, 0, written_at=None if written is None else AT - written)


def found(standing: Standing, one: OpenTransaction | None = None, watched: float = 0.0) -> Found:
    return Found(one or opened(), standing, watched, stable=1200)


def seen(policy: Wishes, *one: Found, brokers: Collection[BrokerFound] = ()) -> Seen:
    return of_transactions(policy, brokers, one, {}, [], AT)


def test_an_open_transaction() -> None:
    """Who it is, where, how old, which transactional id, and where readers wait."""
    told = the(seen(asking(), found(BILLING)).violations)
    assert (told.resource, told.setting, told.event) == ("producer 42 in orders-3", OPEN, Reason.TRANSACTION_OPEN)
    assert (told.wanted, told.found, told.where) == ("≤ 20 min", "over 30 min old", "transactional id billing, Ongoing")
    assert told.action is Action.REPORT
    assert "at offset 1200" in told.reason


@pytest.mark.parametrize(
    ("policy", "action", "says"),
    [
        pytest.param(
            asking(), Action.REPORT, "kafka-transactions abort (--partition 3 --start-offset 1234, and its --topic)", id="by hand"
        ),
        pytest.param(asking(aborts=True, acts=False), Action.REPAIR, "mode Enforce would abort it", id="in mode Audit"),
        pytest.param(asking(aborts=True), Action.REPAIR, "it is aborted with the next audit", id="in mode Enforce"),
    ],
)
def test_a_hung_transaction(policy: Wishes, action: Action, says: str) -> None:
    """It is of another kind than an open one, so that an open one that turns out to be hung is told as that."""
    told = the(seen(policy, found(Forgotten())).violations)
    assert (told.resource, told.setting, told.event) == ("producer 42 in orders-3", HUNG, Reason.TRANSACTION_HUNG)
    assert (told.where, told.action) == ("no coordinator knows it", action)
    assert says in told.reason


def test_what_to_do_is_never_cut_off() -> None:
    """However long the topic's name and the numbers are, a status has room for it."""
    one = opened(partition=Partition("t" * 249, 99_999), start=2**63 - 1)
    told = the(seen(asking(), replace(found(Forgotten(), one), stable=2**63 - 1)).violations)
    assert len(told.reason) <= TEXT_BYTES
    assert told.reason.endswith("or set spec.transactions.abort to Hung")


def test_a_hung_transaction_that_could_not_be_aborted() -> None:
    """Why is told."""
    told = the(seen(asking(aborts=True), replace(found(Forgotten()), failure=AWAY)).violations)
    assert told.reason.endswith("it could not be aborted: away, for a test")


@pytest.mark.parametrize("names", ["orders*", "*"])
def test_a_hung_transaction_in_the_offsets_of_groups(names: str) -> None:
    """Told to every policy that asks about transactions, whatever topics it names, and aborted for none."""
    policy, one = asking(aborts=True, names=names), found(Forgotten(), opened(partition=Partition(OFFSETS_TOPIC, 3)))
    told = the(seen(policy, one).violations)
    assert (told.resource, told.setting, told.action) == ("producer 42 in __consumer_offsets-3", HUNG, Action.REPORT)
    assert told.reason == (
        "it never ends by itself, and groups with offsets in it cannot go on from there: "
        "run kafka-transactions abort (--partition 3 --start-offset 1234, and its --topic)"
    )
    assert not may_be_aborted(policy, one, AT)
    assert suspects({one.transaction: OLD}, [policy], AT) == [one.transaction]


def test_offsets_of_groups_that_may_not_be_read() -> None:
    """Told, and no doubt about the topics that the policy names; a node that is away is a doubt about all."""
    dark = Partition(OFFSETS_TOPIC, 3)
    brought = of_transactions(asking(), [], [], {dark: HIDDEN}, [], AT)
    assert (brought.gaps, brought.unproven) == ((), (f"transactions in {OFFSETS_TOPIC}: {HIDDEN.detail}",))
    brought = of_transactions(asking(), [], [], {dark: AWAY}, [], AT)
    assert ([gap.message for gap in brought.gaps], brought.unproven) == ([AWAY.detail], ())


def test_coordinators_that_do_not_tell() -> None:
    """It is open all the same, but not hung; that it may be is a gap, and what was told of it before is not told again."""
    brought = seen(asking(aborts=True), found(HIDDEN))
    told = the(brought.violations)
    assert (told.setting, told.event, told.action) == (OPEN, Reason.TRANSACTION_OPEN, Action.REPORT)
    assert brought.gaps == (Gap(Reason.AUTHORIZATION_FAILED, HIDDEN.detail),)
    assert brought.unread == {told.resource}


@pytest.mark.parametrize(
    ("one", "old"),
    [
        pytest.param(found(BILLING, opened(written=1.0)), True, id="its coordinator has it older than its last message"),
        pytest.param(found(replace(BILLING, since=AT - 60), opened(written=9e9)), False, id="messages that carry old times"),
        pytest.param(
            found(replace(BILLING, since=None), opened(written=OLD)), True, id="its coordinator does not tell since when"
        ),
        pytest.param(found(Forgotten(), opened(written=OLD - 1)), False, id="not old enough"),
        pytest.param(found(Forgotten(), opened(written=-9e9), watched=OLD), True, id="messages that carry times to come"),
        pytest.param(found(Forgotten(), opened(written=None)), False, id="messages without times"),
        pytest.param(found(Forgotten(), opened(written=None), watched=OLD), True, id="watched for as long"),
    ],
)
def test_when_it_is_old(one: Found, old: bool) -> None:
    """By its coordinator's clock, or by how long it was watched; by its producer's times where there is nothing better."""
    policy = asking(aborts=True)
    assert len(seen(policy, one).violations) == old
    assert may_be_aborted(policy, one, AT) == (old and isinstance(one.standing, Forgotten))


@pytest.mark.parametrize(
    ("policy", "one", "may"),
    [
        pytest.param(asking(aborts=True), found(Forgotten()), True, id="hung"),
        pytest.param(asking(aborts=True), found(BILLING), False, id="known"),
        pytest.param(asking(aborts=True), found(HIDDEN), False, id="not known whether it is known"),
        pytest.param(asking(aborts=True, acts=False), found(Forgotten()), False, id="mode Audit"),
        pytest.param(asking(), found(Forgotten()), False, id="not asked for"),
        pytest.param(asking(aborts=True, names="other*"), found(Forgotten()), False, id="another topic"),
        pytest.param(asking(aborts=True, hung_after=3600.0), found(Forgotten()), False, id="too young"),
        pytest.param(wishes(), found(Forgotten()), False, id="nothing asked of transactions"),
    ],
)
def test_what_may_be_aborted(policy: Wishes, one: Found, may: bool) -> None:
    """Only what is hung for certain, and only where all of the policy allows it."""
    assert may_be_aborted(policy, one, AT) is may


def test_of_other_topics_nothing_is_told() -> None:
    """Neither violations nor gaps."""
    brought = of_transactions(asking(names="other*"), (), [found(HIDDEN)], {PARTITION: AWAY}, [opened()], AT)
    assert brought == Seen()


def test_a_policy_that_asks_nothing_of_transactions() -> None:
    """Nothing is told, whatever was found for others."""
    assert of_transactions(wishes(), [broker(0, TIMEOUT_1M)], [found(Forgotten())], {PARTITION: AWAY}, [], AT) == Seen()


def test_partitions_that_could_not_be_read() -> None:
    """A gap, once for all alike; what was open there is not forgotten, so that it is not told again."""
    dark = {Partition("orders", number): AWAY for number in range(5)}
    elsewhere = opened(partition=Partition("orders", 9))
    brought = of_transactions(asking(), (), [], dark, [opened(), elsewhere], AT)
    assert brought == Seen(gaps=(Gap(Reason.BROKER_UNREACHABLE, AWAY.detail),), unread=frozenset({str(opened())}))


@pytest.mark.parametrize(
    ("policy", "watched", "asked_about"),
    [
        pytest.param(asking(), {opened(): 0.0}, 1, id="its last message is old"),
        pytest.param(asking(), {opened(written=1.0): OLD}, 1, id="watched for long"),
        pytest.param(asking(), {opened(written=1.0): 1.0}, 0, id="young"),
        pytest.param(asking(names="other*"), {opened(): 0.0}, 0, id="another topic"),
        pytest.param(wishes(), {opened(): 0.0}, 0, id="nothing asked of transactions"),
    ],
)
def test_who_is_asked_about(policy: Wishes, watched: dict[OpenTransaction, float], asked_about: int) -> None:
    """Coordinators are not asked about what is of no interest to anybody."""
    assert len(suspects(watched, [policy], AT)) == asked_about


@pytest.mark.parametrize(
    ("timeout", "nodes", "told"),
    [
        pytest.param(60.0, [TIMEOUT_15M, TIMEOUT_15M], [], id="more than enough"),
        pytest.param(60.0, [TIMEOUT_1M, TIMEOUT_15M], [], id="just enough"),
        pytest.param(61.0, [TIMEOUT_1M, TIMEOUT_15M], [("broker 0", "≥ 61000 (61s)", "60000 (1m)")], id="a node that refuses"),
        pytest.param(3600.0, [TIMEOUT_15M, TIMEOUT_15M], [("brokers 0, 1", "≥ 3600000 (1h)", "900000 (15m)")], id="all refuse"),
        pytest.param(None, [TIMEOUT_1M], [], id="not asked for"),
    ],
)
def test_timeouts_that_brokers_allow(
    timeout: float | None, nodes: list[dict[str, str]], told: list[tuple[str, str, str]]
) -> None:
    """The one that producers are to ask for must be allowed by every node."""
    brokers = [broker(node, changed) for node, changed in enumerate(nodes)]
    violations = seen(asking(timeout=timeout), brokers=brokers).violations
    assert [(one.resource, one.wanted, one.found) for one in violations] == told
    assert all(one.setting == MAX_TIMEOUT for one in violations)


def test_a_node_whose_timeout_is_not_known() -> None:
    """A gap, and what was told of nodes is kept; also where a node does not tell it."""
    brought = seen(asking(timeout=60.0), brokers=[broker(0, TIMEOUT_15M), lost(1), broker(2)])
    assert {gap.reason for gap in brought.gaps} == {Reason.BROKER_UNREACHABLE, Reason.UNSUPPORTED}
    assert brought.unread == {NODES}
    assert seen(asking(), brokers=[lost(1)]) == Seen()


@pytest.mark.parametrize(
    ("hung_after", "age", "text"),
    [
        pytest.param(1.0, 1.2, "over 1 s old", id="seconds"),
        pytest.param(45 * 60.0, 50 * 60.0, "over 45 min old", id="what was asked for is a step too"),
        pytest.param(OLD, 90 * 60.0, "over 1 h old", id="hours"),
        pytest.param(OLD, 3 * 86400.0, "over 2 d old", id="days"),
        pytest.param(1.5, 1.7, "over 1.5 s old", id="parts of seconds"),
    ],
)
def test_ages_in_words(hung_after: float, age: float, text: str) -> None:
    """In steps: a status does not change with every audit."""
    assert the(seen(asking(hung_after=hung_after), found(Forgotten(), opened(written=age))).violations).found == text


def test_an_abort_is_told() -> None:
    """The Event names producer, partition, age and where it began."""
    policy = asking(aborts=True)
    assert policy.transactions is not None
    text = (
        "the hung transaction of producer 42 in orders-3, from offset 1234 on and over 30 min old, was aborted: "
        "it was never committed"
    )
    assert aborted(policy.transactions, found(Forgotten()), AT) == Notice(False, Reason.TRANSACTION_ABORTED, text)


def test_another_transaction_of_the_same_producer_is_another_one() -> None:
    """What was found hung is never taken for what its producer began since; a later message does not make it another one."""
    assert opened() == replace(opened(), epoch=7, coordinator_epoch=3, written_at=AT)
    assert opened() != opened(start=1300)


@pytest.mark.parametrize("setting", [OPEN, HUNG, MAX_TIMEOUT])
def test_each_is_explained(setting: str) -> None:
    """What a violation can name, ``explain`` knows."""
    assert explained(setting) is not None


STANDINGS = st.one_of(
    st.just(Forgotten()),
    st.just(HIDDEN),
    st.builds(Coordinated, st.just("billing"), st.just("Ongoing"), st.none() | st.floats(0, AT)),
)


@given(
    standing=STANDINGS,
    written=st.none() | st.floats(-1e9, 1e9),
    watched=st.floats(0, 1e7),
    hung_after=st.floats(1, 6e5),
    aborts=st.booleans(),
    acts=st.booleans(),
)
def test_what_is_aborted_was_told_as_hung(
    standing: Standing, written: float | None, watched: float, hung_after: float, aborts: bool, acts: bool
) -> None:
    """Nothing is ended that the same policy would not be told of as hung, nor anything that was not watched out for."""
    policy = asking(aborts=aborts, acts=acts, hung_after=hung_after)
    one = found(standing, opened(written=written), watched)
    told = [violation.setting for violation in seen(policy, one).violations]
    assert may_be_aborted(policy, one, AT) == (aborts and acts and told == [HUNG])
    if may_be_aborted(policy, one, AT):
        assert suspects({one.transaction: watched}, [policy], AT) == [one.transaction]
