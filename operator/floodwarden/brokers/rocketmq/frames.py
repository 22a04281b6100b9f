"""RocketMQ's remoting frames, both ways, with JSON and with binary ("ROCKETMQ") headers; every length that is read is bounded.

A frame, big-endian: int32 length of what follows · int32 ``(kind of header << 24) | length of header`` · header · body.
``connection`` sends and receives them; ``bodies`` reads what they carry. From apache/rocketmq's RemotingCommand and
RocketMQSerializable.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Final

LARGEST_FRAME: Final = 64 * 2**20  # brokers take no frame above 16 MiB, but send what they have
LARGEST_HEADER: Final = 2**20
RESPONSE: Final = 1  # bits of the flag
ONE_WAY: Final = 2
_LENGTHS: Final = struct.Struct(">iI")
_HEAD: Final = struct.Struct(">hbhiii")  # code, language, version, opaque, flag, length of the remark
_INT16, _INT32 = struct.Struct(">h"), struct.Struct(">i")
PYTHON: Final = 3  # LanguageCode, by number and by name
_LANGUAGE: Final = "PYTHON"


class FrameError(ValueError):
    """Bytes that are no frame, or a frame that cannot be written; the text says why and quotes nothing of it."""


class HeaderKind(IntEnum):
    """How a header is written. Servers answer in the kind that they were asked in."""

    JSON = 0
    BINARY = 1


@dataclass(frozen=True, slots=True)
class Frame:
    """A request or its answer: ``opaque`` says which belong together, ``fields`` are the request's arguments."""

    code: int
    opaque: int
    fields: Mapping[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)
    remark: str = ""
    flag: int = 0
    version: int = 0  # of the sender, a number in RocketMQ's own list

    @property
    def response(self) -> bool:
        return bool(self.flag & RESPONSE)

    @property
    def one_way(self) -> bool:
        """Whether nobody waits for an answer."""
        return bool(self.flag & ONE_WAY)


def encode(frame: Frame, kind: HeaderKind = HeaderKind.JSON) -> bytes:
    """The frame as it goes over the wire; FrameError where it does not fit into one."""
    header = _json_header(frame) if kind is HeaderKind.JSON else _binary_header(frame)
    length = 4 + len(header) + len(frame.body)
    if len(header) > LARGEST_HEADER or length > LARGEST_FRAME:
        raise FrameError(f"a frame of {length} bytes, {len(header)} of them header, is too large to be sent")
    return _LENGTHS.pack(length, kind << 24 | len(header)) + header + frame.body


