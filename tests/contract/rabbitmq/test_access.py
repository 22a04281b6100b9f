"""Listeners and rights of real nodes: what is missing is named, and the right that is needed is enough."""

from __future__ import annotations

from typing import Any

import pytest

from floodwarden.brokers.base import BrokerError
from floodwarden.core.observation import UnknownReason
from tests.contract.rabbitmq.conftest import Connect
from tests.contract.rabbitmq.looking import found_of, watching
from tests.contract.rabbitmq.real_rabbit import RealRabbit


async def test_https(rabbit: RealRabbit, connect: Connect) -> None:
    """With the CA, on the listener for it; without it the certificate is not trusted."""
    snapshot = await connect(rabbit.access(listener="management_tls")).observe([])
    assert (len(snapshot.nodes), snapshot.unreachable) == (3, ())
    assert snapshot.version == rabbit.facts["version"].partition("-")[0]
    assert snapshot.cluster
    with pytest.raises(BrokerError) as caught:
        await connect(rabbit.access(listener="management_tls", ca=None)).observe([])
    assert caught.value.reason is UnknownReason.AUTHENTICATION_FAILED


DENIED: dict[str, tuple[str, dict[str, Any], UnknownReason, str]] = {
    "wrong password": ("administrator", {"password": "wrong"}, UnknownReason.AUTHENTICATION_FAILED, "credentialsSecretRef"),
    "no tag": ("application", {}, UnknownReason.AUTHORIZATION_FAILED, "tag monitoring"),
    "another virtual host": ("administrator", {"vhost": "no/such"}, UnknownReason.BROKER_ERROR, "no virtual host no/such"),
    "the port of clients": ("administrator", {"urls": ("http://{amqp}",)}, UnknownReason.BROKER_UNREACHABLE, "managementURL"),
}


@pytest.mark.parametrize(("user", "changes", "reason", "says"), DENIED.values(), ids=DENIED)
async def test_what_is_denied(
    rabbit: RealRabbit, connect: Connect, user: str, changes: dict[str, Any], reason: UnknownReason, says: str
) -> None:
    """The reason and what to do about it."""
    if "urls" in changes:
        changes = {"urls": tuple(url.format(amqp=rabbit.facts["addresses"]["amqp"][0]) for url in changes["urls"])}
    with pytest.raises(BrokerError) as caught:
        await connect(rabbit.access(user, **changes)).observe([])
    assert caught.value.reason is reason, caught.value
    assert says in str(caught.value)


async def test_a_permission_for_nothing_is_enough(rabbit: RealRabbit, connect: Connect) -> None:
    """With the tag monitoring alone the virtual host is closed; with any permission on it all queues are there."""
    queue, vhost = rabbit.queue("classic"), rabbit.facts["vhost"]
    rabbit.tool("rabbitmqctl", "clear_permissions", "-p", vhost, "monitoring")
    broker = connect(rabbit.access("monitoring"))
    with pytest.raises(BrokerError) as caught:
        await broker.observe([watching(queue)])
    assert caught.value.reason is UnknownReason.AUTHORIZATION_FAILED
    assert "set_permissions" in str(caught.value)
    rabbit.tool("rabbitmqctl", "set_permissions", "-p", vhost, "monitoring", "^$", "^$", "^$")
    assert found_of(await broker.observe([watching(queue)]), queue) is not None
