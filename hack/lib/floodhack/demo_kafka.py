"""Kafka as the demo's broker: a topic with partitions, a consumer group, and offsets that show what was read.

Implements `demo_broker.DemoBroker`; the topic itself is made by `demo_topic`.
"""

from __future__ import annotations

from collections.abc import Mapping

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]

from floodhack.demo_broker import ByTool, UnreadError, Words
from floodhack.demo_plan import Plan
from floodhack.demo_shell import Shell
from floodhack.demo_timeline import RATE_WINDOW_SECONDS
from floodhack.demo_topic import fresh_topic
from floodhack.errors import HackError
from floodhack.instance import Instance
from floodhack.kafka import Kafka

TIMEOUT_SECONDS = 3.0


class KafkaDemo:
    """The plan's topic and group on the instance's Kafka."""

    kind = "kafka"
    rate_window = RATE_WINDOW_SECONDS

    def __init__(self, instance: Instance, plan: Plan) -> None:
        self.instance = instance
        self.plan = plan
        self.at_rest = plan.min_replicas
        self.words = Words(
            name="Kafka",
            servers="a Kafka cluster of three nodes",
            source=f"topic {plan.topic}",
            lag="lag of the consumer group",
            at_work="every consumer owned its partitions",
            to_be_at_work="every new consumer to own a partition",
            readers="members of the group owned partitions, by kafka-consumer-groups",
            tool="kafka-consumer-groups",
        )

    @property
    def bootstrap(self) -> list[str]:
        """The brokers' addresses, the same for pods and for this machine."""
        return Kafka(self.instance).set.bootstrap("PLAINTEXT")

    def values(self) -> Mapping[str, str]:
        """See `DemoBroker.values`."""
        return values(self.plan, self.bootstrap)

    def fresh(self) -> None:
        """See `DemoBroker.fresh`."""
        fresh_topic(",".join(self.bootstrap), self.plan)

    def look(self) -> KafkaLook:
        """See `DemoBroker.look`."""
        return KafkaLook(",".join(self.bootstrap), self.plan)

    def by_tool(self, shell: Shell) -> ByTool:
        """See `DemoBroker.by_tool`."""
        table = shell.broker_tool(self.kind, *self.tool_command())
        try:
            return parse_group(table, self.plan)
        except ValueError as error:
            raise HackError(f"kafka-consumer-groups: {error}") from error

    def tool_command(self) -> list[str]:
        """See `DemoBroker.tool_command`."""
        return ["kafka-consumer-groups", "--describe", "--group", self.plan.group]


class KafkaLook:
    """Reads a topic's end, a group's commits and its members."""

    def __init__(self, bootstrap: str, plan: Plan) -> None:
        self.plan = plan
        self.admin = AdminClient({"bootstrap.servers": bootstrap, "client.id": "demo-view", "log_level": 0})
        self.partitions = [TopicPartition(plan.topic, number) for number in range(plan.partitions)]
        self.latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]

    def read(self) -> dict[str, int]:
        """`produced`, `committed`, `members`, `owners`; raises UnreadError."""
        try:
            return self._read()
        except KafkaException as error:
            raise UnreadError(f"{type(error).__name__}: {error}") from error

    def _read(self) -> dict[str, int]:
        # Commits are read first: messages that arrive between the two readings then count as lag, not against it.
        ask = [ConsumerGroupTopicPartitions(self.plan.group, self.partitions)]
        [fetched] = self.admin.list_consumer_group_offsets(ask, request_timeout=TIMEOUT_SECONDS).values()
        ends = self.admin.list_offsets(dict.fromkeys(self.partitions, self.latest), request_timeout=TIMEOUT_SECONDS)
        [described] = self.admin.describe_consumer_groups([self.plan.group], request_timeout=TIMEOUT_SECONDS).values()
        members = described.result().members
        return {
            # A partition without a commit yet is read from its beginning.
            "committed": sum(max(0, partition.offset) for partition in fetched.result().topic_partitions),
            "produced": sum(end.result().offset for end in ends.values()),
            "members": len(members),
            "owners": sum(bool(member.assignment and member.assignment.topic_partitions) for member in members),
        }


def values(plan: Plan, bootstrap: list[str]) -> dict[str, str]:
    """What the manifests have in braces for these addresses."""
    return {
        "bootstrap": ",".join(bootstrap),
        "bootstrap_list": ", ".join(f'"{address}"' for address in bootstrap),
        "consumer_module": "consumer",
        "producer_module": "producer",
        "subscription": f"{{group: {plan.group}, topics: [{plan.topic}]}}",
    }


def parse_group(text: str, plan: Plan) -> ByTool:
    """Read the table of `kafka-consumer-groups --describe`; ValueError when it is not such a table or a lag is not known."""
    rows = [line.split() for line in text.splitlines() if line.strip()]
    header = next((row for row in rows if row[:3] == ["GROUP", "TOPIC", "PARTITION"]), None)
    if header is None:
        raise ValueError(f"no table of a group in: {text.strip()[:200]!r}")
    lag_column, member_column = header.index("LAG"), header.index("CONSUMER-ID")
    ours = [row for row in rows[rows.index(header) + 1 :] if len(row) > member_column and row[1] == plan.topic]
    unknown = [row[2] for row in ours if not row[lag_column].isdecimal()]
    if unknown or not ours:
        raise ValueError(f"no lag known for partitions {', '.join(unknown) or 'of ' + plan.topic}")
    members = {row[member_column] for row in ours} - {"-"}
    committed = (len(ours) == plan.partitions, f"{len(ours)} of {plan.partitions} partitions had committed offsets")
    return ByTool(sum(int(row[lag_column]) for row in ours), len(members), (committed,))
