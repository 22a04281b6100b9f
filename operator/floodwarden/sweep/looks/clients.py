"""What clients are to set: published as a ConfigMap for each policy, and looked for in the workloads that are labelled with it.

Asks the API server, never a broker: three lists for each namespace, and each ConfigMap once. ``core.delivery.publishing`` decides
about the ConfigMap, ``workloads`` looks after the workloads.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import structlog

from floodwarden.api.deliverypolicy import DeliveryPolicy
from floodwarden.api.resource import GROUP, VERSION
from floodwarden.cluster.configmaps import ConfigMapClient, ConfigMapProblem, Owner
from floodwarden.cluster.workloads import Labelled, WorkloadClient
from floodwarden.core.assess import Gap
from floodwarden.core.conditions import Notice
from floodwarden.core.delivery.clients import Wanted, rendered, wanted_of
from floodwarden.core.delivery.publishing import Published, Step, name_of_settings, step, told
from floodwarden.core.delivery.seen import Seen
from floodwarden.core.delivery.wishes import Wishes
from floodwarden.core.delivery.workloads import Config, config_of
from floodwarden.core.reasons import Reason
from floodwarden.sweep.looks.base import Round
from floodwarden.sweep.looks.workloads import LabelledWorkloads, Shown

_log = structlog.get_logger(__name__)

_WITHDRAWN = "is empty now: the policy asks nothing of clients any more, and those that mount it go by their own settings"
Named = tuple[str, str]
"""A ConfigMap by namespace and name."""


@dataclass(frozen=True, slots=True)
class _Gathered:
    """What the API server told of one audit."""

    labelled: Mapping[str, Labelled]
    config_maps: Mapping[Named, Published | ConfigMapProblem | None]


class ClientsLook:
    """Sends nothing unless a policy asks something of clients."""

    def __init__(self, workloads: WorkloadClient, config_maps: ConfigMapClient, calls: asyncio.Semaphore) -> None:
        """``calls`` bounds how many requests there are at once."""
        self._client = workloads
        self._config_maps = config_maps
        self._calls = calls
        self._workloads = LabelledWorkloads(workloads)
        self._settled: set[tuple[str, int]] = set()  # specs that ask nothing of clients, for which nothing is published
        self._configs: dict[Named, tuple[str, Config]] = {}  # with the version: a text is read once as long as it is the same

    def settings(self, policies: Collection[Wishes]) -> Collection[str]:
        """See ``Look.settings``."""
        return ()

    async def look(self, round: Round) -> Mapping[str, Seen]:
        """See ``Look.look``."""
        wanted = {wishes.name: wanted_of(wishes) for wishes in round.policies}
        asking = [wishes for wishes in round.policies if wanted[wishes.name]]
        policies = [round.resources[wishes.name] for wishes in asking]
        self._workloads.forget_but({(one.wishes.name, one.metadata.generation) for one in policies})
        gathered = await self._gather(policies)
        seen: dict[str, Seen] = {}
        for wishes, policy in zip(asking, policies, strict=True):
            published = await self._publish(wishes, wanted[wishes.name], round, gathered)
            shown = self._shown(policy, gathered)
            seen[wishes.name] = _joined(published, await self._workloads.look(wishes, wanted[wishes.name], round, shown))
        silent = [wishes for wishes in round.policies if not wanted[wishes.name]]
        of_silent = {(one.name, round.resources[one.name].metadata.generation): one for one in silent}
        self._settled &= of_silent.keys()
        for spec, wishes in of_silent.items():
            if spec not in self._settled:
                seen[wishes.name], settled = await self._withdraw(wishes, round)
                self._settled |= {spec} if settled else set()
        return seen

    async def _withdraw(self, wishes: Wishes, round: Round) -> tuple[Seen, bool]:
        """Empty what was published for a policy that asks nothing of clients any more; whether that needs no further look."""
        policy = round.resources[wishes.name]
        meta = policy.metadata
        name = name_of_settings(meta.name)
        found = await self._read(meta.namespace, name) if name is not None else None
        if found is None or isinstance(found, ConfigMapProblem):
            return Seen(), found is None or found.reason is not Reason.API_SERVER_UNREACHABLE
        taken = step(found, meta.uid, {}, acts=wishes.acts)
        if taken in (Step.FOREIGN, Step.NONE):
            return Seen(), True
        if taken is Step.WRITE and round.may_act(wishes.name):
            return await self._write(policy, found.name, found, {}), False  # the next audit sees that it is empty
        wrong = told(found, {}, taken)
        return Seen(violations=(wrong,) if wrong is not None else ()), False

    async def _gather(self, policies: Sequence[DeliveryPolicy]) -> _Gathered:
        namespaces = sorted({policy.metadata.namespace for policy in policies})
        answers = await asyncio.gather(*(self._list(namespace) for namespace in namespaces))
        labelled = dict(zip(namespaces, answers, strict=True))
        asking = {(policy.metadata.namespace, policy.metadata.name) for policy in policies}
        ours = ((policy.metadata.namespace, name_of_settings(policy.metadata.name)) for policy in policies)
        mounted = (
            (namespace, name)
            for namespace, found in labelled.items()
            for workload in found.workloads
            if (namespace, workload.policy) in asking
            for name in workload.config_maps
        )
        named = dict.fromkeys((namespace, name) for namespace, name in (*ours, *mounted) if name)
        read = await asyncio.gather(*(self._read(*one) for one in named))
        self._configs = {one: known for one, known in self._configs.items() if one in named}
        return _Gathered(labelled, dict(zip(named, read, strict=True)))

    async def _list(self, namespace: str) -> Labelled:
        async with self._calls:
            return await self._client.read(namespace)

    async def _read(self, namespace: str, name: str) -> Published | ConfigMapProblem | None:
        async with self._calls:
            return await self._config_maps.read(namespace, name)

    def _shown(self, policy: DeliveryPolicy, gathered: _Gathered) -> Shown:
        """What was read for one policy."""
        meta = policy.metadata
        labelled = gathered.labelled[meta.namespace]
        configs: dict[str, Config | None] = {}
        unreadable: dict[str, Gap] = {}
        for (namespace, name), found in gathered.config_maps.items():
            if namespace != meta.namespace:
                continue
            if isinstance(found, ConfigMapProblem):
                unreadable[name] = Gap(found.reason, found.message)
            else:
                configs[name] = self._config(found) if found is not None else None
        workloads = [workload for workload in labelled.workloads if workload.policy == meta.name]
        return Shown(workloads, labelled.problems, configs, unreadable)

    def _config(self, found: Published) -> Config:
        known = self._configs.get((found.namespace, found.name))
        if known is None or known[0] != found.version:
            known = self._configs[found.namespace, found.name] = found.version, config_of(found.data)
        return known[1]

    async def _publish(self, wishes: Wishes, wanted: Sequence[Wanted], round: Round, gathered: _Gathered) -> Seen:
        policy = round.resources[wishes.name]
        meta = policy.metadata
        name = name_of_settings(meta.name)
        if name is None:
            return Seen(unproven=("client settings are not published: the policy's name is too long for a ConfigMap's",))
        found, data = gathered.config_maps[meta.namespace, name], rendered(wanted, wishes.name)
        if isinstance(found, ConfigMapProblem):
            return Seen(gaps=(Gap(found.reason, found.message),), unread=frozenset({f"ConfigMap {meta.namespace}/{name}"}))
        taken = step(found, meta.uid, data, acts=wishes.acts)
        if taken in (Step.CREATE, Step.WRITE) and round.may_act(wishes.name):
            return await self._write(policy, name, found, data)
        wrong = told(found, data, taken) if found is not None else None
        return Seen(violations=(wrong,) if wrong is not None else ())

    async def _write(self, policy: DeliveryPolicy, name: str, found: Published | None, data: Mapping[str, str]) -> Seen:
        meta = policy.metadata
        if found is None:
            owner = Owner(f"{GROUP}/{VERSION}", policy.definition.kind, meta.name, meta.uid)
            written = await self._config_maps.create(meta.namespace, name, owner, data)
            what = "has the settings that clients are to use: mount it, or take variables from it"
        else:
            written = await self._config_maps.replace(found, data)
            what = "was put right: it has the settings that clients are to use" if data else _WITHDRAWN
        if isinstance(written, ConfigMapProblem) and written.denied:
            return Seen(unproven=(f"client settings are not published: {written.message}",))
        if isinstance(written, ConfigMapProblem):
            return Seen(gaps=(Gap(written.reason, written.message),))
        _log.info("client settings published", policy=policy.wishes.name, config_map=name)
        return Seen(notices=(Notice(False, Reason.CLIENT_SETTINGS_PUBLISHED, f"{written} {what}"),))


def _joined(one: Seen, other: Seen) -> Seen:
    return Seen(
        violations=(*one.violations, *other.violations),
        gaps=(*one.gaps, *other.gaps),
        unproven=(*one.unproven, *other.unproven),
        notices=(*one.notices, *other.notices),
        unread=one.unread | other.unread,
    )
