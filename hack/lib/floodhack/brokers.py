"""The kinds of message brokers that `hack/brokers` can run, and what each of them can do. A new kind is one line in KINDS."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from floodhack import kafka_settings, rabbitmq_settings, rocketmq_settings
from floodhack.errors import HackError
from floodhack.instance import Instance
from floodhack.kafka import Kafka
from floodhack.rabbitmq import RabbitMQ
from floodhack.rocketmq import RocketMQ

N = TypeVar("N", contravariant=True)
M = TypeVar("M")


class Brokers(Protocol[N]):
    """One instance's brokers of one kind, whose nodes are called by an N: a number or a name."""

    def up(self) -> None:
        """Make what is missing, start what is not running, return when all of it serves."""

    def down(self) -> None:
        """End all of it and remove all it holds but its logs."""

    def status(self) -> int:
        """Print what runs; 0 when all of it does, else 3."""

    def env(self) -> None:
        """Print what clients need as shell assignments."""

    def logs(self, nodes: Sequence[N], lines: int) -> None:
        """Print the end of each node's log."""

    def stop(self, node: N, *, kill: bool) -> None:
        """End one node: in order by default, at once with `kill`."""

    def start(self, node: N) -> None:
        """Start one node again and wait until it serves."""

    def tool(self, name: str, args: list[str]) -> int:
        """Run one of the broker's own command-line tools; its exit status."""


@dataclass(frozen=True)
class Kind(Generic[M]):
    """One kind of brokers: how it is made, and what its nodes are called."""

    make: Callable[[Instance], Brokers[M]]
    nodes: tuple[M, ...]

    def node(self, text: str) -> M:
        """The node that is called so; HackError with those there are when none is."""
        named = {str(node): node for node in self.nodes}
        if text not in named:
            raise HackError(f"there is no node {text!r}; there are: {', '.join(named)}")
        return named[text]


KINDS: dict[str, Kind[Any]] = {
    "kafka": Kind(Kafka, kafka_settings.NODES),
    "rabbitmq": Kind(RabbitMQ, rabbitmq_settings.NODES),
    "rocketmq": Kind(RocketMQ, rocketmq_settings.NODES),
}
