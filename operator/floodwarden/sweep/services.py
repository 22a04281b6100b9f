"""What every loop is given to work with: the store of specs and the adapters of one process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from floodwarden.api.messagebroker import MessageBroker
from floodwarden.brokers.base import Broker
from floodwarden.brokers.secrets import Secrets
from floodwarden.cluster.configmaps import ConfigMapClient
from floodwarden.cluster.events import EventType, ObjectRef, Recorder
from floodwarden.cluster.kafkatopics import TopicOwners
from floodwarden.cluster.ledger import LedgerClient
from floodwarden.cluster.owners import OwnerIndex
from floodwarden.cluster.scale import ScaleClient
from floodwarden.cluster.secrets import SecretReader
from floodwarden.cluster.status import Resource as StatusResource
from floodwarden.cluster.status import StatusResult, StatusWriter
from floodwarden.cluster.workloads import WorkloadClient
from floodwarden.core.assess import Gap
from floodwarden.core.conditions import Notice
from floodwarden.sweep.connect import open_broker
from floodwarden.sweep.metrics import Metrics
from floodwarden.sweep.store import Store

CALLS_AT_ONCE = 8  # to the API server, so that a thousand policies do not all knock together


@dataclass(frozen=True)
class Services:
    """Shared by all loops of a process; ``open`` makes the adapter of a broker.

    ``may_write``: whether this replica may change anything outside of the API server, whose writes are fenced already.
    """

    store: Store
    scale: ScaleClient
    owners: OwnerIndex
    topic_owners: TopicOwners
    recorder: Recorder
    status: StatusWriter
    secrets: SecretReader
    metrics: Metrics
    ledgers: LedgerClient
    config_maps: ConfigMapClient
    workloads: WorkloadClient
    may_write: Callable[[], bool] = lambda: True
    open: Callable[[MessageBroker, Secrets], Broker | Gap] = open_broker
    calls: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(CALLS_AT_ONCE))

    def tell(self, notice: Notice, *about: ObjectRef) -> None:
        """Post one Event about each of the objects."""
        self.recorder.record(
            EventType.WARNING if notice.warning else EventType.NORMAL, notice.reason.value, notice.message, *about
        )

    async def write_status(
        self, resource: StatusResource, namespace: str, name: str, uid: str, status: dict[str, object]
    ) -> StatusResult:
        """Write one status, and count it."""
        async with self.calls:
            result = await self.status.write(resource, namespace, name, uid, status)
        self.metrics.status_writes.labels(result.outcome.name.lower()).inc()
        return result
