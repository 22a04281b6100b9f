"""The demo's topic: made afresh for each run, with the group's old offsets gone."""

from __future__ import annotations

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from floodhack.demo_plan import Plan
from floodhack.errors import HackError
from floodhack.progress import say
from floodhack.waiting import until

REPLICATION = 3
DEADLINE_SECONDS = 60.0


def fresh_topic(bootstrap: str, plan: Plan) -> None:
    """Delete the group and the topic of an earlier run and make the topic again; HackError after a minute."""
    admin = AdminClient({"bootstrap.servers": bootstrap, "client.id": "demo-setup", "log_level": 0})
    # Members that were killed count until their session ends, so the group is asked for again until it lets go.
    until(lambda: _delete_group(admin, plan.group), seconds=DEADLINE_SECONDS, what=f"deleting group {plan.group}", every=1.0)
    until(lambda: _create(admin, plan), seconds=DEADLINE_SECONDS, what=f"creating topic {plan.topic}", every=0.5)
    say(f"  topic {plan.topic}: {plan.partitions} partitions, {REPLICATION} replicas each, none lost while two are in sync")


def _delete_group(admin: AdminClient, group: str) -> bool:
    done = {KafkaError.GROUP_ID_NOT_FOUND}
    again = {KafkaError.NON_EMPTY_GROUP, KafkaError.COORDINATOR_NOT_AVAILABLE, KafkaError.NOT_COORDINATOR}
    return _outcome(admin.delete_consumer_groups([group])[group], done, again | {KafkaError.COORDINATOR_LOAD_IN_PROGRESS})


def _create(admin: AdminClient, plan: Plan) -> bool:
    """Create the topic; while an older one is there, delete that and say False."""
    settings = {"min.insync.replicas": "2", "retention.ms": "3600000", "segment.ms": "600000"}
    topic = NewTopic(plan.topic, num_partitions=plan.partitions, replication_factor=REPLICATION, config=settings)
    exists = KafkaError.TOPIC_ALREADY_EXISTS
    if _outcome(admin.create_topics([topic])[plan.topic], set(), {exists, KafkaError.INVALID_REPLICATION_FACTOR}):
        return True
    _outcome(admin.delete_topics([plan.topic])[plan.topic], {KafkaError.UNKNOWN_TOPIC_OR_PART}, {exists})
    return False


def _outcome(future: object, done: set[int], again: set[int]) -> bool:
    """True when the request did what it should or need not, False when it is worth another try; HackError else."""
    try:
        future.result(timeout=DEADLINE_SECONDS)  # type: ignore[attr-defined]
    except KafkaException as error:
        code = error.args[0].code()
        if code in done:
            return True
        if code in again or error.args[0].retriable():
            return False
        raise HackError(
            f"Kafka refuses: {error.args[0].str()}; see `hack/brokers status` and `hack/brokers logs kafka`"
        ) from error
    return True
