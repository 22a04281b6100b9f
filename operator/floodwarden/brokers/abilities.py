"""What some adapters can do beyond settings; each is an attribute of ``Abilities``, None where a broker cannot.

``sweep.looks`` asks. As with settings: what fails for one thing is an ``Unknown`` in the answer, BrokerError is raised where
nothing at all could be read, every call ends within the adapter's own time limit and may be cancelled at any await.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class ReplicaMoves(Protocol):
    """Reassignment of replicas, and how much of the network it may take."""


class UnreadMessages(Protocol):
    """What groups have not read yet, and how old it is."""


class Producers(Protocol):
    """Who writes: idempotence, and open transactions."""


@dataclass(frozen=True, slots=True)
class Abilities:
    """Which of them an adapter has."""

    moves: ReplicaMoves | None = None
    unread: UnreadMessages | None = None
    producers: Producers | None = None
