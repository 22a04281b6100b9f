"""What the operator costs on brokers other than Kafka: how they are brought up, the policies, and what is measured.

Used by `queues` and `groups`, which know what is on the brokers.
"""

from __future__ import annotations

import base64
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from math import ceil

from account import Account
from api import Object, many
from cost import Times, all_decided, requests_per_sweep, sweep_lengths
from fleet import API
from ground import Ground
from operator_run import operator
from timing import window

from floodhack.errors import HackError
from floodhack.instance import CHECKOUT

SHARE = 10  # one queue or topic in so many has traffic
TICK = 0.5  # seconds between two parts of it


@contextmanager
def brought_up(kind: str) -> Iterator[None]:
    """The brokers of that kind, ended at the end if they were started here."""
    runs = _hack("status", kind) == 0
    if _hack("up", kind) != 0:
        raise HackError(f"hack/brokers up {kind} failed: run it by hand")
    try:
        yield
    finally:
        if not runs:
            _hack("down", kind)


def secret(ground: Ground, space: str, name: str, values: Mapping[str, str]) -> None:
    """A Secret."""
    data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": data}
    ground.api.apply(f"/api/v1/namespaces/{space}/secrets", manifest)


def policies(ground: Ground, space: str, spec: Object, subscriptions: Mapping[str, Object]) -> None:
    """A MessageBroker, and a policy and a target for each subscription."""
    broker = {"apiVersion": API, "kind": "MessageBroker", "metadata": {"name": "main"}, "spec": {**spec, "sweepInterval": "1s"}}
    ground.api.apply(f"/apis/{API}/namespaces/{space}/messagebrokers", broker)
    named = list(subscriptions.items())
    many(lambda number: _add(ground, space, *named[number]), range(len(named)))


def measured(
    ground: Ground, account: Account, count: int, traffic: Callable[[], AbstractContextManager[None]], times: Times
) -> dict[str, float]:
    """Requests per sweep while nothing changes, then sweeps, CPU and memory with traffic; so many policies are there."""
    with operator(ground, account) as process:
        process.start()
        all_decided(process, count)
        requests = requests_per_sweep(process, times)
        with traffic():
            window(times.onset)
            cpu = process.cpu_seconds()
            lengths = sorted(sweep_lengths(process, times.busy))
            cores = (process.cpu_seconds() - cpu) / times.busy
        if not lengths:
            raise HackError(f"no sweep ended within {times.busy:g} s")
        return {
            "sweep_seconds_p99": round(_percentile(lengths), 4),
            "sweep_seconds_median": round(lengths[len(lengths) // 2], 4),
            "requests_per_sweep": requests,
            "operator_cores": round(cores, 4),
            "operator_rss_mib": round(process.peak_mib(), 1),
        }


def _percentile(lengths: Sequence[float]) -> float:
    """99 of 100 are no longer."""
    return lengths[ceil(0.99 * len(lengths)) - 1]


def _add(ground: Ground, space: str, name: str, subscription: Object) -> None:
    target: Object = {"apiVersion": "bench.floodwarden.dev/v1", "kind": "Worker"}
    worker = {**target, "metadata": {"name": name}, "spec": {"replicas": 1}}
    ground.api.apply(f"/apis/bench.floodwarden.dev/v1/namespaces/{space}/workers", worker)
    spec = {
        "brokerRef": {"name": "main"},
        "subscription": subscription,
        "maxLag": {"messages": 1000, "seconds": 60},
        "consumers": {"targetRef": {**target, "name": name}, "maxReplicas": 10},
    }
    policy = {"apiVersion": API, "kind": "BacklogPolicy", "metadata": {"name": name}, "spec": spec}
    ground.api.apply(f"/apis/{API}/namespaces/{space}/backlogpolicies", policy)


def _hack(command: str, kind: str) -> int:
    line = [sys.executable, str(CHECKOUT / "hack" / "brokers"), command, kind]
    return subprocess.run(line, stdout=sys.stderr, check=False).returncode
