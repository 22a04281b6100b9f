"""Whether messages that RabbitMQ confirmed survive kill -9 of their queue's leader: of a classic queue, and as a policy asks.

Both runs are the same: a publisher waits for every confirm, and sends messages as programs do that set nothing, which are not
persistent. What differs is the queue. The operator's adapter tells what is wrong with the first one, and enforces on the second
one what is missing there before anything happens.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from threading import Event, Thread

import pytest
from pika.exceptions import AMQPError, NackError, UnroutableError

from floodhack.waiting import until
from floodwarden.brokers.rabbitmq import RabbitSettings
from floodwarden.core.delivery.audit import Findings
from floodwarden.core.delivery.survey import Change
from floodwarden.core.delivery.wishes import ReadingWishes, Wishes
from floodwarden.core.observation import Unknown
from tests.contract.rabbitmq.conftest import rabbit as rabbit
from tests.contract.rabbitmq.real_rabbit import RealRabbit

LEADER = 2  # the node that leads the queue; messages are sent by way of another one
MESSAGES = 300  # confirmed at the least before the leader is killed
AFTERWARDS = 20  # and tried after that
READ = ReadingWishes(delivery_limit=5, dead_letters=True)


@pytest.fixture
def queue(rabbit: RealRabbit, request: pytest.FixtureRequest) -> Iterator[str]:
    """A queue of some type with a dead-letter exchange; all nodes run afterwards."""
    name = rabbit.queue(request.param, node=LEADER, x_dead_letter_exchange="amq.fanout")
    yield name
    rabbit.brokers("start", "rabbitmq", str(LEADER))
    rabbit.delete(name)


@pytest.mark.parametrize(
    ("queue", "safe"), [("classic", False), ("quorum", True)], ids=["as it goes", "enforced"], indirect=["queue"]
)
def test_acknowledged_messages(rabbit: RealRabbit, queue: str, safe: bool) -> None:
    """Under the policy none is lost that was confirmed; the other queue loses all that it had, and was told of."""
    policy = Wishes("e2e/safe", safe, (queue,), factor=3, min_in_sync=2, flush="Sync", acks="All", enforces=safe, reading=READ)
    if safe:
        written = enforced(rabbit, policy)
        assert [change.name for change in written] == ["floodwarden:e2e/safe"]
    else:
        told = {one.setting for one in asyncio.run(judged(rabbit, policy)).violations}
        assert told == {"queue type", "delivery-limit"}
    confirmed = sent_while_killed(rabbit, queue)
    rabbit.brokers("start", "rabbitmq", str(LEADER))
    lost = confirmed - received(rabbit, queue)
    print(f"confirmed {len(confirmed)}, lost {len(lost)}")
    if safe:
        undo = [Change(change.name, change.setting, None, "", change.kind) for change in written]
        assert asyncio.run(wrote(rabbit, undo)) == {}
        assert len(confirmed) > MESSAGES, "two of three members go on"
        assert not lost
    else:
        assert len(confirmed) >= MESSAGES
        assert lost == confirmed


def enforced(rabbit: RealRabbit, policy: Wishes) -> tuple[Change, ...]:
    """What the policy had written, once all is as it asks."""
    until(lambda: not asyncio.run(judged(rabbit, policy)).gaps, seconds=60, what="the queue tells its policies")
    changes = asyncio.run(judged(rabbit, policy)).changes
    assert asyncio.run(wrote(rabbit, changes)) == {}
    until(lambda: compliant(asyncio.run(judged(rabbit, policy))), seconds=60, what="all as the policy asks")
    return changes


async def judged(rabbit: RealRabbit, policy: Wishes) -> Findings:
    """What the operator says of the queue."""
    settings = RabbitSettings(rabbit.access())
    try:
        return settings.judge(await settings.survey(policy.matches), [policy])[policy.name]
    finally:
        await settings.close()


async def wrote(rabbit: RealRabbit, changes: Collection[Change]) -> Mapping[Change, Unknown]:
    """Write as the operator does; what was refused."""
    settings = RabbitSettings(rabbit.access())
    try:
        return await settings.write(changes)
    finally:
        await settings.close()


def compliant(findings: Findings) -> bool:
    """Whether there is nothing to tell."""
    return not findings.violations and not findings.gaps


def sent_while_killed(rabbit: RealRabbit, queue: str) -> set[bytes]:
    """Send one message after the other, and go on once the leader is killed; those that were confirmed."""
    confirmed: list[bytes] = []
    killed, done = Event(), Event()
    sender = Thread(target=_send, args=(rabbit, queue, confirmed, killed, done))
    sender.start()
    until(lambda: len(confirmed) >= MESSAGES, seconds=60, what="enough messages confirmed", every=0.005)
    rabbit.brokers("stop", "rabbitmq", str(LEADER), "--kill")
    killed.set()
    sender.join(timeout=120)
    assert done.is_set()
    return set(confirmed)


def _send(rabbit: RealRabbit, queue: str, confirmed: list[bytes], killed: Event, done: Event) -> None:
    left, number = AFTERWARDS, 0
    with rabbit.channel() as channel:
        while left and (len(confirmed) < MESSAGES or killed.wait(60)):
            number += 1
            left -= killed.is_set()
            body = str(number).encode()
            # Mandatory: else what no queue takes would be confirmed as well.
            with suppress(NackError, UnroutableError):
                channel.basic_publish("", queue, body, mandatory=True)
                confirmed.append(body)
    done.set()


def received(rabbit: RealRabbit, queue: str) -> set[bytes]:
    """All that the queue has now."""
    until(lambda: _there(rabbit, queue), seconds=60, what="the queue is back")
    with rabbit.channel() as channel:
        found: set[bytes] = set()
        while (got := channel.basic_get(queue))[0] is not None:
            found.add(got[2])
        return found


def _there(rabbit: RealRabbit, queue: str) -> bool:
    try:
        with rabbit.channel(LEADER) as channel:
            channel.queue_declare(queue, passive=True)
    except (AMQPError, OSError):
        return False
    return True
