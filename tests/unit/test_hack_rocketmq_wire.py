"""The questions by which RocketMQ's servers are found ready: whatever comes back, they have an answer."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from floodhack import rocketmq_wire
from floodhack.errors import HackError
from floodhack.rocketmq_wire import Credentials

ME = Credentials("floodwarden", "12345678")


@dataclass
class Server:
    """Something on 127.0.0.1 that answers each connection with prepared bytes and keeps what it was asked."""

    answer: bytes
    asked: list[bytes] = field(default_factory=list)
    port: int = 0

    def serve(self, listener: socket.socket) -> None:
        """Answer until the listener is shut down."""
        with contextlib.suppress(OSError):
            while True:
                link, _ = listener.accept()
                with link:
                    self.asked.append(link.recv(65536))
                    link.sendall(self.answer)


@contextlib.contextmanager
def answering(answer: bytes) -> Iterator[Server]:
    """A server that gives this answer."""
    server = Server(answer)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server.port = listener.getsockname()[1]
        thread = threading.Thread(target=server.serve, args=(listener,))
        thread.start()
        try:
            yield server
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def frame(header: dict[str, Any], body: bytes = b"") -> bytes:
    packed = json.dumps(header).encode()
    return struct.pack(">ii", 4 + len(packed) + len(body), len(packed)) + packed + body


ADDRESSES = b'{0:"127.0.0.1:9882",1:"127.0.0.1:9887"}'
CLUSTERS = b'"clusterAddrTable":{"DefaultCluster":["broker-a"]}}'
BROKERS = b'{"brokerAddrTable":{"broker-a":{"brokerAddrs":%s,"brokerName":"broker-a"}},' + CLUSTERS
TWO = {0: "127.0.0.1:9882", 1: "127.0.0.1:9887"}
NOBODY = b'{"brokerAddrTable":{},"clusterAddrTable":{}}'


@pytest.mark.parametrize(
    ("answer", "brokers"),
    [
        (frame({"code": 0}, BROKERS % ADDRESSES), TWO),
        (frame({"code": 0}, BROKERS % b'{"0":"127.0.0.1:9882","1":"127.0.0.1:9887"}'), TWO),
        (frame({"code": 0}, NOBODY), {}),
        (frame({"code": 1, "remark": "no"}), None),
        (b"", None),
        (struct.pack(">i", 2) + b"{}", None),
        (frame({"code": 0}, BROKERS % ADDRESSES)[:-1], None),
        (struct.pack(">ii", 6, 2) + b"{]", None),
    ],
    ids=["two", "two as JSON", "none", "error", "nothing", "too short", "cut short", "no header"],
)
def test_the_name_server_is_asked_who_is_registered(answer: bytes, brokers: dict[int, str] | None) -> None:
    """Nobody registered is told from a name server that does not answer, or not with sense."""
    with answering(answer) as server:
        assert rocketmq_wire.registered_brokers(server.port) == brokers


def test_what_is_larger_than_any_answer_of_ours_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A length is believed only within bounds."""
    with answering(frame({"code": 0}, NOBODY)) as server:
        assert rocketmq_wire.registered_brokers(server.port) == {}
        monkeypatch.setattr(rocketmq_wire, "LARGEST_FRAME", 32)
        assert rocketmq_wire.registered_brokers(server.port) is None


def test_a_port_where_nobody_listens_does_not_answer() -> None:
    """It is no error to ask there: that is how one waits."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert rocketmq_wire.registered_brokers(port) is None
    assert rocketmq_wire.log_end(port, None) is None


def test_where_a_log_ends_is_asked_with_a_signature() -> None:
    """The request carries who asks, and a signature over its fields but itself; the answer's number is read."""
    with answering(frame({"code": 0}, b'{"table":{"commitLogMaxOffset":"4711"}}')) as server:
        assert rocketmq_wire.log_end(server.port, ME) == 4711
    asked = json.loads(server.asked[0][8:])
    assert asked["code"] == 28
    assert asked["extFields"] == {
        "AccessKey": "floodwarden",
        "Signature": rocketmq_wire.signature({"AccessKey": ME.access_key}, b"", ME.secret_key),
    }


