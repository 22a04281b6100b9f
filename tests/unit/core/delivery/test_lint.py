"""What a policy promises and cannot keep, whatever brokers and topics do."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from floodwarden.core.delivery.lint import lint
from floodwarden.core.delivery.survey import BrokerFound
from floodwarden.core.delivery.wishes import Wishes
from tests.support.delivery import broker, lost, wishes

THREE = [broker(node) for node in range(3)]
RACKS = [broker(0, rack="a"), broker(1, rack="b"), broker(2, rack="a")]


@pytest.mark.parametrize(
    ("policy", "brokers", "says"),
    [
        pytest.param(wishes(factor=3, min_in_sync=2), THREE, [], id="what one should ask for"),
        pytest.param(wishes(factor=3, min_in_sync=2, acks="All", flush="Replicated"), THREE, [], id="and with all promises"),
        pytest.param(
            wishes(factor=4), THREE, ["replication.factor 4 cannot be kept: there are 3 brokers"], id="more copies than brokers"
        ),
        pytest.param(wishes(factor=4), [], [], id="brokers nobody knows"),
        pytest.param(
            wishes(factor=3),
            RACKS,
            ["replication.factor 3 puts copies into the same rack: there are 2"],
            id="more copies than racks",
        ),
        pytest.param(wishes(factor=2), RACKS, [], id="a rack for each copy"),
        pytest.param(wishes(factor=3), [*RACKS[:2], lost(2)], [], id="a node that is away may be in a rack of its own"),
        pytest.param(
            wishes(factor=2, min_in_sync=2),
            THREE,
            ["replication.minInSync 2 equals the factor: writes stop whenever one broker restarts"],
            id="all copies must be in sync",
        ),
        pytest.param(
            wishes(min_in_sync=2, acks="Leader"),
            THREE,
            ["acks Leader does not wait for replicas: minInSync 2 protects nothing that is written so"],
            id="in sync, and nobody waits",
        ),
        pytest.param(wishes(min_in_sync=1, acks="Leader"), THREE, [], id="one in sync is the leader"),
        pytest.param(wishes(min_in_sync=2, acks="All"), THREE, [], id="in sync, and waited for"),
        pytest.param(
            wishes(acks="None", flush="Replicated"),
            THREE,
            ["flush Replicated promises messages on other brokers, but with acks None producers do not wait for that"],
            id="replicated, and nobody waits",
        ),
        pytest.param(
            wishes(min_in_sync=2, acks="None", flush="Sync"),
            THREE,
            [
                "acks None does not wait for replicas: minInSync 2 protects nothing that is written so",
                "flush Sync promises messages on disk, but with acks None producers do not wait for that",
            ],
            id="flushed, and nobody waits",
        ),
        pytest.param(
            wishes(flush="Sync"),
            THREE,
            ["flush Sync alone keeps messages on one disk: a lost disk loses them; add replication with minInSync 2"],
            id="one disk",
        ),
        pytest.param(wishes(flush="Sync", min_in_sync=2), THREE, [], id="two disks"),
        pytest.param(wishes(flush="Async", acks="None"), THREE, [], id="nothing is promised"),
    ],
)
def test_lint(policy: Wishes, brokers: Sequence[BrokerFound], says: list[str]) -> None:
    """One sentence for each promise."""
    assert list(lint(policy, brokers)) == says
