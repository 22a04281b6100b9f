"""One list of reasons: whatever can become a reason is in it, and everything in it says what to do."""

from __future__ import annotations

import re

import pytest

from floodwarden.cluster.secrets import SecretProblemReason
from floodwarden.core.diagnosis.cause import Cause
from floodwarden.core.observation import UnknownReason
from floodwarden.core.reasons import ADVICE, Reason
from floodwarden.core.target import TargetProblemReason


@pytest.mark.parametrize("other", [UnknownReason, TargetProblemReason, SecretProblemReason])
def test_every_reason_of_the_adapters_is_in_the_list(other: type[UnknownReason]) -> None:
    """Conditions are made from adapters' reasons by their value."""
    assert {one.value for one in other} <= {one.value for one in Reason}


def test_every_cause_of_a_backlog_is_in_the_list() -> None:
    """Their Events are posted by their name, and the reference explains them; that there is none needs no explanation."""
    assert {cause.value for cause in Cause if cause is not Cause.NONE} <= {reason.value for reason in Reason}


def test_every_reason_says_what_to_do() -> None:
    """No reason without a sentence, no sentence without a reason, and each ends as a sentence."""
    assert ADVICE.keys() == set(Reason)
    assert all(text.endswith(".") for text in ADVICE.values())


def test_reasons_are_words_kubernetes_accepts() -> None:
    """The API server's pattern for a condition's reason."""
    assert all(re.fullmatch(r"[A-Za-z][A-Za-z0-9]{1,127}", reason.value) for reason in Reason)