class Decoder:
    """Puts frames together from bytes that arrive in pieces. Holds at most one frame that is not complete, and the last piece."""

    __slots__ = ("_buffer", "_largest")

    def __init__(self, largest: int = LARGEST_FRAME) -> None:
        self._buffer = bytearray()
        self._largest = largest

    @property
    def idle(self) -> bool:
        """Whether there is no part of a frame."""
        return not self._buffer

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that are complete now. FrameError where these bytes are no frames: then no later ones are, either."""
        self._buffer += data
        frames, at, available = [], 0, len(self._buffer)
        while available - at >= 4:
            (length,) = _INT32.unpack_from(self._buffer, at)
            if not 4 <= length <= self._largest:
                raise FrameError(f"a frame of {length} bytes is announced, {self._largest} are the most")
            if available - at - 4 < length:
                break
            frames.append(decode(bytes(self._buffer[at + 4 : at + 4 + length])))
            at += 4 + length
        del self._buffer[:at]
        return frames


def decode(payload: bytes) -> Frame:
    """A frame from what follows its length."""
    if len(payload) < 4:
        raise FrameError("a frame ends before its header begins")
    marked = int.from_bytes(payload[:4])
    kind, length = marked >> 24, marked & 0xFFFFFF
    if length > min(len(payload) - 4, LARGEST_HEADER):
        raise FrameError(f"a header of {length} bytes is announced in a frame of {len(payload)}")
    header, body = payload[4 : 4 + length], payload[4 + length :]
    if kind == HeaderKind.JSON:
        return _from_json(header, body)
    if kind == HeaderKind.BINARY:
        return _from_binary(header, body)
    raise FrameError(f"a header of kind {kind} is neither JSON nor binary")


def _json_header(frame: Frame) -> bytes:
    header: dict[str, Any] = {
        "code": frame.code,
        "language": _LANGUAGE,
        "version": frame.version,
        "opaque": frame.opaque,
        "flag": frame.flag,
        "extFields": dict(frame.fields),
        "serializeTypeCurrentRPC": "JSON",
    }
    if frame.remark:
        header["remark"] = frame.remark
    return json.dumps(header, separators=(",", ":")).encode()


def _from_json(header: bytes, body: bytes) -> Frame:
    try:
        told = json.loads(header)
    except (ValueError, RecursionError):
        raise FrameError("a header is not the JSON that it says it is") from None
    if not isinstance(told, dict):
        raise FrameError("a JSON header is no object")
    fields = told.get("extFields") or {}
    if not isinstance(fields, dict):
        raise FrameError("the fields of a JSON header are no object")
    remark = told.get("remark")
    return Frame(
        code=_int(told, "code"),
        opaque=_int(told, "opaque"),
        fields={name: value if isinstance(value, str) else str(value) for name, value in fields.items() if value is not None},
        body=body,
        remark=remark if isinstance(remark, str) else "",
        flag=_int(told, "flag"),
        version=_int(told, "version"),
    )


def _int(header: Mapping[str, Any], name: str) -> int:
    value = header.get(name, 0)
    if type(value) is not int or not -(2**31) <= value < 2**31:
        raise FrameError(f"{name} in a JSON header is no number of 32 bits")
    return value


def _binary_header(frame: Frame) -> bytes:
    try:
        remark = frame.remark.encode()
        fields = b"".join(_field(name.encode(), value.encode()) for name, value in frame.fields.items())
        head = _HEAD.pack(frame.code, PYTHON, frame.version, frame.opaque, frame.flag, len(remark))
    except (struct.error, UnicodeEncodeError):
        raise FrameError("a header holds what does not fit into the binary form") from None
    return head + remark + _INT32.pack(len(fields)) + fields


def _field(name: bytes, value: bytes) -> bytes:
    return _INT16.pack(len(name)) + name + _INT32.pack(len(value)) + value


def _from_binary(header: bytes, body: bytes) -> Frame:
    if len(header) < _HEAD.size:
        raise FrameError("a binary header is cut off")
    code, _language, version, opaque, flag, length = _HEAD.unpack_from(header)
    remark, at = _text(header, _HEAD.size, length)
    length, at = _number(header, at, _INT32)
    if length != len(header) - at:
        raise FrameError("the fields of a binary header are longer or shorter than it")
    fields: dict[str, str] = {}
    while at < len(header):
        length, at = _number(header, at, _INT16)
        name, at = _text(header, at, length)
        length, at = _number(header, at, _INT32)
        fields[name], at = _text(header, at, length)
    return Frame(code=code, opaque=opaque, fields=fields, body=body, remark=remark, flag=flag, version=version)


def _number(data: bytes, at: int, form: struct.Struct) -> tuple[int, int]:
    """A number and where it ends."""
    if len(data) - at < form.size:
        raise FrameError("a binary header is cut off")
    (value,) = form.unpack_from(data, at)
    return value, at + form.size


def _text(data: bytes, at: int, length: int) -> tuple[str, int]:
    """A text and where it ends. What is no UTF-8 is replaced: it is for people, or names nothing that was asked for."""
    if not 0 <= length <= len(data) - at:
        raise FrameError(f"a text of {length} bytes is announced in a binary header that has {len(data) - at} left")
    return data[at : at + length].decode(errors="replace"), at + length
