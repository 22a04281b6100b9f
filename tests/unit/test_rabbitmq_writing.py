"""Operator policies written through a fake management API: ours and nothing else, seen to be there, refused with a reason."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web

from floodwarden.brokers.rabbitmq import Access, RabbitSettings, settings
from floodwarden.core.delivery.survey import Change
from floodwarden.core.observation import UnknownReason
from tests.support.rabbit import FakeManagement
from tests.support.rabbit_audit import BODY, GONE, NAME, PASSWORD, WRITTEN, asked, refusing, told
from tests.support.rabbit_audit import adapter as adapter
from tests.support.rabbit_audit import fake as fake


class Store:
    """Operator policies in memory, which queues show some looks later."""

    def __init__(self, fake: FakeManagement) -> None:
        self.fake = fake
        self.kept: dict[str, Any] = {}
        self.looks = 0
        fake.answers |= {"operator-policies": self.policies, "queues": self.queues}

    async def policies(self, request: web.Request) -> web.Response:
        name = request.path.rpartition("/operator-policies/")[2].partition("/")[2]
        self.looks = 0
        if request.method == "PUT":
            self.kept[name] = await request.json()
            return web.Response(status=201)
        if name not in self.kept:
            return web.json_response({"error": "Object Not Found", "reason": "Not Found"}, status=404)
        del self.kept[name]
        return web.Response(status=204)

    async def queues(self, _: web.Request) -> web.Response:
        self.looks += 1
        if (self.looks >= 3) is (NAME in self.kept):
            return web.json_response([told(operator_policy=NAME, effective_policy_definition={"delivery-limit": 5})])
        return web.json_response([told(), told("payments")])


async def test_what_is_written_and_taken_away(fake: FakeManagement, adapter: RabbitSettings) -> None:
    """Just that, under its name in one segment of the path; it returns once queues show it, and at once where it is gone."""
    store = Store(fake)
    assert await adapter.write([WRITTEN]) == {}
    assert store.kept == {NAME: BODY}
    assert store.looks == 3
    assert await adapter.write([GONE]) == {}
    assert store.kept == {}
    assert store.looks == 0
    assert asked(fake, "PUT") == asked(fake, "DELETE") == ["/api/operator-policies/shop/floodwarden:shop%2Forders"]


async def test_what_is_gone_already(fake: FakeManagement, adapter: RabbitSettings) -> None:
    """Is no failure, if RabbitMQ says so itself."""
    Store(fake)
    assert await adapter.write([GONE]) == {}
    fake.answers["operator-policies"] = refusing(404)
    failed = await adapter.write([GONE])
    assert failed[GONE].reason is UnknownReason.BROKER_ERROR


NOT_OURS = {
    "somebody's operator policy": Change("platform", "definition", WRITTEN.value, "", "operator policy"),
    "another setting": Change(NAME, "priority", "1", "", "operator policy"),
    "a policy": Change(NAME, "definition", WRITTEN.value, "", "policy"),
    "a queue": Change("orders", "delivery-limit", "5", "none", "queue"),
}


@pytest.mark.parametrize("change", NOT_OURS.values(), ids=NOT_OURS)
async def test_what_is_never_written(fake: FakeManagement, adapter: RabbitSettings, change: Change) -> None:
    """It is refused without asking anybody; what else is to be written is."""
    store = Store(fake)
    failed = await adapter.write([change, WRITTEN])
    assert list(failed) == [change]
    assert failed[change].reason is UnknownReason.UNSUPPORTED
    assert store.kept == {NAME: BODY}


REFUSALS = {
    "no administrator": (
        refusing(401, "not_authorised", "Not administrator user"),
        UnknownReason.AUTHORIZATION_FAILED,
        "does not let user keeper write this: operator policies are for administrators",
    ),
    "an old RabbitMQ": (
        refusing(400, "bad_request", 'Validation failed\n\n[{<<"delivery-limit">>,5}] are not recognised policy settings\n'),
        UnknownReason.UNSUPPORTED,
        "RabbitMQ is too old there",
    ),
    "a fault": (refusing(500), UnknownReason.BROKER_ERROR, "see the log of that node"),
}


@pytest.mark.parametrize(("answer", "reason", "says"), REFUSALS.values(), ids=REFUSALS)
@pytest.mark.parametrize("change", [WRITTEN, GONE], ids=["set", "taken away"])
async def test_refused(
    fake: FakeManagement, adapter: RabbitSettings, change: Change, answer: Any, reason: UnknownReason, says: str
) -> None:
    """It says why and what to do, and quotes no password."""
    fake.answers["operator-policies"] = answer
    unknown = (await adapter.write([change]))[change]
    assert unknown.reason is reason
    assert says in unknown.detail
    assert "hunter2" not in unknown.detail


async def test_written_by_way_of_another_node(fake: FakeManagement) -> None:
    """Where one is away."""
    store = Store(fake)
    made = RabbitSettings(Access(("http://127.0.0.1:9", fake.url), "keeper", PASSWORD, vhost="shop"))
    assert await made.write([WRITTEN]) == {}
    await made.close()
    assert store.kept == {NAME: BODY}


async def test_a_queue_that_never_shows_it(
    fake: FakeManagement, adapter: RabbitSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is waited for some seconds only: whoever reads it back will say so."""
    monkeypatch.setattr(settings, "SHOWN_SECONDS", 0.05)
    store = Store(fake)
    fake.answers["queues"] = [told()]
    assert await adapter.write([WRITTEN]) == {}
    assert store.kept == {NAME: BODY}


SHOWN = {
    "another queue": told("payments"),
    "a classic queue": told(type="classic"),
    "a queue that the owner's has": told(operator_policy="platform"),
    "a queue with a lower limit": told(operator_policy=NAME, effective_policy_definition={"delivery-limit": 3}),
    "a new queue": told(effective_policy_definition=None),
}


@pytest.mark.parametrize("queue", SHOWN.values(), ids=SHOWN)
async def test_a_queue_that_is_not_waited_for(fake: FakeManagement, adapter: RabbitSettings, queue: dict[str, Any]) -> None:
    """It shows nothing of ours, or it did already: one look is enough."""
    Store(fake)
    fake.answers["queues"] = [queue]
    await adapter.write([WRITTEN])
    assert len(asked(fake, "GET")) == 1
