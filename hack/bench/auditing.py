"""What audits cost: 2,000 topics of six partitions, one DeliveryPolicy that asks for all there is, and finds fault with each.

Every topic has messages, one in ten has a group that has not read them all, and one a transaction that stays open.

From outside of the process: CPU from the kernel, before and after the policy is there; lengths and requests from /metrics; the
status as the API server has it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from account import Account
from api import Object
from confluent_kafka import Producer
from fleet import API, PATIENCE, commit, make_topics
from ground import Ground, namespace
from operator_run import Operator, operator
from timing import window

from floodhack.errors import HackError
from floodhack.progress import say
from floodhack.waiting import until

PARTITIONS = 6
MESSAGES = 3  # in each partition
READ = 10  # one topic in so many has a group
PREFIX = "audit"
AUDITS = "floodwarden_audit_duration_seconds"
REQUESTS = "floodwarden_audit_requests_total"
INTERVAL = 60.0  # seconds: the default of a MessageBroker's auditInterval


def run(ground: Ground, account: Account, topics: int, idle: float) -> dict[str, float]:
    """The numbers for so many topics. ``idle``: seconds over which CPU is counted, without the policy and with it."""
    names = [f"{PREFIX}-{number}" for number in range(topics)]
    with (
        make_topics(ground, names, PARTITIONS) as admin,
        written(ground, names),
        namespace(ground.api, "bench-audit") as space,
    ):
        commit(admin, {name: [1] * PARTITIONS for name in names[::READ]})
        say(f"  {topics} topics, {topics * PARTITIONS} partitions, with messages, {len(names[::READ])} groups and a transaction")
        _broker(ground, space)
        with operator(ground, account) as process:
            process.start()
            process.await_ready()
            without = _cores(process, idle)
            _policy(ground, space)
            until(lambda: process.total(f"{AUDITS}_count") >= 1, seconds=120, what="an audit", every=0.5, dead=process.died)
            status = _status(ground, space)
            # Whole intervals, so that as many audits fall into the window as are its share.
            with_audits = _cores(process, max(idle // INTERVAL, 1) * INTERVAL)
            audits = process.total(f"{AUDITS}_count")
            return {
                f"audit_seconds_{topics}_topics": process.total(f"{AUDITS}_sum") / audits,
                f"audit_requests_{topics}_topics": process.total(REQUESTS) / audits,
                f"audit_idle_cores_{topics}_topics": with_audits - without,
                f"audit_violations_{topics}_topics": status["violationCount"],
                "status_kib_max": len(json.dumps(status).encode()) / 1024,
                f"audit_rss_mib_{topics}_topics": process.peak_mib(),
            }


@contextmanager
def written(ground: Ground, names: Sequence[str]) -> Iterator[None]:
    """Messages in each partition, and a transaction in the first topic that is open as long as the context lasts."""
    settings: dict[str, str | int | float | bool] = {"bootstrap.servers": ",".join(ground.bootstrap), "log_level": 0}
    producer = Producer({**settings, "enable.idempotence": True, "linger.ms": 50})
    for name in names:
        for partition in range(PARTITIONS):
            for _ in range(MESSAGES):
                producer.produce(name, b"x" * 100, partition=partition)
        producer.poll(0)
    if producer.flush(PATIENCE):
        raise HackError("the brokers did not take all messages in time")
    transaction = Producer({**settings, "transactional.id": "bench-audit", "transaction.timeout.ms": 900_000})
    transaction.init_transactions(PATIENCE)
    transaction.begin_transaction()
    transaction.produce(names[0], b"not committed", partition=0)
    transaction.flush(PATIENCE)
    try:
        yield
    finally:
        transaction.abort_transaction(PATIENCE)


def _cores(process: Operator, seconds: float) -> float:
    cpu, at = process.cpu_seconds(), time.monotonic()
    window(seconds)
    return (process.cpu_seconds() - cpu) / (time.monotonic() - at)


def _broker(ground: Ground, space: str) -> None:
    spec = {"type": "Kafka", "kafka": {"bootstrapServers": ground.bootstrap}}
    body = {"apiVersion": API, "kind": "MessageBroker", "metadata": {"name": "main"}, "spec": spec}
    ground.api.apply(f"/apis/{API}/namespaces/{space}/messagebrokers", body)


def _policy(ground: Ground, space: str) -> None:
    spec = {
        "brokerRef": {"name": "main"},
        "match": {"names": [f"{PREFIX}-*"]},
        "replication": {"factor": 3, "minInSync": 2, "uncleanElection": False},
        "flush": {"mode": "Sync"},
        "retention": {"atLeast": "168h", "guard": {}},
        "acks": "All",
        "consumption": {"acknowledge": "AfterProcessing"},
        "transactions": {"timeout": "60s"},
    }
    body = {"apiVersion": API, "kind": "DeliveryPolicy", "metadata": {"name": "all"}, "spec": spec}
    ground.api.apply(f"/apis/{API}/namespaces/{space}/deliverypolicies", body)


def _status(ground: Ground, space: str) -> Object:
    """The policy's status once it tells of an audit."""
    found: Object = {}

    def audited() -> bool:
        found.update(ground.api.get(f"/apis/{API}/namespaces/{space}/deliverypolicies/all").get("status", {}))
        return "checked" in found

    until(audited, seconds=30, what="the audit in the status", every=0.5)
    if not found.get("violationCount"):
        raise HackError("the audit found nothing, although every topic differs")
    return found
