"""The ledger of one MessageBroker: what is changed on it for a while, written down before it is done.

Only the replica that has the MessageBroker's share writes it, and writes are fenced: read once, it is known from then on.
"""

from __future__ import annotations

from collections.abc import Collection

import structlog

from floodwarden.cluster.ledger import LedgerClient, LedgerProblem, Page
from floodwarden.core.delivery.ledger import Entry, dumped, loaded

_log = structlog.get_logger(__name__)


class BrokerLedger:
    """``read`` before anything else; ``add`` before something is changed, ``drop`` once it is undone."""

    def __init__(self, client: LedgerClient, about: str) -> None:
        self._client = client
        self._about = about
        self._page: Page | None = None
        self.entries: frozenset[Entry] = frozenset()

    async def read(self) -> LedgerProblem | None:
        """Bring in what was written by whoever had the share before; nothing is asked where it is known."""
        if self._page is not None:
            return None
        page = await self._client.read(self._about)
        if isinstance(page, LedgerProblem):
            return page
        try:
            self.entries = loaded(page.text) if page.text else frozenset()
        except ValueError as error:
            # Nothing of it can be undone; what is written from now on can.
            _log.error("ledger cannot be understood", about=self._about, why=str(error))
            self.entries = frozenset()
        self._page = page
        return None

    async def add(self, entries: Collection[Entry]) -> LedgerProblem | None:
        """Write them down. One about the same place that stands there already stays as it is: it knows what was there first."""
        problem = await self.read()
        if problem is not None:
            return problem
        known = {entry.place for entry in self.entries}
        return await self._write(self.entries | {entry for entry in entries if entry.place not in known})

    async def drop(self, entries: Collection[Entry]) -> LedgerProblem | None:
        """Forget them: they are undone."""
        return await self.read() or await self._write(self.entries - set(entries))

    async def _write(self, entries: frozenset[Entry]) -> LedgerProblem | None:
        assert self._page is not None, "it was read"
        if entries == self.entries:
            return None
        written = await self._client.write(self._page, dumped(entries))
        if isinstance(written, LedgerProblem):
            self._page = None  # it may have arrived all the same: read it again
            return written
        self._page, self.entries = written, entries
        return None
