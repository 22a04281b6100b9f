"""What the demo's clients are told by their environment, and how they log: shared by `producer.py` and `consumer.py`.

These programs run in pods, from an image with the brokers' clients and nothing else of Floodwarden in it.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path


def log(text: str) -> None:
    """Print one line with the time of day, at once."""
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


@dataclass(frozen=True)
class Settings:
    """Read once, at the start; the defaults fit three local brokers."""

    bootstrap: str = field(default_factory=lambda: os.environ.get("KAFKA_BOOTSTRAP", "127.0.0.1:9092"))
    topic: str = field(default_factory=lambda: os.environ.get("TOPIC", "orders"))
    group: str = field(default_factory=lambda: os.environ.get("GROUP", "billing"))
    # Names this client in the broker's own tools.
    client_id: str = field(default_factory=lambda: os.environ.get("POD_NAME", f"client-{os.getpid()}"))
    # Consumer: how many messages a second one of them can process.
    capacity: float = field(default_factory=lambda: float(os.environ.get("MESSAGES_PER_SECOND", "50")))
    # Consumer: a partition whose messages it cannot process, and host:port of a service that it calls for each message.
    poisoned: int = field(default_factory=lambda: int(os.environ.get("POISON_PARTITION", "-1")))
    downstream: str = field(default_factory=lambda: os.environ.get("DOWNSTREAM", ""))
    # Producer: what it sends while nobody asks for anything else (see `rate.py`).
    base_rate: float = field(default_factory=lambda: float(os.environ.get("BASE_RATE", "60")))
    control: Path = field(default_factory=lambda: Path(os.environ.get("RATE_FILE", "/control/rate")))

    def connection(self) -> dict[str, str | int]:
        """The part of a client's configuration that producers and consumers share."""
        return {
            "bootstrap.servers": self.bootstrap,
            "client.id": self.client_id,
            "socket.keepalive.enable": "true",
            "reconnect.backoff.max.ms": 2000,
            "log_level": 4,
        }


class Stop:
    """True once somebody asked this process to end (SIGTERM as Kubernetes does, SIGINT as people do)."""

    def __init__(self) -> None:
        self.asked = False
        signal.signal(signal.SIGTERM, self._ask)
        signal.signal(signal.SIGINT, self._ask)

    def _ask(self, number: int, _frame: object) -> None:
        if self.asked:
            sys.exit(1)
        self.asked = True
        log(f"asked to end ({signal.Signals(number).name}): finishing what is under way")
