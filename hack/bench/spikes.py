"""Ten step-shaped spikes against real consumers in pods: how soon the scale is written, in how many steps, and how high.

Each spike has a topic, a group, a Deployment and a policy of its own. First a little more comes than one consumer can do, until
the operator has learnt how much that is, as it has of consumers that have been there for a while.
The spikes begin one after another at uneven times, so that they meet the sweeps at any moment. When a scale was written is
told by a watch on the Deployments, on the same clock as the first message of the spike.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from account import Account
from api import Api, Object
from confluent_kafka import Producer
from fleet import API, commit, make_topics
from ground import Ground, load_consumers, namespace
from operator_run import operator
from timing import window

from floodhack.demo_pods import consumer
from floodhack.progress import say
from floodhack.waiting import until

COUNT = 10
PARTITIONS = 12
CAPACITY = 25  # messages per second that one consumer does
STEADY = 15  # messages per second before and after a spike: one replica has some to spare
SPIKE, FLOOD = 100, 400  # in a spike: half the partitions' worth of replicas, and more than all of them can do
FLOODS = frozenset({2, 5, 8})  # which of the spikes are floods
LEARNING = 40  # until the capacity is learnt
LIMIT = 600  # messages
LASTS = 20.0  # seconds
APART = (6.0, 8.0)  # seconds between the begins of two spikes, at least and at most
WATCHED = 30.0  # seconds from a spike's begin in which its steps up are counted
STABILIZATION = "10s"
TICK = 0.02
PATIENCE = 90.0


@dataclass(frozen=True)
class Change:
    """A scale as the watch told it: when (``time.monotonic``), and the replicas asked for."""

    at: float
    replicas: int


class Streams:
    """A steady stream into each topic, whose rate may be changed at any time; one thread for all."""

    def __init__(self, bootstrap: list[str], names: list[str]) -> None:
        self._producer = Producer({"bootstrap.servers": ",".join(bootstrap), "acks": "all", "linger.ms": 5, "log_level": 0})
        self._rates = dict.fromkeys(names, float(LEARNING))
        self._rises: dict[str, float] = {}  # the new rate of topics whose spike is to begin
        self.began: dict[str, float] = {}  # when the first message of the spike was sent
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="streams", daemon=True)

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def spike(self, name: str, rate: float) -> None:
        """From now on this rate; ``began`` tells when its first message went out."""
        self._rises[name] = rate

    def calm(self, name: str) -> None:
        """From now on the steady rate."""
        self._rates[name] = STEADY

    def close(self) -> None:
        """End, with everything sent."""
        self._end.set()
        self._thread.join()
        self._producer.flush(30)

    def _run(self) -> None:
        owed, turn, last = dict.fromkeys(self._rates, 0.0), dict.fromkeys(self._rates, 0), time.monotonic()
        while not self._end.wait(TICK):
            now = time.monotonic()
            for name in owed:
                if name in self._rises:
                    self._rates[name], owed[name] = self._rises.pop(name), 1.0
                    self.began[name] = time.monotonic()
                else:
                    owed[name] += self._rates[name] * (now - last)
                while owed[name] >= 1:
                    self._producer.produce(name, b"x" * 100, partition=turn[name] % PARTITIONS)
                    turn[name], owed[name] = turn[name] + 1, owed[name] - 1
            last = now
            self._producer.poll(0)


def run(ground: Ground, account: Account) -> dict[str, float]:
    """The promised numbers; every time in seconds."""
    load_consumers()
    names = [f"spike-{number}" for number in range(COUNT)]
    with ExitStack() as stack:
        admin = stack.enter_context(make_topics(ground, names, PARTITIONS))
        commit(admin, {name: [0] * PARTITIONS for name in names})
        space = stack.enter_context(namespace(ground.api, "bench-spikes"))
        _consumers(ground, space, names)
        changes = stack.enter_context(_watched(ground.api, space))
        process = stack.enter_context(operator(ground, account))
        process.start()
        until(lambda: _watched_over(ground.api, space) == COUNT, seconds=PATIENCE, what="consumers under watch", every=1.0)
        streams = Streams(ground.bootstrap, names)
        stack.callback(streams.close)
        streams.start()
        _learn(ground.api, space, streams, names)
        say(f"  {COUNT} consumers, their capacity is learnt")
        until(lambda: _steady(ground.api, space) == COUNT, seconds=PATIENCE, what="steady streams", every=1.0)
        _spikes(streams, names)
        return _judged(streams.began, changes)


def _spikes(streams: Streams, names: list[str]) -> None:
    """Begin and end each spike at its time, and wait until the last one's steps were counted."""
    chance = random.Random(4)  # uneven, and alike in every run
    begin, plan = 0.0, []
    for number, name in enumerate(names):
        plan += [(begin, name, FLOOD if number in FLOODS else SPIKE), (begin + LASTS, name, STEADY)]
        begin += chance.uniform(*APART)
    start = time.monotonic()
    for at, name, rate in sorted(plan):
        window(start + at - time.monotonic())
        if rate == STEADY:
            streams.calm(name)
        else:
            streams.spike(name, rate)
            say(f"  {name}: {STEADY} → {rate} messages/s")
    window(WATCHED - LASTS)


