"""RocketMQ as the demo's broker: a topic with queues, and a group whose consumers come by way of the proxy and share them.

Implements `demo_broker.DemoBroker` and `Counting`; topic, group and the live view's client are in `demo_group`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from floodhack.demo_broker import Accounts, ByTool, Words
from floodhack.demo_counts import parse_counts
from floodhack.demo_group import GroupLook, fresh_group, retry_topic
from floodhack.demo_plan import Plan
from floodhack.demo_shell import Shell
from floodhack.demo_timeline import RATE_WINDOW_SECONDS
from floodhack.errors import HackError
from floodhack.instance import Instance
from floodhack.rocketmq_settings import RocketMQSet


@dataclass(frozen=True)
class Progress:
    """How far a group has got with a topic, by the table of `mqadmin consumerProgress`."""

    queues: int
    stored: int
    done: int

    @property
    def waiting(self) -> int:
        """Messages that are not acknowledged."""
        return self.stored - self.done


class RocketMQDemo:
    """The plan's topic and group on the instance's RocketMQ."""

    kind = "rocketmq"
    rate_window = RATE_WINDOW_SECONDS

    def __init__(self, instance: Instance, plan: Plan) -> None:
        self.set = RocketMQSet(instance)
        self.plan = plan
        # What a replica can do is known from below only: that much headroom may take one more.
        self.at_rest = plan.min_replicas + 1
        self.words = Words(
            name="RocketMQ",
            servers="a RocketMQ cluster: name server, master, slave and proxy",
            source=f"topic {plan.topic}",
            lag="stored and not acknowledged by the group",
            at_work="every consumer was connected to the proxy",
            to_be_at_work="every new consumer to connect to the proxy",
            readers="consumers were connected to the proxy, by mqadmin",
            tool="mqadmin",
            notes=(
                "Consumers come over gRPC, by way of RocketMQ's proxy, and share the queues: any number of them helps, so that "
                f"maxReplicas ({plan.max_replicas}) is the ceiling. Where they come to the brokers themselves, the queues are.",
                "Brokers do not know who is behind a proxy: Floodwarden reckons with the most that a replica was seen to do, "
                "and takes that for a usual load.",
                "A message through the proxy takes several times the CPU of one to a broker, so fewer are sent than on Kafka.",
            ),
        )

    def values(self) -> Mapping[str, str]:
        """See `DemoBroker.values`."""
        return values(self.plan, self.set.address("namesrv"), self.set.address("proxy"))

    def fresh(self) -> None:
        """See `DemoBroker.fresh`."""
        fresh_group(self.set, self.plan)

    def look(self) -> GroupLook:
        """See `DemoBroker.look`."""
        return GroupLook(self.set, self.plan)

    def by_tool(self, shell: Shell) -> ByTool:
        """See `DemoBroker.by_tool`."""
        partitions, found = self.plan.partitions, self._progress(shell, self.plan.topic)
        # Brokers do not hear of those that the proxy serves; it answers as they would.
        listed = self._mqadmin(shell, "consumerConnection", "-g", self.plan.group, "-b", self.set.address("proxy-remoting"))
        whole = (found.queues == partitions, f"{found.queues} of {partitions} queues were told")
        return ByTool(found.waiting, parse_connections(listed), (whole,))

    def tool_command(self) -> list[str]:
        """See `DemoBroker.tool_command`."""
        return ["mqadmin", *self._asked(self.plan.topic)]

    def accounts(self, shell: Shell) -> Accounts:
        """Count what was confirmed by the producer's log, and what was acknowledged by mqadmin.

        What was not acknowledged in time was put into another topic, and waits there. What the client itself sent again is in
        nobody's log: it shows as more than can be.
        """
        plan = self.plan
        log = shell.kubectl("logs", "-n", plan.namespace, f"deployment/{plan.producer}", "--tail=20")
        try:
            counts = parse_counts(log)
        except ValueError as error:
            raise HackError(f"counting messages: {error}") from error
        again = retry_topic(plan)
        there = again in self._mqadmin(shell, "topicList").split()
        late = self._progress(shell, again).waiting if there else 0
        found = self._progress(shell, plan.topic)
        waiting, acknowledged = found.waiting + late, found.done - late
        return Accounts(counts.sending, counts.published, counts.confirmed, counts.repeated, waiting, acknowledged)

    def _asked(self, topic: str) -> list[str]:
        return ["consumerProgress", "-g", self.plan.group, "-t", topic]

    def _progress(self, shell: Shell, topic: str) -> Progress:
        try:
            return parse_progress(self._mqadmin(shell, *self._asked(topic)), topic)
        except ValueError as error:
            raise HackError(f"mqadmin consumerProgress: {error}") from error

    def _mqadmin(self, shell: Shell, *args: str) -> str:
        return shell.broker_tool(self.kind, "mqadmin", *args)


def values(plan: Plan, name_server: str, proxy: str) -> dict[str, str]:
    """What the manifests have in braces for these addresses."""
    return {
        "name_server": name_server,
        "proxy": proxy,
        "consumer_module": "rocketmq_consumer",
        "producer_module": "rocketmq_producer",
        "subscription": f"{{group: {plan.group}, topics: [{plan.topic}]}}",
    }


def parse_progress(text: str, topic: str) -> Progress:
    """Read the table of `mqadmin consumerProgress`; ValueError when it has no queue of the topic."""
    # Topic, broker, queue, where it ends, how far the group has got, ...
    rows = [row for line in text.splitlines() if (row := line.split()) and row[0] == topic]
    if not rows:
        raise ValueError(f"no queue of {topic} in: {text.strip()[:200]!r}")
    return Progress(len(rows), sum(int(row[3]) for row in rows), sum(int(row[4]) for row in rows))


def parse_connections(text: str) -> int:
    """The consumers in the table of `mqadmin consumerConnection`, which ends with an empty line; none where there is no table."""
    lines = iter(text.splitlines())
    if not any(line.startswith("#ClientId") for line in lines):
        return 0
    count = 0
    for line in lines:
        if not line.strip():
            break
        count += 1
    return count
