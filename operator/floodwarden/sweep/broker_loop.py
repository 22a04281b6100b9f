"""One loop per MessageBroker: a single sweep reads what all of its policies need, then each policy takes its share.

``supervisor`` starts and stops loops. A loop owns the connection: it reads the Secrets again and again, and connects anew
when they or the spec changed. Whatever fails makes every reading unknown with a reason, and the loop goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection

import structlog

from floodwarden.api.durations import Duration
from floodwarden.api.messagebroker import LastSweep, MessageBroker, MessageBrokerStatus
from floodwarden.api.resource import GROUP, VERSION
from floodwarden.api.shared import bounded
from floodwarden.brokers.base import Broker, BrokerError
from floodwarden.cluster.events import ObjectRef
from floodwarden.cluster.status import Resource as StatusResource
from floodwarden.cluster.status import StatusOutcome
from floodwarden.core.assess import Gap
from floodwarden.core.broker_conditions import away, broker_conditions, broker_notices
from floodwarden.core.observation import Query, Snapshot, Unknown, UnknownReason
from floodwarden.core.reasons import Reason
from floodwarden.core.text import plain
from floodwarden.sweep import clock
from floodwarden.sweep.link import Link
from floodwarden.sweep.ours import Ours
from floodwarden.sweep.report import from_api, to_api
from floodwarden.sweep.services import Services
from floodwarden.sweep.store import Key, key_of
from floodwarden.sweep.watch import PolicyWatch

SECRETS_EVERY = 10.0  # seconds between two looks at the Secrets
VERSION_BYTES = 64
CLUSTER_BYTES = 64
STATUS_EVERY = 300.0  # seconds between two writes of a status in which only the last sweep differs; /metrics has each one
EDIT_EVERY = 5.0  # seconds between two writes of a status that somebody else edits
STUCK_AFTER = 60.0  # seconds, and ten intervals, without a finished sweep: the loop hangs
BROKERS = StatusResource(f"{GROUP}/{VERSION}", "messagebrokers")

_log = structlog.get_logger(__name__)


class BrokerLoop:
    """The sweeps of one MessageBroker."""

    def __init__(self, broker: MessageBroker, services: Services, watches: Callable[[Key], Collection[PolicyWatch]]) -> None:
        self._services = services
        self._watches = watches
        self.key = key_of(broker)
        self._resource = broker
        self._link = Link(broker, services.secrets, services.open, every=SECRETS_EVERY)
        self._obstacle: Gap | None = None
        self._shown = from_api(broker.status.conditions)
        self._conditions = broker.status.conditions
        self._written: dict[str, object] | None = None
        self._written_at = float("-inf")
        self._ours = Ours()
        self._last = broker.status.last_sweep
        self._cluster = broker.status.cluster_id
        self._failing_since: float | None = None
        self._alive_at = clock.now()

    @property
    def interval(self) -> float:
        """Seconds from the start of one sweep to that of the next."""
        return self._resource.spec.sweep_interval.seconds

    @property
    def stuck(self) -> bool:
        """Whether no sweep has ended for so long that the loop must hang."""
        return clock.now() - self._alive_at > max(STUCK_AFTER, 10 * self.interval)

    async def run(self) -> None:
        """Sweep until cancelled; then close the connection."""
        try:
            while True:
                began = clock.now()
                try:
                    await self._sweep()
                except Exception:  # a bug must not stop the other policies' brokers, nor go unseen
                    _log.exception("sweep failed", broker=str(self.key))
                    self._services.metrics.sweep_failed(self.key, "InternalError")
                self._alive_at = clock.now()
                await asyncio.sleep(max(0.0, began + self.interval - self._alive_at))
        finally:
            await self._link.close()

    async def _sweep(self) -> None:
        began = clock.now()
        adapter = await self._adapter()
        self._obstacle = adapter if isinstance(adapter, Gap) else None
        queries = [(watch, watch.query()) for watch in self._watches(self.key)]
        outcome = await self._observe(adapter, [query for _, query in queries])
        at = (began + clock.now()) / 2  # positions are from some moment in between
        if isinstance(outcome, Snapshot):
            readings = outcome.readings
            missing: Unknown = Unknown(UnknownReason.BROKER_ERROR, "the sweep brought no answer")
            caution = away(outcome)
        else:
            readings, caution = {}, None
            if not self._resource.paused:
                self._services.metrics.sweep_failed(self.key, outcome.reason.value)
            missing = outcome
        bound = set(self._watches(self.key))  # an edit may have taken a policy away meanwhile
        queries = [(watch, query) for watch, query in queries if watch in bound]
        results = await asyncio.gather(
            *(watch.sweep(query, readings.get(query.subscription, missing), at, caution) for watch, query in queries),
            return_exceptions=True,
        )
        for (watch, _), result in zip(queries, results, strict=True):
            if isinstance(result, Exception):
                _log.error("policy failed", policy=str(watch.key), exc_info=result)
        ended = clock.now()
        if isinstance(outcome, Snapshot):
            self._services.metrics.sweep(self.key, ended - began, outcome.requests, len(outcome.unreachable))
        audited = sum(self._resource.allows(one.metadata.namespace) for one in self._services.store.deliveries_of(self.key))
        await self._tell(outcome, len(queries) + audited, began, ended)

    async def _adapter(self) -> Broker | Gap:
        if self._resource.paused:
            await self._link.close()
            return Gap(Reason.PAUSED, "the MessageBroker is paused")
        return await self._link.adapter()

    async def _observe(self, adapter: Broker | Gap, queries: Collection[Query]) -> Snapshot | Unknown:
        if isinstance(adapter, Gap):
            return Unknown(UnknownReason.BROKER_NOT_READY, f"MessageBroker {self.key}: {adapter.message}")
        try:
            return await adapter.observe(queries)
        except BrokerError as error:
            return Unknown(error.reason, str(error))
        except Exception as error:  # a bug of an adapter's is one more thing that is not known, and is told like the others
            _log.exception("reading failed", broker=str(self.key))
            return Unknown(UnknownReason.BROKER_ERROR, f"{type(error).__name__} while reading; the operator's log has more")

    async def _tell(self, outcome: Snapshot | Unknown, policies: int, began: float, ended: float) -> None:
        if isinstance(outcome, Unknown) or outcome.unreachable:
            self._failing_since = self._failing_since if self._failing_since is not None else began
        else:
            self._failing_since = None
        failing_for = ended - self._failing_since if self._failing_since is not None else 0.0
        before = self._shown
        self._shown = broker_conditions(outcome, self._obstacle, failing_for, before)
        meta = self._resource.metadata
        about = ObjectRef(f"{GROUP}/{VERSION}", "MessageBroker", meta.namespace, meta.name, meta.uid)
        for notice in broker_notices(before, self._shown):
            self._services.tell(notice, about)
        self._conditions = to_api(self._shown, self._conditions, meta.generation)
        known = outcome if isinstance(outcome, Snapshot) else None
        if known:
            self._last = LastSweep(
                at=clock.wall(began).replace(microsecond=0), duration=Duration.of(ended - began), requests=known.requests
            )
        status = MessageBrokerStatus(
            observed_generation=meta.generation,
            conditions=self._conditions,
            version=plain(known.version, VERSION_BYTES) if known and known.version else None,
            capabilities=tuple(sorted(self._resource.capabilities)),
            cluster_id=plain(known.cluster, CLUSTER_BYTES) if known and known.cluster else self._cluster,
            nodes=len(known.nodes) if known else None,
            unreachable_nodes=bounded(known.unreachable) if known else (),
            policies=policies,
            last_sweep=self._last,
        )
        self._cluster = status.cluster_id
        await self._write(status)

    async def _write(self, status: MessageBrokerStatus) -> None:
        """At once when something changed, seldom while only the times of the last sweep do."""
        body = status.to_api()
        kind = {name: value for name, value in body.items() if name != "lastSweep"}
        now = clock.now()
        pause = EDIT_EVERY if self._ours.edited(self._services.store.told(self._resource)) else self._seldom
        if kind == self._written and now - self._written_at < pause:
            return
        meta = self._resource.metadata
        result = await self._services.write_status(BROKERS, meta.namespace, meta.name, meta.uid, body)
        if result.outcome in (StatusOutcome.WRITTEN, StatusOutcome.GONE):
            self._written, self._written_at = kind, now
            self._ours.wrote(result.version, body)

    @property
    def _seldom(self) -> float:
        return max(STATUS_EVERY, self.interval)
