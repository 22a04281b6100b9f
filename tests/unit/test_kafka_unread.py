"""Batches of messages as brokers store them: how old the newest message in the first one is, whatever the bytes are."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floodwarden.brokers.kafka import protocol
from floodwarden.brokers.kafka.positions import Positions
from floodwarden.brokers.kafka.protocol_unread import newest_in_batch
from tests.unit.test_kafka_positions import asked, listed

AT = 1_800_000_000_000


def batch(newest: int, magic: int = 2) -> bytes:
    """The head of a batch of three messages, and something after it."""
    head = struct.pack(">qiib", 100, 200, 5, magic)
    if magic == 2:
        return head + struct.pack(">ihiqq", 0, 0, 2, newest - 1000, newest) + b"messages"
    return head + struct.pack(">bq", 0, newest) + b"messages"


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        pytest.param(batch(AT), AT, id="its newest message"),
        pytest.param(batch(AT) + batch(AT + 1), AT, id="of the first batch"),
        pytest.param(batch(AT, magic=1), AT, id="of an old format"),
        pytest.param(batch(AT, magic=0), None, id="of a format without times"),
        pytest.param(batch(-1), None, id="without a time"),
        pytest.param(batch(AT)[:40], None, id="cut off"),
        pytest.param(batch(AT)[:10], None, id="cut off at once"),
        pytest.param(b"", None, id="nothing"),
        pytest.param(None, None, id="not even nothing"),
    ],
)
def test_the_time_of_a_batch(records: bytes | None, expected: int | None) -> None:
    """None where it cannot be told."""
    assert newest_in_batch(records) == expected


@given(st.binary(max_size=100))
def test_any_bytes(records: bytes) -> None:
    """Producers write them: never an exception, never a negative time."""
    found = newest_in_batch(records)
    assert found is None or found >= 0


def test_moments_that_pass_are_not_kept() -> None:
    """Each audit asks for other moments: an answer is remembered for the next one only."""
    positions = Positions()
    for at in range(AT, AT + 50):
        request = asked(protocol.list_offsets_since({"orders": {0: at}}), 9)
        answer = positions.read(request, listed({"orders": [(5, 0)]}))
        assert answer is not None
    ends = asked(protocol.list_offsets({"orders": [0]}, protocol.LATEST), 9)
    assert positions.read(ends, listed({"orders": [(5, 0)]})) is not None
    assert len(positions._last) == 2
