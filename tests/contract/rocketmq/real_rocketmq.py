"""Real servers as a test uses them: data in RocketMQ's own protocol, its mqadmin to compare with, and consumers that broker see.

A consumer here is one as brokers know it: it registers as Java's does, and answers what brokers ask it; it reads no message.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any
from uuid import uuid4

from floodhack import class_archive
from floodhack.beside import beside
from floodhack.instance import Instance
from floodhack.rocketmq import RocketMQ
from floodhack.rocketmq_jars import TOOLS, jars, java, tool_arguments
from floodhack.rocketmq_wire import ask, create_topic, knows_topic, signature
from floodhack.waiting import until
from floodwarden.brokers.rocketmq import Security, requests
from floodwarden.brokers.rocketmq.frames import ONE_WAY, RESPONSE, Decoder, Frame, encode

SEND_MESSAGE, UPDATE_CONSUMER_OFFSET, HEART_BEAT, UNREGISTER_CLIENT, UPDATE_AND_CREATE_SUBSCRIPTIONGROUP = 10, 15, 34, 35, 200
CHECK_TRANSACTION_STATE, END_TRANSACTION = 39, 37
PREPARED, COMMITTED = 4, 8  # of a message's sysFlag: the first half of a transaction, and what becomes of it
TICK = 0.05  # seconds
JAVA_CLIENT = 400  # a version of a Java client that answers what brokers ask
SOON = 30.0


class RealRocketMQ:
    """The servers of one instance and of one version, which run."""

    def __init__(self, servers: RocketMQ) -> None:
        self.servers = servers
        self.facts: dict[str, Any] = servers.set.facts
        self.name_servers: list[str] = self.facts["name_servers"]
        self.master = servers.set.port("master")
        self.version: str = self.facts["version"]

    def security(self, user: str = "administrator", **changes: Any) -> Security:
        """What a client needs where there are ACLs; ``changes`` replaces parts of it."""
        known = self.facts["acl"][user]
        return Security(**({"access_key": known["access_key"], "secret_key": known["secret_key"]} | changes))

    @property
    def ca(self) -> bytes:
        """Who is to be trusted where connections use TLS."""
        return Path(self.facts["ca"]).read_bytes()

    def topic(self, queues: int = 4) -> str:
        """Make a topic. Its name."""
        name = f"topic-{uuid4().hex[:8]}"
        self.grow(name, queues)
        return name

    def grow(self, name: str, queues: int) -> None:
        """Give a topic so many queues, and make it where it is not there."""
        create_topic(self.master, name, queues, self.servers.set.credentials())
        until(lambda: knows_topic(self.servers.set.port("namesrv"), name), seconds=SOON, what=f"topic {name} known")

    def produce(self, topic: str, counts: Mapping[int, int]) -> None:
        """Write messages, so many to each queue, and see them acknowledged and counted."""
        for queue, count in counts.items():
            fields = {"producerGroup": "contract", "topic": topic, "defaultTopic": "TBW102", "defaultTopicQueueNums": "4"}
            fields |= {
                "queueId": str(queue),
                "sysFlag": "0",
                "bornTimestamp": "0",
                "flag": "0",
                "reconsumeTimes": "0",
                "batch": "false",
            }
            for number in range(count):
                # As clients do: a proxy hands out no message without it.
                properties = f"UNIQ_KEY\x01{uuid4().hex.upper()}\x02"
                self._done(SEND_MESSAGE, {**fields, "properties": properties}, str(number).encode())

    def half(self, topic: str, group: str = "gone") -> str:
        """Send the first half of a transaction, of a producer of that group. Its key."""
        key = uuid4().hex.upper()
        properties = {"TRAN_MSG": "true", "PGROUP": group, "UNIQ_KEY": key}
        fields = {"producerGroup": group, "topic": topic, "defaultTopic": "TBW102", "defaultTopicQueueNums": "4"}
        fields |= {"queueId": "0", "sysFlag": str(PREPARED), "flag": "0", "reconsumeTimes": "0", "batch": "false"}
        fields |= {"bornTimestamp": str(int(time.time() * 1000))}
        fields["properties"] = "".join(f"{name}\x01{value}\x02" for name, value in properties.items())
        self._done(SEND_MESSAGE, fields, b"half")
        return key

    def commit(self, group: str, topic: str, offsets: Mapping[int, int]) -> None:
        """Commit offsets, as a consumer does; from 5.0 on only groups can that exist."""
        self._done(UPDATE_AND_CREATE_SUBSCRIPTIONGROUP, {}, json.dumps({"groupName": group}).encode())
        for queue, offset in offsets.items():
            fields = {"consumerGroup": group, "topic": topic, "queueId": str(queue), "commitOffset": str(offset)}
            self._done(UPDATE_CONSUMER_OFFSET, fields)

    @contextmanager
    def configured(self, **nodes: Mapping[str, str]) -> Iterator[None]:
        """Brokers with these settings in their files, restarted for it; as they were before afterwards."""
        before = {node: self.servers.set.configuration(node).read_text() for node in nodes}
        try:
            for node, settings in nodes.items():
                kept = [line for line in before[node].splitlines() if line.partition("=")[0].strip() not in settings]
                self._restart(node, "\n".join([*kept, *(f"{key}={value}" for key, value in settings.items()), ""]))
            yield
        finally:
            for node, text in before.items():
                self._restart(node, text)

    def _restart(self, node: str, configuration: str) -> None:
        self.servers.stop(node, kill=True)  # by itself it takes ten seconds, most of them waiting
        self.servers.set.configuration(node).write_text(configuration)
        self.servers.start(node)

    @contextmanager
    def stream(self, topic: str, rate: float, queues: int) -> Iterator[None]:
        """Messages at a steady rate, dealt out to so many queues in turn, as long as the context lasts."""
        with beside(partial(self._send, topic, rate, queues), "the stream"):
            yield

    def _send(self, topic: str, rate: float, queues: int, end: threading.Event) -> None:
        queue = cycle(range(queues))
        owed, last = 0.0, time.monotonic()
        while not end.wait(TICK):
            now = time.monotonic()
            owed, last = owed + rate * (now - last), now
            while owed >= 1:
                self.produce(topic, {next(queue): 1})
                owed -= 1

    def mqadmin(self, *args: str) -> str:
        """What RocketMQ's own tool prints."""
        home = self.servers.set.home("tools")
        options = (f"-Drocketmq.home.dir={home}", f"-Duser.home={home}", "-Djava.net.preferIPv4Stack=true")
        command = java(self.version, TOOLS["mqadmin"], heap="128m", direct="64m", options=options)
        arguments = tool_arguments("mqadmin", self.name_servers[0], list(args))
        how: dict[str, Any] = {"check": True, "capture_output": True, "text": True, "timeout": 120}
        return str(class_archive.run(jars(self.version), [*command, *arguments], **how).stdout)

    def rows(self, *args: str) -> list[list[str]]:
        """The rows of a table of queues that the tool prints, without what is around them.

        The tool's own time-outs are short for a busy machine, and it prints nothing then: it is asked until it prints some.
        """
        found: list[list[str]] = []

        def printed() -> bool:
            lines = (line.split() for line in self.mqadmin(*args).splitlines())
            found.extend(line for line in lines if self.facts["broker_name"] in line)
            return bool(found)

        until(printed, seconds=180, what=f"mqadmin {args[0]}")
        return found

    async def join(self, group: str, topic: str, client: str, queues: Collection[int] | None, **kind: str) -> Consumer:
        """Connect a consumer that says that it reads these queues, or says nothing."""
        return await Consumer(self, group, topic, client, queues).register(**kind)

    def _done(self, code: int, fields: dict[str, str], body: bytes = b"") -> None:
        answer = ask(self.master, code, fields, body, by=self.servers.set.credentials())
        assert answer is not None
        assert answer.code == 0, answer


