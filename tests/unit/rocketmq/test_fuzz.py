"""Random bytes, and real ones that were changed, into frames and bodies: read or refused with words, in bounded time and memory.

A short form of ``make soak``, which goes on for a minute altogether (FLOODWARDEN_SOAK).
"""

from __future__ import annotations

import os
import random
import time
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import pytest

from floodwarden.brokers.rocketmq import bodies, commits, configs, names
from floodwarden.brokers.rocketmq.bodies import BodyError
from floodwarden.brokers.rocketmq.frames import RESPONSE, Decoder, Frame, FrameError, HeaderKind, encode

SECONDS: Final = 5.0 if os.environ.get("FLOODWARDEN_SOAK") else 0.2  # for each reader
MOST_MEMORY: Final = 32 * 2**20
SLOWEST: Final = 2.0  # seconds for one input of some kilobytes, on a busy machine
LONGEST_WORDS: Final = 300
# As RocketMQ 5.5 and 4.9 write them, cut down.
REAL: Final = (
    b'{"offsetTable":{{"brokerName":"broker-a","queueId":0,"topic":"orders"}:{"lastUpdateTimestamp":1764106688000,"maxOffset":12,'
    b'"minOffset":3},{"brokerName":"broker-a","queueId":1,"topic":"orders"}:{"maxOffset":5,"minOffset":0}},"topicPutTps":0.0}',
    b'{"brokerAddrTable":{"broker-a":{"brokerAddrs":{0:"10.0.0.7:10911",1:"10.0.0.8:10911"},"brokerName":"broker-a",'
    b'"cluster":"DefaultCluster","enableActingMaster":false}},"clusterAddrTable":{"DefaultCluster":["broker-a"]}}',
    b'{"dataVersion":{"counter":5},"offsetTable":{"orders@billing":{0:12,1:30},"%RETRY%billing@billing":{0:0},"orders@idle":{}}}',
    b'{"dataVersion":{"counter":1},"topicConfigTable":{"orders":{"attributes":{},"order":false,"perm":6,"readQueueNums":8,'
    b'"topicFilterType":"SINGLE_TAG","topicName":"orders","topicSysFlag":0,"writeQueueNums":8}}}',
    b'{"dataVersion":{"counter":1},"subscriptionGroupTable":{"billing":{"groupName":"billing","groupRetryPolicy":{"type":'
    b'"CUSTOMIZED"},"retryMaxTimes":16,"retryQueueNums":1}}}',
    b'{"haClientRuntimeInfo":{"activated":false},"haConnectionInfo":[{"addr":"10.0.0.8:41234","diff":0,"inSync":true}],'
    b'"inSyncSlaveNums":1,"master":true,"masterCommitLogMaxOffset":1234}',
    b'{"table":{"brokerVersionDesc":"V5_5_0","commitLogMaxOffset":"1234","putTps":"0.0 0.0 0.0"}}',
    b"brokerRole=ASYNC_MASTER\nflushDiskType=ASYNC_FLUSH\nfileReservedTime=72\nmessageDelayLevel=1s 5s 10s\n",
    b'{"brokerDatas":[],"queueDatas":[{"brokerName":"broker-a","perm":6,"readQueueNums":4,"writeQueueNums":4}]}',
)
READERS: Final[tuple[Callable[[bytes], object], ...]] = (
    bodies.read,
    lambda body: [(bodies.queue(key), value) for key, value in bodies.table(body, "offsetTable")],
    lambda body: dict(commits.table_of(body)),
    names._addresses,
    names._route,
    configs._properties,
    configs._topics,
    configs._groups,
    configs._following,
    configs._log_end,
    configs._ends,
)
FRAMES: Final = tuple(
    encode(Frame(0, 7, {"version": "1"}, body, "remark", RESPONSE), kind) for kind in HeaderKind for body in REAL[:3]
)


def changed(chance: random.Random, real: bytes) -> bytes:
    """Real bytes with a few pieces cut out, doubled, replaced or put in."""
    data = bytearray(real)
    for _ in range(chance.randint(1, 6)):
        at, much = chance.randrange(len(data) + 1), chance.choice((0, 1, 2, 8, 40))
        put = chance.choice(
            (b"", chance.randbytes(chance.randint(1, 8)), b"{" * 30, b"[{", b'"', b"-", b"9" * 30, bytes(data[at:]))
        )
        data[at : at + much] = put
    return bytes(data[: 8 * 2**10])


def inputs(real: tuple[bytes, ...]) -> Iterator[bytes]:
    """For as long as this goes on: any bytes, and changed ones."""
    seed = time.time_ns()
    print(f"seed {seed}")  # pytest shows it where a test fails
    chance = random.Random(seed)
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        for one in real:
            yield changed(chance, one)
        yield chance.randbytes(chance.randint(0, 2000))


def held(each: Iterable[bytes], feed: Callable[[bytes], None]) -> int:
    """Feed all of it; how many there were. Each is in time, and all together leave nothing behind."""
    count = 0
    tracemalloc.start(1)
    try:
        for data in each:
            began = time.process_time()
            feed(data)
            assert time.process_time() - began < SLOWEST, data
            count += 1
        assert tracemalloc.get_traced_memory()[1] < MOST_MEMORY
    finally:
        tracemalloc.stop()
    return count


def worded(error: Exception) -> None:
    """It says something, and not too much."""
    assert 0 < len(str(error)) <= LONGEST_WORDS, repr(error)


@pytest.mark.parametrize("read", READERS, ids=[f"reader {number}" for number in range(len(READERS))])
def test_bodies(read: Callable[[bytes], object]) -> None:
    """Whatever the bytes are, they are read or refused as a BodyError."""

    def feed(body: bytes) -> None:
        try:
            read(body)
        except BodyError as error:
            worded(error)

    assert held(inputs(REAL), feed) > len(REAL)


def test_frames() -> None:
    """In pieces of any size, after a good one: the good one is read, and what follows is read, waited for, or a FrameError."""
    chance = random.Random(7)

    def feed(data: bytes) -> None:
        decoder = Decoder()
        assert len(list(decoder.feed(FRAMES[0]))) == 1
        at = 0
        try:
            while at < len(data):
                size = chance.randint(1, 400)
                list(decoder.feed(data[at : at + size]))
                at += size
        except FrameError as error:
            worded(error)

    assert held(inputs(FRAMES), feed) > len(FRAMES)


def test_what_is_real_is_read() -> None:
    """Each real body by one reader at the least: so the changed ones are near what is read."""
    for body in REAL:
        assert any(_reads(read, body) for read in READERS[1:]), body


def _reads(read: Callable[[bytes], object], body: bytes) -> bool:
    try:
        return bool(read(body))
    except BodyError:
        return False
