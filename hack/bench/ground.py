"""What the bench stands on: a cluster, brokers, the resources' definitions. What runs is used; what is started is ended."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import yaml
from api import Api, Object

from floodhack.engine import choose
from floodhack.errors import HackError
from floodhack.instance import CHECKOUT, Instance
from floodhack.kafka import Kafka
from floodhack.kafka_settings import NODES
from floodhack.locking import lock
from floodhack.waiting import until

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
# What is in the bench's namespaces, policies first, so that nothing is scaled while it goes.
COLLECTIONS = (
    "floodwarden.dev/v1alpha1/namespaces/{}/backlogpolicies",
    "floodwarden.dev/v1alpha1/namespaces/{}/deliverypolicies",
    "floodwarden.dev/v1alpha1/namespaces/{}/messagebrokers",
    "bench.floodwarden.dev/v1/namespaces/{}/workers",
    "apps/v1/namespaces/{}/deployments",
)
WORKERS = "workers.bench.floodwarden.dev"
GROUP = "bench.floodwarden.dev"
# Something to scale that costs the cluster nothing but the object: the operator reads and writes its scale like any other.
WORKER: Object = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": WORKERS},
    "spec": {
        "group": GROUP,
        "names": {"kind": "Worker", "plural": "workers", "singular": "worker"},
        "scope": "Namespaced",
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {"scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}},
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {"spec": {"type": "object", "properties": {"replicas": {"type": "integer"}}}},
                    }
                },
            }
        ],
    },
}


@dataclass(frozen=True)
class Ground:
    """Cluster and brokers, as the parts of the bench use them."""

    instance: Instance
    api: Api
    bootstrap: list[str]

    @property
    def broker_ports(self) -> set[int]:
        """Where the brokers listen."""
        return {int(address.rpartition(":")[2]) for address in self.bootstrap}


@contextmanager
def ground() -> Iterator[Ground]:
    """Bring up what does not run, and take down at the end what was brought up."""
    instance = Instance.current()
    with ExitStack() as stack:
        stack.enter_context(lock(instance.run / "bench" / "lock", "another bench on this instance"))
        kafka = Kafka(instance)
        if not choose(instance).running():
            stack.callback(_hack, "cluster", "down")
        if not any(kafka.set.daemon(node).pid() for node in NODES):
            stack.callback(_hack, "brokers", "down", "kafka")
        _must("cluster", "up")
        _must("brokers", "up", "kafka")
        api = Api(instance.kubeconfig)
        _nobody_else(api)
        manifests = [yaml.safe_load(path.read_text()) for path in sorted((CHECKOUT / "crds").glob("*.yaml"))]
        for manifest in (*manifests, WORKER):
            path = f"{DEFINITIONS}/{manifest['metadata']['name']}"
            if not api.get(path):
                stack.callback(api.delete, path)
            api.apply(DEFINITIONS, manifest)
            until(lambda path=path: _served(api.get(path)), seconds=30, what=f"waiting for {path}")  # type: ignore[misc]
        yield Ground(instance, api, kafka.set.bootstrap("PLAINTEXT"))


def load_consumers() -> None:
    """The image of the demo's consumers, in the node."""
    _must("image", "load", "--target", "demo")


@contextmanager
def namespace(api: Api, prefix: str) -> Iterator[str]:
    """A namespace of one's own, its name; at the end it goes with all that is in it, which nobody waits for."""
    meta = {"generateName": f"{prefix}-"}
    name = str(api.send("POST", "/api/v1/namespaces", {"metadata": meta})["metadata"]["name"])
    try:
        yield name
    finally:
        for collection in COLLECTIONS:
            api.delete(f"/apis/{collection.format(name)}")
        api.delete(f"/api/v1/namespaces/{name}")


def _served(definition: Object) -> bool:
    found = definition.get("status", {}).get("conditions") or []
    return any(one["type"] == "Established" and one["status"] == "True" for one in found)


def _nobody_else(api: Api) -> None:
    """Another operator would act on the bench's policies as well."""
    selector = "labelSelector=app.kubernetes.io/name%3Dfloodwarden"
    for found in api.get(f"/apis/apps/v1/deployments?{selector}").get("items", []):
        if found["spec"].get("replicas", 0) > 0:
            meta = found["metadata"]
            raise HackError(f"Floodwarden runs in this cluster ({meta['namespace']}/{meta['name']}): scale it to 0 first")


def _hack(script: str, *args: str) -> int:
    command = [sys.executable, str(CHECKOUT / "hack" / script), *args]
    return subprocess.run(command, stdout=sys.stderr, check=False).returncode


def _must(script: str, *args: str) -> None:
    if _hack(script, *args) != 0:
        raise HackError(f"hack/{script} {' '.join(args)} failed: run it by hand")
