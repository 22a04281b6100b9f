"""Text from elsewhere: one printable line of bounded length, whatever was sent."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floodwarden.core.text import plain
from tests.support.hostile import HOSTILE

SHOWN = [
    ("orders.v1-2_x", "orders.v1-2_x"),
    ("Größe → 1", "Größe → 1"),
    ("", ""),
    ("a\nb", r"a\nb"),
    ("\x1b[31m", r"\x1b[31m"),
    ("a\u202eb", r"a\u202eb"),
    ("\udce9", r"\udce9"),
    ("x" * 40, "x" * 40),
    ("x" * 41, "x" * 37 + "…"),
    ("é" * 21, "é" * 18 + "…"),
    ("\n" * 21, r"\n" * 18 + "\\…"),
]


@pytest.mark.parametrize(("text", "shown"), SHOWN)
def test_what_is_shown(text: str, shown: str) -> None:
    """What prints stays as it is; the rest is escaped as in Python; what is too long ends in an ellipsis."""
    assert plain(text, 40) == shown


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_is_tamed(text: str) -> None:
    """It prints on one line within its bytes, and was not just dropped."""
    shown = plain(text, 100)
    assert shown.isprintable()
    assert 3 < len(shown.encode()) <= 100


@given(st.text(st.characters(), max_size=60), st.integers(3, 80))
def test_any_text_is_tamed(text: str, most: int) -> None:
    """For every text and bound; and tame text stays as it is."""
    shown = plain(text, most)
    assert shown.isprintable()
    assert len(shown.encode()) <= most
    assert plain(shown, most) == shown
