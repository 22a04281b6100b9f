"""Bodies as fastjson writes them: read right where they are sound, else a clear error, in bounded time and memory."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floodwarden.brokers.rocketmq import bodies
from floodwarden.brokers.rocketmq.bodies import DEEPEST, BodyError, MessageQueue, Pairs, read

QUEUE = '{"brokerName":"broker-a","queueId":0,"topic":"orders"}'
STATS = f'{{"offsetTable":{{{QUEUE}:{{"lastUpdateTimestamp":1764106688000,"maxOffset":12,"minOffset":3}}}},"topicPutTps":0.0}}'
BROKERS = (
    '{"brokerAddrTable":{"broker-a":{"brokerAddrs":{0:"10.0.0.7:10911",1:"10.0.0.8:10911"},"brokerName":"broker-a",'
    '"cluster":"DefaultCluster","enableActingMaster":false}},"clusterAddrTable":{"DefaultCluster":["broker-a"]}}'
)
COMMITS = (
    '{"dataVersion":{"counter":5,"stateVersion":0,"timestamp":1764106688000},'
    '"offsetTable":{"orders@billing":{0:12,1:30},"%RETRY%billing@billing":{0:0},"orders@idle":{}}}'
)

RUNNING = (  # of a Java client of 5.5 that consumes by POP, cut down to what is looked at
    '{"mqPopTable":{{"brokerName":"broker-a","queueId":-1,"topic":"orders"}:{"droped":false,"waitAckCount":0}},'
    '"mqTable":{{"brokerName":"broker-a","queueId":0,"topic":"%RETRY%billing"}:{"commitOffset":-1,"droped":false}},'
    '"properties":{"subscription":"{}","PROP_NAMESERVER_ADDR":"127.0.0.1:9876;"}}'
)

READ = {
    "extents of a topic": (
        STATS,
        {
            "offsetTable": Pairs([(json.loads(QUEUE), {"lastUpdateTimestamp": 1764106688000, "maxOffset": 12, "minOffset": 3})]),
            "topicPutTps": 0.0,
        },
    ),
    "commits of groups": (
        COMMITS,
        {
            "dataVersion": {"counter": 5, "stateVersion": 0, "timestamp": 1764106688000},
            "offsetTable": {
                "orders@billing": Pairs([(0, 12), (1, 30)]),
                "%RETRY%billing@billing": Pairs([(0, 0)]),
                "orders@idle": {},
            },
        },
    ),
    "addresses of brokers": (
        BROKERS,
        {
            "brokerAddrTable": {
                "broker-a": {
                    "brokerAddrs": Pairs([(0, "10.0.0.7:10911"), (1, "10.0.0.8:10911")]),
                    "brokerName": "broker-a",
                    "cluster": "DefaultCluster",
                    "enableActingMaster": False,
                }
            },
            "clusterAddrTable": {"DefaultCluster": ["broker-a"]},
        },
    ),
    "what a consumer reads": (
        RUNNING,
        {
            "mqPopTable": Pairs(
                [({"brokerName": "broker-a", "queueId": -1, "topic": "orders"}, {"droped": False, "waitAckCount": 0})]
            ),
            "mqTable": Pairs(
                [({"brokerName": "broker-a", "queueId": 0, "topic": "%RETRY%billing"}, {"commitOffset": -1, "droped": False})]
            ),
            "properties": {"subscription": "{}", "PROP_NAMESERVER_ADDR": "127.0.0.1:9876;"},
        },
    ),
    "standard JSON": ('{"a":[1,2.5,true,null,"x"]}', {"a": [1, 2.5, True, None, "x"]}),
    "with space around everything": (
        ' { "a" : { 0 : "x" , -1 : [ { 2 : 3 } ] } } ',
        {"a": Pairs([(0, "x"), (-1, [Pairs([(2, 3)])])])},
    ),
    "what looks like keys within texts": (
        '{"{0:1}":"}:{","a":{0:",1:{2:3}","b\\"{4:5}":6}}',
        {"{0:1}": "}:{", "a": Pairs([(0, ",1:{2:3}"), ('b"{4:5}', 6)])},
    ),
    "keys of both sorts": ('{"a":1,2:3}', Pairs([("a", 1), (2, 3)])),
    "control characters, as Java leaves them": ('{"a":"\x01\t"}', {"a": "\x01\t"}),
    "one number": ("1", 1),
}


@pytest.mark.parametrize(("body", "says"), READ.values(), ids=READ)
def test_what_is_read(body: str, says: Any) -> None:
    """Objects are dict, or Pairs where their keys are no texts."""
    found = read(body.encode())
    assert found == says
    assert repr(found) == repr(says)


REFUSED = {
    "nothing": (b"", "at character 0"),
    "no UTF-8": (b'{"a":"\xff"}', "no UTF-8 at byte 6"),
    "cut off in a text": (b'{"offsetTable":{0:"ab', "at character"),
    "cut off in a key": (b'{"offsetTable":{{"brokerName', "at character"),
    "cut off behind a key": (b"{0", "no colon at character 2"),
    "cut off behind a value": (b"{0:1", "neither a comma nor an end at character 4"),
    "a list cut off": (b"[{0:1}", "neither a comma nor an end at character 6"),
    "a comma too many": (b"{0:1,}", "no key at character 5"),
    "a colon too many": (b"{0::1}", "at character 3"),
    "a second body": (b"{0:1}{0:1}", "behind its end, at character 5"),
    "bare words": (b"{offsetTable:1}", "no key at character 1"),
    "two braces": (b"{{}}", "no colon at character 3"),
    "deep maps": (b"{0:" * 5000 + b"1" + b"}" * 5000, f"more than {DEEPEST} deep"),
    "deep keys": (b"{" * 100_000, f"more than {DEEPEST} deep"),
    "deep lists": (b"[" * 100_000, "deep"),
    "deep objects": (b'{"a":' * 100_000, "deep"),
    "a number of 5,000 digits": (b'{"a":' + b"1" * 5000 + b"}", "at character"),
    "a key of 5,000 digits": (b"{" + b"1" * 5000 + b":1}", "no colon"),
}


@pytest.mark.parametrize(("body", "says"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused(body: bytes, says: str) -> None:
    """The error says where, and quotes nothing."""
    with pytest.raises(BodyError, match=says):
        read(body)


KEYS = st.integers(-(2**40), 2**40) | st.builds(MessageQueue, st.text(max_size=5), st.text(max_size=5), st.integers(0, 16)).map(
    lambda queue: {"brokerName": queue.broker, "queueId": queue.number, "topic": queue.topic}
)
LEAVES = st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=8)
BODIES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5), inner, max_size=3)
        | st.lists(st.tuples(KEYS, inner), min_size=1, max_size=3).map(Pairs)
    ),
    max_leaves=8,
)


def written(value: Any) -> str:
    """As fastjson writes it."""
    if isinstance(value, Pairs):
        return "{" + ",".join(f"{written(key)}:{written(item)}" for key, item in value) + "}"
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(key)}:{written(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(written, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


@given(BODIES)
def test_what_fastjson_writes_is_read(value: Any) -> None:
    """Whatever is nested in what, and whatever the texts are."""
    assert read(written(value).encode()) == value


@given(st.binary(max_size=60) | st.text(alphabet='{}[]:,"\\0-1ntf ', max_size=60).map(str.encode))
def test_any_bytes(body: bytes) -> None:
    """Whatever arrives is a value or an error."""
    with suppress(BodyError):
        read(body)


@given(st.sampled_from([STATS, BROKERS, COMMITS, RUNNING]), st.integers(0, 400), st.binary(max_size=3), st.integers(0, 3))
def test_real_bodies_with_wrong_bytes(body: str, at: int, put: bytes, instead: int) -> None:
    """No change at any place leads to anything but a value or an error."""
    raw = body.encode()
    at %= len(raw)
    with suppress(BodyError):
        read(raw[:at] + put + raw[at + instead :])


HOSTILE: dict[str, Callable[[int], bytes]] = {
    "texts that do not end": lambda size: b'{{"a":"' + b'\\"' * (size // 2),
    "maps that do not end": lambda size: b'{0:{"a":' * (size // 8),
    "lists of maps": lambda size: b"[" + b"{0:1}," * (size // 6),
    "numbers that turn out to be none": lambda size: b"{" + b"0:1," * (size // 4) + b"x}",
    "space": lambda size: b"{0:" + b" " * size,
    "keys within keys": lambda size: b'{{"a":[' + b"1," * (size // 2),
}


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)
def test_time_grows_with_the_length(hostile: Callable[[int], bytes]) -> None:
    """Four times as long takes far less than sixteen times as long."""

    def seconds(size: int) -> float:
        body, began = hostile(size), time.process_time()
        with pytest.raises(BodyError):
            read(body)
        return time.process_time() - began

    few = min(seconds(100_000) for _ in range(5))
    many = min(seconds(400_000) for _ in range(3))
    assert many < 9 * few + 0.01


def test_keys_of_queues_and_numbers() -> None:
    """Both are read as they are, and as the texts that newer versions may write."""
    assert bodies.queue(json.loads(QUEUE)) == bodies.queue(QUEUE) == MessageQueue("orders", "broker-a", 0)
    assert bodies.number(7) == bodies.number("7") == 7


WRONG: dict[str, Callable[[], Any]] = {
    "a queue that is a number": lambda: bodies.queue(1),
    "a queue that is a text": lambda: bodies.queue("orders"),
    "a queue that is a text in a text": lambda: bodies.queue('"{}"'),
    "a queue without a topic": lambda: bodies.queue('{"brokerName":"a","queueId":0}'),
    "a queue whose number is true": lambda: bodies.queue({"brokerName": "a", "queueId": True, "topic": "t"}),
    "a number that is a text": lambda: bodies.number("seven"),
    "a number that is true": lambda: bodies.number(True),
    "a table in a list": lambda: list(bodies.table(b"[]", "offsetTable")),
    "a table that is a number": lambda: list(bodies.table(b'{"offsetTable":1}', "offsetTable")),
    "a member of a number": lambda: bodies.member(1, "a", int, 0),
    "a member that is missing": lambda: bodies.member({}, "a", int),
    "a member of another kind": lambda: bodies.member({"a": "x"}, "a", int),
}


@pytest.mark.parametrize("ask", WRONG.values(), ids=WRONG)
def test_what_is_not_what_was_asked_for(ask: Callable[[], Any]) -> None:
    """Sound JSON of another shape is refused too."""
    with pytest.raises(BodyError):
        ask()


def test_what_is_missing_may_have_a_default() -> None:
    """Null counts as missing; a table that is not there is empty."""
    assert bodies.member({"a": None}, "a", int, 5) == 5
    assert list(bodies.table(b"{}", "offsetTable")) == []
