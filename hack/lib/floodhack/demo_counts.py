"""What the log of a producer that waits for confirms says of its messages: the demo's end of counting where none may be lost.

The line is that of `demo_clients.outgoing`. `demo_rabbitmq` and `demo_rocketmq` compare it with what the broker counted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

COUNTED = re.compile(r"rate (\d+)/s  published (\d+)  confirmed (\d+)  refused \d+  unroutable \d+  repeated (\d+)")


@dataclass(frozen=True)
class Counts:
    """Messages a second that are sent, and messages so far: see `demo_broker.Accounts`."""

    sending: float
    published: int
    confirmed: int
    repeated: int


def parse_counts(log: str) -> Counts:
    """The last report in a producer's log; ValueError when there is none."""
    reports = COUNTED.findall(log)
    if not reports:
        raise ValueError(f"no counts in the producer's log: {log.strip()[-200:]!r}")
    rate, published, confirmed, repeated = map(int, reports[-1])
    return Counts(float(rate), published, confirmed, repeated)
