"""``list_objects`` against a real API server: what exists, without its contents."""

from __future__ import annotations

import pytest

from floodwarden.cluster.listing import Listed, list_objects
from floodwarden.cluster.rest import Rest
from tests.contract.cluster.conftest import Limited
from tests.contract.cluster.manifests import WIDGETS, rule, widget
from tests.support.kubectl import Kubectl

pytestmark = pytest.mark.usefixtures("widgets")


@pytest.mark.parametrize("everywhere", [True, False])
async def test_objects_are_listed_with_their_generation(rest: Rest, kubectl: Kubectl, namespace: str, everywhere: bool) -> None:
    """In all namespaces or in those named; the generation counts changes of the spec."""
    kubectl.apply([widget("a", replicas=1), widget("b")], namespace=namespace)
    kubectl.apply(widget("a", replicas=2), namespace=namespace)
    listed = await list_objects(rest, WIDGETS, "widgets", None if everywhere else [namespace])
    assert listed is not None
    uids = {name: kubectl.get("widgets", name, namespace=namespace)["metadata"]["uid"] for name in ("a", "b")}
    ours = {item for item in listed if item.namespace == namespace}
    assert ours == {Listed(namespace, "a", uids["a"], 2), Listed(namespace, "b", uids["b"], 1)}
    assert everywhere or set(listed) == ours


async def test_a_list_that_fails_is_not_an_empty_one(limited: Limited, namespace: str) -> None:
    """One namespace of several that cannot be listed makes the whole unknown."""
    rest = await limited(rule("*", "widgets", "list"))
    assert await list_objects(rest, WIDGETS, "widgets", [namespace]) == []
    assert await list_objects(rest, WIDGETS, "widgets", [namespace, "default"]) is None
