"""Fixtures of the tests against a real API server."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from floodhack.instance import CHECKOUT
from floodwarden.api.crd import RESOURCES
from floodwarden.api.resource import GROUP
from tests.support.kubectl import Kubectl


@pytest.fixture(scope="session")
def crds(kubectl: Kubectl) -> Iterator[None]:
    """The CRDs of this checkout in the cluster, served. Those that were not there before are deleted at the end, with every
    object of theirs: a Helm release does not take over what another has made."""
    names = [f"{resource.definition.plural}.{GROUP}" for resource in RESOURCES]
    present = {item["metadata"]["name"] for item in json.loads(kubectl.run("get", "crds", "-o", "json"))["items"]}
    for name in names:
        path = CHECKOUT / "crds" / f"{name.removesuffix(f'.{GROUP}')}.yaml"
        kubectl.run("apply", "--server-side", "--force-conflicts", "-f", str(path))
    kubectl.run("wait", "--for=condition=Established", "--timeout=30s", *(f"crd/{name}" for name in names))
    yield
    for name in names:
        if name not in present:
            kubectl.run("delete", "crd", name, "--ignore-not-found", "--timeout=60s", within=70)
