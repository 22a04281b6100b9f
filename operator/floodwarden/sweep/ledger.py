"""The ledger of one MessageBroker: what is changed on it for a while, written down before it is done.

Only the replica that has the MessageBroker's share writes it, and writes are fenced: read once, it is known from then on.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from floodwarden.cluster.ledger import LedgerClient, LedgerProblem, Page
from floodwarden.core.delivery.ledger import Entry, Kept, dumped, loaded


class BrokerLedger:
    """``read`` before anything else; ``add`` before something is changed, ``drop`` once it is undone."""

    def __init__(self, client: LedgerClient, about: str) -> None:
        self._client = client
        self._about = about
        self._page: Page | None = None
        self._kept = Kept()

    @property
    def entries(self) -> frozenset[Entry]:
        """What is changed for a while, as far as it was read."""
        return self._kept.entries

    @property
    def left(self) -> frozenset[Entry]:
        """Those of them that are to be undone."""
        return frozenset(entry for entry in self._kept.entries if entry.undone)

    async def read(self) -> LedgerProblem | None:
        """Bring in what was written by whoever had the share before; nothing is asked where it is known."""
        if self._page is not None:
            return None
        page = await self._client.read(self._about)
        if isinstance(page, LedgerProblem):
            return page
        try:
            self._kept = loaded(page.text) if page.text else Kept()
        except ValueError:
            return LedgerProblem(f"ConfigMap {page.name} cannot be understood: mend it, or delete it to forget what it says")
        self._page = page
        return None

    def foreign(self, cluster: str) -> LedgerProblem | None:
        """Why nothing of it may be undone here: it is about other brokers than those with this id, which are asked now, or these
        tell none although they did before."""
        if self._kept.empty or self._kept.cluster in ("", cluster):
            self._kept = replace(self._kept, cluster=cluster or self._kept.cluster)
            return None
        name = self._page.name if self._page is not None else ""
        self._page = None  # somebody may delete it, as is said below: read it again
        led = f"the MessageBroker leads to {cluster}" if cluster else "the brokers asked now do not tell which one they are"
        return LedgerProblem(
            f"settings are changed for a while on cluster {self._kept.cluster}, and {led}: "
            f"lead it back until it is undone, or delete ConfigMap {name} to forget it"
        )

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
        kept = replace(self._kept, entries=entries)
        written = await self._client.write(self._page, dumped(kept))
        if isinstance(written, LedgerProblem):
            self._page = None  # it may have arrived all the same: read it again
            return written
        self._page, self._kept = written, kept
        return None
