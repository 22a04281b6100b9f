"""What is changed for a while is kept as text, and read back as it was."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floodwarden.core.delivery.ledger import Entry, Kept, Purpose, Resource, dumped, loaded

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


@given(st.frozensets(ENTRIES, max_size=5), TEXT)
def test_entries_are_read_back(entries: frozenset[Entry], cluster: str) -> None:
    """Whatever they hold, also where nothing was set before; and whose brokers they are about."""
    assert loaded(dumped(Kept(entries, cluster))) == Kept(entries, cluster)


LATER = '{"purpose": "Throttle", "resource": "user", "name": "reports", "floor": 65536}'
MORE = json.dumps({**asdict(Entry(Purpose.GUARD, Resource.TOPIC, "a", "b", None, "1", "c")), "until": 7})


def test_what_a_later_version_wrote_is_carried_along() -> None:
    """An operator that was taken back to an older version undoes what it knows, and forgets nothing of the rest."""
    ours = Entry(Purpose.GUARD, Resource.TOPIC, "orders", "retention.ms", "1000", "2000", "shop/safe")
    kept = Kept(frozenset({ours}), "id", (LATER, MORE))
    found = loaded(dumped(kept))
    assert found.entries == {ours}
    assert [json.loads(one) for one in found.strange] == [json.loads(LATER), json.loads(MORE)]
    assert dumped(found) == dumped(kept)


WRONG = {
    "no JSON": "[",
    "a list": "[]",
    "no entries": '{"cluster": "a"}',
    "a number": "7",
    "entries of nothing": '{"cluster": "a", "entries": 7}',
}


@pytest.mark.parametrize("text", WRONG.values(), ids=WRONG)
def test_what_is_no_ledger_is_refused(text: str) -> None:
    """With one kind of error, whatever is wrong with it."""
    with pytest.raises(ValueError, match="no ledger"):
        loaded(text)
