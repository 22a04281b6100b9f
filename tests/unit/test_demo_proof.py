"""The demo's proof: what the broker's own tool says, and what must hold."""

from __future__ import annotations

import pytest

from floodhack.demo_plan import FULL
from floodhack.demo_proof import Evidence, GroupByTool, drained, parse_group, scaled

HEADER = "GROUP TOPIC PARTITION CURRENT-OFFSET LOG-END-OFFSET LAG CONSUMER-ID HOST CLIENT-ID"
TABLE = f"""
{HEADER}
billing         orders          1          516             520             4               b-2        /127.0.0.1      b
billing         orders          0          497             500             3               b-1        /127.0.0.1      b
billing         orders          2          498             498             0               b-1        /127.0.0.1      b
billing         invoices        0          1               9               8               b-3        /127.0.0.1      b
"""


def test_the_tools_table_is_summed_for_the_topic() -> None:
    assert parse_group(TABLE, "orders") == GroupByTool(lag=7, owners=2, partitions=3)


def test_partitions_without_a_member_count_as_lag_but_not_as_owned() -> None:
    text = f"Consumer group 'billing' has no active members.\n\n{HEADER}\nbilling orders 0 5 9 4 - - -\n"
    assert parse_group(text, "orders") == GroupByTool(lag=4, owners=0, partitions=1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Error: Consumer group 'billing' does not exist.", "no table"),
        ("", "no table"),
        (f"{HEADER}\nbilling orders 0 - 9 - b-1 /127.0.0.1 b\n", "partitions 0"),
        (f"{HEADER}\nbilling invoices 0 1 2 1 b-1 /127.0.0.1 b\n", "of orders"),
    ],
    ids=["no group", "nothing", "never committed", "another topic"],
)
def test_what_is_not_known_is_an_error_not_a_zero(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_group(text, "orders")


def evidence(*, replicas: int = 24, ready: int = 24, owners: int = 24, lag: int = 10, partitions: int = 24) -> Evidence:
    """A look at a demo that went well, but for what is said."""
    return Evidence(GroupByTool(lag, owners, partitions), replicas, ready)


def test_a_demo_that_went_well_is_proved() -> None:
    proof = [*scaled(evidence(), before=2), *drained(evidence(), FULL)]
    assert all(holds for holds, _ in proof)


@pytest.mark.parametrize(
    "flaw",
    [
        evidence(replicas=2, ready=2, owners=2),
        evidence(ready=23),
        evidence(owners=2),
        evidence(lag=FULL.max_lag_messages + 1),
        evidence(partitions=23),
    ],
    ids=["not scaled", "a pod is not ready", "members without partitions", "over the limit", "a partition was never committed"],
)
def test_every_flaw_is_noticed(flaw: Evidence) -> None:
    proof = [*scaled(flaw, before=2), *drained(flaw, FULL)]
    assert sum(not holds for holds, _ in proof) == 1
