"""RabbitMQ as the demo's broker: a quorum queue that all consumers share, and messages that leave once they are acknowledged.

Implements `demo_broker.DemoBroker` and `Counting`; the live view's client is `demo_queue`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from floodhack.demo_broker import Accounts, ByTool, Words
from floodhack.demo_counts import parse_counts
from floodhack.demo_plan import Plan
from floodhack.demo_queue import QueueLook, fresh_queue
from floodhack.demo_shell import Shell
from floodhack.errors import HackError
from floodhack.instance import Instance
from floodhack.rabbitmq_settings import RabbitSet

STATISTICS_SECONDS = 5.0


class RabbitDemo:
    """The plan's queue on the instance's RabbitMQ; it has the name that the topic has elsewhere."""

    kind = "rabbitmq"
    # So that it always spans the same number of readings.
    rate_window = 2 * STATISTICS_SECONDS

    def __init__(self, instance: Instance, plan: Plan) -> None:
        self.set = RabbitSet(instance)
        self.plan = plan
        self.at_rest = plan.min_replicas
        self.words = Words(
            name="RabbitMQ",
            servers="a RabbitMQ cluster of three nodes",
            source=f"queue {plan.topic}",
            lag="ready and unacknowledged in the queue",
            at_work="every consumer read from the queue",
            to_be_at_work="every new consumer to read from the queue",
            readers="consumers read from the queue, by rabbitmqctl",
            tool="rabbitmqctl",
            notes=(
                f"RabbitMQ takes its statistics every {STATISTICS_SECONDS:.0f} s, from queues that tell their length as often: "
                f"Floodwarden sees a rise up to {2 * STATISTICS_SECONDS:.0f} s late, and answers it with the next sweep.",
                f"A queue has no partitions: any number of consumers helps, so maxReplicas ({plan.max_replicas}) is the ceiling.",
            ),
        )

    def values(self) -> Mapping[str, str]:
        """See `DemoBroker.values`."""
        return values(self.plan, self.set.facts)

    def fresh(self) -> None:
        """See `DemoBroker.fresh`."""
        fresh_queue(self.set, self.plan.topic)

    def look(self) -> QueueLook:
        """See `DemoBroker.look`."""
        return QueueLook(self.set, self.plan.topic)

    def by_tool(self, shell: Shell) -> ByTool:
        """See `DemoBroker.by_tool`."""
        listed = shell.broker_tool(self.kind, "rabbitmqctl", "-q", "--formatter", "json", *self.tool_command()[1:])
        try:
            queue = find_queue(listed, self.plan.topic)
            return ByTool(queue["messages"], queue["consumers"])
        except (ValueError, KeyError) as error:
            raise HackError(f"rabbitmqctl list_queues: {error}") from error

    def tool_command(self) -> list[str]:
        """See `DemoBroker.tool_command`."""
        return ["rabbitmqctl", "list_queues", "name", "messages", "consumers"]

    def accounts(self, shell: Shell) -> Accounts:
        """Count what was confirmed by the producer's log, and what was acknowledged by RabbitMQ's statistics."""
        plan = self.plan
        log = shell.kubectl("logs", "-n", plan.namespace, f"deployment/{plan.producer}", "--tail=20")
        listed = shell.broker_tool(self.kind, "rabbitmqadmin", "--format=raw_json", "list", "queues", "name", "message_stats.ack")
        try:
            acknowledged = find_queue(listed, plan.topic).get("message_stats", {}).get("ack", 0)
            counts = parse_counts(log)
        except ValueError as error:
            raise HackError(f"counting messages: {error}") from error
        waiting = self.by_tool(shell).lag
        return Accounts(counts.sending, counts.published, counts.confirmed, counts.repeated, waiting, acknowledged)


def values(plan: Plan, facts: Mapping[str, Any]) -> dict[str, str]:
    """What the manifests have in braces for these nodes; `facts` is what clients.json says."""
    application, monitoring = facts["users"]["application"], facts["users"]["monitoring"]
    user = f"{application['username']}:{application['password']}"
    return {
        "urls": " ".join(f"amqp://{user}@{address}/%2F" for address in facts["addresses"]["amqp"]),
        "management_url": facts["addresses"]["management"][0],
        "monitoring_user": monitoring["username"],
        "monitoring_password": monitoring["password"],
        "consumer_module": "queue_consumer",
        "producer_module": "queue_producer",
        "subscription": f"{{queues: [{plan.topic}]}}",
    }


def find_queue(text: str, name: str) -> dict[str, Any]:
    """One queue of a JSON list of them, as RabbitMQ's tools print it; ValueError when it is not there."""
    queues: list[dict[str, Any]] = json.loads(text)
    found = next((queue for queue in queues if queue["name"] == name), None)
    if found is None:
        raise ValueError(f"no queue {name} in: {text.strip()[:200]!r}")
    return found
