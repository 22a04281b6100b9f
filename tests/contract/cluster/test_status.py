"""``StatusWriter`` against a real API server: the whole status, only the status, of the object that was meant."""

from __future__ import annotations

import pytest

from floodwarden.cluster.rest import Rest
from floodwarden.cluster.status import StatusOutcome, StatusWriter
from tests.contract.cluster.conftest import Limited
from tests.contract.cluster.manifests import WIDGET_RESOURCE, rule, widget
from tests.support.kubectl import Kubectl, Object

pytestmark = pytest.mark.usefixtures("widgets")


@pytest.fixture
def policy(kubectl: Kubectl, namespace: str) -> Object:
    """A custom resource with a spec."""
    kubectl.apply(widget("policy", catchUp="60s"), namespace=namespace)
    return kubectl.get("widgets", "policy", namespace=namespace)


async def test_the_status_is_replaced_and_nothing_else(rest: Rest, kubectl: Kubectl, namespace: str, policy: Object) -> None:
    """Fields that the new status leaves out are gone, those it sets to zero are there, the spec is as it was."""
    writer = StatusWriter(rest)
    statuses: list[Object] = [{"lag": 3, "note": "over the limit"}, {"lag": 0}]
    for status in statuses:
        result = await writer.write(WIDGET_RESOURCE, namespace, "policy", policy["metadata"]["uid"], status)
        assert result.outcome is StatusOutcome.WRITTEN
        stored = kubectl.get("widgets", "policy", namespace=namespace)
        assert stored["status"] == status
    assert stored["spec"] == {"catchUp": "60s"}
    assert stored["metadata"]["generation"] == policy["metadata"]["generation"]


async def test_a_status_that_says_the_same_changes_nothing(rest: Rest, kubectl: Kubectl, namespace: str, policy: Object) -> None:
    """No new resourceVersion, so no watcher wakes."""
    writer, versions = StatusWriter(rest), set()
    for _ in range(2):
        await writer.write(WIDGET_RESOURCE, namespace, "policy", policy["metadata"]["uid"], {"lag": 3})
        versions.add(kubectl.get("widgets", "policy", namespace=namespace)["metadata"]["resourceVersion"])
    assert len(versions) == 1


async def test_a_deleted_object_is_no_error(rest: Rest, kubectl: Kubectl, namespace: str, policy: Object) -> None:
    """Deleted, or deleted and made anew: it is gone, and the new one is left alone."""
    writer, uid = StatusWriter(rest), policy["metadata"]["uid"]
    kubectl.delete("widgets", "policy", namespace=namespace)
    assert (await writer.write(WIDGET_RESOURCE, namespace, "policy", uid, {"lag": 3})).outcome is StatusOutcome.GONE
    kubectl.apply(widget("policy"), namespace=namespace)
    assert (await writer.write(WIDGET_RESOURCE, namespace, "policy", uid, {"lag": 3})).outcome is StatusOutcome.GONE
    assert "status" not in kubectl.get("widgets", "policy", namespace=namespace)


async def test_a_status_that_does_not_fit_is_refused(rest: Rest, namespace: str, policy: Object) -> None:
    """The API server's words say which field."""
    result = await StatusWriter(rest).write(WIDGET_RESOURCE, namespace, "policy", policy["metadata"]["uid"], {"lag": "many"})
    assert result.outcome is StatusOutcome.REFUSED
    assert "status.lag" in result.message


async def test_without_the_right_it_is_forbidden(limited: Limited, namespace: str, policy: Object) -> None:
    """The right to patch the resource is not the right to patch its status."""
    rest = await limited(rule("*", "widgets", "patch", "get", "update"))
    result = await StatusWriter(rest).write(WIDGET_RESOURCE, namespace, "policy", policy["metadata"]["uid"], {"lag": 1})
    assert result.outcome is StatusOutcome.FORBIDDEN
    assert "widgets/status" in result.message