@pytest.mark.parametrize(
    ("fields", "body"),
    [({"topic": "RocketMQ"}, b""), ({"b": "MQ", "a": "Rocket"}, b""), ({"a": "Rocket"}, b"MQ"), ({}, b"RocketMQ")],
    ids=["one", "ordered by name", "with a body", "a body alone"],
)
def test_requests_are_signed_as_rocketmq_does(fields: dict[str, str], body: bytes) -> None:
    """The signature of RocketMQ's own test of AclSigner: of the text RocketMQ with the key 12345678."""
    assert rocketmq_wire.signature(fields, body, "12345678") == "IUc8rrO/0gDch8CjObLQsW2rsiA="


@pytest.mark.parametrize(
    ("route", "greeting", "serves"),
    [
        (frame({"code": 0}), b"\0\0\0\4\0\0\0\0\0", True),
        (frame({"code": 17}), b"\0\0\0\4\0\0\0\0\0", False),
        (frame({"code": 0}), b"HTTP/1.1 400", False),
        (frame({"code": 0}), b"", False),
    ],
    ids=["both", "no route", "no HTTP/2", "no greeting"],
)
def test_a_proxy_serves_when_both_its_ports_do(route: bytes, greeting: bytes, serves: bool) -> None:
    """Its remoting port tells a route, and its gRPC port greets in HTTP/2."""
    with answering(route) as remoting, answering(greeting) as grpc:
        assert rocketmq_wire.proxy_serves(remoting.port, grpc.port, None) is serves


@pytest.mark.parametrize(
    ("answer", "codes"),
    [(frame({"code": 0}), [3004, 3001, 3009, 3006]), (frame({"code": 0}, b"{}"), [3004, 3009])],
    ids=["not there", "there"],
)
def test_a_user_is_made_where_it_is_not_there(answer: bytes, codes: list[int]) -> None:
    """Account and rights are looked for first, so that bringing the servers up again changes nothing."""
    with answering(answer) as server:
        rocketmq_wire.ensure_user(server.port, Credentials("application", "secret"), ME)
    assert [json.JSONDecoder().raw_decode(asked[8:].decode())[0]["code"] for asked in server.asked] == codes


@pytest.mark.parametrize(
    "make",
    [
        lambda port: rocketmq_wire.ensure_user(port, Credentials("application", "secret"), ME),
        lambda port: rocketmq_wire.create_topic(port, "orders", 8, ME),
    ],
    ids=["user", "topic"],
)
def test_what_a_broker_refuses_is_said(make: Callable[[int], None]) -> None:
    """With the broker's own words."""
    with answering(frame({"code": 16, "remark": "not permitted"})) as server, pytest.raises(HackError, match="not permitted"):
        make(server.port)


TABLE = """  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:269B 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1
   1: 0100007F:269B 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0        0 2
   2: 0100007F:D431 0100007F:269B 01 00000000:00000000 00:00000000 00000000     0        0 3
   3: 0100007F:269B 0100007F:D432 06 00000000:00000000 00:00000000 00000000     0        0 4
"""


@pytest.mark.parametrize(("port", "count"), [(0x269B, 1), (0xD431, 1), (0x9B, 0)])
def test_connections_are_counted_at_their_own_end(port: int, count: int) -> None:
    """Listening is no connection, nor is one that is closing, nor the other end."""
    assert rocketmq_wire.count_connections(TABLE, port) == count


def test_a_slaves_connection_is_seen() -> None:
    """In the kernel's own table, while it lasts."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert rocketmq_wire.connections(port) == 0
        with socket.create_connection(("127.0.0.1", port)):
            assert rocketmq_wire.connections(port) == 1
