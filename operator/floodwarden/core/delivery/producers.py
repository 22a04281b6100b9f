"""What can be told of producers' acks by what they wrote. Pure; ``sweep.looks.producing`` asks.

Brokers keep nothing of the acks a producer asks for. But a batch has the id of its producer where that is idempotent, and clients
refuse idempotence with anything but acks=all. A batch without an id proves nothing: it may have been written with acks=all.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from floodwarden.core.delivery.violations import listed
from floodwarden.core.delivery.wishes import Wishes
from floodwarden.core.observation import Partition, Unknown

SAMPLE: Final = 60  # partitions of which an audit looks at the newest batch
PRODUCERS_KEPT: Final = 5  # ids of producers of one partition
REASONS_TOLD: Final = 3


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest batch of a partition, when its log ended at ``end``.

    ``idempotent`` is None where nothing could be told by it: there is no batch, or it is too large to be fetched for this.
    ``producers`` are ids of some that have written there within a day, the newest one's first.
    """

    end: int
    idempotent: bool | None
    producers: tuple[int, ...] = ()


def sample(partitions: Sequence[Partition], after: Partition | None, size: int = SAMPLE) -> list[Partition]:
    """The next ones to look at, in order and round again. ``partitions`` are sorted."""
    start = 0 if after is None else bisect_right(partitions, after)
    return [*partitions[start:], *partitions[:start]][:size]


def evidence(wishes: Wishes, partitions: Collection[Partition], newest: Mapping[Partition, Newest | Unknown]) -> tuple[str, ...]:
    """What one policy is told of the acks on its partitions, in sentences."""
    if wishes.acks is None or not partitions:
        return ()
    return tuple(f"acks {wishes.acks}: {sentence}" for sentence in _sentences(partitions, newest))


def _sentences(partitions: Collection[Partition], newest: Mapping[Partition, Newest | Unknown]) -> Iterator[str]:
    seen = {partition: newest[partition] for partition in sorted(partitions) if partition in newest}
    told = {one: found for one, found in seen.items() if isinstance(found, Newest) and found.idempotent is not None}
    plain = [str(one) for one, found in told.items() if not found.idempotent]
    if told:
        ids = sorted({producer for found in told.values() for producer in found.producers})
        named = f" (producer ids {listed([str(one) for one in ids])})" if ids else ""
        every = f"{len(told) - len(plain)} of {len(told)} partitions"
        every += f", of {len(partitions)} in all," if len(told) < len(partitions) else ""
        yield (
            f"brokers do not keep what producers ask for, but the newest batch in {every} is of an idempotent producer{named}, "
            "whose client asks for acks=all"
        )
    else:
        yield f"brokers do not keep what producers ask for, and no batch in the {len(partitions)} partitions tells it"
    if plain:
        yield f"the newest batch of {listed(plain)} is of a producer that is not idempotent: nobody can tell its acks"
    reasons = Counter(found.detail for found in seen.values() if isinstance(found, Unknown))
    yield from (why for why, _ in reasons.most_common(REASONS_TOLD))
