"""Durations as people write them in manifests: ``500ms``, ``30s``, ``2m``, ``1h30m``.

A :class:`Duration` keeps the text as written and knows its seconds. :class:`DurationRange` bounds a field, with one
definition for Python and for the API server (a CEL rule). Used by the resource modules and by whoever fills a status.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final, Self

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from floodwarden.api.rules import Rule

_NUMBER: Final = r"[0-9]{1,6}(\.[0-9]{1,3})?"
# Units fall in size, each at most once, and digits are bounded, so that no text overflows Go's 292 years of nanoseconds.
PATTERN: Final = rf"^({_NUMBER}h)?({_NUMBER}m)?({_NUMBER}s)?({_NUMBER}ms)?$"
LONG_PATTERN: Final = rf"^([0-9]{{1,5}}d)?{PATTERN[1:]}"  # days too, which Go and CEL do not know
MIN_LENGTH: Final = 2
MAX_LENGTH: Final = 32
_PART: Final = re.compile(r"([0-9.]+)(ms|s|m|h|d)")
_UNIT_SECONDS: Final = {"d": 86_400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_LONGEST: Final = 999_999 * 3600.0  # seconds; the pattern has six digits for the hours
EXAMPLES: Final = "written like 500ms, 30s, 2m or 1h30m (a day is 24h)"
LONG_EXAMPLES: Final = "written like 7d, 36h, 90m or 1d12h"


def duration_seconds(text: str) -> float:
    """Seconds in a duration such as ``1h30m``; ValueError with what to write instead where it is none."""
    return _seconds(text, PATTERN, EXAMPLES)


def long_duration_seconds(text: str) -> float:
    """The same where days may be written as well: ``7d``, ``1d12h``."""
    return _seconds(text, LONG_PATTERN, LONG_EXAMPLES)


def _seconds(text: str, pattern: str, examples: str) -> float:
    if not (MIN_LENGTH <= len(text) <= MAX_LENGTH and re.fullmatch(pattern, text)):
        raise ValueError(f"{text!r} is not a duration; durations are {examples}")
    milliseconds = sum(float(number) * _UNIT_SECONDS[unit] * 1000 for number, unit in _PART.findall(text))
    return round(milliseconds, 3) / 1000


def format_duration(seconds: float) -> str:
    """The shortest duration text, to the millisecond under a minute and to the second above: ``340ms``, ``1.25s``, ``2m5s``.

    Longer ones than 999999h (a century), also endless ones, are written as that. Negative ones have no text: ValueError.
    """
    if seconds < 0:
        raise ValueError(f"a duration cannot be negative, got {seconds}")
    milliseconds = round(min(seconds, _LONGEST) * 1000)
    if milliseconds < 1000:
        return f"{milliseconds}ms" if milliseconds else "0s"
    if milliseconds < 60_000:
        return f"{milliseconds / 1000:g}s"
    minutes, rest = divmod(round(milliseconds / 1000), 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "m"), (rest, "s"))
    return "".join(f"{number}{unit}" for number, unit in parts if number)


class Duration(str):
    """A duration as written. Compare by :attr:`seconds`: ``60s`` and ``1m`` are different texts."""

    __slots__ = ()

    @property
    def seconds(self) -> float:
        """Its length in seconds."""
        return duration_seconds(self)

    @classmethod
    def of(cls, seconds: float) -> Self:
        """The duration of so many seconds, for a status."""
        return cls(format_duration(seconds))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        # Checked by us rather than by a pattern, whose refusal would be the pattern.
        return core_schema.no_info_after_validator_function(cls._checked, core_schema.str_schema(max_length=MAX_LENGTH))

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {**handler(core), "minLength": MIN_LENGTH, "pattern": PATTERN}

    @classmethod
    def _checked(cls, text: str) -> Self:
        duration_seconds(text)
        return cls(text)


class LongDuration(str):
    """A duration that is usually told in days. Its bounds are those of its digits: CEL cannot compare what Go cannot read."""

    __slots__ = ()

    @property
    def seconds(self) -> float:
        """Its length in seconds."""
        return long_duration_seconds(self)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        text = core_schema.str_schema(max_length=MAX_LENGTH)
        return core_schema.no_info_after_validator_function(cls._checked, text)

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        pattern = LONG_PATTERN.replace("\\", "\\\\")
        rule = Rule(
            f"self.size() > 1 && self.matches('{pattern}') && self.matches('[1-9]')",
            f"must be a duration longer than nothing, {LONG_EXAMPLES}",
        )
        return {**handler(core), "x-kubernetes-validations": [rule.as_schema()]}

    @classmethod
    def _checked(cls, text: str) -> Self:
        if not long_duration_seconds(text):
            raise ValueError(f"{text!r} is nothing; durations are {LONG_EXAMPLES}")
        return cls(text)


@dataclass(frozen=True, slots=True)
class DurationRange:
    """Bounds of a duration field, both included: ``Annotated[Duration, DurationRange("1s", "24h")]``."""

    least: str
    most: str

    @property
    def message(self) -> str:
        return f"must be a duration from {self.least} to {self.most}, {EXAMPLES}"

    def check(self, value: Duration) -> Duration:
        if not duration_seconds(self.least) <= value.seconds <= duration_seconds(self.most):
            raise ValueError(self.message)
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        # The rule takes the pattern's place: its refusal is a sentence, that of a pattern the pattern.
        schema = {key: value for key, value in handler(core).items() if key != "pattern"}
        pattern = PATTERN.replace("\\", "\\\\")
        within = f"duration(self) >= duration('{self.least}') && duration(self) <= duration('{self.most}')"
        rule = Rule(f"self.size() > 1 && self.matches('{pattern}') && {within}", self.message)
        return {**schema, "x-kubernetes-validations": [rule.as_schema()]}
