"""An audit of a virtual host, on a fake management API: what is read, what stays unknown, what is written and nothing else."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floodwarden.brokers.base import BrokerError
from floodwarden.brokers.rabbitmq import RabbitSettings, answers
from floodwarden.core.delivery.rabbitmq.found import (
    Binding,
    ChannelFound,
    ConsumerFound,
    ExchangeFound,
    NodeFound,
    OperatorPolicy,
    QueueFound,
    QueuesFound,
    Unroutable,
)
from floodwarden.core.observation import Unknown, UnknownReason
from tests.support.hostile import HOSTILE
from tests.support.rabbit import OVERVIEW, FakeManagement
from tests.support.rabbit_audit import BODY, COUNTED, NODE, refusing, told
from tests.support.rabbit_audit import adapter as adapter
from tests.support.rabbit_audit import fake as fake


def everything(_: str) -> bool:
    return True


async def test_all_that_is_read(fake: FakeManagement, adapter: RabbitSettings) -> None:
    """Queues that are wanted, their consumers, and what is the same for all."""
    fake.answers |= {
        "queues": [
            told(
                policy="p",
                operator_policy="op",
                effective_policy_definition={"delivery-limit": 9},
                message_stats={"publish": 70, "publish_details": {"rate": 2.5}},
            ),
            told("old", type="classic", arguments=[], state="down", effective_policy_definition=None, members=None, online=None),
            told("other"),
        ],
        "operator-policies": [{"name": "op", **BODY}],
        "nodes": [{"name": "rabbit@b", "running": False}, {**NODE, "mem_alarm": True, "partitions": ["rabbit@b"]}],
        "exchanges": [
            {"name": "", "type": "direct", "arguments": {}},
            {"name": "dead", "type": "topic", "arguments": {"alternate-exchange": "rest"}, "policy": "p"},
        ],
        "bindings": [
            {"source": "", "destination": "orders", "destination_type": "queue", "routing_key": "orders"},
            {"source": "dead", "destination": "rest", "destination_type": "exchange", "routing_key": "#"},
        ],
        "consumers": [
            consumer(),
            consumer("other"),
            {**consumer(), "channel_details": [], "ack_required": False, "prefetch_count": 10},
        ],
        "channels": [
            channel(message_stats={"publish_details": {"rate": 1}, "drop_unroutable_details": {"rate": 0.5}}),
            channel(confirm=False, transactional=True, message_stats=[]),
            channel(confirm=False),
            {"connection_details": {"name": "new"}},
        ],
        "connections": [
            {"name": "10.0.0.7:1 -> 10.0.0.1:5672", "user_provided_name": "billing"},
            {"name": "10.0.0.9:1 -> 10.0.0.1:5672"},
        ],
    }
    found = await adapter.survey(lambda name: name != "other")
    old = found.queues["old"]
    assert isinstance(old, QueueFound)
    assert (old.kind, old.state, old.members, old.arguments) == ("classic", "down", ("rabbit@a",), {})
    assert isinstance(old.effective, Unknown)
    assert found.queues == {
        "orders": QueueFound(
            "orders",
            "quorum",
            arguments={"x-queue-type": "quorum"},
            policy="p",
            operator_policy="op",
            effective={"delivery-limit": 9},
            members=("rabbit@a", "rabbit@b"),
            online=("rabbit@a",),
            published=70,
            receives=True,
        ),
        "old": old,
    }
    assert found.operator_policies == {"op": OperatorPolicy("op", "^(orders.*)$", -1, {"delivery-limit": 5})}
    assert found.nodes == (
        NodeFound("rabbit@a", memory_alarm=True, apart=("rabbit@b",)),
        NodeFound("rabbit@b", running=False, memory_alarm=None, disk_alarm=None),
    )
    assert found.exchanges == {"": ExchangeFound(""), "dead": ExchangeFound("dead", "topic", "rest", "p")}
    assert found.bindings == {"": [Binding("orders", "orders")], "dead": [Binding("#", "rest", to_queue=False)]}
    assert found.consumers == (
        ConsumerFound("orders", "billing at 10.0.0.7", "app", True, 0),
        ConsumerFound("orders", "a new connection", "not known", False, 10),
    )
    assert found.channels == (
        ChannelFound("10.0.0.9", "app", False),
        ChannelFound("10.0.0.9", "app", True, publishes=True, drops=True),
    )
    assert (found.unroutable, found.version, found.cluster, found.vhost) == (Unroutable(7), "3.10.8", "shop shop", "shop")


def consumer(queue: str = "orders") -> dict[str, Any]:
    details = {"connection_name": "10.0.0.7:1 -> 10.0.0.1:5672", "peer_host": "10.0.0.7", "user": "app"}
    return {"queue": {"name": queue}, "ack_required": True, "prefetch_count": 0, "channel_details": details}


def channel(**changes: Any) -> dict[str, Any]:
    details = {"name": "10.0.0.9:1 -> 10.0.0.1:5672", "peer_host": "10.0.0.9"}
    return {"user": "app", "confirm": True, "connection_details": details} | changes


CLIENTS = {
    "no name is given": ([{"name": "10.0.0.9:1 -> 10.0.0.1:5672"}], {}, "10.0.0.9"),
    "a name is given": ([{"name": "10.0.0.9:1 -> 10.0.0.1:5672", "user_provided_name": "shop"}], {}, "shop at 10.0.0.9"),
    "it has just been opened": ([], {}, "a new connection"),
    "names cannot be read": (None, {}, "10.0.0.9"),
    "its host is not told": (None, {"connection_details": {"name": "[::1]:7 -> [::1]:5672"}}, "[::1]"),
    "its name is another": (None, {"connection_details": {"name": "shovel"}}, "shovel"),
    "nothing is told": (None, {"connection_details": []}, "a new connection"),
}


@pytest.mark.parametrize(("connections", "changes", "client"), CLIENTS.values(), ids=CLIENTS)
async def test_a_client_is_named_without_its_port(
    fake: FakeManagement, adapter: RabbitSettings, connections: Any, changes: dict[str, Any], client: str
) -> None:
    """It is another one each time it connects, and the client is not."""
    fake.answers |= {"channels": [channel(**changes)], "connections": connections}
    assert (await adapter.survey(everything)).channels == (ChannelFound(client, "app", confirms=True),)


async def test_unroutable_messages_are_counted_from_audit_to_audit(fake: FakeManagement, adapter: RabbitSettings) -> None:
    """An audit that could not read them in between does not lose count."""
    assert (await adapter.survey(everything)).unroutable == Unroutable(7)
    fake.answers["vhosts"] = refusing(500)
    assert isinstance((await adapter.survey(everything)).unroutable, Unknown)
    fake.answers["vhosts"] = [{"name": "shop", "message_stats": {"drop_unroutable": 9}}]
    assert (await adapter.survey(everything)).unroutable == Unroutable(9, 7)
    fake.answers["vhosts"] = [{"name": "shop"}]
    assert (await adapter.survey(everything)).unroutable == Unroutable(0, 0)


async def test_what_is_read_back_belongs_to_the_same_audit(fake: FakeManagement, adapter: RabbitSettings) -> None:
    """Else messages that were dropped before the first audit would be told otherwise, because it has looked twice."""
    assert (await adapter.survey(everything)).unroutable == Unroutable(7)
    await adapter.write([])
    assert (await adapter.survey(everything)).unroutable == Unroutable(7)
    fake.answers["vhosts"] = [{"name": "shop", "message_stats": {"drop_unroutable": 9}}]
    assert (await adapter.survey(everything)).unroutable == Unroutable(9, 7)
    await adapter.write([])
    assert (await adapter.survey(everything)).unroutable == Unroutable(9, 7)
    assert (await adapter.survey(everything)).unroutable == Unroutable(9, 7)


async def test_requests(fake: FakeManagement, adapter: RabbitSettings) -> None:
    """As many for a thousand queues and consumers as for one, and none that writes."""
    await adapter.survey(everything)
    assert adapter.requests == len(fake.asked) == 10
    fake.answers["queues"] = [told(f"orders-{number}") for number in range(1000)]
    fake.answers["consumers"] = [consumer(f"orders-{number}") for number in range(1000)]
    assert len((await adapter.survey(everything)).queues) == 1000
    assert adapter.requests == len(fake.asked) == 20
    assert {request.method for request in fake.asked} == {"GET"}


PARTS = {
    "operator-policies": "operator_policies",
    "nodes": "nodes",
    "exchanges": "exchanges",
    "bindings": "bindings",
    "consumers": "consumers",
    "channels": "channels",
    "vhosts": "unroutable",
}
ODD: dict[str, Any] = {
    "no list": {},
    "an odd entry": [7],
    "an odd entry among others": [{"confirm": 1}, {"name": "x"}],
    "nothing": None,
    "a text": "x",
}


def part(found: QueuesFound, name: str) -> Unknown:
    """A part of what was found, which must be unknown; queues must be known."""
    assert isinstance(found.queues["orders"], QueueFound)
    value = getattr(found, PARTS[name])
    assert isinstance(value, Unknown), value
    return value


@pytest.mark.parametrize("name", PARTS)
async def test_a_part_that_cannot_be_read(fake: FakeManagement, adapter: RabbitSettings, name: str) -> None:
    """It is unknown, with what to do; the others are known all the same."""
    fake.answers[name] = refusing(500)
    found = await adapter.survey(everything)
    assert "see the log of that node" in part(found, name).detail
    assert [other for other in PARTS if isinstance(getattr(found, PARTS[other]), Unknown)] == [name]


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
@pytest.mark.parametrize("name", PARTS)
async def test_a_part_that_is_odd(fake: FakeManagement, adapter: RabbitSettings, name: str, odd: Any) -> None:
    """It is unknown, and not taken for none."""
    fake.answers[name] = odd
    assert part(await adapter.survey(everything), name).reason is UnknownReason.BROKER_ERROR


async def test_an_overview_that_cannot_be_read(fake: FakeManagement, adapter: RabbitSettings) -> None:
    """The version is not known, nor the cluster, nor whether channels that tell no rate are idle."""
    odd_ones: list[Any] = [refusing(500), [], None]
    for odd in odd_ones:
        fake.answers["overview"] = odd
        found = await adapter.survey(everything)
        assert (found.version, found.cluster) == (None, "")
        assert isinstance(found.channels, Unknown)


async def test_the_usual_name_of_a_cluster_is_none(fake: FakeManagement, adapter: RabbitSettings) -> None:
    """It is that of the node that answers, so the next one would seem to be another cluster."""
    fake.answers["overview"] = OVERVIEW | {"cluster_name": "rabbit@host-1.example"}
    assert (await adapter.survey(everything)).cluster == ""


async def test_without_rates(fake: FakeManagement, adapter: RabbitSettings) -> None:
    """Which channels publish is not known: none is taken for idle."""
    fake.answers["overview"] = OVERVIEW | {"rates_mode": "none"}
    unknown = part(await adapter.survey(everything), "channels")
    assert (unknown.reason, "rates_mode" in unknown.detail) == (UnknownReason.UNSUPPORTED, True)


async def test_a_user_without_the_tag(fake: FakeManagement, adapter: RabbitSettings) -> None:
    """It is shown its own consumers and channels only, which are not taken for all."""
    fake.answers["nodes"] = refusing(401, "not_authorised", "Not monitor user")
    found = await adapter.survey(everything)
    for name in ("nodes", "consumers", "channels"):
        assert "tag monitoring" in part(found, name).detail


ODD_QUEUES = {
    "no type": {"type": None},
    "no durability": {"durable": "yes"},
    "odd arguments": {"arguments": "none"},
    "odd policies": {"effective_policy_definition": [1]},
    "odd rates": {"message_stats": 7},
}


@pytest.mark.parametrize("changes", ODD_QUEUES.values(), ids=ODD_QUEUES)
async def test_an_odd_queue(fake: FakeManagement, adapter: RabbitSettings, changes: dict[str, Any]) -> None:
    """It is unknown by name, and does not spoil the others."""
    fake.answers["queues"] = [told(**changes), told("billing")]
    found = await adapter.survey(everything)
    unknown = found.queues["orders"]
    assert isinstance(unknown, Unknown)
    assert "queue orders cannot be read" in unknown.detail
    assert isinstance(found.queues["billing"], QueueFound)


@pytest.mark.parametrize("key", ["members", "online", "effective_policy_definition"])
async def test_a_queue_that_does_not_tell_all_yet(fake: FakeManagement, adapter: RabbitSettings, key: str) -> None:
    """That is no word for none."""
    changes: dict[str, Any] = {key: None}
    fake.answers["queues"] = [told(**changes)]
    queue = (await adapter.survey(everything)).queues["orders"]
    assert isinstance(queue, QueueFound)
    unknown = {"members": queue.members, "online": queue.online, "effective_policy_definition": queue.effective}[key]
    assert isinstance(unknown, Unknown)
    assert "yet; it does within seconds" in unknown.detail


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
async def test_hostile_names(fake: FakeManagement, adapter: RabbitSettings, text: str) -> None:
    """They are queues, users and policies like others."""
    fake.answers |= {
        "queues": [told(text, policy=text)],
        "consumers": [{**consumer(text), "channel_details": {"connection_name": text, "user": text}}],
        "operator-policies": [{"name": text, **BODY}],
    }
    assert list((await adapter.survey(everything)).queues) == [text]


@pytest.mark.parametrize("odd", [{}, [7], [{}], "x", None], ids=str)
async def test_queues_that_cannot_be_read(fake: FakeManagement, adapter: RabbitSettings, odd: Any) -> None:
    """Then there is nothing to judge."""
    fake.answers["queues"] = odd
    with pytest.raises(BrokerError, match="cannot be read"):
        await adapter.survey(everything)


NAMED = {"10.0.0.9:1 -> 10.0.0.1:5672": "shop"}
REAL: dict[str, tuple[Callable[[Any], object], list[dict[str, Any]]]] = {
    "queues": (
        lambda answer: answers.queues(answer, everything),
        [told(policy="p", message_stats={"publish_details": {"rate": 2.5}}), told("old", type="classic", arguments=[])],
    ),
    "operator policies": (answers.operator_policies, [{"name": "op", **BODY}]),
    "nodes": (answers.nodes, [NODE, {"name": "rabbit@b", "running": False}]),
    "exchanges": (answers.exchanges, [{"name": "", "type": "direct", "arguments": {"alternate-exchange": "x"}, "policy": None}]),
    "bindings": (
        answers.bindings,
        [{"source": "", "destination": "orders", "destination_type": "queue", "routing_key": "orders"}],
    ),
    "names": (answers.given_names, [{"name": "10.0.0.9:1 -> 10.0.0.1:5672", "user_provided_name": "shop"}]),
    "consumers": (lambda answer: answers.consumers(answer, None, everything), [consumer()]),
    "channels": (
        lambda answer: answers.channels(answer, NAMED),
        [channel(message_stats={"drop_unroutable_details": {"rate": 0.5}})],
    ),
    "vhosts": (lambda answer: answers.unroutable(answer, "shop"), COUNTED),
}
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.parametrize(("read", "real"), REAL.values(), ids=REAL)
@given(data=st.data())
def test_whatever_is_answered(read: Callable[[Any], object], real: list[dict[str, Any]], data: st.DataObject) -> None:
    """A real answer in which any part is anything else is read, or refused with words."""
    changed: Any = copy.deepcopy(real)
    place, key = changed, data.draw(st.integers(0, len(changed) - 1))
    while isinstance(place[key], dict) and place[key] and data.draw(st.booleans()):
        place = place[key]
        key = data.draw(st.sampled_from(sorted(place)))
    place[key] = data.draw(ANY_JSON)
    with contextlib.suppress(ValueError):
        read(changed)
    assert read(real) is not None
