"""Whether a status is still as we wrote it: somebody may edit it by hand, and of our own nothing changes that would be news.

``watch`` and ``broker_loop`` ask before they leave a status alone.
"""

from __future__ import annotations

from typing import Any

from floodwarden.api.resource import ApiModel


class Ours:
    """The status of one object as we wrote it last. Only what the API server tells of a later version can be an edit."""

    def __init__(self) -> None:
        self._version = 0
        self._body: dict[str, Any] | None = None
        self._judged = 0
        self._edited = False

    def wrote(self, version: int, body: dict[str, Any]) -> None:
        """Note what was written, and the version of the object since then."""
        self._version, self._body, self._edited = version, body, False

    def edited(self, told: tuple[int, ApiModel] | None) -> bool:
        """Whether the newest version and status that the API server told are not what we wrote."""
        if told is None or self._body is None or told[0] <= self._version:
            return False
        if told[0] != self._judged:
            self._judged, self._edited = told[0], told[1].to_api() != self._body
        return self._edited
