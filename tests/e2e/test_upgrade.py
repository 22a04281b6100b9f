"""From the previous version to this one, by `helm upgrade`, with resources in place and a real backlog under watch.

What is upgraded from lies in tests/e2e/previous. Uses the cluster of the current instance, where Floodwarden must not be
installed yet.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from floodhack.imagebuild import TARGETS
from floodhack.instance import CHECKOUT
from floodhack.kustomize import CHART, NAMESPACE
from tests.conftest import Cluster
from tests.contract.kafka.conftest import kafka as kafka
from tests.contract.kafka.real_kafka import RealKafka
from tests.e2e.test_chart import CRDS, Site
from tests.e2e.test_chart import site as site
from tests.integration.loop.replica_log import replica_log
from tests.integration.loop.shop import BROKER, POLICY, Shop
from tests.support import release as floodwarden
from tests.support.kubectl import Kubectl
from tests.support.operator_process import OperatorProcess

PREVIOUS = CHECKOUT / "tests" / "e2e" / "previous" / "floodwarden-0.1.0.tgz"
SECRET = "kafka-user"


@pytest.fixture(scope="module")
def images() -> None:
    """The images of the previous operator and of the consumers, in the node."""
    for target in ("previous", "demo"):
        command = [sys.executable, str(CHECKOUT / "hack" / "image"), "load", "--target", target]
        assert subprocess.run(command, stdout=sys.stderr, check=False).returncode == 0, f"hack/image load --target {target}"


@pytest.fixture
def previous(site: Site, images: None) -> Site:
    """The cluster with the previous version, as its chart installs it."""
    site.remove_everything()
    values = {name: value for name, value in floodwarden.values().items() if name != "replicas"}  # which it does not know
    repository, tag = TARGETS["previous"].tag.rsplit(":", 1)
    values["image"] = {**values["image"], "repository": repository, "tag": tag}
    place = (floodwarden.NAME, str(PREVIOUS), "--create-namespace", *floodwarden.WAIT)
    site.release.run("install", *place, "--values", "-", stdin=json.dumps(values))
    return site


@pytest.fixture
def shop(previous: Site, cluster: Cluster, kubectl: Kubectl, kafka: RealKafka, tmp_path: Path) -> Iterator[Shop]:
    """A shop that is served by the operator in the pod, which listens on the node's network."""
    pod = OperatorProcess(cluster.kubeconfig, tmp_path / "none.log", floodwarden.port())
    with Shop(kubectl, kafka, pod) as shop:
        yield shop


def deployment(site: Site) -> dict[str, Any]:
    """The operator's Deployment."""
    return site.kubectl.get("deployment", "floodwarden", namespace=NAMESPACE)


def test_an_upgrade_with_resources_in_place(previous: Site, shop: Shop, kafka: RealKafka) -> None:
    """MessageBroker, policy, Secret and what was learnt are still there, the CRDs are the new ones, the operator goes on
    deciding, and nothing was scaled because of it."""
    shop.make_topic(4)
    shop.produce(150)  # work enough to see what one replica can do
    user = kafka.facts["scram"]
    shop.secret(SECRET, username=user["username"], password=user["password"])
    security = {"protocol": "SASL_PLAINTEXT", "mechanism": "SCRAM-SHA-512", "credentialsSecretRef": {"name": SECRET}}
    shop.broker(kafka={"bootstrapServers": kafka.facts["bootstrap"]["SASL_PLAINTEXT"], "security": security})
    shop.consumers(2, capacity=20)
    shop.policy(maxLag={"messages": 2000}, consumers={"minReplicas": 2})
    shop.await_status(lambda s: s.get("capacity", {}).get("basis") == "Measured", "capacity measured")
    learnt = shop.await_status(lambda s: s["lag"]["messages"] == 0, "the first backlog gone")["capacity"]
    with shop.stream(15) as stream, replica_log(shop.kubectl, POLICY, shop.namespace) as replicas:
        shop.await_status(lambda s: s.get("rates", {}).get("produced", 0) > 10, "the stream is seen")
        shop.policy(maxLag={"messages": 60}, consumers={"minReplicas": 2})
        shop.let_it_decide(6)
        kinds = "fwmb,fwbp,secrets,deployments"
        objects, told = previous.uids(kinds, shop.namespace), shop.events()
        assert objects.keys() >= {BROKER, POLICY, SECRET}

        previous.release.put()

        version = yaml.safe_load((CHART / "Chart.yaml").read_text())["version"]
        for name in CRDS:
            ours = yaml.safe_load((CHECKOUT / "crds" / f"{name.partition('.')[0]}.yaml").read_text())["spec"]["versions"]
            stored = previous.kubectl.get("crd", name)["spec"]["versions"]
            assert [one["schema"] for one in stored] == [one["schema"] for one in ours]
        (pod,) = [
            found
            for found in previous.kubectl.objects("pods", namespace=NAMESPACE)
            if "deletionTimestamp" not in found["metadata"]
        ]
        assert pod["metadata"]["labels"]["app.kubernetes.io/version"] == version
        # The old operator took no Leases: had both run at once, both would have decided.
        assert deployment(previous)["spec"]["strategy"] == {"type": "Recreate"}

        assert previous.uids(kinds, shop.namespace) == objects
        assert shop.status()["capacity"]["perReplica"] == pytest.approx(learnt["perReplica"], rel=0.3)
        shop.let_it_decide(20)
        shop.await_condition("Ready", "True", "Sweeping", name=BROKER, kind="fwmb")
        shop.await_condition("WithinLag", "True", "WithinLimit")
        assert shop.events() == told
        assert replicas == [2]

        stream.rate = 70
        shop.await_replicas(4)
    assert replicas == [2, 4]

    previous.release.put(more={"podLabels": {"step": "next"}})
    assert deployment(previous)["spec"]["strategy"]["type"] == "RollingUpdate"
