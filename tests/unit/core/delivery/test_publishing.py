"""The ConfigMap of a policy: written where it is ours, told where it is not, and left alone where nothing differs."""

from __future__ import annotations

import pytest

from floodwarden.core.delivery.publishing import Published, Step, digest_of, name_of_settings, step, told
from floodwarden.core.delivery.violations import Action

WANTED = {"producer.properties": "acks=all\n"}
OLD = {"producer.properties": "acks=1\n", "consumer.properties": "enable.auto.commit=false\n"}
UID = "uid-of-the-policy"


def found(data: dict[str, str], *, owner: str = UID, digest: str | None = None) -> Published:
    """A ConfigMap with these data, as Floodwarden wrote them unless another digest is noted on it."""
    return Published("shop", "safe-client-settings", "7", data, frozenset({owner}), digest_of(data) if digest is None else digest)


BY_HAND = found(OLD, digest=digest_of(WANTED))
CASES = {
    "there is none": (None, False, Step.CREATE),
    "it is as it should be": (found(WANTED), False, Step.NONE),
    "as it should be, though nobody noted who wrote it": (found(WANTED, digest=""), True, Step.NONE),
    "the policy was edited, and only looks": (found(OLD), False, Step.WRITE),
    "somebody changed it, and the policy only looks": (BY_HAND, False, Step.TELL),
    "somebody changed it": (BY_HAND, True, Step.WRITE),
    "somebody changed it and took the note away": (found(OLD, digest=""), False, Step.TELL),
    "somebody else's": (found(OLD, owner="other"), True, Step.FOREIGN),
    "somebody else's, with our text": (found(WANTED, owner="other"), True, Step.FOREIGN),
}


@pytest.mark.parametrize(("there", "acts", "expected"), CASES.values(), ids=CASES)
def test_steps(there: Published | None, acts: bool, expected: Step) -> None:
    """What Floodwarden wrote follows the policy in any mode; what others wrote stays, or is put right in Enforce."""
    assert step(there, UID, WANTED, acts=acts) is expected


def test_what_is_left_is_told() -> None:
    """A change by hand with the keys that differ; a foreign one with what to do; all else is no difference."""
    by_hand = told(BY_HAND, WANTED, Step.TELL)
    assert by_hand is not None
    assert (by_hand.resource, by_hand.setting) == ("ConfigMap shop/safe-client-settings", "client settings")
    assert by_hand.where == "key consumer.properties, producer.properties"
    assert (by_hand.action, by_hand.reason) == (Action.REPAIR, "mode Enforce would put it right")
    foreign = told(found(OLD, owner="other"), WANTED, Step.FOREIGN)
    assert foreign is not None
    assert foreign.action is Action.REPORT
    assert "rename or delete it" in foreign.reason
    assert [told(found(OLD), WANTED, one) for one in (Step.NONE, Step.WRITE, Step.CREATE)] == [None] * 3


def test_names() -> None:
    """The policy's, with a suffix; none where that would be too long."""
    assert name_of_settings("safe") == "safe-client-settings"
    assert name_of_settings("p" * 237) is not None
    assert name_of_settings("p" * 238) is None


def test_the_text_is_not_shown() -> None:
    """Whatever somebody put there stays out of logs."""
    assert "hunter2" not in repr(found({"producer.properties": "hunter2"}))
