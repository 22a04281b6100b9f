"""What of a topic is near its end for a group, what is lost, and for how long messages are kept: each in a table."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floodwarden.core.assess import Gap
from floodwarden.core.delivery.expiry import CROWDED, LOST, UNREAD, Around, left, not_proven, of_late
from floodwarden.core.delivery.guard import POSITIONS_AT_MOST, Facts, Late, lates, partly_committed, worst
from floodwarden.core.delivery.keeping import Keeping, Moments, keepings, moments, own_retention
from floodwarden.core.delivery.ledger import Entry, Purpose, Resource
from floodwarden.core.delivery.readers import GroupFound, GroupsFound
from floodwarden.core.delivery.survey import BrokerFound, Survey, TopicFound
from floodwarden.core.delivery.violations import Action
from floodwarden.core.delivery.wishes import Wishes
from floodwarden.core.observation import GroupPhase, Partition, Unknown
from floodwarden.core.reasons import Reason
from tests.support.delivery import AWAY, DAY, DENIED, HOUR, broker, lost, survey, the, topic, wishes

NOW = 1_800_000_000_000  # milliseconds since 1970
ONE = Partition("orders", 0)
NEAR, HOLD, LAST = NOW - 18 * HOUR, NOW - 12 * HOUR, NOW - 72 * HOUR
USUAL = Keeping("orders", DAY, None)
LONGER = Keeping("orders", DAY, None, extended=4 * DAY)


def late(
    offset: int | Unknown,
    extent: tuple[int, int] | Unknown = (10, 100),
    firsts: Mapping[int, int | Unknown | None] | None = None,
    *,
    keeping: Keeping = USUAL,
    size: int | Unknown | None = None,
) -> Late | None:
    """What is found of a group on one partition; ``firsts`` by moment. None where there is nothing to say."""
    given = {NEAR: 50, HOLD: 60, LAST: 20} if firsts is None else firsts
    when = Moments(NEAR) if keeping.extended is None else Moments(NEAR, HOLD, LAST)
    facts = Facts(
        {"orders": {ONE: extent}}, {(ONE, at): one for at, one in given.items()}, {ONE: size} if size is not None else {}
    )
    group = GroupFound("billing", GroupPhase.STABLE, {ONE: offset})
    return next(lates(GroupsFound((group,)), {"orders": keeping}, {"orders": when}, facts), None)


@pytest.mark.parametrize(
    ("offset", "extent", "first", "expiring", "lost"),
    [
        pytest.param(30, (10, 100), 50, (30, 20), None, id="behind"),
        pytest.param(49, (10, 100), 50, (49, 1), None, id="just behind"),
        pytest.param(50, (10, 100), 50, None, None, id="just not"),
        pytest.param(100, (10, 100), None, None, None, id="read to the end, though all is old"),
        pytest.param(90, (10, 100), None, (90, 10), None, id="all is old"),
        pytest.param(30, (10, 40), 50, (30, 10), None, id="the log ended before the moment's message came"),
        pytest.param(10, (10, 100), 10, None, None, id="nothing is old"),
        pytest.param(4, (10, 100), 50, (10, 40), 6, id="some is gone, more will be"),
        pytest.param(4, (10, 100), 10, None, 6, id="some is gone, the rest is young"),
        pytest.param(0, (100, 100), None, None, 100, id="all is gone"),
        pytest.param(0, (0, 0), None, None, None, id="an empty log"),
    ],
)
def test_what_expires(
    offset: int, extent: tuple[int, int], first: int | None, expiring: tuple[int, int] | None, lost: int | None
) -> None:
    """Unread messages before the first one that is young, from where the group goes on; and those that are gone."""
    found = late(offset, extent, {NEAR: first})
    assert (found.expiring.get(0) if found else None) == expiring
    assert (found.lost.get(0) if found else None) == lost


@pytest.mark.parametrize(
    ("offset", "holds", "last"),
    [
        pytest.param(15, True, True, id="behind even the extended retention"),
        pytest.param(20, True, False, id="late"),
        pytest.param(59, True, False, id="not late any more, but less than half is left"),
        pytest.param(60, False, False, id="half is left"),
        pytest.param(100, False, False, id="read to the end"),
    ],
)
def test_what_holds_an_extension(offset: int, holds: bool, last: bool) -> None:
    """A group that has still to read what is older than half of the usual retention."""
    found = late(offset, keeping=LONGER)
    assert (found.holds if found else False, found.last if found else False) == (holds, last)


@pytest.mark.parametrize(
    ("offset", "extent", "firsts"),
    [
        pytest.param(AWAY, (10, 100), None, id="the offset"),
        pytest.param(30, AWAY, None, id="the log"),
        pytest.param(30, (10, 100), {NEAR: AWAY, HOLD: AWAY, LAST: AWAY}, id="the moments"),
    ],
)
def test_unknown_is_not_fine(
    offset: int | Unknown, extent: tuple[int, int] | Unknown, firsts: Mapping[int, int | Unknown | None] | None
) -> None:
    """It is said, nothing is claimed, and an extension stays."""
    found = late(offset, extent, firsts, keeping=LONGER)
    assert found is not None
    assert AWAY in found.unknown
    assert (found.holds, found.last, found.expiring, found.lost) == (True, False, {}, {})


def test_a_moment_that_was_not_asked_for() -> None:
    """It is unknown, not old."""
    found = late(30, firsts={})
    assert found is not None
    assert (found.expiring, len(found.unknown)) == ({}, 1)


@pytest.mark.parametrize(
    ("offset", "size", "crowded"),
    [
        pytest.param(33, 1000, None, id="not quite three quarters"),
        pytest.param(32, 1000, 755, id="more"),
        pytest.param(10, 700, None, id="a small log, all of it unread"),
        pytest.param(10, 5000, 5000, id="larger than is kept"),
        pytest.param(10, None, None, id="nobody asked"),
    ],
)
def test_what_newer_messages_push_out(offset: int, size: int | None, crowded: int | None) -> None:
    """Unread bytes by their share of the log's, against retention.bytes."""
    found = late(offset, firsts={NEAR: 10}, keeping=Keeping("orders", DAY, 1000), size=size)
    assert (found.crowded.get(0) if found else None) == crowded


