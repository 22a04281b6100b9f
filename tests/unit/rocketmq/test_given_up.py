"""Half messages that brokers gave up are read once, known by their producer's key, and put back with one request each."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from floodwarden.brokers.rocketmq import RocketMQSettings, requests
from floodwarden.brokers.rocketmq.bodies import BodyError
from floodwarden.brokers.rocketmq.given_up import HALF_TOPIC, KEPT
from floodwarden.brokers.rocketmq.halves import CHECKER, ENDED_TOPIC
from floodwarden.brokers.rocketmq.stored import messages
from floodwarden.core.delivery.rocketmq.found import Dropped, Transactions
from floodwarden.core.delivery.survey import Change
from floodwarden.core.observation import Unknown, UnknownReason
from tests.support.rocketmq_halves import NO_RIGHT, PULLED_AT_ONCE, HalfMessages, stored
from tests.support.rocketmq_server import Answer, refused
from tests.support.rocketmq_settings import SetBroker
from tests.support.rocketmq_world import FakeCluster

KEY = "7F0000010A2B18B4AAC2000000010000"
V6 = 16 | 32


@dataclass
class World:
    """One master with a topic, and an adapter for it."""

    cluster: FakeCluster
    halves: HalfMessages
    settings: RocketMQSettings

    async def dropped(self) -> tuple[Dropped, ...] | Unknown:
        """What a survey finds that was given up."""
        found = (await self.settings.survey(lambda topic: topic == "orders")).sets[0].transactions
        assert isinstance(found, Transactions), found
        return found.dropped

    async def keys(self) -> list[str]:
        """Their keys."""
        found = await self.dropped()
        assert not isinstance(found, Unknown), found
        return [one.key for one in found]


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """As it comes."""
    master = SetBroker(topics={"orders": (6, 4, 4)})
    cluster = FakeCluster(
        topics={topic: {"broker-a": [(0, 0)]} for topic in (HALF_TOPIC, ENDED_TOPIC)},
        commits={(HALF_TOPIC, CHECKER): {"broker-a": {0: 0}}},
    )
    halves = HalfMessages(cluster, "broker-a")
    cluster.instead = lambda name, request: halves.answer(request) or master.answer(request)
    await cluster.start("broker-a")
    settings = RocketMQSettings(cluster.addresses)
    yield World(cluster, halves, settings)
    await settings.close()
    await cluster.stop()


def change(key: str) -> Change:
    """To put one back."""
    return Change(key, "state", "waiting", "given up on broker-a", "half message")


async def test_they_are_read_once(world: World) -> None:
    """All of them at first, then what is new; nothing while nothing is."""
    assert await world.keys() == []
    world.halves.give_up(*(f"K{number}" for number in range(PULLED_AT_ONCE + 1)))
    assert len(await world.keys()) == PULLED_AT_ONCE + 1
    assert len(world.cluster.asked(requests.PULL_MESSAGE)) == 2
    assert len(await world.keys()) == PULLED_AT_ONCE + 1
    assert len(world.cluster.asked(requests.PULL_MESSAGE)) == 2
    world.halves.give_up("K-new")
    assert (await world.keys())[-1] == "K-new"
    assert len(world.cluster.asked(requests.PULL_MESSAGE)) == 3


async def test_what_is_known_of_one(world: World) -> None:
    """Its key, where it was to go, how old it is; whether it came twice, and nothing else that a producer may have put there."""
    world.halves.give_up(KEY, age=100)
    world.halves.give_up("", "not a key\n", "K", "K", topic="bills")
    found = await world.dropped()
    assert not isinstance(found, Unknown)
    assert [(one.key, one.topic, round(one.age), one.again) for one in found] == [
        (KEY, "orders", 100, False),
        ("", "bills", 60, False),
        ("", "bills", 60, False),
        ("K", "bills", 60, True),
    ]


async def test_where_the_oldest_were_deleted(world: World) -> None:
    """Reading goes on where there are some."""
    world.halves.first = 2
    world.halves.give_up("K0", "K1", "K2")
    assert await world.keys() == ["K2"]


async def test_of_many_the_newest_are_kept(world: World) -> None:
    """And what is older than a week is not."""
    world.halves.give_up("old", age=8 * 86_400)
    world.halves.give_up(*(f"K{number}" for number in range(KEPT + 10)))
    sweeps = 0
    while (keys := await world.keys())[-1] != f"K{KEPT + 9}":
        sweeps += 1
    assert (len(keys), keys[0]) == (KEPT, "K10")
    assert sweeps > 1, "no audit may take too long"


async def test_another_master_has_places_of_its_own(world: World) -> None:
    """What was read of the one before is not named to it."""
    world.halves.give_up("K0", "K1")
    assert await world.keys() == ["K0", "K1"]
    world.halves.given_up.clear()
    world.halves.give_up("K2")
    assert await world.keys() == ["K2"]
    assert (await world.settings.write([change("K0")])).keys() == {change("K0")}
    assert world.halves.waiting == []


async def test_they_are_put_back(world: World) -> None:
    """Each with one request, by the place that it was read from, and seen among the half messages."""
    world.halves.give_up("K0", "K1", "K2")
    await world.keys()
    assert await world.settings.write([change("K2"), change("K0")]) == {}
    assert world.halves.waiting == [world.halves.given_up[2], world.halves.given_up[0]]
    asked = world.cluster.asked(requests.RESUME_CHECK_HALF_MESSAGE)
    assert [frame.fields for frame in asked] == [
        {"topic": "orders", "msgId": "0A00000200002A9F00000000000003EA"},
        {"topic": "orders", "msgId": "0A00000200002A9F00000000000003E8"},
    ]


FAILS: dict[str, tuple[Answer, UnknownReason]] = {
    "not allowed": (NO_RIGHT, UnknownReason.AUTHORIZATION_FAILED),
    "too old a broker": (refused(3, " request type 323 not supported"), UnknownReason.UNSUPPORTED),
    "refused": (refused(1, "Put message back to RMQ_SYS_TRANS_HALF_TOPIC failed."), UnknownReason.BROKER_ERROR),
}


@pytest.mark.parametrize(("answer", "reason"), FAILS.values(), ids=FAILS.keys())
async def test_what_is_refused_has_failed(world: World, answer: Answer, reason: UnknownReason) -> None:
    """With the broker's reason, and it is not tried again by itself."""
    world.halves.give_up("K0")
    await world.keys()
    world.halves.refuses = answer
    assert [why.reason for why in (await world.settings.write([change("K0")])).values()] == [reason]
    assert len(world.cluster.asked(requests.RESUME_CHECK_HALF_MESSAGE)) == 1


