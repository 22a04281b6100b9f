"""The two large answers, read by hand: as the library reads them, and the same objects where nothing moved."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kafka.protocol.consumer import ListOffsetsResponse, OffsetFetchResponse

from floodwarden.brokers.kafka import protocol
from floodwarden.brokers.kafka.positions import ListOffsetsAnswer, OffsetFetchAnswer, Positions

Fetched = OffsetFetchResponse.OffsetFetchResponseGroup
Listed = ListOffsetsResponse.ListOffsetsTopicResponse

UNHURRIED = settings(deadline=None)
NAMES = st.text("abcdefghij-._", min_size=1, max_size=200)
INT64 = st.integers(-1, 2**63 - 1)
COMMITS = st.dictionaries(
    NAMES,
    st.dictionaries(
        NAMES,
        st.lists(st.tuples(INT64, st.sampled_from(["", None, "x", "y" * 300]), st.sampled_from([0, 3])), max_size=4),
        max_size=3,
    ),
    max_size=5,
)
ENDS = st.dictionaries(NAMES, st.lists(st.tuples(INT64, st.sampled_from([0, 6])), max_size=4), max_size=5)


def asked(request: Any, version: int) -> Any:
    """The request as it was sent in that version."""
    protocol.encode(request, version, 1, "floodwarden")
    return request


def answered(response: Any, version: int) -> bytes:
    """An answer as it comes over the wire, without its length."""
    response.API_VERSION = version
    response.with_header(correlation_id=1)
    return bytes(response.encode(header=True))


def fetched(commits: dict[str, Any], version: int = 9) -> bytes:
    groups = [
        Fetched(
            group_id=group,
            error_code=0,
            topics=[
                Fetched.OffsetFetchResponseTopics(
                    name=topic,
                    partitions=[
                        Fetched.OffsetFetchResponseTopics.OffsetFetchResponsePartitions(
                            partition_index=index,
                            committed_offset=offset,
                            committed_leader_epoch=-1,
                            metadata=text,
                            error_code=error,
                        )
                        for index, (offset, text, error) in enumerate(partitions)
                    ],
                )
                for topic, partitions in topics.items()
            ],
        )
        for group, topics in commits.items()
    ]
    return answered(OffsetFetchResponse(throttle_time_ms=0, groups=groups), version)


def listed(ends: dict[str, Any], version: int = 9) -> bytes:
    topics = [
        Listed(
            name=name,
            partitions=[
                Listed.ListOffsetsPartitionResponse(
                    partition_index=index, error_code=error, timestamp=-1, offset=offset, leader_epoch=3
                )
                for index, (offset, error) in enumerate(partitions)
            ],
        )
        for name, partitions in ends.items()
    ]
    return answered(ListOffsetsResponse(throttle_time_ms=0, topics=topics), version)


FETCH = asked(protocol.offset_fetch(["billing"]), 9)
LIST = asked(protocol.list_offsets({"orders": [0]}, protocol.LATEST), 9)


@UNHURRIED
@given(COMMITS)
def test_commits_are_read_as_the_library_reads_them(commits: dict[str, Any]) -> None:
    """Whatever the names, offsets, errors and metadata."""
    payload = fetched(commits)
    ours, theirs = Positions().read(FETCH, payload), protocol.decode(FETCH, payload)
    assert ours is not None

    def plain(answer: Any) -> list[Any]:
        return [
            (
                group.group_id,
                group.error_code,
                [
                    (topic.name, [(p.partition_index, p.committed_offset, p.error_code) for p in topic.partitions])
                    for topic in group.topics
                ],
            )
            for group in answer.groups
        ]

    assert plain(ours) == plain(theirs)


@UNHURRIED
@given(ENDS)
def test_ends_are_read_as_the_library_reads_them(ends: dict[str, Any]) -> None:
    """Whatever the names, offsets and errors."""
    payload = listed(ends)
    ours, theirs = Positions().read(LIST, payload), protocol.decode(LIST, payload)
    assert ours is not None

    def plain(answer: Any) -> list[Any]:
        return [(topic.name, [(p.partition_index, p.error_code, p.offset) for p in topic.partitions]) for topic in answer.topics]

    assert plain(ours) == plain(theirs)


def test_what_did_not_move_is_the_same_object() -> None:
    """Of three groups one moved: it is another object, with the new offset; the others are those of the last answer."""
    positions = Positions()
    before = positions.read(FETCH, fetched({name: {"orders": [(5, "", 0)]} for name in "abc"}))
    after = positions.read(FETCH, fetched({name: {"orders": [(6 if name == "b" else 5, "", 0)]} for name in "abc"}))
    assert isinstance(before, OffsetFetchAnswer)
    assert isinstance(after, OffsetFetchAnswer)
    assert [now is was for was, now in zip(before.groups, after.groups, strict=True)] == [True, False, True]
    assert after.groups[1].topics[0].partitions[0].committed_offset == 6


def test_last_stable_offsets_do_not_push_ends_out() -> None:
    """They are asked for now and then only: the ends of the sweep before stay what they were."""
    positions, ends = Positions(), listed({"orders": [(7, 0)]})
    stable = asked(protocol.list_offsets({"orders": [0]}, protocol.LATEST, isolation=protocol.READ_COMMITTED), 9)
    before = positions.read(LIST, ends)
    assert positions.read(stable, listed({"orders": [(4, 0)]})) is not None
    after = positions.read(LIST, ends)
    assert isinstance(before, ListOffsetsAnswer)
    assert isinstance(after, ListOffsetsAnswer)
    assert after.topics[0] is before.topics[0]


def test_groups_in_another_order_are_not_mixed_up() -> None:
    """The last answer only helps where the same comes in the same place."""
    positions = Positions()
    positions.read(FETCH, fetched({"a": {"orders": [(1, "", 0)]}, "b": {"orders": [(2, "", 0)]}}))
    after = positions.read(FETCH, fetched({"b": {"orders": [(2, "", 0)]}, "ab": {"orders": [(3, "", 0)]}}))
    assert isinstance(after, OffsetFetchAnswer)
    assert [(group.group_id, group.topics[0].partitions[0].committed_offset) for group in after.groups] == [("b", 2), ("ab", 3)]


@UNHURRIED
@given(st.data())
def test_what_is_broken_is_left_to_the_library(data: st.DataObject) -> None:
    """Cut off or changed anywhere, it is never an exception here; what is read of a whole one is not what is missing."""
    payload = fetched({"billing": {"orders": [(5, "", 0), (6, "x", 0)]}, "shipping": {"orders": [(7, "", 0)]}})
    cut = payload[: data.draw(st.integers(4, len(payload) - 1))]
    assert Positions().read(FETCH, cut) is None
    place = data.draw(st.integers(4, len(payload) - 1))
    Positions().read(FETCH, payload[:place] + bytes([data.draw(st.integers(0, 255))]) + payload[place + 1 :])
    Positions().read(FETCH, data.draw(st.binary(max_size=300)))


@pytest.mark.parametrize("version", [1, 5])
def test_older_versions_are_left_to_the_library(version: int) -> None:
    """They look otherwise."""
    request = asked(protocol.list_offsets({"orders": [0]}, protocol.LATEST), version)
    assert Positions().read(request, listed({"orders": [(5, 0)]}, version)) is None
