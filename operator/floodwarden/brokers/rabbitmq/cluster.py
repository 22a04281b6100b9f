"""What is known of the cluster itself: its nodes, version and name, and super streams. It changes seldom and is asked for seldom.

``adapter`` has it refreshed in each sweep. A failure here does not spoil a sweep that could read queues, unless it tells of
missing rights or of statistics that are not kept: then what was read is not what it seems.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any, Final, NamedTuple

from floodwarden.brokers.base import BrokerError
from floodwarden.brokers.rabbitmq.answers import given_name
from floodwarden.brokers.rabbitmq.errors import NO_STATISTICS
from floodwarden.brokers.rabbitmq.management import Management
from floodwarden.brokers.rabbitmq.queues import NOT_TOLD
from floodwarden.core.observation import Unknown, UnknownReason

NODES_SECONDS: Final = 5.0
OVERVIEW_SECONDS: Final = 60.0
_DECISIVE: Final = frozenset(
    {UnknownReason.AUTHORIZATION_FAILED, UnknownReason.AUTHENTICATION_FAILED, UnknownReason.UNSUPPORTED},
)
_NO_RATES: Final = "nothing tells what was acknowledged; set management_agent.rates_mode to basic in rabbitmq.conf"


class SuperStream(NamedTuple):
    """The partitions of a super stream, which are streams; none where they are not known. ``lag`` is why that is not told."""

    partitions: tuple[str, ...]
    lag: Unknown


class Cluster:
    """One cluster, as seen from one virtual host."""

    def __init__(self, management: Management, vhost: str) -> None:
        self._management = management
        self._vhost = vhost
        self._due: dict[str, float] = {}
        self.nodes: tuple[str, ...] = ()
        self.unreachable: tuple[str, ...] = ()  # those of them that do not run, as the others say
        self.version: str | None = None
        self.id = ""  # the cluster's name and the virtual host: RabbitMQ shows its own id to administrators only
        self.super_streams: Mapping[str, SuperStream] = {}
        self._exchanges: frozenset[str] = frozenset()  # those that are super streams

    async def refresh(self, missing: Collection[str]) -> None:
        """Ask for what is due; ``missing`` are names that no queue has."""
        await self._if_due("nodes", NODES_SECONDS, self._read_nodes)
        await self._if_due("overview", OVERVIEW_SECONDS, self._read_overview)
        if missing:
            await self._if_due("exchanges", NODES_SECONDS, self._read_exchanges)
        if not self._exchanges.isdisjoint(missing):
            await self._if_due("bindings", NODES_SECONDS, self._read_bindings)

    async def _if_due(self, what: str, every: float, read: Callable[[], Awaitable[None]]) -> None:
        now = asyncio.get_running_loop().time()
        if now < self._due.get(what, now):
            return
        try:
            await read()
        except BrokerError as error:
            if error.reason in _DECISIVE:
                raise
        self._due[what] = now + every

    async def _read_nodes(self) -> None:
        answer = _dicts(await self._management.get("nodes", columns="name,running"))
        running = {entry["name"]: entry.get("running") is True for entry in answer if isinstance(entry.get("name"), str)}
        self.nodes = tuple(sorted(running))
        self.unreachable = tuple(node for node in self.nodes if not running[node])

    async def _read_overview(self) -> None:
        answer = await self._management.get("overview", columns="rabbitmq_version,cluster_name,rates_mode,disable_stats")
        told = answer if isinstance(answer, dict) else {}
        if told.get("disable_stats") is True:
            raise BrokerError(UnknownReason.UNSUPPORTED, f"RabbitMQ keeps no statistics; {NO_STATISTICS}")
        if told.get("rates_mode") == "none":
            raise BrokerError(UnknownReason.UNSUPPORTED, _NO_RATES)
        version, told_name = told.get("rabbitmq_version"), told.get("cluster_name")
        self.version = version if isinstance(version, str) else None
        name = given_name(told_name if isinstance(told_name, str) else None)
        self.id = f"{name} {self._vhost}" if name else ""

    async def _read_exchanges(self) -> None:
        """A super stream is an exchange with an argument."""
        answer = _dicts(await self._management.get("exchanges", self._vhost, columns="name,arguments"))
        self._exchanges = frozenset(
            name
            for name, arguments in ((entry.get("name"), entry.get("arguments")) for entry in answer)
            if isinstance(name, str) and isinstance(arguments, dict) and arguments.get("x-super-stream") is True
        )
        self._set_super_streams({name: self._partitions_of(name) for name in self._exchanges})

    async def _read_bindings(self) -> None:
        """Its partitions are the streams that are bound to it, of names of their own."""
        answer = _dicts(await self._management.get("bindings", self._vhost, columns="source,destination,destination_type"))
        found: dict[str, set[str]] = {name: set() for name in self._exchanges}
        for entry in answer:
            source, queue = entry.get("source"), entry.get("destination")
            if (
                isinstance(source, str)
                and isinstance(queue, str)
                and entry.get("destination_type") == "queue"
                and source in found
            ):
                found[source].add(queue)
        self._set_super_streams({name: tuple(sorted(queues)) for name, queues in found.items()})

    def _partitions_of(self, name: str) -> tuple[str, ...]:
        known = self.super_streams.get(name)
        return known.partitions if known is not None else ()

    def _set_super_streams(self, found: Mapping[str, tuple[str, ...]]) -> None:
        """Those that are as they were stay the very objects."""
        last = self.super_streams
        self.super_streams = {
            name: last[name] if name in last and last[name].partitions == partitions else SuperStream(partitions, _not_told(name))
            for name, partitions in found.items()
        }


def _not_told(name: str) -> Unknown:
    return Unknown(UnknownReason.UNSUPPORTED, f"{name} is a super stream: {NOT_TOLD}")


def _dicts(answer: Any) -> list[dict[str, Any]]:
    return [entry for entry in answer if isinstance(entry, dict)] if isinstance(answer, list) else []
