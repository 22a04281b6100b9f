"""Just enough of RocketMQ's remoting protocol to see from a bare Python whether the servers are ready: who is registered, how far
a broker's log reaches, whether the proxy serves; and to make the users of the variant with ACLs.

JSON headers throughout, which every version reads. `rocketmq.py` waits with it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import socket
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from floodhack.errors import HackError

UPDATE_AND_CREATE_TOPIC, UPDATE_BROKER_CONFIG, GET_BROKER_RUNTIME_INFO, GET_ROUTEINFO_BY_TOPIC, GET_BROKER_CLUSTER_INFO = (
    17,
    25,
    28,
    105,
    106,
)
AUTH_CREATE_USER, AUTH_GET_USER, AUTH_CREATE_ACL, AUTH_GET_ACL = 3001, 3004, 3006, 3009
SUCCESS = 0
TIMEOUT_SECONDS = 5.0
# Only the readiness of our own servers is asked for: nothing they answer is near this.
LARGEST_FRAME = 2**24
# The proxy does not start without it.
PROXYS_TOPIC = "DefaultHeartBeatSyncerTopic"
HTTP2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HTTP2_SETTINGS = 4
ESTABLISHED = "01"


@dataclass(frozen=True)
class Credentials:
    """Who asks, and the secret that the request is signed with."""

    access_key: str
    secret_key: str


@dataclass(frozen=True)
class Answer:
    """What came back: 0 for success, else RocketMQ's code, with what it remarks."""

    code: int
    remark: str
    body: bytes


def registered_brokers(port: int) -> dict[int, str] | None:
    """The brokers that the name server knows: their id (0 is a master) → host:port; None when it does not answer."""
    answer = ask(port, GET_BROKER_CLUSTER_INFO)
    if answer is None or answer.code != SUCCESS:
        return None
    # Not JSON: {"brokerAddrTable":{"broker-a":{"brokerAddrs":{0:"127.0.0.1:9882",1:"127.0.0.1:9887"},…
    found = re.findall(rb'[{,]"?(\d+)"?:"([^"]+:\d+)"', answer.body)
    return {int(number): address.decode() for number, address in found}


def log_end(port: int, by: Credentials | None) -> int | None:
    """Where the broker's commit log ends, in bytes; None when it does not answer."""
    answer = ask(port, GET_BROKER_RUNTIME_INFO, by=by)
    if answer is None or answer.code != SUCCESS:
        return None
    return int(json.loads(answer.body)["table"]["commitLogMaxOffset"])


def proxy_serves(remoting_port: int, grpc_port: int, by: Credentials | None) -> bool:
    """Whether the proxy tells the route of its own topic, and speaks HTTP/2 where gRPC is expected."""
    return knows_topic(remoting_port, PROXYS_TOPIC, by) and _speaks_http2(grpc_port)


def knows_topic(port: int, topic: str, by: Credentials | None = None) -> bool:
    """Whether the name server, or the proxy, at this port tells where a topic's queues are."""
    answer = ask(port, GET_ROUTEINFO_BY_TOPIC, {"topic": topic}, by=by)
    return answer is not None and answer.code == SUCCESS


def create_topic(port: int, topic: str, queues: int, by: Credentials | None) -> None:
    """Make a topic with so many queues on the broker at this port; HackError when refused."""
    count = str(queues)
    fields = {"topic": topic, "defaultTopic": "TBW102", "readQueueNums": count, "writeQueueNums": count, "perm": "6"}
    fields |= {"topicFilterType": "SINGLE_TAG", "topicSysFlag": "0", "order": "false"}
    answer = ask(port, UPDATE_AND_CREATE_TOPIC, fields, by=by)
    if answer is None or answer.code != SUCCESS:
        raise HackError(f"the broker at port {port} did not make topic {topic}: {answer.remark if answer else 'no answer'}")


def register_anew(port: int, by: Credentials | None) -> None:
    """Have a broker register with the name servers, as it does whenever its permission is set, be it to the same."""
    ask(port, UPDATE_BROKER_CONFIG, body=b"brokerPermission=6\n", by=by)


