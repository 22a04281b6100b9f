"""Whether messages RocketMQ acknowledged survive kill -9: on a broker as a hasty one sets it up, and on one as a policy asks.

Both runs are the same: messages are sent as fast as they are acknowledged, one after the other, and the master is killed in the
middle. The adapter of the operator says of the first broker what is wrong with it, and nothing of the second.
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
from collections.abc import Iterator, Mapping
from threading import Thread
from uuid import uuid4

import pytest

from floodhack.instance import HIGHEST_INSTANCE, Instance
from floodhack.rocketmq import RocketMQ
from floodhack.rocketmq_wire import ask
from floodhack.waiting import until
from floodwarden.brokers.rocketmq import RocketMQSettings
from floodwarden.brokers.rocketmq.frames import Decoder, Frame, encode
from floodwarden.core.delivery.audit import Findings
from floodwarden.core.delivery.wishes import Wishes
from tests.contract.rocketmq.conftest import CONTRACTS
from tests.contract.rocketmq.real_rocketmq import SEND_MESSAGE, RealRocketMQ

MESSAGES = 300  # acknowledged at the least before the master is killed
# Messages wait in the process until they are handed to the page cache, a fifth of a second at the most.
RISKY = {"flushDiskType": "ASYNC_FLUSH", "brokerRole": "ASYNC_MASTER", "transientStorePoolEnable": "true"}
RISKY |= {"transientStorePoolSize": "5"}  # its own default; with none of it left a broker refuses messages
SAFE = {"flushDiskType": "SYNC_FLUSH", "brokerRole": "SYNC_MASTER", "inSyncReplicas": "2"}
FLUSHED = {"flushDiskType": "SYNC_FLUSH"}
FIELDS = {"producerGroup": "loss", "defaultTopic": "TBW102", "defaultTopicQueueNums": "1", "queueId": "0", "sysFlag": "0"}
FIELDS |= {"bornTimestamp": "0", "flag": "0", "properties": "", "reconsumeTimes": "0", "batch": "false"}


@pytest.fixture(scope="module")
def rocketmq() -> Iterator[RealRocketMQ]:
    """RocketMQ 5, taken down again unless it ran before; beside the servers that the contract tests before it may have left."""
    number = int(os.environ[CONTRACTS]) + 1 if CONTRACTS in os.environ else Instance.current().number
    servers = RocketMQ(Instance(number % (HIGHEST_INSTANCE + 1)), acl=False)
    found = servers.status() == 0
    servers.up()
    yield RealRocketMQ(servers)
    if found:
        servers.up()
    else:
        servers.down()


@pytest.mark.parametrize(("master", "safe"), [(RISKY, False), (SAFE, True)], ids=["as it goes", "as asked"])
def test_acknowledged_messages(rocketmq: RealRocketMQ, master: Mapping[str, str], safe: bool) -> None:
    """Of those that were acknowledged none is lost under the settings that the policy asks for, and some are under the others."""
    topic = rocketmq.topic(queues=1)
    policy = Wishes("shop/safe", acts=False, enforces=False, names=(topic,), flush="Sync", factor=2, min_in_sync=2)
    nodes = {"master": master, "slave": FLUSHED} if safe else {"master": master}
    with rocketmq.configured(**nodes):
        if safe:
            until(lambda: compliant(asyncio.run(judged(rocketmq, policy))), seconds=60, what="all as the policy asks")
        else:
            rocketmq.servers.stop("slave", kill=True)
            told = {one.setting for one in asyncio.run(judged(rocketmq, policy)).violations}
            assert told >= {"flushDiskType", "transientStorePoolEnable", "brokerRole", "inSyncReplicas"}
            assert told & {"copies", "slaves in sync"}
            fill(rocketmq)
        acknowledged = sent_until_killed(rocketmq, topic)
        rocketmq.servers.start("master")
        lost = acknowledged - received(rocketmq, topic)
        print(f"acknowledged {len(acknowledged)}, lost {len(lost)}")
    rocketmq.servers.start("slave")
    assert len(acknowledged) >= MESSAGES
    assert bool(lost) is not safe


async def judged(servers: RealRocketMQ, policy: Wishes) -> Findings:
    """What the operator says of the brokers."""
    settings = RocketMQSettings(servers.name_servers)
    try:
        return settings.judge(await settings.survey(policy.matches), [policy])[policy.name]
    finally:
        await settings.close()


def compliant(findings: Findings) -> bool:
    """Whether there is nothing to tell."""
    return not findings.violations and not findings.gaps


def fill(servers: RealRocketMQ) -> None:
    """Write until the broker has a new file: what it began before it was restarted it goes on with without the pool."""
    fields = {**FIELDS, "topic": servers.topic(queues=1)}
    for _ in range(20):  # of 16 MiB each
        answer = ask(servers.master, SEND_MESSAGE, fields, bytes(2**20))
        assert answer is not None
        assert answer.code == 0, answer


def sent_until_killed(servers: RealRocketMQ, topic: str) -> set[str]:
    """Send until the master, which is killed meanwhile, ends the connection; the messages it acknowledged."""
    acknowledged: list[str] = []
    sender = Thread(target=_send, args=(servers.master, topic, acknowledged))
    sender.start()
    until(lambda: len(acknowledged) >= MESSAGES, seconds=60, what="enough messages acknowledged", every=0.005)
    servers.servers.stop("master", kill=True)
    sender.join(timeout=60)
    assert not sender.is_alive()
    return set(acknowledged)


def _send(port: int, topic: str, acknowledged: list[str]) -> None:
    fields = {**FIELDS, "topic": topic}
    decoder, number = Decoder(), 0
    with socket.create_connection(("127.0.0.1", port)) as connection:
        while True:
            body, number = uuid4().hex, number + 1
            try:
                connection.sendall(encode(Frame(SEND_MESSAGE, number, fields, body.encode())))
                answers: list[Frame] = []
                while not answers:
                    data = connection.recv(2**16)
                    if not data:
                        return
                    answers = list(decoder.feed(data))
            except ConnectionError:
                return
            if answers[0].code == 0:
                acknowledged.append(body)


def received(servers: RealRocketMQ, topic: str) -> set[str]:
    """All that the topic has now, as RocketMQ's own tool prints it, in two runs that agree."""
    found: list[set[str]] = [set()]

    def agree() -> bool:
        found.append(set(re.findall(r"BODY: ([0-9a-f]{32})", servers.mqadmin("printMsg", "-t", topic, "-d", "true"))))
        return bool(found[-1]) and found[-1] == found[-2]

    until(agree, seconds=120, what="the messages that are left")
    return found[-1]