@contextmanager
def running(instance: Instance, version: str, *, acl: bool) -> Iterator[RealRocketMQ]:
    """The servers of an instance and a version: those that run, or some made for as long as the context lasts."""
    servers = RocketMQ(instance, version, acl=acl)
    found = servers.status() == 0
    servers.up()
    try:
        yield RealRocketMQ(servers)
    finally:
        if not found:
            servers.down()


class Consumer:
    """A consumer as the master knows it."""

    def __init__(self, servers: RealRocketMQ, group: str, topic: str, client: str, queues: Collection[int] | None) -> None:
        self._servers = servers
        self._group = group
        self._topic = topic
        self._client = client
        self.queues = queues
        self._answers: dict[int, asyncio.Future[Frame]] = {}

    async def register(self, *, model: str = "CLUSTERING", type: str = "CONSUME_PASSIVELY") -> Consumer:
        """Tell the master who this is, and how the group consumes."""
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._servers.master)
        self._receiver = asyncio.create_task(self._receive())
        subscription = {"topic": self._topic, "subString": "*", "expressionType": "TAG", "subVersion": 1}
        consumer = {
            "groupName": self._group,
            "consumeType": type,
            "messageModel": model,
            "consumeFromWhere": "CONSUME_FROM_LAST_OFFSET",
            "subscriptionDataSet": [subscription],
        }
        told = {"clientID": self._client, "consumerDataSet": [consumer], "producerDataSet": []}
        await self._ask(Frame(HEART_BEAT, 1, body=json.dumps(told).encode(), version=JAVA_CLIENT))
        return self

    async def leave(self) -> None:
        """Say good-bye, and close the connection."""
        await self._ask(Frame(UNREGISTER_CLIENT, 2, {"clientID": self._client, "consumerGroup": self._group}))
        self._receiver.cancel()
        await asyncio.gather(self._receiver, return_exceptions=True)
        self._writer.close()
        with suppress(ConnectionError):
            await self._writer.wait_closed()

    async def _ask(self, request: Frame) -> None:
        by = self._servers.servers.set.credentials()
        if by is not None:
            fields = {**request.fields, "AccessKey": by.access_key}
            request = replace(request, fields={**fields, "Signature": signature(fields, request.body, by.secret_key)})
        answer = self._answers[request.opaque] = asyncio.get_running_loop().create_future()
        self._writer.write(encode(request))
        async with asyncio.timeout(SOON):
            assert (await answer).code == 0, answer

    async def _receive(self) -> None:
        decoder = Decoder()
        while data := await self._reader.read(2**16):
            for frame in decoder.feed(data):
                if frame.response:
                    self._answers[frame.opaque].set_result(frame)
                elif frame.code == requests.GET_CONSUMER_RUNNING_INFO and self.queues is not None:
                    self._writer.write(encode(Frame(0, frame.opaque, body=self._running(self.queues), flag=RESPONSE)))

    def _running(self, queues: Collection[int]) -> bytes:
        """As a Java client writes it."""
        rows = ",".join(
            f'{{"brokerName":"{self._servers.facts["broker_name"]}","queueId":{queue},"topic":"{self._topic}"}}:'
            '{"cachedMsgCount":0,"commitOffset":0,"droped":false,"locked":false}'
            for queue in queues
        )
        return f'{{"mqTable":{{{rows}}},"properties":{{"PROP_CONSUME_TYPE":"CONSUME_PASSIVELY"}},"statusTable":{{}}}}'.encode()


