"""Ten failovers: of two processes the one that sweeps is killed with -9, and the time until the other one decides is taken.

Each kill comes at another moment of the Leases' pulse. The killed one is started again and joins before the next round.
"""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Sequence

from account import Account
from fleet import fleet
from ground import Ground
from operator_run import DECISIONS, Operator, operator
from timing import window

from floodhack.progress import say
from floodhack.waiting import until

ROUNDS = 10
SWEEPS = "floodwarden_sweep_duration_seconds_count"
LOOKS = 2.5  # seconds in which a process that sweeps once a second shows it
PULSE = 11.0  # seconds between two renewals of a Lease
PATIENCE = 120.0


def run(ground: Ground, account: Account, policies: int, rounds: int = ROUNDS) -> dict[str, float]:
    """Seconds from the kill until the other one decided for the first time, and until it had decided on every policy."""
    chance = random.Random(4)
    first: list[float] = []
    every: list[float] = []
    with fleet(ground, policies), operator(ground, account, 0) as one, operator(ground, account, 1) as other:
        both = (one, other)
        for process in both:
            process.start()
            process.await_ready()
        for _ in range(rounds):
            window(chance.uniform(0, PULSE))
            sweeper, heir = _roles(both)
            before = heir.total(DECISIONS)
            sweeper.end(signal.SIGKILL)
            killed = time.monotonic()
            until(lambda: heir.total(DECISIONS) > before, seconds=PATIENCE, what="a decision", every=0.05, dead=heir.died)  # noqa: B023
            first.append(time.monotonic() - killed)
            until(lambda: heir.decided() >= policies, seconds=PATIENCE, what="all decided", every=0.05, dead=heir.died)  # noqa: B023
            every.append(time.monotonic() - killed)
            say(f"  killed: the other one decides after {first[-1]:.1f} s, on every policy after {every[-1]:.1f} s")
            sweeper.start()
            sweeper.await_ready()
    return {
        "failover_seconds_max": round(max(first), 2),
        "failover_seconds_median": round(sorted(first)[len(first) // 2], 2),
        "failover_all_decided_seconds_max": round(max(every), 2),
    }


def _roles(both: Sequence[Operator]) -> tuple[Operator, Operator]:
    """Who sweeps and who does not, once exactly one has swept in a window."""
    swept: list[Operator] = []

    def one_sweeps() -> bool:
        before = [process.total(SWEEPS) for process in both]
        window(LOOKS)
        swept[:] = [process for process, was in zip(both, before, strict=True) if process.total(SWEEPS) > was]
        return len(swept) == 1

    until(one_sweeps, seconds=PATIENCE, what="exactly one of two processes sweeps")
    return (both[0], both[1]) if swept == [both[0]] else (both[1], both[0])