def test_a_size_that_is_not_known_holds_no_extension() -> None:
    """It is said, and that is all."""
    found = late(100 - 1, keeping=Keeping("orders", DAY, 1000, extended=4 * DAY), size=DENIED)
    assert found is not None
    assert (found.unknown, found.holds) == ([DENIED], False)


def test_a_commit_behind_the_end() -> None:
    """Of a topic that was made anew: it can neither be late nor hold anything."""
    found = late(120, keeping=LONGER)
    assert found is not None
    assert (found.beyond, found.expiring, found.holds) == ([0], {}, False)
    sentences = list(not_proven(wishes(), [found], survey(topic()), None, []))
    assert sentences == [
        "topic orders, group billing is beyond the end of partition 0: what is unread cannot be seen; reset its offsets"
    ]


@given(offset=st.integers(0, 50), start=st.integers(0, 50), length=st.integers(0, 50), first=st.integers(0, 120) | st.none())
def test_counts_are_of_messages_that_are_there(offset: int, start: int, length: int, first: int | None) -> None:
    """What expires and what is lost never overlap, and are never more than there is."""
    found = late(offset, (start, start + length), {NEAR: first})
    if found is None:
        return
    begins, count = found.expiring.get(0, (start, 0))
    assert max(offset, start) <= begins + count <= start + length or not found.expiring
    assert count >= 0
    assert found.lost.get(0, 0) == max(0, start - offset)


class TestMoments:
    """What is near its end, what holds an extension, and what is near its end all the same."""

    @pytest.mark.parametrize(
        ("keeping", "acting", "expected"),
        [
            pytest.param(USUAL, True, Moments(NEAR), id="usual"),
            pytest.param(LONGER, True, Moments(NEAR, HOLD, LAST), id="extended"),
            pytest.param(LONGER, False, Moments(NEAR, NOW - DAY, LAST), id="extended, and nobody would again"),
            pytest.param(Keeping("orders", None, None), True, None, id="for ever"),
            pytest.param(Keeping("orders", 2**62, None), True, Moments(0), id="for longer than there is time"),
        ],
    )
    def test_by_retention(self, keeping: Keeping, acting: bool, expected: Moments | None) -> None:
        """In milliseconds since 1970, never negative: to Kafka these stand for something else."""
        assert moments(keeping, NOW, acting=acting) == expected


