"""What deciding costs: history, assessment and decision of many policies, without brokers or an API server.

Every policy watches ten partitions with steady traffic; one sweep is one second of the model's time.
"""

from __future__ import annotations

import gc
import time
import tracemalloc

from floodwarden.core.assess import assess
from floodwarden.core.decide import decide
from floodwarden.core.history import History
from floodwarden.core.memory import Memory
from floodwarden.core.observation import Offsets, Partition, Reading, Subscription
from floodwarden.core.policy import Policy
from floodwarden.core.target import Target

PARTITIONS = 10
SWEEPS = 90  # fills every bounded series


def run(policies: int) -> dict[str, float]:
    """CPU seconds of a sweep over so many policies, and bytes that each policy's past takes."""
    wishes = [Policy(Subscription(f"group-{n}", ("orders",)), 1000, 30.0, 60.0, 2, None, 120.0, 1.0) for n in range(policies)]
    partitions = [Partition("orders", n) for n in range(PARTITIONS)]
    target = Target("uid", 2, "app=x", "1")
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    histories, memories = [History() for _ in wishes], [Memory() for _ in wishes]
    for sweep in range(SWEEPS):
        _sweep(sweep, wishes, partitions, target, histories, memories)
    gc.collect()
    held = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    began = time.process_time()
    rounds = 5
    for sweep in range(SWEEPS, SWEEPS + rounds):
        _sweep(sweep, wishes, partitions, target, histories, memories)
    spent = (time.process_time() - began) / rounds
    return {f"decide_cpu_seconds_{policies}": round(spent, 4), "history_bytes_per_policy": round(held / policies)}


def _sweep(
    sweep: int,
    wishes: list[Policy],
    partitions: list[Partition],
    target: Target,
    histories: list[History],
    memories: list[Memory],
) -> None:
    now = float(sweep)
    for index, policy in enumerate(wishes):
        reading = Reading({p: Offsets(0, 50 * sweep + p.number, 50 * sweep) for p in partitions})
        histories[index].record(now, reading)
        seen = assess(reading, histories[index], now)
        _, memories[index] = decide(policy, seen, target, None, memories[index], now)
