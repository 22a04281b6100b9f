"""The demo's consumer as a container, for whoever needs real consumers without the rest of the demo."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from floodhack.imagebuild import TARGETS


def consumer(bootstrap: list[str], topic: str, group: str, capacity: float, **env: str) -> Mapping[str, Any]:
    """Reads a topic for a group and processes ``capacity`` messages per second. ``env`` is demo_clients.settings' or its own."""
    values = {
        "KAFKA_BOOTSTRAP": ",".join(bootstrap),
        "TOPIC": topic,
        "GROUP": group,
        "MESSAGES_PER_SECOND": f"{capacity:g}",
        **env,
    }
    return {
        "name": "consumer",
        "image": TARGETS["demo"].tag,
        "imagePullPolicy": "Never",
        "args": ["demo_clients.consumer"],
        "env": [{"name": name, "value": value} for name, value in values.items()],
    }
