"""Copies that share racks although there are more of them: told, and never moved."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from floodwarden.core.delivery.audit import PLACEMENT
from floodwarden.core.delivery.settings import explained
from floodwarden.core.delivery.survey import BrokerFound
from floodwarden.core.delivery.violations import Action
from tests.support.delivery import CLEAN, audited, broker, lost, of_topics, survey, the, topic, wishes


def racked(racks: str) -> list[BrokerFound]:
    """A broker for each letter, which is its rack; a dot stands for none, and a question mark for a broker that is away."""
    return [lost(node) if rack == "?" else broker(node, rack=None if rack == "." else rack) for node, rack in enumerate(racks)]


@pytest.mark.parametrize(
    ("racks", "on", "found", "wanted"),
    [
        pytest.param("aabb", [(0, 1), (0, 2)], "copies of partitions 0 share rack a", "spread over 2 racks", id="one"),
        pytest.param("aabb", [(0, 1), (1, 0)], "copies of partitions 0, 1 share rack a", "spread over 2 racks", id="all"),
        pytest.param(
            "aabb", [(0, 1), (2, 3)], "copies of partitions 0, 1 share racks a, b", "spread over 2 racks", id="two racks"
        ),
        pytest.param("aabc", [(0, 1, 2)], "copies of partitions 0 share rack a", "spread over 3 racks", id="two of three copies"),
        pytest.param("aab?", [(0, 1)], "copies of partitions 0 share rack a", "spread over 2 racks", id="another broker is away"),
    ],
)
def test_copies_that_share_a_rack(racks: str, on: Sequence[Sequence[int]], found: str, wanted: str) -> None:
    """Which partitions, which racks, and how many there could be; nothing is written."""
    findings = audited(wishes(factor=2), survey(topic(on=on), brokers=racked(racks)))
    told = the(of_topics(findings))
    assert (told.resource, told.setting) == ("topic orders", PLACEMENT)
    assert (told.found, told.wanted, told.action) == (found, wanted, Action.REPORT)
    assert findings.changes == ()


@pytest.mark.parametrize(
    ("racks", "on"),
    [
        pytest.param("aabb", [(0, 2), (1, 3)], id="spread"),
        pytest.param("aabb", [(0, 1, 2), (0, 1, 2, 3)], id="more copies than racks"),
        pytest.param("aaa", [(0, 1)], id="one rack"),
        pytest.param("...", [(0, 1)], id="no racks"),
        pytest.param("ab.", [(0, 2)], id="one without a rack"),
        pytest.param("ab..", [(2, 3)], id="two without a rack"),
        pytest.param("ab?", [(0, 2)], id="one that is away"),
        pytest.param("ab", [(0, 7)], id="one that nobody knows"),
    ],
)
def test_copies_that_do_not(racks: str, on: Sequence[Sequence[int]]) -> None:
    """Nor is anything made of racks that are not known."""
    assert of_topics(audited(wishes(factor=2), survey(topic(on=on), brokers=racked(racks)))) == []


def test_who_does_not_ask_for_a_factor_is_told_nothing() -> None:
    """Copies are not what the policy speaks of."""
    assert of_topics(audited(wishes(CLEAN), survey(topic(on=[(0, 1)]), brokers=racked("aab")))) == []


def test_it_is_explained() -> None:
    """What a violation can name, ``explain`` knows."""
    assert explained(PLACEMENT) is not None
