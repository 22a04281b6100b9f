"""Brokers of RocketMQ that keep their log with DLedger, or have controllers, are told as what they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from floodwarden.core.delivery.rocketmq.found import RocketMQFound
from floodwarden.core.delivery.violations import Action
from floodwarden.core.delivery.wishes import ReadingWishes, Wishes
from tests.support.delivery import AWAY, DAY
from tests.unit.core.delivery.test_rocketmq import (
    BY_DEFAULT,
    MASTER,
    SYNC,
    SYNCHRONOUS,
    found,
    judged,
    server,
    slave,
    wishes,
)

LOG = {**BY_DEFAULT, "enableDLegerCommitLog": "true", "transientStorePoolEnable": "true"}
THREE = {**LOG, "dLegerPeers": "n0-10.0.0.1:40911;n1-10.0.0.2:40911;n2-10.0.0.3:40911"}


def group(config: Mapping[str, str] = THREE, **given: Any) -> RocketMQFound:
    """A leader and a follower; who keeps up is asked of nobody, and the leader could not tell."""
    return found(server(config, in_sync=AWAY), slave({**config, "brokerRole": "SLAVE"}), **given)


CASES: Mapping[str, tuple[Wishes, RocketMQFound, Sequence[tuple[str, str, str]], str]] = {
    "flush, which waits for no disk": (SYNC, group(), [], "flush Sync is not kept there"),
    "a pool before the page cache, which is not used": (wishes(flush="Async"), group(), [], ""),
    "most of three": (SYNCHRONOUS, group(), [], ""),
    "by replicas": (wishes(flush="Replicated"), group(), [], ""),
    "more than most": (wishes(min_in_sync=3), group(), [("inSyncReplicas", "≥ 3", "2 (most of 3)"), ("copies", "≥ 3", "2")], ""),
    "peers that are not told": (SYNCHRONOUS, group(LOG), [], "does not tell dLegerPeers"),
    "RocketMQ 4": (wishes(min_in_sync=2), group({key: text for key, text in THREE.items() if key != "inSyncReplicas"}), [], ""),
    "copies": (wishes(factor=3), group(), [("copies", "≥ 3", "2")], ""),
    "what has nothing to do with it": (wishes(kept_for=7 * DAY), group(), [("fileReservedTime", "≥ 168", "72")], ""),
}


@pytest.mark.parametrize(("policy", "what", "differs", "gap"), CASES.values(), ids=CASES.keys())
def test_dledger(policy: Wishes, what: RocketMQFound, differs: Sequence[tuple[str, str, str]], gap: str) -> None:
    """Nothing that does not hold there is called a violation, and what is not promised there is not called kept."""
    findings = judged(policy, what)
    told = {(one.setting, one.wanted, one.found) for one in findings.violations if one.setting != "autoCreateTopicEnable"}
    assert told == set(differs)
    assert [gap in one.message for one in findings.gaps] == ([True] if gap else [])
    assert all(len(one.reason.encode()) <= 256 for one in findings.violations)


def test_dledger_is_said() -> None:
    """Where copies are asked for; and of another broker beside it all else is judged."""
    says = "most of its peers"
    assert any(says in one for one in judged(SYNCHRONOUS, group()).unproven)
    assert not any(says in one for one in judged(wishes(kept_for=DAY), group()).unproven)
    beside = RocketMQFound((*group().sets, *found(server(BY_DEFAULT), slave(), name="broker-b").sets))
    assert {one.setting for one in judged(SYNCHRONOUS, beside).violations} >= {"brokerRole", "inSyncReplicas"}


def test_nothing_is_written_for_copies_there() -> None:
    """Whatever its inSyncReplicas says."""
    synchronous = {**THREE, "brokerRole": "SYNC_MASTER"}
    assert judged(SYNCHRONOUS, group(synchronous)).changes == ()


def test_controllers_are_said() -> None:
    """They choose the master, also where nobody speaks of it; roles are theirs, and not judged."""
    config = {**BY_DEFAULT, "enableControllerMode": "true", "minInSyncReplicas": "2", "allAckInSyncStateSet": "true"}
    what = found(server({**config, "brokerRole": "ASYNC_MASTER"}), slave({**config, "brokerRole": "SLAVE"}))
    findings = judged(SYNCHRONOUS, what)
    assert findings.violations == ()
    assert any("controllers decide" in one for one in findings.unproven)
    assert not any("controllers decide" in one for one in judged(wishes(reading=ReadingWishes(5)), what).unproven)
    flush = judged(replace(SYNC, acts=False), what)
    assert {(one.resource, one.setting, one.action) for one in flush.violations if one.setting == "flushDiskType"} >= {
        (f"broker {MASTER}", "flushDiskType", Action.RESTART)
    }
