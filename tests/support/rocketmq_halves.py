"""Half messages on a broker of a ``FakeCluster``: as they are stored, those that were given up, and those that were put back."""

from __future__ import annotations

import struct
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from floodwarden.brokers.rocketmq import requests
from floodwarden.brokers.rocketmq.frames import Frame
from floodwarden.brokers.rocketmq.given_up import GIVEN_UP_TOPIC, HALF_TOPIC
from tests.support.rocketmq_server import Answer, ok, refused
from tests.support.rocketmq_world import FakeCluster

MAGIC = -626843481
PULLED_AT_ONCE = 32


def stored(
    properties: Mapping[str, str], *, position: int = 0, offset: int = 0, age: float = 60.0, flag: int = 0, body: bytes = b"body"
) -> bytes:
    """A message as brokers store it."""
    born = int((time.time() - age) * 1000)
    hosts = [bytes([10, 0, 0, number]) if not flag & bit else bytes(15) + bytes([number]) for number, bit in ((1, 16), (2, 32))]
    told = "".join(f"{name}\x01{value}\x02" for name, value in properties.items()).encode()
    topic = GIVEN_UP_TOPIC.encode()
    rest = struct.pack(">iiiqqiq", 0, 0, 0, position, offset, flag, born)
    rest += hosts[0] + struct.pack(">iq", 51234, born) + hosts[1] + struct.pack(">iiq", 10911, 0, 0)
    rest += struct.pack(">i", len(body)) + body + bytes([len(topic)]) + topic + struct.pack(">h", len(told)) + told
    return struct.pack(">ii", len(rest) + 8, MAGIC) + rest


@dataclass
class HalfMessages:
    """Those of one master. ``first`` is the oldest that is there still, of those that were given up."""

    cluster: FakeCluster
    broker: str
    given_up: list[bytes] = field(default_factory=list)
    waiting: list[bytes] = field(default_factory=list)
    first: int = 0
    refuses: Answer = None  # what it answers instead of putting one back
    deaf: bool = False  # says that it has put one back, and has not

    def give_up(self, *keys: str, topic: str = "orders", age: float = 60.0) -> None:
        """The broker gives these up."""
        for key in keys:
            position = len(self.given_up)
            told = {"REAL_TOPIC": topic, **({"UNIQ_KEY": key} if key else {})}
            self.given_up.append(stored(told, position=position, offset=1000 + position, age=age))
        self.cluster.topics[GIVEN_UP_TOPIC] = {self.broker: [(self.first, len(self.given_up))]}

    def answer(self, request: Frame) -> Answer:
        """What it answers to what it is asked of them; None to all else."""
        if request.code == requests.PULL_MESSAGE:
            return self._pulled(request.fields)
        if request.code != requests.RESUME_CHECK_HALF_MESSAGE or self.refuses is not None:
            return self.refuses if request.code == requests.RESUME_CHECK_HALF_MESSAGE else None
        offset = int(request.fields["msgId"][16:], 16)
        if not self.deaf:
            self.waiting.append(self.given_up[offset - 1000])
            self.cluster.topics[HALF_TOPIC] = {self.broker: [(0, len(self.waiting))]}
        return ok()

    def _pulled(self, fields: Mapping[str, str]) -> Answer:
        messages, first = (self.given_up, self.first) if fields["topic"] == GIVEN_UP_TOPIC else (self.waiting, 0)
        at = int(fields["queueOffset"])
        if at < first:
            return Frame(21, 0, {"nextBeginOffset": str(first)})
        read = messages[at : at + PULLED_AT_ONCE]
        if not read:
            return Frame(19, 0, {"nextBeginOffset": str(at)})
        return Frame(0, 0, {"nextBeginOffset": str(at + len(read))}, b"".join(read))


NO_RIGHT = refused(16, "User:reader has no permission to access Topic:orders")
