"""A sweep over a virtual host, on a fake management API: queues, groups, nodes, and what is told where something is missing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from floodwarden.brokers.base import BrokerError
from floodwarden.brokers.rabbitmq import Access, RabbitBroker, adapter
from floodwarden.brokers.rabbitmq.consumers import consumers
from floodwarden.core.observation import (
    Group,
    GroupPhase,
    Member,
    Offsets,
    Partition,
    Query,
    Reading,
    Snapshot,
    Subscription,
    Unknown,
    UnknownReason,
)
from tests.support.hostile import HOSTILE
from tests.support.rabbit import OVERVIEW, Answering, FakeManagement, consumer, entry

ORDERS, BOTH = Subscription("", ("orders",)), Subscription("", ("orders", "billing"))


@pytest.fixture
async def fake() -> AsyncIterator[FakeManagement]:
    """A management API."""
    server = FakeManagement()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def broker(fake: FakeManagement, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RabbitBroker]:
    """An adapter for its virtual host shop, which asks for lengths in each sweep but the first, however soon that comes."""
    monkeypatch.setattr(adapter, "COUNTING_SHARE", 0.0)
    made = RabbitBroker(Access((fake.url,), "watcher", "secret", vhost="shop"))
    yield made
    await made.close()


def reading(snapshot: Snapshot, subscription: Subscription = ORDERS) -> Reading:
    """The reading of a subscription, which must be known."""
    found = snapshot.readings[subscription]
    assert isinstance(found, Reading), found
    return found


async def test_a_reading(fake: FakeManagement, broker: RabbitBroker) -> None:
    """Each queue is a partition; the subscription's own come, and no others."""
    fake.answers["queues"] = [entry(5, ack=7), entry(1, name="billing"), entry(9, name="other")]
    snapshot = await broker.observe([Query(BOTH), Query(ORDERS)])
    assert reading(snapshot).partitions == {Partition("orders", 0): Offsets(7, 12, 7)}
    assert reading(snapshot, BOTH).partitions == {
        Partition("orders", 0): Offsets(7, 12, 7),
        Partition("billing", 0): Offsets(0, 1, 0),
    }
    assert reading(snapshot).incarnations == {"orders": "0"}
    assert reading(snapshot).group is None
    assert reading(snapshot).competing
    assert reading(snapshot).taken is not None


async def test_nothing_new_is_the_same_reading(fake: FakeManagement, broker: RabbitBroker) -> None:
    """The very object, also where another queue has news; with news of its own it is another, and later."""
    fake.answers |= {"queues": [entry(5)], "consumers": [consumer()]}
    queries = [Query(ORDERS, members=True)]
    first = reading(await broker.observe(queries))
    assert reading(await broker.observe(queries)) is first
    fake.answers |= {"queues": [entry(5), entry(name="other")], "consumers": [consumer("other"), consumer()]}
    assert reading(await broker.observe(queries)) is first
    fake.answers["queues"] = [entry(6, reductions=2)]
    second = reading(await broker.observe(queries))
    assert first.taken is not None
    assert second.taken is not None
    assert second.taken > first.taken
    fake.answers["consumers"] = []
    assert reading(await broker.observe(queries)).group == Group(GroupPhase.EMPTY)


def telling(statistics: list[Any], lengths: Any) -> Answering:
    """Answers what is asked for with statistics, or without."""

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.query.get("disable_stats") != "true":
            return web.json_response(statistics)
        assert request.query.get("enable_queue_totals") == "true"
        return await lengths(request) if callable(lengths) else web.json_response(lengths)

    return answer


async def test_a_rise_is_seen_before_the_statistics_tell_it(fake: FakeManagement, broker: RabbitBroker) -> None:
    """Lengths are asked for without statistics as well."""
    statistics = [entry(5, ack=7)]
    fake.answers["queues"] = telling(statistics, [{"name": "orders", "node": "rabbit@a", "messages": 5}])
    await broker.observe([Query(ORDERS)])
    fake.answers["queues"] = telling(statistics, [{"name": "orders", "node": "rabbit@a", "messages": 500}])
    assert reading(await broker.observe([Query(ORDERS)])).partitions == {Partition("orders", 0): Offsets(7, 507, 7)}


async def slow(_: web.Request) -> web.Response:
    """Takes longer than anybody waits."""
    await asyncio.sleep(60)
    raise AssertionError("nobody waits for this")


async def no_answer(_: web.Request) -> web.Response:
    """Says no."""
    return web.Response(status=500)


@pytest.mark.parametrize(
    "lengths",
    [slow, no_answer, {}, None, "x", [None, 7, {"name": "orders"}]],
    ids=["slow", "refused", "no list", "nothing", "text", "no queues"],
)
async def test_lengths_that_cannot_be_had(
    fake: FakeManagement, broker: RabbitBroker, monkeypatch: pytest.MonkeyPatch, lengths: Any
) -> None:
    """The statistics do without, and what else is asked for is answered."""
    monkeypatch.setattr(adapter, "COUNTING_SECONDS", 0.05)
    fake.answers |= {"queues": telling([entry(5)], lengths), "consumers": [consumer()]}
    await broker.observe([Query(ORDERS, members=True)])
    fake.answers["queues"] = telling([entry(9, reductions=2)], lengths)
    found = reading(await broker.observe([Query(ORDERS, members=True)]))
    assert found.partitions == {Partition("orders", 0): Offsets(0, 9, 0)}
    assert isinstance(found.group, Group)


