"""Messages as brokers store and hand them out, one behind the other, of which only what tells who they are is read.

From apache/rocketmq's MessageDecoder. Every length is checked against what is there; bodies are passed over. ``given_up`` asks.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from floodwarden.brokers.rocketmq.bodies import BodyError

# Length, magic, CRC of the body, queue, flag, place in the queue, place in the commit log, system flag, when it was born (ms).
_HEAD: Final = struct.Struct(">iiiiiqqiq")
_INT16, _INT32 = struct.Struct(">h"), struct.Struct(">i")
# How many bytes say how long the name of the topic is, by the magic.
_TOPIC_BYTES: Final[Mapping[int, int]] = {-626843481: 1, -626843477: 2}
_BORN_V6, _STORED_V6 = 1 << 4, 1 << 5  # bits of the system flag: a host's address has 16 bytes, else 4
_PORT, _TIME, _TIMES_AND_OFFSET = 4, 8, 12
_NAME_END, _PAIR_END = "\x01", "\x02"


@dataclass(frozen=True, slots=True)
class Stored:
    """One message: ``position`` in its queue, ``id`` by which its broker finds it (OffsetMsgId), ``born`` in milliseconds."""

    position: int
    id: str
    born: int
    properties: Mapping[str, str]


def messages(body: bytes) -> Iterator[Stored]:
    """All messages of an answer; BodyError where they cannot be read."""
    at = 0
    while at < len(body):
        try:
            length = _INT32.unpack_from(body, at)[0]
            if not _HEAD.size <= length <= len(body) - at:
                raise BodyError(f"a message of {length} bytes is in {len(body) - at}")
            yield _message(body[at : at + length])
        except (struct.error, IndexError, UnicodeDecodeError):
            raise BodyError(f"a message cannot be read, at byte {at}") from None
        at += length


def _message(data: bytes) -> Stored:
    _, magic, _, _, _, position, offset, flag, born = _HEAD.unpack_from(data)
    if magic not in _TOPIC_BYTES:
        raise BodyError("something else is where a message belongs")
    at = _HEAD.size + (16 if flag & _BORN_V6 else 4) + _PORT + _TIME
    host = data[at : at + (16 if flag & _STORED_V6 else 4) + _PORT]
    at += len(host) + _TIMES_AND_OFFSET
    at += _INT32.size + _length(data, at, _INT32)
    at += _topic(data, at, _TOPIC_BYTES[magic])
    properties = _INT16.size + at
    return Stored(
        position=position,
        id=f"{host.hex()}{offset & (2**64 - 1):016x}".upper(),
        born=born,
        properties=_properties(_cut(data, properties, _length(data, at, _INT16))),
    )


def _topic(data: bytes, at: int, size: int) -> int:
    """How many bytes the topic takes, with what says so."""
    length = data[at] if size == 1 else _length(data, at, _INT16)
    _cut(data, at + size, length)
    return size + length


def _length(data: bytes, at: int, how: struct.Struct) -> int:
    found: int = how.unpack_from(data, at)[0]
    _cut(data, at + how.size, found)
    return found


def _cut(data: bytes, at: int, length: int) -> bytes:
    if not 0 <= length <= len(data) - at:
        raise BodyError(f"a part of {length} bytes does not fit into a message")
    return data[at : at + length]


def _properties(data: bytes) -> dict[str, str]:
    pairs = (pair.partition(_NAME_END) for pair in data.decode().split(_PAIR_END))
    return {name: value for name, mark, value in pairs if name and mark}