def _judged(began: dict[str, float], changes: dict[str, list[Change]]) -> dict[str, float]:
    waits, one_step = [], 0
    for name, at in began.items():
        steps = _steps_up(changes[name], at)
        waits.append(steps[0].at - at if steps else WATCHED)
        one_step += len(steps) == 1
        say(f"  {name}: {waits[-1]:.2f} s, {' → '.join(str(step.replicas) for step in steps) or 'no step'}")
    highest = max(change.replicas for told in changes.values() for change in told)
    return {
        "spike_to_scale_seconds_median": round(median(waits), 3),
        "spike_to_scale_seconds_max": round(max(waits), 3),
        "one_step_share": one_step / len(began),
        "replicas_over_partitions_max": max(0, highest - PARTITIONS),
        "replicas_highest": highest,
    }


def _steps_up(told: list[Change], began: float) -> list[Change]:
    """The changes to more replicas that answer a spike."""
    pairs = pairwise(told)
    return [after for before, after in pairs if after.replicas > before.replicas and began < after.at <= began + WATCHED]


@contextmanager
def _watched(api: Api, space: str) -> Iterator[dict[str, list[Change]]]:
    """Every number of replicas that each Deployment of the namespace asked for, from now on."""
    changes: dict[str, list[Change]] = {}
    stop = threading.Event()

    def follow() -> None:
        for event in api.watch(f"/apis/apps/v1/namespaces/{space}/deployments", stop.is_set):
            found = event["object"]
            if event["type"] not in ("ADDED", "MODIFIED"):
                continue
            told = changes.setdefault(found["metadata"]["name"], [])
            if not told or told[-1].replicas != found["spec"]["replicas"]:
                told.append(Change(time.monotonic(), found["spec"]["replicas"]))

    threading.Thread(target=follow, name="watch", daemon=True).start()
    try:
        yield changes
    finally:
        stop.set()  # the next event, of the namespace's end at the latest, ends the thread


def _consumers(ground: Ground, space: str, names: list[str]) -> None:
    api = ground.api
    api.apply(
        f"/apis/{API}/namespaces/{space}/messagebrokers",
        {
            "apiVersion": API,
            "kind": "MessageBroker",
            "metadata": {"name": "main"},
            "spec": {"type": "Kafka", "kafka": {"bootstrapServers": ground.bootstrap}, "sweepInterval": "1s"},
        },
    )
    for name in names:
        container = dict(consumer(ground.bootstrap, name, name, CAPACITY))
        api.apply(f"/apis/apps/v1/namespaces/{space}/deployments", _deployment(name, container))
        spec = {
            "brokerRef": {"name": "main"},
            "subscription": {"group": name, "topics": [name]},
            "maxLag": {"messages": LIMIT},
            "consumers": {"targetRef": {"name": name}, "scaleDown": {"stabilization": STABILIZATION}},
        }
        policy = {"apiVersion": API, "kind": "BacklogPolicy", "metadata": {"name": name}, "spec": spec}
        api.apply(f"/apis/{API}/namespaces/{space}/backlogpolicies", policy)


def _deployment(name: str, container: Object) -> Object:
    pod = {"hostNetwork": True, "terminationGracePeriodSeconds": 5, "containers": [container]}
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        # Without replicas: they are the operator's, and 1 by default.
        "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}},
    }


def _learn(api: Api, space: str, streams: Streams, names: list[str]) -> None:
    """Calm each stream as soon as the capacity of its consumer is known."""

    def learnt() -> bool:
        found = {name for name, status in _statuses(api, space).items() if status.get("capacity", {}).get("basis") == "Measured"}
        for name in found:
            streams.calm(name)
        return len(found) == len(names)

    until(learnt, seconds=PATIENCE, what="capacities learnt", every=0.5)


def _statuses(api: Api, space: str) -> dict[str, Object]:
    """The status of each policy by its name."""
    items = api.get(f"/apis/{API}/namespaces/{space}/backlogpolicies")["items"]
    return {str(item["metadata"]["name"]): dict(item.get("status", {})) for item in items}


def _watched_over(api: Api, space: str) -> int:
    """Policies whose consumer runs and has nothing to do."""
    pods = api.get(f"/api/v1/namespaces/{space}/pods")["items"]
    running = sum(str(pod["status"]["phase"]) == "Running" for pod in pods)
    return min(running, sum(bool(status.get("lag", {}).get("exact")) for status in _statuses(api, space).values()))


def _steady(api: Api, space: str) -> int:
    """Policies that see their stream, carried by one replica."""
    return sum(
        status.get("lag", {}).get("messages", LIMIT) < 2 * STEADY
        and status.get("rates", {}).get("produced", 0) > 0.8 * STEADY
        and status.get("replicas", {}).get("current") == 1
        for status in _statuses(api, space).values()
    )