@asynccontextmanager
async def committing(servers: RealRocketMQ, group: str) -> AsyncIterator[list[str]]:
    """A producer of a group that says once of each transaction it is asked about that it is done. The keys it was asked of."""
    reader, writer = await asyncio.open_connection("127.0.0.1", servers.master)
    asked: list[str] = []

    async def answer() -> None:
        decoder = Decoder()
        while data := await reader.read(2**16):
            for frame in decoder.feed(data):
                if frame.code == CHECK_TRANSACTION_STATE and frame.fields["msgId"] not in asked:
                    asked.append(frame.fields["msgId"])
                    told = {name: frame.fields[name] for name in ("tranStateTableOffset", "commitLogOffset", "msgId")}
                    told |= {"producerGroup": group, "commitOrRollback": str(COMMITTED), "fromTransactionCheck": "true"}
                    writer.write(encode(Frame(END_TRANSACTION, 1000 + len(asked), told, flag=ONE_WAY, version=JAVA_CLIENT)))

    answering = asyncio.create_task(answer())
    told = {"clientID": f"{group}@1", "consumerDataSet": [], "producerDataSet": [{"groupName": group}]}
    writer.write(encode(Frame(HEART_BEAT, 1, body=json.dumps(told).encode(), version=JAVA_CLIENT)))
    try:
        yield asked
    finally:
        answering.cancel()
        await asyncio.gather(answering, return_exceptions=True)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
