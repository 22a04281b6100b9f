"""A producer inside the test that sends at a steady rate."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from itertools import cycle

from confluent_kafka import Producer

TICK = 0.05  # seconds


class Stream:
    """Sends from the moment it is made until ``close``; ``rate`` (messages per second) may be changed meanwhile."""

    def __init__(self, bootstrap: Sequence[str], topic: str, rate: float, partitions: Sequence[int]) -> None:
        self.rate = rate
        self._topic = topic
        self._partitions = cycle(partitions)
        self._producer = Producer({"bootstrap.servers": ",".join(bootstrap), "acks": "all", "linger.ms": 5, "log_level": 0})
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End, with everything sent acknowledged."""
        self._end.set()
        self._thread.join()
        assert self._producer.flush(30) == 0, "messages not acknowledged in time"

    def _run(self) -> None:
        owed, last = 0.0, time.monotonic()
        while not self._end.wait(TICK):
            now = time.monotonic()
            owed, last = owed + self.rate * (now - last), now
            while owed >= 1:
                self._producer.produce(self._topic, b"x", partition=next(self._partitions))
                owed -= 1
            self._producer.poll(0)
