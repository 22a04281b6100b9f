"""Reads the two large answers of every sweep, OffsetFetch and ListOffsets, by hand: most of what a sweep costs was decoding them.

What a group has committed, and where the ends of a topic's partitions are, mostly stays what it was a second ago, byte by byte:
then it is the object of the last answer, and whoever uses it can tell by identity that nothing moved. Kafka's flexible versions
are read here (as its OffsetFetchResponse.json and ListOffsetsResponse.json have them); any other form, or anything unexpected in
these, is left to the library. ``connection`` asks.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any, Final

from floodwarden.brokers.kafka.protocol import Request

OFFSET_FETCH: Final = range(8, 10)  # versions that look as read here
LIST_OFFSETS: Final = range(6, 11)
_INT16, _INT32 = struct.Struct(">h"), struct.Struct(">i")
# A partition without metadata, as Floodwarden's users' clients write it: index, offset, epoch, length of metadata, error, tags.
_COMMITTED = struct.Struct(">iqiBhB")
# Index, error, timestamp, offset, epoch, tags.
_LISTED = struct.Struct(">ihqqiB")
_NO_METADATA = (0, 1)  # null, and the empty text


@dataclass(frozen=True, slots=True)
class CommittedPartition:
    partition_index: int
    committed_offset: int
    error_code: int


@dataclass(frozen=True, slots=True)
class CommittedTopic:
    name: str
    partitions: tuple[CommittedPartition, ...]


@dataclass(frozen=True, slots=True)
class CommittedGroup:
    group_id: str
    topics: tuple[CommittedTopic, ...]
    error_code: int


@dataclass(frozen=True, slots=True)
class OffsetFetchAnswer:
    groups: list[CommittedGroup]


@dataclass(frozen=True, slots=True)
class ListedPartition:
    partition_index: int
    error_code: int
    offset: int


@dataclass(frozen=True, slots=True)
class ListedTopic:
    name: str
    partitions: tuple[ListedPartition, ...]


@dataclass(frozen=True, slots=True)
class ListOffsetsAnswer:
    topics: list[ListedTopic]


class _Unusual(Exception):
    """Not as it is read here: for the library."""


class Positions:
    """The answers of one connection; remembers the last of each kind."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, int], list[tuple[bytes, Any]]] = {}

    def read(self, request: Request, payload: bytes) -> OffsetFetchAnswer | ListOffsetsAnswer | None:
        """The answer to an encoded request; None where the library is to read it."""
        try:
            if request.name == "OffsetFetchRequest" and request.API_VERSION in OFFSET_FETCH:
                return OffsetFetchAnswer(self._entries(payload, ("fetch", 0), _group))
            if request.name == "ListOffsetsRequest" and request.API_VERSION in LIST_OFFSETS:
                # Moments pass and do not come again: they share one place.
                at = min(request.topics[0].partitions[0].timestamp, 0) if request.topics else 0
                return ListOffsetsAnswer(self._entries(payload, (f"list {request.isolation_level}", at), _topic))
        except (_Unusual, struct.error, IndexError, ValueError):
            pass
        return None

    def _entries(self, payload: bytes, kind: tuple[str, int], read: Any) -> list[Any]:
        """The groups or topics of an answer, each the very object of the last answer where its bytes are the same.

        An entry's end is known by itself, so bytes that begin with those of a whole entry are that entry.
        """
        reader = _Reader(payload, 4)  # behind the correlation number
        reader.no_tags()
        reader.at += 4  # throttle time
        before = self._last.get(kind, [])
        entries: list[tuple[bytes, Any]] = []
        for number in range(reader.count()):
            known = before[number] if number < len(before) else None
            if known is not None and payload.startswith(known[0], reader.at):
                reader.at += len(known[0])
                entries.append(known)
                continue
            start = reader.at
            entry = read(reader)
            entries.append((payload[start : reader.at], entry))
        reader.no_tags()
        if reader.at != len(payload):
            raise _Unusual
        self._last[kind] = entries
        return [entry for _, entry in entries]


class _Reader:
    """A place in an answer that moves on as it is read."""

    __slots__ = ("at", "data")

    def __init__(self, data: bytes, at: int) -> None:
        self.data = data
        self.at = at

    def varint(self) -> int:
        value = shift = 0
        while True:
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
            if shift > 28:
                raise _Unusual

    def count(self) -> int:
        """The length of an array; a missing one is as good as an empty one."""
        return max(0, self.varint() - 1)

    def text(self) -> str:
        length = self.varint() - 1
        if length < 0:
            raise _Unusual
        raw = self.data[self.at : self.at + length]
        if len(raw) != length:
            raise _Unusual
        self.at += length
        return raw.decode()

    def int16(self) -> int:
        (value,) = _INT16.unpack_from(self.data, self.at)
        self.at += 2
        return int(value)

    def no_tags(self) -> None:
        if self.varint():
            raise _Unusual

    def rows(self, row: struct.Struct) -> Any:
        """An array of entries of fixed size, as tuples."""
        size = self.count() * row.size
        raw = self.data[self.at : self.at + size]
        if len(raw) != size:
            raise _Unusual
        self.at += size
        return row.iter_unpack(raw)


def _group(reader: _Reader) -> CommittedGroup:
    name = reader.text()
    topics = tuple(_committed_topic(reader) for _ in range(reader.count()))
    error = reader.int16()
    reader.no_tags()
    return CommittedGroup(name, topics, error)


def _committed_topic(reader: _Reader) -> CommittedTopic:
    name, start = reader.text(), reader.at
    try:
        partitions = tuple(_plain(row) for row in reader.rows(_COMMITTED))
        reader.no_tags()
    except _Unusual:
        reader.at = start
        partitions = tuple(_with_metadata(reader) for _ in range(reader.count()))
        reader.no_tags()
    return CommittedTopic(name, partitions)


def _plain(row: tuple[int, int, int, int, int, int]) -> CommittedPartition:
    index, offset, _epoch, metadata, error, tags = row
    if metadata not in _NO_METADATA or tags:
        raise _Unusual
    return CommittedPartition(index, offset, error)


def _with_metadata(reader: _Reader) -> CommittedPartition:
    """One partition whose client wrote metadata beside the offset."""
    index, offset, _epoch = struct.unpack_from(">iqi", reader.data, reader.at)
    reader.at += 16
    metadata = reader.count()
    reader.at += metadata
    error = reader.int16()
    reader.no_tags()
    return CommittedPartition(index, offset, error)


def _topic(reader: _Reader) -> ListedTopic:
    name = reader.text()
    partitions = tuple(_listed(row) for row in reader.rows(_LISTED))
    reader.no_tags()
    return ListedTopic(name, partitions)


def _listed(row: tuple[int, int, int, int, int, int]) -> ListedPartition:
    index, error, _timestamp, offset, _epoch, tags = row
    if tags:
        raise _Unusual
    return ListedPartition(index, error, offset)
