"""What the demo asks of a broker. Everything that differs between kinds of brokers is in one object for each: see `demo_brokers`.

Neighbours: `demo_kafka`, `demo_rabbitmq` and `demo_rocketmq` are such objects; `demo_stages`, `demo_run` and `demo_summary` use
them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from floodhack.demo_shell import Shell

Proof = list[tuple[bool, str]]


class UnreadError(Exception):
    """A reading of the demo's own that failed; the text says why."""


@dataclass(frozen=True)
class Words:
    """How the demo speaks of one kind of brokers."""

    name: str
    # What is brought up.
    servers: str
    # What messages are sent to.
    source: str
    # What waits, as the picture calls it.
    lag: str
    # A consumer that has something to do, as an act that was seen, and as one that is waited for.
    at_work: str
    to_be_at_work: str
    # Who has something to do, by whose word; and by whose word the lag is.
    readers: str
    tool: str
    # What the summary adds, in whole sentences.
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ByTool:
    """What the broker's own tool says: messages that wait, consumers that have something to do, and what else must hold."""

    lag: int
    readers: int
    whole: tuple[tuple[bool, str], ...] = ()


@dataclass(frozen=True)
class Accounts:
    """Both ends of a queue, counted while nothing is sent.

    `sending`: messages a second that the producer sends; `published` and `confirmed`: by the producer; `repeated`: how often it
    sent a message that may have arrived before; `waiting` and `acknowledged`: by the broker's own tools.
    """

    sending: float
    published: int
    confirmed: int
    repeated: int
    waiting: int
    acknowledged: int


class Look(Protocol):
    """Reads the broker twice a second, by a client of the demo's own."""

    def read(self) -> dict[str, int]:
        """Fields of a Sample: produced, committed, members, owners, and what else is known; raises UnreadError."""


class DemoBroker(Protocol):
    """One kind of brokers, with the demo's topic or queue on it."""

    @property
    def kind(self) -> str:
        """What `hack/brokers` and the manifests call it."""

    @property
    def words(self) -> Words:
        """How to speak of it."""

    @property
    def rate_window(self) -> float:
        """Seconds over which rates are taken: some times as long as it takes until the broker counts again."""

    @property
    def at_rest(self) -> int:
        """The replicas that steady traffic is left with at the most."""

    def values(self) -> Mapping[str, str]:
        """What the manifests of this kind have in braces beside the plan's names and numbers."""

    def fresh(self) -> None:
        """Make topic or queue anew, empty; HackError where that fails."""

    def look(self) -> Look:
        """A client for the live view."""

    def by_tool(self, shell: Shell) -> ByTool:
        """Ask the broker's own tool; HackError when it fails or says nothing usable."""

    def tool_command(self) -> list[str]:
        """What `hack/brokers` is asked to show a person the same."""


@runtime_checkable
class Counting(Protocol):
    """A kind of brokers on which messages leave, so that only counting shows that none was lost."""

    def accounts(self, shell: Shell) -> Accounts:
        """Count; HackError when that fails."""
