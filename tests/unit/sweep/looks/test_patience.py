"""Patience with whoever puts things back: so many times, for each thing and each version of a policy."""

from __future__ import annotations

from floodwarden.sweep.looks.patience import TRIES, Deed, Patience

DONE = Deed("shop/safe", 1, "uid", "acks")


def test_it_ends() -> None:
    """After so many times, and for that thing alone."""
    patience = Patience()
    for _ in range(TRIES):
        assert not patience.exhausted(DONE)
        patience.did(DONE)
    assert patience.exhausted(DONE)
    assert not patience.exhausted(DONE._replace(uid="other"))
    assert not patience.exhausted(DONE._replace(generation=2))


def test_what_is_gone_is_forgotten() -> None:
    """So that nothing grows without end: policies that are no more, and other versions of those that are."""
    patience = Patience()
    kept = Deed("shop/other", 1, "uid", "acks")
    for deed in (DONE, kept) * TRIES:
        patience.did(deed)
    patience.forget_but({("shop/safe", 2), ("shop/other", 1)})
    assert not patience.exhausted(DONE)
    assert patience.exhausted(kept)
