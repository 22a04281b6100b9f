"""What is changed for a while is kept as text, and read back as it was."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floodwarden.core.delivery.ledger import Entry, Purpose, Resource, dumped, loaded

TEXT = st.text(max_size=20)
MAYBE = st.none() | TEXT
ENTRIES = st.builds(
    Entry,
    purpose=st.sampled_from(Purpose),
    resource=st.sampled_from(Resource),
    name=TEXT,
    setting=TEXT,
    before=MAYBE,
    written=MAYBE,
    policy=TEXT,
)


@given(st.sets(ENTRIES, max_size=5))
def test_entries_are_read_back(entries: set[Entry]) -> None:
    """Whatever they hold, also where nothing was set before."""
    assert loaded(dumped(entries)) == entries


WRONG = {
    "no JSON": "[",
    "no list of entries": '{"a": 1}',
    "a field that is missing": '[{"purpose": "Guard", "resource": "topic"}]',
    "a purpose of another time": '[{"purpose": "Throttle", "resource": "topic", "name": "a", "setting": "b"}]',
    "no purpose": '[{"resource": "topic"}]',
    "a number": "7",
}


@pytest.mark.parametrize("text", WRONG.values(), ids=WRONG)
def test_what_is_no_ledger_is_refused(text: str) -> None:
    """With one kind of error, whatever is wrong with it."""
    with pytest.raises(ValueError, match="no list of entries"):
        loaded(text)
