"""Durations: what is one, how long it is, and how one is written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from floodwarden.api.durations import (
    Duration,
    DurationRange,
    LongDuration,
    duration_seconds,
    format_duration,
    long_duration_seconds,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("0s", 0.0),
        ("1s", 1.0),
        ("0.25s", 0.25),
        ("1.5h", 5400.0),
        ("90s", 90.0),
        ("2m", 120.0),
        ("1h30m", 5400.0),
        ("1h1m1s1ms", 3661.001),
        ("999999h", 3_599_996_400.0),
    ],
)
def test_seconds(text: str, seconds: float) -> None:
    """Durations as in Go, from hours to milliseconds."""
    assert duration_seconds(text) == seconds
    assert Duration(text).seconds == seconds


@pytest.mark.parametrize(
    "text",
    ["", "5", "s", "-5s", "+5s", "1d", "5 s", " 5s", "5s\n", "5S", "30m1h", "1s1s", "1us", "1e3s", ".5s", "1.s", "1234567s"],
)
def test_no_duration(text: str) -> None:
    """Anything else is refused in words that say how to write it."""
    with pytest.raises(ValueError, match="written like 500ms, 30s, 2m or 1h30m"):
        duration_seconds(text)


@pytest.mark.parametrize(("text", "seconds"), [("7d", 604_800.0), ("1d12h", 129_600.0), ("90m", 5400.0), ("0d1s", 1.0)])
def test_days(text: str, seconds: float) -> None:
    """What is usually told in days may be written so."""
    assert long_duration_seconds(text) == seconds
    assert TypeAdapter(LongDuration).validate_python(text).seconds == seconds


@pytest.mark.parametrize("text", ["d", "12h1d", "1.5d", "123456d", "7 d", "0d", "0h0s"])
def test_no_days(text: str) -> None:
    """Anything else is refused in words that say how to write it."""
    with pytest.raises(ValidationError, match="written like 7d, 36h, 90m or 1d12h"):
        TypeAdapter(LongDuration).validate_python(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.0004, "0s"),
        (0.34, "340ms"),
        (1, "1s"),
        (1.25, "1.25s"),
        (59.9996, "1m"),
        (60, "1m"),
        (125.4, "2m5s"),
        (7200, "2h"),
        (float("inf"), "999999h"),
    ],
)
def test_format(seconds: float, text: str) -> None:
    """The shortest text: milliseconds under a second, whole seconds above a minute."""
    assert format_duration(seconds) == text
    assert Duration.of(seconds) == text


def test_format_of_a_negative_duration() -> None:
    """A duration of less than nothing is somebody's mistake, not a text."""
    with pytest.raises(ValueError, match="cannot be negative"):
        format_duration(-1)


@given(st.floats(min_value=0, max_value=100_000 * 3600))
def test_formatted_durations_are_durations(seconds: float) -> None:
    """What is written can be read again, and is as long up to the rounding: a millisecond under a minute, else a second."""
    assert duration_seconds(format_duration(seconds)) == pytest.approx(seconds, abs=0.0006 if seconds < 60 else 0.51)


@given(st.from_regex(r"\A([0-9]{1,4}h)?([0-9]{1,4}m)?([0-9]{1,4}(\.[0-9]{1,3})?s)?\Z").filter(lambda text: len(text) > 1))
def test_any_digits_are_understood(text: str) -> None:
    """Every text of the grammar is a duration that is not negative."""
    assert duration_seconds(text) >= 0


def test_bounds_hold_in_python_too() -> None:
    """A field's range is checked by its model with the words of the API server's refusal; both ends are within."""
    bounds = DurationRange("500ms", "5m")
    field = TypeAdapter(Duration).validate_python
    assert bounds.check(field("500ms")) == "500ms"
    assert bounds.check(field("300s")).seconds == 300
    with pytest.raises(ValueError, match="must be a duration from 500ms to 5m"):
        bounds.check(field("5m1s"))
    with pytest.raises(ValidationError):
        field("5 minutes")
