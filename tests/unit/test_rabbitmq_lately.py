"""What was seen within the last hour counts until it is refuted: who publishes seldom does not come and go with each audit."""

from __future__ import annotations

import pytest

from floodwarden.brokers.rabbitmq.lately import SECONDS, Lately
from floodwarden.core.delivery.rabbitmq.found import NEW_CLIENT, ChannelFound, QueueFound, Unroutable
from floodwarden.core.observation import Unknown, UnknownReason
from tests.support.virtual_host import queue, sender

CARELESS = sender("shop at 10.0.0.9", confirms=False)
MENDED = sender("shop at 10.0.0.9")
IDLE = sender("shop at 10.0.0.9", confirms=False, publishes=False)


def channels(*audits: tuple[float, tuple[ChannelFound, ...]]) -> tuple[ChannelFound, ...]:
    """What is told after these audits, each with its time and the channels that were open then."""
    lately, told = Lately(), tuple[ChannelFound, ...]()
    for now, there in audits:
        told = lately.channels(there, now)
    return told


CHANNELS = {
    "gone": ([(0, (CARELESS,)), (SECONDS, ())], (CARELESS,)),
    "gone for longer": ([(0, (CARELESS,)), (SECONDS + 1, ())], ()),
    "seen again": ([(0, (CARELESS,)), (SECONDS, (CARELESS,)), (2 * SECONDS, ())], (CARELESS,)),
    "there, and idle": ([(0, (CARELESS,)), (60, (IDLE,))], (CARELESS,)),
    "idle ever": ([(0, (IDLE,)), (60, (IDLE,))], (IDLE,)),
    "idle, and gone": ([(0, (IDLE,)), (60, ())], ()),
    "mended": ([(0, (CARELESS,)), (60, (MENDED,))], (MENDED,)),
    "mended, and not in every channel": ([(0, (CARELESS,)), (60, (MENDED, CARELESS))], (CARELESS, MENDED)),
    "another client of the same user": ([(0, (CARELESS,)), (60, (sender("10.0.0.8"),))], (sender("10.0.0.8"), CARELESS)),
    "a client with several": ([(0, (CARELESS, CARELESS, IDLE))], (CARELESS,)),
    "one that has dropped": ([(0, (sender("a", drops=True),)), (60, (sender("a"),))], (sender("a", drops=True),)),
    "a new one": ([(0, (sender(NEW_CLIENT),))], (sender(NEW_CLIENT),)),
    "one that was new": ([(0, (sender(NEW_CLIENT),)), (60, ())], ()),
}


@pytest.mark.parametrize(("audits", "told"), CHANNELS.values(), ids=CHANNELS)
def test_channels(audits: list[tuple[float, tuple[ChannelFound, ...]]], told: tuple[ChannelFound, ...]) -> None:
    """A publisher counts for an hour after it was seen to publish; without confirms, until it does it with them only."""
    assert channels(*audits) == told


def receiving(*audits: tuple[float, QueueFound | Unknown | None]) -> bool:
    """Whether the queue is told to receive messages after these audits."""
    lately, told = Lately(), {}
    for now, found in audits:
        told = lately.queues({"orders": found} if found is not None else {}, now)
    last = told["orders"]
    assert isinstance(last, QueueFound)
    return last.receives


def counted(published: int | None, *, receives: bool = False) -> QueueFound:
    """The queue, with what was published to it."""
    return queue(published=published, receives=receives)


GONE = Unknown(UnknownReason.TIMEOUT, "no answer, for a test")
QUEUES = {
    "just now": ([(0, counted(9, receives=True))], True),
    "some day": ([(0, counted(9))], False),
    "never": ([(0, counted(None)), (60, counted(None))], False),
    "between two audits": ([(0, counted(9)), (60, counted(10))], True),
    "the first one": ([(0, counted(None)), (60, counted(1))], True),
    "within the hour": ([(0, counted(9)), (60, counted(10)), (60 + SECONDS, counted(10))], True),
    "longer ago": ([(0, counted(9)), (60, counted(10)), (61 + SECONDS, counted(10))], False),
    "counters gone with a node": ([(0, counted(9)), (60, counted(2))], False),
    "not readable in between": ([(0, counted(9)), (60, GONE), (120, counted(10))], True),
    "another one of that name": ([(0, counted(9, receives=True)), (60, None), (120, counted(12))], False),
}


@pytest.mark.parametrize(("audits", "receives"), QUEUES.values(), ids=QUEUES)
def test_queues(audits: list[tuple[float, QueueFound | Unknown | None]], receives: bool) -> None:
    """A queue receives where more was published to it within the last hour."""
    assert receiving(*audits) is receives


UNROUTABLE = {
    "at the first audit": ([(0, 7)], Unroutable(7)),
    "none since": ([(0, 7), (60, 7)], Unroutable(7, 7)),
    "since the last audit": ([(0, 7), (60, 9)], Unroutable(9, 7)),
    "within the hour": ([(0, 7), (60, 9), (SECONDS, 9)], Unroutable(9, 7)),
    "longer ago": ([(0, 7), (60, 9), (61 + SECONDS, 9)], Unroutable(9, 9)),
    "audits that are seldom": ([(0, 7), (60, 8), (3 * SECONDS, 9)], Unroutable(9, 8)),
    "counters gone with a node": ([(0, 7), (60, 9), (120, 3)], Unroutable(3, 3)),
    "and growing again": ([(0, 7), (60, 3), (120, 4)], Unroutable(4, 3)),
}


@pytest.mark.parametrize(("audits", "told"), UNROUTABLE.values(), ids=UNROUTABLE)
def test_unroutable(audits: list[tuple[float, int]], told: Unroutable) -> None:
    """Messages that no queue took are told for an hour."""
    lately = Lately()
    assert [lately.unroutable(total, now, again=False) for now, total in audits][-1] == told


def test_the_same_audit_asks_again() -> None:
    """What it reads back after a write has the same past."""
    lately = Lately()
    assert lately.unroutable(7, 0, again=False) == lately.unroutable(7, 1, again=True) == Unroutable(7)
    assert lately.unroutable(9, 60, again=False) == lately.unroutable(9, 61, again=True) == Unroutable(9, 7)
