"""One adapter of one MessageBroker, kept open as long as its Secrets stay what they are. Each loop has its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from floodwarden.api.messagebroker import MessageBroker
from floodwarden.brokers.secrets import Secrets, Versions
from floodwarden.cluster.secrets import SecretReader
from floodwarden.core.assess import Gap
from floodwarden.core.reasons import Reason
from floodwarden.sweep import clock
from floodwarden.sweep.connect import read_secrets


class _Closable(Protocol):
    async def close(self) -> None: ...


Adapter = TypeVar("Adapter", bound=_Closable)


class Link(Generic[Adapter]):
    """``open`` makes an adapter, or says why there can be none; Secrets are read again after ``every`` seconds."""

    def __init__(
        self,
        broker: MessageBroker,
        reader: SecretReader,
        open: Callable[[MessageBroker, Secrets], Adapter | Gap],
        every: float = 0.0,
    ) -> None:
        self._broker = broker
        self._reader = reader
        self._open = open
        self._every = every
        self._adapter: Adapter | None = None
        self._versions: Versions | None = None
        self._secrets: Secrets | None = None  # that were used last
        self._read_at = float("-inf")

    async def adapter(self, *, leaving: bool = False) -> Adapter | Gap:
        """An adapter that speaks with the Secrets as they are now, or why there is none.

        ``leaving``: for the last time, because the MessageBroker was deleted. Its Secrets may have been deleted just before it:
        those that were used last do.
        """
        now = clock.now()
        if self._adapter is not None and now - self._read_at < self._every:
            return self._adapter
        secrets = await read_secrets(self._broker, self._reader)
        if isinstance(secrets, Gap):
            # An API server that is away says nothing about the Secret: go on with what was read before.
            kept = self._adapter if secrets.reason is Reason.API_SERVER_UNREACHABLE else None
            if kept is None and leaving and self._secrets is not None:
                return await self._opened(self._secrets)
            return kept if kept is not None else secrets
        self._read_at = now
        if self._adapter is not None and secrets.versions == self._versions:
            return self._adapter
        return await self._opened(secrets)

    async def _opened(self, secrets: Secrets) -> Adapter | Gap:
        await self._drop()
        opened = self._open(self._broker, secrets)
        if not isinstance(opened, Gap):
            self._adapter, self._versions, self._secrets = opened, secrets.versions, secrets
        return opened

    async def close(self) -> None:
        """Close the connections; the next adapter is a new one. Safe to call twice."""
        self._read_at = float("-inf")
        await self._drop()

    async def _drop(self) -> None:
        adapter, self._adapter = self._adapter, None
        if adapter is not None:
            await adapter.close()
