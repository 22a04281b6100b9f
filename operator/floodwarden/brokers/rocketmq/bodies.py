"""Reads the bodies of RocketMQ's answers: fastjson's dialect, in which the keys of a map may be bare numbers, or objects.

Such as ``{"offsetTable":{{"brokerName":"a","queueId":0,"topic":"t"}:{"minOffset":0}}}`` and ``{0:"10.0.0.7:10911"}``.
What is standard JSON within is left to the standard library; only the maps that are not, and what holds them, are read here.
Time grows with the length (times the depth, which is bounded), memory with the length.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, Final, NamedTuple

DEEPEST: Final = 16  # levels; real bodies have six
_SPACE: Final = re.compile(r"[ \t\r\n]*")
_NUMBER: Final = re.compile(r"-?[0-9]{1,20}")
# Brokers write offsets so, thousands at a time: read at once.
_NUMBERS: Final = re.compile(r"\{((?:-?[0-9]{1,20}:-?[0-9]{1,20},)*+-?[0-9]{1,20}:-?[0-9]{1,20})\}")
# The standard library's own scanner of one value, and of one text, where they begin in a longer one: both in C.
_scan: Callable[[str, int], tuple[Any, int]] = json.JSONDecoder(strict=False).scan_once  # type: ignore[attr-defined]
_text: Callable[[str, int, bool], tuple[str, int]] = json.decoder.scanstring  # type: ignore[attr-defined]


class BodyError(ValueError):
    """A body that cannot be read, or is not what was asked for; the text says where and quotes nothing of it."""


class Pairs(tuple[tuple[Any, Any], ...]):
    """A map whose keys are no texts: its keys and values in the order they came."""

    __slots__ = ()


class MessageQueue(NamedTuple):
    """One queue of a topic on one broker (the master and its slaves have one name)."""

    topic: str
    broker: str
    number: int


def read(body: bytes) -> Any:
    """What a body says: objects as dict, or as Pairs where their keys are no texts. BodyError where it cannot be read."""
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise BodyError(f"a body is no UTF-8 at byte {error.start}") from None
    at = _skip(text, 0)
    value, at = _value(text, at, DEEPEST)
    if _skip(text, at) != len(text):
        raise BodyError(f"a body goes on behind its end, at character {at}")
    return value


def table(body: bytes, name: str) -> Iterator[tuple[Any, Any]]:
    """The keys and values of the map that a body, an object, has under that name; nothing where it has none."""
    yield from entries(member(read(body), name, (dict, Pairs), {}))


def entries(value: Any) -> Iterator[tuple[Any, Any]]:
    """The keys and values of a map, whatever its keys are."""
    if isinstance(value, Pairs):
        return iter(value)
    if isinstance(value, dict):
        return iter(value.items())
    raise BodyError("a body has something else where a map belongs")


def member(value: Any, name: str, kind: Any, default: Any = None) -> Any:
    """What an object holds under that name, of this kind (a type, or several); where it has none the default, if there is one."""
    found = value.get(name, default) if isinstance(value, dict) else None
    if found is None:
        found = default
    # To Python true is a number.
    if not isinstance(value, dict) or not isinstance(found, kind) or (isinstance(found, bool) and kind is int):
        raise BodyError(f"a body has something else where {name} belongs")
    return found


def number(key: Any) -> int:
    """A key of a map of numbers: bare, or in quotes as standard JSON has it."""
    if type(key) is int:
        return key
    if isinstance(key, str) and _NUMBER.fullmatch(key):
        return int(key)
    raise BodyError("a body has something else where a map's key is a number")


def queue(key: Any) -> MessageQueue:
    """A key of a map of queues: an object, or its text in quotes."""
    if isinstance(key, str):
        return _quoted_queue(key)
    return MessageQueue(member(key, "topic", str), member(key, "brokerName", str), member(key, "queueId", int))


@lru_cache(maxsize=4096)
def _quoted_queue(key: str) -> MessageQueue:
    try:
        told = json.loads(key)
    except (ValueError, RecursionError):
        raise BodyError("a body has something else where a map's key is a queue") from None
    if isinstance(told, str):
        raise BodyError("a body has something else where a map's key is a queue")
    return queue(told)


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _value(text: str, at: int, depth: int) -> tuple[Any, int]:
    """The value that begins here, and where it ends."""
    if not depth:
        raise BodyError(f"a body is nested more than {DEEPEST} deep at character {at}")
    if (numbers := _NUMBERS.match(text, at)) is not None:
        pairs = (pair.split(":") for pair in numbers[1].split(","))
        return Pairs((int(key), int(value)) for key, value in pairs), numbers.end()
    if not text.startswith("{{", at):
        try:
            return _scan(text, at)
        except RecursionError:
            raise BodyError(f"a body is nested too deep at character {at}") from None
        except (ValueError, StopIteration):
            if text[at : at + 1] not in ("{", "["):
                raise BodyError(f"a body cannot be read at character {at}") from None
    return _array(text, at + 1, depth) if text[at] == "[" else _object(text, at + 1, depth)


def _array(text: str, at: int, depth: int) -> tuple[list[Any], int]:
    found: list[Any] = []
    at = _skip(text, at)
    if text[at : at + 1] == "]":
        return found, at + 1
    while True:
        value, at = _value(text, at, depth - 1)
        found.append(value)
        at, ended = _next(text, at, "]")
        if ended:
            return found, at


def _object(text: str, at: int, depth: int) -> tuple[dict[str, Any] | Pairs, int]:
    found: list[tuple[Any, Any]] = []
    texts = True
    at = _skip(text, at)
    if text[at : at + 1] == "}":
        return {}, at + 1
    while True:
        key, at = _key(text, at, depth)
        texts = texts and isinstance(key, str)
        at = _skip(text, at)
        if text[at : at + 1] != ":":
            raise BodyError(f"a body has no colon at character {at}")
        value, at = _value(text, _skip(text, at + 1), depth - 1)
        found.append((key, value))
        at, ended = _next(text, at, "}")
        if ended:
            return dict(found) if texts else Pairs(found), at


def _next(text: str, at: int, end: str) -> tuple[int, bool]:
    """Where the next entry begins, or what follows the end, and whether it was that."""
    at = _skip(text, at)
    mark = text[at : at + 1]
    if mark == end:
        return at + 1, True
    if mark != ",":
        raise BodyError(f"a body has neither a comma nor an end at character {at}")
    return _skip(text, at + 1), False


def _key(text: str, at: int, depth: int) -> tuple[Any, int]:
    mark = text[at : at + 1]
    if mark == '"':
        try:
            return _text(text, at + 1, False)
        except ValueError:
            raise BodyError(f"a body has a text without an end at character {at}") from None
    if mark == "{":
        return _value(text, at, depth - 1)
    found = _NUMBER.match(text, at)
    if found is None:
        raise BodyError(f"a body has no key at character {at}")
    return int(found[0]), found.end()
