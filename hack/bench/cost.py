"""What the operator costs with many policies: requests, CPU, memory, connections, writes, the length of its sweeps, its start.

The operator is the installed program in a process of its own, against a real API server and real brokers. It is looked at
from outside: /proc, its own /metrics (scraped in full as a Prometheus would), and the API server's count of its requests.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

from account import Account
from api import samples
from fleet import fleet, name_of
from ground import Ground
from operator_run import Operator, operator
from timing import looks, settled, window
from traffic import traffic

from floodhack.errors import HackError
from floodhack.progress import say
from floodhack.waiting import until

SWEEPS = "floodwarden_sweep_duration_seconds"
REQUESTS = "floodwarden_broker_requests_total"
LOOK = 0.2  # seconds between two looks at the sweeps: each is told apart from the next
SCRAPE = 15.0  # seconds between two scrapes of everything
SHARE = 10  # one topic in so many has traffic
TRAFFIC_AT_MOST = 100  # topics: one process can send to and commit for no more in a second
RATE = 2  # messages per second and partition


@dataclass(frozen=True)
class Times:
    """Seconds over which things are measured: requests (several rounds of what is read every five and ten seconds), all
    while nothing changes (0 leaves that out), the onset of traffic that is not counted, and all with traffic."""

    requests: float = 30.0
    idle: float = 120.0
    onset: float = 15.0
    busy: float = 100.0


def requests(ground: Ground, account: Account, policies: int, times: Times) -> dict[str, float]:
    """Requests per sweep with so few policies that they are there quickly."""
    with fleet(ground, policies), operator(ground, account) as process:
        process.start()
        all_decided(process, policies)
        return {f"requests_per_sweep_{policies}": requests_per_sweep(process, times)}


def full(ground: Ground, account: Account, policies: int, times: Times) -> dict[str, float]:
    """Everything else, with a full fleet."""
    results: dict[str, float] = {}
    with fleet(ground, policies), operator(ground, account) as process:
        process.start()
        results[f"start_to_first_decision_seconds_{policies}"] = all_decided(process, policies) - process.began
        results[f"start_cpu_seconds_{policies}"] = process.cpu_seconds()
        say(f"  started: {results}")
        _written(account)
        if times.idle:
            results |= _idle(process, account, policies, times)
            say(f"  idle: {results}")
        with traffic(ground, [name_of(number) for number in range(0, policies, max(SHARE, policies // TRAFFIC_AT_MOST))], RATE):
            results |= _busy(process, policies, times)
        results[f"operator_rss_mib_{policies}"] = process.peak_mib()
    return {key: round(value, 4) for key, value in results.items()}


def all_decided(process: Operator, policies: int) -> float:
    """When the last policy was decided for the first time, by ``time.monotonic``."""
    until(lambda: process.decided() >= policies, seconds=300, what=f"{policies} policies decided", dead=process.died, every=0.1)
    return time.monotonic()


def _written(account: Account) -> None:
    """Return once nothing but leases has been written for ten seconds: the first status of each policy is there."""
    settled(lambda: account.counts().writes, quiet=10, seconds=180, what="the first statuses are written")


def requests_per_sweep(process: Operator, times: Times) -> float:
    """Requests to the brokers of each sweep, counted over ``times.requests`` seconds."""
    before = process.total(REQUESTS), process.total(f"{SWEEPS}_count")
    window(times.requests)
    after = process.total(REQUESTS), process.total(f"{SWEEPS}_count")
    if after[1] <= before[1]:
        raise HackError(f"no sweep ended within {times.requests:g} s")
    return round((after[0] - before[0]) / (after[1] - before[1]), 3)


def _idle(process: Operator, account: Account, policies: int, times: Times) -> dict[str, float]:
    began = account.counts()
    until(lambda: account.counts() != began, seconds=180, what="a write of the idle operator", every=0.2)
    # From one write to whole minutes later: a window between two beats of the same pulse.
    began, cpu, at = account.counts(), process.cpu_seconds(), time.monotonic()
    requests = requests_per_sweep(process, times)
    window(at + times.idle - time.monotonic())
    ended, minutes = account.counts(), (time.monotonic() - at) / 60
    leases, writes = ended.leases - began.leases, ended.writes - began.writes
    return {
        f"requests_per_sweep_{policies}": requests,
        f"api_writes_per_minute_idle_{policies}": (leases + writes) / minutes,
        f"api_lease_writes_per_minute_idle_{policies}": leases / minutes,
        f"api_reads_per_minute_idle_{policies}": (ended.reads - began.reads) / minutes,
        f"operator_cores_idle_{policies}": (process.cpu_seconds() - cpu) / (60 * minutes),
    }


def _busy(process: Operator, policies: int, times: Times) -> dict[str, float]:
    """CPU, connections and the length of each sweep while a part of the topics has traffic."""
    window(times.onset)
    cpu, at = process.cpu_seconds(), time.monotonic()
    connections = 0
    lengths: list[float] = []
    for length in sweep_lengths(process, times.busy):
        lengths.append(length)
        connections = max(connections, process.broker_connections())
    if not lengths:
        raise HackError(f"no sweep ended within {times.busy:g} s")
    cores = (process.cpu_seconds() - cpu) / (time.monotonic() - at)
    lengths.sort()
    return {
        f"sweep_seconds_p99_{policies}": lengths[ceil(0.99 * len(lengths)) - 1],
        f"sweep_seconds_median_{policies}": lengths[len(lengths) // 2],
        f"sweeps_counted_{policies}": len(lengths),
        f"operator_cores_{policies}": cores,
        f"broker_connections_{policies}": connections,
    }


def sweep_lengths(process: Operator, seconds: float) -> Iterator[float]:
    """The length of each sweep that ends within so many seconds, from the growth of the histogram's sum between two looks.

    Should two have ended between the looks, each counts as long as both together: never too short.
    """
    scraped = 0.0
    count, total = _histogram(process)
    for passed in looks(seconds, LOOK):
        if passed - scraped >= SCRAPE:
            process.metrics()
            scraped = passed
        now_count, now_total = _histogram(process)
        yield from [now_total - total] * int(now_count - count)
        count, total = now_count, now_total


def _histogram(process: Operator) -> tuple[float, float]:
    """Sweeps so far, and the seconds they took together."""
    text = process.metrics(f"{SWEEPS}_count", f"{SWEEPS}_sum")
    return sum(samples(text, f"{SWEEPS}_count").values()), sum(samples(text, f"{SWEEPS}_sum").values())
