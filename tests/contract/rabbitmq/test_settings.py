"""What an audit tells of real queues, nodes and clients is so by RabbitMQ's own tool, and what it writes is there by it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel

from floodwarden.brokers.rabbitmq import RabbitSettings
from floodwarden.core.delivery.audit import Findings
from floodwarden.core.delivery.survey import Change
from floodwarden.core.delivery.violations import Action
from floodwarden.core.observation import Unknown, UnknownReason
from tests.contract.cluster.eventually import eventually
from tests.contract.rabbitmq.auditing import TOLD, auditing, has, known, operator_policies, told
from tests.contract.rabbitmq.real_rabbit import RealRabbit
from tests.support.delivery import DAY, the
from tests.support.virtual_host import asking, of

LOST = 2
EVERYTHING: dict[str, Any] = {
    "factor": 3,
    "min_in_sync": 2,
    "flush": "Sync",
    "acks": "All",
    "kept_for": DAY,
    "acknowledged_late": True,
    "delivery_limit": 5,
    "prefetch": 100,
    "dead_letters": True,
    "dead_safely": True,
}
SAFE: dict[str, Any] = {
    "x_dead_letter_exchange": "amq.fanout",
    "x_dead_letter_strategy": "at-least-once",
    "x_overflow": "reject-publish",
}


@pytest.fixture
def whole(rabbit: RealRabbit) -> Iterator[None]:
    """All nodes run again after the test."""
    yield
    rabbit.brokers("start", "rabbitmq", str(LOST))


@contextmanager
def named(rabbit: RealRabbit, name: str, *, confirms: bool = False) -> Iterator[BlockingChannel]:
    """A channel of a connection that its program gave a name, with publisher confirms or without."""
    parameters = pika.URLParameters(f"{rabbit.urls[0]}?heartbeat=0")
    parameters.client_properties = {"connection_name": name}
    connection = pika.BlockingConnection(parameters)
    try:
        channel = connection.channel()
        if confirms:
            channel.confirm_delivery()
        yield channel
    finally:
        connection.close()


async def test_a_bad_queue(rabbit: RealRabbit, settings: RabbitSettings) -> None:
    """All that is wrong with it is told at once, with who has set it."""
    queue = rabbit.queue("classic", x_max_length=5, x_message_ttl=60_000, x_dead_letter_exchange="no-such")
    findings = await eventually(auditing(settings, asking(names=(queue,), **EVERYTHING)), known, within=TOLD)
    assert {(one.setting, one.found, one.where, one.action) for one in of(findings, f"queue {queue}")} == {
        ("queue type", "classic", "queue", Action.REPORT),
        ("overflow", "drop-head, with max-length 5 (argument)", "default", Action.REPORT),
        ("message-ttl", "60000 (1m)", "argument", Action.REPORT),
        ("delivery-limit", "none, as all classic queues", "default", Action.REPORT),
        ("dead-letter-exchange", "no-such, which does not exist", "argument", Action.REPORT),
        ("dead-letter-strategy", "at-most-once, as all classic queues", "default", Action.REPORT),
    }
    assert len(findings.violations) == 6


async def test_a_good_queue(rabbit: RealRabbit, settings: RabbitSettings) -> None:
    """A quorum queue with what is asked for is compliant, and so is a stream where that is enough."""
    queue = rabbit.queue("quorum", x_delivery_limit=5, **SAFE)
    letters = rabbit.queue()
    with rabbit.channel() as channel:
        channel.queue_bind(letters, "amq.fanout")
    stream = rabbit.queue("stream", x_max_age="7D")
    findings = await eventually(auditing(settings, asking(names=(queue,), **EVERYTHING)), known, within=TOLD)
    assert (findings.topics, findings.brokers, findings.violations) == (1, 3, ())
    replicated = asking(names=(stream,), flush="Replicated", factor=3, min_in_sync=2, kept_for=DAY)
    findings = await eventually(auditing(settings, replicated), known, within=TOLD)
    assert (findings.topics, findings.violations) == (1, ())


async def test_dead_letters_that_no_queue_gets(rabbit: RealRabbit, settings: RabbitSettings) -> None:
    """They vanish on the real queue, and it is told; with a binding for their key they arrive, and nothing is told."""
    exchange = f"dead-{uuid4().hex[:8]}"
    with rabbit.channel() as channel:
        channel.exchange_declare(exchange, "topic")
    queue = rabbit.queue(x_dead_letter_exchange=exchange, x_dead_letter_routing_key="dead.orders", x_message_ttl=1)
    letters = rabbit.queue("classic")
    look = auditing(settings, asking(names=(queue,), dead_letters=True))
    with rabbit.channel() as channel:
        channel.queue_bind(letters, exchange, "other.#")
        findings = await eventually(look, known, within=TOLD)
        assert told(findings, "dead-letter-exchange").found == f"{exchange}, which leads to no queue with routing key dead.orders"
        assert len(findings.violations) == 1
        rabbit.publish(queue, 3)
        await emptied(rabbit, queue)
        channel.queue_bind(letters, exchange, "dead.*")
        assert (await look()).violations == ()
        rabbit.publish(queue, 2)
        await emptied(rabbit, queue)
        assert [channel.basic_get(letters, auto_ack=True)[2] for _ in range(3)] == [b"0", b"1", None]


async def emptied(rabbit: RealRabbit, queue: str) -> None:
    """Wait until a queue has nothing, by its own process."""

    async def count() -> int:
        with rabbit.channel() as channel:
            return int(channel.queue_declare(queue, passive=True).method.message_count)

    await eventually(count, lambda left: left == 0, within=TOLD)


async def test_the_default_exchange_is_bound_to_each_queue(rabbit: RealRabbit, settings: RabbitSettings) -> None:
    """So that dead letters for a queue of that name are known to arrive, and for none are known not to."""
    letters = rabbit.queue("classic")
    good = rabbit.queue(x_dead_letter_exchange="", x_dead_letter_routing_key=letters)
    bad = rabbit.queue(x_dead_letter_exchange="", x_dead_letter_routing_key="nobody")
    look = auditing(settings, asking(names=(good, bad), dead_letters=True))
    findings = await eventually(look, lambda seen: known(seen) and seen.topics == 2, within=TOLD)
    assert [one.resource for one in findings.violations] == [f"queue {bad}"]


async def test_clients(rabbit: RealRabbit, settings: RabbitSettings) -> None:
    """A consumer without acknowledgements, one without a bound, and a publisher without confirms are named, by no port."""
    queue = rabbit.queue()
    policy = asking(names=(queue,), acks="All", acknowledged_late=True, prefetch=10)
    with named(rabbit, "hasty") as channel, rabbit.channel(1) as greedy, named(rabbit, "reports") as publisher:
        channel.basic_consume(queue, lambda *_: None, auto_ack=True)
        greedy.basic_consume(queue, lambda *_: None)
        audit = auditing(settings, policy)

        async def look() -> Findings:
            for _ in range(20):
                publisher.basic_publish("", queue, b"x")
            return await audit()

        at = "127.0.0.1 (user application)"
        settled = {
            ("consumer acknowledgement", f"automatic for 1 of 2: hasty at {at}"),
            ("prefetch", f"unbounded for 1 of 2: {at}"),
            ("publisher confirms", f"not used by reports at {at}"),
        }
        await eventually(look, lambda seen: {(one.setting, one.found) for one in seen.violations} == settled, within=TOLD)


async def test_a_publisher_that_sends_seldom(rabbit: RealRabbit, settings: RabbitSettings) -> None:
    """It is told when it has gone as well, in the same words, until it comes back with confirms."""
    queue, name = rabbit.queue(), f"reports-{uuid4().hex[:8]}"
    look = auditing(settings, asking(names=(queue,), acks="All"))
    await eventually(look, known, within=TOLD)
    with named(rabbit, name) as channel:
        channel.basic_publish("", queue, b"x")
        before = await eventually(look, has("publisher confirms"), within=TOLD)

    async def gone() -> str:
        assert (await look()).violations == before.violations
        return rabbit.tool("rabbitmqctl", "list_connections", "--quiet", "client_properties")

    await eventually(gone, lambda listed: name not in listed, within=TOLD)
    with named(rabbit, name) as channel:
        await eventually(gone, lambda listed: name in listed, within=TOLD)
    with named(rabbit, name, confirms=True) as channel:
        channel.basic_publish("", queue, b"x")
        await eventually(look, lambda seen: not seen.violations, within=TOLD)


async def test_messages_that_no_queue_takes(rabbit: RealRabbit, settings: RabbitSettings) -> None:
    """They are confirmed, and told."""
    queue = rabbit.queue()
    audit = auditing(settings, asking(names=(queue,), acks="All"))
    await eventually(audit, known, within=TOLD)
    with rabbit.channel() as channel:

        async def look() -> Findings:
            channel.basic_publish("amq.direct", "nowhere", b"x")
            return await audit()

        findings = await eventually(look, has("unroutable messages"), within=TOLD)
    assert told(findings, "unroutable messages").resource == "virtual host /"


@pytest.mark.usefixtures("whole")
async def test_a_node_is_killed(rabbit: RealRabbit, settings: RabbitSettings) -> None:
    """It is named, and so are the queues that have a member there; a classic queue of its own is down."""
    queue, classic = rabbit.queue(), rabbit.queue("classic", node=LOST)
    lost = rabbit.set.name(LOST)
    # Nothing of publishers: messages that a test before this one lost are told for an hour.
    look = auditing(settings, asking(names=(queue, classic), factor=1))
    await eventually(look, lambda seen: known(seen) and not seen.violations, within=TOLD)
    rabbit.brokers("stop", "rabbitmq", str(LOST), "--kill")
    settled = {"node", "members online", "queue state"}
    findings = await eventually(look, lambda seen: {one.setting for one in seen.violations} == settled, within=60)
    assert told(findings, "node").resource == f"broker {lost}"
    assert told(findings, "members online").found == f"2 of 3, without {lost}"
    assert "quorum critical" in told(findings, "members online").reason
    down = told(findings, "queue state")
    assert (down.resource, down.found) == (f"queue {classic}", "down")
    assert lost in down.reason
    rabbit.brokers("start", "rabbitmq", str(LOST))
    await eventually(look, lambda seen: known(seen) and not seen.violations, within=60)


ALARMS = {
    "memory alarm": ("set_vm_memory_high_watermark", "0.00001", "0.4"),
    "disk alarm": ("set_disk_free_limit", "900000GB", "50MB"),
}


@pytest.mark.parametrize(("setting", "how"), ALARMS.items(), ids=ALARMS)
async def test_an_alarm(rabbit: RealRabbit, settings: RabbitSettings, setting: str, how: tuple[str, str, str]) -> None:
    """A node that has taken too much is told, by name, and told no more once it has not."""
    queue = rabbit.queue("classic")
    look = auditing(settings, asking(names=(queue,), prefetch=10))
    command, too_much, usual = how
    rabbit.tool("rabbitmqctl", "--node", "1", command, too_much)
    try:
        findings = await eventually(look, has(setting), within=TOLD)
    finally:
        rabbit.tool("rabbitmqctl", "--node", "1", command, usual)
    assert the(findings.violations).resource == f"broker {rabbit.set.name(1)}"
    await eventually(look, lambda seen: not seen.violations, within=TOLD)


async def test_requests_do_not_grow_with_queues(rabbit: RealRabbit, settings: RabbitSettings) -> None:
    """20 queues cost as many as one."""
    queues = [rabbit.queue("classic") for _ in range(20)]
    costs = []
    for names in (queues[:1], queues):
        before = settings.requests
        findings = await auditing(settings, asking(names=tuple(names), **EVERYTHING))()
        assert findings.topics == len(names)
        costs.append(settings.requests - before)
    assert costs == [10, 10]


async def test_an_audit_writes_nothing(rabbit: RealRabbit, settings: RabbitSettings) -> None:
    """In mode Audit nothing is to be written, and who only looks needs no more than the tag monitoring."""
    queue = rabbit.kept()
    looking = RabbitSettings(rabbit.access("monitoring"))
    try:
        audit = auditing(looking, asking(names=(queue,), enforces=False, **EVERYTHING))
        findings = await eventually(audit, known, within=TOLD)
        assert findings.changes == ()
        assert told(findings, "delivery-limit").reason == "mode Enforce would write it, in an operator policy"
        change = Change("floodwarden:shop/orders", "definition", "{}", "not set", "operator policy")
        refused = (await looking.write([change]))[change]
    finally:
        await looking.close()
    assert isinstance(refused, Unknown)
    assert refused.reason is UnknownReason.AUTHORIZATION_FAILED
    assert "operator policies are for administrators: give user monitoring that tag" in refused.detail
    assert operator_policies(rabbit) == {}