async def test_lengths_that_take_long_are_asked_for_seldom(
    fake: FakeManagement, broker: RabbitBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broker asks every queue for them."""
    monkeypatch.setattr(adapter, "COUNTING_SHARE", 1e6)
    fake.answers["queues"] = [entry(5)]
    for _ in range(4):
        await broker.observe([Query(ORDERS)])
    assert len([request for request in fake.asked if "disable_stats" in request.query]) == 1


async def test_a_missing_queue(fake: FakeManagement, broker: RabbitBroker) -> None:
    """It is named, and does not spoil the other."""
    fake.answers["queues"] = [entry(5)]
    found = reading(await broker.observe([Query(BOTH)]), BOTH)
    assert found.missing_topics == {"billing"}
    assert set(found.partitions) == {Partition("orders", 0)}


async def test_exchanges_are_asked_for_only_while_a_queue_is_missing(fake: FakeManagement, broker: RabbitBroker) -> None:
    """A virtual host may have many."""
    fake.answers["queues"] = [entry()]
    await broker.observe([Query(ORDERS)])
    assert not any("exchanges" in path for path in fake.paths)


async def test_what_is_unknown_has_no_time(fake: FakeManagement, broker: RabbitBroker) -> None:
    """A reading is as old as what is known in it, whatever becomes of the rest."""
    taken = []
    for billing in ({"messages": None}, {"state": "down"}):
        fake.answers["queues"] = [entry(5), entry(name="billing", **billing)]
        found = reading(await broker.observe([Query(BOTH)]), BOTH)
        assert isinstance(found.partitions[Partition("billing", 0)], Unknown)
        taken.append(found.taken)
    assert taken[0] is not None
    assert taken[0] == taken[1]
    fake.answers["queues"] = [entry(messages=None)]
    assert reading(await broker.observe([Query(ORDERS)])).taken is None


COMPETING = {
    "queues": ([entry(), entry(name="billing")], True),
    "one of them with a single active consumer": (
        [entry(), entry(name="billing", arguments={"x-single-active-consumer": True})],
        False,
    ),
    "one of them a stream": ([entry(), entry(name="billing", type="stream")], False),
    "one of them missing": ([entry()], True),
    "one of them without statistics": ([entry(), entry(name="billing", messages=None)], True),
}


@pytest.mark.parametrize(("queues", "competing"), COMPETING.values(), ids=COMPETING)
async def test_competing(fake: FakeManagement, broker: RabbitBroker, queues: list[Any], competing: bool) -> None:
    """Any number of consumers have work only where each queue gives it to all of them."""
    fake.answers["queues"] = queues
    assert reading(await broker.observe([Query(BOTH)]), BOTH).competing is competing


async def test_no_queues_named(broker: RabbitBroker) -> None:
    """RabbitMQ has no groups that could tell them."""
    found = (await broker.observe([Query(Subscription("billing"))])).readings[Subscription("billing")]
    assert isinstance(found, Unknown)
    assert found.reason is UnknownReason.UNSUPPORTED


async def test_members(fake: FakeManagement, broker: RabbitBroker) -> None:
    """Each consumer is a member; one that waits for its turn owns nothing; others' queues do not count."""
    fake.answers |= {
        "queues": [entry()],
        "consumers": [consumer(), consumer(tag="next", active=False), consumer("other"), consumer(tag="new", channel_details=[])],
    }
    channel = "10.0.0.7:40001 -> 10.0.0.1:5672"
    found = reading(await broker.observe([Query(ORDERS, members=True)])).group
    own = frozenset({Partition("orders", 0)})
    assert found == Group(
        GroupPhase.STABLE,
        (
            Member(f"{channel} (1) ctag1.1", channel, "10.0.0.7", own),
            Member(f"{channel} (1) next", channel, "10.0.0.7", frozenset()),
            Member(" new", "", "", own),
        ),
    )


async def test_consumers_that_cannot_be_read(fake: FakeManagement, broker: RabbitBroker) -> None:
    """The group is unknown, and the queue is known all the same."""

    async def failing(_: web.Request) -> web.Response:
        return web.Response(status=500)

    fake.answers |= {"queues": [entry(5)], "consumers": failing}
    found = reading(await broker.observe([Query(ORDERS, members=True)]))
    assert isinstance(found.group, Unknown)
    assert found.group.reason is UnknownReason.BROKER_ERROR
    assert found.partitions == {Partition("orders", 0): Offsets(0, 5, 0)}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_consumers_with_hostile_names(text: str) -> None:
    """They are members like others."""
    assert len(consumers([consumer("orders", tag=text, channel=text)])["orders"]) == 1


@pytest.mark.parametrize("odd", [None, 7, [], {}, {"queue": 7}, {"queue": {"name": 7}}], ids=str)
def test_odd_consumers_are_left_out(odd: Any) -> None:
    """They do not spoil the others."""
    assert list(consumers([odd, consumer()])) == ["orders"]


async def test_requests(fake: FakeManagement, broker: RabbitBroker) -> None:
    """As many for a thousand queues as for one, at first and from then on."""
    fake.answers["queues"] = [entry(name=f"queue-{number}") for number in range(999)]
    queries = [Query(Subscription("", (f"queue-{number}",)), members=True) for number in range(1000)]
    snapshot = await broker.observe(queries)
    assert snapshot.requests == len(fake.asked) == 5
    assert (await broker.observe(queries)).requests == 3
    assert (await broker.observe([Query(ORDERS)])).requests == 2


async def test_what_is_known_of_the_cluster(fake: FakeManagement, broker: RabbitBroker) -> None:
    """Nodes, those that do not run, version and name; also where nothing is asked for."""
    fake.answers["nodes"] = [{"name": "rabbit@b", "running": False}, {"name": "rabbit@a", "running": True}]
    snapshot = await broker.observe([])
    assert snapshot.nodes == ("rabbit@a", "rabbit@b")
    assert snapshot.unreachable == ("rabbit@b",)
    assert snapshot.version == "3.10.8"
    assert snapshot.cluster == "shop shop"


async def test_the_cluster_may_stay_unknown(fake: FakeManagement, broker: RabbitBroker) -> None:
    """Where only that fails, queues are read all the same."""

    async def failing(_: web.Request) -> web.Response:
        return web.Response(status=500)

    fake.answers |= {"queues": [entry(5)], "nodes": failing, "overview": failing, "exchanges": failing}
    snapshot = await broker.observe([Query(BOTH)])
    assert reading(snapshot, BOTH).missing_topics == {"billing"}
    assert (snapshot.nodes, snapshot.version, snapshot.cluster) == ((), None, "")


NOT_KEPT = {
    "no rates": (OVERVIEW | {"rates_mode": "none"}, "rates_mode"),
    "no statistics": (OVERVIEW | {"disable_stats": True}, "disable_metrics_collector"),
}


@pytest.mark.parametrize(("overview", "says"), NOT_KEPT.values(), ids=NOT_KEPT)
async def test_statistics_that_are_not_kept(fake: FakeManagement, broker: RabbitBroker, overview: Any, says: str) -> None:
    """Without them nothing ever seems to be consumed: nothing is read, again and again, and the setting is named."""
    fake.answers |= {"queues": [entry(5)], "overview": overview}
    for _ in range(2):
        with pytest.raises(BrokerError, match=says) as caught:
            await broker.observe([Query(ORDERS)])
        assert caught.value.reason is UnknownReason.UNSUPPORTED


async def test_a_user_without_the_tag(fake: FakeManagement, broker: RabbitBroker) -> None:
    """Without the tag monitoring a user is shown its own consumers only: that is said, not taken for all."""

    async def denied(_: web.Request) -> web.Response:
        return web.json_response({"error": "not_authorised", "reason": "Not monitor user"}, status=401)

    fake.answers |= {"queues": [entry(5)], "nodes": denied}
    with pytest.raises(BrokerError, match="tag monitoring") as caught:
        await broker.observe([Query(ORDERS, members=True)])
    assert caught.value.reason is UnknownReason.AUTHORIZATION_FAILED


@pytest.mark.parametrize("answer", [{}, {"items": []}, "queues", 7, None], ids=str)
async def test_an_answer_that_is_no_list(fake: FakeManagement, broker: RabbitBroker, answer: Any) -> None:
    """It is not taken for a virtual host without queues."""
    fake.answers["queues"] = answer
    with pytest.raises(BrokerError, match="cannot be read") as caught:
        await broker.observe([Query(ORDERS)])
    assert caught.value.reason is UnknownReason.BROKER_ERROR


@pytest.mark.parametrize("answer", [{}, [None, 7, {}, {"name": 7}], "x", 7, None], ids=str)
async def test_odd_answers_about_the_cluster(fake: FakeManagement, broker: RabbitBroker, answer: Any) -> None:
    """What they do not tell stays unknown."""
    fake.answers |= {"queues": [entry(5)], "nodes": answer, "overview": answer, "exchanges": answer, "consumers": answer}
    snapshot = await broker.observe([Query(BOTH, members=True)])
    assert reading(snapshot, BOTH).partitions == {Partition("orders", 0): Offsets(0, 5, 0)}
    assert (snapshot.nodes, snapshot.version) == ((), None)


async def test_a_broker_that_is_gone(fake: FakeManagement, broker: RabbitBroker) -> None:
    """Nothing is told of what was read before."""
    fake.answers["queues"] = [entry(5)]
    await broker.observe([Query(ORDERS)])
    await fake.stop()
    with pytest.raises(BrokerError) as caught:
        await broker.observe([Query(ORDERS)])
    assert caught.value.reason is UnknownReason.BROKER_UNREACHABLE
