"""What a policy wants of Kafka clients, and the same in the words of each client, to be published as a ConfigMap.

Pure. Only what follows from the policy is in it: brokers do not keep these settings, so clients have to set them. ``spelling``
knows how else they may be written, ``workloads`` compares them with what workloads set.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from floodwarden.core.delivery.wishes import Wishes, worded

ACKS: Final = "acks"
IDEMPOTENCE: Final = "enable.idempotence"
AUTO_COMMIT: Final = "enable.auto.commit"
TRANSACTION_TIMEOUT: Final = "transaction.timeout.ms"
_ACKS: Final = {"All": "all", "Leader": "1", "None": "0"}
_WAITS: Final = ("0", "1", "all")  # for the fewest brokers first
# How Spring Boot reads them from the environment: dots become underscores, dashes go.
_SPRING: Final = {
    ACKS: "SPRING_KAFKA_PRODUCER_ACKS",
    IDEMPOTENCE: "SPRING_KAFKA_PRODUCER_PROPERTIES_ENABLE_IDEMPOTENCE",
    TRANSACTION_TIMEOUT: "SPRING_KAFKA_PRODUCER_PROPERTIES_TRANSACTION_TIMEOUT_MS",
    AUTO_COMMIT: "SPRING_KAFKA_CONSUMER_ENABLEAUTOCOMMIT",
}


class Role(StrEnum):
    """Which clients a setting is for."""

    PRODUCER = "producer"
    CONSUMER = "consumer"


@dataclass(frozen=True, slots=True)
class Wanted:
    """One setting by its key in the Java client, and the value that clients are to give it."""

    setting: str
    value: str
    role: Role

    def met_by(self, value: str) -> bool:
        """Whether a value, in the spelling of ``spelling.understood``, loses no more than the one that is asked for."""
        if self.setting == ACKS:
            return _WAITS.index(value) >= _WAITS.index(self.value)
        if self.setting == TRANSACTION_TIMEOUT:
            return int(value) <= int(self.value)
        return value == self.value

    @property
    def text(self) -> str:
        """For people."""
        bound = "≤ " if self.setting == TRANSACTION_TIMEOUT else "≥ " if self.setting == ACKS and self.value != "all" else ""
        return f"{bound}{worded(self.setting, self.value)}"


def wanted_of(wishes: Wishes) -> tuple[Wanted, ...]:
    """What follows for clients; empty where nothing does."""
    return tuple(_wanted(wishes))


def _wanted(wishes: Wishes) -> Iterator[Wanted]:
    if wishes.acks is not None:
        yield Wanted(ACKS, _ACKS[wishes.acks], Role.PRODUCER)
        if wishes.acks == "All":
            yield Wanted(IDEMPOTENCE, "true", Role.PRODUCER)
    if wishes.transactions is not None and wishes.transactions.timeout is not None:
        yield Wanted(TRANSACTION_TIMEOUT, str(round(wishes.transactions.timeout * 1000)), Role.PRODUCER)
    if wishes.acknowledged_late:
        yield Wanted(AUTO_COMMIT, "false", Role.CONSUMER)


def rendered(wanted: Sequence[Wanted], policy: str) -> dict[str, str]:
    """The data of the ConfigMap: files for the Java client, librdkafka and kafka-python, and variables for Spring Boot.

    The variables are keys of their own, because Kubernetes takes those into an environment, but no lines of a file. ``policy``
    is namespace/name of the one that asks.
    """
    head = f"# What DeliveryPolicy {policy} asks of Kafka clients. Floodwarden keeps this text: change the policy instead.\n"
    data: dict[str, str] = {}
    for role in Role:
        ours = [one for one in wanted if one.role is role]
        if ours:
            lines = "".join(f"{one.setting}={one.value}\n" for one in ours)
            data[f"{role}.properties"] = head + lines
            data[f"librdkafka-{role}.properties"] = head + lines  # it knows them by the same names
            python = {one.setting.replace(".", "_"): _of_python(one.value) for one in ours}
            data[f"kafka-python-{role}.json"] = json.dumps(python, indent=2) + "\n"
    return data | {_SPRING[one.setting]: one.value for one in wanted}


def _of_python(value: str) -> str | int | bool:
    if value in ("true", "false"):
        return value == "true"
    return int(value) if value.isdecimal() else value
