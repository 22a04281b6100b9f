"""Many policies over many partitions: a topic, a group that has committed all of it, a target and a policy for each number.

Topics and groups outlive the policies, so that one set serves several fleets of different size; `topics` ends them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from api import Api, Object, many
from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]
from ground import Ground, namespace

from floodhack.errors import HackError
from floodhack.progress import say
from floodhack.waiting import until

PARTITIONS = 10
API = "floodwarden.dev/v1alpha1"
# With a hundred requests for groups on their way librdkafka crashes now and then.
TOPICS_AT_ONCE, GROUPS_AT_ONCE = 200, 20
PATIENCE = 120.0  # seconds for one batch
LIMIT = 1000  # messages


def name_of(number: int) -> str:
    """What topic, group, target and policy of that number are all called."""
    return f"bench-{number}"


@contextmanager
def topics(ground: Ground, count: int) -> Iterator[None]:
    """So many topics, and as many groups that have read them to the end."""
    names = [name_of(number) for number in range(count)]
    with make_topics(ground, names, PARTITIONS) as admin:
        say(f"  {count} topics, {count * PARTITIONS} partitions")
        commit(admin, {name: [0] * PARTITIONS for name in names})
        say(f"  {count} groups have committed them")
        yield


@contextmanager
def make_topics(ground: Ground, names: list[str], partitions: int) -> Iterator[AdminClient]:
    """Topics as long as the context lasts; with them go the groups of the same names."""
    admin = AdminClient({"bootstrap.servers": ",".join(ground.bootstrap), "log_level": 0})
    try:
        for batch in _batches(names, TOPICS_AT_ONCE):
            _settle(lambda some: admin.create_topics([NewTopic(name, partitions, 1) for name in some]), batch, "topics created")
        yield admin
    finally:
        _try(lambda: [future.exception(PATIENCE) for future in admin.delete_consumer_groups(names).values()])
        for batch in _batches(names, TOPICS_AT_ONCE):
            _try(lambda some=batch: [future.exception(PATIENCE) for future in admin.delete_topics(some).values()])  # type: ignore[misc]


def commit(admin: AdminClient, positions: Mapping[str, list[int]]) -> None:
    """Commit positions of groups without members: by group, which reads the topic of its own name, one for each partition."""
    for batch in _batches(list(positions), GROUPS_AT_ONCE):
        _settle(lambda some: _alter(admin, {name: positions[name] for name in some}), batch, "offsets committed")


@contextmanager
def fleet(ground: Ground, count: int) -> Iterator[str]:
    """A namespace with a MessageBroker and so many policies and targets; gone at the end. Its name."""
    api = ground.api
    with namespace(api, f"bench-{count}") as space:
        meta = {"name": "main"}
        reach = {"bootstrapServers": ground.bootstrap}
        spec = {"type": "Kafka", "kafka": reach, "sweepInterval": "1s"}
        api.apply(
            f"/apis/{API}/namespaces/{space}/messagebrokers",
            {"apiVersion": API, "kind": "MessageBroker", "metadata": meta, "spec": spec},
        )
        many(lambda number: add(api, space, number), range(count))
        say(f"  {count} policies and targets")
        yield space


def add(api: Api, space: str, number: int) -> None:
    """One policy and its target, whether they are there or not."""
    name = name_of(number)
    meta = {"name": name}
    target: Object = {"apiVersion": "bench.floodwarden.dev/v1", "kind": "Worker"}
    api.apply(f"/apis/bench.floodwarden.dev/v1/namespaces/{space}/workers", {**target, "metadata": meta, "spec": {"replicas": 1}})
    spec = {
        "brokerRef": {"name": "main"},
        "subscription": {"group": name, "topics": [name]},
        "maxLag": {"messages": LIMIT, "seconds": 60},
        "consumers": {"targetRef": {**target, "name": name}},
    }
    api.apply(
        f"/apis/{API}/namespaces/{space}/backlogpolicies",
        {"apiVersion": API, "kind": "BacklogPolicy", "metadata": meta, "spec": spec},
    )


def _alter(admin: AdminClient, positions: Mapping[str, list[int]]) -> dict[str, Any]:
    """A request for each group: the client takes one at a time, but does not wait for the answers."""
    found: dict[str, Any] = {}
    for name, offsets in positions.items():
        wanted = [TopicPartition(name, index, offset) for index, offset in enumerate(offsets)]
        found |= admin.alter_consumer_group_offsets([ConsumerGroupTopicPartitions(name, wanted)])
    return found


def _settle(ask: Callable[[list[str]], dict[str, Any]], names: list[str], what: str) -> None:
    """Ask for all of them, and again for those that a busy broker put off, until each is done."""
    pending = list(names)

    def done() -> bool:
        nonlocal pending
        pending = [name for name, future in ask(pending).items() if _retry(future, what)]
        return not pending

    until(done, seconds=PATIENCE, what=what, every=0.5)


def _retry(future: Any, what: str) -> bool:
    """Whether it is worth another try; HackError where it never will be done."""
    try:
        answer = future.result(PATIENCE)
    except KafkaException as error:
        code = error.args[0]
        if code.name() == "TOPIC_ALREADY_EXISTS":
            return False
        if code.retriable() or code.name() in ("_TIMED_OUT", "COORDINATOR_NOT_AVAILABLE", "NOT_COORDINATOR", "REQUEST_TIMED_OUT"):
            return True
        raise HackError(f"{what}: {code.str()}") from error
    return any(entry.error for entry in getattr(answer, "topic_partitions", ()))


def _try(call: Callable[[], object]) -> None:
    """Clear away; what is gone or cannot be reached is no reason to fail."""
    try:
        call()
    except KafkaException as error:
        say(f"  not cleared away: {error}")


def _batches(names: list[str], size: int) -> Iterator[list[str]]:
    for begin in range(0, len(names), size):
        yield names[begin : begin + size]
