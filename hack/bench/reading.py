"""What reading costs: requests, CPU seconds and connections of one sweep over real brokers, by the number of groups.

Topics of ten partitions, a hundred of them; each group has committed all partitions of one.
"""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from floodwarden.brokers.kafka import KafkaBroker
from floodwarden.core.observation import Query, Reading, Subscription

TOPICS, PARTITIONS = 100, 10
WARM, COUNTED = 5, 10  # sweeps


def prepare(bootstrap: list[str], groups: int) -> None:
    """Topics and commits; what is there already is left."""
    admin = AdminClient({"bootstrap.servers": ",".join(bootstrap)})
    there = admin.list_topics(timeout=30).topics
    missing = [NewTopic(_topic(n), PARTITIONS, replication_factor=1) for n in range(TOPICS) if _topic(n) not in there]
    if missing:
        for created in admin.create_topics(missing, operation_timeout=60).values():
            created.result()
    for number in range(groups):
        consumer = Consumer({"bootstrap.servers": ",".join(bootstrap), "group.id": _group(number)})
        offsets = [TopicPartition(_topic(number % TOPICS), partition, 0) for partition in range(PARTITIONS)]
        consumer.commit(offsets=offsets, asynchronous=False)
        consumer.close()


async def run(bootstrap: list[str], groups: int) -> dict[str, float]:
    """Requests, CPU seconds and open connections of a sweep over so many groups."""
    queries = [Query(Subscription(_group(n), (_topic(n % TOPICS),))) for n in range(groups)]
    broker = KafkaBroker(bootstrap)
    try:
        for _ in range(WARM):
            await broker.observe(queries)
        requests, began = 0, time.process_time()
        for _ in range(COUNTED):
            snapshot = await broker.observe(queries)
            requests += snapshot.requests
            unread = [s for s, reading in snapshot.readings.items() if not isinstance(reading, Reading)]
            assert not unread, f"{len(unread)} groups could not be read, such as {unread[0]}"
        spent = (time.process_time() - began) / COUNTED
        connections = sum(1 for fd in Path("/proc/self/fd").iterdir() if _is_socket(fd))
    finally:
        await broker.close()
    return {
        f"requests_per_sweep_{groups}": requests / COUNTED,
        f"read_cpu_seconds_{groups}": round(spent, 4),
        f"broker_connections_{groups}": connections,
    }


def _is_socket(fd: Path) -> bool:
    try:
        return os.readlink(fd).startswith("socket:")  # noqa: PTH115 - Path.readlink would resolve a name that is none
    except OSError:
        return False


def _topic(number: int) -> str:
    return f"bench-{number}"


def _group(number: int) -> str:
    return f"bench-{number}"


def measure(bootstrap: list[str], counts: list[int]) -> dict[str, float]:
    """The figures for each number of groups."""
    prepare(bootstrap, max(counts))
    results: dict[str, float] = {}
    for groups in counts:
        results |= asyncio.run(run(bootstrap, groups))
    return results