def ensure_user(port: int, user: Credentials, by: Credentials) -> None:
    """Have a user of RocketMQ 5 on one broker who may send and consume, and nothing else; HackError when refused."""
    entry = {"resource": "Topic:*", "actions": ["Pub", "Sub"], "decision": "Allow"}
    entries = [entry, {**entry, "resource": "Group:*", "actions": ["Sub"]}]
    subject = f"User:{user.access_key}"
    account = {"username": user.access_key, "password": user.secret_key, "userType": "Normal"}
    rules = {"subject": subject, "policies": [{"policyType": "Custom", "entries": entries}]}
    for get, create, fields, body in (
        (AUTH_GET_USER, AUTH_CREATE_USER, {"username": user.access_key}, account),
        (AUTH_GET_ACL, AUTH_CREATE_ACL, {"subject": subject}, rules),
    ):
        known = ask(port, get, fields, by=by)
        if known is not None and known.code == SUCCESS and known.body:
            continue
        answer = ask(port, create, fields, json.dumps(body).encode(), by=by)
        if answer is None or answer.code != SUCCESS:
            raise HackError(f"the broker at port {port} did not make {subject}: {answer.remark if answer else 'no answer'}")


def connections(port: int) -> int:
    """How many clients are connected to a port of this machine, as the kernel tells."""
    tables = (Path(f"/proc/net/{name}") for name in ("tcp", "tcp6"))
    return sum(count_connections(table.read_text(), port) for table in tables if table.exists())


def count_connections(table: str, port: int) -> int:
    """The established connections at a local port in a table as in /proc/net/tcp."""
    rows = (line.split() for line in table.splitlines()[1:])
    return sum(row[1].endswith(f":{port:04X}") and row[3] == ESTABLISHED for row in rows)


def signature(fields: dict[str, str], body: bytes, secret_key: str) -> str:
    """What proves who asks, as in RocketMQ's AclSigner: HMAC-SHA1 over the values, ordered by name, and the body, in base 64."""
    content = "".join(fields[name] for name in sorted(fields)).encode() + body
    return base64.b64encode(hmac.digest(secret_key.encode(), content, hashlib.sha1)).decode()


def ask(
    port: int, code: int, fields: dict[str, str] | None = None, body: bytes = b"", *, by: Credentials | None = None
) -> Answer | None:
    """Send one request, signed when `by` is given; None when there is nobody, or no answer in five seconds, or no sense in it."""
    sent = dict(fields or {})
    if by is not None:
        sent["AccessKey"] = by.access_key
        sent["Signature"] = signature(sent, body, by.secret_key)
    header = {"code": code, "flag": 0, "language": "PYTHON", "opaque": 1, "version": 0, "serializeTypeCurrentRPC": "JSON"}
    packed = json.dumps({**header, "extFields": sent}).encode()
    message = struct.pack(">i", len(packed)) + packed + body
    try:
        with socket.create_connection(("127.0.0.1", port), TIMEOUT_SECONDS) as link:
            link.settimeout(TIMEOUT_SECONDS)
            link.sendall(struct.pack(">i", len(message)) + message)
            return _answer(link)
    except (OSError, EOFError, ValueError, KeyError):
        return None


def _answer(link: socket.socket) -> Answer:
    (size,) = struct.unpack(">i", _read(link, 4))
    if not 4 <= size <= LARGEST_FRAME:
        raise ValueError(size)
    frame = _read(link, size)
    (kind_and_length,) = struct.unpack_from(">i", frame)
    end = 4 + (kind_and_length & 0xFFFFFF)
    header: dict[str, Any] = json.loads(frame[4:end])
    return Answer(header["code"], header.get("remark") or "", frame[end:])


def _speaks_http2(port: int) -> bool:
    no_settings = struct.pack(">BHBBi", 0, 0, HTTP2_SETTINGS, 0, 0)
    try:
        with socket.create_connection(("127.0.0.1", port), TIMEOUT_SECONDS) as link:
            link.settimeout(TIMEOUT_SECONDS)
            link.sendall(HTTP2_PREFACE + no_settings)
            return _read(link, 9)[3] == HTTP2_SETTINGS
    except (OSError, EOFError):
        return False


def _read(link: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = link.recv(size - len(data))
        if not more:
            raise EOFError
        data += more
    return data
