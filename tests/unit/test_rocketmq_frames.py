"""Frames of RocketMQ's remoting protocol: read as servers write them, whole or in pieces, and never more than is allowed."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floodwarden.brokers.rocketmq.frames import LARGEST_HEADER, Decoder, Frame, FrameError, HeaderKind, decode, encode

JAVA_JSON = (
    b'{"code":17,"flag":1,"language":"JAVA","opaque":7,"remark":"no route","serializeTypeCurrentRPC":"JSON","version":515}'
)
JSON_FRAME = struct.pack(">iI", 4 + len(JAVA_JSON) + 4, len(JAVA_JSON)) + JAVA_JSON + b"body"
# code 0, language 0 (JAVA), version 515, opaque 7, flag 1, no remark, 10 bytes of fields: k → val
JAVA_BINARY = bytes.fromhex("0000 00 0203 00000007 00000001 00000000 0000000a 0001 6b 00000003 76616c")
BINARY_FRAME = struct.pack(">iI", 4 + len(JAVA_BINARY) + 2, 1 << 24 | len(JAVA_BINARY)) + JAVA_BINARY + b"ok"

TEXT = st.text(max_size=20)
FRAMES = st.builds(
    Frame,
    code=st.integers(-(2**15), 2**15 - 1),
    opaque=st.integers(-(2**31), 2**31 - 1),
    fields=st.dictionaries(TEXT, TEXT, max_size=5),
    body=st.binary(max_size=50),
    remark=TEXT,
    flag=st.integers(0, 3),
    version=st.integers(0, 2**15 - 1),
)
KINDS = st.sampled_from(HeaderKind)


def test_a_json_header_as_java_writes_it() -> None:
    """An answer of a name server."""
    frame = Decoder().feed(JSON_FRAME)[0]
    assert frame == Frame(code=17, opaque=7, body=b"body", remark="no route", flag=1, version=515)
    assert frame.response
    assert not frame.one_way


def test_a_binary_header_as_java_writes_it() -> None:
    """The same in the compact form."""
    assert Decoder().feed(BINARY_FRAME) == [Frame(code=0, opaque=7, fields={"k": "val"}, body=b"ok", flag=1, version=515)]


def test_requests_are_what_java_reads() -> None:
    """The header in its place, its kind and length before it, and the length of all first."""
    data = encode(Frame(code=202, opaque=3, fields={"topic": "orders"}))
    length, marked = struct.unpack_from(">iI", data)
    assert length == len(data) - 4
    assert marked == len(data) - 8
    assert data[8:] == (
        b'{"code":202,"language":"PYTHON","version":0,"opaque":3,"flag":0,"extFields":{"topic":"orders"},'
        b'"serializeTypeCurrentRPC":"JSON"}'
    )
    binary = encode(Frame(code=0, opaque=7, fields={"k": "val"}, body=b"ok", flag=1, version=515), HeaderKind.BINARY)
    assert binary == BINARY_FRAME.replace(b"\x00\x00\x00\x02\x03", b"\x00\x00\x03\x02\x03")  # the language is Python


@given(FRAMES, KINDS)
def test_what_is_written_is_read(frame: Frame, kind: HeaderKind) -> None:
    """In both kinds nothing gets lost."""
    assert decode(encode(frame, kind)[4:]) == frame


@given(st.lists(st.tuples(FRAMES, KINDS), max_size=4), st.lists(st.integers(1, 40)))
def test_frames_in_pieces(sent: list[tuple[Frame, HeaderKind]], sizes: list[int]) -> None:
    """Wherever the network cuts them, they come out whole and in order, and nothing is left over."""
    stream = b"".join(encode(frame, kind) for frame, kind in sent)
    decoder = Decoder()
    assert [frame for piece in pieces(stream, sizes) for frame in decoder.feed(piece)] == [frame for frame, _ in sent]
    assert decoder.idle


def pieces(stream: bytes, sizes: Iterable[int]) -> Iterable[bytes]:
    at = 0
    for size in sizes:
        yield stream[at : at + size]
        at += size
    yield stream[at:]


def of_json(header: bytes) -> bytes:
    """A frame with this JSON header."""
    return struct.pack(">iI", 4 + len(header), len(header)) + header


def of_binary(header: str) -> bytes:
    """A frame with this binary header."""
    data = bytes.fromhex(header)
    return struct.pack(">iI", 4 + len(data), 1 << 24 | len(data)) + data


HEAD = "0000 00 0000 00000000 00000001"
BROKEN = {
    "shorter than a header": (struct.pack(">i", 3), "a frame of 3 bytes"),
    "of negative length": (struct.pack(">i", -1), "a frame of -1 bytes"),
    "of a thousand million bytes": (struct.pack(">i", 10**9), "a frame of 1000000000 bytes"),
    "HTTP": (b"HTTP/1.1 400 Bad Request", "a frame of 1213486160 bytes"),
    "a TLS alert": (bytes.fromhex("15030300020246"), "a frame of 352518912 bytes"),
    "a header longer than its frame": (struct.pack(">iI", 8, 5) + b"{}{}", "a header of 5 bytes"),
    "a header larger than allowed": (struct.pack(">iI", 2**21 + 4, LARGEST_HEADER + 1) + bytes(2**21), "a header of 1048577"),
    "of an unknown kind": (struct.pack(">iI", 6, 2 << 24 | 2) + b"{}", "a header of kind 2"),
    "no JSON": (of_json(b"{]"), "not the JSON"),
    "JSON a thousand deep": (of_json(b"[" * 100000), "not the JSON"),
    "a list": (of_json(b"[]"), "no object"),
    "fields in a list": (of_json(b'{"extFields":[1]}'), "fields"),
    "a code that is a text": (of_json(b'{"code":"x"}'), "code in a JSON header"),
    "a code that is true": (of_json(b'{"code":true}'), "code in a JSON header"),
    "an opaque of 70 bits": (of_json(b'{"opaque":1180591620717411303424}'), "opaque in a JSON header"),
    "a binary header cut off": (struct.pack(">iI", 24, 1 << 24 | 20) + bytes(20), "cut off"),
    "a remark longer than its header": (of_binary(f"{HEAD} 00000009 00000000"), "a text of 9 bytes"),
    "a remark of negative length": (of_binary(f"{HEAD} ffffffff 00000000"), "a text of -1 bytes"),
    "fields longer than their header": (of_binary(f"{HEAD} 00000000 00000009 0001"), "longer or shorter"),
    "fields shorter than their header": (of_binary(f"{HEAD} 00000000 00000000 0001"), "longer or shorter"),
    "a name longer than its header": (of_binary(f"{HEAD} 00000000 00000003 0009 6b"), "a text of 9 bytes"),
    "a value longer than its header": (of_binary(f"{HEAD} 00000000 00000007 0001 6b 00000009"), "a text of 9 bytes"),
    "a name without a value": (of_binary(f"{HEAD} 00000000 00000003 0001 6b"), "cut off"),
}


@pytest.mark.parametrize(("sent", "says"), BROKEN.values(), ids=BROKEN)
def test_what_is_no_frame(sent: bytes, says: str) -> None:
    """A clear error, which quotes nothing that was sent."""
    with pytest.raises(FrameError, match=says):
        Decoder().feed(sent)


def test_nothing_is_kept_of_what_is_too_long() -> None:
    """The length alone is enough: no more is waited for."""
    with pytest.raises(FrameError):
        Decoder(largest=1000).feed(struct.pack(">i", 1001))


@given(st.binary(max_size=200) | st.binary(max_size=100).map(lambda tail: BINARY_FRAME[:8] + tail))
def test_any_bytes(sent: bytes) -> None:
    """Whatever arrives is frames, a part of one, or an error."""
    with suppress(FrameError):
        assert all(isinstance(found, Frame) for found in Decoder(largest=10_000).feed(sent))


@given(st.sampled_from([JSON_FRAME, BINARY_FRAME]), st.integers(0, 200), st.integers(0, 255))
def test_real_frames_with_a_wrong_byte(frame: bytes, at: int, byte: int) -> None:
    """No byte at any place leads to anything but frames, a part of one, or an error."""
    sent = frame[: at % len(frame)] + bytes([byte]) + frame[at % len(frame) + 1 :]
    with suppress(FrameError):
        assert all(isinstance(found, Frame) for found in Decoder(largest=10_000).feed(sent))


TOO_MUCH = {
    "a body above the limit": (Frame(1, 1, body=bytes(64 * 2**20)), HeaderKind.JSON),
    "a header above the limit": (Frame(1, 1, fields={"topic": "x" * 2**20}), HeaderKind.BINARY),
    "a name of 40,000 bytes": (Frame(1, 1, fields={"x" * 40_000: ""}), HeaderKind.BINARY),
    "a code of 17 bits": (Frame(2**16, 1), HeaderKind.BINARY),
    "a text that is no UTF-8": (Frame(1, 1, remark="\udcff"), HeaderKind.BINARY),
}


@pytest.mark.parametrize(("frame", "kind"), TOO_MUCH.values(), ids=TOO_MUCH)
def test_what_cannot_be_sent(frame: Frame, kind: HeaderKind) -> None:
    """It is refused before a byte of it is sent."""
    with pytest.raises(FrameError):
        encode(frame, kind)
