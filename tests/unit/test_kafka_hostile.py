"""What tenants' clients and hostile brokers put into Kafka's answers spoils no sweep: read, or left out, never an exception."""

from __future__ import annotations

import struct
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floodwarden.brokers.kafka.groups import _classic_partitions, _group
from floodwarden.brokers.kafka.protocol import assigned_partitions
from tests.support.hostile import HOSTILE

NULL, MANY = -1, 2**31 - 1
USER_DATA = struct.pack(">i", 0)


def one_topic(name: bytes, partitions: bytes) -> bytes:
    """An assignment with one topic, as a group's leader writes it."""
    return struct.pack(">hih", 0, 1, len(name)) + name + partitions + USER_DATA


ASSIGNMENTS = {
    "as it should be": (one_topic(b"orders", struct.pack(">iii", 2, 0, 3)), [("orders", [0, 3])]),
    "no topics": (struct.pack(">hi", 0, NULL) + USER_DATA, []),
    "no partitions": (one_topic(b"orders", struct.pack(">i", NULL)), [("orders", [])]),
    "a topic without a name": (struct.pack(">hih", 0, 1, NULL) + struct.pack(">ii", 1, 3) + USER_DATA, []),
    "more topics than bytes": (struct.pack(">hi", 0, MANY), []),
    "more partitions than bytes": (one_topic(b"orders", struct.pack(">i", MANY)), []),
    "a name that is no UTF-8": (one_topic(b"\xff", struct.pack(">ii", 1, 3)), []),
    "cut off": (one_topic(b"orders", struct.pack(">iii", 2, 0, 3))[:9], []),
    "something else": (b"\x7f\xffnot an assignment", []),
}


@pytest.mark.parametrize(("sent", "read"), ASSIGNMENTS.values(), ids=ASSIGNMENTS)
def test_assignments(sent: bytes, read: list[tuple[str, list[int]]]) -> None:
    """The bytes are the group leader's own: what cannot be read owns nothing."""
    assert assigned_partitions(sent) == read


@given(st.binary(max_size=80) | st.binary(max_size=60).map(lambda tail: struct.pack(">hi", 0, 1) + tail))
def test_any_assignment(sent: bytes) -> None:
    """Whatever the bytes are, the answer is a list of topics and partition numbers."""
    for topic, partitions in assigned_partitions(sent):
        assert isinstance(topic, str)
        assert all(isinstance(number, int) for number in partitions)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_members_with_hostile_names_are_members(text: str) -> None:
    """Ids and hosts are never shown: they are taken as they are, and count as one member each."""
    member = SimpleNamespace(
        member_id=text, client_id=text, client_host=f"/{text}", member_assignment=ASSIGNMENTS["no topics"][0]
    )
    described = SimpleNamespace(group_state="Stable", members=[member, member])
    code, group = _group(described, 0, _classic_partitions)
    assert code == 0
    assert group is not None
    assert len(group.members) == 2
