"""What can be told of producers' acks by what they wrote. Pure; ``sweep.looks.producing`` asks.

Brokers keep nothing of the acks a producer asks for. But a batch has the id of its producer where that is idempotent, and clients
refuse idempotence with anything but acks=all. A batch without an id proves nothing: it may have been written with acks=all.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from floodwarden.core.delivery.violations import NAMED_AT_MOST
from floodwarden.core.delivery.wishes import Wishes
from floodwarden.core.observation import Partition, Unknown

SAMPLE: Final = 60  # partitions of which an audit looks at the newest batch
PRODUCERS_KEPT: Final = 5  # ids of producers of one partition
REASONS_TOLD: Final = 3
UNKNOWN_TO_BROKERS: Final = "brokers do not keep what producers ask for, nor tell a client's name or version"


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


@dataclass(frozen=True, slots=True)
class Writers:
    """Who wrote to a partition lately, as far as its newest batches tell. See ``Newest``."""

    partition: str
    idempotent: bool | None
    producers: tuple[int, ...]


def writers(partitions: Collection[Partition], newest: Mapping[Partition, Newest | Unknown]) -> tuple[Writers, ...]:
    """What each of these partitions told, as far as it was looked at."""
    found = ((partition, newest.get(partition)) for partition in sorted(partitions))
    return tuple(Writers(str(one), it.idempotent, it.producers) for one, it in found if isinstance(it, Newest))


def evidence(wishes: Wishes, partitions: Collection[Partition], newest: Mapping[Partition, Newest | Unknown]) -> tuple[str, ...]:
    """What one policy is told of the acks on its partitions, in sentences."""
    if wishes.acks is None or not partitions:
        return ()
    return tuple(f"acks {wishes.acks}: {sentence}" for sentence in _sentences(partitions, newest))


def _sentences(partitions: Collection[Partition], newest: Mapping[Partition, Newest | Unknown]) -> Iterator[str]:
    """Alike as long as the evidence is: each audit looks at other partitions, and a status is not to change by that."""
    seen = {partition: newest[partition] for partition in sorted(partitions) if partition in newest}
    told = {one: found.idempotent for one, found in seen.items() if isinstance(found, Newest) and found.idempotent is not None}
    plain = [str(one) for one, idempotent in told.items() if not idempotent]
    if len(plain) < len(told):
        where = "some of the partitions looked at" if plain else "every partition that was looked at"
        yield (
            f"acks=all is what an idempotent producer asks for, and one wrote the newest batch in {where}; brokers do not keep "
            "what others ask for, nor tell a client's name or version"
        )
    else:
        yield f"{UNKNOWN_TO_BROKERS}, and no batch that was looked at tells it"
    if plain:
        named = ", ".join(plain[:NAMED_AT_MOST]) + (" and more" if len(plain) > NAMED_AT_MOST else "")
        yield f"nobody can tell the acks of a producer that is not idempotent, and one wrote the newest batch of {named}"
    yield from sorted({found.detail for found in seen.values() if isinstance(found, Unknown)})[:REASONS_TOLD]
