"""What is known of the cluster itself: its nodes, version and name, and super streams. It changes seldom and is asked for seldom.

``adapter`` has it refreshed in each sweep. A failure here does not spoil a sweep that could read queues, unless it tells of
missing rights or of statistics that are not kept: then what was read is not what it seems.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from floodwarden.brokers.base import BrokerError
from floodwarden.brokers.rabbitmq.answers import given_name
from floodwarden.brokers.rabbitmq.errors import NO_STATISTICS
from floodwarden.brokers.rabbitmq.management import Management
from floodwarden.core.observation import Unknown, UnknownReason

NODES_SECONDS: Final = 5.0
OVERVIEW_SECONDS: Final = 60.0
_DECISIVE: Final = frozenset(
    {UnknownReason.AUTHORIZATION_FAILED, UnknownReason.AUTHENTICATION_FAILED, UnknownReason.UNSUPPORTED},
)
_NO_RATES: Final = "nothing tells what was acknowledged; set management_agent.rates_mode to basic in rabbitmq.conf"


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
        self.super_streams: Mapping[str, Unknown] = {}

    async def refresh(self, *, look_for_super_streams: bool) -> None:
        """Ask for what is due."""
        await self._if_due("nodes", NODES_SECONDS, self._read_nodes)
        await self._if_due("overview", OVERVIEW_SECONDS, self._read_overview)
        if look_for_super_streams:
            await self._if_due("exchanges", NODES_SECONDS, self._read_exchanges)

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
        """A super stream is an exchange with an argument; its partitions are streams of their own names."""
        answer = _dicts(await self._management.get("exchanges", self._vhost, columns="name,arguments"))
        self.super_streams = {
            name: self.super_streams.get(name) or _super_stream(name)
            for name, arguments in ((entry.get("name"), entry.get("arguments")) for entry in answer)
            if isinstance(name, str) and isinstance(arguments, dict) and arguments.get("x-super-stream") is True
        }


def _super_stream(name: str) -> Unknown:
    why = "the management API does not tell what consumers of streams have processed; watch a classic or a quorum queue"
    return Unknown(UnknownReason.UNSUPPORTED, f"{name} is a super stream: {why}")


def _dicts(answer: Any) -> list[dict[str, Any]]:
    return [entry for entry in answer if isinstance(entry, dict)] if isinstance(answer, list) else []
