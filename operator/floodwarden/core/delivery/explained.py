"""What can be said of one setting for ``explain``; ``settings`` and its neighbours fill it in."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Explained:
    """One setting by its own name; ``field`` is where a DeliveryPolicy asks for it, None where it only follows from others."""

    name: str
    field: str | None
    what: str
    why: str
    cost: str
    prevents: str