async def test_success_is_no_proof(world: World) -> None:
    """What is not among the half messages afterwards was not put back."""
    world.halves.give_up("K0")
    await world.keys()
    world.halves.deaf = True
    assert ["not among its half messages" in why.detail for why in (await world.settings.write([change("K0")])).values()] == [
        True
    ]


async def test_what_cannot_be_read_is_not_known(world: World) -> None:
    """That alone; how many there are is known."""
    world.halves.give_up("K0")
    usual = world.cluster.instead
    world.cluster.instead = lambda name, request: (
        NO_RIGHT if request.code == requests.PULL_MESSAGE else usual(name, request) if usual else None
    )
    assert isinstance(await world.dropped(), Unknown)
    world.cluster.instead = usual
    assert await world.keys() == ["K0"]


@pytest.mark.parametrize("flag", [0, V6], ids=["IPv4", "IPv6"])
def test_a_message_as_it_is_stored(flag: int) -> None:
    """Its id is that of its store's address and its place, as RocketMQ writes it."""
    (one,) = messages(stored({"A": "1", "B": "x\x01y"}, position=7, offset=258, flag=flag))
    assert (one.position, one.properties) == (7, {"A": "1", "B": "x\x01y"})
    assert one.id == ("0A000002" if not flag else "0" * 31 + "2") + "00002A9F" + "0000000000000102"


def test_what_is_no_message() -> None:
    """Cut short anywhere, or with a length that is none: an error, and nothing else."""
    whole = stored({"UNIQ_KEY": KEY})
    for length in range(1, len(whole)):
        with pytest.raises(BodyError):
            list(messages(whole[:length]))
    for at in range(len(whole) - 3):
        for word in (b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\0"):
            try:
                list(messages(whole[:at] + word + whole[at + 4 :]))
            except BodyError:
                continue