ENTRY = Entry(Purpose.GUARD, Resource.TOPIC, "orders", "retention.ms", None, str(4 * DAY), "shop/orders")


class TestKeeping:
    """How long a topic keeps messages is what the least of its nodes gives it, and not what we have made of it."""

    @pytest.mark.parametrize(
        ("found", "entry", "expected"),
        [
            pytest.param(topic(own={"retention.ms": str(DAY)}), None, (DAY, None, None), id="its own"),
            pytest.param(topic(), None, (HOUR, None, None), id="inherited: the least"),
            pytest.param(topic(on=[(0, 1)]), None, (7 * DAY, None, None), id="inherited from those that hold it"),
            pytest.param(topic(own={"retention.ms": "-1"}), None, (None, None, None), id="for ever"),
            pytest.param(topic(own={"retention.bytes": "5000", "retention.ms": "7"}), None, (7, 5000, None), id="bytes"),
            pytest.param(
                topic(own={"retention.ms": str(4 * DAY)}), ENTRY, (HOUR, None, 4 * DAY), id="extended: inherited before"
            ),
            pytest.param(
                topic(own={"retention.ms": str(4 * DAY)}), replace(ENTRY, before=str(DAY)), (DAY, None, 4 * DAY), id="own before"
            ),
            pytest.param(topic(own={"retention.ms": str(DAY)}), ENTRY, (DAY, None, None), id="somebody else's by now"),
            pytest.param(topic(own={"cleanup.policy": "compact"}), None, (None, None, None), id="compacted only"),
            pytest.param(topic(own={"cleanup.policy": "compact,delete"}), None, (HOUR, None, None), id="compacted and deleted"),
        ],
    )
    def test_known(self, found: TopicFound, entry: Entry | None, expected: tuple[int | None, int | None, int | None]) -> None:
        """Milliseconds, bytes, and the extension in force."""
        gaps: dict[str, list[Gap]] = defaultdict(list)
        brokers = [broker(0), broker(1), broker(2, None, {"retention.ms": str(HOUR)})]
        kept = keepings(survey(found, brokers=brokers), [guard()], {"orders": entry} if entry else {}, gaps)["orders"]
        assert (kept.usual, kept.largest, kept.extended) == expected
        assert [gap for some in gaps.values() for gap in some] == []

    @pytest.mark.parametrize(
        ("found", "brokers"),
        [
            pytest.param(topic(own=DENIED), [broker(0), broker(1), broker(2)], id="settings denied"),
            pytest.param(topic(), [lost(0), lost(1), lost(2)], id="all nodes are away"),
            pytest.param(topic(own={"retention.ms": "soon"}), [broker(0)], id="no number"),
        ],
    )
    def test_unknown(self, found: TopicFound, brokers: list[BrokerFound]) -> None:
        """No guard without knowing, and it is said to those who ask for one."""
        gaps: dict[str, list[Gap]] = defaultdict(list)
        asking = [guard(), wishes(name="shop/other")]
        assert keepings(survey(found, brokers=brokers), asking, {}, gaps) == {}
        assert gaps["shop/orders"] != []
        assert "shop/other" not in gaps

    @pytest.mark.parametrize("brokers", [[broker(0), broker(1), lost(2)], [broker(0), broker(1)]], ids=["away", "not there"])
    def test_a_node_that_is_away(self, brokers: list[BrokerFound]) -> None:
        """The others' values count, for it deletes nothing meanwhile; that its own is not known is said."""
        gaps: dict[str, list[Gap]] = defaultdict(list)
        kept = keepings(survey(topic(), brokers=brokers), [guard()], {}, gaps)["orders"]
        assert (kept.usual, kept.largest) == (7 * DAY, None)
        assert gaps["shop/orders"] != []

    def test_topics_of_nobody(self) -> None:
        """Those that no guard matches, and Kafka's own, are not watched."""
        found: Survey = survey(topic("orders"), topic("orders-tmp"), topic("__offsets", internal=True))
        policy = replace(guard(), exclude=("*-tmp",))
        assert set(keepings(found, [policy], {}, defaultdict(list))) == {"orders"}

    @pytest.mark.parametrize(
        ("found", "expected"),
        [
            pytest.param(topic(own={"retention.ms": "7"}), "7", id="own"),
            pytest.param(topic(), None, id="inherited"),
            pytest.param(topic(own=DENIED), DENIED, id="unknown"),
        ],
    )
    def test_own(self, found: TopicFound, expected: str | Unknown | None) -> None:
        """What is put back: None for a topic that set nothing."""
        assert own_retention(found) == expected


