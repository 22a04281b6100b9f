"""Who changes the same thing again and again fights with somebody: how often it was done, and when it is enough.

Kept in memory. An edited policy starts anew, and so does another process.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import Final, NamedTuple

TRIES: Final = 2  # changes that were put back are made no third time


class Deed(NamedTuple):
    """One thing that a policy has changed: of which object, by its uid, and what of it. ``generation`` is the policy's."""

    policy: str
    generation: int
    uid: str
    what: str


class Patience:
    """Counts deeds. What has to be done again was put back, for what was done is looked for only where it is missing."""

    def __init__(self) -> None:
        self._done: Counter[Deed] = Counter()

    def exhausted(self, deed: Deed) -> bool:
        """Whether it was done, and put back, as often as it is tried."""
        return self._done[deed] >= TRIES

    def did(self, deed: Deed) -> None:
        """Note that it is done."""
        self._done[deed] += 1

    def forget_but(self, policies: Collection[tuple[str, int]]) -> None:
        """Drop what was done for other policies than these, or for other generations of them."""
        self._done = Counter({deed: times for deed, times in self._done.items() if (deed.policy, deed.generation) in policies})
