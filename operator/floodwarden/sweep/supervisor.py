"""Keeps the loops of each MessageBroker that is this replica's share, sweeps and audits, and one watch for each policy of these.

Policies without a usable broker have no loop that would sweep them; the replica that leads looks after them here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass

import structlog

from floodwarden.api.backlogpolicy import BacklogPolicy
from floodwarden.api.deliverypolicy import DeliveryPolicy
from floodwarden.api.messagebroker import MessageBroker
from floodwarden.core.assess import Gap
from floodwarden.core.observation import Unknown, UnknownReason
from floodwarden.core.reasons import Reason
from floodwarden.sweep import clock
from floodwarden.sweep.audit_loop import AuditLoop
from floodwarden.sweep.binding import broker_obstacle
from floodwarden.sweep.broker_loop import BrokerLoop
from floodwarden.sweep.delivery_watch import DeliveryWatch
from floodwarden.sweep.refusal import tell_refused
from floodwarden.sweep.services import Services
from floodwarden.sweep.shares import Shares
from floodwarden.sweep.store import Key, Refused, key_of
from floodwarden.sweep.watch import PolicyWatch

ROUND = 2.0  # seconds between two rounds while nothing changes
OWNERS_EVERY = 10.0  # seconds between two lists of autoscalers
DEFAULT_INTERVAL = 1.0  # seconds; of policies whose broker is not known

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Running:
    """What runs for one MessageBroker."""

    resource: MessageBroker
    sweeps: BrokerLoop
    audits: AuditLoop
    tasks: tuple[asyncio.Task[None], ...]

    @property
    def problems(self) -> list[str]:
        key = self.sweeps.key
        stuck = [
            f"the {what} of MessageBroker {key} hang"
            for what, loop in (("sweeps", self.sweeps), ("audits", self.audits))
            if loop.stuck
        ]
        return [*stuck, *(f"the {task.get_name()} ended" for task in self.tasks if task.done())]


class Supervisor:
    """Runs until cancelled; then every loop has ended and every connection is closed."""

    def __init__(self, services: Services, shares: Shares) -> None:
        self._services = services
        self._shares = shares
        self._loops: dict[Key, _Running] = {}
        self._watches: dict[Key, PolicyWatch] = {}
        self._deliveries: dict[Key, DeliveryWatch] = {}
        self._told: set[Refused] = set()
        self._owners_at = float("-inf")
        self._round_at = clock.now()

    @property
    def problems(self) -> list[str]:
        """What hangs, in words; empty while all is alive."""
        amiss = [problem for running in self._loops.values() for problem in running.problems]
        late = clock.now() - self._round_at > 15 * ROUND
        return [*amiss, *(["the supervisor hangs"] if late else [])]

    async def run(self) -> None:
        """Follow the store once it is complete, wake on changes, and end all loops when cancelled."""
        changed, complete = self._services.store.changed, self._services.store.complete
        try:
            while not complete.is_set():
                with suppress(TimeoutError):
                    await asyncio.wait_for(complete.wait(), ROUND)
                self._round_at = clock.now()
            while True:
                changed.clear()
                self._shares.notice()
                await self._round()
                self._round_at = clock.now()
                try:
                    async with asyncio.timeout(ROUND):
                        await changed.wait()
                except TimeoutError:
                    continue
        finally:
            await asyncio.gather(*(self.end(key) for key in list(self._loops)))
            for watch in self._watches.values():
                watch.close()

    async def end(self, broker: Key | None) -> None:
        """End all that is done for a broker (None: for what belongs to none), because it is no longer this replica's to do."""
        if broker is not None:
            running = self._loops.get(broker)
            if running is not None:
                await self._end_loop(broker)
                if broker not in self._services.store.brokers:
                    await running.audits.abandon()
            self._services.metrics.forget_broker(broker)
        self._drop_watches()

    async def _round(self) -> None:
        if not self._shares.count and not self._shares.leading:
            return  # a replica in reserve asks the API server nothing but the Leases
        if clock.now() - self._owners_at >= OWNERS_EVERY or not self._services.owners.known:
            await self._services.owners.refresh()
            self._owners_at = clock.now()
        self._follow_policies()
        await self._follow_brokers()
        await self._sweep_orphans()
        await self._tell_refused()

    def _follow_policies(self) -> None:
        store = self._services.store
        self._drop_watches()
        for key, policy in list(store.policies.items()):
            if not self._ours(policy):
                continue
            broker = store.brokers.get(Key(*policy.broker))
            interval = broker.spec.sweep_interval.seconds if broker else DEFAULT_INTERVAL
            if key in self._watches:
                self._watches[key].accept(policy, interval)
            else:
                self._watches[key] = PolicyWatch(store.renewed(policy), interval, self._services)
        for key, delivery in list(store.deliveries.items()):
            if not self._ours(delivery):
                continue
            if key in self._deliveries:
                self._deliveries[key].accept(delivery)
            else:
                self._deliveries[key] = DeliveryWatch(store.renewed(delivery), self._services)

    def _drop_watches(self) -> None:
        """Forget the policies that are gone, or another replica's."""
        policies = self._services.store.policies
        for key in [key for key in self._watches if key not in policies or not self._ours(policies[key])]:
            self._watches.pop(key).close()
            self._services.metrics.forget_policy(key)
        deliveries = self._services.store.deliveries
        for key in [key for key in self._deliveries if key not in deliveries or not self._ours(deliveries[key])]:
            del self._deliveries[key]
            self._services.metrics.forget_delivery(key)

    def _ours(self, policy: BacklogPolicy | DeliveryPolicy) -> bool:
        """Whether it is for this replica to act on a policy."""
        if broker_obstacle(policy, self._services.store) is not None:
            return self._shares.leading
        return self._shares.holds(Key(*policy.broker))

    async def _follow_brokers(self) -> None:
        store = self._services.store
        for key, running in list(self._loops.items()):
            wanted = store.brokers.get(key)
            if wanted is None or wanted is not running.resource:
                if key in self._loops:
                    await self._end_loop(key)
                if wanted is None:
                    await running.audits.abandon()
                    self._services.metrics.forget_broker(key)
        for key in list(store.brokers):
            if key not in self._loops and self._shares.holds(key):
                resource = store.renewed(store.brokers[key])
                sweeps = BrokerLoop(resource, self._services, self._bound)
                audits = AuditLoop(resource, self._services, self._audited)
                tasks = (
                    asyncio.create_task(sweeps.run(), name=f"sweeps of MessageBroker {key}"),
                    asyncio.create_task(audits.run(), name=f"audits of MessageBroker {key}"),
                )
                self._loops[key] = _Running(resource, sweeps, audits, tasks)
                _log.info("watching broker", broker=str(key), interval=sweeps.interval)
        for running in self._loops.values():
            running.audits.notice()

    async def _end_loop(self, key: Key) -> None:
        entry = self._loops[key]
        for task in entry.tasks:
            task.cancel()
        await asyncio.wait(entry.tasks)
        if self._loops.get(key) is entry:  # two may wait for the same end
            del self._loops[key]

    def _bound(self, broker: Key) -> Collection[PolicyWatch]:
        """The watches of the policies that this broker's sweep reads for."""
        store = self._services.store
        return [
            self._watches[key]
            for key, policy in store.policies.items()
            if Key(*policy.broker) == broker and key in self._watches and broker_obstacle(policy, store) is None
        ]

    def _audited(self, broker: Key) -> Collection[DeliveryWatch]:
        """The watches of the policies that this broker's audit is for."""
        store = self._services.store
        return [
            self._deliveries[key_of(policy)]
            for policy in store.deliveries_of(broker)
            if key_of(policy) in self._deliveries and broker_obstacle(policy, store) is None
        ]

    async def _sweep_orphans(self) -> None:
        """Tell those policies what is wrong whose broker is missing, paused or not theirs to use."""
        store, at = self._services.store, clock.now()
        orphans = [
            (self._watches[key], gap)
            for key, policy in store.policies.items()
            if key in self._watches and (gap := broker_obstacle(policy, store)) is not None
        ]
        results = await asyncio.gather(
            *(watch.sweep(watch.query(), _not_asked(gap), at) for watch, gap in orphans),
            return_exceptions=True,
        )
        for (watch, _), result in zip(orphans, results, strict=True):
            if isinstance(result, Exception):
                _log.error("policy failed", policy=str(watch.key), exc_info=result)
        for key, policy in list(store.deliveries.items()):
            gap = broker_obstacle(policy, store)
            if gap is not None and key in self._deliveries:
                await self._deliveries[key].tell(gap)

    async def _tell_refused(self) -> None:
        """Say on the objects themselves that they cannot be understood, once for each generation."""
        refused = self._services.store.refused if self._shares.leading else {}
        self._told &= set(refused.values())
        for one in [one for one in refused.values() if one not in self._told]:
            if await tell_refused(one, self._services):
                self._told.add(one)


def _not_asked(gap: Gap) -> Unknown:
    """What is known of a lag that nobody was asked for."""
    refused = gap.reason is Reason.BROKER_NOT_CAPABLE
    return Unknown(UnknownReason.BROKER_NOT_CAPABLE if refused else UnknownReason.BROKER_NOT_READY, gap.message)
