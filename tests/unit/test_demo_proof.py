"""The demo's proof: what the brokers' own tools say, and what must hold."""

from __future__ import annotations

import dataclasses
import json

import pytest

from floodhack.demo_broker import Accounts, ByTool
from floodhack.demo_brokers import BROKERS
from floodhack.demo_counts import Counts, parse_counts
from floodhack.demo_group import total
from floodhack.demo_kafka import parse_group
from floodhack.demo_plan import FULL
from floodhack.demo_proof import Evidence, drained, none_lost, scaled
from floodhack.demo_rabbitmq import find_queue
from floodhack.demo_rocketmq import Progress, parse_connections, parse_progress
from floodhack.instance import Instance
from hack.demo_clients.outgoing import Outgoing

HEADER = "GROUP TOPIC PARTITION CURRENT-OFFSET LOG-END-OFFSET LAG CONSUMER-ID HOST CLIENT-ID"
TABLE = f"""
{HEADER}
billing         orders          1          516             520             4               b-2        /127.0.0.1      b
billing         orders          0          497             500             3               b-1        /127.0.0.1      b
billing         orders          2          498             498             0               b-1        /127.0.0.1      b
billing         invoices        0          1               9               8               b-3        /127.0.0.1      b
"""
THREE = dataclasses.replace(FULL, partitions=3)
KAFKA = BROKERS["kafka"](Instance(0), FULL).words


def test_the_tools_table_is_summed_for_the_topic() -> None:
    assert parse_group(TABLE, THREE) == ByTool(7, 2, ((True, "3 of 3 partitions had committed offsets"),))


def test_partitions_without_a_member_count_as_lag_but_not_as_read() -> None:
    text = f"Consumer group 'billing' has no active members.\n\n{HEADER}\nbilling orders 0 5 9 4 - - -\n"
    assert parse_group(text, THREE) == ByTool(4, 0, ((False, "1 of 3 partitions had committed offsets"),))


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
        parse_group(text, THREE)


def evidence(*, replicas: int = 24, ready: int = 24, readers: int = 24, lag: int = 10, whole: bool = True) -> Evidence:
    """A look at a demo that went well, but for what is said."""
    return Evidence(ByTool(lag, readers, ((whole, "all of it was seen"),)), replicas, ready)


def test_a_demo_that_went_well_is_proved() -> None:
    proof = [*scaled(evidence(), KAFKA, before=2), *drained(evidence(), KAFKA, FULL)]
    assert all(holds for holds, _ in proof)
    assert (True, "24 members of the group owned partitions, by kafka-consumer-groups") in proof


@pytest.mark.parametrize(
    "flaw",
    [
        evidence(replicas=2, ready=2, readers=2),
        evidence(ready=23),
        evidence(readers=2),
        evidence(lag=FULL.max_lag_messages + 1),
        evidence(whole=False),
    ],
    ids=["not scaled", "a pod is not ready", "members without partitions", "over the limit", "not all of it was seen"],
)
def test_every_flaw_is_noticed(flaw: Evidence) -> None:
    proof = [*scaled(flaw, KAFKA, before=2), *drained(flaw, KAFKA, FULL)]
    assert sum(not holds for holds, _ in proof) == 1


def accounts(
    *,
    sending: float = 0,
    published: int = 900,
    confirmed: int = 900,
    repeated: int = 0,
    waiting: int = 0,
    acknowledged: int = 900,
) -> Accounts:
    """Both ends of a queue from which nothing was lost, but for what is said."""
    return Accounts(sending, published, confirmed, repeated, waiting, acknowledged)


@pytest.mark.parametrize(
    ("counted", "said"),
    [
        (accounts(), "none of those confirmed was lost"),
        (accounts(repeated=5, acknowledged=903), "none of those confirmed was lost, 3 came twice"),
    ],
    ids=["each once", "some sent again"],
)
def test_what_was_confirmed_and_acknowledged_was_not_lost(counted: Accounts, said: str) -> None:
    proof = none_lost(counted)
    assert all(holds for holds, _ in proof)
    assert proof[-1][1].endswith(said)


@pytest.mark.parametrize(
    "flaw",
    [
        accounts(sending=60),
        accounts(confirmed=899, acknowledged=899),
        accounts(published=0, confirmed=0, acknowledged=0),
        accounts(waiting=1),
        accounts(acknowledged=899),
        accounts(acknowledged=901),
    ],
    ids=["still sending", "a confirm is missing", "nothing sent", "not read to the end", "one lost", "more than can be"],
)
def test_every_message_is_accounted_for(flaw: Accounts) -> None:
    """Counts prove something only where nothing is under way; more than was sent hides what was lost."""
    assert sum(not holds for holds, _ in none_lost(flaw)) == 1


def test_the_last_report_of_the_producer_counts() -> None:
    """As `Outgoing` words it, among whatever else is in the log."""
    outgoing = Outgoing()
    for _ in range(3):
        outgoing.next()
    early = outgoing.line(60)
    outgoing.settled(1, multiple=False, confirmed=True)
    outgoing.opened()
    outgoing.next()
    log = f"12:00:00 {early}\n12:00:05 {outgoing.line(0)}\n12:00:06 rate changes from 0/s to 60/s\n"
    assert parse_counts(log) == Counts(0.0, 3, 1, 1)
    with pytest.raises(ValueError, match="no counts"):
        parse_counts("12:00:06 rate changes from 0/s to 60/s\n")


def test_the_queue_is_found_among_others() -> None:
    listed = [{"name": "invoices", "messages": 9}, {"name": "orders", "messages": 7}]
    assert find_queue(json.dumps(listed), "orders") == {"name": "orders", "messages": 7}
    with pytest.raises(ValueError, match="no queue orders"):
        find_queue(json.dumps(listed[:1]), "orders")


PROGRESS = """
#Topic     #Broker Name   #QID  #Broker Offset   #Consumer Offset   #Diff   #Inflight   #LastTime
orders     broker-a       0     211              120                91      0           2026-11-26 01:05:26
orders     broker-a       1     212              212                0       0           2026-11-26 01:05:26
invoices   broker-a       0     9                1                  8       0           2026-11-26 01:05:26

Consume TPS: 0.00
Consume Diff Total: 99
"""
CONNECTIONS = """
#ClientId                            #ClientAddr            #Language  #Version
vm@1@0@dn4qmta75x0x                  127.0.0.1:40994        PYTHON     V5_5_0
vm@1@0@dn4qmta75x0y                  127.0.0.1:40996        PYTHON     V5_5_0

Below is subscription:
#Topic               #SubExpression
orders               *
"""


def test_mqadmins_tables_are_summed_for_the_topic() -> None:
    """Queues of other topics are not among them, nor what comes after the consumers."""
    found = parse_progress(PROGRESS, "orders")
    assert (found, found.waiting) == (Progress(queues=2, stored=423, done=332), 91)
    assert parse_connections(CONNECTIONS) == 2


def test_what_mqadmin_does_not_tell_is_no_zero() -> None:
    """It ends with status 0 whatever went wrong; a group without consumers has no table."""
    with pytest.raises(ValueError, match="no queue of payments"):
        parse_progress(PROGRESS, "payments")
    assert parse_connections("") == 0


def test_rocketmqs_answers_are_summed() -> None:
    """They are no JSON."""
    body = b'{"offsetTable":{{"queueId":7}:{"maxOffset":210,"minOffset":3},{"queueId":5}:{"maxOffset":5,"minOffset":0}}}'
    assert total(body, "maxOffset") == 215
    assert total(b'{"offsetTable":{}}', "maxOffset") == 0
