"""The kinds of brokers that the demo can run on. A new kind is one line in BROKERS, and two files in `hack/demo_manifests/`."""

from __future__ import annotations

from collections.abc import Callable

from floodhack.demo_broker import DemoBroker
from floodhack.demo_kafka import KafkaDemo
from floodhack.demo_plan import Plan
from floodhack.demo_rabbitmq import RabbitDemo
from floodhack.demo_rocketmq import RocketMQDemo
from floodhack.instance import Instance

DEFAULT = "kafka"
BROKERS: dict[str, Callable[[Instance, Plan], DemoBroker]] = {
    "kafka": KafkaDemo,
    "rabbitmq": RabbitDemo,
    "rocketmq": RocketMQDemo,
}
