"""What one audit found on a virtual host of RabbitMQ: queues with what is set for them, clients, nodes, operator policies.

The adapter builds it, ``judging`` judges it. What could not be read is ``Unknown`` with a reason, never a default.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from floodwarden.core.observation import Unknown

CLASSIC: Final = "classic"
QUORUM: Final = "quorum"
STREAM: Final = "stream"
RESERVED: Final = "amq."  # how the names of queues begin that the broker names itself
NEW_CLIENT: Final = "a new connection"  # one that RabbitMQ does not name yet
OURS: Final = "floodwarden:"  # how the names of operator policies begin that Floodwarden has made
# Of what is set by an argument and by a policy, RabbitMQ takes the smaller one; of the others the argument, unless noted.
_SMALLER: Final = frozenset({"delivery-limit", "expires", "max-age", "max-length", "max-length-bytes", "message-ttl"})
_POLICY_FIRST: Final = frozenset({(QUORUM, "overflow")})
_AGES: Final = {"Y": 31_536_000, "M": 2_592_000, "D": 86_400, "h": 3600, "m": 60, "s": 1}  # of max-age, in seconds


@dataclass(frozen=True, slots=True)
class QueueFound:
    """One queue. ``effective`` is what its policy and its operator policy come to, which a queue tells some seconds after it was
    declared; ``members`` and ``online`` are nodes that have a copy, of quorum queues and streams. ``published`` are messages
    since the statistics began, None where none were ever counted; ``receives``: some of them within the last hour."""

    name: str
    kind: str
    durable: bool = True
    auto_delete: bool = False
    exclusive: bool = False
    arguments: Mapping[str, object] = field(default_factory=dict)
    policy: str | None = None
    operator_policy: str | None = None
    effective: Mapping[str, object] | Unknown = field(default_factory=dict)
    state: str = "running"
    members: tuple[str, ...] | Unknown = ()
    online: tuple[str, ...] | Unknown = ()
    published: int | None = None
    receives: bool = False

    @property
    def resource(self) -> str:
        """The queue, as violations call it."""
        return resource_of(self.name)

    @property
    def replicated(self) -> bool:
        """Whether it is of a type that has a copy on several nodes."""
        return self.kind in (QUORUM, STREAM)


@dataclass(frozen=True, slots=True)
class OperatorPolicy:
    """One operator policy: of those that match a queue, the one with the highest priority holds."""

    name: str
    pattern: str
    priority: int
    definition: Mapping[str, object]
    apply_to: str = "queues"

    @property
    def ours(self) -> bool:
        return self.name.startswith(OURS)


@dataclass(frozen=True, slots=True)
class ExchangeFound:
    """One exchange; that by default has an empty name. ``alternate`` gets what no binding fits; a ``policy`` may name one too."""

    name: str
    kind: str = "direct"
    alternate: str | None = None
    policy: str | None = None


@dataclass(frozen=True, slots=True)
class Binding:
    """Where an exchange sends messages of a key: to a queue, or to another exchange."""

    key: str
    destination: str
    to_queue: bool = True


Bindings = Mapping[str, Sequence[Binding]]  # by the exchange they come from


@dataclass(frozen=True, slots=True)
class NodeFound:
    """One node. An alarm is None while the node does not tell; ``apart`` are those that it has lost sight of."""

    name: str
    running: bool = True
    memory_alarm: bool | None = False
    disk_alarm: bool | None = False
    apart: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ConsumerFound:
    """One consumer. ``client`` is the name that its connection was given by its program, and its host: what stays the same when
    it connects again. ``prefetch`` is in messages, 0: no bound."""

    queue: str
    client: str
    user: str
    acknowledges: bool
    prefetch: int

    def __str__(self) -> str:
        return f"{self.client} (user {self.user})"


@dataclass(frozen=True, slots=True)
class ChannelFound:
    """One open channel, or all of a client that are alike, also those that it had within the last hour. ``confirms``: its
    publisher is told what is kept, by confirms or by transactions; ``drops``: it sent messages that no queue took."""

    client: str
    user: str
    confirms: bool
    publishes: bool = False
    drops: bool = False

    def __str__(self) -> str:
        return f"{self.client} (user {self.user})"


@dataclass(frozen=True, slots=True)
class Unroutable:
    """Messages that no queue took, counted since the statistics began; ``before``: up to an hour ago, None at the first audit."""

    total: int
    before: int | None = None

    @property
    def lately(self) -> int:
        """How many within the last hour, as far as is known. Counters are gone with the node that counted."""
        return max(self.total - self.before, 0) if self.before is not None else 0


@dataclass(frozen=True, slots=True)
class QueuesFound:
    """One virtual host, queues, operator policies and exchanges by name. ``cluster`` is the id that the nodes have in common."""

    vhost: str
    queues: Mapping[str, QueueFound | Unknown]
    operator_policies: Mapping[str, OperatorPolicy] | Unknown
    nodes: tuple[NodeFound, ...] | Unknown
    exchanges: Mapping[str, ExchangeFound] | Unknown
    bindings: Bindings | Unknown
    consumers: tuple[ConsumerFound, ...] | Unknown
    channels: tuple[ChannelFound, ...] | Unknown
    unroutable: Unroutable | Unknown
    version: str | None = None
    cluster: str = ""

    @property
    def resource(self) -> str:
        """The virtual host, as violations call it."""
        return f"virtual host {self.vhost}"

    @property
    def operators(self) -> Mapping[str, OperatorPolicy]:
        """The operator policies that are known."""
        return {} if isinstance(self.operator_policies, Unknown) else self.operator_policies


def resource_of(name: str) -> str:
    """A queue, as violations call it."""
    return f"queue {name}"


@dataclass(frozen=True, slots=True)
class Held:
    """One setting of a queue as it is in force, and who has set it: argument, policy NAME, operator policy NAME or default."""

    value: object
    where: str

    @property
    def number(self) -> int | None:
        """As a number; None where it is none."""
        return self.value if type(self.value) is int else None


DEFAULT: Final = Held(None, "default")


def held(queue: QueueFound, key: str, operators: Mapping[str, OperatorPolicy]) -> Held:
    """What holds for a queue under a key of policies, such as message-ttl; with the value None where nobody has set it, as far as
    its policies are known."""
    layers = []
    if f"x-{key}" in queue.arguments:
        layers.append(Held(queue.arguments[f"x-{key}"], "argument"))
    if not isinstance(queue.effective, Unknown) and key in queue.effective:
        value = queue.effective[key]
        layers.append(Held(value, _whose(queue, key, value, operators)))
    if not layers:
        return DEFAULT
    if key in _SMALLER:
        return _smaller(layers, age_of if key == "max-age" else _number)
    return layers[-1] if (queue.kind, key) in _POLICY_FIRST else layers[0]


def _whose(queue: QueueFound, key: str, value: object, operators: Mapping[str, OperatorPolicy]) -> str:
    operator = operators.get(queue.operator_policy or "")
    if queue.policy is None or (operator is not None and operator.definition.get(key) == value):
        return f"operator policy {queue.operator_policy}"
    if queue.operator_policy is None or operator is not None:
        return f"policy {queue.policy}"
    return f"policy {queue.policy} or operator policy {queue.operator_policy}"


def _smaller(layers: Sequence[Held], size: Callable[[object], int | None]) -> Held:
    """The smallest; a negative one stands for no bound. What cannot be understood comes first, so that it is told."""

    def order(one: Held) -> tuple[int, int]:
        bound = size(one.value)
        return (0, 0) if bound is None else (2 if bound < 0 else 1, bound)

    return min(layers, key=order)


def _number(value: object) -> int | None:
    return value if type(value) is int else None


def age_of(value: object) -> int | None:
    """A max-age such as 7D in milliseconds; None where it is something else."""
    found = re.fullmatch(r"(\d{1,12})([YMDhms])", value) if isinstance(value, str) else None
    return int(found[1]) * _AGES[found[2]] * 1000 if found else None
