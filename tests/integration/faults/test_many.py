"""Five hundred policies come at once, and go at once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import yaml

from tests.contract.cluster.manifests import SCALE, crd
from tests.integration.loop.shop import API, BROKER, Shop
from tests.support.kubectl import Kubectl, Object, conditions

MANY = 500


@pytest.fixture(scope="module")
def tills(kubectl: Kubectl) -> Iterator[str]:
    """Something to scale that costs no pods; the apiVersion of the kind Till."""
    group = "faults.floodwarden.dev"
    kubectl.apply(crd("Till", scale=SCALE, group=group))
    kubectl.wait_for_condition("crd", f"tills.{group}", "Established")
    yield f"{group}/v1"
    kubectl.delete("crd", f"tills.{group}")


def till(number: int, api_version: str) -> Object:
    return {"apiVersion": api_version, "kind": "Till", "metadata": {"name": f"till-{number}"}, "spec": {"replicas": 1}}


def policy(number: int, api_version: str, shop: Shop) -> Object:
    return {
        "apiVersion": API,
        "kind": "BacklogPolicy",
        "metadata": {"name": f"till-{number}", "labels": {"many": "yes"}},
        "spec": {
            "brokerRef": {"name": BROKER},
            "subscription": {"group": shop.group, "topics": [shop.topic]},
            "maxLag": {"messages": 100},
            "consumers": {
                "targetRef": {"apiVersion": api_version, "kind": "Till", "name": f"till-{number}"},
                "minReplicas": 2,
            },
        },
    }


def create(shop: Shop, objects: list[Object]) -> None:
    """Create them all with one command."""
    shop.kubectl.run("create", "-n", shop.namespace, "-f", "-", stdin=yaml.dump_all(objects, Dumper=yaml.CSafeDumper), within=300)


def test_five_hundred_policies_come_and_go(shop: Shop, tills: str) -> None:
    """Each is told and carried out once, sweeps go on meanwhile, and all are gone when they are deleted, metrics and all."""
    shop.make_topic(4)
    shop.broker()
    shop.idle(1)
    shop.policy()
    shop.await_condition("WithinLag", "True", "WithinLimit")
    create(shop, [till(number, tills) for number in range(MANY)])
    create(shop, [policy(number, tills, shop) for number in range(MANY)])

    def served() -> int:
        found = shop.kubectl.objects("fwbp", namespace=shop.namespace)
        assert not [one for one in found if one["metadata"].get("finalizers")], "Floodwarden sets no finalizers"
        return sum(conditions(one).get("Ready", {}).get("reason") == "Watching" for one in found)

    shop.until(lambda: served() == MANY + 1, "all policies carried out", within=180)

    def replicas() -> set[int]:
        return {one["spec"]["replicas"] for one in shop.kubectl.objects("tills", namespace=shop.namespace)}

    shop.until(lambda: replicas() == {2}, "all at their minimum", within=120)
    generations = {one["metadata"]["generation"] for one in shop.kubectl.objects("tills", namespace=shop.namespace)}
    assert generations == {2}, "each was scaled once"
    shop.let_it_decide(4)
    assert shop.operator.get("/healthz")[0] == 200

    where = f"/apis/{API}/namespaces/{shop.namespace}/backlogpolicies?labelSelector=many%3Dyes"
    shop.kubectl.run("delete", "--raw", where)
    shop.until(lambda: len(shop.kubectl.objects("fwbp", namespace=shop.namespace)) == 1, "none held by a finalizer")
    shop.await_status(lambda s: s["policies"] == 1, "the broker counts them no more", kind="fwmb", name=BROKER)
    shop.until(lambda: 'policy="till-' not in shop.operator.get("/metrics")[1], "their metrics gone")
    shop.let_it_decide(4)
    assert shop.condition("Ready") == ("True", "Watching")
    assert replicas() == {2}, "nothing is scaled for policies that are gone"
