"""The look at clients: how often it asks the API server, what it writes and when, and that each thing is told once."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, cast

import pytest

from floodwarden.api.deliverypolicy import DeliveryPolicy
from floodwarden.brokers.base import SettingsBroker
from floodwarden.cluster.configmaps import ConfigMapClient
from floodwarden.cluster.workloads import WorkloadClient
from floodwarden.core.delivery.seen import Seen
from floodwarden.core.delivery.workloads import LABEL
from floodwarden.core.reasons import Reason
from floodwarden.sweep.looks.base import Round
from floodwarden.sweep.looks.clients import ClientsLook
from tests.support.api import FewObjects, Object
from tests.support.delivery import survey

CLIENTS: Object = {"acks": "All", "consumption": {"acknowledge": "AfterProcessing"}}
PATCHES: Object = {**CLIENTS, "mode": "Enforce", "workloads": "Patch"}
WRONG, RIGHT = {"KAFKA_ACKS": "1", "ENABLE_AUTO_COMMIT": "true"}, {"KAFKA_ACKS": "all", "ENABLE_AUTO_COMMIT": "false"}


def policy(name: str = "safe", *, namespace: str = "shop", generation: int = 1, **spec: Any) -> DeliveryPolicy:
    """A DeliveryPolicy with these fields."""
    metadata = {"name": name, "namespace": namespace, "uid": f"uid-{name}", "generation": generation}
    wanted = {"brokerRef": {"name": "main"}, "match": {"names": ["*"]}, **spec}
    return DeliveryPolicy.parse({"metadata": metadata, "spec": wanted})


class Site:
    """A few objects, and the look at them."""

    def __init__(self) -> None:
        self.api = FewObjects()
        self._look = ClientsLook(WorkloadClient(self.api), ConfigMapClient(self.api), asyncio.Semaphore(4))

    def deployment(
        self, name: str, env: Mapping[str, str], *, namespace: str = "shop", mounts: Sequence[str] = (), policy: str = "safe"
    ) -> None:
        """One that is labelled and has rolled out; it mounts some ConfigMaps."""
        container = {
            "name": "main",
            "env": [{"name": key, "value": value} for key, value in env.items()],
            "volumeMounts": [{"name": mount, "mountPath": f"/etc/{mount}"} for mount in mounts],
        }
        pod = {"containers": [container], "volumes": [{"name": mount, "configMap": {"name": mount}} for mount in mounts]}
        found = {
            "metadata": {"labels": {LABEL: policy}},
            "spec": {"replicas": 0, "template": {"spec": pod}},
            "status": {"observedGeneration": 1},
        }
        self.api.put(f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}", found)

    def config_map(self, name: str, data: Mapping[str, str]) -> None:
        self.api.put(f"/api/v1/namespaces/shop/configmaps/{name}", {"data": dict(data)})

    def env_of(self, name: str) -> dict[str, str]:
        found = self.api.objects[f"/apis/apps/v1/namespaces/shop/deployments/{name}"]
        return {entry["name"]: entry["value"] for entry in found["spec"]["template"]["spec"]["containers"][0]["env"]}

    async def look(self, *policies: DeliveryPolicy, may_act: bool = True) -> Seen:
        """What one audit brings the first policy."""
        self.api.requests.clear()
        wishes = [one.wishes for one in policies]
        made = Round(
            adapter=cast(SettingsBroker, None),  # it is never asked
            survey=survey(),
            policies=wishes,
            findings={},
            at=0.0,
            resources={one.wishes.name: one for one in policies},
            may_act=lambda _: may_act,
        )
        return (await self._look.look(made)).get(wishes[0].name, Seen())


@pytest.fixture
def site() -> Site:
    return Site()


def reasons(seen: Seen) -> list[Reason]:
    return [notice.reason for notice in seen.notices]


async def test_nobody_is_asked_unless_a_policy_wants_it(site: Site) -> None:
    """A policy for topics alone costs one request for each spec: there may be what an earlier spec had published."""
    assert await site.look(policy(retention={"atLeast": "1h"})) == Seen()
    assert len(site.api.requests) == 1
    assert await site.look(policy(retention={"atLeast": "1h"})) == Seen()
    assert site.api.requests == []


async def test_what_is_not_asked_for_any_more_is_emptied(site: Site) -> None:
    """Those that mount it would go on with the settings of a policy that no longer speaks of them."""
    await site.look(policy(**CLIENTS))
    later = policy(generation=2, retention={"atLeast": "1h"})
    kept = await site.look(later, may_act=False)
    assert (kept.notices, site.api.written()) == ((), [])
    assert reasons(await site.look(later)) == [Reason.CLIENT_SETTINGS_PUBLISHED]
    assert site.api.objects["/api/v1/namespaces/shop/configmaps/safe-client-settings"]["data"] == {}
    assert await site.look(later) == Seen()
    await site.look(later)
    assert site.api.requests == []


async def test_another_ones_config_map_is_not_emptied(site: Site) -> None:
    """It has the name, but does not belong to the policy."""
    site.config_map("safe-client-settings", {"a": "b"})
    assert await site.look(policy(retention={"atLeast": "1h"}, mode="Enforce")) == Seen()
    assert site.api.written() == []


async def test_requests_do_not_grow_with_workloads(site: Site) -> None:
    """Three lists for a namespace, one ConfigMap for each policy, and each that is mounted once; nothing is written again."""
    site.config_map("shared", {"a.properties": "acks=all\n"})
    for number in range(20):
        site.deployment(f"producer-{number}", RIGHT, mounts=("shared", "safe-client-settings"))
    policies = [policy(), policy("other", **CLIENTS), policy("third", acks="All")]
    first, *others = policies
    first = policy(**CLIENTS)
    await site.look(first, *others)
    assert len(site.api.written()) == 3
    await site.look(first, *others)
    assert site.api.written() == []
    assert len(site.api.requests) == 3 + 3 + 1
    assert len(site.api.requests) == len(set(site.api.requests))


async def test_what_may_not_act_writes_nothing(site: Site) -> None:
    """Neither the ConfigMap nor a Deployment: the policy was edited meanwhile, or another replica has the share."""
    site.deployment("producer", WRONG)
    seen = await site.look(policy(**PATCHES), may_act=False)
    assert site.api.written() == []
    assert {one.setting for one in seen.violations} == {"acks", "enable.auto.commit"}
    assert not seen.notices


async def test_publishing_is_told_once(site: Site) -> None:
    """With the Event of its creation, and of each time that it was put right."""
    enforced = policy(mode="Enforce", **CLIENTS)
    assert reasons(await site.look(enforced)) == [Reason.CLIENT_SETTINGS_PUBLISHED]
    assert reasons(await site.look(enforced)) == []
    path = "/api/v1/namespaces/shop/configmaps/safe-client-settings"
    site.api.put(path, {**site.api.objects[path], "data": {"x": "y"}})
    assert reasons(await site.look(enforced)) == [Reason.CLIENT_SETTINGS_PUBLISHED]
    assert "x" not in site.api.objects[path]["data"]


async def test_a_right_to_publish_that_was_taken_away_is_said(site: Site) -> None:
    """What is not published is no difference, and no failure of the audit."""
    site.api.denied.append(("POST", "configmaps"))
    seen = await site.look(policy(**CLIENTS))
    assert not seen.gaps
    assert any("rbac.publishClientSettings" in sentence for sentence in seen.unproven)


async def test_one_rollout_after_another(site: Site) -> None:
    """Each audit corrects one Deployment, and tells it."""
    for name in ("b", "a"):
        site.deployment(name, WRONG)
    enforced = policy(**PATCHES)
    first = await site.look(enforced)
    assert reasons(first) == [Reason.CLIENT_SETTINGS_PUBLISHED, Reason.WORKLOAD_PATCHED]
    assert (site.env_of("a"), site.env_of("b")) == (RIGHT, WRONG)
    assert reasons(await site.look(enforced)) == [Reason.WORKLOAD_PATCHED]
    assert (site.env_of("a"), site.env_of("b")) == (RIGHT, RIGHT)
    last = await site.look(enforced)
    assert (last.violations, last.notices, site.api.written()) == ((), (), [])


async def test_who_puts_it_back_is_left(site: Site) -> None:
    """Two corrections, and no third; an edited policy tries again."""
    enforced = policy(mode="Enforce", workloads="Patch", acks="All")
    for _ in range(2):
        site.deployment("producer", {"KAFKA_ACKS": "1"})
        assert Reason.WORKLOAD_PATCHED in reasons(await site.look(enforced))
    site.deployment("producer", {"KAFKA_ACKS": "1"})
    seen = await site.look(enforced)
    assert site.api.written() == []
    (told,) = seen.violations
    assert "put back each time" in told.reason
    await site.look(policy(mode="Enforce", workloads="Patch", acks="All", generation=2))
    assert site.env_of("producer") == {"KAFKA_ACKS": "all"}


async def test_a_missing_right_is_told_once(site: Site) -> None:
    """In the difference as long as it lasts, as an Event once; and with the right it goes on."""
    site.deployment("producer", WRONG)
    site.api.denied.append(("PATCH", "deployments"))
    enforced = policy(**PATCHES)
    first, second = await site.look(enforced), await site.look(enforced)
    assert reasons(first) == [Reason.CLIENT_SETTINGS_PUBLISHED, Reason.REPAIR_FAILED]
    assert reasons(second) == []
    assert all("rbac.patchWorkloads" in one.reason for one in second.violations)
    site.api.denied.clear()
    assert reasons(await site.look(enforced)) == [Reason.WORKLOAD_PATCHED]


async def test_one_that_is_refused_holds_nobody_up(site: Site) -> None:
    """It is tried again after the others."""
    for name in ("a", "b"):
        site.deployment(name, WRONG)
    site.api.denied.append(("PATCH", "deployments/a"))
    enforced = policy(**PATCHES)
    for _ in range(3):
        await site.look(enforced)
    assert (site.env_of("a"), site.env_of("b")) == (WRONG, RIGHT)
    assert site.api.written() == ["PATCH /apis/apps/v1/namespaces/shop/deployments/a"]


async def test_what_cannot_be_listed_is_not_gone(site: Site) -> None:
    """What was told of such workloads is not told anew once they can be listed again, and nothing is said to be in order."""
    site.deployment("producer", WRONG)
    audits = policy(**CLIENTS)
    (resource,) = {one.resource for one in (await site.look(audits)).violations}
    site.api.denied.append(("GET", "deployments"))
    for _ in range(2):
        seen = await site.look(audits)
        assert seen.violations == ()
        assert seen.unread == {resource}
        assert any("grant list on deployments" in gap.message for gap in seen.gaps)
    site.api.denied.clear()
    assert (await site.look(audits)).unread == frozenset()


async def test_a_configmap_that_cannot_be_read(site: Site) -> None:
    """It is a gap of the policies whose workloads mount it, and of no other; what else is told of them stays told."""
    site.config_map("app", {"a.properties": "acks=1"})
    site.deployment("producer", {"ENABLE_AUTO_COMMIT": "true"}, mounts=("app",))
    site.deployment("another", RIGHT, policy="other")
    site.api.denied.append(("GET", "configmaps/app"))
    seen = await site.look(policy(**CLIENTS), policy("other", **CLIENTS))
    assert [one.setting for one in seen.violations] == ["enable.auto.commit"]
    assert len(seen.gaps) == 1
    assert seen.unread == {"Deployment shop/producer"}
    other = await site.look(policy("other", **CLIENTS), policy(**CLIENTS))
    assert other.gaps == ()


async def test_other_namespaces_are_not_looked_into(site: Site) -> None:
    """The label means the policy of the workload's own namespace."""
    site.deployment("producer", WRONG, namespace="bank")
    seen = await site.look(policy(**PATCHES))
    assert seen.violations == ()
    assert not [request for request in site.api.requests if "/bank/" in request]


async def test_names_that_are_too_long(site: Site) -> None:
    """For a label's value, or for a ConfigMap: said, and nothing is asked for."""
    label = await site.look(policy("p" * 64, **CLIENTS))
    assert any("too long for a label" in sentence for sentence in label.unproven)
    both = await site.look(policy("p" * 250, **CLIENTS))
    assert any("too long for a ConfigMap" in sentence for sentence in both.unproven)
    assert both.notices == ()
