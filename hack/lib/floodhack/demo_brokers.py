"""The kinds of brokers that the demo can run on. A new kind is one line in BROKERS, and two files in `hack/demo_manifests/`."""

from __future__ import annotations

from collections.abc import Callable

from floodhack.demo_broker import DemoBroker
from floodhack.demo_kafka import KafkaDemo
from floodhack.demo_plan import FAST, FULL, Plan
from floodhack.demo_rabbitmq import RabbitDemo
from floodhack.demo_rocketmq import RocketMQDemo
from floodhack.instance import Instance

DEFAULT = "kafka"
BROKERS: dict[str, Callable[[Instance, Plan], DemoBroker]] = {
    "kafka": KafkaDemo,
    "rabbitmq": RabbitDemo,
    "rocketmq": RocketMQDemo,
}
# Messages that go through a proxy take several times the CPU, on a machine that all share.
SLOWER = {"rocketmq": 5}


def plan_for(kind: str, *, fast: bool) -> Plan:
    """The story's numbers on that kind of brokers."""
    return (FAST if fast else FULL).slower(SLOWER.get(kind, 1))