def guard(extend_to: int | None = 4 * DAY) -> Wishes:
    return replace(wishes(), guarded=True, extend_to=extend_to)


class TestWords:
    """What people read."""

    @pytest.mark.parametrize(
        ("written", "keeping", "expected"),
        [
            pytest.param({0: NOW - 20 * HOUR, 3: NOW - 19 * HOUR}, USUAL, "in 4h at the earliest", id="by the oldest"),
            pytest.param({0: NOW - 19 * HOUR + 1, 3: NOW}, USUAL, "in 4h at the earliest", id="in steps: five"),
            pytest.param({0: NOW - 20 * HOUR + 1, 3: NOW}, USUAL, "in 4h at the earliest", id="in steps: four"),
            pytest.param({0: NOW - 24 * HOUR + 59_999, 3: NOW}, USUAL, "at any moment", id="less than a minute"),
            pytest.param({0: NOW - 24 * HOUR - 1, 3: NOW}, USUAL, "at any moment", id="already"),
            pytest.param({0: NOW + DAY, 3: NOW + DAY}, USUAL, "in 6h at the earliest", id="from the future"),
            pytest.param({0: NOW - 20 * HOUR}, USUAL, "within 6h", id="one is not known"),
            pytest.param({0: NOW - 20 * HOUR, 3: DENIED}, USUAL, "within 6h", id="one was denied"),
            pytest.param({}, LONGER, "within 3d", id="nothing known, extended"),
            pytest.param({0: NOW - 20 * HOUR, 3: NOW - 19 * HOUR}, LONGER, "in 3d at the earliest", id="extended"),
        ],
    )
    def test_when(self, written: dict[int, int | Unknown], keeping: Keeping, expected: str) -> None:
        """By the messages' times where all are known; else the longest that it can take."""
        one = Late("orders", "billing", expiring={0: (5, 1), 3: (7, 1)})
        times = {Partition("orders", number): time for number, time in written.items()}
        assert left(one, keeping, Around(NOW, times)) == expected

    def test_all_there_is_to_tell(self) -> None:
        """Each with its own key, so that each has its Event."""
        one = Late("orders", "billing", expiring={0: (5, 4321), 3: (7, 1)}, lost={1: 3, 0: 1234}, crowded={2: 987 * 2**20})
        told = {found.setting: found for found in of_late(guard(None), one, Keeping("orders", DAY, 2**30), Around(NOW))}
        assert told[UNREAD].found == "about 4,300 in partitions 0, 3 expire within 6h"
        assert told[LOST].found == "about 1,200 in partitions 0 (about 1,200), 1 (3)"
        assert told[CROWDED].found == "about 980 MiB of the 1 GiB that are kept in partition 2"
        assert {found.resource for found in told.values()} == {"topic orders, group billing"}
        assert [found.event for found in told.values()] == [Reason.UNREAD_EXPIRED, Reason.UNREAD_EXPIRING, Reason.UNREAD_EXPIRING]
        assert {found.action for found in told.values()} == {Action.REPORT}

    @pytest.mark.parametrize(
        ("around", "action", "says"),
        [
            pytest.param(Around(NOW), Action.REPAIR, "as soon as it may be written", id="not yet"),
            pytest.param(
                Around(NOW, owners={"orders": "KafkaTopic x/y"}), Action.OWNER, "KafkaTopic x/y has this topic", id="owned"
            ),
            pytest.param(Around(NOW, failed={"orders": "no"}), Action.REPORT, "could not be extended: no", id="failed"),
            pytest.param(Around(NOW, theirs=["orders"]), Action.REPORT, "was set anew", id="theirs"),
        ],
    )
    def test_why_not_extended(self, around: Around, action: Action, says: str) -> None:
        """The reason that counts."""
        found = the(list(of_late(guard(), Late("orders", "billing", expiring={0: (5, 1)}), USUAL, around)))
        assert found.action is action
        assert says in found.reason

    @pytest.mark.parametrize(
        ("extents", "committed", "partly"),
        [
            pytest.param({0: (0, 5), 1: (0, 5)}, {0: 5}, True, id="some and not others"),
            pytest.param({0: (0, 5), 1: (0, 5)}, {0: 5, 1: AWAY}, False, id="all, one of them is not known"),
            pytest.param({0: (0, 5), 1: (7, 7)}, {0: 5}, False, id="the others have no messages"),
            pytest.param({0: (0, 5), 1: AWAY}, {0: 5}, False, id="whether the others have any is not known"),
            pytest.param({0: (0, 5), 1: (0, 5)}, {}, False, id="none: it is not known as a reader"),
            pytest.param(AWAY, {0: 5}, False, id="nothing is known"),
        ],
    )
    def test_partitions_that_were_never_committed(
        self,
        extents: Mapping[int, tuple[int, int] | Unknown] | Unknown,
        committed: Mapping[int, int | Unknown],
        partly: bool,
    ) -> None:
        """They are not guarded, and it is said of which groups and topics."""
        commits = {Partition("orders", number): offset for number, offset in committed.items()}
        of_topic = (
            extents
            if isinstance(extents, Unknown)
            else {Partition("orders", number): extent for number, extent in extents.items()}
        )
        group = GroupFound("billing", GroupPhase.STABLE, commits)
        found = list(partly_committed(GroupsFound((group,)), {"orders": of_topic}))
        assert found == ([("billing", "orders")] if partly else [])

    def test_many_partitions_that_were_never_committed(self) -> None:
        """One sentence, however many they are."""
        partly = [(f"group-{number}", "orders") for number in range(7)]
        (sentence,) = not_proven(guard(), [], survey(topic()), None, [], partly)
        assert sentence == (
            "partitions with messages that a group has never committed are not guarded: group-0 on orders, group-1 on orders, "
            "group-2 on orders, group-3 on orders, group-4 on orders and 2 more"
        )

    def test_compacted_topics(self) -> None:
        """What no retention keeps is said once, with the topics."""
        found = survey(topic("a", {"cleanup.policy": "compact"}), topic("b", {"cleanup.policy": "delete"}), topic("c", DENIED))
        assert list(not_proven(guard(), [], found, None, [])) == [
            "compacted topics may lose a message to a newer one of the same key before it is read: a"
        ]

    @pytest.mark.parametrize(
        ("forgotten_after", "kept", "said"),
        [
            pytest.param(7 * 86_400.0, 7 * DAY, False, id="as long as messages"),
            pytest.param(7 * 86_400.0, 14 * DAY, True, id="shorter"),
            pytest.param(None, 14 * DAY, False, id="not known"),
        ],
    )
    def test_commits_that_are_forgotten_before_messages(self, forgotten_after: float | None, kept: int, said: bool) -> None:
        """A group that is away for long loses its place, though its messages are there."""
        sentences = list(not_proven(guard(kept), [], survey(topic()), forgotten_after, [USUAL]))
        assert any("loses its place" in sentence for sentence in sentences) is said


class TestWorst:
    """The times of few messages are read."""

    def test_whole_groups_by_count(self) -> None:
        """Those with the most messages first; of two groups on a partition the earlier position, which holds for both."""
        large = Late("a", "x", expiring={number: (number, 10) for number in range(POSITIONS_AT_MOST - 1)})
        other = Late("a", "y", expiring={0: (7, 5), 1: (0, 5)})
        never = Late("b", "x", expiring={0: (0, 1), 1: (0, 1)})
        found = worst([never, other, large])
        assert found == {Partition("a", number): number for number in range(POSITIONS_AT_MOST - 1)} | {Partition("a", 1): 0}

    def test_a_group_that_is_too_much_alone(self) -> None:
        """It leaves room for the others."""
        too_large = Late("a", "x", expiring={number: (number, 10) for number in range(POSITIONS_AT_MOST + 1)})
        assert worst([too_large, Late("b", "x", expiring={0: (3, 1)})]) == {Partition("b", 0): 3}
